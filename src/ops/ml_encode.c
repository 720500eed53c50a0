/* Encoders of ai.onnx.ml, element by element.
 *   LabelEncoder    key -> value by a table; floats, integers, strings, in version 4 tensors of them; NaN is a key like
 * any CategoryMapper  strings -> s64 or back      OneHotEncoder  x [d…] -> f32 [d…, categories] */
#include <math.h>
#include <string.h>

#include "ops/ml.h"
#include "tensor/strings.h"

/* A list of keys or values: one of the three, or elements of a tensor. */
typedef struct column {
    hst_dtype dtype;
    int64_t n;
    const float *floats;
    const int64_t *ints;
    const hst_string *strings;
    const hst_tensor *tensor;
} column;

static column read_column(const node *n, const char *floats, const char *ints, const char *strings,
                          const char *tensor) {
    column k = {0};
    if (floats && (k.floats = ml_floats(n, floats, &k.n)))
        k.dtype = HST_DTYPE_F32;
    else if ((k.ints = ml_ints(n, ints, &k.n)))
        k.dtype = HST_DTYPE_S64;
    else if ((k.strings = ml_strings(n, strings, &k.n)))
        k.dtype = HST_DTYPE_STRING;
    else if (tensor && (k.tensor = node_tensor(n, tensor))) {
        k.dtype = k.tensor->dtype;
        k.n = tensor_count(k.tensor);
        if (k.dtype == HST_DTYPE_STRING) k.strings = k.tensor->data;
    }
    return k;
}

static hst_string text_of(const column *k, int64_t i) {
    return k->strings[i];
}
static double number_of(const column *k, int64_t i) {
    return k->floats ? (double)k->floats[i] : k->ints ? (double)k->ints[i] : tensor_get_f64(k->tensor, i);
}
static int64_t integer_of(const column *k, int64_t i) {
    return k->ints ? k->ints[i] : k->floats ? (int64_t)k->floats[i] : tensor_get_s64(k->tensor, i);
}

/* ---- looking up: a hash table of the keys' places ---- */

typedef struct table {
    const column *key;
    int64_t *slot; /* place + 1; 0: empty */
    uint64_t mask;
    bool text, real;
} table;

