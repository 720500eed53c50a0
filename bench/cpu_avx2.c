/* Preloaded (LD_PRELOAD), makes a program take this processor for one that ends with AVX2 and FMA: no AVX-512,
 * AVX-VNNI, AMX. So engines that offer no switch of their own are compared as they run on the processors that most
 * people have.
 *
 * Linux on x86-64 lets a thread, and all that it starts, fault at the instruction CPUID (arch_prctl, ARCH_SET_CPUID):
 * the handler executes it and takes away bits of leaf 7. Processors without this feature: a line on stderr and exit
 * code 3. */
#include <cpuid.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#define SET_CPUID 0x1012 /* ARCH_SET_CPUID */

/* Leaf 7, by subleaf: AVX512 F, DQ, IFMA, PF, ER, CD, BW, VL; VBMI, VBMI2, VNNI, BITALG, VPOPCNTDQ; 4VNNIW, 4FMAPS,
 * VP2INTERSECT, AMX-BF16, FP16, AMX-TILE, AMX-INT8; then AVX-VNNI, AVX512-BF16, AMX-FP16, AVX-IFMA; AVX-VNNI-INT8,
 * AVX-NE-CONVERT, AMX-COMPLEX, AVX-VNNI-INT16, AVX10. */
#define EBX_0 (1u << 16 | 1u << 17 | 1u << 21 | 1u << 26 | 1u << 27 | 1u << 28 | 1u << 30 | 1u << 31)
#define ECX_0 (1u << 1 | 1u << 6 | 1u << 11 | 1u << 12 | 1u << 14)
#define EDX_0 (1u << 2 | 1u << 3 | 1u << 8 | 1u << 22 | 1u << 23 | 1u << 24 | 1u << 25)
#define EAX_1 (1u << 4 | 1u << 5 | 1u << 21 | 1u << 23)
#define EDX_1 (1u << 4 | 1u << 5 | 1u << 8 | 1u << 10 | 1u << 19)

static bool faulting(bool on) {
    return syscall(SYS_arch_prctl, SET_CPUID, on ? 0L : 1L) == 0;
}

static void on_fault(int signal_number, siginfo_t *info, void *context) {
    (void)info;
    greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
    const unsigned char *at = (const unsigned char *)r[REG_RIP]; /* NOLINT: an address */
    if (at[0] != 0x0f || at[1] != 0xa2) {                        /* no CPUID: a fault of the program's own */
        signal(signal_number, SIG_DFL);
        return;
    }
    unsigned leaf = (unsigned)r[REG_RAX], sub = (unsigned)r[REG_RCX], a, b, c, d;
    faulting(false);
    __cpuid_count(leaf, sub, a, b, c, d);
    faulting(true);
    if (leaf == 7 && sub == 0) b &= ~EBX_0, c &= ~ECX_0, d &= ~EDX_0;
    if (leaf == 7 && sub == 1) a &= ~EAX_1, d &= ~EDX_1;
    r[REG_RAX] = a, r[REG_RBX] = b, r[REG_RCX] = c, r[REG_RDX] = d;
    r[REG_RIP] += 2;
}

__attribute__((constructor)) static void begin(void) {
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER};
    if (sigaction(SIGSEGV, &action, NULL) == 0 && faulting(true)) return;
    fputs("cpu_avx2: this processor or kernel has no CPUID faulting\n", stderr);
    _exit(3);
}
