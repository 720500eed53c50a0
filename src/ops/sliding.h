/* Sliding windows over the spatial axes of [N, C, d1, d2, …]: what convolutions and poolings share.
 *
 *   reach = (kernel - 1) dilation + 1;   place of tap t of output o: o stride - begin + t dilation
 *   out   = floor((in + begin + end - reach) / stride) + 1; with ceil_mode rounded up, but no window begins in the
 * end's padding auto_pad SAME: out = ceil(in / stride), and as much padding as that needs; VALID: none */
#ifndef OPS_SLIDING_H
#define OPS_SLIDING_H

#include "base/checked.h"
#include "ops/op.h"

#define WINDOW_RANK_MAX (HST_RANK_MAX - 2)

typedef struct window {
    int rank; /* spatial axes */
    enum { WINDOW_EXPLICIT, WINDOW_SAME_UPPER, WINDOW_SAME_LOWER, WINDOW_VALID } padding;
    bool ceil;
    int64_t kernel[WINDOW_RANK_MAX], stride[WINDOW_RANK_MAX], dilation[WINDOW_RANK_MAX];
    int64_t begin[WINDOW_RANK_MAX], end[WINDOW_RANK_MAX]; /* padding; of auto_pad after window_fit */
    int64_t in[WINDOW_RANK_MAX], out[WINDOW_RANK_MAX];    /* after window_fit */
} window;

/* Attributes of a node whose input has `rank` axes. kernel: [rank - 2], the weights', which must agree with
 * kernel_shape; NULL: the attribute says it. */
hst_status window_read(const node *n, int rank, const int64_t *kernel, window *w, hst_error *err);
/* Padding and output lengths for spatial lengths `in`. */
hst_status window_fit(const node *n, window *w, const int64_t *in, hst_error *err);
/* One axis of it. */
hst_status window_fit_axis(const node *n, window *w, int axis, int64_t in, hst_error *err);
/* The spatial dims of `out` (2 …, rank is set) from those of x, where the window is known. */
hst_status window_infer(infer_context *c, window *w, const type *x, type *out, hst_error *err);
/* Lengths at from[] as `rank` numbers, false where one is a symbol: a kernel whose weights are known. */
bool window_numbers(const dim *from, int rank);

static inline int64_t window_reach(const window *w, int axis) {
    return (w->kernel[axis] - 1) * w->dilation[axis] + 1;
}
/* The product of lengths; INT64_MAX where it does not fit, which no tensor's does. */
static inline int64_t window_count(const int64_t *dim, int rank) {
    int64_t n = 1;
    for (int k = 0; k < rank; k++)
        if (!s64_mul(n, dim[k], &n)) return INT64_MAX;
    return n;
}
/* The taps [*first, *last) of output o on an axis that lie inside the input; returns the place of tap 0. */
int64_t window_taps(const window *w, int axis, int64_t o, int64_t *first, int64_t *last);
/* MaxPool of f32 planes over one or two axes (pool_f32.c); a fitted window. */
hst_status pool_max_f32(eval_context *c, const window *w, int64_t planes, const float *x, float *y, hst_error *err);
/* The means of planes of n > 0 elements each. */
hst_status pool_average_f32(eval_context *c, int64_t planes, int64_t n, const float *x, float *y, hst_error *err);
/* The next index of a shape, false after the last one. */
bool window_next(int rank, const int64_t *dim, int64_t *index);

/* A list of integers of a node that should have n elements, each in [least, INT32_MAX]: so that sums and products of
 * two fit. Where absent, all are `otherwise`. */
hst_status window_list(const node *n, const char *name, int count, int64_t least, int64_t otherwise, int64_t *to,
                       hst_error *err);

/* ---- planes: the same work on every [d1, d2, …] of [N, C, d1, d2, …], in f64 ---- */

/* Whether the run is over, asked every so many steps of a plane that takes long; from any worker. What was computed so far
 * does not matter then: planes_run says the status. */
bool planes_stop(const eval_context *c);
/* Plane i: x has its elements, y gets those of the output; scratch as asked for, a worker's own. */
typedef void plane_fn(const void *arg, int64_t i, const double *x, double *y, double *scratch);
/* x and y have `planes` planes of in and out elements; any dtype but string, of complex ones fn sees the two parts as
 * two planes, one after the other. x NULL: fn reads what it wants itself. cost:
 * steps a plane takes, where that is more than its elements. */
hst_status planes_run(eval_context *c, const hst_tensor *x, int64_t in, hst_tensor *y, int64_t out, int64_t planes,
                      int64_t scratch, double cost, plane_fn *fn, const void *arg, hst_error *err);
/* The product of spatial lengths and of the two first ones of a tensor. */
void planes_of(const hst_tensor *t, int64_t *planes, int64_t *inner);
/* All elements of t as f64, converted into scratch where it is not f64 already. */
hst_status planes_f64(eval_context *c, const hst_tensor *t, const double **out, hst_error *err);
/* Floats (any width from 16 bits up) only, rank at least `rank`. */
hst_status planes_check(const node *n, const hst_tensor *x, int rank, const char *name, hst_error *err);

#endif
