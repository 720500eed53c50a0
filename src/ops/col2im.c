/* Col2Im: columns x [N, C · taps, L], image_shape, block_shape -> image [N, C, image …]: each column is added into the
 * place of its window; L is the number of windows. f64 inside; true + true is true. */
#include <string.h>

#include "base/checked.h"
#include "ops/fold_planes.h"

static hst_status read_args(const node *n, const int64_t *image, int n_image, const int64_t *block, int n_block,
                            window *w, hst_error *err) {
    int64_t pads[2 * WINDOW_RANK_MAX];
    memset(w, 0, sizeof *w);
    if (n_image != n_block || n_image < 1 || n_image > WINDOW_RANK_MAX)
        return node_error(n, err, HST_STATUS_BAD_SHAPE, "image_shape has %d elements, block_shape %d", n_image,
                          n_block);
    w->rank = n_image;
    HST_TRY(window_list(n, "strides", n_image, 1, 1, w->stride, err));
    HST_TRY(window_list(n, "dilations", n_image, 1, 1, w->dilation, err));
    HST_TRY(window_list(n, "pads", 2 * n_image, 0, 0, pads, err));
    for (int k = 0; k < n_image; k++) {
        if (block[k] < 1 || block[k] > INT32_MAX || image[k] < 0 || image[k] > INT32_MAX)
            return node_error(n, err, HST_STATUS_BAD_SHAPE, "block of %lld in an image of %lld on axis %d",
                              (long long)block[k], (long long)image[k], k);
        w->kernel[k] = block[k];
        w->begin[k] = pads[k];
        w->end[k] = pads[n_image + k];
    }
    return window_fit(n, w, image, err);
}

static hst_status infer(infer_context *c, hst_error *err) {
    const type *x = infer_in(c, 0);
    type *y = &c->out[0];
    int64_t image[WINDOW_RANK_MAX], block[WINDOW_RANK_MAX];
    const int n = infer_ints(c, 1, image, WINDOW_RANK_MAX), n_block = infer_ints(c, 2, block, WINDOW_RANK_MAX);
    window w;
    const type *wanted = infer_in(c, 1);
    y->dtype = x->dtype;
    if (n < 0 && wanted->rank == 1 && wanted->dim[0] > 0 && wanted->dim[0] <= WINDOW_RANK_MAX) {
        y->rank = (int)wanted->dim[0] + 2;
        for (int k = 0; k < y->rank; k++) y->dim[k] = k || x->rank != 3 ? dim_symbol(c->model, "") : x->dim[0];
    }
    if (n < 0 || n_block < 0) return HST_STATUS_OK;
    HST_TRY(read_args(c->node, image, n, block, n_block, &w, err));
    y->rank = n + 2;
    y->dim[0] = x->rank == 3 ? x->dim[0] : dim_symbol(c->model, "");
    y->dim[1] = dim_symbol(c->model, "");
    memcpy(y->dim + 2, image, (size_t)n * sizeof *image);
    if (x->rank == 3 && !dim_is_symbol(x->dim[1])) y->dim[1] = x->dim[1] / window_count(w.kernel, n);
    return HST_STATUS_OK;
}

static void plane(const void *arg, int64_t i, const double *x, double *y, double *scratch) {
    (void)i, (void)scratch;
    const window *w = arg;
    memset(y, 0, (size_t)window_count(w->in, w->rank) * sizeof *y);
    fold_plane(w, x, y);
}

static hst_status eval(eval_context *c, hst_error *err) {
    const hst_tensor *x;
    hst_tensor *y;
    int64_t image[WINDOW_RANK_MAX], block[WINDOW_RANK_MAX], dims[HST_RANK_MAX], inner, planes;
    int n, n_block;
    window w;
    HST_TRY(eval_need(c, 0, "input", &x, err));
    HST_TRY(eval_ints(c, 1, "image_shape", image, WINDOW_RANK_MAX, &n, err));
    HST_TRY(eval_ints(c, 2, "block_shape", block, WINDOW_RANK_MAX, &n_block, err));
    HST_TRY(read_args(c->node, image, n, block, n_block, &w, err));
    const int64_t taps = window_count(w.kernel, n), windows = window_count(w.out, n);
    if (x->rank != 3 || x->dim[1] % taps || x->dim[2] != windows || x->dtype == HST_DTYPE_STRING)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE,
                          "input %s of rank %d does not have blocks of %lld in %lld windows", dtype_name(x->dtype),
                          x->rank, (long long)taps, (long long)windows);
    dims[0] = x->dim[0];
    dims[1] = x->dim[1] / taps;
    memcpy(dims + 2, image, (size_t)n * sizeof *image);
    HST_TRY(eval_output(c, 0, x->dtype, n + 2, dims, &y, err));
    planes_of(y, &planes, &inner);
    return planes_run(c, x, taps * windows, y, inner, planes, 0, 0, plane, &w, err);
}

// clang-format off
static const op_case cases[] = {
    {"overlap", 0, "(f32[1,2,2]{1 2 10 20}, s64[1]{3}, s64[1]{2}) -> (f32[1,1,3]{1 12 20})", 0},
    {"pads, strides, dilations", 0, "(s32[1,4,2]{1 2 3 4 5 6 7 8}, s64[1]{3}, s64[1]{2}; pads=[1,1], strides=[2], dilations=[2]) -> (s32[1,2,3]{0 5 0 0 13 0})", 0},
    {"complex", 18, "(c64[1,2,2]{1 -1 2 0 10 5 20 3}, s64[1]{3}, s64[1]{2}) -> (c64[1,1,3]{1 -1 12 5 20 3})", 0},
    {"bool: any of those that meet", 18, "(b8[1,2,2]{1 0 1 0}, s64[1]{3}, s64[1]{2}) -> (b8[1,1,3]{1 1 0})", 0},
    {0}};
// clang-format on

HST_OP(Col2Im) = {.name = "Col2Im",
                  .domain = "",
                  .since = 18,
                  .min_in = 3,
                  .max_in = 3,
                  .min_out = 1,
                  .max_out = 1,
                  .infer = infer,
                  .eval = eval,
                  .summary = "adds columns of windows into an image",
                  .gaps = "string elements",
                  HST_CASES(cases)};
