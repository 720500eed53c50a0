/* Maps (ai.onnx.ml).
 *   ZipMap          scores [N, C] or [C] -> a sequence of N maps from the C labels to a row's scores
 *   CastMap         map from s64 -> [1, n]: the values in the order of the keys; SPARSE: value k at place k < max_map
 *   DictVectorizer  map -> [1, V]: the values of the V words of a vocabulary, 0 or "" for those that the map lacks */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/c_locale.h"
#include "base/checked.h"
#include "ops/list.h"
#include "ops/ml.h"
#include "tensor/strings.h"

/* ---- ZipMap ---- */

static ml_labels zip_labels(const node *n) {
    return ml_read_labels(n, "classlabels_int64s", "classlabels_strings");
}

static hst_status infer_zip(infer_context *c, hst_error *err) {
    ml_labels l = zip_labels(c->node);
    (void)err;
    c->out[0] = (type){.dtype = HST_DTYPE_SEQUENCE,
                       .rank = -1,
                       .element = HST_DTYPE_F32,
                       .key = l.strings ? HST_DTYPE_STRING : HST_DTYPE_S64};
    return HST_STATUS_OK;
}

/* Another handle on t's buffer: n elements from `begin` on. */
static hst_status part_of(const hst_tensor *t, int64_t begin, int64_t n, hst_tensor **out, hst_error *err) {
    size_t size = move_size(t->dtype);
    hst_tensor part = *t;
    part.rank = 1;
    part.dim[0] = n;
    part.data = (char *)t->data + (size_t)begin * size;
    part.bytes = (size_t)n * size;
    return tensor_view(&part, 1, part.dim, &t->allocator, out, err);
}

/* Map k: row k of the scores; all of them share one buffer, and one of keys. */
static hst_status zip_row(hst_tensor *y, int64_t k, const hst_tensor *keys, const hst_tensor *scores, hst_error *err) {
    hst_tensor *pair[2] = {0}, *map = NULL;
    const int64_t n = keys->dim[0];
    hst_status status = part_of(keys, 0, n, &pair[0], err);
    if (status == HST_STATUS_OK) status = part_of(scores, k * n, n, &pair[1], err);
    if (status != HST_STATUS_OK) {
        tensor_free(pair[0]);
        return status;
    }
    HST_TRY(tensor_new_list(HST_DTYPE_MAP, pair, 2, &y->allocator, &map, err));
    ((hst_tensor **)y->data)[k] = map;
    return HST_STATUS_OK;
}

static hst_status eval_zip(eval_context *c, hst_error *err) {
    const ml_labels l = zip_labels(c->node);
    const hst_tensor *x;
    hst_tensor *y, *keys = NULL, *scores = NULL;
    HST_TRY(eval_need(c, 0, "X", &x, err));
    if (x->dtype != HST_DTYPE_F32 || x->rank < 1 || x->rank > 2 || x->dim[x->rank - 1] != l.n)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE,
                          "scores are f32 [rows, %lld], one a label; these are %s of rank %d with %lld columns",
                          (long long)l.n, dtype_name(x->dtype), x->rank,
                          (long long)(x->rank ? x->dim[x->rank - 1] : 1));
    const int64_t rows = x->rank == 2 ? x->dim[0] : 1;
    HST_TRY(list_begin(c, 0, rows, &y, err));
    hst_status status = l.strings ? tensor_new_strings(1, &l.n, l.strings, &y->allocator, &keys, err)
                                  : tensor_new(HST_DTYPE_S64, 1, &l.n, &y->allocator, &keys, err);
    if (status == HST_STATUS_OK && l.ints && l.n) memcpy(keys->data, l.ints, keys->bytes);
    if (status == HST_STATUS_OK) status = tensor_clone(x, &y->allocator, &scores, err);
    for (int64_t k = 0; k < rows && status == HST_STATUS_OK; k++) status = zip_row(y, k, keys, scores, err);
    tensor_free(keys);
    tensor_free(scores);
    return list_end(c, y, status, err);
}

/* ---- reading maps ---- */

static hst_status map_need(const eval_context *c, const hst_tensor **keys, const hst_tensor **values, hst_error *err) {
    const hst_tensor *x;
    HST_TRY(eval_need(c, 0, "X", &x, err));
    if (x->dtype != HST_DTYPE_MAP)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "the input is %s, not a map", dtype_name(x->dtype));
    *keys = tensor_item(x, 0);
    *values = tensor_item(x, 1);
    return HST_STATUS_OK;
}

