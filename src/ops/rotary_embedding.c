/* RotaryEmbedding: the first r elements of each head turned in pairs, the others as they are.
 *   y₁ = cos x₁ − sin x₂   y₂ = sin x₁ + cos x₂, the pair being elements (i, i + r/2), interleaved (2i, 2i + 1)
 * ai.onnx:       X, cos_cache, sin_cache, position_ids
 * com.microsoft: input, position_ids, cos_cache, sin_cache
 *   X [B, N, S, d] or [B, S, N d]   caches [places, r/2] with position_ids [B, S] (com.microsoft: or [1], the place of
 *   the first row), else [B, S, r/2]   ->   Y as X. Half types compute in f32. */
#include "base/checked.h"
#include "ops/op.h"
#include "tensor/convert.h"

enum { ROWS_PER_WORKER = 256 };

typedef struct args {
    int positions, cos, sin; /* inputs */
    bool offset;             /* positions may be the first row's place */
} args;

static args args_of(const node *n) {
    if (node_is(n, "com.microsoft", "RotaryEmbedding")) return (args){1, 2, 3, true};
    return (args){3, 1, 2, false};
}

static hst_status infer(infer_context *c, hst_error *err) {
    const type *x = infer_in(c, 0);
    if (x->rank >= 0 && x->rank != 3 && x->rank != 4)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "the input has rank %d, not 3 or 4", x->rank);
    c->out[0] = *x;
    return HST_STATUS_OK;
}

typedef struct rotation {
    int64_t batch, heads, rows, d, half; /* half: pairs a head */
    int64_t x_sequence, x_row, x_head;
    bool interleaved;
    hst_dtype dtype;
    const void *x;
    void *y;
    const hst_tensor *cos, *sin;
    const int64_t *place; /* [batch * rows]: rows of the caches; NULL: row after row */
    float *scratch;       /* a worker's: d + 2 half */
} rotation;

static hst_status misfit(const node *n, const char *name, const hst_tensor *t, hst_error *err) {
    type got = type_of_tensor(t);
    char shape[160];
    return node_error(n, err, HST_STATUS_BAD_SHAPE, "'%s' is %s, which does not fit the input", name,
                      type_format(NULL, &got, shape, sizeof shape));
}

/* Sets the shape; the caches are set already. */
static hst_status read_shape(const node *n, const args *g, const hst_tensor *x, rotation *r, hst_error *err) {
    const int64_t part = node_int(n, "rotary_embedding_dim", 0),
                  width = r->cos->rank ? r->cos->dim[r->cos->rank - 1] : 0;
    int64_t heads = node_int(n, "num_heads", 0);
    r->batch = x->dim[0];
    if (x->rank == 4) {
        r->heads = x->dim[1], r->rows = x->dim[2], r->d = x->dim[3];
        r->x_row = r->d, r->x_head = r->rows * r->d, r->x_sequence = r->heads * r->x_head;
    } else {
        if (heads == 0 && g->offset && part == 0 && width > 0) heads = x->dim[2] / 2 / width;
        if (heads <= 0 || x->dim[2] % heads)
            return node_error(n, err, HST_STATUS_BAD_SHAPE, "num_heads is %lld for rows of %lld elements",
                              (long long)heads, (long long)x->dim[2]);
        r->heads = heads, r->rows = x->dim[1], r->d = x->dim[2] / heads;
        r->x_row = x->dim[2], r->x_head = r->d, r->x_sequence = r->rows * r->x_row;
    }
    const int64_t turned = part ? part : r->d;
    if (turned < 0 || turned > r->d || turned % 2)
        return node_error(n, err, HST_STATUS_BAD_SHAPE, "rotary_embedding_dim is %lld for heads of %lld elements",
                          (long long)turned, (long long)r->d);
    r->half = turned / 2;
    return HST_STATUS_OK;
}

