/* ai.onnx Attention in f64, slow and obvious: the evaluation of f64, and of the output of scores in
 * every dtype. */
#include <math.h>

#include "base/checked.h"
#include "ops/attention_onnx.h"
#include "tensor/convert.h"

void onnx_attention_range(const onnx_attention *o, int64_t b, int64_t i, int64_t *begin, int64_t *end) {
    const int64_t place = o->offset[b] + i;
    *begin = o->left >= 0 && place > o->left ? place - o->left : 0;
    *end = o->known[b];
    if (o->causal && place + 1 < *end) *end = place + 1;
    if (o->right >= 0 && place + o->right + 1 < *end) *end = place + o->right + 1;
    if (*end < *begin) *end = *begin;
}

typedef struct plain {
    const onnx_attention *o;
    const double *q, *k, *v;
    double *score, *bias, *sum; /* a row: keys, keys, dv */
    int64_t y_sequence, y_row, y_head;
} plain;

static hst_status doubles(eval_context *c, int64_t a, int64_t b, double **out, hst_error *err) {
    size_t bytes;
    void *memory;
    if (!size_mul((size_t)a, (size_t)b, &bytes) || !size_mul(bytes, sizeof(double), &bytes))
        return error_no_memory(err, SIZE_MAX, "attention");
    HST_TRY(eval_scratch(c, bytes, &memory, err));
    *out = memory;
    return HST_STATUS_OK;
}

static hst_status widen(eval_context *c, int64_t batch, const onnx_matrix *m, const double **out, hst_error *err) {
    double *to = NULL;
    const int64_t n = batch * m->at.sequence;
    HST_TRY(doubles(c, n, 1, &to, err));
    convert_to_f64(m->dtype, m->data, 0, to, n);
    *out = to;
    return HST_STATUS_OK;
}

/* What the masks add to the scores of a row: true where any key is left. */
static bool row_bias(const plain *p, int64_t b, int64_t h, int64_t i) {
    const onnx_attention *o = p->o;
    const int64_t *stride = o->mask_stride;
    int64_t begin, end;
    bool any = false;
    onnx_attention_range(o, b, i, &begin, &end);
    for (int64_t j = 0; j < o->k.length; j++) {
        double x = 0;
        if (j < begin || j >= end || (o->mask && j >= o->mask_dim[3])) {
            x = -INFINITY;
        } else if (o->mask) {
            const int64_t at = b * stride[0] + h * stride[1] + i * stride[2] + j;
            const bool yes_no = o->mask->dtype == HST_DTYPE_B8;
            x = yes_no ? tensor_get_s64(o->mask, at) ? 0 : -INFINITY : tensor_get_f64(o->mask, at);
        }
        p->bias[j] = x;
        if (x != -INFINITY) any = true;
    }
    return any;
}

/* Probabilities in place. */
static void softmax(double *x, int64_t n, bool any) {
    double most = -INFINITY, sum = 0;
    for (int64_t j = 0; j < n; j++) most = isnan(x[j]) || x[j] > most ? x[j] : most;
    if (most == -INFINITY) any = false;
    for (int64_t j = 0; j < n; j++) sum += x[j] = any ? exp(x[j] - most) : 0;
    for (int64_t j = 0; j < n && any; j++) x[j] /= sum;
}

static void keep(hst_tensor *scores, int64_t row, const double *x, int64_t n) {
    convert_from_f64(scores->dtype, x, scores->data, row * n, n);
}

static void one_row(const plain *p, int64_t b, int64_t h, int64_t i, hst_tensor *y, hst_tensor *scores, int mode) {
    const onnx_attention *o = p->o;
    const int64_t keys = o->k.length, d = o->q.d, row = (b * o->q.heads + h) * o->q.length + i;
    const int64_t kv = h / (o->q.heads / o->k.heads);
    const double *q = p->q + b * o->q.at.sequence + i * o->q.at.row + h * o->q.at.head;
    const bool any = row_bias(p, b, h, i);
    double *s = p->score;
    for (int64_t j = 0; j < keys; j++) {
        const double *k = p->k + b * o->k.at.sequence + j * o->k.at.row + kv * o->k.at.head;
        double x = 0;
        for (int64_t e = 0; e < d; e++) x += q[e] * k[e];
        s[j] = x * o->scale;
    }
    if (scores && mode == 0) keep(scores, row, s, keys);
    for (int64_t j = 0; j < keys && o->softcap > 0; j++) s[j] = o->softcap * tanh(s[j] / o->softcap);
    if (scores && mode == 1) keep(scores, row, s, keys);
    for (int64_t j = 0; j < keys; j++) s[j] += p->bias[j];
    if (scores && mode == 2) keep(scores, row, s, keys);
    softmax(s, keys, any);
    if (scores && mode == 3) keep(scores, row, s, keys);
    if (!y) return;
    for (int64_t e = 0; e < o->v.d; e++) p->sum[e] = 0;
    for (int64_t j = 0; j < keys; j++) {
        const double *v = p->v + b * o->v.at.sequence + j * o->v.at.row + kv * o->v.at.head;
        for (int64_t e = 0; e < o->v.d && p->bias[j] != -INFINITY; e++) p->sum[e] += s[j] * v[e];
    }
    convert_from_f64(y->dtype, p->sum, y->data, b * p->y_sequence + i * p->y_row + h * p->y_head, o->v.d);
}

hst_status onnx_attention_plain(eval_context *c, const onnx_attention *o, hst_tensor *y, hst_tensor *scores, int mode,
                                hst_error *err) {
    plain p = {.o = o};
    if (!(y && tensor_count(y)) && !(scores && tensor_count(scores))) return HST_STATUS_OK;
    HST_TRY(widen(c, o->batch, &o->q, &p.q, err));
    HST_TRY(widen(c, o->batch, &o->k, &p.k, err));
    if (y) HST_TRY(widen(c, o->batch, &o->v, &p.v, err));
    HST_TRY(doubles(c, o->k.length, 1, &p.score, err));
    HST_TRY(doubles(c, o->k.length, 1, &p.bias, err));
    HST_TRY(doubles(c, o->v.d, 1, &p.sum, err));
    p.y_sequence = o->q.length * o->q.heads * o->v.d;
    p.y_row = y && y->rank == 3 ? o->q.heads * o->v.d : o->v.d;
    p.y_head = y && y->rank == 3 ? o->v.d : o->q.length * o->v.d;
    for (int64_t b = 0; b < o->batch; b++)
        for (int64_t h = 0; h < o->q.heads; h++)
            for (int64_t i = 0; i < o->q.length; i++) {
                if (i % 16 == 0) HST_TRY(c->runtime->check(c, err));
                one_row(&p, b, h, i, y, scores, mode);
            }
    return HST_STATUS_OK;
}
