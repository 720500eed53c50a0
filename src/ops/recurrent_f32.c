/* RNN, GRU, LSTM in f32. The inputs' share of all steps is one product; then every worker owns a range of the hidden
 * units through all steps: their columns of every gate's product with h, their gates, their new h. The workers meet
 * once a step (GRU with its reset before the product: twice). An element's operations and their order do not depend on
 * the range, the batch or the ISA: gate = chain(h, R) + (chain(x, W) + (Wb + Rb)),  with linear_before_reset  n =
 * (chain(x, W) + Wb) + r (chain(h, R) + Rb);  c = f c + i g;  h = (1 - z) n + z h, each operation rounded */
#include "ops/recurrent.h"

#include <stdatomic.h>
#include <string.h>

#include "base/checked.h"
#include "kernels/kernels.h"
#include "tensor/convert.h"

enum { STEP_MACS_PER_WORKER = 1 << 16 };

typedef struct function {
    unary f;
    float p[2];
} function;

typedef struct layer { /* one direction */
    const recurrent_f32 *p;
    const gemm_f32_family *family;
    const float *r;    /* [gates] panels of [H, H] */
    const float *late; /* GRU's bias of R_h where it is added before the reset, or NULL */
    const float *from_x;
    float *gates;    /* [N, G·H] */
    float *h[2], *c; /* [N, H]; h of this step and of the next */
    float *spare;    /* [N, H] */
    function f[RECURRENT_FUNCTIONS_MOST];
    int direction;
    bool reverse;
    eval_context *context;
    hst_error *err;
    hst_status status;
    atomic_bool stop;
} layer;

/* ---- functions ---- */

static bool find_function(const recurrent_activation *a, function *to) {
    static const struct {
        const char *name;
        unary f;
    } known[] = {{"Sigmoid", UNARY_SIGMOID},
                 {"Tanh", UNARY_TANH},
                 {"Relu", UNARY_RELU},
                 {"LeakyRelu", UNARY_LEAKY_RELU},
                 {"ThresholdedRelu", UNARY_THRESHOLDED_RELU},
                 {"Elu", UNARY_ELU},
                 {"HardSigmoid", UNARY_HARD_SIGMOID},
                 {"Softsign", UNARY_SOFTSIGN}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strcmp(a->name, known[i].name)) {
            *to = (function){known[i].f, {(float)a->alpha, (float)a->beta}};
            return true;
        }
    return false;
}

static int count_functions(const recurrent_args *a) {
    return a->kind == LSTM ? 3 : a->kind == GRU ? 2 : 1;
}

bool recurrent_f32_fits(const recurrent_args *a, bool peepholes) {
    function f;
    for (int k = 0; k < a->directions; k++)
        for (int i = 0; i < count_functions(a); i++)
            if (!find_function(&a->f[k][i], &f)) return false;
    return !peepholes && !a->input_forget;
}

/* ---- packing: for each direction W's panels, R's gate by gate, the bias of x's product, the late one ---- */

static int64_t gate_size(const recurrent_args *a) {
    return gemm_f32_packed_count(kernels_get()->gemm_f32(), a->hidden, a->hidden);
}

static int64_t input_size(const recurrent_args *a) {
    return gemm_f32_packed_count(kernels_get()->gemm_f32(), a->inputs, a->kind * a->hidden);
}

int64_t recurrent_f32_packed(const recurrent_args *a) {
    const int64_t nr = GEMM_F32_NR_MAX, h = a->hidden + nr, gates = a->kind;
    int64_t n, m;
    if (!s64_mul(h, h, &n) || !s64_mul(h, a->inputs + 1, &m) || !s64_add(n, m, &n) || !s64_mul(n, gates * 8, &n))
        return -1;
    return a->directions * (input_size(a) + gates * gate_size(a) + (gates + 1) * a->hidden);
}