typedef struct entry {
    int64_t number;         /* the key where it is an integer … */
    const hst_string *text; /* … or a string */
    int64_t at;             /* its place in the map */
} entry;

static int by_key(const void *a, const void *b) {
    const entry *x = a, *y = b;
    int order = x->text ? string_compare(x->text, y->text) : (x->number > y->number) - (x->number < y->number);
    return order ? order : (x->at > y->at) - (x->at < y->at);
}

static bool same_key(const entry *a, const entry *b) {
    return a->text ? string_compare(a->text, b->text) == 0 : a->number == b->number;
}

/* The keys in order, in scratch; of equal ones the last. */
static hst_status map_sort(eval_context *c, const hst_tensor *keys, entry **out, int64_t *n, hst_error *err) {
    void *memory;
    size_t bytes;
    int64_t count = keys->dim[0], kept = 0;
    if (!size_mul((size_t)count, sizeof(entry), &bytes)) return error_no_memory(err, SIZE_MAX, "the keys of a map");
    HST_TRY(eval_scratch(c, bytes, &memory, err));
    entry *e = memory;
    for (int64_t k = 0; k < count; k++) {
        e[k] = (entry){.at = k};
        if (keys->dtype == HST_DTYPE_STRING)
            e[k].text = (const hst_string *)keys->data + k;
        else
            e[k].number = tensor_get_s64(keys, k);
    }
    qsort(e, (size_t)count, sizeof *e, by_key);
    for (int64_t k = 0; k < count; k++)
        if (k + 1 == count || !same_key(&e[k], &e[k + 1])) e[kept++] = e[k];
    *out = e;
    *n = kept;
    return HST_STATUS_OK;
}

/* ---- CastMap ---- */

#define NUMBER_MOST 64 /* an f32 written out, or the text of a number */

static hst_dtype cast_dtype(const node *n) {
    const char *to = node_string(n, "cast_to", "TO_FLOAT");
    return strcmp(to, "TO_STRING") == 0  ? HST_DTYPE_STRING
           : strcmp(to, "TO_INT64") == 0 ? HST_DTYPE_S64
           : strcmp(to, "TO_FLOAT") == 0 ? HST_DTYPE_F32
                                         : HST_DTYPE_NONE;
}

static hst_status infer_cast(infer_context *c, hst_error *err) {
    const bool sparse = strcmp(node_string(c->node, "map_form", "DENSE"), "SPARSE") == 0;
    const int64_t most = node_int(c->node, "max_map", 1);
    (void)err;
    c->out[0] = (type){
        .dtype = cast_dtype(c->node), .rank = 2, .dim = {1, sparse && most >= 0 ? most : dim_symbol(c->model, "")}};
    return HST_STATUS_OK;
}

static hst_status cast_text(const eval_context *c, const hst_string *s, hst_dtype d, double *real, int64_t *whole,
                            hst_error *err) {
    char text[NUMBER_MOST], *end = text;
    if (s->size < sizeof text) {
        if (s->size) memcpy(text, s->data, s->size);
        text[s->size] = 0;
        errno = 0;
        if (d == HST_DTYPE_S64)
            *whole = strtoll(text, &end, 10);
        else
            *real = c_locale_strtod(text, &end);
    }
    if (end == text || (d == HST_DTYPE_S64 && errno == ERANGE))
        return node_error(c->node, err, HST_STATUS_INVALID_ARGUMENT, "'%.*s' is no number of type %s",
                          (int)(s->size < sizeof text ? s->size : sizeof text - 1), s->size ? s->data : "",
                          dtype_name(d));
    return HST_STATUS_OK;
}

