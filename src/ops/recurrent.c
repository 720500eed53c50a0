/* RNN, GRU, LSTM: x [S, N, I], W [D, G·H, I], R [D, G·H, H], B [D, 2·G·H] (W's, then R's), sequence_lens [N], initial_h
 * [D, N, H]; LSTM: initial_c [D, N, H], P [D, 3·H] -> Y [S, D, N, H], Y_h [D, N, H], LSTM: Y_c. layout 1: N comes
 * first. With a = x W' + h R' + both biases, · by elements: RNN   h = f(a) GRU   z = f(a_z), r = f(a_r), n = g(x W_h' +
 * (r · h) R_h' + biases), or with linear_before_reset g(x W_h' + b + r · (h R_h' + b)); h = (1 - z) · n + z · h LSTM  i
 * = f(a_i + P_i · c), f = f(a_f + P_f · c) (input_forget: 1 - i), c = f · c + i · g(a_c), o = f(a_o + P_o · c), h = o ·
 * h(c); gates in the order i o f c, P's in the order i o f clip bounds what goes into f and g. The reverse direction
 * walks each sequence from its own end. Products are chains in f32 (kernels/gemm_f32) unless x is f64, everything else
 * is f64; f32 without peepholes and input_forget is all f32: ops/recurrent_f32.c. */
#include <math.h>
#include <string.h>

#include "base/checked.h"
#include "kernels/kernels.h"
#include "ops/matmul.h"
#include "ops/recurrent.h"
#include "ops/sliding.h"
#include "tensor/convert.h"

typedef recurrent_kind kind;
typedef recurrent_activation activation;
typedef recurrent_args args;

static hst_status infer(infer_context *c, hst_error *err) {
    const type *x = infer_in(c, 0), *r = infer_in(c, 2);
    args a;
    HST_TRY(recurrent_args_read(c->node, &a, err));
    const dim steps = x->rank == 3 ? x->dim[a.batch_first] : dim_symbol(c->model, "");
    const dim batch = x->rank == 3 ? x->dim[!a.batch_first] : dim_symbol(c->model, "");
    const int64_t size = node_int(c->node, "hidden_size", 0);
    const bool open = r->rank != 3 || dim_is_symbol(r->dim[2]);
    const dim hidden = open && size > 0 ? size : r->rank == 3 ? r->dim[2] : dim_symbol(c->model, "");
    for (int k = 0; k < c->n_out; k++) {
        const dim first[2][4] = {{steps, a.directions, batch, hidden}, {batch, steps, a.directions, hidden}};
        const dim last[2][3] = {{a.directions, batch, hidden}, {batch, a.directions, hidden}};
        c->out[k] = k ? type_make(x->dtype, 3, last[a.batch_first]) : type_make(x->dtype, 4, first[a.batch_first]);
    }
    return HST_STATUS_OK;
}

/* ---- products ---- */

typedef struct matrix { /* [n, k], to be multiplied with rows of k */
    int64_t n, k;
    const double *plain;
    float *packed; /* NULL: f64 */
} matrix;

typedef struct product {
    gemm_f32 g;
    int64_t parts;
} product;

static void work(void *arg, const team_context *ctx) {
    const product *p = arg;
    float none[1];
    for (int64_t part; (part = team_next(ctx, 0, p->parts)) >= 0;) gemm_f32_part(&p->g, part, p->parts, none);
}

static hst_status make_matrix(eval_context *c, const hst_tensor *t, int64_t first, int64_t n, int64_t k, matrix *to,
                              hst_error *err) {
    *to = (matrix){n, k, NULL, NULL};
    if (t->dtype == HST_DTYPE_F64) {
        HST_TRY(planes_f64(c, t, &to->plain, err));
        to->plain += first;
        return HST_STATUS_OK;
    }
    const gemm_f32_family *f = kernels_get()->gemm_f32();
    const float *from;
    void *memory;
    HST_TRY(matmul_as_f32(c, t, &from, err));
    HST_TRY(eval_scratch(c, (size_t)gemm_f32_packed_count(f, k, n) * sizeof(float) + 1, &memory, err));
    const gemm_f32_operand b = {from + first, HST_DTYPE_F32, 1, k};
    to->packed = memory;
    gemm_f32_pack(f, &b, k, n, 0, gemm_f32_panels(f, n), to->packed);
    return HST_STATUS_OK;
}

