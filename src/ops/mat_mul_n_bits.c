/* MatMulNBits (com.microsoft): y [..., N] = a [..., K] times the transpose of w [N, K], plus bias [N], where
 *   w[n, k] = (q[n, k] - zero[n, g]) * scale[n, g]   g = k / block_size, or g_idx[k]
 * q: `bits` (2 … 8) bits an element, low bits first, in blocks of block_size: u8 [N, blocks, block_size * bits / 8].
 * zero: u8 packed the same way a row [N, ceil(blocks * bits / 8)], or floats [N, blocks]; 2^(bits-1) where absent.
 *
 * Arithmetic is f32 whatever accuracy_level allows: each product one chain of fma over k in order. Constant weights are
 * dequantised and laid out for the f32 product once, when the model is compiled. */
#include <math.h>
#include <string.h>

#include "base/checked.h"
#include "kernels/kernels.h"
#include "ops/op.h"
#include "tensor/convert.h"

enum { A, B, SCALES, ZEROS, GROUPS, BIAS };

typedef struct args {
    int64_t n, k, block_size, blocks;
    int bits;
} args;

static hst_status args_read(const node *node, args *a, hst_error *err) {
    a->n = node_int(node, "N", -1);
    a->k = node_int(node, "K", -1);
    a->block_size = node_int(node, "block_size", 0);
    int64_t bits = node_int(node, "bits", 4);
    if (a->n < 0 || a->k < 0 || a->n > INT32_MAX || a->k > INT32_MAX)
        return node_error(node, err, HST_STATUS_BAD_FORMAT, "N is %lld, K is %lld", (long long)a->n, (long long)a->k);
    if (bits < 2 || bits > 8)
        return node_error(node, err, HST_STATUS_BAD_FORMAT, "bits is %lld, not 2 to 8", (long long)bits);
    if (a->block_size < 16 || a->block_size > (1 << 24) || (a->block_size & (a->block_size - 1)))
        return node_error(node, err, HST_STATUS_BAD_FORMAT, "block_size is %lld, not a power of two from 16",
                          (long long)a->block_size);
    if (node_int(node, "weight_prepacked", 0))
        return node_error(node, err, HST_STATUS_UNSUPPORTED, "weights prepacked for a GPU");
    a->bits = (int)bits;
    a->blocks = a->k / a->block_size + (a->k % a->block_size != 0);
    return HST_STATUS_OK;
}

static hst_status infer(infer_context *c, hst_error *err) {
    const type *x = infer_in(c, A);
    args a;
    HST_TRY(args_read(c->node, &a, err));
    c->out[0].dtype = x->dtype;
    if (x->rank < 1) return HST_STATUS_OK;
    dim k = x->dim[x->rank - 1];
    if (k != a.k && !dim_is_symbol(k))
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "A has %lld columns, K is %lld", (long long)k,
                          (long long)a.k);
    c->out[0] = *x;
    c->out[0].dim[x->rank - 1] = a.n;
    return HST_STATUS_OK;
}

/* ---- weights ---- */

typedef struct weights {
    args a;
    const uint8_t *q;
    int64_t row_bytes; /* of q */
    const hst_tensor *scales, *zeros, *groups;
    int64_t zero_bytes; /* of a row of packed zeros */
} weights;

static hst_status check_count(const node *n, const hst_tensor *t, int64_t want, const char *name, hst_error *err) {
    if (tensor_count(t) == want) return HST_STATUS_OK;
    return node_error(n, err, HST_STATUS_BAD_SHAPE, "%s has %lld elements, needs %lld", name,
                      (long long)tensor_count(t), (long long)want);
}

