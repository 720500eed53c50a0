/* QLinearConcat (com.microsoft): inputs are y's scale and zero point, then (tensor, scale, zero point) triples; the
 * 8-bit tensors are quantised anew and joined along `axis`: [.., d0, ..], [.., d1, ..] -> [.., d0 + d1, ..]. */
#include <string.h>

#include "ops/q_linear.h"

#define FIRST(i) (2 + 3 * (i)) /* input index of tensor i */

static int tensors_of(int n_in) {
    return (n_in - 2) / 3;
}

static hst_status infer(infer_context *c, hst_error *err) {
    const type *x = infer_in(c, FIRST(0));
    int axis, n = tensors_of(c->n_in);
    c->out[0].dtype = infer_in(c, 1)->dtype ? infer_in(c, 1)->dtype : x->dtype;
    if (x->rank < 0) return HST_STATUS_OK;
    HST_TRY(axis_normalize(c->node, node_int(c->node, "axis", 0), x->rank, &axis, err));
    type *y = &c->out[0];
    y->rank = x->rank;
    memcpy(y->dim, x->dim, sizeof y->dim);
    for (int i = 1; i < n; i++) {
        const type *t = infer_in(c, FIRST(i));
        bool number = t->rank == x->rank && !dim_is_symbol(t->dim[axis]) && !dim_is_symbol(y->dim[axis]);
        if (!number || __builtin_add_overflow(y->dim[axis], t->dim[axis], &y->dim[axis])) {
            y->dim[axis] = dim_symbol(c->model, "");
            break;
        }
    }
    return HST_STATUS_OK;
}

static float same(float x, float parameter) {
    (void)parameter;
    return x;
}

static hst_status shape_of(const eval_context *c, int n, int *axis, int64_t *dims, hst_error *err) {
    const hst_tensor *x = eval_in(c, FIRST(0));
    HST_TRY(axis_normalize(c->node, node_int(c->node, "axis", 0), x->rank, axis, err));
    memcpy(dims, x->dim, sizeof x->dim);
    for (int i = 1; i < n; i++) {
        const hst_tensor *t = eval_in(c, FIRST(i));
        bool fits = t && t->rank == x->rank && t->dtype == x->dtype;
        for (int k = 0; fits && k < x->rank; k++) fits = k == *axis || t->dim[k] == x->dim[k];
        if (!fits || __builtin_add_overflow(dims[*axis], t->dim[*axis], &dims[*axis]))
            return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "tensor %d does not fit the first", i);
    }
    return HST_STATUS_OK;
}

static hst_status eval(eval_context *c, hst_error *err) {
    const hst_tensor *x = eval_in(c, FIRST(0));
    int n = tensors_of(c->n_in), axis;
    int64_t dims[HST_RANK_MAX], outer = 1, inner = 1, done = 0;
    q_scale to, from;
    uint8_t table[256];
    hst_tensor *y;
    if ((c->n_in - 2) % 3)
        return node_error(c->node, err, HST_STATUS_BAD_FORMAT, "%d inputs: not two and triples", c->n_in);
    HST_TRY(q_scale_read(c, 0, 1, x->dtype, &to, err));
    HST_TRY(shape_of(c, n, &axis, dims, err));
    HST_TRY(eval_output(c, 0, x->dtype, x->rank, dims, &y, err));
    if (tensor_count(y) == 0) return HST_STATUS_OK;
    for (int i = 0; i < axis; i++) outer *= dims[i];
    for (int i = axis + 1; i < x->rank; i++) inner *= dims[i];
    for (int i = 0; i < n; i++) {
        const hst_tensor *t = eval_in(c, FIRST(i));
        int64_t length = t->dim[axis] * inner;
        HST_TRY(q_scale_read(c, FIRST(i) + 1, FIRST(i) + 2, x->dtype, &from, err));
        q_table(x->dtype, from, to, same, 0, table);
        for (int64_t o = 0; o < outer; o++) {
            const uint8_t *in = (const uint8_t *)t->data + o * length;
            uint8_t *out = (uint8_t *)y->data + o * dims[axis] * inner + done;
            for (int64_t k = 0; k < length; k++) out[k] = table[in[k]];
        }
        done += length;
    }
    return HST_STATUS_OK;
}

// clang-format off
static const op_case cases[] = {
    {"two", 0, "(f32[]{1}, u8[]{0}, u8[1,2]{12 14}, f32[]{2}, u8[]{10}, u8[1,1]{9}, f32[]{1}, u8[]{1}; axis=1) -> (u8[1,3]{4 8 8})", 0},
    {"first axis", 0, "(f32[]{0.5}, s8[]{1}, s8[1,2]{1 2}, f32[]{1}, s8[]{0}, s8[1,2]{100 -100}, f32[]{1}, s8[]{0}; axis=0) -> (s8[2,2]{3 5 127 -128})", 0},
    {NULL, 0, NULL, 0}};

HST_OP(com_microsoft_QLinearConcat) = {.name = "QLinearConcat", .domain = "com.microsoft", .since = 1, .min_in = 5, .max_in = OP_ANY,
    .min_out = 1, .max_out = 1, .infer = infer, .eval = eval, .summary = "8-bit tensors joined along an axis", HST_CASES(cases)};
// clang-format on
