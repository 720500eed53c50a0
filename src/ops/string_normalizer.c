/* StringNormalizer: x [C] or [1, C] of strings -> those that are no stop words, in lower or upper case if asked for;
 * [1] or [1, 1] of "" where none is left. Letters change case one by one, by Unicode's simple mapping in every locale.
 */
#include <string.h>

#include <utf8proc.h>

#include "base/checked.h"
#include "base/utf8.h"
#include "ops/op.h"
#include "tensor/strings.h"

typedef enum letter_case { AS_IT_IS, LOWER, UPPER } letter_case;

typedef struct args {
    letter_case to;
    bool sensitive;
    const hst_string *stops;
    int64_t n_stops;
} args;

static hst_status read_args(const node *n, args *a, hst_error *err) {
    static const char *const names[] = {"NONE", "LOWER", "UPPER"};
    const char *name = node_string(n, "case_change_action", "NONE");
    const attribute *stops = node_attribute(n, "stopwords");
    int k = 0;
    while (k < 3 && strcmp(name, names[k]) != 0) k++;
    if (k == 3)
        return node_error(n, err, HST_STATUS_BAD_FORMAT, "case_change_action '%s' is not NONE, LOWER or UPPER", name);
    *a = (args){(letter_case)k, node_int(n, "is_case_sensitive", 0) != 0, NULL, 0};
    if (stops && stops->type == ATTRIBUTE_STRINGS) {
        a->stops = stops->as.strings;
        a->n_stops = stops->n;
    }
    return HST_STATUS_OK;
}

static hst_status infer(infer_context *c, hst_error *err) {
    const type *x = infer_in(c, 0);
    (void)err;
    c->out[0].dtype = HST_DTYPE_STRING;
    c->out[0].rank = x->rank;
    for (int k = 0; k < x->rank; k++) c->out[0].dim[k] = x->rank == 2 && k == 0 ? 1 : dim_symbol(c->model, "");
    return HST_STATUS_OK;
}

/* s in another case, at *text, which moves on; at most twice its bytes. */
static hst_string change(const hst_string *s, letter_case to, char **text) {
    hst_string out = {*text, 0};
    if (to == AS_IT_IS) return *s;
    for (size_t i = 0; i < s->size;) {
        uint32_t cp;
        bool valid;
        size_t took = utf8_decode((const unsigned char *)s->data + i, s->size - i, &cp, &valid);
        utf8proc_int32_t mapped = (utf8proc_int32_t)cp;
        if (valid) mapped = to == LOWER ? utf8proc_tolower(mapped) : utf8proc_toupper(mapped);
        if (valid && mapped != (utf8proc_int32_t)cp) {
            *text += utf8_encode((uint32_t)mapped, (unsigned char *)*text);
        } else {
            memcpy(*text, s->data + i, took);
            *text += took;
        }
        i += took;
    }
    out.size = (size_t)(*text - out.data);
    return out;
}

static bool add_bytes(const hst_string *s, int64_t n, size_t *bytes) {
    size_t twice;
    for (int64_t i = 0; i < n; i++)
        if (!size_mul(s[i].size, 2, &twice) || !size_add(*bytes, twice, bytes)) return false;
    return true;
}

static bool contains(const hst_string *words, int64_t n, const hst_string *s) {
    for (int64_t i = 0; i < n; i++)
        if (string_compare(&words[i], s) == 0) return true;
    return false;
}

static hst_status eval(eval_context *c, hst_error *err) {
    const hst_tensor *x;
    hst_tensor *y;
    args a = {0};
    size_t bytes = 0;
    void *stops, *kept, *memory;
    HST_TRY(eval_need(c, 0, "X", &x, err));
    HST_TRY(read_args(c->node, &a, err));
    if (x->dtype != HST_DTYPE_STRING || x->rank < 1 || x->rank > 2 || (x->rank == 2 && x->dim[0] != 1))
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE,
                          "the input is %s of rank %d, not string[C] or string[1,C]", dtype_name(x->dtype), x->rank);
    const hst_string *from = x->data;
    int64_t n = tensor_count(x), left = 0;
    /* Without regard to case both sides are compared in lower case. */
    letter_case folded = a.sensitive || a.n_stops == 0 ? AS_IT_IS : LOWER;
    if (!add_bytes(from, n, &bytes) || !add_bytes(from, n, &bytes) || !add_bytes(a.stops, a.n_stops, &bytes))
        return error_no_memory(err, SIZE_MAX, "strings");
    HST_TRY(eval_scratch(c, bytes, &memory, err));
    HST_TRY(eval_scratch(c, (size_t)a.n_stops * sizeof(hst_string), &stops, err));
    HST_TRY(eval_scratch(c, (size_t)n * sizeof(hst_string), &kept, err));
    char *text = memory;
    hst_string *stop = stops, *out = kept;
    for (int64_t i = 0; i < a.n_stops; i++) stop[i] = change(&a.stops[i], folded, &text);
    for (int64_t i = 0; i < n; i++) {
        hst_string key = change(&from[i], folded, &text);
        if (i % 1024 == 0) HST_TRY(c->runtime->check(c, err));
        if (!contains(stop, a.n_stops, &key)) out[left++] = change(&from[i], a.to, &text);
    }
    int64_t dims[2] = {1, left ? left : 1};
    HST_TRY(eval_output(c, 0, HST_DTYPE_STRING, x->rank, x->rank == 2 ? dims : dims + 1, &y, err));
    hst_string *to = y->data;
    if (left)
        memcpy(to, out, (size_t)left * sizeof *to);
    else
        *to = (hst_string){"", 0};
    return move_done(y, to, err);
}

// clang-format off
static const op_case cases[] = {
    {"lower", 0, "(string[2]{\"Monday\" \"ÄRA\"}; case_change_action=\"LOWER\") -> (string[2]{\"monday\" \"ära\"})", 0},
    {"stop words", 0, "(string[1,3]{\"Monday\" \"tuesday\" \"x\"}; case_change_action=\"UPPER\", stopwords=[\"monday\"]) -> (string[1,2]{\"TUESDAY\" \"X\"})", 0},
    {"sensitive", 10, "(string[2]{\"Monday\" \"monday\"}; is_case_sensitive=1, stopwords=[\"monday\"]) -> (string[1]{\"Monday\"})", 0},
    {"nothing left", 0, "(string[1,1]{\"a\"}; stopwords=[\"A\"]) -> (string[1,1]{\"\"})", 0},
    {"no input", 0, "(string[0]{}) -> (string[1]{\"\"})", 0},
    {0}};
// clang-format on

HST_OP(StringNormalizer) = {.name = "StringNormalizer",
                            .domain = "",
                            .since = 10,
                            .min_in = 1,
                            .max_in = 1,
                            .min_out = 1,
                            .max_out = 1,
                            .infer = infer,
                            .eval = eval,
                            .summary = "strings in one case, without stop words",
                            .gaps = "locale: letters are mapped as Unicode has them",
                            HST_CASES(cases)};
