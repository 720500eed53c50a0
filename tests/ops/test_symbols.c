/* Inference with symbols: what exporters write around Reshape, Expand and Slice keeps its lengths' names. Each graph is
 * written as text, "name = Op(inputs; attributes);" lines over x f32[batch,seq,768] and m s64[batch,seq]. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "ops/case_parse.h"

typedef struct sample {
    const char *nodes, *output; /* text of the nodes; the type of y as type_format shows it */
} sample;

static const op host = {.name = "Test", .domain = "", .since = 1};

static void check(const sample *s, int opset) {
    char text[2048], shown[200];
    hst_error err = {0};
    snprintf(text, sizeof text, "(x, m, p) %s -> (y)}", s->nodes);
    model *m = model_new(NULL);
    assert_non_null(m);
    op_case c = {.name = "sample", .text = text};
    case_cursor p = {.text = text, .at = text, .op = &host, .c = &c, .model = m, .err = &err};
    assert_int_equal(model_import_opset(m, "", opset, &err), HST_STATUS_OK);
    case_scope scope = {0};
    graph *g;
    hst_status status = case_graph(&p, &scope, NULL, &g);
    if (status == HST_STATUS_OK) {
        dim x[3] = {dim_symbol(m, "batch"), dim_symbol(m, "seq"), 768}, past[1] = {dim_symbol(m, "past")};
        g->inputs[0]->type = type_make(HST_DTYPE_F32, 3, x);
        g->inputs[1]->type = type_make(HST_DTYPE_S64, 2, x);
        g->inputs[2]->type = type_make(HST_DTYPE_F32, 1, past);
        m->main = g;
        status = ops_resolve(g, &err);
    }
    if (status == HST_STATUS_OK) status = graph_infer(g, &err);
    if (status != HST_STATUS_OK) fail_msg("%s: %s", s->nodes, err.message);
    assert_string_equal(type_format(m, &g->outputs[0]->type, shown, sizeof shown), s->output);
    model_free(m);
}

/* The shape of x as exporters take it apart: b and s are scalars, b1 and s1 vectors of one. */
#define PARTS                                                                                                          \
    "sh = Shape(x); i0 = Constant(; value_int=0); i1 = Constant(; value_int=1); b = Gather(sh, i0); s = Gather(sh, "   \
    "i1); a0 = Constant(; value_ints=[0]); b1 = Unsqueeze(b, a0); s1 = Unsqueeze(s, a0); "

static const sample samples[] = {
    {"r = Constant(; value_ints=[0,0,12,64]); y = Reshape(x, r);", "f32[batch,seq,12,64]"},
    {"r = Constant(; value_ints=[0,-1,768]); y = Reshape(x, r);", "f32[batch,seq,768]"},
    {"r = Constant(; value_ints=[0,0,-1]); y = Reshape(x, r);", "f32[batch,seq,768]"},
    {"r = Constant(; value_ints=[-1,768]); y = Reshape(x, r);", "f32[batch*seq,768]"},
    {"r = Constant(; value_ints=[0,-1]); y = Reshape(x, r);", "f32[batch,768*seq]"},
    {"r = Constant(; value_ints=[-1]); y = Reshape(x, r);", "f32[768*batch*seq]"},
    {"r = Constant(; value_ints=[0,-1,12,64]); h = Reshape(x, r); t = Transpose(h; perm=[0,2,1,3]); "
     "q = Constant(; value_ints=[0,0,-1,64]); y = Reshape(t, q);",
     "f32[batch,12,seq,64]"},
    {PARTS "k = Constant(; value_ints=[12,64]); r = Concat(b1, s1, k; axis=0); y = Reshape(x, r);",
     "f32[batch,seq,12,64]"},
    {PARTS "k = Constant(; value_ints=[-1]); r = Concat(b1, k, s1; axis=0); y = Reshape(x, r);", "f32[batch,768,seq]"},
    {PARTS "k = Constant(; value_ints=[-1,12,64]); r = Concat(b1, k; axis=0); y = Reshape(x, r);",
     "f32[batch,seq,12,64]"},
    {PARTS "k = Constant(; value_ints=[0]); l = Constant(; value_ints=[2]); "
           "f = Slice(sh, k, l); y = ConstantOfShape(f);",
     "f32[batch,seq]"},
    {PARTS "k = Constant(; value_ints=[1]); r = Concat(b1, k, s1, s1; axis=0); z = Constant(; value_ints=[1,2]); "
           "w = Unsqueeze(m, z); y = Expand(w, r);",
     "s64[batch,1,seq,seq]"},
    {PARTS "o = Constant(; value_int=1); y = Range(i0, s, o);", "s64[seq]"},
    {PARTS "c = Cast(s; to=6); d = Cast(c; to=7); o = Constant(; value_int=1); y = Range(i0, d, o);", "s64[seq]"},
    {PARTS "r = Concat(b1, s1; axis=0); n = Constant(; value_ints=[-1]); c = Shape(r); o = ConstantOfShape(c; "
           "value=s64[1]{1}); e = Equal(r, n); w = Where(e, o, r); k = Constant(; value_float=1.0); y = Expand(k, w);",
     "f32[batch,seq]"},
    {"y = Concat(x, x; axis=2);", "f32[batch,seq,1536]"},
    {"k = Constant(; value_ints=[0]); l = Constant(; value_ints=[9223372036854775807]); o = Constant(; "
     "value_ints=[1]); "
     "y = Slice(x, k, l, o);",
     "f32[batch,seq,768]"},
    {"k = Constant(; value_ints=[0]); l = Constant(; value_ints=[10]); o = Constant(; value_ints=[2]); y = Slice(x, k, "
     "l, o);",
     "f32[batch,seq,10]"},
    {PARTS
     "t = Constant(; value=s64[1,512]{0}); o = Constant(; value_ints=[1]); q = Slice(t, a0, s1, o); w = Constant(; "
     "value=f32[512,768]{0}); y = Gather(w, q);",
     "f32[1,min(seq,512),768]"},
    {PARTS
     "t = Constant(; value=s64[1,512]{0}); o = Constant(; value_ints=[1]); q = Slice(t, a0, s1, o); w = Constant(; "
     "value=f32[512,768]{0}); e = Gather(w, q); c = Constant(; value=b8[1,1,1]{1}); y = Where(c, x, e);",
     "f32[batch,seq,768]"},
    {"k = Constant(; value_int=0); y = Gather(x, k; axis=1);", "f32[batch,768]"},
    {"y = Flatten(x; axis=2);", "f32[batch*seq,768]"},
    {"k = Constant(; value_ints=[1,12,1]); y = Tile(x, k);", "f32[batch,12*seq,768]"},
    {"a, b, y = Split(x; axis=2, num_outputs=3);", "f32[batch,seq,256]"},
    {"k = Constant(; value_ints=[1,2]); q = Unsqueeze(m, k); e = Equal(q, q); y = Not(e);", "b8[batch,1,1,seq]"},
    {"sh = Shape(p); t = Shape(m; start=1); r = Concat(sh, t; axis=0); y = ConstantOfShape(r);", "f32[past,seq]"},
    {"z = Shape(m; start=1); o = ConstantOfShape(z); y = Concat(p, o; axis=0);", "f32[seq+past]"},
    {0},
};

