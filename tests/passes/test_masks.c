/* What happens to attention scores before their softmax: a mask of keys is taken for one only where it is one at any
 * length, and whatever its elements are. Causal masks, windows, prefixes, biases and scores that are cut keep their
 * answers. */
#include <float.h>
#include <math.h>

#include "passes/build.h"

#define HEADS 2
#define SIZE  4
#define WIDTH (HEADS * SIZE)

static value *transpose(model *m, value *x, int64_t a, int64_t b, int64_t c) {
    const int64_t perm[4] = {0, a, b, c};
    value *y = apply(m, "Transpose", x, NULL, NULL);
    assert_true(node_set_ints(y->producer, "perm", perm, 4));
    return y;
}

static value *length(model *m, value *mask) {
    return apply(m, "Gather", apply(m, "Shape", mask, NULL, NULL), integer(m, 1), NULL);
}

static value *unsqueeze(model *m, value *x, const int64_t *axes, int64_t n) {
    return apply(m, "Unsqueeze", x, integers(m, axes, n), NULL);
}

/* ---- masks, true where a key is seen ---- */

typedef enum form {
    PADDING, /* what is to be recognised */
    CAUSAL,  /* no padding mask at all */
    CAUSAL_PADDING,
    WINDOW,           /* keys at most 16 away */
    PREFIX,           /* causal, but the first 12 keys are seen by all */
    FIRST_KEYS,       /* no key from the 24th on */
    REVERSED,         /* the mask of the last key is the first key's */
    EARLIER,          /* each key's mask is that of eight keys before */
    LONGER,           /* four rows more than the mask has, which are seen */
    TABLE,            /* a table of what is seen, cut to the length */
    ALIBI,            /* heads' slopes times the distance are added */
    CLIPPED,          /* scores are cut at 20 */
    SCALED_BY_LENGTH, /* scores grow with the logarithm of the length */
    FORMS,
    /* windows beyond the lengths that are tried: 600 keys as 0.01 times the distance, as three differences, as a
     * quotient, as a logarithm, as bits, by bounds, factors and fillings that are attributes, by a matrix product, in
     * types too narrow for positions that are far, by sums and products that wrap, and as a share of the length */
    SCALED_WINDOW = FORMS,
    STEPS_WINDOW,
    QUOTIENT_WINDOW,
    LOG_WINDOW,
    SHIFT_WINDOW,
    SHRINK_WINDOW,
    THRESHOLD_WINDOW,
    SIGMOID_WINDOW,
    BOUND_WINDOW,
    FILLED_WINDOW,
    DIAGONAL_WINDOW,
    PRODUCT_WINDOW,
    BYTE_WINDOW,
    BF16_WINDOW,
    SUM_WINDOW,
    WRAPPED_WINDOW,
    SHARE_WINDOW,
    FAR,
    /* masks whose elements are not 0 and 1 */
    LINEAR = FAR, /* (1 - mask) * lowest */
    NOT_ONE,      /* hidden where 1 - mask is not 0 */
    POSITIVE,
    NONZERO,
    THRESHOLD,     /* above 0.4 */
    LOW_THRESHOLD, /* above 0.2 */
    EXCEPT_TWO,
    ALL_FORMS
} form;

static const char *const names[ALL_FORMS] = {"padding",
                                             "causal",
                                             "causal and padding",
                                             "window",
                                             "prefix",
                                             "first keys",
                                             "reversed",
                                             "earlier",
                                             "longer",
                                             "table",
                                             "alibi",
                                             "clip",
                                             "log length",
                                             "window by a scale",
                                             "window by steps",
                                             "window by a quotient",
                                             "window by a logarithm",
                                             "window by a shift",
                                             "window by Shrink",
                                             "window by ThresholdedRelu",
                                             "window by HardSigmoid",
                                             "window by an early Clip",
                                             "window by ConstantOfShape",
                                             "window by EyeLike",
                                             "window by a matrix product",
                                             "window by 8 bits",
                                             "window by bf16",
                                             "window by a sum that wraps",
                                             "window by a product that wraps",
                                             "window by a share of the length",
                                             "linear",
                                             "not one",
                                             "positive",
                                             "nonzero",
                                             "threshold",
                                             "low threshold",
                                             "except two"};

