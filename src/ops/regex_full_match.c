/* RegexFullMatch: x [d…] of strings -> b8 [d…], whether the whole string matches `pattern`. The standard means RE2's
 * syntax; PCRE2 is used, which takes all of it but a few spellings (\C, and flags in the middle of some groups), and
 * lookaround besides. Matching is held to a number of steps, so that no pattern takes for ever. */
#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/checked.h"
#include "ops/op.h"

#define STEPS_MOST 10000000
#define HEAP_KIB   65536

static hst_status infer(infer_context *c, hst_error *err) {
    (void)err;
    c->out[0] = *infer_in(c, 0);
    c->out[0].dtype = HST_DTYPE_B8;
    return HST_STATUS_OK;
}

typedef struct matcher {
    hst_allocator allocator; /* of the output: the run's, within its budget */
    bool refused; /* some memory */
    pcre2_general_context *memory;
    pcre2_compile_context *compiling;
    pcre2_code *code;
    pcre2_match_data *data;
    pcre2_match_context *context;
    pcre2_jit_stack *stack;
} matcher;

#define HEAD 16 /* bytes before a block: its size, which PCRE2 does not give back */

static void *take(size_t size, void *user) {
    matcher *m = user;
    char *p = NULL;
    size_t total;
    if (size_add(size, HEAD, &total)) p = memory_alloc(&m->allocator, total, 16);
    m->refused |= !p;
    if (!p) return NULL;
    memcpy(p, &total, sizeof total);
    return p + HEAD;
}

static void give(void *memory, void *user) {
    const matcher *m = user;
    size_t total;
    if (!memory) return;
    memcpy(&total, (char *)memory - HEAD, sizeof total);
    memory_free(&m->allocator, (char *)memory - HEAD, total);
}

static void matcher_free(matcher *m) {
    pcre2_match_context_free(m->context);
    pcre2_jit_stack_free(m->stack);
    pcre2_match_data_free(m->data);
    pcre2_code_free(m->code);
    pcre2_compile_context_free(m->compiling);
    pcre2_general_context_free(m->memory);
}

static hst_status matcher_make(const node *n, matcher *m, hst_error *err) {
    const attribute *a = node_attribute(n, "pattern");
    const uint32_t flags = PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_ANCHORED | PCRE2_ENDANCHORED |
                           PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_BACKSLASH_C | PCRE2_NO_AUTO_CAPTURE;
    int code = 0;
    PCRE2_SIZE at = 0;
    if (!a || a->type != ATTRIBUTE_STRING)
        return node_error(n, err, HST_STATUS_BAD_FORMAT, "attribute 'pattern' is missing");
    m->memory = pcre2_general_context_create(take, give, m);
    m->compiling = m->memory ? pcre2_compile_context_create(m->memory) : NULL;
    if (m->compiling) m->code = pcre2_compile((PCRE2_SPTR)a->as.s.data, a->as.s.size, flags, &code, &at, m->compiling);
    if (!m->code && m->refused)
        return node_error(n, err, HST_STATUS_NO_MEMORY, "no memory for a pattern of %zu bytes", a->as.s.size);
    if (!m->code) {
        unsigned char text[128];
        pcre2_get_error_message(code, text, sizeof text);
        return node_error(n, err, HST_STATUS_BAD_FORMAT, "pattern '%.200s': %s, at byte %zu", a->as.s.data,
                          (char *)text, (size_t)at);
    }
    pcre2_jit_compile(m->code, PCRE2_JIT_COMPLETE); /* where there is no JIT it interprets */
    m->data = pcre2_match_data_create(1, m->memory);
    m->context = pcre2_match_context_create(m->memory);
    m->stack = pcre2_jit_stack_create(32768, 1 << 20, m->memory);
    if (m->refused || !m->data || !m->context) return node_error(n, err, HST_STATUS_NO_MEMORY, "no memory to match a pattern");
    pcre2_set_match_limit(m->context, STEPS_MOST);
    pcre2_set_depth_limit(m->context, STEPS_MOST);
    pcre2_set_heap_limit(m->context, HEAP_KIB);
    if (m->stack) pcre2_jit_stack_assign(m->context, NULL, m->stack);
    return HST_STATUS_OK;
}

static hst_status match(eval_context *c, const matcher *m, const hst_tensor *x, uint8_t *y, hst_error *err) {
    const hst_string *s = x->data;
    for (int64_t i = 0, n = tensor_count(x); i < n; i++) {
        const char *data = s[i].size ? s[i].data : "";
        HST_TRY(c->runtime->check(c, err));
        int code = pcre2_match(m->code, (PCRE2_SPTR)data, s[i].size, 0, 0, m->data, m->context);
        if (code == PCRE2_ERROR_MATCHLIMIT || code == PCRE2_ERROR_DEPTHLIMIT || code == PCRE2_ERROR_HEAPLIMIT ||
            code == PCRE2_ERROR_JIT_STACKLIMIT)
            return node_error(c->node, err, HST_STATUS_BUDGET, "element %lld takes more than %d steps to match",
                              (long long)i, STEPS_MOST);
        if (code == PCRE2_ERROR_NOMEMORY)
            return node_error(c->node, err, HST_STATUS_NO_MEMORY, "no memory to match element %lld of %zu bytes", (long long)i, s[i].size);
        if (code < 0 && code != PCRE2_ERROR_NOMATCH)
            return node_error(c->node, err, HST_STATUS_INTERNAL, "PCRE2 fails with %d", code);
        y[i] = code >= 0;
    }
    return HST_STATUS_OK;
}

static hst_status eval(eval_context *c, hst_error *err) {
    const hst_tensor *x;
    hst_tensor *y;
    matcher m = {0};
    HST_TRY(eval_need(c, 0, "X", &x, err));
    if (x->dtype != HST_DTYPE_STRING)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "the input is %s, not string", dtype_name(x->dtype));
    HST_TRY(eval_output(c, 0, HST_DTYPE_B8, x->rank, x->dim, &y, err));
    m.allocator = y->allocator;
    hst_status status = matcher_make(c->node, &m, err);
    if (status == HST_STATUS_OK) status = match(c, &m, x, y->data, err);
    if (status == HST_STATUS_OK && m.refused)
        status = node_error(c->node, err, HST_STATUS_NO_MEMORY, "no memory to match a pattern");
    matcher_free(&m);
    return status;
}

// clang-format off
static const op_case cases[] = {
    {"whole strings", 0, "(string[3]{\"www.google.com\" \"www.facebook.com\" \"www.bbc.co.uk\"}; pattern=\"www[.][0-9a-z.-]+[.]com\") -> (b8[3]{1 1 0})", 0},
    {"not a part", 0, "(string[2,2]{\"ab\" \"xab\" \"abx\" \"\"}; pattern=\"ab|\") -> (b8[2,2]{1 0 0 1})", 0},
    {"code points", 0, "(string[2]{\"ü\" \"uu\"}; pattern=\".\") -> (b8[2]{1 0})", 0},
    {0}};
// clang-format on

HST_OP(RegexFullMatch) = {.name = "RegexFullMatch",
                          .domain = "",
                          .since = 20,
                          .min_in = 1,
                          .max_in = 1,
                          .min_out = 1,
                          .max_out = 1,
                          .infer = infer,
                          .eval = eval,
                          .summary = "whether whole strings match a regular expression",
                          .gaps = "PCRE2's syntax and semantics where they differ from RE2's",
                          HST_CASES(cases)};
