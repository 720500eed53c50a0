/* TopK: x [d0, …, D, …], k -> the k greatest (or least) elements along an axis and their s64 indices, D becoming k.
 * Always sorted; of equal elements the one with the lower index comes first. A NaN counts as greater than any number,
 * and -0 equals 0. k is an attribute before opset 10, then an input. */
#include <string.h>

#include "base/checked.h"
#include "ops/op.h"
#include "tensor/convert.h"

static hst_status infer(infer_context *c, hst_error *err) {
    const type *x = infer_in(c, 0);
    int64_t k = node_int(c->node, "k", -1);
    int axis;
    if (c->node->n_in > 1 && infer_dims(c, 1, &k, 1) != 1) k = -1;
    c->out[0].dtype = x->dtype;
    if (c->n_out > 1) c->out[1].dtype = HST_DTYPE_S64;
    if (x->rank < 0) return HST_STATUS_OK;
    HST_TRY(axis_normalize(c->node, node_int(c->node, "axis", -1), x->rank, &axis, err));
    c->out[0] = *x;
    c->out[0].dim[axis] = dim_is_length(c->model, k) ? k : dim_symbol(c->model, "");
    if (c->n_out > 1) {
        c->out[1] = c->out[0];
        c->out[1].dtype = HST_DTYPE_S64;
    }
    return HST_STATUS_OK;
}

/* A key whose signed order is the order wanted, the greatest first. */
static int64_t key_of(const hst_tensor *x, int64_t i, bool largest) {
    int64_t key;
    if (dtype_is_float(x->dtype)) {
        double v = tensor_get_f64(x, i) + 0.0; /* -0 becomes 0 */
        memcpy(&key, &v, sizeof key);
        if (v != v)
            key = INT64_MAX;
        else if (key < 0)
            key = (int64_t) ~((uint64_t)key ^ (UINT64_C(1) << 63));
    } else {
        key = tensor_get_s64(x, i);
        if (x->dtype == HST_DTYPE_U64) key = (int64_t)((uint64_t)key ^ (UINT64_C(1) << 63));
    }
    return largest ? key : ~key;
}

static inline bool before(const int64_t *key, int64_t a, int64_t b) {
    return key[a] > key[b] || (key[a] == key[b] && a < b);
}

/* heap[0] is the one that comes last. */
static void sift(const int64_t *key, int64_t *heap, int64_t n, int64_t at) {
    for (;;) {
        int64_t child = 2 * at + 1;
        if (child >= n) return;
        if (child + 1 < n && before(key, heap[child], heap[child + 1])) child++;
        if (before(key, heap[child], heap[at])) return;
        int64_t t = heap[at];
        heap[at] = heap[child];
        heap[child] = t;
        at = child;
    }
}

/* The first k of n in order into heap[0 … k). */
static void select_first(const int64_t *key, int64_t n, int64_t k, int64_t *heap) {
    if (k == 0) return;
    for (int64_t i = 0; i < k; i++) heap[i] = i;
    for (int64_t i = k / 2; i-- > 0;) sift(key, heap, k, i);
    for (int64_t i = k; i < n; i++)
        if (before(key, i, heap[0])) {
            heap[0] = i;
            sift(key, heap, k, 0);
        }
    for (int64_t last = k - 1; last > 0; last--) {
        int64_t t = heap[0];
        heap[0] = heap[last];
        heap[last] = t;
        sift(key, heap, last, 0);
    }
}