static hst_status weights_check(const node *n, weights *w, const hst_tensor *const *in, int n_in, hst_error *err) {
    const args *a = &w->a;
    const hst_tensor *b = in[B];
    w->scales = in[SCALES];
    w->zeros = n_in > ZEROS ? in[ZEROS] : NULL;
    w->groups = n_in > GROUPS ? in[GROUPS] : NULL;
    if (b->dtype != HST_DTYPE_U8)
        return node_error(n, err, HST_STATUS_BAD_SHAPE, "B is %s, needs u8", dtype_name(b->dtype));
    w->q = b->data;
    w->row_bytes = a->blocks * (a->block_size / 8 * a->bits); /* < 2^31 + 2^24, times 1 */
    HST_TRY(check_count(n, b, a->n * w->row_bytes, "B", err));
    HST_TRY(check_count(n, w->scales, a->n * a->blocks, "scales", err));
    if (!dtype_is_float(w->scales->dtype))
        return node_error(n, err, HST_STATUS_BAD_SHAPE, "scales are %s", dtype_name(w->scales->dtype));
    w->zero_bytes = (a->blocks * a->bits + 7) / 8;
    if (w->zeros && w->zeros->dtype == HST_DTYPE_U8)
        HST_TRY(check_count(n, w->zeros, a->n * w->zero_bytes, "packed zero_points", err));
    else if (w->zeros && dtype_is_float(w->zeros->dtype))
        HST_TRY(check_count(n, w->zeros, a->n * a->blocks, "zero_points", err));
    else if (w->zeros)
        return node_error(n, err, HST_STATUS_BAD_SHAPE, "zero_points are %s", dtype_name(w->zeros->dtype));
    if (!w->groups) return HST_STATUS_OK;
    if (w->groups->dtype != HST_DTYPE_S32)
        return node_error(n, err, HST_STATUS_BAD_SHAPE, "g_idx is %s, needs s32", dtype_name(w->groups->dtype));
    if (tensor_count(w->groups) < a->k) return check_count(n, w->groups, a->k, "g_idx", err);
    const int32_t *g = w->groups->data;
    for (int64_t k = 0; k < a->k; k++)
        if (g[k] < 0 || g[k] >= a->blocks)
            return node_error(n, err, HST_STATUS_BAD_SHAPE, "g_idx[%lld] is %d, there are %lld blocks", (long long)k,
                              (int)g[k], (long long)a->blocks);
    return HST_STATUS_OK;
}

static inline unsigned bits_at(const uint8_t *p, int64_t index, int bits) {
    int64_t bit = index * bits;
    unsigned both = p[bit / 8];
    int shift = (int)(bit % 8);
    if (shift + bits > 8) both |= (unsigned)p[bit / 8 + 1] << 8;
    return both >> shift & ((1u << bits) - 1);
}

static float zero_at(const weights *w, int64_t n, int64_t g) {
    if (!w->zeros) return (float)(1 << (w->a.bits - 1));
    if (w->zeros->dtype == HST_DTYPE_U8)
        return (float)bits_at((const uint8_t *)w->zeros->data + n * w->zero_bytes, g, w->a.bits);
    return (float)tensor_get_f64(w->zeros, n * w->a.blocks + g);
}

static float scale_at(const weights *w, int64_t n, int64_t g) {
    float f;
    convert_to_f32(w->scales->dtype, w->scales->data, n * w->a.blocks + g, &f, 1);
    return f;
}

/* Row n of w, K floats. */
static void weights_row(const weights *w, int64_t n, float *to) {
    const args *a = &w->a;
    const uint8_t *q = w->q + n * w->row_bytes;
    if (w->groups) {
        const int32_t *g = w->groups->data;
        for (int64_t k = 0; k < a->k; k++)
            to[k] = ((float)bits_at(q, k, a->bits) - zero_at(w, n, g[k])) * scale_at(w, n, g[k]);
        return;
    }
    for (int64_t g = 0; g < a->blocks; g++) {
        int64_t first = g * a->block_size, last = first + a->block_size < a->k ? first + a->block_size : a->k;
        float zero = zero_at(w, n, g), scale = scale_at(w, n, g);
        if (a->bits == 4)
            for (int64_t k = first; k < last; k++) to[k] = ((float)(q[k / 2] >> 4 * (k & 1) & 15) - zero) * scale;
        else if (a->bits == 8)
            for (int64_t k = first; k < last; k++) to[k] = ((float)q[k] - zero) * scale;
        else
            for (int64_t k = first; k < last; k++) to[k] = ((float)bits_at(q, k, a->bits) - zero) * scale;
    }
}

