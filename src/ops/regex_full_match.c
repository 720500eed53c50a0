/* RegexFullMatch: x [d…] of strings -> b8 [d…], whether the whole string matches `pattern` (ops/regex.h). */
#include "ops/regex.h"

static hst_status infer(infer_context *c, hst_error *err) {
    (void)err;
    c->out[0] = *infer_in(c, 0);
    c->out[0].dtype = HST_DTYPE_B8;
    return HST_STATUS_OK;
}

static hst_status eval(eval_context *c, hst_error *err) {
    const attribute *pattern = node_attribute(c->node, "pattern");
    const hst_tensor *x;
    hst_tensor *y;
    regex_set *r = NULL;
    HST_TRY(eval_need(c, 0, "X", &x, err));
    if (x->dtype != HST_DTYPE_STRING)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "the input is %s, not string", dtype_name(x->dtype));
    if (!pattern || pattern->type != ATTRIBUTE_STRING)
        return node_error(c->node, err, HST_STATUS_BAD_FORMAT, "attribute 'pattern' is missing");
    HST_TRY(eval_output(c, 0, HST_DTYPE_B8, x->rank, x->dim, &y, err));
    hst_status status = regex_set_new(c, &pattern->as.s, 1, REGEX_WHOLE, &r, err);
    for (int64_t i = 0, n = tensor_count(x); i < n && status == HST_STATUS_OK; i++) {
        bool matches = false;
        status = regex_whole(r, 0, (const hst_string *)x->data + i, &matches, err);
        ((uint8_t *)y->data)[i] = matches;
    }
    regex_set_free(r);
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