/* k: a past of rows of x in 12 heads. The samples are of opset 23. */
#define PAST                                                                                                           \
    PARTS "n = Constant(; value_ints=[12]); w = Constant(; value_ints=[64]); l = Shape(p); "                           \
          "r = Concat(b1, n, l, w; axis=0); k = ConstantOfShape(r); "

static const sample recent_samples[] = {
    {"y = Attention(x, x, x; q_num_heads=12, kv_num_heads=12);", "f32[batch,seq,768]"},
    {"t = Constant(; value_ints=[0,0,12,64]); h = Reshape(x, t); q = Transpose(h; perm=[0,2,1,3]); "
     "y = Attention(q, q, q; is_causal=1);",
     "f32[batch,12,seq,64]"},
    {PAST "y, b_, c, d = Attention(x, x, x, _, k, k; q_num_heads=12, kv_num_heads=12);", "f32[batch,seq,768]"},
    {PAST "b_, y, c, d = Attention(x, x, x, _, k, k; q_num_heads=12, kv_num_heads=12);", "f32[batch,12,seq+past,64]"},
    {PAST "b_, c, d, y = Attention(x, x, x, _, k, k; q_num_heads=12, kv_num_heads=12);", "f32[batch,12,seq,seq+past]"},
    {0},
};

static void test_samples(void **state) {
    (void)state;
    for (const sample *s = samples; s->nodes; s++) check(s, 18);
    for (const sample *s = recent_samples; s->nodes; s++) check(s, 23);
}

/* dim_quotient and its kin on their own. */
static void test_lengths(void **state) {
    (void)state;
    model *m = model_new(NULL);
    assert_non_null(m);
    dim b = dim_symbol(m, "b"), s = dim_symbol(m, "s"), u = dim_symbol(m, "");
    bool ok;
    assert_true(dim_is_symbol(b) && dim_is_symbol(u) && b != s && s != u && !dim_is_symbol(-1) && !dim_is_symbol(0));
    assert_true(dim_product(m, (dim[]){b, s}, 2) == dim_product(m, (dim[]){s, b}, 2));
    assert_true(dim_product(m, (dim[]){b, 0}, 2) == 0);
    assert_true(dim_product(m, NULL, 0) == 1);
    assert_true(dim_is_symbol(dim_product(m, (dim[]){INT64_MAX, 2}, 2)));
    assert_true(dim_is_symbol(dim_product(m, (dim[]){b, u}, 2)));
    assert_true(dim_sum(m, b, s) == dim_sum(m, s, b) && dim_sum(m, b, 0) == b && dim_sum(m, 3, 4) == 7);
    assert_string_equal(dim_name(m, dim_product(m, (dim[]){2, dim_sum(m, b, s)}, 2)), "2*(b+s)");
    assert_true(dim_quotient(m, (dim[]){b, 6, s}, 3, (dim[]){s, 3}, 2, &ok) == dim_product(m, (dim[]){2, b}, 2) && ok);
    assert_true(dim_quotient(m, (dim[]){7}, 1, (dim[]){2}, 1, &ok) && !ok);
    assert_true(dim_is_symbol(dim_quotient(m, (dim[]){7}, 1, (dim[]){0}, 1, &ok)) && ok);
    assert_true(dim_is_symbol(dim_quotient(m, (dim[]){b}, 1, (dim[]){s}, 1, &ok)) && ok);
    assert_true(dim_unify(m, u, b, &ok) == b && ok);
    assert_true(dim_unify(m, 5, b, &ok) == 5 && ok);
    (void)dim_unify(m, 5, 6, &ok);
    assert_false(ok);
    model_free(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_samples), cmocka_unit_test(test_lengths)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