/* to[rows, n] = x[rows, k] · m'; x and to are f32, or f64 where m is. */
static void multiply(eval_context *c, const matrix *m, int64_t rows, const void *x, void *to) {
    if (m->packed) {
        product p = {gemm_f32_make(kernels_get()->gemm_f32(), rows, m->n, m->k, x, to), 1};
        const double macs = (double)rows * (double)m->n * (double)m->k;
        const int workers = macs < 1 << 16 ? 1 : team_size(c->team);
        p.g.packed = m->packed;
        p.parts = gemm_f32_parts(&p.g, workers);
        if (rows > 0) team_run(c->team, workers, work, &p);
        return;
    }
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < m->n; j++) {
            double acc = 0;
            for (int64_t k = 0; k < m->k; k++)
                acc = fma(((const double *)x)[i * m->k + k], m->plain[j * m->k + k], acc);
            ((double *)to)[i * m->n + j] = acc;
        }
}

/* ---- cells ---- */

static double apply(const activation *f, double clip, double x) {
    const double a = f->alpha, b = f->beta;
    if (clip > 0) x = x > clip ? clip : x < -clip ? -clip : x;
    switch (f->name[0]) {
    case 'T':
        return f->name[1] == 'a' ? tanh(x) : x > a ? x : 0;
    case 'R':
        return x > 0 ? x : 0;
    case 'L':
        return x < 0 ? a * x : x;
    case 'E':
        return x < 0 ? a * expm1(x) : x;
    case 'A':
        return a * x + b;
    case 'H':
        x = a * x + b;
        return x < 0 ? 0 : x > 1 ? 1 : x;
    default:
        break;
    }
    if (!strcmp(f->name, "Sigmoid")) return 1 / (1 + exp(-x));
    if (!strcmp(f->name, "Softsign")) return x / (1 + fabs(x));
    if (!strcmp(f->name, "Softplus")) return x > 30 ? x : log1p(exp(x));
    return a * tanh(b * x); /* ScaledTanh */
}

/* What one direction works on. */
typedef struct direction {
    const args *a;
    const activation *f;
    bool wide;              /* f64 products */
    void *from_x;     /* [rows, G·H] */
    void *from_h;           /* [N, n] of `recurrent` */
    const double *bias;     /* [2·G·H] or NULL */
    const double *peep;     /* [3·H] or NULL */
    matrix recurrent, last; /* last: GRU's R_h where it is multiplied by itself */
    double *h, *c;          /* [N, H] */
    void *narrow;           /* h as the product reads it: f32, or f64 */
} direction;

static double number(const direction *d, const void *from, int64_t i) {
    return d->wide ? ((const double *)from)[i] : (double)((const float *)from)[i];
}

static double bias(const direction *d, int64_t i) {
    return d->bias ? d->bias[i] : 0;
}

/* Gate g of element j: both products and both biases. x, h: where the gates of this row begin. */
static double gate(const direction *d, int64_t x, int64_t h, int g, int64_t j) {
    const int64_t at = g * d->a->hidden + j, all = (int64_t)d->a->kind * d->a->hidden;
    return number(d, d->from_x, x + at) + number(d, d->from_h, h + at) + bias(d, at) + bias(d, all + at);
}

static void set_narrow(const direction *d, int64_t i, double x) {
    if (d->wide)
        ((double *)d->narrow)[i] = x;
    else
        ((float *)d->narrow)[i] = (float)x;
}

static void lstm(const direction *d, int64_t n, int64_t x) {
    const args *a = d->a;
    const int64_t size = a->hidden, h = n * d->recurrent.n;
    const double *p = d->peep;
    for (int64_t j = 0; j < size; j++) {
        double *c = &d->c[n * size + j];
        const double i = apply(&d->f[0], a->clip, gate(d, x, h, 0, j) + (p ? p[j] * *c : 0));
        const double f =
            a->input_forget ? 1 - i : apply(&d->f[0], a->clip, gate(d, x, h, 2, j) + (p ? p[2 * size + j] * *c : 0));
        *c = f * *c + i * apply(&d->f[1], a->clip, gate(d, x, h, 3, j));
        const double o = apply(&d->f[0], a->clip, gate(d, x, h, 1, j) + (p ? p[size + j] * *c : 0));
        d->h[n * size + j] = o * apply(&d->f[2], 0, *c);
    }
}