static hst_status read_places(eval_context *c, const args *g, rotation *r, hst_error *err) {
    const hst_tensor *t = eval_in(c, g->positions);
    const int64_t rows = r->batch * r->rows, *from;
    const bool by_place = t != NULL;
    size_t bytes;
    void *memory;
    for (int i = 0; i < 2; i++) {
        const hst_tensor *cache = i ? r->sin : r->cos;
        bool fits = cache->dtype == r->dtype && cache->rank == (by_place ? 2 : 3) &&
                    cache->dim[cache->rank - 1] == r->half && cache->dim[0] == (by_place ? r->cos->dim[0] : r->batch);
        if (fits && !by_place) fits = cache->dim[1] == r->rows;
        if (!fits) return misfit(c->node, i ? "sin_cache" : "cos_cache", cache, err);
    }
    if (!by_place) return HST_STATUS_OK;
    const bool first = g->offset && t->rank == 1 && t->dim[0] == 1;
    if (!first && (t->rank != 2 || t->dim[0] != r->batch || t->dim[1] != r->rows))
        return misfit(c->node, "position_ids", t, err);
    HST_TRY(move_indices(c, t, "position_ids", &from, err));
    if (!size_mul((size_t)rows, sizeof(int64_t), &bytes)) return error_no_memory(err, SIZE_MAX, "position_ids");
    HST_TRY(eval_scratch(c, bytes, &memory, err));
    int64_t *place = memory;
    for (int64_t i = 0; i < rows; i++) {
        int64_t p = from[first ? 0 : i];
        if (first && !s64_add(p, i % r->rows, &p)) p = INT64_MAX;
        HST_TRY(move_index(c, p, r->cos->dim[0], 0, &place[i], err));
    }
    r->place = place;
    return HST_STATUS_OK;
}

static const float *row_f32(hst_dtype d, const void *from, int64_t at, float *to, int64_t n) {
    convert_to_f32(d, from, at, to, n);
    return to;
}

static void turn(const rotation *r, int64_t b, int64_t s, float *scratch) {
    const int64_t half = r->half, row = b * r->rows + s, at = (r->place ? r->place[row] : row) * half;
    const float *cos = row_f32(r->dtype, r->cos->data, at, scratch + r->d, half);
    const float *sin = row_f32(r->dtype, r->sin->data, at, scratch + r->d + half, half);
    const int64_t step = r->interleaved ? 2 : 1, second = r->interleaved ? 1 : half;
    for (int64_t h = 0; h < r->heads; h++) {
        const int64_t x = b * r->x_sequence + s * r->x_row + h * r->x_head;
        float *v = scratch;
        convert_to_f32(r->dtype, r->x, x, v, r->d);
        for (int64_t i = 0; i < half; i++) {
            float *p = v + i * step, *q = p + second;
            const float x1 = *p, x2 = *q;
            *p = cos[i] * x1 - sin[i] * x2;
            *q = sin[i] * x1 + cos[i] * x2;
        }
        convert_from_f32(r->dtype, v, r->y, x, r->d);
    }
}

static void work(void *arg, const team_context *ctx) {
    const rotation *r = arg;
    int64_t begin, end;
    team_split(r->batch * r->rows, 1, ctx, &begin, &end);
    float *scratch = r->scratch + ctx->worker * (r->d + 2 * r->half);
    for (int64_t i = begin; i < end; i++) turn(r, i / r->rows, i % r->rows, scratch);
}

static hst_status eval(eval_context *c, hst_error *err) {
    const args g = args_of(c->node);
    const hst_tensor *x;
    rotation r = {.interleaved = node_int(c->node, "interleaved", 0) != 0};
    hst_tensor *y;
    void *memory;
    size_t bytes;
    HST_TRY(eval_need(c, 0, "X", &x, err));
    HST_TRY(eval_need(c, g.cos, "cos_cache", &r.cos, err));
    HST_TRY(eval_need(c, g.sin, "sin_cache", &r.sin, err));
    if (x->rank != 3 && x->rank != 4) return misfit(c->node, "X", x, err);
    if (x->dtype != HST_DTYPE_F32 && x->dtype != HST_DTYPE_F16 && x->dtype != HST_DTYPE_BF16)
        return node_error(c->node, err, HST_STATUS_UNSUPPORTED, "rotation of %s", dtype_name(x->dtype));
    if (g.offset && node_float(c->node, "scale", 1) != 1)
        return node_error(c->node, err, HST_STATUS_UNSUPPORTED, "a scale other than 1");
    r.dtype = x->dtype;
    HST_TRY(read_shape(c->node, &g, x, &r, err));
    HST_TRY(eval_output(c, 0, x->dtype, x->rank, x->dim, &y, err));
    if (tensor_count(x) == 0) return HST_STATUS_OK;
    HST_TRY(read_places(c, &g, &r, err));
    r.x = x->data;
    r.y = y->data;
    const int64_t rows = r.batch * r.rows * r.heads / ROWS_PER_WORKER;
    int workers = team_size(c->team);
    if (rows < workers) workers = rows < 1 ? 1 : (int)rows;
    if (!size_mul((size_t)(r.d + 2 * r.half), (size_t)workers * sizeof(float), &bytes))
        return error_no_memory(err, SIZE_MAX, "rotation");
    HST_TRY(eval_scratch(c, bytes, &memory, err));
    r.scratch = memory;
    team_run(c->team, workers, work, &r);
    return HST_STATUS_OK;
}

