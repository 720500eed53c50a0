/* AffineGrid: theta [N, r, r + 1], size [N, C, out …] (r spatial lengths, 2 or 3) -> grid [N, out …, r]
 *   grid[n, o] = theta[n] · (coordinates of o, the last axis first, 1)
 * coordinates run from -1 to 1 over the elements' centres (align_corners) or edges. */
#include <string.h>

#include "ops/sliding.h"

static hst_status infer(infer_context *c, hst_error *err) {
    (void)err;
    dim size[HST_RANK_MAX];
    const int n = infer_dims(c, 1, size, HST_RANK_MAX);
    type *y = &c->out[0];
    const type *theta = infer_in(c, 0), *lengths = infer_in(c, 1);
    y->dtype = theta->dtype;
    if (n < 0 && lengths->rank == 1 && lengths->dim[0] >= 3 && lengths->dim[0] <= 5) {
        y->rank = (int)lengths->dim[0];
        for (int k = 0; k < y->rank; k++) y->dim[k] = k || theta->rank != 3 ? dim_symbol(c->model, "") : theta->dim[0];
        y->dim[y->rank - 1] = y->rank - 2;
    }
    if (n < 3 || n > 5) return HST_STATUS_OK;
    y->rank = n;
    y->dim[0] = size[0];
    memcpy(y->dim + 1, size + 2, (size_t)(n - 2) * sizeof *size);
    y->dim[n - 1] = n - 2;
    for (int k = 0; k < n; k++)
        if (!dim_is_length(c->model, y->dim[k])) y->dim[k] = dim_symbol(c->model, "");
    return HST_STATUS_OK;
}

static hst_status eval(eval_context *c, hst_error *err) {
    const hst_tensor *theta;
    hst_tensor *y;
    int64_t size[5], dims[5], o[3];
    int n;
    const bool align = node_int(c->node, "align_corners", 0) != 0;
    HST_TRY(eval_need(c, 0, "theta", &theta, err));
    HST_TRY(planes_check(c->node, theta, 3, "theta", err));
    HST_TRY(eval_ints(c, 1, "size", size, 5, &n, err));
    const int r = n - 2;
    if (r < 1 || theta->rank != 3 || theta->dim[0] != size[0] || theta->dim[1] != r || theta->dim[2] != r + 1)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "theta [%lld,%lld,%lld] for a size of %d elements",
                          (long long)theta->dim[0], (long long)theta->dim[1], (long long)theta->dim[2], n);
    dims[0] = size[0];
    memcpy(dims + 1, size + 2, (size_t)r * sizeof *size);
    dims[n - 1] = r;
    HST_TRY(eval_output(c, 0, theta->dtype, n, dims, &y, err));
    int64_t to = 0, count = tensor_count(y);
    for (int64_t image = 0; to < count; image++) {
        memset(o, 0, sizeof o);
        do {
            double at[4];
            for (int a = 0; a < r; a++) {
                const double length = (double)size[2 + a], i = (double)o[a];
                at[r - 1 - a] = align ? (length > 1 ? 2 * i / (length - 1) - 1 : 0) : (2 * i + 1) / length - 1;
            }
            at[r] = 1;
            for (int a = 0; a < r; a++) {
                double sum = 0;
                for (int k = 0; k <= r; k++) sum += tensor_get_f64(theta, (image * r + a) * (r + 1) + k) * at[k];
                tensor_set_f64(y, to++, sum);
            }
        } while (window_next(r, size + 2, o));
    }
    return HST_STATUS_OK;
}

// clang-format off
static const op_case cases[] = {
    {"2-D", 0, "(f32[1,2,3]{1 0 0.5 0 2 0}, s64[4]{1 1 1 2}) -> (f32[1,1,2,2]{0 0 1 0})", 0},
    {"corners", 0, "(f32[1,2,3]{1 0 0 0 1 0}, s64[4]{1 1 2 2}; align_corners=1) -> (f32[1,2,2,2]{-1 -1 1 -1 -1 1 1 1})", 0},
    {"3-D, f64", 0, "(f64[1,3,4]{0 0 1 0 0 1 0 0 1 0 0 0}, s64[5]{1 9 2 1 1}) -> (f64[1,2,1,1,3]{-0.5 0 0 0.5 0 0})", 0},
    {0}};
// clang-format on

HST_OP(AffineGrid) = {.name = "AffineGrid",
                      .domain = "",
                      .since = 20,
                      .min_in = 2,
                      .max_in = 2,
                      .min_out = 1,
                      .max_out = 1,
                      .infer = infer,
                      .eval = eval,
                      .summary = "the grid of an affine map, for GridSample",
                      HST_CASES(cases)};