/* z and r of row n into gates [2, H]. */
static void gru_gates(const direction *d, int64_t n, int64_t x, double *gates) {
    const int64_t size = d->a->hidden;
    for (int64_t j = 0; j < 2 * size; j++)
        gates[j] = apply(&d->f[0], d->a->clip, gate(d, x, n * d->recurrent.n, (int)(j / size), j % size));
}

static void gru_rest(const direction *d, int64_t n, int64_t x, const double *gates) {
    const args *a = d->a;
    const int64_t size = a->hidden;
    const bool before = a->linear_before_reset;
    for (int64_t j = 0; j < size; j++) {
        double *h = &d->h[n * size + j], z = gates[j], r = gates[size + j];
        const int64_t at = before ? n * d->recurrent.n + 2 * size + j : n * size + j;
        const double product = number(d, d->from_h, at) + bias(d, 5 * size + j);
        const double new =
            number(d, d->from_x, x + 2 * size + j) + bias(d, 2 * size + j) + (before ? r * product : product);
        *h = (1 - z) * apply(&d->f[1], a->clip, new) + z * *h;
    }
}

/* Step s of every sequence that has one. place[n]: its row of x, or -1. gates: [N, 2, H], GRU only. */
static void step(eval_context *c, const direction *d, const int64_t *place, double *gates) {
    const args *a = d->a;
    const int64_t size = a->hidden, wide = (int64_t)a->kind * size;
    for (int64_t i = 0; i < a->batch * size; i++) set_narrow(d, i, d->h[i]);
    multiply(c, &d->recurrent, a->batch, d->narrow, d->from_h);
    for (int64_t n = 0; n < a->batch; n++) {
        if (place[n] < 0) continue;
        if (a->kind == LSTM) lstm(d, n, place[n] * wide);
        if (a->kind == GRU) gru_gates(d, n, place[n] * wide, gates + n * 2 * size);
        for (int64_t j = 0; a->kind == RNN && j < size; j++)
            d->h[n * size + j] = apply(&d->f[0], a->clip, gate(d, place[n] * wide, n * size, 0, j));
    }
    if (a->kind != GRU) return;
    if (!a->linear_before_reset) {
        for (int64_t i = 0; i < a->batch * size; i++)
            set_narrow(d, i, d->h[i] * gates[i / size * 2 * size + size + i % size]);
        multiply(c, &d->last, a->batch, d->narrow, d->from_h);
    }
    for (int64_t n = 0; n < a->batch; n++)
        if (place[n] >= 0) gru_rest(d, n, place[n] * wide, gates + n * 2 * size);
}

/* ---- the operator ---- */

static hst_status check(eval_context *c, int i, const hst_tensor *x, int rank, int64_t d0, int64_t d1, int64_t d2,
                        hst_error *err) {
    const hst_tensor *t = eval_in(c, i);
    const int64_t want[3] = {d0, d1, d2};
    bool fits = !t || (t->dtype == x->dtype && t->rank == rank);
    for (int k = 0; t && fits && k < rank; k++) fits = t->dim[k] == want[k];
    if (fits) return HST_STATUS_OK;
    type got = type_of_tensor(t);
    char text[160];
    return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "input %d is %s, should be %s[%lld,%lld%s%.0lld]", i,
                      type_format(NULL, &got, text, sizeof text), dtype_name(x->dtype), (long long)d0, (long long)d1,
                      rank > 2 ? "," : "", (long long)(rank > 2 ? d2 : 0));
}

