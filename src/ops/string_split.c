/* Strings taken apart and put together.
 *   StringConcat     Z = X followed by Y, broadcast
 *   StringSplit      x [d…] -> [d…, most pieces] filled up with "", and the number of pieces, s64 [d…]. Pieces stand
 * between delimiters; without one (or with ""), between runs of white space. maxsplit: at most so many cuts */
#include <string.h>

#include "base/checked.h"
#include "ops/op.h"
#include "tensor/broadcast.h"

/* ---- StringConcat ---- */

static hst_status infer_concat(infer_context *c, hst_error *err) {
    HST_TRY(infer_broadcast(c, infer_in(c, 0), infer_in(c, 1), &c->out[0], err));
    c->out[0].dtype = HST_DTYPE_STRING;
    return HST_STATUS_OK;
}

static hst_status need_strings(const eval_context *c, int i, const hst_tensor **out, hst_error *err) {
    HST_TRY(eval_need(c, i, i ? "Y" : "X", out, err));
    return (*out)->dtype == HST_DTYPE_STRING ? HST_STATUS_OK
                                             : node_error(c->node, err, HST_STATUS_BAD_SHAPE,
                                                          "input %d is %s, not string", i, dtype_name((*out)->dtype));
}

/* Bytes of the result (to NULL), or the result, its bytes in `text`. */
static bool concat(const hst_tensor *const *in, int rank, const int64_t *dims, hst_string *to, char *text,
                   size_t *bytes) {
    broadcast_walk w;
    *bytes = 0;
    broadcast_begin(&w, rank, dims, in, 2);
    while (broadcast_next(&w))
        for (int64_t i = 0; i < w.run; i++) {
            const hst_string *a = (const hst_string *)in[0]->data + w.offset[0] + i * w.step[0];
            const hst_string *b = (const hst_string *)in[1]->data + w.offset[1] + i * w.step[1];
            size_t size;
            if (to) {
                to[w.output + i] = (hst_string){text + *bytes, a->size + b->size};
                if (a->size) memcpy(text + *bytes, a->data, a->size);
                if (b->size) memcpy(text + *bytes + a->size, b->data, b->size);
            }
            if (!size_add(a->size, b->size, &size) || !size_add(*bytes, size, bytes)) return false;
        }
    return true;
}

static hst_status eval_concat(eval_context *c, hst_error *err) {
    const hst_tensor *in[2];
    int64_t dims[HST_RANK_MAX];
    int rank;
    hst_tensor *y;
    size_t bytes;
    void *text;
    for (int i = 0; i < 2; i++) HST_TRY(need_strings(c, i, &in[i], err));
    hst_error why = {0};
    hst_status status = broadcast_shape(in, 2, &rank, dims, &why);
    if (status != HST_STATUS_OK) return node_error(c->node, err, status, "%s", why.message);
    HST_TRY(eval_output(c, 0, HST_DTYPE_STRING, rank, dims, &y, err));
    if (!concat(in, rank, dims, NULL, NULL, &bytes)) return error_no_memory(err, SIZE_MAX, "strings");
    HST_TRY(eval_scratch(c, bytes, &text, err));
    concat(in, rank, dims, y->data, text, &bytes);
    return move_done(y, y->data, err);
}

/* ---- StringSplit ---- */

static hst_status infer_split(infer_context *c, hst_error *err) {
    const type *x = infer_in(c, 0);
    (void)err;
    c->out[0].dtype = HST_DTYPE_STRING;
    if (x->rank >= 0 && x->rank < HST_RANK_MAX) {
        c->out[0].rank = x->rank + 1;
        for (int k = 0; k < x->rank; k++) c->out[0].dim[k] = x->dim[k];
        c->out[0].dim[x->rank] = dim_symbol(c->model, "");
    }
    if (c->n_out < 2) return HST_STATUS_OK;
    c->out[1] = *x;
    c->out[1].dtype = HST_DTYPE_S64;
    return HST_STATUS_OK;
}

static bool is_space(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r') || (c >= 0x1c && c <= 0x1f);
}

static const char *find(const char *at, const char *end, const hst_string *what) {
    while ((size_t)(end - at) >= what->size) {
        const char *first = memchr(at, what->data[0], (size_t)(end - at) - what->size + 1);
        if (!first || memcmp(first, what->data, what->size) == 0) return first;
        at = first + 1;
    }
    return NULL;
}

