/* Loops of the elementwise operators: see elementwise.h. */
#include "ops/elementwise.h"

#include <string.h>

#include "tensor/broadcast.h"
#include "tensor/convert.h"

enum {
    CHUNK = 512,  /* elements converted at once, a multiple of what a byte of any packed type holds */
    GRAIN = 8192, /* elements a worker should have, at least */
};

hst_status elementwise_bad_dtype(const node *n, hst_dtype d, hst_error *err) {
    return node_error(n, err, HST_STATUS_BAD_SHAPE, "is not defined for elements of type %s", dtype_name(d));
}

/* ---- the team ---- */

typedef struct range_job {
    elementwise_range_fn fn;
    const void *arg;
    int64_t n;
} range_job;

static void run_range(void *arg, const team_context *ctx) {
    const range_job *j = arg;
    int64_t begin, end;
    team_split(j->n, CHUNK, ctx, &begin, &end);
    if (begin < end) j->fn(j->arg, begin, end);
}

void elementwise_split(const eval_context *c, int64_t n, elementwise_range_fn fn, const void *arg) {
    if (n < 2 * GRAIN || !c->team) {
        if (n > 0) fn(arg, 0, n);
        return;
    }
    range_job j = {fn, arg, n};
    team_run(c->team, n / GRAIN < 256 ? (int)(n / GRAIN) : 0, run_range, &j);
}

/* ---- one input ---- */

const unary_rule *unary_find(const unary_rule *table, size_t n, const char *op_type) {
    for (size_t i = 0; i < n; i++)
        if (strcmp(table[i].op_type, op_type) == 0) return &table[i];
    return NULL;
}

hst_status unary_infer(infer_context *c, hst_error *err) {
    (void)err;
    c->out[0] = *infer_in(c, 0);
    return HST_STATUS_OK;
}

typedef struct unary_job {
    const unary_rule *rule;
    hst_dtype dtype;
    const void *x;
    void *y;
    double p[2];
} unary_job;

static void unary_floats(const unary_job *j, int64_t n, const float *x, float *y) {
    if (j->rule->kernel != ELEMENTWISE_NO_KERNEL) {
        const float p[2] = {(float)j->p[0], (float)j->p[1]};
        kernels_get()->unary_f32((unary)j->rule->kernel, p, n, x, y);
    } else {
        for (int64_t i = 0; i < n; i++) y[i] = (float)j->rule->wide(x[i], j->p);
    }
}

static void unary_range(const void *arg, int64_t begin, int64_t end) {
    const unary_job *j = arg;
    union {
        float f32[CHUNK];
        double f64[CHUNK];
        int64_t s64[CHUNK];
    } t;
    if (j->dtype == HST_DTYPE_F32) {
        unary_floats(j, end - begin, (const float *)j->x + begin, (float *)j->y + begin);
        return;
    }
    for (int64_t i = begin; i < end; i += CHUNK) {
        int64_t n = end - i < CHUNK ? end - i : CHUNK;
        if (j->dtype == HST_DTYPE_F64) {
            convert_to_f64(j->dtype, j->x, i, t.f64, n);
            for (int64_t k = 0; k < n; k++) t.f64[k] = j->rule->wide(t.f64[k], j->p);
            convert_from_f64(j->dtype, t.f64, j->y, i, n);
        } else if (dtype_is_float(j->dtype)) {
            convert_to_f32(j->dtype, j->x, i, t.f32, n);
            unary_floats(j, n, t.f32, t.f32);
            convert_from_f32(j->dtype, t.f32, j->y, i, n);
        } else {
            bool is_unsigned = j->dtype == HST_DTYPE_U64;
            convert_to_s64(j->dtype, j->x, i, t.s64, n);
            for (int64_t k = 0; k < n; k++) t.s64[k] = j->rule->integer(t.s64[k], j->p, is_unsigned);
            convert_from_s64(j->dtype, t.s64, j->y, i, n);
        }
    }
}