static hst_status check_inputs(eval_context *c, args *a, const hst_tensor *x, const hst_tensor *w, const hst_tensor *r,
                               hst_error *err) {
    HST_TRY(planes_check(c->node, x, 3, "X", err));
    if (x->rank != 3 || w->rank != 3 || r->rank != 3)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "X, W and R have ranks %d, %d and %d, need 3", x->rank,
                          w->rank, r->rank);
    a->steps = x->dim[a->batch_first];
    a->batch = x->dim[!a->batch_first];
    a->inputs = x->dim[2];
    a->hidden = r->dim[2];
    const int64_t wide = (int64_t)a->kind * a->hidden, size = node_int(c->node, "hidden_size", a->hidden);
    if (size != a->hidden || a->hidden < 1 || a->hidden > INT32_MAX)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "hidden_size is %lld, R has %lld", (long long)size,
                          (long long)a->hidden);
    HST_TRY(check(c, 1, x, 3, a->directions, wide, a->inputs, err));
    HST_TRY(check(c, 2, x, 3, a->directions, wide, a->hidden, err));
    HST_TRY(check(c, 3, x, 2, a->directions, 2 * wide, 0, err));
    for (int i = 5; i < (a->kind == LSTM ? 7 : 6); i++)
        HST_TRY(check(c, i, x, 3, a->batch_first ? a->batch : a->directions, a->batch_first ? a->directions : a->batch,
                      a->hidden, err));
    return a->kind == LSTM ? check(c, 7, x, 2, a->directions, 3 * a->hidden, 0, err) : HST_STATUS_OK;
}

static hst_status lengths(eval_context *c, const args *a, int64_t **out, hst_error *err) {
    const hst_tensor *t = eval_in(c, 4);
    void *memory;
    if (t && (t->dtype != HST_DTYPE_S32 || tensor_count(t) != a->batch))
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE,
                          "sequence_lens is %s with %lld elements for %lld sequences", dtype_name(t->dtype),
                          (long long)tensor_count(t), (long long)a->batch);
    HST_TRY(eval_scratch(c, (size_t)a->batch * 2 * sizeof(int64_t) + 1, &memory, err));
    *out = memory;
    for (int64_t n = 0; n < a->batch; n++) {
        (*out)[n] = t ? tensor_get_s64(t, n) : a->steps;
        if ((*out)[n] < 0 || (*out)[n] > a->steps)
            return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "sequence %lld has length %lld of %lld", (long long)n,
                              (long long)(*out)[n], (long long)a->steps);
    }
    return HST_STATUS_OK;
}

/* The f64s of state tensor i for direction k into to [N, H]; 0 where there is none. */
static void read_state(const hst_tensor *t, const args *a, int k, double *to) {
    for (int64_t n = 0; n < a->batch; n++) {
        const int64_t at = (a->batch_first ? n * a->directions + k : k * a->batch + n) * a->hidden;
        if (t)
            convert_to_f64(t->dtype, t->data, at, to + n * a->hidden, a->hidden);
        else
            memset(to + n * a->hidden, 0, (size_t)a->hidden * sizeof *to);
    }
}

static void write_state(hst_tensor *t, const args *a, int k, const double *from) {
    for (int64_t n = 0; t && n < a->batch; n++) {
        const int64_t at = (a->batch_first ? n * a->directions + k : k * a->batch + n) * a->hidden;
        convert_from_f64(t->dtype, from + n * a->hidden, t->data, at, a->hidden);
    }
}

static hst_status run(eval_context *c, const args *a, int k, direction *d, const int64_t *length,
                      hst_tensor *const *out, double *gates, hst_error *err) {
    const bool reverse = a->reverse || k == 1;
    int64_t *place = (int64_t *)(uintptr_t)length + a->batch;
    for (int64_t s = 0; s < a->steps; s++) {
        for (int64_t n = 0; n < a->batch; n++) {
            const int64_t t = reverse ? length[n] - 1 - s : s;
            place[n] = s >= length[n] ? -1 : a->batch_first ? n * a->steps + t : t * a->batch + n;
        }
        step(c, d, place, gates);
        for (int64_t n = 0; out[0] && n < a->batch; n++) {
            const int64_t t = s >= length[n] ? s : reverse ? length[n] - 1 - s : s;
            const int64_t at =
                a->batch_first ? (n * a->steps + t) * a->directions + k : (t * a->directions + k) * a->batch + n;
            if (place[n] >= 0)
                convert_from_f64(out[0]->dtype, d->h + n * a->hidden, out[0]->data, at * a->hidden, a->hidden);
        }
        if (c->runtime->check) HST_TRY(c->runtime->check(c, err));
    }
    write_state(out[1], a, k, d->h);
    write_state(out[2], a, k, d->c);
    return HST_STATUS_OK;
}

