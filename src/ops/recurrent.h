/* What the paths of RNN, GRU and LSTM share: the attributes, read once. See ops/recurrent.c for the formulas. */
#ifndef OPS_RECURRENT_H
#define OPS_RECURRENT_H

#include "ops/op.h"

enum { RECURRENT_FUNCTIONS_MOST = 3 };

typedef enum recurrent_kind { RNN = 1, GRU = 3, LSTM = 4 } recurrent_kind; /* the number of gates */

typedef struct recurrent_activation {
    const char *name;
    double alpha, beta; /* where the attributes are absent; NaN: takes none */
} recurrent_activation;

typedef struct recurrent_args {
    recurrent_kind kind;
    int directions;
    bool reverse, batch_first, linear_before_reset, input_forget;
    double clip;
    recurrent_activation f[2][RECURRENT_FUNCTIONS_MOST];
    int64_t steps, batch, inputs, hidden;
} recurrent_args;

/* All but the last four lengths, which the inputs say. */
hst_status recurrent_args_read(const node *n, recurrent_args *a, hst_error *err);

/* ---- f32 (recurrent_f32.c): products by kernels/gemm_f32, gates by kernels/elementwise ---- */

/* False where a function has no kernel, or for the rarer wirings (peepholes, input_forget). */
bool recurrent_f32_fits(const recurrent_args *a, bool peepholes);
/* Floats that the packed weights take (inputs and hidden are set), -1 where they are too many; and packing them. w, r,
 * b as the operator's inputs, b may be NULL. */
int64_t recurrent_f32_packed(const recurrent_args *a);
void recurrent_f32_pack(const recurrent_args *a, const float *w, const float *r, const float *b, float *to);

typedef struct recurrent_f32 {
    const recurrent_args *a;
    const float *x; /* [steps, batch, inputs], or batch first */
    const float *packed;
    const int64_t *length;   /* [batch] */
    const hst_tensor *h, *c; /* initial state, or NULL */
    hst_tensor *out[3];      /* Y (zeros), Y_h, Y_c; NULL: not wanted */
} recurrent_f32;

hst_status recurrent_f32_run(eval_context *c, const recurrent_f32 *p, hst_error *err);

#endif