/* Positions of queries [S, 1] or keys [1, S]. */
static value *positions(model *m, value *mask, int64_t axis) {
    value *range = apply(m, "Range", integer(m, 0), length(m, mask), integer(m, 1));
    return unsqueeze(m, range, &axis, 1);
}

static value *turned(model *m, value *mask, form f) {
    static const int64_t one = 1, last = -1, first = INT64_MIN, eight[4] = {0, 8, 0, 0}, four[4] = {0, 0, 0, 4};
    value *in[5] = {mask, integers(m, &last, 1), integers(m, &first, 1), integers(m, &one, 1), integers(m, &last, 1)};
    value *out = graph_add_value(m->main, "");
    if (f == REVERSED) {
        assert_non_null(graph_add_node(m->main, "", "Slice", "", in, 5, &out, 1));
        return out;
    }
    const bool more = f == LONGER;
    value *longer = apply(m, "Pad", mask, integers(m, more ? four : eight, 4), integer(m, 1));
    value *to = apply(m, "Add", unsqueeze(m, length(m, mask), (int64_t[]){0}, 1), integer(m, more ? 4 : 0), NULL);
    value *cut[4] = {longer, integers(m, (int64_t[]){0}, 1), to, integers(m, &one, 1)};
    assert_non_null(graph_add_node(m->main, "", "Slice", "", cut, 4, &out, 1));
    return out;
}

/* True but for keys from 24 on, [64], cut to the length. */
static value *table(model *m, value *mask) {
    const int64_t count = 64;
    hst_tensor *t;
    assert_int_equal(tensor_new(HST_DTYPE_B8, 1, &count, NULL, &t, NULL), HST_STATUS_OK);
    for (int64_t i = 0; i < count; i++) ((uint8_t *)t->data)[i] = i < 24;
    assert_int_equal(model_own_tensor(m, t, NULL), HST_STATUS_OK);
    value *to = unsqueeze(m, length(m, mask), (int64_t[]){0}, 1);
    return apply(m, "Slice", graph_add_initializer(m->main, "", t), integers(m, (int64_t[]){0}, 1), to);
}

static value *attribute_window(model *m, value *x, form f) {
    static const char *const ops[] = {"Shrink", "ThresholdedRelu", "HardSigmoid"};
    x = apply(m, ops[f - SHRINK_WINDOW], x, NULL, NULL);
    if (f == SIGMOID_WINDOW) {
        assert_true(node_set_float(x->producer, "alpha", 0.001f) && node_set_float(x->producer, "beta", 0));
        return apply(m, "LessOrEqual", x, real(m, 0.6), NULL);
    }
    assert_true(node_set_float(x->producer, f == SHRINK_WINDOW ? "lambd" : "alpha", 600));
    return apply(m, "LessOrEqual", x, real(m, 0), NULL);
}

/* By an operator whose attribute says how far. */
static value *filled_window(model *m, value *distance, form f) {
    if (f == BOUND_WINDOW) {
        value *x = cast(m, distance, HST_DTYPE_F32), *cut = apply(m, "Clip", x, NULL, NULL);
        cut->producer->opset = 6;
        assert_true(node_set_float(cut->producer, "max", 600));
        return apply(m, "LessOrEqual", x, cut, NULL);
    }
    if (f == FILLED_WINDOW) {
        value *far = apply(m, "ConstantOfShape", apply(m, "Shape", distance, NULL, NULL), NULL, NULL);
        assert_true(node_set_tensor(far->producer, "value", integers(m, (int64_t[]){600}, 1)->constant));
        return apply(m, "LessOrEqual", distance, far, NULL);
    }
    value *eye = apply(m, "EyeLike", distance, NULL, NULL);
    assert_true(node_set_int(eye->producer, "k", 600));
    return apply(m, "Equal", eye, integer(m, 0), NULL);
}

/* By what a type holds. */
static value *narrow_window(model *m, value *distance, form f) {
    if (f == BYTE_WINDOW) {
        value *x = cast(m, cast(m, distance, HST_DTYPE_S8), HST_DTYPE_S64);
        return apply(m, "GreaterOrEqual", x, integer(m, 0), NULL);
    }
    if (f == BF16_WINDOW) {
        value *x = cast(m, cast(m, distance, HST_DTYPE_BF16), HST_DTYPE_S64);
        return apply(m, "Equal", x, distance, NULL);
    }
    value *x = f == SUM_WINDOW ? apply(m, "Add", distance, integers(m, (int64_t[]){INT64_MAX - 600}, 1), NULL)
                               : apply(m, "Mul", distance, integers(m, (int64_t[]){INT64_MAX / 600}, 1), NULL);
    return apply(m, "GreaterOrEqual", x, integer(m, 0), NULL);
}

