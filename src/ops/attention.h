/* What the attention operators share: masks as the kernel wants them, and the run over the team. */
#ifndef OPS_ATTENTION_H
#define OPS_ATTENTION_H

#include "graph/mask_meaning.h"
#include "kernels/attention/attention_f32.h"
#include "kernels/kernels.h"
#include "ops/op.h"

/* A problem with the chosen kernels and neutral masks; the caller sets the rows. */
attention_f32 attention_make(int64_t sequences, int64_t heads, int64_t queries, int64_t keys, int64_t d, int64_t dv);

/* Key mask [sequences, keys], integers, floats or bools, of 0 and 1 or of what `meaning` says: `mask_value` is added to
 * the scores of keys that are not seen. Where every row is one run of seen keys (padding left or right) and mask_value
 * hides for good, keys outside the run are not read; otherwise it becomes an additive mask in scratch. `offsets` (NULL:
 * every sequence has all its rows) are those of packed rows: a sequence of fewer rows than `keys` is the seen run
 * itself. */
hst_status attention_key_mask(eval_context *c, const hst_tensor *mask, mask_meaning meaning, const int64_t *offsets,
                              float mask_value, attention_f32 *a, hst_error *err);
/* Are all elements 0 or 1? */
bool attention_mask_is_binary(const hst_tensor *mask);
/* Is element i of a mask nonzero? */
bool attention_attends(const hst_tensor *mask, int64_t i);
/* The run of nonzeros of one row of a mask of rank 2; false where they are none or not one run. */
bool attention_one_run(const hst_tensor *mask, int64_t row, int64_t *begin, int64_t *end);
/* Input i as offsets s64 [sequences + 1] of packed rows: ascending from 0 to `rows`, no sequence longer than `longest`. */
hst_status attention_offsets(const eval_context *c, int i, int64_t rows, int64_t longest, const hst_tensor **out,
                             hst_error *err);

/* A mask as com.microsoft Attention and MultiHeadAttention take it: lengths [B], ends and starts [2 B], keys [B, T],
 * queries and keys [B, S, T], or [B, 1, M, M] of which rows from `past` are used. After attention_bias. */
hst_status attention_mask(eval_context *c, const hst_tensor *mask, float mask_value, attention_f32 *a, hst_error *err);

/* Additive mask, any float type: [sequences or 1, heads or 1, queries or 1, keys]. */
hst_status attention_bias(eval_context *c, const hst_tensor *bias, attention_f32 *a, hst_error *err);

hst_status attention_run(eval_context *c, attention_f32 *a, hst_error *err);

/* Binds to `run`, by the kernel of these products. */
hst_status attention_bind(bind_context *c, hst_status (*run)(const void *state, eval_context *c, hst_error *err));

/* Rows of a tensor, as f32. */
typedef struct attention_matrix {
    const float *data;
    attention_rows at;
    int64_t length, d; /* rows a sequence, elements a head */
} attention_matrix;

/* A problem over these, its result [batch, queries, heads * dv] at `out`. */
attention_f32 attention_of(int64_t batch, int64_t heads, const attention_matrix *q, const attention_matrix *k,
                           const attention_matrix *v, float *out);

/* Adds bias [heads * d] to every row: a copy in scratch. */
hst_status attention_add_bias(eval_context *c, int64_t batch, int64_t heads, const float *bias, attention_matrix *m,
                              hst_error *err);
/* past [B, N, P, d] (NULL: none) followed by m, written to `present` [B, N, P + L, d] where that is not NULL (else
 * scratch); m becomes the whole. */
hst_status attention_append(eval_context *c, int64_t batch, int64_t heads, const float *past, int64_t past_length,
                            float *present, attention_matrix *m, hst_error *err);
/* Floats of scratch; size checked. */
hst_status attention_floats(eval_context *c, int64_t a, int64_t b, int64_t d, float **out, hst_error *err);
/* An output as f32: its own data, or scratch that attention_finish rounds to the output's type. */
hst_status attention_output(eval_context *c, int i, hst_dtype d, int rank, const int64_t *dims, float **out,
                            hst_error *err);
void attention_finish(eval_context *c, int i, const float *from);

/* The elements of t as f32, its own data or a copy in scratch. */
hst_status attention_as_f32(eval_context *c, const hst_tensor *t, const float **out, hst_error *err);

#endif