/* f64, and wirings that kernels do not have. */
static hst_status eval_f64(eval_context *c, const args *from, const int64_t *length, hst_tensor *const *out,
                           hst_error *err) {
    const hst_tensor *x = eval_in(c, 0), *w = eval_in(c, 1), *r = eval_in(c, 2);
    const args a = *from;
    const int64_t D = a.directions, N = a.batch, H = a.hidden, S = a.steps, wide = (int64_t)a.kind * H;
    int64_t all;
    const void *rows;
    void *memory;
    direction d = {.a = &a, .wide = x->dtype == HST_DTYPE_F64};
    if (d.wide)
        HST_TRY(planes_f64(c, x, (const double **)&rows, err));
    else
        HST_TRY(matmul_as_f32(c, x, (const float **)&rows, err));
    size_t bytes;
    if (!s64_mul(S * N, wide, &all) || !size_mul((size_t)all, 8, &bytes))
        return error_no_memory(err, SIZE_MAX, "gates");
    HST_TRY(eval_scratch(c, bytes + 1, &memory, err));
    d.from_x = memory;
    /* h, c, the narrow h, GRU's gates, the products of a step */
    HST_TRY(eval_scratch(c, (size_t)(N * (5 * H + wide)) * sizeof(double) + 1, &memory, err));
    d.h = memory;
    d.c = d.h + N * H;
    d.narrow = d.c + N * H;
    double *gates = d.c + 2 * N * H;
    d.from_h = gates + 2 * N * H;
    for (int k = 0; k < D; k++) {
        matrix input;
        const bool split = a.kind == GRU && !a.linear_before_reset;
        d.f = a.f[k];
        HST_TRY(make_matrix(c, w, k * wide * a.inputs, wide, a.inputs, &input, err));
        HST_TRY(make_matrix(c, r, k * wide * H, split ? 2 * H : wide, H, &d.recurrent, err));
        if (split) HST_TRY(make_matrix(c, r, (k * wide + 2 * H) * H, H, H, &d.last, err));
        if (eval_in(c, 3)) HST_TRY(planes_f64(c, eval_in(c, 3), &d.bias, err));
        if (a.kind == LSTM && eval_in(c, 7)) HST_TRY(planes_f64(c, eval_in(c, 7), &d.peep, err));
        if (d.bias) d.bias += k * 2 * wide;
        if (d.peep) d.peep += k * 3 * H;
        multiply(c, &input, S * N, rows, d.from_x);
        read_state(eval_in(c, 5), &a, k, d.h);
        read_state(a.kind == LSTM ? eval_in(c, 6) : NULL, &a, k, d.c);
        HST_TRY(run(c, &a, k, &d, length, out, gates, err));
    }
    return HST_STATUS_OK;
}

static hst_status eval_f32(eval_context *c, const args *a, const float *packed, const int64_t *length,
                           hst_tensor *const *out, hst_error *err) {
    recurrent_f32 p = {
        a, NULL, packed, length, eval_in(c, 5), a->kind == LSTM ? eval_in(c, 6) : NULL, {out[0], out[1], out[2]}};
    HST_TRY(matmul_as_f32(c, eval_in(c, 0), &p.x, err));
    if (packed) return recurrent_f32_run(c, &p, err);
    const float *w, *r, *b = NULL;
    const int64_t count = recurrent_f32_packed(a);
    void *memory;
    if (count < 0) return error_no_memory(err, SIZE_MAX, "packed weights");
    HST_TRY(matmul_as_f32(c, eval_in(c, 1), &w, err));
    HST_TRY(matmul_as_f32(c, eval_in(c, 2), &r, err));
    if (eval_in(c, 3)) HST_TRY(matmul_as_f32(c, eval_in(c, 3), &b, err));
    HST_TRY(eval_scratch(c, (size_t)count * sizeof(float) + 1, &memory, err));
    recurrent_f32_pack(a, w, r, b, memory);
    p.packed = memory;
    return recurrent_f32_run(c, &p, err);
}