void recurrent_f32_pack(const recurrent_args *a, const float *w, const float *r, const float *b, float *to) {
    const gemm_f32_family *f = kernels_get()->gemm_f32();
    const int64_t h = a->hidden, wide = a->kind * h;
    const bool late = a->kind == GRU && a->linear_before_reset;
    for (int k = 0; k < a->directions; k++) {
        /* a matrix of one row or column lies the same either way */
        const gemm_f32_operand input = {w + k * wide * a->inputs, HST_DTYPE_F32, a->inputs == 1 ? wide : 1, a->inputs};
        gemm_f32_pack(f, &input, a->inputs, wide, 0, gemm_f32_panels(f, wide), to);
        to += input_size(a);
        for (int g = 0; g < (int)a->kind; g++, to += gate_size(a)) {
            const gemm_f32_operand gate = {r + (k * wide + g * h) * h, HST_DTYPE_F32, 1, h};
            gemm_f32_pack(f, &gate, h, h, 0, gemm_f32_panels(f, h), to);
        }
        const float *own = b ? b + k * 2 * wide : NULL;
        for (int64_t i = 0; i < wide; i++) *to++ = !own ? 0 : late && i >= 2 * h ? own[i] : own[i] + own[wide + i];
        for (int64_t i = 0; i < h; i++) *to++ = own && late ? own[wide + 2 * h + i] : 0;
    }
}

/* ---- a step, hidden units [at, at + n) ---- */

static void product(const layer *l, int gate, const float *h, int64_t at, int64_t n, const float *bias) {
    const recurrent_args *a = l->p->a;
    const int64_t size = a->hidden, nr = l->family->nr;
    const float *b = l->r + gate * gate_size(a) + at / nr * size * nr;
    const gemm_f32_tile t = {.k = size,
                             .a = h,
                             .lda = size,
                             .b = b,
                             .b_stride = size * nr,
                             .c = l->gates + gate * size + at,
                             .ldc = a->kind * size,
                             .n = n,
                             .scale = 1,
                             .bias = bias ? bias + at : NULL,
                             .ahead = (uintptr_t)b};
    gemm_f32_rows(l->family, &t, a->batch);
}

static void add(int64_t n, const float *a, const float *b, float *y) {
    kernels_get()->binary_f32(BINARY_ADD, n, a, 1, b, 1, y);
}

static void times(int64_t n, const float *a, const float *b, float *y) {
    kernels_get()->binary_f32(BINARY_MUL, n, a, 1, b, 1, y);
}

static void apply(const layer *l, int f, bool clips, int64_t n, const float *x, float *y) {
    const float clip = (float)l->p->a->clip, bounds[2] = {-clip, clip};
    if (clips && clip > 0) {
        kernels_get()->unary_f32(UNARY_CLIP, bounds, n, x, y);
        x = y;
    }
    kernels_get()->unary_f32(l->f[f].f, l->f[f].p, n, x, y);
}

/* Row r of the batch; x: its row of from_x, both at the first unit. gates i o f c. */
static void lstm(const layer *l, int64_t n, const float *x, float *g, float *c, float *h) {
    const int64_t size = l->p->a->hidden;
    for (int i = 0; i < 4; i++) {
        add(n, g + i * size, x + i * size, g + i * size);
        apply(l, i == 3, true, n, g + i * size, g + i * size);
    }
    times(n, g + 2 * size, c, c);
    times(n, g, g + 3 * size, g);
    add(n, c, g, c);
    apply(l, 2, false, n, c, g);
    times(n, g + size, g, h);
}

/* gates z r n; the first two. */
static void gru_gates(const layer *l, int64_t n, const float *x, float *g) {
    const int64_t size = l->p->a->hidden;
    for (int i = 0; i < 2; i++) {
        add(n, g + i * size, x + i * size, g + i * size);
        apply(l, 0, true, n, g + i * size, g + i * size);
    }
}

static void gru_rest(const layer *l, int64_t n, const float *x, float *g, const float *old, float *h) {
    static const float one[1] = {1};
    const int64_t size = l->p->a->hidden;
    float *z = g, *r = g + size, *new = g + 2 * size;
    if (l->p->a->linear_before_reset) times(n, r, new, new);
    add(n, x + 2 * size, new, new);
    apply(l, 1, true, n, new, new);
    kernels_get()->binary_f32(BINARY_SUB, n, one, 0, z, 1, r);
    times(n, r, new, new);
    times(n, z, old, z);
    add(n, new, z, h);
}