/* The pieces of s, written to `to` where it is not NULL; at most `cuts` cuts (-1: all). */
static int64_t split(const hst_string *s, const hst_string *delimiter, int64_t cuts, hst_string *to) {
    const char *at = s->size ? s->data : "", *end = at + s->size;
    int64_t n = 0;
    for (;;) {
        const char *stop = NULL, *next = end;
        if (delimiter->size == 0) {
            while (at < end && is_space(*at)) at++;
            if (at == end) return n;
            for (stop = at; stop < end && !is_space(*stop);) stop++;
            next = stop;
        } else if ((stop = find(at, end, delimiter))) {
            next = stop + delimiter->size;
        }
        if (!stop || n == cuts) { /* all that is left */
            if (to) to[n] = (hst_string){at, (size_t)(end - at)};
            return n + 1;
        }
        if (to) to[n] = (hst_string){at, (size_t)(stop - at)};
        n++;
        at = next;
    }
}

static hst_status eval_split(eval_context *c, hst_error *err) {
    const hst_tensor *x;
    const attribute *a = node_attribute(c->node, "delimiter");
    hst_string delimiter = a && a->type == ATTRIBUTE_STRING ? a->as.s : (hst_string){"", 0};
    int64_t cuts = node_int(c->node, "maxsplit", -1), most = 0, dims[HST_RANK_MAX + 1];
    hst_tensor *y, *counts = NULL;
    HST_TRY(need_strings(c, 0, &x, err));
    if (cuts < 0) cuts = -1;
    if (x->rank == HST_RANK_MAX) return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "an input of rank %d", x->rank);
    const hst_string *from = x->data;
    int64_t n = tensor_count(x);
    if (eval_wants(c, 1)) HST_TRY(eval_output(c, 1, HST_DTYPE_S64, x->rank, x->dim, &counts, err));
    for (int64_t i = 0; i < n; i++) {
        int64_t pieces = split(&from[i], &delimiter, cuts, NULL);
        if (counts) ((int64_t *)counts->data)[i] = pieces;
        if (pieces > most) most = pieces;
    }
    for (int k = 0; k < x->rank; k++) dims[k] = x->dim[k];
    dims[x->rank] = most;
    HST_TRY(eval_output(c, 0, HST_DTYPE_STRING, x->rank + 1, dims, &y, err));
    hst_string *to = y->data;
    for (int64_t i = 0; i < n; i++)
        for (int64_t k = split(&from[i], &delimiter, cuts, to + i * most); k < most; k++)
            to[i * most + k] = (hst_string){"", 0};
    return move_done(y, to, err);
}

// clang-format off
static const op_case concat_cases[] = {
    {"broadcast", 0, "(string[2,1]{\"a\" \"b\"}, string[2]{\"x\" \"\"}) -> (string[2,2]{\"ax\" \"a\" \"bx\" \"b\"})", 0},
    {"scalar", 0, "(string[]{\"ü\"}, string[]{\"ber\"}) -> (string[]{\"über\"})", 0},
    {"nothing", 0, "(string[0]{}, string[1]{\"x\"}) -> (string[0]{})", 0}, {0}};
static const op_case split_cases[] = {
    {"delimiter", 0, "(string[2]{\"a,b,\" \"c\"}; delimiter=\",\") -> (string[2,3]{\"a\" \"b\" \"\" \"c\" \"\" \"\"}, s64[2]{3 1})", 0},
    {"white space", 0, "(string[2]{\"  a  b \" \" \"}) -> (string[2,2]{\"a\" \"b\" \"\" \"\"}, s64[2]{2 0})", 0},
    {"maxsplit", 0, "(string[1]{\"a--b--c\"}; delimiter=\"--\", maxsplit=1) -> (string[1,2]{\"a\" \"b--c\"}, s64[1]{2})", 0},
    {"maxsplit of white space", 0, "(string[]{\" a  b c \"}; maxsplit=1) -> (string[2]{\"a\" \"b c \"}, s64[]{2})", 0},
    {"empty", 0, "(string[1]{\"\"}; delimiter=\"x\") -> (string[1,1]{\"\"}, s64[1]{1})", 0},
    {"nothing", 0, "(string[0]{}; delimiter=\"x\") -> (string[0,0]{}, s64[0]{})", 0}, {0}};

HST_OP(StringConcat) = {.name = "StringConcat", .domain = "", .since = 20, .min_in = 2, .max_in = 2, .min_out = 1,
                        .max_out = 1, .infer = infer_concat, .eval = eval_concat,
                        .summary = "strings one after the other", HST_CASES(concat_cases)};
HST_OP(StringSplit) = {.name = "StringSplit", .domain = "", .since = 20, .min_in = 1, .max_in = 1, .min_out = 1,
                       .max_out = 2, .infer = infer_split, .eval = eval_split,
                       .summary = "the pieces of strings", HST_CASES(split_cases)};
// clang-format on
