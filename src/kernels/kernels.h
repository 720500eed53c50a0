/* The kernels: pure arithmetic on raw pointers. Each family has a readable reference that fills its slots; faster
 * versions overwrite slots where this CPU can run them. One table, used to choose, to test, to benchmark, to list.
 *
 * Every f32 kernel gives the same bits on every ISA that has FMA: the order of its operations is part of its contract. */
#ifndef KERNELS_KERNELS_H
#define KERNELS_KERNELS_H

#include "base/cpu.h"

typedef void (*kernel_fn)(void); /* cast to the family's type */

typedef struct kernel {
    const char *name;   /* "gemm_f32_6x16__avx2" */
    const char *family; /* "gemm_f32" */
    size_t slot;        /* byte offset in struct kernels */
    cpu_isa isa;
    int rank;           /* among kernels of one slot that can run here the highest (isa, rank) is chosen */
    kernel_fn fn;
} kernel;

#define HST_KERNEL(id) extern const kernel kernel_##id; const kernel kernel_##id

extern const kernel *const kernel_list[];
extern const int kernel_list_count;

/* The slots: one member a family and variant, each with its contract in the family's header, which this includes. */
#include "kernels/slots.h"

/* The chosen ones for cpu_level(); made once, thread-safe, never NULL members. */
const kernels *kernels_get(void);
/* The chosen one's entry of the slot at a byte offset in struct kernels. */
const kernel *kernels_chosen(size_t slot);
/* The best one of the same slot that is better than `name` and cannot run here, NULL where there is none or `name` is
 * no kernel's. One on request is not known to be better. */
const kernel *kernels_better(const char *name);

#endif