/* ---- evaluation ---- */

typedef struct job {
    const weights *w;
    const float *a, *bias;
    float *y, *row; /* row: one of K floats a worker */
    int64_t m;
} job;

static float chain(const float *a, const float *b, int64_t k) {
    float sum = 0;
    for (int64_t i = 0; i < k; i++) sum = fmaf(a[i], b[i], sum);
    return sum;
}

static void worker(void *arg, const team_context *ctx) {
    const job *j = arg;
    int64_t n = j->w->a.n, k = j->w->a.k, begin, end;
    float *row = j->row + ctx->worker * k;
    team_split(n, 4, ctx, &begin, &end);
    for (int64_t i = begin; i < end; i++) {
        weights_row(j->w, i, row);
        for (int64_t m = 0; m < j->m; m++) {
            float x = chain(j->a + m * k, row, k);
            j->y[m * n + i] = j->bias ? x + j->bias[i] : x;
        }
    }
}

/* What eval and the bound path share: A as f32, bias, y; `rows` tells how many rows there are. */
typedef struct frame {
    const float *a, *bias;
    float *y;
    hst_tensor *out;
    int64_t m;
} frame;

static hst_status as_f32(eval_context *c, const hst_tensor *t, const float **to, hst_error *err) {
    void *copy;
    *to = t->data;
    if (t->dtype == HST_DTYPE_F32) return HST_STATUS_OK;
    if (!dtype_is_float(t->dtype))
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "an input is %s, needs floats", dtype_name(t->dtype));
    HST_TRY(eval_scratch(c, (size_t)tensor_count(t) * sizeof(float), &copy, err));
    convert_to_f32(t->dtype, t->data, 0, copy, tensor_count(t));
    *to = copy;
    return HST_STATUS_OK;
}

static hst_status frame_make(eval_context *c, const args *a, frame *f, hst_error *err) {
    const hst_tensor *x = eval_in(c, A), *bias = eval_in(c, BIAS);
    int64_t dims[HST_RANK_MAX];
    if (x->rank < 1 || x->dim[x->rank - 1] != a->k)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "A has %lld columns, K is %lld",
                          (long long)(x->rank ? x->dim[x->rank - 1] : 0), (long long)a->k);
    memset(f, 0, sizeof *f);
    HST_TRY(as_f32(c, x, &f->a, err));
    if (bias) {
        HST_TRY(check_count(c->node, bias, a->n, "bias", err));
        HST_TRY(as_f32(c, bias, &f->bias, err));
    }
    memcpy(dims, x->dim, sizeof dims);
    dims[x->rank - 1] = a->n;
    HST_TRY(eval_output(c, 0, x->dtype, x->rank, dims, &f->out, err));
    f->m = tensor_count(f->out) ? 1 : 0;
    for (int i = 0; i < x->rank - 1 && f->m; i++) f->m *= x->dim[i];
    f->y = f->out->data;
    void *y = f->y;
    if (x->dtype != HST_DTYPE_F32) HST_TRY(eval_scratch(c, (size_t)tensor_count(f->out) * sizeof(float), &y, err));
    f->y = y;
    return HST_STATUS_OK;
}

static void frame_finish(const frame *f) {
    if (f->out->dtype != HST_DTYPE_F32) convert_from_f32(f->out->dtype, f->y, f->out->data, 0, tensor_count(f->out));
}

/* An omitted projection: bias, or zeros. */
static void fill(const frame *f, int64_t n) {
    for (int64_t i = 0; i < f->m; i++)
        for (int64_t j = 0; j < n; j++) f->y[i * n + j] = f->bias ? f->bias[j] : 0;
}

