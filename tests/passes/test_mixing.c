/* Parts of a graph that mix rows, in which padding is left out where no shown row depends on it: not where a shift or a
 * dilation leads further than the few rows that are tried. */
#include <math.h>

#include "passes/build.h"

#define WIDTH  4
#define LENGTH 20
#define SHOWN  13 /* rows of the second sequence */

static value *turn(model *m, value *x) {
    value *y = apply(m, "Transpose", x, NULL, NULL);
    assert_true(node_set_ints(y->producer, "perm", (int64_t[]){0, 2, 1}, 3));
    return y;
}

typedef enum form { PLAIN, CONV, CONV_DILATED, SHIFT, SHIFT_FAR, POOL, POOL_FAR, WINDOW_FAR, WINDOW_SCORES, FORMS } form;

static value *mixed(model *m, value *x, form f) {
    const int64_t weight[3] = {WIDTH, WIDTH, 3}, step = f == CONV || f == SHIFT ? 1 : 8;
    if (f == CONV || f == CONV_DILATED) {
        value *y = apply(m, "Conv", turn(m, x), constant(m, HST_DTYPE_F32, 3, weight, -0.5, 0.25), NULL);
        assert_true(node_set_ints(y->producer, "dilations", &step, 1) &&
                    node_set_ints(y->producer, "pads", (int64_t[]){step, step}, 2));
        return turn(m, y);
    }
    if (f == PLAIN || f >= POOL) return x;
    /* row i gets row i + step, the last ones zeros */
    value *longer = apply(m, "Pad", x, integers(m, (int64_t[]){0, 0, 0, 0, step, 0}, 6), NULL),
          *y = graph_add_value(m->main, "");
    value *in[4] = {longer, integers(m, &step, 1), integers(m, (int64_t[]){INT64_C(1) << 40}, 1),
                    integers(m, (int64_t[]){1}, 1)};
    assert_non_null(graph_add_node(m->main, "", "Slice", "", in, 4, &y, 1));
    return apply(m, "Reshape", y, apply(m, "Shape", x, NULL, NULL), NULL); /* as long as x */
}

static value *places(model *m, value *mask) {
    value *length = apply(m, "Gather", apply(m, "Shape", mask, NULL, NULL), integer(m, 1), NULL);
    return apply(m, "Range", integer(m, 0), length, integer(m, 1));
}

/* [sequence, sequence]: keys further than 8 behind the query. */
static value *far_keys(model *m, value *mask) {
    value *row = apply(m, "Unsqueeze", places(m, mask), integers(m, (int64_t[]){0}, 1), NULL);
    value *column = apply(m, "Unsqueeze", places(m, mask), integers(m, (int64_t[]){1}, 1), NULL);
    return apply(m, "Greater", apply(m, "Sub", row, column, NULL), integers(m, (int64_t[]){8}, 1), NULL);
}

/* The sum of shown rows, and of all from the 16th on. */
static value *pool(model *m, value *x, value *mask, form f) {
    if (f == POOL_FAR) {
        value *late = apply(m, "GreaterOrEqual", places(m, mask), integers(m, (int64_t[]){16}, 1), NULL);
        mask = apply(m, "Or", mask, late, NULL);
    }
    value *column = apply(m, "Unsqueeze", mask, integers(m, (int64_t[]){2}, 1), NULL);
    value *factor = cast(m, column, HST_DTYPE_F32);
    value *y = apply(m, "ReduceSum", apply(m, "Mul", x, factor, NULL), integers(m, (int64_t[]){1}, 1), NULL);
    assert_true(node_set_int(y->producer, "keepdims", 0));
    return y;
}