static value *far_window(model *m, value *mask, value *q, value *k, form f) {
    value *distance = apply(m, "Abs", apply(m, "Sub", q, k, NULL), NULL, NULL);
    if (f == STEPS_WINDOW) {
        for (int i = 0; i < 3; i++) distance = apply(m, "Sub", distance, integer(m, 200), NULL);
        return apply(m, "LessOrEqual", distance, integer(m, 0), NULL);
    }
    if (f == SHIFT_WINDOW) {
        const hst_dtype u32 = HST_DTYPE_U32;
        value *bits = apply(m, "BitShift", cast(m, distance, u32), single(m, u32, 0, 9), NULL);
        assert_true(node_set_string(bits->producer, "direction", "RIGHT"));
        return apply(m, "Equal", bits, single(m, u32, 0, 0), NULL);
    }
    if (f >= BOUND_WINDOW && f <= DIAGONAL_WINDOW) return filled_window(m, distance, f);
    if (f >= BYTE_WINDOW && f <= WRAPPED_WINDOW) return narrow_window(m, distance, f);
    value *x = cast(m, distance, HST_DTYPE_F32);
    if (f == PRODUCT_WINDOW) {
        x = apply(m, "MatMul", unsqueeze(m, x, (int64_t[]){2}, 1), single(m, HST_DTYPE_F32, 2, 0.001), NULL);
        return apply(m, "LessOrEqual", apply(m, "Squeeze", x, integers(m, (int64_t[]){2}, 1), NULL), real(m, 0.6),
                     NULL);
    }
    if (f == SHARE_WINDOW) {
        x = apply(m, "Div", x, cast(m, length(m, mask), HST_DTYPE_F32), NULL);
        return apply(m, "LessOrEqual", x, real(m, 0.9985), NULL); /* of 700 keys all but one */
    }
    if (f >= SHRINK_WINDOW) return attribute_window(m, x, f);
    if (f == SCALED_WINDOW)
        return apply(m, "LessOrEqual", apply(m, "Mul", x, real(m, 0.001), NULL), real(m, 0.6), NULL);
    if (f == QUOTIENT_WINDOW) {
        x = apply(m, "Floor", apply(m, "Div", x, real(m, 600), NULL), NULL, NULL);
        return apply(m, "LessOrEqual", x, real(m, 0), NULL);
    }
    return apply(m, "LessOrEqual", apply(m, "Log", apply(m, "Add", x, real(m, 1), NULL), NULL, NULL), real(m, 6.4),
                 NULL);
}

/* True where the element says so, [batch, 1, 1, keys]. */
static value *seen_by_element(model *m, value *mask, form f) {
    value *x = cast(m, unsqueeze(m, mask, (int64_t[]){1, 2}, 2), HST_DTYPE_F32);
    if (f == NONZERO) return cast(m, x, HST_DTYPE_B8);
    if (f == NOT_ONE) {
        value *hidden = cast(m, apply(m, "Sub", real(m, 1), x, NULL), HST_DTYPE_B8);
        return apply(m, "Not", hidden, NULL, NULL);
    }
    if (f == EXCEPT_TWO)
        return apply(m, "And", apply(m, "Greater", x, real(m, 0), NULL),
                     apply(m, "Not", apply(m, "Equal", x, real(m, 2), NULL), NULL, NULL), NULL);
    return apply(m, "Greater", x, real(m, f == THRESHOLD ? 0.4 : f == LOW_THRESHOLD ? 0.2 : 0), NULL);
}

