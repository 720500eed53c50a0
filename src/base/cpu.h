/* What this processor can do, and how many processors this process may use. */
#ifndef BASE_CPU_H
#define BASE_CPU_H

#include "base/error.h"

/* Levels are ordered within an architecture; a kernel of a level runs on every higher one of the same architecture. */
typedef enum cpu_isa {
    CPU_SCALAR = 0,
    CPU_AVX2 = 10,      /* AVX2 + FMA + F16C */
    CPU_AVXVNNI = 11,   /* + AVX-VNNI */
    CPU_AVX512 = 20,    /* AVX-512 F BW DQ VL */
    CPU_AVX512VNNI = 21,
    CPU_AMX = 22, /* + AMX-TILE, AMX-INT8: only where HST_CPU=amx asks for it (cpu_on_request) */
    CPU_NEON = 40,
    CPU_DOTPROD = 41,
    CPU_I8MM = 42
} cpu_isa;

/* The level in use: what was found, lowered by HST_CPU=<scalar|avx2|avxvnni|avx512|avx512vnni|neon|dotprod|i8mm> (read
 * once), or amx, which HST_CPU=amx adds. A name unknown or not available here leaves what was found and logs a warning.
 */
cpu_isa cpu_level(void);
/* True where kernels of `isa` may run at the level in use (AVX-512 does not imply AVX-VNNI). */
bool cpu_has(cpu_isa isa);
/* A level that is in use only where HST_CPU names it: its kernels have run nowhere but under emulation, so that nobody
 * knows yet whether they are faster. */
static inline bool cpu_on_request(cpu_isa isa) {
    return isa == CPU_AMX;
}
const char *cpu_isa_name(cpu_isa isa);
const char *cpu_model_name(void); /* "AMD EPYC …" or "" */

/* Processors: the affinity mask, cut by the cgroup (v1 or v2) CPU quota rounded up; at least 1. */
int cpu_count(void);
/* Cache sizes in bytes (0: unknown): level 1 (data), 2, 3. */
size_t cpu_cache(int level);

#endif