/* Element `to` of y becomes value `from`; `text`: NUMBER_MOST bytes of its own. */
static hst_status cast_one(const eval_context *c, const hst_tensor *values, int64_t from, hst_tensor *y, int64_t to,
                           char *text, hst_error *err) {
    double real = 0;
    int64_t whole = 0;
    if (values->dtype == HST_DTYPE_STRING) {
        const hst_string *s = (const hst_string *)values->data + from;
        if (y->dtype == HST_DTYPE_STRING) return ((hst_string *)y->data)[to] = *s, HST_STATUS_OK;
        HST_TRY(cast_text(c, s, y->dtype, &real, &whole, err));
    } else {
        real = tensor_get_f64(values, from);
        if (y->dtype == HST_DTYPE_STRING) {
            const locale_t before = c_locale_begin();
            const int size = snprintf(text, NUMBER_MOST, "%f", real);
            c_locale_end(before);
            ((hst_string *)y->data)[to] = (hst_string){text, (size_t)(size < NUMBER_MOST ? size : NUMBER_MOST - 1)};
            return HST_STATUS_OK;
        }
        whole = real >= -0x1p63 && real < 0x1p63 ? (int64_t)real : INT64_MIN;
    }
    if (y->dtype == HST_DTYPE_S64)
        ((int64_t *)y->data)[to] = whole;
    else
        ((float *)y->data)[to] = (float)real;
    return HST_STATUS_OK;
}

static hst_status eval_cast(eval_context *c, hst_error *err) {
    const hst_tensor *keys, *values;
    const node *n = c->node;
    const char *form = node_string(n, "map_form", "DENSE");
    const bool sparse = strcmp(form, "SPARSE") == 0;
    const hst_dtype d = cast_dtype(n);
    int64_t count, dims[2] = {1, node_int(n, "max_map", 1)};
    entry *e;
    hst_tensor *y;
    void *text = NULL;
    size_t bytes;
    HST_TRY(map_need(c, &keys, &values, err));
    if (d == HST_DTYPE_NONE || (!sparse && strcmp(form, "DENSE") != 0) || (sparse && dims[1] < 1))
        return node_error(n, err, HST_STATUS_BAD_FORMAT, "cast_to, map_form or max_map is unknown");
    if (keys->dtype == HST_DTYPE_STRING || (values->dtype != HST_DTYPE_STRING && values->dtype != HST_DTYPE_F32))
        return node_error(n, err, HST_STATUS_BAD_SHAPE, "a map from %s to %s", dtype_name(keys->dtype),
                          dtype_name(values->dtype));
    HST_TRY(map_sort(c, keys, &e, &count, err));
    if (!sparse) dims[1] = count;
    if (sparse && count && e[0].number < 0)
        return node_error(n, err, HST_STATUS_BAD_SHAPE, "key %lld is negative", (long long)e[0].number);
    HST_TRY(eval_output(c, 0, d, 2, dims, &y, err));
    if (d == HST_DTYPE_STRING) {
        if (!size_mul((size_t)count, NUMBER_MOST, &bytes)) return error_no_memory(err, SIZE_MAX, "texts");
        HST_TRY(eval_scratch(c, bytes, &text, err));
    }
    for (int64_t k = 0; sparse && k < dims[1]; k++) /* "0.f" is what ONNX Runtime writes there */
        if (d == HST_DTYPE_STRING) ((hst_string *)y->data)[k] = (hst_string){"0.f", 3};
    if (sparse && d != HST_DTYPE_STRING) memset(y->data, 0, y->bytes);
    for (int64_t k = 0; k < count && (!sparse || e[k].number < dims[1]); k++)
        HST_TRY(cast_one(c, values, e[k].at, y, sparse ? e[k].number : k, text ? (char *)text + k * NUMBER_MOST : NULL,
                         err));
    return move_done(y, y->data, err);
}

/* ---- DictVectorizer ---- */

static ml_labels vocabulary(const node *n) {
    return ml_read_labels(n, "int64_vocabulary", "string_vocabulary");
}

static hst_status infer_dictionary(infer_context *c, hst_error *err) {
    const type *x = infer_in(c, 0);
    (void)err;
    c->out[0] = (type){
        .dtype = x->dtype == HST_DTYPE_MAP ? x->element : HST_DTYPE_NONE, .rank = 2, .dim = {1, vocabulary(c->node).n}};
    return HST_STATUS_OK;
}