/* The row of x, and of Y, of sequence n at step s; -1: it has ended. */
static int64_t place(const layer *l, int64_t n, int64_t s) {
    const recurrent_args *a = l->p->a;
    const int64_t length = l->p->length[n], t = l->reverse ? length - 1 - s : s;
    return s >= length ? -1 : a->batch_first ? n * a->steps + t : t * a->batch + n;
}

static void finish_row(const layer *l, int64_t s, int64_t n, int64_t at, int64_t count) {
    const recurrent_args *a = l->p->a;
    const int64_t size = a->hidden, wide = a->kind * size, row = place(l, n, s);
    const float *old = l->h[s & 1] + n * size + at;
    float *h = l->h[~s & 1] + n * size + at, *g = l->gates + n * wide + at;
    if (row < 0) {
        memcpy(h, old, (size_t)count * sizeof *h);
        return;
    }
    const float *x = l->from_x + row * wide + at;
    if (a->kind == LSTM)
        lstm(l, count, x, g, l->c + n * size + at, h);
    else if (a->kind == GRU)
        gru_rest(l, count, x, g, old, h);
    else {
        add(count, g, x, h);
        apply(l, 0, true, count, h, h);
    }
    if (!l->p->out[0]) return;
    const int64_t step = a->batch_first ? row % a->steps : row / a->batch;
    const int64_t to =
        a->batch_first ? row * a->directions + l->direction : (step * a->directions + l->direction) * a->batch + n;
    memcpy((float *)l->p->out[0]->data + to * size + at, h, (size_t)count * sizeof *h);
}

static void reset(layer *l, const team_context *ctx, const float *h, int64_t s, int64_t at, int64_t count) {
    const recurrent_args *a = l->p->a;
    const int64_t size = a->hidden, wide = a->kind * size;
    for (int64_t n = 0; n < a->batch && count > 0; n++) {
        float *g = l->gates + n * wide + at;
        const int64_t row = place(l, n, s);
        if (row < 0)
            memset(g, 0, (size_t)count * sizeof *g), memset(g + size, 0, (size_t)count * sizeof *g);
        else
            gru_gates(l, count, l->from_x + row * wide + at, g);
        if (!a->linear_before_reset) times(count, g + size, h + n * size + at, l->spare + n * size + at);
    }
    if (a->linear_before_reset) return;
    team_barrier(ctx);
    if (count > 0) product(l, 2, l->spare, at, count, NULL);
}

static void work(void *arg, const team_context *ctx) {
    layer *l = arg;
    const recurrent_args *a = l->p->a;
    const int64_t nr = l->family->nr, size = a->hidden;
    int64_t first, last;
    team_split(gemm_f32_panels(l->family, size), 1, ctx, &first, &last);
    const int64_t at = first * nr, count = (last * nr < size ? last * nr : size) - at;
    for (int64_t s = 0; s < a->steps; s++) {
        const float *h = l->h[s & 1];
        const int early = a->kind == GRU && !a->linear_before_reset ? 2 : (int)a->kind;
        for (int g = 0; g < early && count > 0; g++) product(l, g, h, at, count, g == 2 ? l->late : NULL);
        if (a->kind == GRU) reset(l, ctx, h, s, at, count);
        for (int64_t n = 0; n < a->batch && count > 0; n++) finish_row(l, s, n, at, count);
        if (ctx->worker == 0 && l->context->runtime->check) {
            l->status = l->context->runtime->check(l->context, l->err);
            if (l->status != HST_STATUS_OK) atomic_store_explicit(&l->stop, true, memory_order_relaxed);
        }
        team_barrier(ctx);
        if (atomic_load_explicit(&l->stop, memory_order_relaxed)) break;
    }
}

/* ---- a direction ---- */

typedef struct inputs_product {
    gemm_f32 g;
    int64_t parts;
} inputs_product;