hst_status unary_eval_with(eval_context *c, const unary_rule *rule, const hst_tensor *x, const double *p,
                           hst_error *err) {
    hst_tensor *y;
    bool fits = dtype_is_float(x->dtype) ? rule->wide != NULL : dtype_is_integer(x->dtype) && rule->integer;
    if (!fits) return elementwise_bad_dtype(c->node, x->dtype, err);
    HST_TRY(eval_output(c, 0, x->dtype, x->rank, x->dim, &y, err));
    unary_job j = {rule, x->dtype, x->data, y->data, {p[0], p[1]}};
    elementwise_split(c, tensor_count(x), unary_range, &j);
    return HST_STATUS_OK;
}

hst_status unary_eval(eval_context *c, const unary_rule *rule, hst_error *err) {
    const hst_tensor *x;
    double p[2] = {0};
    HST_TRY(eval_need(c, 0, "X", &x, err));
    if (rule->args) rule->args(c->node, p);
    return unary_eval_with(c, rule, x, p, err);
}

/* ---- two inputs ---- */

/* How many 1s stand behind the second operand's shape, `one`: which has one element. */
static hst_status old_axes(const node *n, int rank_a, int rank_b, bool one, int *behind, hst_error *err) {
    const bool slopes = node_is(n, "", "PRelu");
    int64_t axis = node_int(n, "axis", slopes && rank_b == 1 ? 1 : rank_a - rank_b);
    *behind = 0;
    if (n->opset >= 7 || one || rank_a < rank_b || (slopes && rank_a < 2)) return HST_STATUS_OK;
    if (axis < 0) axis += rank_a;
    if (axis < 0 || axis > rank_a - rank_b)
        return node_error(n, err, HST_STATUS_BAD_SHAPE, "axis %lld for operands of rank %d and %d", (long long)axis,
                          rank_a, rank_b);
    *behind = rank_a - rank_b - (int)axis;
    return HST_STATUS_OK;
}

hst_status elementwise_old_type(const node *n, const type *a, type *b, hst_error *err) {
    int behind;
    if (a->rank < 0 || b->rank < 0) return HST_STATUS_OK;
    HST_TRY(old_axes(n, a->rank, b->rank, b->rank == 1 && b->dim[0] == 1, &behind, err));
    while (behind-- > 0) b->dim[b->rank++] = 1;
    return HST_STATUS_OK;
}

hst_status elementwise_old_tensor(const node *n, const hst_tensor *a, hst_tensor *b, hst_error *err) {
    int behind;
    const bool one = b->rank == 1 && b->dim[0] == 1;
    HST_TRY(old_axes(n, a->rank, b->rank, one, &behind, err));
    while (behind-- > 0) b->dim[b->rank++] = 1;
    if (n->opset >= 7 && !node_is(n, "", "PRelu")) return HST_STATUS_OK;
    if (one) b->rank = 0;
    bool fits = b->rank <= a->rank; /* B broadcasts to A, not both */
    for (int i = 1; fits && i <= b->rank; i++)
        fits = b->dim[b->rank - i] == 1 || b->dim[b->rank - i] == a->dim[a->rank - i];
    if (fits) return HST_STATUS_OK;
    type want = type_of_tensor(a), got = type_of_tensor(b);
    char left[160], right[160];
    return node_error(n, err, HST_STATUS_BAD_SHAPE, "B is %s, which does not broadcast to A, %s",
                      type_format(NULL, &got, right, sizeof right), type_format(NULL, &want, left, sizeof left));
}

const binary_rule *binary_find(const binary_rule *table, size_t n, const char *op_type) {
    for (size_t i = 0; i < n; i++)
        if (strcmp(table[i].op_type, op_type) == 0) return &table[i];
    return NULL;
}

static void infer_binary_content(infer_context *c, const binary_rule *rule) {
    dim a[CONTENT_MOST], b[CONTENT_MOST], to[CONTENT_MOST];
    int na = infer_dims(c, 0, a, CONTENT_MOST), nb = infer_dims(c, 1, b, CONTENT_MOST);
    if (!rule->content || na < 0 || nb < 0 || (na != 1 && nb != 1 && na != nb)) return;
    int n = na == 1 ? nb : na;
    for (int k = 0; k < n; k++)
        if (!rule->content(c->model, a[na == 1 ? 0 : k], b[nb == 1 ? 0 : k], &to[k]) ||
            (c->out[0].dtype == HST_DTYPE_S32 && !dim_is_symbol(to[k]) && to[k] != (int32_t)to[k]))
            return; /* it wraps round */
    infer_content(c, 0, to, n);
}