static hst_status eval(eval_context *c, hst_error *err) {
    weights w = {0};
    frame f;
    HST_TRY(args_read(c->node, &w.a, err));
    HST_TRY(frame_make(c, &w.a, &f, err));
    if (tensor_count(eval_in(c, B)) == 0) {
        fill(&f, w.a.n);
    } else {
        void *row;
        int workers = team_size(c->team);
        HST_TRY(weights_check(c->node, &w, c->in, c->n_in, err));
        HST_TRY(eval_scratch(c, (size_t)workers * (size_t)w.a.k * sizeof(float), &row, err));
        job j = {&w, f.a, f.bias, f.y, row, f.m};
        c->macs += (uint64_t)f.m * (uint64_t)w.a.n * (uint64_t)w.a.k;
        team_run(c->team, workers, worker, &j);
    }
    frame_finish(&f);
    return HST_STATUS_OK;
}

/* ---- binding ---- */

typedef struct packed {
    args a;
    const gemm_f32_family *family;
    float *panels;
    size_t bytes;
} packed;

static void packed_free(void *state, const hst_allocator *a) {
    packed *p = state;
    if (p->panels) memory_free(a, p->panels, p->bytes);
    memory_free(a, p, sizeof *p);
}

static void part(void *arg, const team_context *ctx) {
    gemm_f32_part(arg, ctx->worker, ctx->workers, NULL);
}

static hst_status run(const void *state, eval_context *c, hst_error *err) {
    const packed *p = state;
    frame f;
    HST_TRY(frame_make(c, &p->a, &f, err));
    gemm_f32 g = gemm_f32_make(p->family, f.m, p->a.n, p->a.k, f.a, f.y);
    g.packed = p->panels;
    g.packed_dtype = HST_DTYPE_F32;
    g.bias = f.bias;
    c->macs += (uint64_t)f.m * (uint64_t)p->a.n * (uint64_t)p->a.k;
    team_run(c->team, 0, part, &g);
    frame_finish(&f);
    return HST_STATUS_OK;
}

/* Dequantises the weights a panel's columns at a time. */
static hst_status pack(const weights *w, packed *p, const hst_allocator *allocator, hst_error *err) {
    int nr = p->family->nr;
    size_t rows_bytes = (size_t)nr * (size_t)p->a.k * sizeof(float);
    float *rows = memory_alloc(allocator, rows_bytes, MEMORY_ALIGN);
    if (!rows) return error_no_memory(err, rows_bytes, "dequantised weights");
    gemm_f32_operand b = {rows, HST_DTYPE_F32, 1, p->a.k};
    for (int64_t n = 0; n < p->a.n; n += nr) {
        int64_t columns = p->a.n - n < nr ? p->a.n - n : nr;
        for (int64_t i = 0; i < columns; i++) weights_row(w, n + i, rows + i * p->a.k);
        gemm_f32_pack(p->family, &b, p->a.k, columns, 0, 1, p->panels + n * p->a.k);
    }
    memory_free(allocator, rows, rows_bytes);
    return HST_STATUS_OK;
}

static hst_status bind(bind_context *c, hst_error *err) {
    weights w = {0};
    HST_TRY(args_read(c->node, &w.a, err));
    for (int i = B; i <= GROUPS && i < c->n_in; i++)
        if (c->node->in[i] && !c->constant[i]) {
            c->why = "its weights are no constants";
            return HST_STATUS_OK;
        }
    if (tensor_count(c->constant[B]) == 0 || w.a.k == 0) {
        c->why = "it has no weights";
        return HST_STATUS_OK;
    }
    HST_TRY(weights_check(c->node, &w, c->constant, c->n_in, err));
    packed *p = memory_alloc(c->allocator, sizeof *p, 16);
    if (!p) return error_no_memory(err, sizeof *p, "packed weights");
    *p = (packed){.a = w.a, .family = kernels_get()->gemm_f32()};
    size_t count = (size_t)(gemm_f32_panels(p->family, w.a.n) * p->family->nr);
    if (size_mul(count, (size_t)w.a.k, &count) && size_mul(count, sizeof(float), &p->bytes))
        p->panels = memory_alloc(c->allocator, p->bytes, MEMORY_ALIGN);
    hst_status status = p->panels ? pack(&w, p, c->allocator, err) : error_no_memory(err, p->bytes, "packed weights");
    if (status != HST_STATUS_OK) {
        packed_free(p, c->allocator);
        return status;
    }
    c->run = run;
    c->state = p;
    c->state_free = packed_free;
    c->kernel = p->family->name;
    return HST_STATUS_OK;
}