/* softmax(x xᵀ + mask) x with one head, then rows mixed once more. */
static model *build(form f) {
    model *m = model_new(NULL);
    assert_int_equal(model_import_opset(m, "", 17, NULL), HST_STATUS_OK);
    const dim dims[3] = {dim_symbol(m, "batch"), dim_symbol(m, "sequence"), WIDTH};
    const int64_t width = WIDTH;
    value *x = graph_add_value(m->main, "x"), *mask = graph_add_value(m->main, "mask");
    x->type = type_make(HST_DTYPE_F32, 3, dims);
    mask->type = type_make(HST_DTYPE_B8, 2, dims);
    assert_int_equal(graph_add_input(m->main, x, NULL), HST_STATUS_OK);
    assert_int_equal(graph_add_input(m->main, mask, NULL), HST_STATUS_OK);
    value *h = apply(m, "Add", x, constant(m, HST_DTYPE_F32, 1, &width, -0.5, 0.25), NULL);
    value *seen = apply(m, "Unsqueeze", mask, integers(m, (int64_t[]){1, 2}, 2), NULL);
    value *q = apply(m, "Unsqueeze", h, integers(m, (int64_t[]){1}, 1), NULL);
    value *k = apply(m, "Unsqueeze", turn(m, h), integers(m, (int64_t[]){1}, 1), NULL);
    value *raw = apply(m, "MatMul", q, k, NULL);
    if (f == WINDOW_FAR) seen = apply(m, "Or", seen, far_keys(m, mask), NULL); /* padding far away shows */
    value *scores = apply(m, "Where", seen, raw, single(m, HST_DTYPE_F32, 1, -1e9));
    if (f == WINDOW_SCORES) scores = apply(m, "Where", far_keys(m, mask), raw, scores);
    value *y = apply(m, "MatMul", apply(m, "Softmax", scores, NULL, NULL), q, NULL);
    y = mixed(m, apply(m, "Squeeze", y, integers(m, (int64_t[]){1}, 1), NULL), f);
    y = apply(m, "Add", y, constant(m, HST_DTYPE_F32, 1, &width, -0.5, 0.25), NULL);
    if (f == POOL || f == POOL_FAR) y = pool(m, y, mask, f);
    assert_int_equal(graph_add_output(m->main, y, NULL), HST_STATUS_OK);
    return m;
}

static hst_tensor *answer(const model *m) {
    const int64_t dims[3] = {2, LENGTH, WIDTH};
    hst_error err = {0};
    hst_tensor *x, *mask, *out = NULL;
    assert_int_equal(tensor_new(HST_DTYPE_F32, 3, dims, NULL, &x, NULL), HST_STATUS_OK);
    assert_int_equal(tensor_new(HST_DTYPE_B8, 2, dims, NULL, &mask, NULL), HST_STATUS_OK);
    for (int64_t i = 0; i < tensor_count(x); i++) tensor_set_f64(x, i, (double)((i * 29 + 5) % 41 - 20) / 8);
    for (int64_t i = 0; i < 2 * LENGTH; i++) tensor_set_f64(mask, i, i < LENGTH + SHOWN);
    const hst_tensor *const in[2] = {x, mask};
    if (interp_run(m->main, in, &out, NULL, &err) != HST_STATUS_OK) fail_msg("%s", err.message);
    tensor_free(x);
    tensor_free(mask);
    return out;
}

static void keep_reason(pass_report *r, const char *pass, const char *text) {
    if (strcmp(pass, "unpad") == 0) snprintf(r->user, 256, "%s", text);
}

static void shown_rows_keep_their_answers(void **state) {
    (void)state;
    for (form f = PLAIN; f < FORMS; f++) {
        hst_error err = {0};
        char text[256] = "";
        pass_report report = {keep_reason, text};
        model *m = build(f);
        if (ops_resolve(m->main, &err) != HST_STATUS_OK) fail_msg("%s", err.message);
        hst_tensor *before = answer(m);
        if (passes_run(m, 0, 90, &report, &err) != HST_STATUS_OK) fail_msg("%s", err.message);
        bool packed = false;
        for (const node *n = m->main->first; n; n = n->next) packed |= node_is(n, "hasten", "PackPlan");
        if (packed != (f == PLAIN || f == POOL)) fail_msg("form %d: %s", (int)f, text);
        hst_tensor *after = answer(m);
        const bool pooled = f == POOL || f == POOL_FAR;
        for (int64_t i = 0; i < (pooled ? 2 : LENGTH + SHOWN) * WIDTH; i++)
            if (!(fabs(tensor_get_f64(before, i) - tensor_get_f64(after, i)) <= 1e-4))
                fail_msg("form %d: element %lld is %g, was %g", (int)f, (long long)i, tensor_get_f64(after, i),
                         tensor_get_f64(before, i));
        tensor_free(before);
        tensor_free(after);
        model_free(m);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(shown_rows_keep_their_answers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