hst_status binary_infer_with(infer_context *c, const binary_rule *rule, hst_error *err) {
    const type *a = infer_in(c, 0), *b = infer_in(c, 1);
    type *out = &c->out[0], aligned = *b;
    HST_TRY(elementwise_old_type(c->node, a, &aligned, err));
    if (a->dtype != HST_DTYPE_NONE && b->dtype != HST_DTYPE_NONE && a->dtype != b->dtype)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "A is %s, B is %s", dtype_name(a->dtype),
                          dtype_name(b->dtype));
    out->dtype = a->dtype != HST_DTYPE_NONE ? a->dtype : b->dtype;
    if (c->node->opset < 7 || node_is(c->node, "", "PRelu")) { /* B broadcasts to A, not both */
        out->rank = a->rank;
        memcpy(out->dim, a->dim, sizeof out->dim);
    } else {
        HST_TRY(infer_broadcast(c, a, &aligned, out, err));
    }
    if (out->rank == 0 || out->rank == 1) infer_binary_content(c, rule);
    return HST_STATUS_OK;
}

typedef struct binary_job {
    const binary_rule *rule;
    const hst_tensor *in[2];
    hst_tensor *y;
} binary_job;

static void binary_floats(const binary_rule *rule, int64_t n, const float *a, int64_t step_a, const float *b,
                          int64_t step_b, float *y) {
    if (rule->kernel != ELEMENTWISE_NO_KERNEL)
        kernels_get()->binary_f32((binary)rule->kernel, n, a, step_a, b, step_b, y);
    else
        for (int64_t i = 0; i < n; i++) y[i] = (float)rule->wide(a[i * step_a], b[i * step_b]);
}

/* The sums, differences and products that shapes and places are made of, where they lie; false: another operation or
 * type. The low bits of a result do not depend on the sign. */
#define WRAPPED(type, op)                                                                                              \
    for (int64_t k = 0; k < n; k++) ((type *)y)[k] = ((const type *)a)[k * step_a] op((const type *)b)[k * step_b];    \
    return true

static bool binary_wrapped(int kernel, bool wide, int64_t n, const char *a, int64_t step_a, const char *b,
                           int64_t step_b, char *y) {
    switch (kernel * 2 + wide) {
    case BINARY_ADD * 2:
        WRAPPED(uint32_t, +);
    case BINARY_ADD * 2 + 1:
        WRAPPED(uint64_t, +);
    case BINARY_SUB * 2:
        WRAPPED(uint32_t, -);
    case BINARY_SUB * 2 + 1:
        WRAPPED(uint64_t, -);
    case BINARY_MUL * 2:
        WRAPPED(uint32_t, *);
    case BINARY_MUL * 2 + 1:
        WRAPPED(uint64_t, *);
    default:
        return false;
    }
}

/* n elements of one run through a carrier. */
static void binary_chunk(const binary_job *j, int64_t n, int64_t a, int64_t step_a, int64_t b, int64_t step_b,
                         int64_t out) {
    union {
        float f32[CHUNK];
        double f64[CHUNK];
        int64_t s64[CHUNK];
    } x, y;
    const hst_dtype d = j->y->dtype;
    const int64_t na = step_a ? n : 1, nb = step_b ? n : 1;
    if (d == HST_DTYPE_F64) {
        convert_to_f64(d, j->in[0]->data, a, x.f64, na);
        convert_to_f64(d, j->in[1]->data, b, y.f64, nb);
        if (!step_b)
            for (int64_t k = 1; k < n; k++) y.f64[k] = y.f64[0];
        for (int64_t k = 0; k < n; k++) y.f64[k] = j->rule->wide(x.f64[k * step_a], y.f64[k]);
        convert_from_f64(d, y.f64, j->y->data, out, n);
    } else if (dtype_is_float(d)) {
        float to[CHUNK];
        convert_to_f32(d, j->in[0]->data, a, x.f32, na);
        convert_to_f32(d, j->in[1]->data, b, y.f32, nb);
        binary_floats(j->rule, n, x.f32, step_a, y.f32, step_b, to);
        convert_from_f32(d, to, j->y->data, out, n);
    } else {
        bool is_unsigned = d == HST_DTYPE_U64;
        convert_to_s64(d, j->in[0]->data, a, x.s64, na);
        convert_to_s64(d, j->in[1]->data, b, y.s64, nb);
        if (!step_b)
            for (int64_t k = 1; k < n; k++) y.s64[k] = y.s64[0];
        for (int64_t k = 0; k < n; k++) y.s64[k] = j->rule->integer(x.s64[k * step_a], y.s64[k], is_unsigned);
        convert_from_s64(d, y.s64, j->y->data, out, n);
    }
}

