/* struct kernels: one slot per kernel family and variant. Types and contracts stand in the families' headers. */
#ifndef KERNELS_SLOTS_H
#define KERNELS_SLOTS_H

typedef struct kernels {
    kernel_fn none; /* so that the table is never empty */
} kernels;

#endif
