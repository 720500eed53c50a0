/* Moving elements of any size between two strided layouts: transposes, slices, concatenation, broadcasting, reversal.
 *
 *   to[Σ i_k·to_stride_k] = from[Σ i_k·from_stride_k]   for all i, 0 <= i_k < dim_k
 *
 * Strides are in elements and may be 0 (from: broadcasting) or negative. The two memories do not overlap. */
#ifndef KERNELS_COPY_COPY_H
#define KERNELS_COPY_COPY_H

#include <stddef.h>
#include <stdint.h>

#define COPY_RANK_MAX 40

/* The same copy with fewer, longer dimensions, outermost first; strides in bytes. */
typedef struct copy_plan {
    size_t size; /* bytes of an element, perhaps several of the caller's */
    int rank;
    int64_t dim[COPY_RANK_MAX], to_stride[COPY_RANK_MAX], from_stride[COPY_RANK_MAX];
} copy_plan;

/* rank <= COPY_RANK_MAX; products of dims and strides were checked by whoever allocated the memories. */
void copy_plan_make(copy_plan *p, size_t size, int rank, const int64_t *dim, const int64_t *to_stride,
                    const int64_t *from_stride);
void copy_plan_run(const copy_plan *p, void *to, const void *from);
/* The plan's part [begin, end) of dimension k; *to and *from move to its start. */
void copy_plan_part(copy_plan *p, int k, int64_t begin, int64_t end, void **to, const void **from);

/* to[i] = value for n elements of `size` bytes. */
void copy_fill(void *to, const void *value, size_t size, int64_t n);

#endif