/* The part [begin, end) of the output. */
static void binary_range(const void *arg, int64_t begin, int64_t end) {
    const binary_job *j = arg;
    const hst_dtype d = j->y->dtype;
    broadcast_walk w;
    broadcast_begin(&w, j->y->rank, j->y->dim, j->in, 2);
    while (broadcast_next(&w) && w.output < end) {
        int64_t from = w.output > begin ? w.output : begin, to = w.output + w.run < end ? w.output + w.run : end;
        if (from >= to) continue;
        int64_t skip = from - w.output, a = w.offset[0] + skip * w.step[0], b = w.offset[1] + skip * w.step[1];
        if (d == HST_DTYPE_F32) {
            binary_floats(j->rule, to - from, (const float *)j->in[0]->data + a, w.step[0],
                          (const float *)j->in[1]->data + b, w.step[1], (float *)j->y->data + from);
            continue;
        }
        const int64_t size = dtype_bits(d) / 8;
        if (dtype_is_integer(d) && size >= 4 &&
            binary_wrapped(j->rule->kernel, size == 8, to - from, (const char *)j->in[0]->data + a * size, w.step[0],
                           (const char *)j->in[1]->data + b * size, w.step[1], (char *)j->y->data + from * size))
            continue;
        for (; from < to; from += CHUNK, a += CHUNK * w.step[0], b += CHUNK * w.step[1])
            binary_chunk(j, to - from < CHUNK ? to - from : CHUNK, a, w.step[0], b, w.step[1], from);
    }
}

hst_status binary_eval_with(eval_context *c, const binary_rule *rule, const hst_tensor *a, const hst_tensor *b,
                            hst_error *err) {
    binary_job j = {rule, {a, b}, NULL};
    int rank;
    int64_t dims[HST_RANK_MAX];
    if (a->dtype != b->dtype)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "A is %s, B is %s", dtype_name(a->dtype),
                          dtype_name(b->dtype));
    bool fits = dtype_is_float(a->dtype) ? rule->wide != NULL : dtype_is_integer(a->dtype) && rule->integer;
    if (!fits) return elementwise_bad_dtype(c->node, a->dtype, err);
    hst_status status = broadcast_shape(j.in, 2, &rank, dims, err);
    if (status != HST_STATUS_OK) return node_error(c->node, err, status, "%s", err ? err->message : "");
    HST_TRY(eval_output(c, 0, a->dtype, rank, dims, &j.y, err));
    elementwise_split(c, tensor_count(j.y), binary_range, &j);
    return HST_STATUS_OK;
}

static hst_status run_eval(const void *state, eval_context *c, hst_error *err) {
    (void)state;
    return c->node->op->eval(c, err);
}

hst_status elementwise_bind(bind_context *c, hst_error *err) {
    (void)err;
    if (c->n_in < 1 || c->in[0].dtype != HST_DTYPE_F32) {
        c->why = "only f32 has vector kernels";
        return HST_STATUS_OK;
    }
    c->run = run_eval;
    c->kernel = kernels_chosen(c->n_in == 1 ? offsetof(kernels, unary_f32) : offsetof(kernels, binary_f32))->name;
    return HST_STATUS_OK;
}
