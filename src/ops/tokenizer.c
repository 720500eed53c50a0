/* com.microsoft Tokenizer: strings [C] or [N, C] -> their tokens [C, D] or [N, C, D], D being the most that one has, the
 * others filled with pad_value. Tokens are what `tokenexp` matches, or what stands between matches of the `separators`,
 * one separator after the other, or, where the one separator is empty, the code points. Shorter ones than mincharnum code
 * points are left out; `mark` sets U+0002 before and U+0003 behind the tokens of a string,
 * unless none of them has any.
 * Expressions mean their longest match, as ONNX Runtime has RE2 do it; PCRE2's DFA matcher finds it. */
#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/utf8.h"
#include "ops/op.h"

#define EXPRESSIONS_MOST 64
#define STEPS_MOST       10000000
#define WORKSPACE        8192

static hst_status infer(infer_context *c, hst_error *err) {
    const type *x = infer_in(c, 0);
    (void)err;
    c->out[0].dtype = HST_DTYPE_STRING;
    if (x->rank < 1 || x->rank > 2) return HST_STATUS_OK;
    c->out[0].rank = x->rank + 1;
    for (int k = 0; k < x->rank; k++) c->out[0].dim[k] = x->dim[k];
    c->out[0].dim[x->rank] = dim_symbol(c->model, "");
    return HST_STATUS_OK;
}

typedef struct tokenizer {
    eval_context *c;
    pcre2_code *code[EXPRESSIONS_MOST];
    int n; /* 0: code points */
    bool separators;
    int64_t least; /* code points of a token */
    pcre2_match_data *data;
    pcre2_match_context *context;
    int *workspace;
    /* the string under way */
    hst_string *to; /* NULL: they are counted only */
    int64_t count;
} tokenizer;

static hst_status add_expression(tokenizer *t, const hst_string *s, hst_error *err) {
    const uint32_t flags = PCRE2_UTF | PCRE2_DOTALL | PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_BACKSLASH_C |
                           PCRE2_NO_AUTO_CAPTURE;
    int code;
    PCRE2_SIZE at;
    if (t->n == EXPRESSIONS_MOST)
        return node_error(t->c->node, err, HST_STATUS_UNSUPPORTED, "more than %d separators", EXPRESSIONS_MOST);
    t->code[t->n] = pcre2_compile((PCRE2_SPTR)s->data, s->size, flags, &code, &at, NULL);
    if (t->code[t->n]) return t->n++, HST_STATUS_OK;
    unsigned char text[128];
    pcre2_get_error_message(code, text, sizeof text);
    return node_error(t->c->node, err, HST_STATUS_BAD_FORMAT, "expression '%.200s': %s, at byte %zu", s->data,
                      (char *)text, (size_t)at);
}

static hst_status tokenizer_make(tokenizer *t, hst_error *err) {
    const node *n = t->c->node;
    const attribute *expression = node_attribute(n, "tokenexp"), *separators = node_attribute(n, "separators");
    t->least = node_int(n, "mincharnum", 1);
    t->separators = separators != NULL;
    if ((expression && separators) || (expression && expression->type != ATTRIBUTE_STRING) ||
        (separators && (separators->type != ATTRIBUTE_STRINGS || separators->n < 1)) || !(expression || separators))
        return node_error(n, err, HST_STATUS_BAD_FORMAT, "wants one of tokenexp and separators");
    if (t->least < 1) return node_error(n, err, HST_STATUS_BAD_FORMAT, "mincharnum is %lld", (long long)t->least);
    if (expression) HST_TRY(add_expression(t, &expression->as.s, err));
    for (int64_t k = 0; separators && k < separators->n; k++) {
        if (separators->as.strings[k].size == 0 && separators->n == 1) return HST_STATUS_OK;
        HST_TRY(add_expression(t, &separators->as.strings[k], err));
    }
    t->data = pcre2_match_data_create(1, NULL);
    t->context = pcre2_match_context_create(NULL);
    if (!t->data || !t->context) return error_no_memory(err, 0, "a regular expression");
    pcre2_set_match_limit(t->context, STEPS_MOST);
    pcre2_set_heap_limit(t->context, 65536);
    void *memory;
    HST_TRY(eval_scratch(t->c, WORKSPACE * sizeof(int), &memory, err));
    t->workspace = memory;
    return HST_STATUS_OK;
}