// clang-format off
static const op_case cases[] = {
    {"heads", 0, "(f32[1,2,2,4]{-1 0 1.25 -1 1.5 0 0.75 0.5 0 0.25 2 -0.5 2 1.25 -1.25 1.5}, f32[3,2]{-0.796875 -0.015625 -0.234375 0.875 -0.765625 0.921875}, f32[3,2]{-0.609375 -1 0.96875 0.46875 -0.65625 -0.390625}, s64[1,2]{2 0}) -> (f32[1,2,2,4]{1.5859375 -0.390625 -0.30078125 -0.921875 -0.73828125 0.5 -1.5117188 -0.0078125 1.3125 0.03515625 -1.53125 -0.55859375 -2.3554688 1.4804688 -0.22265625 -1.2734375})", 1e-6},
    {"rows", 0, "(f32[1,2,4]{-0.5 -1.25 -1 -1.5 -0.75 -1.75 0.25 2}, f32[3,1]{0.984375 -0.453125 0.15625}, f32[3,1]{-0.125 -0.890625 0.984375}, s64[1,2]{1 2}; num_heads=2) -> (f32[1,2,4]{-0.88671875 1.0117188 -0.8828125 1.5703125 1.6054688 -1.0117188 -1.9296875 0.55859375})", 1e-6},
    {"interleaved", 0, "(f32[1,2,2,4]{2 2 -1 -1.25 0.75 2 1.5 -1.25 1 0 -0.25 0 0.25 1.75 1.25 -2}, f32[3,2]{-0.671875 0.796875 1 0.921875 0.875 0.140625}, f32[3,2]{-0.734375 -0.609375 0.09375 -0.40625 0.5 0.984375}, s64[1,2]{0 -1}; interleaved=1) -> (f32[1,2,2,4]{0.125 -2.8125 -1.5585938 -0.38671875 -0.34375 2.125 1.4414062 1.3007812 -0.671875 -0.734375 -0.19921875 0.15234375 -0.65625 1.65625 2.1445312 0.94921875})", 1e-6},
    {"caches by row", 0, "(f32[2,1,2,2]{1 -0.75 -0.75 0.5 2 -1.75 0 -1}, f32[2,2,1]{-0.921875 0.265625 0.625 0.390625}, f32[2,2,1]{0.390625 -0.96875 0.78125 0.921875}) -> (f32[2,1,2,2]{-0.62890625 1.0820312 0.28515625 0.859375 2.6171875 0.46875 0.921875 -0.390625})", 1e-6},
    {"part of a head", 0, "(f32[1,2,1,6]{1.75 -0.25 1.5 1.5 -1.75 1 1.25 1.5 2 1 1.5 1}, f32[2,2]{0.328125 -0.984375 -0.953125 0.359375}, f32[2,2]{-0.953125 -0.15625 0.296875 -0.9375}, s64[1,1]{1}; rotary_embedding_dim=4) -> (f32[1,2,1,6]{-2.1132812 1.3164062 -0.91015625 0.7734375 -1.75 1 -1.7851562 1.4765625 -1.5351562 -1.046875 1.5 1})", 1e-6},
    {"part of a head, interleaved, rows", 0, "(f32[1,2,6]{-0.75 1.5 0.75 0.75 2 1 -0.75 -0.75 -0.75 -1.5 -1.75 1}, f32[1,2,1]{0.4375 -0.703125}, f32[1,2,1]{-0.890625 0.71875}; rotary_embedding_dim=2, num_heads=2, interleaved=1) -> (f32[1,2,6]{1.0078125 1.3242188 0.75 2.109375 0.20703125 1 1.0664062 -0.01171875 -0.75 2.3125 0.15234375 1})", 1e-6},
    {"f16", 0, "(f16[1,1,2,2]{1.25 -1.5 -0.5 1.75}, f16[1,2,1]{0.875 0.984375}, f16[1,2,1]{0.484375 -0.171875}) -> (f16[1,1,2,2]{1.8203125 -0.70703125 -0.19140625 1.8085938})", 1e-3},
    {NULL, 0, NULL, 0}};
