/* PCRE2 for operators. Whole texts are matched by its backtracking matcher (just-in-time compiled where there is a
 * compiler), whose steps it counts itself. The longest match is its DFA matcher's, which counts none: the callouts that
 * are compiled in between the items of such a pattern do, and look at the clock. */
#include "ops/regex.h"

#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/checked.h"

#define STEPS_MOST     10000000
#define STEPS_PER_BYTE 256  /* of a text: an ordinary pattern takes a few */
#define STEPS_UNSEEN   4096 /* between two looks at the clock */
#define HEAP_KIB       65536
#define JIT_STACK      ((size_t)1 << 20)
#define WORKSPACE      8192 /* ints of the DFA matcher */

struct regex_set {
    eval_context *c;
    size_t size;  /* of this set */
    bool refused; /* some memory */
    hst_status stopped;
    uint64_t steps, steps_most, look_at;
    size_t position;
    pcre2_general_context *memory;
    pcre2_compile_context *compiling;
    pcre2_match_data *data;
    pcre2_match_context *context;
    pcre2_jit_stack *stack;
    int *workspace;
    hst_error *err; /* of the match under way */
    int n;
    pcre2_code *code[];
};

#define HEAD 16 /* bytes before a block: its size, which PCRE2 does not give back */

static void *take(size_t size, void *user) {
    regex_set *r = user;
    char *p = NULL;
    size_t total;
    if (size_add(size, HEAD, &total)) p = memory_alloc(r->c->allocator, total, 16);
    r->refused |= !p;
    if (!p) return NULL;
    memcpy(p, &total, sizeof total);
    return p + HEAD;
}

static void give(void *memory, void *user) {
    const regex_set *r = user;
    size_t total;
    if (!memory) return;
    memcpy(&total, (char *)memory - HEAD, sizeof total);
    memory_free(r->c->allocator, (char *)memory - HEAD, total);
}

static hst_status no_memory(const regex_set *r, hst_error *err) {
    return node_error(r->c->node, err, HST_STATUS_NO_MEMORY, "no memory for a regular expression");
}

/* Called at each item of a pattern that the DFA matcher comes to. What is not 0 ends the match, and is its result. */
static int count_step(pcre2_callout_block *b, void *user) {
    regex_set *r = user;
    r->steps += 1 + (b->current_position > r->position ? b->current_position - r->position : 0);
    r->position = b->current_position;
    if (r->steps > r->steps_most) return PCRE2_ERROR_MATCHLIMIT;
    if (r->steps < r->look_at) return 0;
    r->look_at = r->steps + STEPS_UNSEEN;
    r->stopped = r->c->runtime->check(r->c, r->err);
    return r->stopped == HST_STATUS_OK ? 0 : PCRE2_ERROR_CALLOUT;
}

static hst_status compile(regex_set *r, const hst_string *pattern, regex_kind kind, hst_error *err) {
    const uint32_t flags = PCRE2_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_BACKSLASH_C | PCRE2_NO_AUTO_CAPTURE |
                           (kind == REGEX_WHOLE ? PCRE2_MATCH_INVALID_UTF | PCRE2_ANCHORED | PCRE2_ENDANCHORED
                                                : PCRE2_DOTALL | PCRE2_AUTO_CALLOUT);
    int code = 0;
    PCRE2_SIZE at = 0;
    pcre2_code *made =
        pcre2_compile((PCRE2_SPTR)(pattern->size ? pattern->data : ""), pattern->size, flags, &code, &at, r->compiling);
    if (!made && r->refused) return no_memory(r, err);
    if (!made) {
        unsigned char text[128];
        pcre2_get_error_message(code, text, sizeof text);
        return node_error(r->c->node, err, HST_STATUS_BAD_FORMAT, "pattern '%.200s': %s, at byte %zu",
                          pattern->size ? pattern->data : "", (char *)text, (size_t)at);
    }
    r->code[r->n++] = made;
    if (kind == REGEX_WHOLE) pcre2_jit_compile(made, PCRE2_JIT_COMPLETE); /* where there is none it interprets */
    return HST_STATUS_OK;
}

static hst_status prepare(regex_set *r, regex_kind kind, hst_error *err) {
    void *workspace = NULL;
    r->data = pcre2_match_data_create(1, r->memory);
    r->context = pcre2_match_context_create(r->memory);
    if (kind == REGEX_WHOLE) r->stack = pcre2_jit_stack_create(JIT_STACK / 32, JIT_STACK, r->memory);
    if (r->refused || !r->data || !r->context) return no_memory(r, err);
    pcre2_set_match_limit(r->context, STEPS_MOST);
    pcre2_set_depth_limit(r->context, STEPS_MOST);
    pcre2_set_heap_limit(r->context, HEAP_KIB);
    if (r->stack) pcre2_jit_stack_assign(r->context, NULL, r->stack);
    if (kind == REGEX_WHOLE) return HST_STATUS_OK;
    pcre2_set_callout(r->context, count_step, r);
    HST_TRY(eval_scratch(r->c, WORKSPACE * sizeof(int), &workspace, err));
    r->workspace = workspace;
    return HST_STATUS_OK;
}