static void tokenizer_free(tokenizer *t) {
    for (int k = 0; k < t->n; k++) pcre2_code_free(t->code[k]);
    pcre2_match_context_free(t->context);
    pcre2_match_data_free(t->data);
}

/* The longest of the first matches from `at` on: [*begin, *end); *begin SIZE_MAX where there is none. */
static hst_status find(const tokenizer *t, int which, const hst_string *s, size_t at, size_t *begin, size_t *end,
                       hst_error *err) {
    HST_TRY(t->c->runtime->check(t->c, err));
    int code = pcre2_dfa_match(t->code[which], (PCRE2_SPTR)(s->size ? s->data : ""), s->size, at, PCRE2_NO_UTF_CHECK,
                               t->data, t->context, t->workspace, WORKSPACE);
    *begin = SIZE_MAX;
    if (code == PCRE2_ERROR_NOMATCH) return HST_STATUS_OK;
    if (code == PCRE2_ERROR_MATCHLIMIT || code == PCRE2_ERROR_DFA_WSSIZE || code == PCRE2_ERROR_HEAPLIMIT)
        return node_error(t->c->node, err, HST_STATUS_BUDGET, "expression %d takes too much to match", which);
    if (code < 0)
        return node_error(t->c->node, err, HST_STATUS_UNSUPPORTED, "expression %d: PCRE2 fails with %d", which, code);
    const PCRE2_SIZE *found = pcre2_get_ovector_pointer(t->data);
    *begin = found[0];
    *end = found[1];
    return HST_STATUS_OK;
}

static size_t code_point(const hst_string *s, size_t at) {
    uint32_t cp;
    bool valid;
    return at < s->size ? utf8_decode((const unsigned char *)s->data + at, s->size - at, &cp, &valid) : 1;
}

/* A token, where it is long enough; true where it is. */
static bool add(tokenizer *t, const hst_string *s, size_t begin, size_t end) {
    int64_t points = 0;
    for (size_t at = begin; at < end && points < t->least; at += code_point(s, at)) points++;
    if (points < t->least) return false;
    if (t->to) t->to[t->count] = (hst_string){s->data + begin, end - begin};
    t->count++;
    return true;
}

static hst_status match_tokens(tokenizer *t, const hst_string *s, hst_error *err) {
    size_t at = 0, begin, end;
    while (at <= s->size) {
        HST_TRY(find(t, 0, s, at, &begin, &end, err));
        if (begin == SIZE_MAX) break;
        at = add(t, s, begin, end) ? end : begin + code_point(s, begin);
    }
    return HST_STATUS_OK;
}

/* What separator `which` leaves of a piece goes to the next one. */
static hst_status split(tokenizer *t, int which, const hst_string *s, hst_error *err) {
    size_t from = 0, at = 0, begin, end;
    if (which == t->n) return add(t, s, 0, s->size), HST_STATUS_OK;
    for (;;) {
        begin = SIZE_MAX;
        if (at <= s->size) HST_TRY(find(t, which, s, at, &begin, &end, err));
        const size_t stop = begin == SIZE_MAX ? s->size : begin;
        if (stop > from) {
            const hst_string piece = {s->data + from, stop - from};
            HST_TRY(split(t, which + 1, &piece, err));
        }
        if (begin == SIZE_MAX) return HST_STATUS_OK;
        from = at = end > begin ? end : begin + code_point(s, begin);
    }
}

static hst_status tokens_of(tokenizer *t, const hst_string *s, hst_string *to, hst_error *err) {
    t->to = to;
    t->count = 0;
    if (!t->separators) return match_tokens(t, s, err);
    if (t->n) return split(t, 0, s, err);
    for (size_t at = 0; at < s->size;) {
        const size_t size = code_point(s, at);
        if (to) to[t->count] = (hst_string){s->data + at, size};
        t->count++;
        at += size;
    }
    return HST_STATUS_OK;
}

static hst_status check_texts(const node *n, const hst_tensor *x, hst_error *err) {
    for (int64_t i = 0; i < tensor_count(x); i++) {
        const hst_string *s = (const hst_string *)x->data + i;
        uint32_t cp;
        bool valid = true;
        for (size_t at = 0; at < s->size && valid;)
            at += utf8_decode((const unsigned char *)s->data + at, s->size - at, &cp, &valid);
        if (!valid) return node_error(n, err, HST_STATUS_INVALID_ARGUMENT, "element %lld is not UTF-8", (long long)i);
    }
    return HST_STATUS_OK;
}