static hst_status eval_dictionary(eval_context *c, hst_error *err) {
    const hst_tensor *keys, *values;
    const ml_labels words = vocabulary(c->node);
    const int64_t dims[2] = {1, words.n};
    int64_t count;
    entry *e;
    hst_tensor *y;
    HST_TRY(map_need(c, &keys, &values, err));
    const size_t size = move_size(values->dtype);
    if ((keys->dtype == HST_DTYPE_STRING) != (words.strings != NULL) || !words.n || dtype_bits(values->dtype) % 8)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "a vocabulary of %lld %s for a map from %s to %s",
                          (long long)words.n, words.strings ? "strings" : "integers", dtype_name(keys->dtype),
                          dtype_name(values->dtype));
    HST_TRY(map_sort(c, keys, &e, &count, err));
    HST_TRY(eval_output(c, 0, values->dtype, 2, dims, &y, err));
    memset(y->data, 0, y->bytes);
    for (int64_t k = 0; k < words.n; k++) {
        const entry word = {words.ints ? words.ints[k] : 0, words.strings ? &words.strings[k] : NULL, 0};
        int64_t low = 0, high = count; /* the first that is not before the word */
        while (low < high) {
            int64_t middle = low + (high - low) / 2;
            if (by_key(&e[middle], &word) < 0 && !same_key(&e[middle], &word))
                low = middle + 1;
            else
                high = middle;
        }
        if (low < count && same_key(&e[low], &word))
            memcpy((char *)y->data + (size_t)k * size, (const char *)values->data + (size_t)e[low].at * size, size);
    }
    return move_done(y, y->data, err);
}

// clang-format off
static const op_case zip_cases[] = {
    {"a row", 0, "(f32[1,2]{0.25 0.75}; classlabels_int64s=[3,1]) -> (seq{map{s64[2]{3 1}, f32[2]{0.25 0.75}}})", 0},
    {"rows, by name", 0, "(f32[2,1]{0.5 1}; classlabels_strings=[\"a\"]) -> (seq{map{string[1]{\"a\"}, f32[1]{0.5}}, map{string[1]{\"a\"}, f32[1]{1}}})", 0},
    {"a vector", 0, "(f32[2]{1 2}; classlabels_int64s=[0,1]) -> (seq{map{s64[2]{0 1}, f32[2]{1 2}}})", 0},
    {"no rows", 0, "(f32[0,2]{}; classlabels_int64s=[0,1]) -> (seq{})", 0}, {0}};
static const op_case cast_cases[] = {
    {"in the order of the keys", 0, "(map{s64[3]{2 -1 5}, f32[3]{1.5 -2.75 3}}) -> (f32[1,3]{-2.75 1.5 3})", 0},
    {"places", 0, "(map{s64[3]{2 0 9}, f32[3]{1.5 -2.75 3}}; cast_to=\"TO_INT64\", map_form=\"SPARSE\", max_map=4) -> (s64[1,4]{-2 0 1 0})", 0},
    {"texts", 0, "(map{s64[2]{2 0}, f32[2]{1.5 0.33333334}}; cast_to=\"TO_STRING\", map_form=\"SPARSE\", max_map=3) -> (string[1,3]{\"0.333333\" \"0.f\" \"1.500000\"})", 0},
    {"numbers of texts", 0, "(map{s64[3]{0 1 0}, string[3]{\"7\" \"-1.5\" \"12\"}}) -> (f32[1,2]{12 -1.5})", 0},
    {"nothing", 0, "(map{s64[0]{}, string[0]{}}; cast_to=\"TO_STRING\") -> (string[1,0]{})", 0}, {0}};
static const op_case dictionary_cases[] = {
    {"words", 0, "(map{string[3]{\"b\" \"x\" \"a\"}, f64[3]{1.5 2 3}}; string_vocabulary=[\"a\",\"c\",\"b\",\"a\"]) -> (f64[1,4]{3 0 1.5 3})", 0},
    {"numbers", 0, "(map{s64[2]{7 -1}, string[2]{\"u\" \"v\"}}; int64_vocabulary=[-1,0,7]) -> (string[1,3]{\"v\" \"\" \"u\"})", 0}, {0}};

#define MAPS(name_, infer_, eval_, summary_, cases_)                                                                   \
    {.name = name_, .domain = "ai.onnx.ml", .since = 1, .min_in = 1, .max_in = 1, .min_out = 1, .max_out = 1,         \
     .infer = infer_, .eval = eval_, .lists = true, .summary = summary_, HST_CASES(cases_)}

HST_OP(ai_onnx_ml_ZipMap) = MAPS("ZipMap", infer_zip, eval_zip, "maps from labels to scores", zip_cases);
HST_OP(ai_onnx_ml_CastMap) = MAPS("CastMap", infer_cast, eval_cast, "the values of a map as a tensor", cast_cases);
HST_OP(ai_onnx_ml_DictVectorizer) = MAPS("DictVectorizer", infer_dictionary, eval_dictionary, "the values of a vocabulary's words", dictionary_cases);
// clang-format on