/* Of [batch, 1, queries, keys] or what broadcasts to it. */
static value *seen(model *m, value *mask, form f) {
    static const int64_t heads_queries[2] = {1, 2};
    value *q = positions(m, mask, 1), *k = positions(m, mask, 0);
    value *causal = apply(m, "LessOrEqual", k, q, NULL), *extra = NULL;
    if (f == CAUSAL) return causal;
    if (f >= FAR) return seen_by_element(m, mask, f);
    value *keys = f == REVERSED || f == EARLIER || f == LONGER ? turned(m, mask, f) : mask;
    value *padding = unsqueeze(m, cast(m, keys, HST_DTYPE_B8), heads_queries, 2);
    if (f == CAUSAL_PADDING) extra = causal;
    if (f == WINDOW)
        extra = apply(m, "LessOrEqual", apply(m, "Abs", apply(m, "Sub", q, k, NULL), NULL, NULL), integer(m, 16), NULL);
    if (f >= SCALED_WINDOW && f < FAR) extra = far_window(m, mask, q, k, f);
    if (f == PREFIX) extra = apply(m, "Or", apply(m, "Less", k, integer(m, 12), NULL), causal, NULL);
    if (f == TABLE) extra = table(m, mask);
    if (f == FIRST_KEYS) extra = apply(m, "Less", k, integer(m, 24), NULL);
    return extra ? apply(m, "And", padding, extra, NULL) : padding;
}

static value *masked_scores(model *m, value *product, value *mask, form f, double lowest, bool replaced) {
    static const int64_t of_heads[3] = {HEADS, 1, 1};
    value *scores = apply(m, "Mul", product, real(m, 0.5), NULL);
    if (f == CLIPPED) scores = apply(m, "Clip", scores, real(m, -20), real(m, 20));
    if (f == SCALED_BY_LENGTH) {
        value *n = cast(m, length(m, mask), HST_DTYPE_F32);
        scores = apply(m, "Mul", scores, apply(m, "Log", n, NULL, NULL), NULL);
    }
    if (f == ALIBI) {
        value *distance = apply(m, "Sub", positions(m, mask, 0), positions(m, mask, 1), NULL);
        value *slopes = constant(m, HST_DTYPE_F32, 3, of_heads, 0.25, -0.125);
        scores = apply(m, "Add", scores, apply(m, "Mul", cast(m, distance, HST_DTYPE_F32), slopes, NULL), NULL);
    }
    if (f == LINEAR) {
        value *x = cast(m, unsqueeze(m, mask, (int64_t[]){1, 2}, 2), HST_DTYPE_F32);
        x = apply(m, "Mul", apply(m, "Sub", real(m, 1), x, NULL), real(m, lowest), NULL);
        return apply(m, "Add", scores, x, NULL);
    }
    if (replaced) return apply(m, "Where", seen(m, mask, f), scores, real(m, lowest));
    return apply(m, "Add", scores, apply(m, "Where", seen(m, mask, f), real(m, 0), real(m, lowest)), NULL);
}

/* ---- the attention ---- */

static value *heads(model *m, value *x, double first, bool columns) {
    static const int64_t dims[2] = {WIDTH, WIDTH}, split[4] = {0, 0, HEADS, SIZE};
    value *y = apply(m, "MatMul", x, constant(m, HST_DTYPE_F32, 2, dims, first, 0.21), NULL);
    y = apply(m, "Reshape", y, integers(m, split, 4), NULL);
    return columns ? transpose(m, y, 2, 3, 1) : transpose(m, y, 2, 1, 3);
}

/* Inputs x [batch, S, 8] and mask [batch, S]; S is a symbol where `length` is 0. */
static model *build(form f, hst_dtype of_mask, double lowest, bool replaced, bool nan_to_zero, int64_t length) {
    static const int64_t joined[3] = {0, 0, WIDTH}, more[6] = {0, 0, 0, 0, 4, 0};
    model *m = model_new(NULL);
    assert_int_equal(model_import_opset(m, "", 18, NULL), HST_STATUS_OK);
    const dim dims[3] = {dim_symbol(m, "batch"), length ? length : dim_symbol(m, "sequence"), WIDTH};
    value *x = graph_add_value(m->main, "x"), *mask = graph_add_value(m->main, "mask");
    x->type = type_make(HST_DTYPE_F32, 3, dims);
    mask->type = type_make(of_mask, 2, dims);
    assert_int_equal(graph_add_input(m->main, x, NULL), HST_STATUS_OK);
    assert_int_equal(graph_add_input(m->main, mask, NULL), HST_STATUS_OK);
    if (f == LONGER) x = apply(m, "Pad", x, integers(m, more, 6), real(m, 0.3));
    value *product = apply(m, "MatMul", heads(m, x, -0.7, false), heads(m, x, 0.4, true), NULL);
    value *p = apply(m, "Softmax", masked_scores(m, product, mask, f, lowest, replaced), NULL, NULL);
    if (nan_to_zero) p = apply(m, "Where", apply(m, "IsNaN", p, NULL, NULL), real(m, 0), p);
    value *y = transpose(m, apply(m, "MatMul", p, heads(m, x, 0.9, false), NULL), 2, 1, 3);
    y = apply(m, "Reshape", y, integers(m, joined, 3), NULL);
    assert_int_equal(graph_add_output(m->main, y, NULL), HST_STATUS_OK);
    return m;
}

