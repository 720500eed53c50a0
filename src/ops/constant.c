/* Constant: the value of its one attribute: value (a tensor), value_int(s), value_float(s), value_string(s). */
#include <string.h>

#include "ops/op.h"
#include "tensor/strings.h"

typedef struct args {
    const attribute *value;
    type type; /* unknown where value is NULL */
} args;

static hst_status read_args(const node *n, args *a, hst_error *err) {
    static const char *const names[] = {"value",        "value_int",    "value_ints",   "value_float",
                                        "value_floats", "value_string", "value_strings"};
    static const attribute_type types[] = {ATTRIBUTE_TENSOR, ATTRIBUTE_INT,    ATTRIBUTE_INTS,   ATTRIBUTE_FLOAT,
                                           ATTRIBUTE_FLOATS, ATTRIBUTE_STRING, ATTRIBUTE_STRINGS};
    static const hst_dtype dtypes[] = {HST_DTYPE_NONE, HST_DTYPE_S64,    HST_DTYPE_S64,   HST_DTYPE_F32,
                                       HST_DTYPE_F32,  HST_DTYPE_STRING, HST_DTYPE_STRING};
    *a = (args){.type = {.rank = -1}};
    if (node_attribute(n, "sparse_value"))
        return node_error(n, err, HST_STATUS_UNSUPPORTED, "sparse_value is not supported");
    for (int k = 0; k < 7; k++) {
        const attribute *v = node_attribute(n, names[k]);
        if (!v) continue;
        if (a->value) return node_error(n, err, HST_STATUS_BAD_FORMAT, "has both %s and %s", a->value->name, v->name);
        bool empty_list = v->n == 0 && k > 0 && k % 2 == 0; /* its type may be written as any list */
        if (v->type != types[k] && !empty_list)
            return node_error(n, err, HST_STATUS_BAD_FORMAT, "attribute %s is of another type", names[k]);
        a->value = v;
        dim count = v->n;
        a->type = k == 0 ? type_of_tensor(v->as.tensor) : type_make(dtypes[k], k % 2 == 0, &count);
    }
    return a->value ? HST_STATUS_OK : node_error(n, err, HST_STATUS_BAD_FORMAT, "has no value attribute");
}

static hst_status infer(infer_context *c, hst_error *err) {
    args a;
    HST_TRY(read_args(c->node, &a, err));
    c->out[0] = a.type;
    dim d[CONTENT_MOST];
    int n = -1;
    if (a.value->type == ATTRIBUTE_TENSOR) {
        if (tensor_read_s64(a.value->as.tensor, d, CONTENT_MOST, &n, NULL) != HST_STATUS_OK) n = -1;
    } else if (a.type.dtype == HST_DTYPE_S64 && a.value->n <= CONTENT_MOST) {
        n = (int)a.value->n;
        for (int k = 0; k < n; k++) d[k] = a.type.rank ? a.value->as.ints[k] : a.value->as.i;
    }
    for (int k = 0; k < n; k++)
        if (dim_is_symbol(d[k])) return HST_STATUS_OK;
    if (n >= 0) infer_content(c, 0, d, n);
    return HST_STATUS_OK;
}

static hst_status eval(eval_context *c, hst_error *err) {
    args a;
    hst_tensor *y;
    HST_TRY(read_args(c->node, &a, err));
    const attribute *v = a.value;
    HST_TRY(eval_output(c, 0, a.type.dtype, a.type.rank, a.type.dim, &y, err));
    const void *from = v->type == ATTRIBUTE_TENSOR   ? v->as.tensor->data
                       : v->type == ATTRIBUTE_INT    ? (const void *)&v->as.i
                       : v->type == ATTRIBUTE_FLOAT  ? (const void *)&v->as.f
                       : v->type == ATTRIBUTE_STRING ? (const void *)&v->as.s
                       : v->type == ATTRIBUTE_INTS   ? (const void *)v->as.ints
                       : v->type == ATTRIBUTE_FLOATS ? (const void *)v->as.floats
                                                     : (const void *)v->as.strings;
    if (y->bytes) memcpy(y->data, from, y->bytes);
    return y->dtype == HST_DTYPE_STRING ? tensor_own_strings(y, err) : HST_STATUS_OK;
}

// clang-format off
static const op_case cases[] = {
    {"tensor", 0, "(; value=f32[2,2]{1 2 3 4}) -> (f32[2,2]{1 2 3 4})", 0},
    {"version 1", 1, "(; value=s64[]{-7}) -> (s64[]{-7})", 0},
    {"int", 12, "(; value_int=5) -> (s64[]{5})", 0},
    {"ints", 0, "(; value_ints=[5,-6]) -> (s64[2]{5 -6})", 0},
    {"no ints", 0, "(; value_ints=[]) -> (s64[0]{})", 0},
    {"float", 0, "(; value_float=0.5) -> (f32[]{0.5})", 0},
    {"floats", 0, "(; value_floats=[0.5,1.5]) -> (f32[2]{0.5 1.5})", 0},
    {"string", 0, "(; value_string=\"abc\") -> (string[]{\"abc\"})", 0},
    {"strings", 0, "(; value_strings=[\"a\",\"\"]) -> (string[2]{\"a\" \"\"})", 0},
    {"string tensor", 0, "(; value=string[1]{\"ab\"}) -> (string[1]{\"ab\"})", 0},
    {"s4 tensor", 21, "(; value=s4[3]{1 -2 3}) -> (s4[3]{1 -2 3})", 0},
    {0},
};
// clang-format on

HST_OP(Constant) = {
    .name = "Constant",
    .domain = "",
    .since = 1,
    .min_in = 0,
    .max_in = 0,
    .min_out = 1,
    .max_out = 1,
    .infer = infer,
    .eval = eval,
    .summary = "a value written in the model",
    .gaps = "sparse_value",
    HST_CASES(cases),
};
