/* Hardmax: 1 at the first greatest element along an axis, 0 elsewhere; x's shape. Before opset 13 the axis (default 1)
 * splits x into rows of all dimensions from it on. */
#include "ops/op.h"
#include "tensor/convert.h"

static hst_status infer(infer_context *c, hst_error *err) {
    (void)err;
    c->out[0] = *infer_in(c, 0);
    return HST_STATUS_OK;
}

static hst_status eval(eval_context *c, hst_error *err) {
    const hst_tensor *x = eval_in(c, 0);
    bool rows = c->node->opset < 13;
    int axis = 0;
    int64_t outer = 1, inner = 1, n = 1;
    hst_tensor *y;
    if (!dtype_is_float(x->dtype))
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "data of type %s", dtype_name(x->dtype));
    int64_t given = node_int(c->node, "axis", rows ? 1 : -1);
    if (x->rank == 0 && (given == 0 || given == -1))
        axis = 0;
    else if (!(rows && given == x->rank))
        HST_TRY(axis_normalize(c->node, given, x->rank, &axis, err));
    else
        axis = x->rank;
    HST_TRY(eval_output(c, 0, x->dtype, x->rank, x->dim, &y, err));
    if (tensor_count(x) == 0) return HST_STATUS_OK;
    for (int i = 0; i < axis; i++) outer *= x->dim[i];
    for (int i = axis; i < x->rank; i++) {
        if (i == axis || rows)
            n *= x->dim[i];
        else
            inner *= x->dim[i];
    }
    for (int64_t o = 0; o < outer; o++)
        for (int64_t j = 0; j < inner; j++) {
            int64_t base = o * n * inner + j, best = 0;
            for (int64_t i = 1; i < n; i++) {
                double v = tensor_get_f64(x, base + i * inner), b = tensor_get_f64(x, base + best * inner);
                if (v > b || (v != v && b == b)) best = i;
            }
            for (int64_t i = 0; i < n; i++) tensor_set_f64(y, base + i * inner, i == best);
        }
    return HST_STATUS_OK;
}

// clang-format off
static const op_case cases[] = {
    {"last axis", 0, "(f32[3,4]{3 0 1 2 2 5 1 0 0 1 3 2}) -> (f32[3,4]{1 0 0 0 0 1 0 0 0 0 1 0})", 0},
    {"first of equals", 0, "(f32[1,4]{3 3 3 1}) -> (f32[1,4]{1 0 0 0})", 0},
    {"axis 0", 0, "(f64[2,2]{1 4 3 2}; axis=0) -> (f64[2,2]{0 1 1 0})", 0},
    {"rows of opset 11", 11, "(f32[1,2,2]{1 4 3 2}) -> (f32[1,2,2]{0 1 0 0})", 0},
    {NULL, 0, NULL, 0}};

HST_OP(Hardmax) = {.name = "Hardmax", .domain = "", .since = 1, .min_in = 1, .max_in = 1, .min_out = 1, .max_out = 1,
                   .infer = infer, .eval = eval, .summary = "1 at the greatest element along an axis, else 0", HST_CASES(cases)};
// clang-format on