/* ---- before and after ---- */

/* The answer at one length: sequence 0 is whole, 1 padded on the right, 2 has holes and no first key. With `odd` keys
 * are seen and hidden by elements of all sorts. */
static hst_tensor *answer(const model *m, hst_dtype of_mask, int64_t length, bool odd) {
    static const double elements[] = {1, 2, 0.5, -1, 0.9999, 0.125, 3, 7, 1, 1, -0.001, 0.3};
    const int64_t dims[3] = {3, length, WIDTH};
    hst_error err = {0};
    hst_tensor *x, *mask, *out = NULL;
    assert_int_equal(tensor_new(HST_DTYPE_F32, 3, dims, NULL, &x, NULL), HST_STATUS_OK);
    assert_int_equal(tensor_new(of_mask, 2, dims, NULL, &mask, NULL), HST_STATUS_OK);
    for (int64_t i = 0; i < tensor_count(x); i++) tensor_set_f64(x, i, (double)((i * 29 + 5) % 41 - 20) / 8);
    for (int64_t i = 0; i < 3 * length; i++) {
        const int64_t b = i / length, k = i % length;
        const bool shown = b == 0 || (b == 1 ? k < length - 3 : k % 3 != 0);
        const double element =
            odd && shown ? elements[(size_t)(k * 5 + b) % (sizeof elements / sizeof *elements)] : shown;
        tensor_set_f64(mask, i, dtype_is_float(of_mask) ? element : trunc(element));
    }
    const hst_tensor *const in[2] = {x, mask};
    if (interp_run(m->main, in, &out, NULL, &err) != HST_STATUS_OK) fail_msg("%s", err.message);
    tensor_free(x);
    tensor_free(mask);
    return out;
}

static const node *fused(const model *m) {
    for (const node *n = m->main->first; n; n = n->next)
        if (node_is(n, "hasten", "PackedAttention")) return n;
    return NULL;
}

static bool same(const hst_tensor *a, const hst_tensor *b) {
    assert_int_equal(tensor_count(a), tensor_count(b));
    for (int64_t k = 0; k < tensor_count(a); k++) {
        const double x = tensor_get_f64(a, k), y = tensor_get_f64(b, k);
        if (isnan(x) ? !isnan(y) : !(fabs(x - y) <= 1e-5 * (1 + fabs(x)))) return false;
    }
    return true;
}

/* Answers at some lengths before and after the passes; is the attention fused over a mask of keys where it may be? */
static bool holds(form f, double lowest, bool replaced, bool nan_to_zero, int64_t length) {
    static const int64_t lengths[] = {1, 9, 40};
    const bool scaled = f == SCALED_BY_LENGTH && length; /* by a constant */
    hst_error err = {0};
    hst_tensor *before[3];
    model *m = build(f, HST_DTYPE_S64, lowest, replaced, nan_to_zero, length);
    const int n = length ? 1 : 3;
    if (ops_resolve(m->main, &err) != HST_STATUS_OK) fail_msg("%s", err.message);
    for (int i = 0; i < n; i++) before[i] = answer(m, HST_DTYPE_S64, length ? length : lengths[i], false);
    if (passes_run(m, 0, 70, NULL, &err) != HST_STATUS_OK) fail_msg("%s", err.message);
    const node *attention = fused(m);
    const bool keys = attention && attention->n_in > 1 && attention->in[1];
    bool ok = keys ? f == PADDING || f == ALIBI || scaled : f != PADDING;
    for (int i = 0; i < n; i++) {
        hst_tensor *after = answer(m, HST_DTYPE_S64, length ? length : lengths[i], false);
        ok &= same(before[i], after);
        tensor_free(before[i]);
        tensor_free(after);
    }
    model_free(m);
    if (!ok)
        print_error("%s, %g %s%s: %sa mask of keys, or another answer\n", names[f], lowest,
                    replaced ? "instead" : "added", nan_to_zero ? ", NaN made zero" : "", keys ? "" : "not ");
    return ok;
}

