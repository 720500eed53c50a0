/* Operators that are written once, over f64 or f32, whatever the dtype: inputs are widened into scratch (or read where
 * they lie), outputs are written there and rounded once at the end. The order is carry_in…, carry_out, work,
 * carry_done. */
#ifndef OPS_CARRY_H
#define OPS_CARRY_H

#include "ops/op.h"

/* The elements of t as f64 or f32. BAD_SHAPE for strings, complex numbers and lists. */
hst_status carry_in(eval_context *c, const hst_tensor *t, const char *name, const double **x, hst_error *err);
hst_status carry_in_f32(eval_context *c, const hst_tensor *t, const char *name, const float **x, hst_error *err);

typedef struct carry {
    hst_tensor *t;
    double *x; /* carry_out; NULL otherwise */
    float *f;  /* carry_out_f32 */
} carry;
/* eval_output, and where its elements are to be written (not zeroed). */
hst_status carry_out(eval_context *c, int i, hst_dtype d, int rank, const int64_t *dims, carry *out, hst_error *err);
hst_status carry_out_f32(eval_context *c, int i, hst_dtype d, int rank, const int64_t *dims, carry *out,
                         hst_error *err);
void carry_done(const carry *out);

/* Input i as one number: an integer, or any number. */
hst_status carry_int(eval_context *c, int i, const char *name, int64_t *out, hst_error *err);
hst_status carry_number(eval_context *c, int i, const char *name, double *out, hst_error *err);
/* The node's attribute that names a numeric type. */
hst_status carry_dtype(const node *n, const char *name, hst_dtype otherwise, hst_dtype *out, hst_error *err);

#endif
