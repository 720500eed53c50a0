/* f32 attention: out = softmax(scale · q kᵀ + masks) v, for each sequence and head.
 *
 * The contract, the same bits whatever the batch, the padding and the number of threads:
 *   score[i,j] = scale * chain over d of fma(q[i,:], k[j,:]) from +0;  then softcap * tanh(score / softcap), where one
 * is set;  then + bias[i,j];  then + key_bias[j]
 *   e[i,:], f[i] = the softmax kernel's exponentials and their factor over the keys that row i sees, lane 0 being the
 * first of them
 *   out[i,:]   = f[i] * chain over those keys, in order, of fma(e[i,j], v[j,:]) from +0
 * A key that a row does not see is not read. Seen keys whose masks sum to a huge negative number get exactly 0 from the
 * softmax and add exactly 0 to every lane and chain: hiding keys at the end by length or by mask is the same. A row
 * that sees no key gives zeros. */
#ifndef KERNELS_ATTENTION_F32_H
#define KERNELS_ATTENTION_F32_H

#include "kernels/gemm_f32/gemm_f32.h"
#include "kernels/softmax/softmax.h"

/* Where rows stand: element i of head h of row r of sequence s is data[s * sequence + r * row + h * head + i]. Where
 * offsets are given (rows of all sequences in one matrix), sequence s begins at row offset[s] instead of s * sequence.
 */
typedef struct attention_rows {
    int64_t sequence, row, head;
} attention_rows;

typedef struct attention_f32 {
    const gemm_f32_family *family;
    softmax_f32_fn *softmax;
    int64_t sequences, heads, kv_heads; /* kv_heads divides heads: query head h reads key head h / (heads / kv_heads) */
    int64_t d, dv;                      /* elements of a head of q and k, of v and out */
    int64_t queries, keys;              /* rows a sequence, and the most of any where offsets are given */
    const int64_t *query_offset, *key_offset; /* [sequences + 1] or NULL */
    const float *q, *k, *v;
    float *out;
    attention_rows q_at, k_at, v_at, out_at;
    float scale;
    float softcap;       /* 0: none */
    unary_f32_fn *unary; /* the elementwise kernel; needed where there is a softcap */
    /* Masks, each optional. */
    const int64_t *key_begin, *key_end; /* [sequences]: keys [begin, end) of the sequence are seen */
    bool causal;                        /* query i sees keys up to i + past */
    int64_t past;
    const int64_t *past_of; /* [sequences]: instead of past */
    const float *bias;      /* [sequences, heads, queries, keys] by strides (0: broadcast), keys dense */
    int64_t bias_sequence, bias_head, bias_row;
    const int64_t *bias_first; /* [sequences] or NULL: where in its bias a sequence's first row and key stand */
    const float *key_bias;     /* [sequences, keys] */
    int64_t key_bias_sequence;
} attention_f32;

/* Floats of scratch that each worker needs; -1 where that overflows. */
int64_t attention_f32_scratch(const attention_f32 *a);
/* Part `part` of `parts`: no barrier is needed between them. scratch is the worker's own, 64-byte aligned. */
void attention_f32_part(const attention_f32 *a, int64_t part, int64_t parts, float *scratch);
/* In how many parts workers that take one after the other do it best: whole heads, whose keys are then packed once. */
int64_t attention_f32_parts(const attention_f32 *a, int workers);

#endif
