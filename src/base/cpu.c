/* Probing the processor: ISA levels from cpuid/xgetbv or the auxiliary vector, processors from the affinity mask and
 * the cgroup's quota, cache sizes from sysfs. Everything but cpu_count is probed once. */
#include "base/cpu.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__)
#include <sys/auxv.h>
#endif

static const struct isa_facts {
    cpu_isa isa;
    const char *name;
} isas[] = {
    {CPU_SCALAR, "scalar"},         {CPU_AVX2, "avx2"}, {CPU_AVXVNNI, "avxvnni"}, {CPU_AVX512, "avx512"},
    {CPU_AVX512VNNI, "avx512vnni"}, {CPU_AMX, "amx"},   {CPU_NEON, "neon"},       {CPU_DOTPROD, "dotprod"},
    {CPU_I8MM, "i8mm"},
};
enum { ISAS = sizeof isas / sizeof *isas };

static pthread_once_t once = PTHREAD_ONCE_INIT;
static uint64_t found = 1; /* bit k: isa k can run here; cut by HST_CPU */
static cpu_isa level = CPU_SCALAR;
static char model_name[64];
static size_t caches[3];

static void add(cpu_isa isa) {
    found |= UINT64_C(1) << isa;
}

#if defined(__x86_64__)

static uint64_t extended_state(void) {
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

static bool bit(unsigned word, int k) {
    return word >> k & 1;
}

static void probe_isas(void) {
    unsigned a, b, c, d, a1 = 0, b1, c1, d1;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !bit(c, 27)) return; /* OSXSAVE: xgetbv may be asked */
    bool fma = bit(c, 12), f16c = bit(c, 29);
    uint64_t state = extended_state();
    bool ymm = (state & 0x06) == 0x06, zmm = (state & 0xe6) == 0xe6;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return;
    if (a >= 1) __get_cpuid_count(7, 1, &a1, &b1, &c1, &d1);
    if (!(ymm && fma && f16c && bit(b, 3) && bit(b, 5) && bit(b, 8))) return; /* BMI1, AVX2, BMI2 */
    add(CPU_AVX2);
    if (bit(a1, 4)) add(CPU_AVXVNNI);
    if (!(zmm && bit(b, 16) && bit(b, 17) && bit(b, 30) && bit(b, 31))) return; /* F, DQ, BW, VL */
    add(CPU_AVX512);
    if (bit(c, 11)) add(CPU_AVX512VNNI);
}

/* Whether AMX is here, and Linux lets this process use tiles. It is asked only by who wants them: from then on it saves
 * 8 KB more for a thread that has used them, and refuses signal stacks that are too small for that. */
static bool tiles_granted(void) {
#ifdef SYS_arch_prctl
    enum { ARCH_REQ_XCOMP_PERM_ = 0x1023, XTILECFG = 17, XTILEDATA = 18 };
    unsigned a, b, c, d;
    if (!(found >> CPU_AVX512VNNI & 1) || !__get_cpuid_count(7, 0, &a, &b, &c, &d)) return false;
    const uint64_t state = extended_state();
    return bit(d, 24) && bit(d, 25) && state >> XTILECFG & 1 && state >> XTILEDATA & 1 && /* AMX-TILE, AMX-INT8 */
           syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM_, XTILEDATA) == 0;
#else
    return false;
#endif
}

static void probe_name(void) {
    unsigned words[12];
    for (unsigned k = 0; k < 3; k++) {
        unsigned *w = words + 4 * k;
        if (!__get_cpuid(0x80000002u + k, &w[0], &w[1], &w[2], &w[3])) return;
    }
    char text[49] = {0}, *from = text, *end;
    memcpy(text, words, 48);
    while (*from == ' ') from++;
    for (end = from + strlen(from); end > from && end[-1] == ' ';) *--end = '\0';
    snprintf(model_name, sizeof model_name, "%s", from);
}

#else

static void probe_isas(void) {
#if defined(__aarch64__)
    add(CPU_NEON);
    if (getauxval(AT_HWCAP) & 1ul << 20) add(CPU_DOTPROD); /* HWCAP_ASIMDDP */
    if (getauxval(AT_HWCAP2) & 1ul << 13) add(CPU_I8MM);   /* HWCAP2_I8MM */
#endif
}

static bool tiles_granted(void) {
    return false;
}

static void probe_name(void) {
    char line[256];
    FILE *f = fopen("/proc/cpuinfo", "re");
    while (f && fgets(line, sizeof line, f)) {
        char *colon = strchr(line, ':');
        if (!colon || (strncmp(line, "model name", 10) != 0 && strncmp(line, "Model", 5) != 0)) continue;
        colon[strcspn(colon, "\n")] = '\0';
        snprintf(model_name, sizeof model_name, "%.60s", colon + 1 + (colon[1] == ' '));
        break;
    }
    if (f) fclose(f);
}

#endif

/* The first line of a small file, without its newline; false where it cannot be read. */
static bool read_line(const char *path, char *to, int size) {
    FILE *f = fopen(path, "re");
    bool ok = f && fgets(to, size, f);
    if (f) fclose(f);
    if (ok) to[strcspn(to, "\n")] = '\0';
    return ok;
}