/* state: NULL, or the packed weights. */
static hst_status run_node(const void *state, eval_context *c, hst_error *err) {
    const hst_tensor *x, *w, *r, *packed = state;
    hst_tensor *out[3] = {NULL};
    args a;
    int64_t *length = NULL;
    HST_TRY(eval_need(c, 0, "X", &x, err));
    HST_TRY(eval_need(c, 1, "W", &w, err));
    HST_TRY(eval_need(c, 2, "R", &r, err));
    HST_TRY(recurrent_args_read(c->node, &a, err));
    HST_TRY(check_inputs(c, &a, x, w, r, err));
    HST_TRY(lengths(c, &a, &length, err));
    const int64_t D = a.directions, N = a.batch, H = a.hidden, S = a.steps;
    const int64_t first[2][4] = {{S, D, N, H}, {N, S, D, H}}, last[2][3] = {{D, N, H}, {N, D, H}};
    for (int k = 0; k < 3 && k < c->n_out; k++)
        if (eval_wants(c, k))
            HST_TRY(
                eval_output(c, k, x->dtype, k ? 3 : 4, k ? last[a.batch_first] : first[a.batch_first], &out[k], err));
    if (out[0]) memset(out[0]->data, 0, out[0]->bytes);
    if (x->dtype == HST_DTYPE_F32 && recurrent_f32_fits(&a, a.kind == LSTM && eval_in(c, 7)))
        return eval_f32(c, &a, packed ? packed->data : NULL, length, out, err);
    return eval_f64(c, &a, length, out, err);
}

static hst_status eval(eval_context *c, hst_error *err) {
    return run_node(NULL, c, err);
}

static void free_packed(void *state, const hst_allocator *a) {
    (void)a;
    tensor_free(state);
}

static bool is_constant(const bind_context *c, int i, int rank) {
    const hst_tensor *t = i < c->n_in ? c->constant[i] : NULL;
    return t && t->dtype == HST_DTYPE_F32 && t->rank == rank;
}

/* t, or a copy whose elements are aligned. */
static hst_status aligned(const hst_tensor *t, const hst_allocator *a, hst_tensor **copy, const float **out,
                          hst_error *err) {
    if ((uintptr_t)t->data % sizeof(float)) {
        HST_TRY(tensor_new(HST_DTYPE_F32, t->rank, t->dim, a, copy, err));
        memcpy((*copy)->data, t->data, t->bytes);
        t = *copy;
    }
    *out = t->data;
    return HST_STATUS_OK;
}

static hst_status pack(bind_context *c, const args *a, int64_t count, bool has_bias, hst_tensor **out, hst_error *err) {
    hst_tensor *copy[3] = {NULL};
    const float *data[3] = {NULL};
    hst_status status = HST_STATUS_OK;
    for (int i = 0; i < (has_bias ? 3 : 2) && status == HST_STATUS_OK; i++)
        status = aligned(c->constant[i + 1], c->allocator, &copy[i], &data[i], err);
    if (status == HST_STATUS_OK) status = tensor_new(HST_DTYPE_F32, 1, &count, c->allocator, out, err);
    if (status == HST_STATUS_OK) recurrent_f32_pack(a, data[0], data[1], data[2], (*out)->data);
    for (int i = 0; i < 3; i++) tensor_free(copy[i]);
    return status;
}

static hst_status bind(bind_context *c, hst_error *err) {
    args a;
    HST_TRY(recurrent_args_read(c->node, &a, err));
    if (c->in[0].dtype != HST_DTYPE_F32) {
        c->why = "in f64";
        return HST_STATUS_OK;
    }
    if (!recurrent_f32_fits(&a, a.kind == LSTM && c->n_in > 7 && c->node->in[7])) {
        c->why = "peepholes, input_forget and some activations are computed in f64";
        return HST_STATUS_OK;
    }
    c->run = run_node;
    c->kernel = kernels_get()->gemm_f32()->name;
    const bool has_bias = c->n_in > 3 && c->node->in[3];
    if (!is_constant(c, 1, 3) || !is_constant(c, 2, 3) || (has_bias && !is_constant(c, 3, 2))) return HST_STATUS_OK;
    const hst_tensor *w = c->constant[1], *r = c->constant[2], *b = has_bias ? c->constant[3] : NULL;
    a.inputs = w->dim[2];
    a.hidden = r->dim[2];
    if (a.hidden < 1 || a.hidden > INT32_MAX) return HST_STATUS_OK; /* the run says what does not fit */
    const int64_t wide = (int64_t)a.kind * a.hidden;
    if (w->dim[0] != a.directions || w->dim[1] != wide || r->dim[0] != a.directions || r->dim[1] != wide ||
        (b && (b->dim[0] != a.directions || b->dim[1] != 2 * wide)))
        return HST_STATUS_OK;
    const int64_t count = recurrent_f32_packed(&a);
    if (count < 0) return HST_STATUS_OK;
    hst_tensor *packed = NULL;
    HST_TRY(pack(c, &a, count, has_bias, &packed, err));
    c->state = packed;
    c->state_free = free_packed;
    return HST_STATUS_OK;
}

