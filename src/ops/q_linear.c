/* Shared parts of the operators on 8-bit tensors: ops/q_linear.h. */
#include "ops/q_linear.h"

hst_status q_scale_read(const eval_context *c, int scale, int zero, hst_dtype d, q_scale *to, hst_error *err) {
    const hst_tensor *s = eval_in(c, scale), *z = eval_in(c, zero);
    if (!q_type(d))
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "a tensor of type %s, needs u8 or s8", dtype_name(d));
    if (!s || !dtype_is_float(s->dtype) || tensor_count(s) != 1)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "input %d, a scale, is no single float", scale);
    if (z && (z->dtype != d || tensor_count(z) != 1))
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "input %d, a zero point, is no single %s", zero,
                          dtype_name(d));
    to->scale = (float)tensor_get_f64(s, 0);
    to->zero = z ? (int32_t)tensor_get_s64(z, 0) : 0;
    return HST_STATUS_OK;
}

void q_table(hst_dtype d, q_scale from, q_scale to, float (*f)(float x, float parameter), float parameter,
             uint8_t table[256]) {
    for (int i = 0; i < 256; i++)
        table[i] = (uint8_t)quantize_one(f(q_real(d, (uint8_t)i, from), parameter), to.scale, to.zero, q_range(d));
}

hst_status q_infer_as(infer_context *c, int i) {
    c->out[0] = *infer_in(c, i);
    return HST_STATUS_OK;
}