static hst_status run(tokenizer *t, const hst_tensor *x, hst_error *err) {
    const node *n = t->c->node;
    const attribute *a = node_attribute(n, "pad_value");
    const hst_string pad = a && a->type == ATTRIBUTE_STRING ? a->as.s : (hst_string){"", 0}, *from = x->data;
    const int64_t count = tensor_count(x);
    int64_t mark = node_int(n, "mark", 0) != 0;
    int64_t dims[3] = {0}, most = 0;
    hst_tensor *y;
    HST_TRY(tokenizer_make(t, err));
    for (int64_t i = 0; i < count; i++) {
        HST_TRY(tokens_of(t, &from[i], NULL, err));
        if (t->count > most) most = t->count;
    }
    if (most == 0) mark = 0; /* nobody has a token: no marks either */
    most += 2 * mark;
    for (int k = 0; k < x->rank; k++) dims[k] = x->dim[k];
    dims[x->rank] = most;
    HST_TRY(eval_output(t->c, 0, HST_DTYPE_STRING, x->rank + 1, dims, &y, err));
    hst_string *to = y->data;
    for (int64_t i = 0; i < count; i++, to += most) {
        HST_TRY(tokens_of(t, &from[i], to + mark, err));
        int64_t k = t->count + mark;
        if (mark) {
            to[0] = (hst_string){"\x02", 1};
            to[k++] = (hst_string){"\x03", 1};
        }
        while (k < most) to[k++] = pad;
    }
    return move_done(y, y->data, err);
}

static hst_status eval(eval_context *c, hst_error *err) {
    const hst_tensor *x;
    tokenizer t = {.c = c};
    HST_TRY(eval_need(c, 0, "X", &x, err));
    if (x->dtype != HST_DTYPE_STRING || x->rank < 1 || x->rank > 2)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "the input is %s of rank %d, not string of 1 or 2",
                          dtype_name(x->dtype), x->rank);
    HST_TRY(check_texts(c->node, x, err));
    hst_status status = run(&t, x, err);
    tokenizer_free(&t);
    return status;
}

// clang-format off
static const op_case cases[] = {
    {"an expression", 0, "(string[2]{\"a cat, 3 birds\" \"dog\"}; tokenexp=\"[a-z0-9]+\", mincharnum=2, pad_value=\"#\", mark=0) -> (string[2,2]{\"cat\" \"birds\" \"dog\" \"#\"})", 0},
    {"the longest match", 0, "(string[1]{\"abcab\"}; tokenexp=\"a|ab|abc\", mincharnum=1, pad_value=\"#\", mark=0) -> (string[1,2]{\"abc\" \"ab\"})", 0},
    {"separators, marked", 0, "(string[1,2]{\"a b,ccc\" \"\"}; separators=[\" \",\"[,;]\"], mincharnum=1, pad_value=\"-\", mark=1) -> (string[1,2,5]{\"\x02\" \"a\" \"b\" \"ccc\" \"\x03\" \"\x02\" \"\x03\" \"-\" \"-\" \"-\"})", 0},
    {"code points", 0, "(string[2]{\"aü\" \"b\"}; separators=[\"\"], mincharnum=1, pad_value=\"#\", mark=0) -> (string[2,2]{\"a\" \"ü\" \"b\" \"#\"})", 0},
    {"nothing", 0, "(string[0]{}; tokenexp=\"a\", mincharnum=1, pad_value=\"#\", mark=1) -> (string[0,0]{})", 0},
    {"no token", 0, "(string[2]{\"b\" \"\"}; tokenexp=\"a*\", mincharnum=1, pad_value=\"#\", mark=0) -> (string[2,0]{})", 0},
    {0}};
// clang-format on

HST_OP(com_microsoft_Tokenizer) = {.name = "Tokenizer",
                                   .domain = "com.microsoft",
                                   .since = 1,
                                   .min_in = 1,
                                   .max_in = 1,
                                   .min_out = 1,
                                   .max_out = 1,
                                   .infer = infer,
                                   .eval = eval,
                                   .summary = "tokens of strings, by regular expressions",
                                   .gaps = "PCRE2's syntax where it differs from RE2's",
                                   HST_CASES(cases)};