static uint64_t mix(uint64_t h) {
    h = (h ^ (h >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    return h ^ (h >> 27);
}

static uint64_t hash_number(double x) {
    uint64_t bits = 0;
    x += 0.0;
    if (!isnan(x)) memcpy(&bits, &x, sizeof x);
    return mix(bits);
}

static uint64_t hash_text(const hst_string *s) {
    uint64_t h = 1;
    for (size_t i = 0; i < s->size; i++) h = (h ^ (unsigned char)s->data[i]) * UINT64_C(0x100000001b3);
    return mix(h);
}

/* The place of an element of x, or its empty slot (*slot). */
static int64_t look_up(const table *t, const hst_string *s, double f, int64_t i, int64_t **slot) {
    uint64_t h = t->text ? hash_text(s) : t->real ? hash_number(f) : mix((uint64_t)i);
    for (;; h++) {
        int64_t at = *(*slot = &t->slot[h & t->mask]) - 1;
        if (at < 0) return -1;
        if (t->text) {
            hst_string key = text_of(t->key, at);
            if (string_compare(&key, s) == 0) return at;
        } else if (t->real) {
            double key = number_of(t->key, at);
            if (key == f || (isnan(key) && isnan(f))) return at;
        } else if (integer_of(t->key, at) == i) {
            return at;
        }
    }
}

static hst_status make_table(eval_context *c, const column *key, table *t, hst_error *err) {
    void *slots;
    *t = (table){.key = key, .text = key->strings != NULL, .real = dtype_is_float(key->dtype)};
    for (t->mask = 16; t->mask < 2 * (uint64_t)key->n; t->mask *= 2) {
    }
    HST_TRY(eval_scratch(c, t->mask * sizeof *t->slot, &slots, err));
    memset(slots, 0, t->mask * sizeof *t->slot);
    t->slot = slots;
    t->mask--;
    for (int64_t k = 0; k < key->n; k++) { /* of equal keys the last one counts */
        int64_t *slot;
        hst_string s = t->text ? text_of(key, k) : (hst_string){0};
        look_up(t, &s, t->real ? number_of(key, k) : 0, t->text || t->real ? 0 : integer_of(key, k), &slot);
        *slot = k + 1;
    }
    return HST_STATUS_OK;
}

static int64_t find(const table *t, const hst_tensor *x, int64_t i) {
    int64_t *slot;
    if (t->text) return look_up(t, (const hst_string *)x->data + i, 0, 0, &slot);
    return look_up(t, NULL, t->real ? tensor_get_f64(x, i) : 0, t->real ? 0 : tensor_get_s64(x, i), &slot);
}

static hst_status check_key(const eval_context *c, const hst_tensor *x, const column *key, hst_error *err) {
    bool text = x->dtype == HST_DTYPE_STRING;
    return text == (key->strings != NULL) && (text || dtype_bits(x->dtype))
               ? HST_STATUS_OK
               : node_error(c->node, err, HST_STATUS_BAD_SHAPE, "the input is %s, the keys are %s",
                            dtype_name(x->dtype), key->n ? dtype_name(key->dtype) : "missing");
}

/* ---- LabelEncoder, CategoryMapper ---- */

static hst_status read_table(const node *n, hst_dtype x, column *key, column *value, hst_error *err) {
    if (n->op_type[0] == 'L' && n->opset >= 2) {
        *key = read_column(n, "keys_floats", "keys_int64s", "keys_strings", "keys_tensor");
        *value = read_column(n, "values_floats", "values_int64s", "values_strings", "values_tensor");
    } else { /* strings to integers or back; the integers of version 1's LabelEncoder are the strings' places */
        column ints = read_column(n, NULL, "cats_int64s", "", NULL);
        column strings = read_column(n, NULL, "", n->op_type[0] == 'L' ? "classes_strings" : "cats_strings", NULL);
        if (n->op_type[0] == 'L') ints = (column){.dtype = HST_DTYPE_S64, .n = strings.n};
        *key = x == HST_DTYPE_STRING ? strings : ints;
        *value = x == HST_DTYPE_STRING ? ints : strings;
    }
    return key->n == value->n && key->n
               ? HST_STATUS_OK
               : node_error(n, err, HST_STATUS_BAD_FORMAT, "there are %lld keys and %lld values", (long long)key->n,
                            (long long)value->n);
}

static hst_status infer_label(infer_context *c, hst_error *err) {
    column key, value;
    c->out[0] = *infer_in(c, 0);
    bool by_input = c->node->op_type[0] != 'L' || c->node->opset < 2;
    hst_dtype x = c->out[0].dtype;
    c->out[0].dtype = HST_DTYPE_NONE;
    if (by_input && x == HST_DTYPE_NONE) return HST_STATUS_OK;
    HST_TRY(read_table(c->node, x, &key, &value, err));
    c->out[0].dtype = value.dtype;
    return HST_STATUS_OK;
}

/* What stands for a key that is not there. */
static void set_default(const node *n, hst_tensor *y, int64_t i) {
    const hst_tensor *t = node_tensor(n, "default_tensor");
    const attribute *text = node_attribute(n, "default_string");
    bool given = t && tensor_count(t) == 1 && t->dtype == y->dtype;
    if (y->dtype == HST_DTYPE_STRING) {
        hst_string s = {"_Unused", 7};
        if (text && text->type == ATTRIBUTE_STRING) s = text->as.s;
        ((hst_string *)y->data)[i] = given ? *(const hst_string *)t->data : s;
    } else if (dtype_is_float(y->dtype)) {
        tensor_set_f64(y, i, given ? tensor_get_f64(t, 0) : (double)node_float(n, "default_float", -0.0f));
    } else {
        tensor_set_s64(y, i, given ? tensor_get_s64(t, 0) : node_int(n, "default_int64", -1));
    }
}

static hst_status eval_label(eval_context *c, hst_error *err) {
    const hst_tensor *x;
    column key, value;
    table t;
    hst_tensor *y;
    HST_TRY(eval_need(c, 0, "X", &x, err));
    HST_TRY(read_table(c->node, x->dtype, &key, &value, err));
    HST_TRY(check_key(c, x, &key, err));
    bool places = key.dtype == HST_DTYPE_S64 && !key.ints && !key.tensor; /* version 1: the index itself */
    if (!places) HST_TRY(make_table(c, &key, &t, err));
    HST_TRY(eval_output(c, 0, value.dtype, x->rank, x->dim, &y, err));
    for (int64_t i = 0, n = tensor_count(x); i < n; i++) {
        int64_t at = places ? tensor_get_s64(x, i) : find(&t, x, i);
        if (at < 0 || at >= key.n)
            set_default(c->node, y, i);
        else if (value.dtype == HST_DTYPE_STRING)
            ((hst_string *)y->data)[i] = text_of(&value, at);
        else if (dtype_is_float(value.dtype))
            tensor_set_f64(y, i, number_of(&value, at));
        else
            tensor_set_s64(y, i, value.ints || value.tensor ? integer_of(&value, at) : at);
    }
    return move_done(y, y->data, err);
}

/* ---- OneHotEncoder ---- */

static column categories(const node *n) {
    return read_column(n, NULL, "cats_int64s", "cats_strings", NULL);
}

static hst_status infer_one_hot(infer_context *c, hst_error *err) {
    const type *x = infer_in(c, 0);
    (void)err;
    c->out[0].dtype = HST_DTYPE_F32;
    if (x->rank < 0 || x->rank == HST_RANK_MAX) return HST_STATUS_OK;
    c->out[0].rank = x->rank + 1;
    memcpy(c->out[0].dim, x->dim, sizeof x->dim);
    c->out[0].dim[x->rank] = categories(c->node).n;
    return HST_STATUS_OK;
}

static hst_status eval_one_hot(eval_context *c, hst_error *err) {
    const hst_tensor *x;
    column key = categories(c->node);
    int64_t dims[HST_RANK_MAX + 1];
    table t;
    hst_tensor *y;
    HST_TRY(eval_need(c, 0, "X", &x, err));
    HST_TRY(check_key(c, x, &key, err));
    HST_TRY(make_table(c, &key, &t, err));
    for (int k = 0; k < x->rank; k++) dims[k] = x->dim[k];
    dims[x->rank] = key.n;
    HST_TRY(eval_output(c, 0, HST_DTYPE_F32, x->rank + 1, dims, &y, err));
    if (y->bytes) memset(y->data, 0, y->bytes);
    for (int64_t i = 0, n = tensor_count(x); i < n; i++) {
        int64_t at = find(&t, x, i);
        if (at >= 0)
            ((float *)y->data)[i * key.n + at] = 1;
        else if (!node_int(c->node, "zeros", 1))
            return node_error(c->node, err, HST_STATUS_INVALID_ARGUMENT, "element %lld is of no category",
                              (long long)i);
    }
    return HST_STATUS_OK;
}

// clang-format off
static const op_case label_cases[] = {
    {"strings to integers", 4, "(string[3]{\"b\" \"a\" \"x\"}; keys_strings=[\"a\",\"b\"], values_int64s=[5,6], default_int64=7) -> (s64[3]{6 5 7})", 0},
    {"floats, NaN", 2, "(f32[3]{1.5 nan 2}; keys_floats=[1.5,nan], values_strings=[\"a\",\"b\"]) -> (string[3]{\"a\" \"b\" \"_Unused\"})", 0},
    {"tensors", 4, "(s64[2]{1 3}; keys_tensor=s64[2]{1 2}, values_tensor=f64[2]{0.5 1}, default_tensor=f64[1]{9}) -> (f64[2]{0.5 9})", 0},
    {"version 1", 1, "(string[2]{\"b\" \"z\"}; classes_strings=[\"a\",\"b\"]) -> (s64[2]{1 -1})", 0},
    {"version 1, back", 1, "(s64[2]{1 2}; classes_strings=[\"a\",\"b\"], default_string=\"?\") -> (string[2]{\"b\" \"?\"})", 0}, {0}};
static const op_case mapper_cases[] = {
    {"to integers", 0, "(string[2]{\"b\" \"z\"}; cats_strings=[\"a\",\"b\"], cats_int64s=[4,5]) -> (s64[2]{5 -1})", 0},
    {"to strings", 0, "(s64[2]{4 6}; cats_strings=[\"a\",\"b\"], cats_int64s=[4,5]) -> (string[2]{\"a\" \"_Unused\"})", 0}, {0}};
static const op_case one_hot_cases[] = {
    {"integers", 0, "(f32[2]{2 9}; cats_int64s=[1,2,3]) -> (f32[2,3]{0 1 0 0 0 0})", 0},
    {"strings", 0, "(string[1,1]{\"b\"}; cats_strings=[\"a\",\"b\"], zeros=0) -> (f32[1,1,2]{0 1})", 0}, {0}};

#define ENCODER(name_, infer_, eval_, summary_, cases_)                                                                \
    {.name = name_, .domain = "ai.onnx.ml", .since = 1, .min_in = 1, .max_in = 1, .min_out = 1, .max_out = 1,          \
     .infer = infer_, .eval = eval_, .summary = summary_, HST_CASES(cases_)}

HST_OP(ai_onnx_ml_LabelEncoder) = ENCODER("LabelEncoder", infer_label, eval_label, "values by a table", label_cases);
HST_OP(ai_onnx_ml_CategoryMapper) = ENCODER("CategoryMapper", infer_label, eval_label, "strings to integers or back", mapper_cases);
HST_OP(ai_onnx_ml_OneHotEncoder) = ENCODER("OneHotEncoder", infer_one_hot, eval_one_hot, "1 at an element's category", one_hot_cases);
// clang-format on