static void check_forms(int64_t length) {
    static const double lowest[] = {-INFINITY, (double)-FLT_MAX, -1e4};
    bool ok = true;
    for (form f = PADDING; f < FORMS; f++)
        for (int i = 0; i < 3; i++)
            for (int replaced = 0; replaced < 2; replaced++)
                for (int nan_to_zero = 0; nan_to_zero <= (i == 0); nan_to_zero++)
                    if (!(replaced && i == 2)) ok &= holds(f, lowest[i], replaced != 0, nan_to_zero != 0, length);
    assert_true(ok);
}

static void masks_of_any_length_keep_their_answers(void **state) {
    (void)state;
    check_forms(0);
}

static void masks_of_a_fixed_length_keep_their_answers(void **state) {
    (void)state;
    check_forms(40);
}

/* At one length, which the graph says or not. */
static bool keeps(form f, hst_dtype of_mask, double lowest, int64_t length, bool fixed, bool odd, bool *keys) {
    hst_error err = {0};
    model *m = build(f, of_mask, lowest, false, false, fixed ? length : 0);
    if (ops_resolve(m->main, &err) != HST_STATUS_OK) fail_msg("%s", err.message);
    hst_tensor *before = answer(m, of_mask, length, odd);
    if (passes_run(m, 0, 70, NULL, &err) != HST_STATUS_OK) fail_msg("%s", err.message);
    const node *attention = fused(m);
    *keys = attention && attention->n_in > 1 && attention->in[1];
    if (passes_run(m, 71, 999, NULL, &err) != HST_STATUS_OK) fail_msg("%s", err.message);
    hst_tensor *after = answer(m, of_mask, length, odd);
    const bool ok = same(before, after);
    if (!ok) print_error("%s, %s, %g: another answer\n", names[f], dtype_name(of_mask), lowest);
    tensor_free(before);
    tensor_free(after);
    model_free(m);
    return ok;
}

static void windows_beyond_what_is_tried_keep_their_answers(void **state) {
    (void)state;
    bool ok = true, keys;
    for (form f = SCALED_WINDOW; f < FAR; f++) {
        ok &= keeps(f, HST_DTYPE_S64, (double)-FLT_MAX, 700, false, false, &keys);
        if (keys) print_error("%s is a mask of keys\n", names[f]);
        ok &= !keys;
    }
    assert_true(ok);
}

/* Also with padding left out, by all passes. */
static void masks_of_any_elements_keep_their_answers(void **state) {
    (void)state;
    static const hst_dtype types[] = {HST_DTYPE_S64, HST_DTYPE_F32, HST_DTYPE_S32, HST_DTYPE_U8, HST_DTYPE_F16};
    static const double lowest[] = {(double)-FLT_MAX, -1e4, -INFINITY};
    bool ok = true, keys;
    for (form f = LINEAR; f < ALL_FORMS; f++)
        for (size_t t = 0; t < sizeof types / sizeof *types; t++)
            for (int i = 0; i < 3; i++)
                for (int odd = 0; odd < 2 && !(f == LINEAR && i == 2); odd++) { /* -inf times 0 is no number */
                    ok &= keeps(f, types[t], lowest[i], 40, false, odd != 0, &keys);
                    if (keys ==
                        (f == EXCEPT_TWO || ((f == THRESHOLD || f == LOW_THRESHOLD) && dtype_is_float(types[t])))) {
                        print_error("%s, %s, %g: %sa mask of keys\n", names[f], dtype_name(types[t]), lowest[i],
                                    keys ? "" : "not ");
                        ok = false;
                    }
                }
    assert_true(ok);
}

/* All elements are tried on masks that are too short to hold them. */
static void short_masks_of_any_elements_keep_their_answers(void **state) {
    (void)state;
    bool ok = true, keys;
    for (form f = LINEAR; f < ALL_FORMS; f++) ok &= keeps(f, HST_DTYPE_F32, (double)-FLT_MAX, 2, true, true, &keys);
    assert_true(ok);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(windows_beyond_what_is_tried_keep_their_answers),
                                       cmocka_unit_test(masks_of_any_elements_keep_their_answers),
                                       cmocka_unit_test(short_masks_of_any_elements_keep_their_answers),
                                       cmocka_unit_test(masks_of_any_length_keep_their_answers),
                                       cmocka_unit_test(masks_of_a_fixed_length_keep_their_answers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