static void probe_caches(void) {
    for (int index = 0; index < 8; index++) {
        char path[96], number[32], type[32], size[32];
        snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/cache/index%d/level", index);
        if (!read_line(path, number, sizeof number)) break;
        snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/cache/index%d/type", index);
        if (!read_line(path, type, sizeof type) || strcmp(type, "Instruction") == 0) continue;
        snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/cache/index%d/size", index);
        if (!read_line(path, size, sizeof size)) continue;
        char *unit;
        unsigned long n = strtoul(size, &unit, 10), l = strtoul(number, NULL, 10);
        if (l >= 1 && l <= 3) caches[l - 1] = n << (*unit == 'K' ? 10 : *unit == 'M' ? 20 : 0);
    }
    static const int names[3] = {_SC_LEVEL1_DCACHE_SIZE, _SC_LEVEL2_CACHE_SIZE, _SC_LEVEL3_CACHE_SIZE};
    for (int l = 0; l < 3; l++) {
        long n = caches[l] ? 0 : sysconf(names[l]);
        if (n > 0) caches[l] = (size_t)n;
    }
}

/* Cuts `found` to what HST_CPU allows: the named level and all below. One on request is found only here. */
static void apply_override(void) {
    const char *wanted = getenv("HST_CPU");
    if (!wanted || !*wanted) return;
    if (strcmp(wanted, "amx") == 0 && tiles_granted()) add(CPU_AMX);
    for (int k = 0; k < ISAS; k++) {
        if (strcmp(isas[k].name, wanted) != 0) continue;
        if (!(found >> isas[k].isa & 1)) break;
        found &= (UINT64_C(2) << isas[k].isa) - 1;
        return;
    }
    log_write(HST_LOG_WARNING, "HST_CPU=%s is not a level of this processor and is ignored", wanted);
}

static void probe(void) {
    probe_isas();
    probe_name();
    probe_caches();
    apply_override();
    for (int k = 0; k < ISAS; k++)
        if (found >> isas[k].isa & 1) level = isas[k].isa;
}

cpu_isa cpu_level(void) {
    pthread_once(&once, probe);
    return level;
}

bool cpu_has(cpu_isa isa) {
    pthread_once(&once, probe);
    return (unsigned)isa < 64 && (found >> isa & 1);
}

const char *cpu_isa_name(cpu_isa isa) {
    for (int k = 0; k < ISAS; k++)
        if (isas[k].isa == isa) return isas[k].name;
    return "?";
}

const char *cpu_model_name(void) {
    pthread_once(&once, probe);
    return model_name;
}

size_t cpu_cache(int l) {
    pthread_once(&once, probe);
    return l >= 1 && l <= 3 ? caches[l - 1] : 0;
}

/* ---- processors ---- */

static int affinity_count(void) {
    for (int most = 1024; most <= 1 << 16; most *= 4) { /* the kernel refuses a mask smaller than its own */
        cpu_set_t *set = CPU_ALLOC((size_t)most);
        if (!set) break;
        size_t size = CPU_ALLOC_SIZE((size_t)most);
        int n = sched_getaffinity(0, size, set) == 0 ? CPU_COUNT_S(size, set) : 0;
        CPU_FREE(set);
        if (n > 0) return n;
    }
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n > 0 && n < 1 << 16 ? (int)n : 1;
}

/* Processors that a quota of one group allows, rounded up; 0: no limit. */
static int group_quota(const char *folder, bool v2) {
    char path[4400], line[64], period_text[64];
    long long quota = 0, period = 0;
    if (v2) {
        snprintf(path, sizeof path, "%s/cpu.max", folder);
        if (!read_line(path, line, sizeof line) || sscanf(line, "%lld %lld", &quota, &period) != 2) return 0;
    } else {
        snprintf(path, sizeof path, "%s/cpu.cfs_quota_us", folder);
        if (!read_line(path, line, sizeof line)) return 0;
        snprintf(path, sizeof path, "%s/cpu.cfs_period_us", folder);
        if (!read_line(path, period_text, sizeof period_text)) return 0;
        quota = strtoll(line, NULL, 10);
        period = strtoll(period_text, NULL, 10);
    }
    if (quota <= 0 || period <= 0) return 0;
    long long n = quota / period + (quota % period != 0);
    return n < 1 << 16 ? (int)n : 0;
}

/* The least quota of a group and of those around it. Inside a container the path may not exist: then its root counts.
 */
static int hierarchy_quota(const char *root, const char *group, bool v2) {
    char folder[4200];
    int least = 0;
    int n = snprintf(folder, sizeof folder, "%s%s", root, group);
    if (n < 0 || (size_t)n >= sizeof folder) return 0;
    for (size_t stop = strlen(root); strlen(folder) >= stop; *strrchr(folder, '/') = '\0') {
        int q = group_quota(folder, v2);
        if (q && (!least || q < least)) least = q;
    }
    return least;
}

static bool names_cpu(const char *controllers) {
    for (const char *at = controllers; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
        if (strncmp(at, "cpu", 3) == 0 && (at[3] == ',' || at[3] == '\0')) return true;
    return false;
}

static int quota_count(void) {
    char line[4096];
    int least = 0;
    FILE *f = fopen("/proc/self/cgroup", "re");
    while (f && fgets(line, sizeof line, f)) { /* "0::/group" or "4:cpu,cpuacct:/group" */
        line[strcspn(line, "\n")] = '\0';
        char *controllers = strchr(line, ':'), *group = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!group) continue;
        *group++ = '\0';
        controllers++;
        int q = 0;
        if (!*controllers)
            q = hierarchy_quota("/sys/fs/cgroup", group, true);
        else if (names_cpu(controllers))
            q = hierarchy_quota("/sys/fs/cgroup/cpu", group, false);
        if (q && (!least || q < least)) least = q;
    }
    if (f) fclose(f);
    return least;
}

int cpu_count(void) {
    int n = affinity_count(), quota = quota_count();
    return quota && quota < n ? quota : n;
}