static void multiply(void *arg, const team_context *ctx) {
    const inputs_product *p = arg;
    float none[1];
    for (int64_t part; (part = team_next(ctx, 0, p->parts)) >= 0;) gemm_f32_part(&p->g, part, p->parts, none);
}

static int64_t state_row(const recurrent_args *a, int direction, int64_t n) {
    return (a->batch_first ? n * a->directions + direction : direction * a->batch + n) * a->hidden;
}

static void read_state(const hst_tensor *t, const recurrent_args *a, int direction, float *to) {
    for (int64_t n = 0; n < a->batch; n++)
        if (t)
            convert_to_f32(t->dtype, t->data, state_row(a, direction, n), to + n * a->hidden, a->hidden);
        else
            memset(to + n * a->hidden, 0, (size_t)a->hidden * sizeof *to);
}

static void write_state(hst_tensor *t, const recurrent_args *a, int direction, const float *from) {
    for (int64_t n = 0; t && n < a->batch; n++)
        memcpy((float *)t->data + state_row(a, direction, n), from + n * a->hidden, (size_t)a->hidden * sizeof *from);
}

static hst_status run_direction(layer *l, const float *packed) {
    const recurrent_args *a = l->p->a;
    const int64_t wide = a->kind * a->hidden, rows = a->steps * a->batch;
    inputs_product p = {gemm_f32_make(l->family, rows, wide, a->inputs, l->p->x, (float *)(uintptr_t)l->from_x), 0};
    const double macs = (double)rows * (double)wide * (double)a->inputs;
    p.g.packed = packed;
    l->r = packed + input_size(a);
    p.g.bias = l->r + a->kind * gate_size(a);
    l->late = a->kind == GRU && a->linear_before_reset ? p.g.bias + wide : NULL;
    int workers = team_workers(l->context->team, macs, STEP_MACS_PER_WORKER);
    p.parts = gemm_f32_parts(&p.g, workers);
    if (rows > 0) team_run(l->context->team, workers, multiply, &p);
    read_state(l->p->h, a, l->direction, l->h[0]);
    read_state(l->p->c, a, l->direction, l->c);
    const double each = (double)a->batch * (double)wide * (double)a->hidden;
    l->context->macs += (uint64_t)(macs + each * (double)a->steps);
    if (rows > 0) team_run(l->context->team, team_workers(l->context->team, each, STEP_MACS_PER_WORKER), work, l);
    if (l->status != HST_STATUS_OK) return l->status;
    write_state(l->p->out[1], a, l->direction, l->h[a->steps & 1]);
    write_state(l->p->out[2], a, l->direction, l->c);
    return HST_STATUS_OK;
}

hst_status recurrent_f32_run(eval_context *c, const recurrent_f32 *p, hst_error *err) {
    const recurrent_args *a = p->a;
    const int64_t h = a->hidden, wide = a->kind * h, one = input_size(a) + a->kind * gate_size(a) + wide + h;
    int64_t rows, count;
    size_t bytes;
    void *memory;
    if (!s64_add(a->steps, 5, &rows) || !s64_mul(rows, a->batch, &rows) || !s64_mul(rows, wide, &count) ||
        !size_mul((size_t)count, sizeof(float), &bytes))
        return error_no_memory(err, SIZE_MAX, "gates");
    HST_TRY(eval_scratch(c, bytes + 1, &memory, err)); /* of all steps, of one; two h, c, spare, at most as wide each */
    for (int k = 0; k < a->directions; k++) {
        layer l = {.p = p, .family = kernels_get()->gemm_f32(), .direction = k, .context = c, .err = err};
        l.reverse = a->reverse || k == 1;
        for (int i = 0; i < count_functions(a); i++) find_function(&a->f[k][i], &l.f[i]);
        float *at = memory;
        l.from_x = at;
        l.gates = at + a->steps * a->batch * wide;
        l.h[0] = l.gates + a->batch * wide;
        l.h[1] = l.h[0] + a->batch * h;
        l.c = l.h[1] + a->batch * h;
        l.spare = l.c + a->batch * h;
        HST_TRY(run_direction(&l, p->packed + k * one));
    }
    return HST_STATUS_OK;
}