// clang-format off
static const op_case rnn_cases[] = {
    {"two steps", 0, "(f32[2,1,1]{1 2}, f32[1,1,1]{0.5}, f32[1,1,1]{1}, f32[1,2]{0.25 0.25}; hidden_size=1, activations=[\"Relu\"]) -> (f32[2,1,1,1]{1 2.5}, f32[1,1,1]{2.5})", 0},
    {"reverse, lengths", 0, "(f32[2,2,1]{1 2 3 4}, f32[1,1,1]{1}, f32[1,1,1]{10}, _, s32[2]{2 1}; hidden_size=1, direction=\"reverse\", activations=[\"affine\"], activation_alpha=[1.0]) -> (f32[2,1,2,1]{31 2 3 0}, f32[1,2,1]{31 2})", 0},
    {"clip, initial state, batch first", 14, "(f64[1,1,1]{1}, f64[1,1,1]{1}, f64[1,1,1]{1}, _, _, f64[1,1,1]{5}; hidden_size=1, layout=1, clip=3.0, activations=[\"Relu\"]) -> (f64[1,1,1,1]{3}, f64[1,1,1]{3})", 0},
    {0}};
static const op_case gru_cases[] = {
    {"default", 0, "(f32[1,1,1]{1}, f32[1,3,1]{0 0 1}, f32[1,3,1]{0 0 2}, _, _, f32[1,1,1]{1}; hidden_size=1) -> (f32[1,1,1,1]{0.98201379}, f32[1,1,1]{0.98201379})", 1e-6},
    {"linear before reset", 3, "(f32[1,1,1]{1}, f32[1,3,1]{0 0 1}, f32[1,3,1]{0 0 2}, f32[1,6]{0 0 0 0 0 2}, _, f32[1,1,1]{1}; hidden_size=1, linear_before_reset=1) -> (_, f32[1,1,1]{0.99752738})", 1e-6},
    {0}};
static const op_case lstm_cases[] = {
    {"one step", 0, "(f32[1,1,1]{1}, f32[1,4,1]{0 0 0 1}, f32[1,4,1]{0 0 0 0}; hidden_size=1) -> (_, f32[1,1,1]{0.18169974}, f32[1,1,1]{0.38079708})", 1e-6},
    {"peepholes, cell, both directions", 7, "(f64[1,1,1]{0}, f64[2,4,1]{0 0 0 0 0 0 0 0}, f64[2,4,1]{0 0 0 0 0 0 0 0}, _, _, _, f64[2,1,1]{1 2}, f64[2,3]{0 0 0 0 0 100}; hidden_size=1, direction=\"bidirectional\") -> (_, _, f64[2,1,1]{0.5 2})", 1e-12},
    {0}};

#define RECURRENT(name_, summary_, most_, out_, cases_) {.name = name_, .domain = "", .since = 1, .min_in = 3, .max_in = most_,  \
    .min_out = 0, .max_out = out_, .infer = infer, .eval = eval, .bind = bind, .summary = summary_, HST_CASES(cases_)}

HST_OP(RNN) = RECURRENT("RNN", "a simple recurrent layer", 6, 2, rnn_cases);
HST_OP(GRU) = RECURRENT("GRU", "a layer of gated recurrent units", 6, 2, gru_cases);
HST_OP(LSTM) = RECURRENT("LSTM", "a layer of long short-term memory", 8, 3, lstm_cases);
// clang-format on