static const op_case microsoft_cases[] = {
    {"rows", 0, "(f32[1,2,4]{1.5 0.5 2 -0.75 1.5 1.75 0.5 -1.5}, s64[1,2]{1 2}, f32[3,2]{-0.0625 -0.953125 0.328125 0.734375 -0.765625 0.578125}, f32[3,2]{1 -0.3125 0.953125 -0.6875 -0.640625 0.828125}) -> (f32[1,2,4]{-1.4140625 -0.1484375 2.0859375 -0.89453125 -0.828125 2.2539062 -1.34375 0.58203125})", 1e-6},
    {"two heads, offset", 0, "(f32[2,2,4]{-1 0 -1 -1.75 -1.5 2 -0.5 0.25 -0.25 1.25 -1.75 -1 0.25 1.25 -0.25 0.75}, s64[1]{1}, f32[3,1]{-0.84375 -0.1875 0.703125}, f32[3,1]{0.53125 -0.984375 0.703125}; num_heads=2) -> (f32[2,2,4]{0.1875 0.984375 -1.5351562 1.3125 -2.4609375 0.3515625 -0.52734375 -0.17578125 1.2773438 0.01171875 -0.65625 1.9101562 -0.703125 1.0546875 -0.703125 0.3515625})", 1e-6},
    {"no number of heads", 0, "(f32[1,2,4]{1.25 0.5 1.25 2 -1.25 -0.25 -1.25 -0.25}, s64[1,2]{0 2}, f32[3,1]{0.359375 0.125 0.234375}, f32[3,1]{-0.9375 1 0.96875}) -> (f32[1,2,4]{0.91796875 -0.9921875 2.3242188 -0.453125 -0.05078125 -1.2695312 -0.05078125 -1.2695312})", 1e-6},
    {"heads, interleaved", 0, "(f32[1,2,2,4]{-2 0.75 -1 1.5 1 -0.75 -0.25 0.75 -0.25 -1.25 -2 0.25 0.25 1.25 -1.5 -1.75}, s64[1,2]{2 0}, f32[3,2]{-0.109375 -0.390625 0.578125 0.453125 -0.34375 0.90625}, f32[3,2]{-1 0.921875 0.8125 0.890625 0.9375 -0.421875}; interleaved=1) -> (f32[1,2,2,4]{-0.015625 -2.1328125 -0.2734375 1.78125 -0.859375 -0.91796875 -0.59375 -0.5234375 1.2578125 0.1953125 -1.7070312 1.0703125 1.2226562 -0.38671875 2.1992188 -0.69921875})", 1e-6},
    {"part of a head", 0, "(f32[1,2,8]{1 1 1.25 -2 0.75 2 1 -0.25 0 -0.5 -2 1 0.25 0 1.75 1}, s64[1]{0}, f32[2,1]{0.015625 -0.640625}, f32[2,1]{1 0.765625}; rotary_embedding_dim=2, num_heads=2) -> (f32[1,2,8]{-0.984375 1.015625 1.25 -2 -1.9882812 0.78125 1 -0.25 0.3828125 0.3203125 -2 1 -0.16015625 0.19140625 1.75 1})", 1e-6},
    {NULL, 0, NULL, 0}};
// clang-format on

HST_OP(RotaryEmbedding) = {.name = "RotaryEmbedding",
                           .domain = "",
                           .since = 23,
                           .min_in = 3,
                           .max_in = 4,
                           .min_out = 1,
                           .max_out = 1,
                           .infer = infer,
                           .eval = eval,
                           .summary = "turns pairs of elements of each head by the angles of their places",
                           HST_CASES(cases)};

HST_OP(com_microsoft_RotaryEmbedding) = {
    .name = "RotaryEmbedding",
    .domain = "com.microsoft",
    .since = 1,
    .min_in = 4,
    .max_in = 4,
    .min_out = 1,
    .max_out = 1,
    .infer = infer,
    .eval = eval,
    .summary = "turns pairs of elements of each head by the angles of their places",
    .gaps = "a scale other than 1",
    HST_CASES(microsoft_cases)};
