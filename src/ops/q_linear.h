/* What the com.microsoft operators on 8-bit tensors share: a scale and a zero point a tensor, and functions of one
 * element as a table of 256 results. */
#ifndef OPS_Q_LINEAR_H
#define OPS_Q_LINEAR_H

#include "kernels/quantize/quantize.h"
#include "ops/op.h"

typedef struct q_scale {
    float scale;
    int32_t zero;
} q_scale;

static inline bool q_type(hst_dtype d) {
    return d == HST_DTYPE_U8 || d == HST_DTYPE_S8;
}
static inline quantize_range q_range(hst_dtype d) {
    return d == HST_DTYPE_U8 ? (quantize_range){0, 255} : (quantize_range){-128, 127};
}
/* The integer in a byte of an u8 or s8 tensor. */
static inline int32_t q_byte(hst_dtype d, uint8_t x) {
    return d == HST_DTYPE_S8 ? (int8_t)x : x;
}
static inline float q_real(hst_dtype d, uint8_t x, q_scale q) {
    return (float)(q_byte(d, x) - q.zero) * q.scale;
}

/* The scale at input `scale` and the zero point, of type d, at input `zero` (0 where omitted): one element each. */
hst_status q_scale_read(const eval_context *c, int scale, int zero, hst_dtype d, q_scale *to, hst_error *err);

/* table[byte] = quantised f(real value of the byte). */
void q_table(hst_dtype d, q_scale from, q_scale to, float (*f)(float x, float parameter), float parameter,
             uint8_t table[256]);

/* infer of an operator whose only output has the type of input i. */
hst_status q_infer_as(infer_context *c, int i);

#endif