// clang-format off
static const op_case cases[] = {
    {"4 bits", 0, "(f32[1,4]{1}, u8[2,1,8]{33 67 0 0 0 0 0 0}, f32[2]{1 2}; K=4, N=2, bits=4, block_size=16) -> (f32[1,2]{-22 -44})", 0},
    {"packed zero points", 0, "(f32[1,4]{1}, u8[2,1,8]{33 67 0 0 0 0 0 0}, f32[2,1]{1 2}, u8[2,1]{1}; K=4, N=2, bits=4, block_size=16) -> (f32[1,2]{6 12})", 0},
    {"float zero points", 0, "(f32[1,4]{1}, u8[2,1,8]{33 67 0 0 0 0 0 0}, f32[2]{1 2}, f32[2]{0.5 1}; K=4, N=2, block_size=16) -> (f32[1,2]{8 12})", 0},
    {"8 bits", 0, "(f32[2,1,4]{1 2 3 4 0 0 0 1}, u8[1,1,16]{128 129 130 131}, f32[1]{1}; K=4, N=1, bits=8, block_size=16) -> (f32[2,1,1]{20 3})", 0},
    {"2 bits", 0, "(f32[1,4]{1}, u8[1,1,4]{228}, f32[1]{1}; K=4, N=1, bits=2, block_size=16) -> (f32[1,1]{-2})", 0},
    {"3 bits cross bytes", 0, "(f32[1,4]{1}, u8[1,1,6]{209 8}, f32[1]{1}; K=4, N=1, bits=3, block_size=16) -> (f32[1,1]{-6})", 0},
    {"two blocks", 0, "(f32[17]{1}, u8[1,2,8]{153}, f32[2]{1 10}; K=17, N=1, block_size=16) -> (f32[1]{26})", 0},
    {"two blocks, zero points in one byte", 0, "(f32[17]{1}, u8[1,2,8]{153}, f32[2]{1 10}, u8[1]{120}; K=17, N=1, block_size=16) -> (f32[1]{36})", 0},
    {"g_idx", 0, "(f32[17]{1}, u8[1,2,8]{153}, f32[2]{1 10}, _, s32[17]{1}; K=17, N=1, block_size=16) -> (f32[1]{170})", 0},
    {"bias", 0, "(f32[1,4]{1}, u8[2,1,8]{33 67 0 0 0 0 0 0}, f32[2]{1 2}, _, _, f32[2]{0.5 -1}; K=4, N=2, block_size=16) -> (f32[1,2]{-21.5 -45})", 0},
    {"f16", 0, "(f16[1,4]{1}, u8[1,1,8]{33 67 0 0 0 0 0 0}, f16[1]{0.5}, _, _, f16[1]{1}; K=4, N=1, block_size=16) -> (f16[1,1]{-10})", 0},
    {"omitted projection", 0, "(f32[2,4]{1}, u8[0,1,8]{}, f32[0]{}, _, _, f32[2]{3 4}; K=4, N=2, block_size=16) -> (f32[2,2]{3 4 3 4})", 0},
    {"no rows", 0, "(f32[0,4]{}, u8[1,1,8]{1}, f32[1]{1}; K=4, N=1, block_size=16) -> (f32[0,1]{})", 0},
    {NULL, 0, NULL, 0}};
// clang-format on

HST_OP(com_microsoft_MatMulNBits) = {.name = "MatMulNBits",
                                     .domain = "com.microsoft",
                                     .since = 1,
                                     .min_in = 3,
                                     .max_in = 6,
                                     .min_out = 1,
                                     .max_out = 1,
                                     .infer = infer,
                                     .eval = eval,
                                     .bind = bind,
                                     .summary = "product with weights of 2 to 8 bits in blocks",
                                     .gaps = "weights prepacked for a GPU",
                                     HST_CASES(cases)};
