/* ai.onnx Attention once its node is read: what its two evaluations share. */
#ifndef OPS_ATTENTION_ONNX_H
#define OPS_ATTENTION_ONNX_H

#include "ops/attention.h"

/* All rows of a tensor, in its own dtype. */
typedef struct onnx_matrix {
    const void *data;
    hst_dtype dtype;
    int64_t heads, length, d; /* heads a sequence, rows a head, elements a row */
    attention_rows at;
} onnx_matrix;

typedef struct onnx_attention {
    int64_t batch;
    onnx_matrix q, k, v;   /* k and v: past and new rows */
    double scale, softcap; /* softcap 0: none */
    bool causal;
    int64_t left, right;    /* window about the query's place, -1: none */
    int64_t *offset;        /* [batch]: place of query 0 among the keys */
    int64_t *known;         /* [batch]: keys that are not padding */
    const hst_tensor *mask; /* or NULL: broadcast to [batch, heads, queries, keys], hidden beyond its last key */
    int64_t mask_dim[4];
    int64_t mask_stride[4]; /* 0: broadcast */
} onnx_attention;

/* The keys [begin, end) that query i of sequence b may see by causality, window and padding; may be empty. */
void onnx_attention_range(const onnx_attention *o, int64_t b, int64_t i, int64_t *begin, int64_t *end);

/* In f64: y (NULL: not wanted) and the scores after step `mode` (NULL: not wanted; 0 product, 1 soft cap, 2 masks, 3
 * softmax), of any float dtype. */
hst_status onnx_attention_plain(eval_context *c, const onnx_attention *o, hst_tensor *y, hst_tensor *scores, int mode,
                                hst_error *err);

#endif
