/* The 8-bit linear layer for AMX as it was compiled, on processors that have no AMX: each of its tile instructions
 * raises SIGILL, whose handler decodes and emulates it. So what the compiler made of the intrinsics is tested too, and
 * which writes it kept before them. (Where there is AMX, kernels.gemm_s8 runs it under HST_CPU=amx.) */
#include "gemm_s8_check.h"
#include "kernels/kernels.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <signal.h>
#include <ucontext.h>

#include "amx_emulated.h"

/* An instruction in VEX encoding of three bytes (volume 2, 2.3 of Intel's manual), its memory operand taken apart. */
typedef struct instruction {
    int prefix, opcode, reg, rm, vvvv; /* prefix: 0 none, 1 66, 2 F3, 3 F2 */
    bool memory;
    const char *base;
    int64_t index; /* times its scale */
    int size;
} instruction;

static int64_t general_register(const ucontext_t *c, int i) {
    static const int order[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                                  REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
    return c->uc_mcontext.gregs[order[i]];
}

/* The memory operand from the byte at + 4 on (mod and rm, perhaps index and base, a distance). */
static void decode_memory(const ucontext_t *c, const uint8_t *at, instruction *i) {
    const int mod = at[4] >> 6, x = ~at[1] >> 6 & 1, b = ~at[1] >> 5 & 1;
    const uint8_t *next = at + 5;
    int base = i->rm;
    bool has_base = true;
    if ((at[4] & 7) == 4) { /* index and base follow */
        const int index = (*next >> 3 & 7) | x << 3;
        base = (*next & 7) | b << 3;
        has_base = mod != 0 || (*next & 7) != 5;
        if (index != 4) i->index = general_register(c, index) * (1 << (*next >> 6));
        next++;
    } else
        amx_require(mod != 0 || (at[4] & 7) != 5, "an instruction", "its address is relative to itself");
    int32_t distance = 0;
    if (mod == 1)
        distance = (int8_t)*next++;
    else if (mod == 2 || !has_base) {
        memcpy(&distance, next, 4);
        next += 4;
    }
    i->base = (const char *)(has_base ? general_register(c, base) : 0) + distance;
    i->size = (int)(next - at);
}

static instruction decode(const ucontext_t *c) {
    const uint8_t *at = (const uint8_t *)c->uc_mcontext.gregs[REG_RIP];
    amx_require(at[0] == 0xc4 && (at[1] & 31) == 2 && (at[2] & 0x84) == 0, "an instruction", "is none of AMX");
    instruction i = {.prefix = at[2] & 3, .opcode = at[3], .vvvv = ~at[2] >> 3 & 15, .size = 5};
    i.reg = (at[4] >> 3 & 7) | (~at[1] >> 7 & 1) << 3;
    i.rm = (at[4] & 7) | (~at[1] >> 5 & 1) << 3;
    i.memory = at[4] >> 6 != 3;
    if (i.memory) decode_memory(c, at, &i);
    return i;
}

static volatile sig_atomic_t products;

static void emulate(int number, siginfo_t *info, void *context) {
    (void)number;
    (void)info;
    ucontext_t *c = context;
    const instruction i = decode(c);
    const int what = i.opcode << 8 | i.prefix << 4 | i.memory;
    switch (what) {
    case 0x4901:
        amx_loadconfig(i.base + i.index);
        break;
    case 0x4900:
        amx_release();
        break;
    case 0x4930:
        amx_zero(i.reg);
        break;
    case 0x4b31:
        amx_loadd(i.reg, i.base, i.index);
        break;
    case 0x4b21:
        amx_stored(i.reg, (char *)(uintptr_t)i.base, i.index);
        break;
    case 0x5e10:
        amx_dpbusd(i.reg, i.rm, i.vvvv);
        products++;
        break;
    default:
        amx_require(0, "an instruction", "is none that is emulated");
    }
    c->uc_mcontext.gregs[REG_RIP] += i.size;
}

static bool can_run(void) {
    unsigned a, b, c, d;
    return cpu_has(CPU_AVX512VNNI) && __get_cpuid_count(7, 0, &a, &b, &c, &d) && !(d >> 24 & 1);
}

/* The compiled one, where there is one and it must be emulated. */
static const gemm_s8_family *compiled(void) {
    for (int i = 0; i < kernel_list_count && can_run(); i++)
        if (kernel_list[i]->slot == offsetof(kernels, gemm_s8) && kernel_list[i]->isa == CPU_AMX)
            return ((gemm_s8_fn)kernel_list[i]->fn)();
    return NULL;
}

static void compiled_family(void **state) {
    (void)state;
    const gemm_s8_family *f = compiled();
    if (!f) {
        print_message("needs a compiler that knows AMX, a processor with AVX-512 VNNI and no AMX\n");
        skip();
    }
    struct sigaction old, act = {.sa_sigaction = emulate, .sa_flags = SA_SIGINFO};
    assert_int_equal(sigaction(SIGILL, &act, &old), 0);
    s8_check_family(f, true);
    sigaction(SIGILL, &old, NULL);
    assert_true(products > 10000 && tiles.palette == 0);
}
#else
static void compiled_family(void **state) {
    (void)state;
    print_message("needs x86-64\n");
    skip();
}
#endif

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(compiled_family)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