static hst_status eval(eval_context *c, hst_error *err) {
    const hst_tensor *x = eval_in(c, 0), *given = eval_in(c, 1);
    int64_t k = node_int(c->node, "k", -1), dims[HST_RANK_MAX], outer = 1, inner = 1;
    bool largest = node_int(c->node, "largest", 1) != 0;
    int axis, count = 1;
    hst_tensor *values, *indices = NULL;
    void *keys, *heap;
    if (given) HST_TRY(tensor_read_s64(given, &k, 1, &count, err));
    HST_TRY(axis_normalize(c->node, node_int(c->node, "axis", -1), x->rank, &axis, err));
    int64_t n = x->dim[axis];
    if (count != 1 || k < 0 || k > n)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "k is %lld, axis %d has %lld elements", (long long)k,
                          axis, (long long)n);
    if (!dtype_is_float(x->dtype) && !dtype_is_integer(x->dtype))
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "data of type %s", dtype_name(x->dtype));
    memcpy(dims, x->dim, sizeof dims);
    dims[axis] = k;
    HST_TRY(eval_output(c, 0, x->dtype, x->rank, dims, &values, err));
    if (c->n_out > 1) HST_TRY(eval_output(c, 1, HST_DTYPE_S64, x->rank, dims, &indices, err));
    if (tensor_count(values) == 0) return HST_STATUS_OK;
    HST_TRY(eval_scratch(c, (size_t)n * sizeof(int64_t), &keys, err));
    HST_TRY(eval_scratch(c, (size_t)k * sizeof(int64_t), &heap, err));
    for (int i = 0; i < axis; i++) outer *= x->dim[i];
    for (int i = axis + 1; i < x->rank; i++) inner *= x->dim[i];
    int64_t *key = keys, *order = heap;
    for (int64_t o = 0; o < outer; o++)
        for (int64_t j = 0; j < inner; j++) {
            int64_t from = o * n * inner + j, to = o * k * inner + j;
            for (int64_t i = 0; i < n; i++) key[i] = key_of(x, from + i * inner, largest);
            select_first(key, n, k, order);
            for (int64_t i = 0; i < k; i++) {
                int64_t at = from + order[i] * inner;
                if (dtype_is_float(x->dtype))
                    tensor_set_f64(values, to + i * inner, tensor_get_f64(x, at));
                else
                    tensor_set_s64(values, to + i * inner, tensor_get_s64(x, at));
                if (indices) ((int64_t *)indices->data)[to + i * inner] = order[i];
            }
        }
    return HST_STATUS_OK;
}

// clang-format off
static const op_case cases[] = {
    {"largest", 0, "(f32[3,4]{0 1 2 3 4 5 6 7 8 9 10 11}, s64[1]{3}; axis=1) -> (f32[3,3]{3 2 1 7 6 5 11 10 9}, s64[3,3]{3 2 1})", 0},
    {"smallest", 0, "(f32[3,4]{0 1 2 3 4 5 6 7 11 10 9 8}, s64[1]{3}; axis=1, largest=0) -> (f32[3,3]{0 1 2 4 5 6 8 9 10}, s64[3,3]{0 1 2 0 1 2 3 2 1})", 0},
    {"ties", 0, "(s32[5]{2 7 7 2 7}, s64[1]{4}) -> (s32[4]{7 7 7 2}, s64[4]{1 2 4 0})", 0},
    {"first axis", 0, "(f32[3,2]{1 6 5 2 3 4}, s64[1]{2}; axis=0) -> (f32[2,2]{5 6 3 4}, s64[2,2]{1 0 2 2})", 0},
    {"negatives, zeros, nan, infinities", 0, "(f32[7]{-1 nan -0.0 0 inf -inf -2}, s64[1]{7}) -> (f32[7]{nan inf 0 0 -1 -2 -inf}, s64[7]{1 4 2 3 0 6 5})", 0},
    {"smallest with nan", 0, "(f32[3]{nan 2 1}, s64[1]{2}; largest=0) -> (f32[2]{1 2}, s64[2]{2 1})", 0},
    {"k 0", 0, "(f32[2,3]{1}, s64[1]{0}) -> (f32[2,0]{}, s64[2,0]{})", 0},
    {"u64", 0, "(u64[2]{1 18446744073709551615}, s64[1]{1}) -> (u64[1]{18446744073709551615}, s64[1]{1})", 0},
    {"attribute", 1, "(f32[3]{1 3 2}; k=2) -> (f32[2]{3 2}, s64[2]{1 2})", 0},
    {NULL, 0, NULL, 0}};

HST_OP(TopK) = {.name = "TopK", .domain = "", .since = 1, .min_in = 1, .max_in = 2, .min_out = 1, .max_out = 2,
                .infer = infer, .eval = eval, .summary = "the k greatest or least elements along an axis", HST_CASES(cases)};
// clang-format on
