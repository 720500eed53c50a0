/* com.microsoft Tokenizer: strings [C] or [N, C] -> their tokens [C, D] or [N, C, D], D being the most that one has,
 * the others filled with pad_value. Tokens are what `tokenexp` matches, or what stands between matches of the
 * `separators`, one separator after the other, or, where the one separator is empty, the code points. Shorter ones than
 * mincharnum code points are left out; `mark` sets U+0002 before and U+0003 behind the tokens of a string, unless none
 * of them has any. Expressions mean their longest match, as ONNX Runtime has RE2 do it. */
#include "base/utf8.h"
#include "ops/regex.h"

#define EXPRESSIONS_MOST 64

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
    regex_set *expressions;
    int n; /* 0: code points */
    bool separators;
    int64_t least; /* code points of a token */
    /* the string under way */
    hst_string *to; /* NULL: they are counted only */
    int64_t count;
} tokenizer;

static hst_status tokenizer_make(tokenizer *t, eval_context *c, hst_error *err) {
    const node *n = c->node;
    const attribute *expression = node_attribute(n, "tokenexp"), *separators = node_attribute(n, "separators");
    t->least = node_int(n, "mincharnum", 1);
    t->separators = separators != NULL;
    if ((expression && separators) || (expression && expression->type != ATTRIBUTE_STRING) ||
        (separators && (separators->type != ATTRIBUTE_STRINGS || separators->n < 1)) || !(expression || separators))
        return node_error(n, err, HST_STATUS_BAD_FORMAT, "wants one of tokenexp and separators");
    if (t->least < 1) return node_error(n, err, HST_STATUS_BAD_FORMAT, "mincharnum is %lld", (long long)t->least);
    if (separators && separators->n > EXPRESSIONS_MOST)
        return node_error(n, err, HST_STATUS_UNSUPPORTED, "%lld separators, more than %d", (long long)separators->n,
                          EXPRESSIONS_MOST);
    if (separators && separators->n == 1 && separators->as.strings[0].size == 0) return HST_STATUS_OK;
    t->n = separators ? (int)separators->n : 1;
    return regex_set_new(c, separators ? separators->as.strings : &expression->as.s, t->n, REGEX_LONGEST,
                         &t->expressions, err);
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
        HST_TRY(regex_longest(t->expressions, 0, s, at, &begin, &end, err));
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
        if (at <= s->size) HST_TRY(regex_longest(t->expressions, which, s, at, &begin, &end, err));
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
    if (t->n) regex_begin(t->expressions, s->size);
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

static hst_status run(tokenizer *t, eval_context *c, const hst_tensor *x, hst_error *err) {
    const node *n = c->node;
    const attribute *a = node_attribute(n, "pad_value");
    const hst_string pad = a && a->type == ATTRIBUTE_STRING ? a->as.s : (hst_string){"", 0}, *from = x->data;
    const int64_t count = tensor_count(x);
    int64_t mark = node_int(n, "mark", 0) != 0;
    int64_t dims[3] = {0}, most = 0;
    hst_tensor *y;
    HST_TRY(tokenizer_make(t, c, err));
    for (int64_t i = 0; i < count; i++) {
        HST_TRY(tokens_of(t, &from[i], NULL, err));
        if (t->count > most) most = t->count;
    }
    if (most == 0) mark = 0; /* nobody has a token: no marks either */
    most += 2 * mark;
    for (int k = 0; k < x->rank; k++) dims[k] = x->dim[k];
    dims[x->rank] = most;
    HST_TRY(eval_output(c, 0, HST_DTYPE_STRING, x->rank + 1, dims, &y, err));
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
    tokenizer t = {0};
    HST_TRY(eval_need(c, 0, "X", &x, err));
    if (x->dtype != HST_DTYPE_STRING || x->rank < 1 || x->rank > 2)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "the input is %s of rank %d, not string of 1 or 2",
                          dtype_name(x->dtype), x->rank);
    HST_TRY(check_texts(c->node, x, err));
    hst_status status = run(&t, c, x, err);
    regex_set_free(t.expressions);
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