hst_status regex_set_new(eval_context *c, const hst_string *patterns, int n, regex_kind kind, regex_set **out,
                         hst_error *err) {
    const size_t size = sizeof(regex_set) + (size_t)n * sizeof(pcre2_code *);
    regex_set *r = *out = memory_alloc(c->allocator, size, 16);
    if (!r) return error_no_memory(err, size, "regular expressions");
    memset(r, 0, size);
    r->c = c;
    r->size = size;
    r->memory = pcre2_general_context_create(take, give, r);
    r->compiling = r->memory ? pcre2_compile_context_create(r->memory) : NULL;
    if (!r->compiling) return no_memory(r, err);
    for (int i = 0; i < n; i++) HST_TRY(compile(r, &patterns[i], kind, err));
    return prepare(r, kind, err);
}

void regex_set_free(regex_set *r) {
    if (!r) return;
    pcre2_match_context_free(r->context);
    pcre2_jit_stack_free(r->stack);
    pcre2_match_data_free(r->data);
    for (int i = 0; i < r->n; i++) pcre2_code_free(r->code[i]);
    pcre2_compile_context_free(r->compiling);
    pcre2_general_context_free(r->memory);
    memory_free(r->c->allocator, r, r->size);
}

void regex_begin(regex_set *r, size_t bytes) {
    r->steps = r->look_at = 0;
    if (__builtin_mul_overflow(bytes, STEPS_PER_BYTE, &r->steps_most)) r->steps_most = UINT64_MAX - STEPS_MOST;
    r->steps_most += STEPS_MOST;
}

/* What a matcher said, as a status; no match is OK. */
static hst_status answer(const regex_set *r, int which, const hst_string *text, int code, hst_error *err) {
    const node *n = r->c->node;
    if (r->stopped != HST_STATUS_OK) return r->stopped;
    if (code == PCRE2_ERROR_NOMEMORY || r->refused) return no_memory(r, err);
    if (code >= 0 || code == PCRE2_ERROR_NOMATCH) return HST_STATUS_OK;
    switch (code) {
    case PCRE2_ERROR_MATCHLIMIT:
    case PCRE2_ERROR_DEPTHLIMIT:
        return node_error(n, err, HST_STATUS_BUDGET,
                          "pattern %d on a text of %zu bytes takes too many steps (%d and more)", which, text->size,
                          STEPS_MOST);
    case PCRE2_ERROR_HEAPLIMIT:
    case PCRE2_ERROR_DFA_WSSIZE:
    case PCRE2_ERROR_DFA_RECURSE:
        return node_error(n, err, HST_STATUS_BUDGET,
                          "pattern %d on a text of %zu bytes has too many ways to match at once", which, text->size);
    default:
        break;
    }
    unsigned char why[128];
    pcre2_get_error_message(code, why, sizeof why);
    return node_error(n, err, HST_STATUS_UNSUPPORTED, "pattern %d: %s", which, (char *)why);
}

hst_status regex_whole(regex_set *r, int which, const hst_string *text, bool *matches, hst_error *err) {
    PCRE2_SPTR data = (PCRE2_SPTR)(text->size ? text->data : "");
    HST_TRY(r->c->runtime->check(r->c, err));
    int code = pcre2_match(r->code[which], data, text->size, 0, 0, r->data, r->context);
    if (code == PCRE2_ERROR_JIT_STACKLIMIT)
        code = pcre2_match(r->code[which], data, text->size, 0, PCRE2_NO_JIT, r->data, r->context);
    *matches = code >= 0;
    return answer(r, which, text, code, err);
}

hst_status regex_longest(regex_set *r, int which, const hst_string *text, size_t at, size_t *begin, size_t *end,
                         hst_error *err) {
    r->position = at;
    r->err = err;
    int code = pcre2_dfa_match(r->code[which], (PCRE2_SPTR)(text->size ? text->data : ""), text->size, at,
                               PCRE2_NO_UTF_CHECK, r->data, r->context, r->workspace, WORKSPACE);
    const PCRE2_SIZE *found = pcre2_get_ovector_pointer(r->data);
    *begin = code >= 0 ? found[0] : SIZE_MAX;
    *end = code >= 0 ? found[1] : SIZE_MAX;
    return answer(r, which, text, code, err);
}
