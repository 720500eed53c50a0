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

/* Infers a sample; err's code is OK where it went. Ownership: model_free. */
static model *infer(const sample *s, int opset, hst_error *error) {
    char text[2048];
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
    err.code = status;
    *error = err;
    return m;
}

static void check(const sample *s, int opset) {
    char shown[200];
    hst_error err;
    model *m = infer(s, opset, &err);
    if (err.code != HST_STATUS_OK) fail_msg("%s: %s", s->nodes, err.message);
    type_format(m, &m->main->outputs[0]->type, shown, sizeof shown);
    char *to = shown; /* which unknown symbol it is does not matter */
    for (const char *from = shown; *from; from++)
        if (!(*from >= '0' && *from <= '9' && to > shown && to[-1] == '?')) *to++ = *from;
    *to = '\0';
    if (strcmp(shown, s->output) != 0) fail_msg("%s\n  gives %s, not %s", s->nodes, shown, s->output);
    model_free(m);
}

/* The output is the error's message, or a part of it. */
static void refuse(const sample *s, int opset) {
    hst_error err;
    model *m = infer(s, opset, &err);
    if (err.code != HST_STATUS_BAD_SHAPE || !strstr(err.message, s->output))
        fail_msg("%s\n  gives '%s', not '%s'", s->nodes, err.message, s->output);
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
    /* the same expression by another way: Where would give an unknown length if they were not one symbol */
    {PARTS
     "l = Shape(p); t = Add(l, s1); u = Add(s1, l); a = ConstantOfShape(t); b_ = ConstantOfShape(u); y = Add(a, b_);",
     "f32[seq+past]"},
    {PARTS
     "l = Shape(p); t = Add(l, s1); r = Concat(t, b1; axis=0); a = ConstantOfShape(r); f = Constant(; "
     "value_ints=[-1]); g = Reshape(a, f); v = Mul(b1, l); w = Mul(b1, s1); u = Add(v, w); b_ = ConstantOfShape(u); "
     "y = Add(g, b_);",
     "f32[batch*seq+batch*past]"},
    {PARTS "l = Shape(p); t = Add(l, s1); u = Sub(t, l); y = ConstantOfShape(u);", "f32[seq]"},
    {PARTS "l = Shape(p); t = Add(l, s1); k = ConstantOfShape(t); y = Slice(k, l, t);", "f32[seq]"},
    {PARTS "l = Shape(p); t = Add(l, s1); z = Squeeze(t, a0); e = Squeeze(l, a0); y = Range(e, z, i1);", "s64[seq]"},
    {PARTS "t = Constant(; value_int=2); y = Range(i0, s, t);", "s64[(seq+1)/2]"},
    {PARTS "t = Constant(; value_ints=[3]); u = Mul(s1, t); v = Sub(u, t); y = ConstantOfShape(v);", "f32[?]"},
    {"k = Constant(; value_ints=[1]); l = Constant(; value_ints=[9223372036854775807]); y = Slice(x, k, l, k);",
     "f32[batch,max(seq-1,0),768]"},
    {"k = Constant(; value_ints=[0]); l = Constant(; value_ints=[-1]); o = Constant(; value_ints=[1]); y = Slice(x, k, "
     "l, "
     "o);",
     "f32[batch,max(seq-1,0),768]"},
    {"k = Constant(; value_ints=[-1]); l = Constant(; value_ints=[9223372036854775807]); o = Constant(; "
     "value_ints=[1]); "
     "y = Slice(x, k, l, o);",
     "f32[batch,min(seq,1),768]"},
    {"k = Constant(; value_ints=[0]); l = Constant(; value_ints=[9223372036854775807]); o = Constant(; "
     "value_ints=[1]); "
     "t = Constant(; value_ints=[2]); y = Slice(x, k, l, o, t);",
     "f32[batch,(seq+1)/2,768]"},
    {PARTS "t = Constant(; value_int=2); h = Div(s, t); r = Sub(s, h); e = Add(h, r); k = Unsqueeze(e, a0); y = "
           "ConstantOfShape(k);",
     "f32[seq]"},
    {PARTS "t = Constant(; value_ints=[2]); u = Mul(s1, t); f = Constant(; value_ints=[4]); h = Div(u, f); y = "
           "ConstantOfShape(h);",
     "f32[(2*seq)/4]"},
    {PARTS "t = Constant(; value_ints=[7]); u = Min(s1, t); v = Max(u, t); y = ConstantOfShape(v);", "f32[7]"},
    {PARTS "t = Constant(; value_ints=[7]); u = Max(s1, t); y = ConstantOfShape(u);", "f32[max(seq,7)]"},
    {PARTS "t = Constant(; value_ints=[-5]); u = Max(s1, t); y = ConstantOfShape(u);", "f32[seq]"},
    {"a, b_ = Split(x; axis=1, num_outputs=2); y = Identity(a);", "f32[batch,(seq+1)/2,768]"},
    {"w = Constant(; value=f32[4,768,3]{0}); t = Transpose(x; perm=[0,2,1]); y = Conv(t, w; pads=[1,1]);",
     "f32[batch,4,seq]"},
    {"w = Constant(; value=f32[4,768,3]{0}); t = Transpose(x; perm=[0,2,1]); y = Conv(t, w; strides=[2]);",
     "f32[batch,4,(seq+1)/2-1]"},
    {"w = Constant(; value=f32[4,768,3]{0}); t = Transpose(x; perm=[0,2,1]); c = Conv(t, w; strides=[2]); k = "
     "Constant(; "
     "value_ints=[0,2,-1]); r = Reshape(c, k); h = Shape(c); y = Reshape(r, h);",
     "f32[batch,4,(seq+1)/2-1]"},
    {"w = Constant(; value=f32[768,4,3]{0}); t = Transpose(x; perm=[0,2,1]); y = ConvTranspose(t, w; strides=[2]);",
     "f32[batch,4,2*seq+1]"},
    {"k = Constant(; value_ints=[0,1,0,0,2,0]); y = Pad(x, k);", "f32[batch,seq+3,768]"},
    /* an unknown shape of known length */
    {"c = Cast(p; to=7); e = Cast(c; to=1); k = Constant(; value_int=0); d = Gather(c, k); o = Constant(; "
     "value_ints=[-1]); "
     "q = Reshape(d, o); i = Constant(; value_ints=[768]); r = Concat(q, i; axis=0); y = Reshape(x, r);",
     "f32[?,768]"},
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

static bool fit(model *m, dim a, int64_t x, dim b, int64_t y) {
    return !dims_contradict(m, (dim[]){a, b}, (int64_t[]){x, y}, 2);
}

static void test_numbers(model *m, dim b, dim s) {
    const dim more = dim_sum(m, s, 4), twice = dim_product(m, (dim[]){2, s}, 2);
    assert_true(fit(m, b, 2, s, 5) && fit(m, s, 5, s, 5) && fit(m, s, 5, more, 9) && !fit(m, s, 5, more, 5));
    assert_true(fit(m, more, 9, dim_sum(m, s, 5), 10) && !fit(m, more, 9, dim_sum(m, s, 5), 9));
    assert_true(fit(m, s, 5, twice, 10) && !fit(m, s, 5, twice, 5) && !fit(m, twice, 5, s, 5));
    assert_true(fit(m, s, 5, dim_floor(m, s, 2), 2) && !fit(m, s, 5, dim_floor(m, s, 2), 3));
    assert_true(fit(m, s, 5, dim_min(m, s, 4), 4) && !fit(m, s, 5, dim_min(m, s, 4), 5));
    assert_true(fit(m, s, 5, dim_max(m, s, 4), 5) && !fit(m, s, 5, dim_max(m, s, 8), 5));
    assert_true(fit(m, s, 5, dim_sum(m, b, s), 5) && fit(m, s, 5, dim_integer(m), -1)); /* of an unknown one */
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
    assert_true(dim_product(m, (dim[]){INT64_MAX, 2}, 2) == DIM_TOO_LARGE);
    assert_true(dim_product(m, (dim[]){INT64_MAX, 2, 0}, 3) == 0);
    assert_true(dim_product(m, (dim[]){DIM_TOO_LARGE, 1}, 2) == DIM_TOO_LARGE);
    assert_true(dim_sum(m, INT64_MAX, 1) == DIM_TOO_LARGE && dim_sum(m, DIM_TOO_LARGE, 0) == DIM_TOO_LARGE);
    assert_true(dim_difference(m, 0, DIM_TOO_LARGE) == DIM_TOO_LARGE);
    /* without a name, and one symbol all the same */
    assert_true(dim_is_symbol(dim_product(m, (dim[]){b, u}, 2)));
    assert_true(dim_product(m, (dim[]){b, u}, 2) == dim_product(m, (dim[]){u, b}, 2));
    assert_string_equal(dim_name(m, dim_product(m, (dim[]){b, u}, 2)), "");
    /* factors that overflow: something unknown, twice not the same */
    const dim huge = dim_product(m, (dim[]){INT64_MAX / 2, b}, 2), more[2] = {huge, 3};
    assert_true(dim_is_symbol(huge) && dim_is_symbol(dim_product(m, more, 2)));
    assert_true(dim_product(m, more, 2) != dim_product(m, more, 2));
    dim many = 1;
    for (int i = 0; i < 40; i++) many = dim_product(m, (dim[]){many, b}, 2); /* b^40 */
    for (int i = 0; i < 40; i++) many = dim_sum(m, many, dim_symbol(m, ""));
    assert_true(dim_is_symbol(many));
    assert_true(dim_sum(m, b, s) == dim_sum(m, s, b) && dim_sum(m, b, 0) == b && dim_sum(m, 3, 4) == 7);
    assert_string_equal(dim_name(m, dim_product(m, (dim[]){2, dim_sum(m, b, s)}, 2)), "2*b+2*s");
    assert_true(dim_difference(m, dim_sum(m, b, s), s) == b && dim_difference(m, b, b) == 0);
    assert_true(dim_difference(m, dim_difference(m, 0, b), s) == dim_difference(m, 0, dim_sum(m, s, b)));
    assert_true(dim_product(m, (dim[]){dim_sum(m, b, 1), dim_difference(m, b, 1)}, 2) ==
                dim_difference(m, dim_product(m, (dim[]){b, b}, 2), 1));
    assert_true(dim_quotient(m, (dim[]){dim_product(m, (dim[]){b, dim_sum(m, s, 2)}, 2), 6}, 2,
                             (dim[]){2, dim_sum(m, 2, s)}, 2, &ok) == dim_product(m, (dim[]){3, b}, 2) &&
                ok);
    assert_true(dim_is_length(m, dim_sum(m, b, s)) && !dim_is_length(m, dim_difference(m, b, s)));
    assert_true(dim_is_length(m, dim_max(m, dim_difference(m, b, s), 0)) && !dim_is_length(m, dim_integer(m)));
    assert_true(!dim_is_length(m, -1) && dim_is_length(m, 0));
    assert_true(dim_is_at_least(m, dim_sum(m, b, 1), b) && !dim_is_at_least(m, b, dim_sum(m, b, 1)));
    assert_true(dim_min(m, b, dim_sum(m, b, s)) == b && dim_max(m, b, dim_sum(m, b, s)) == dim_sum(m, s, b));
    assert_true(dim_min(m, b, 7) == dim_min(m, 7, b) && dim_min(m, b, s) == dim_min(m, s, b) && dim_min(m, b, 0) == 0);
    /* rounded down, also below 0; a/2/3 is a/6; what is divisible is taken out */
    assert_true(dim_floor(m, -7, 2) == -4 && dim_floor(m, 7, 2) == 3 &&
                dim_floor(m, INT64_MIN + 1, 1) == INT64_MIN + 1);
    assert_true(dim_floor(m, dim_floor(m, b, 2), 3) == dim_floor(m, b, 6));
    assert_true(dim_floor(m, dim_sum(m, dim_product(m, (dim[]){4, b}, 2), 3), 4) == b);
    assert_true(dim_floor(m, dim_sum(m, b, 4), 4) == dim_sum(m, dim_floor(m, b, 4), 1));
    assert_true(dim_is_symbol(dim_floor(m, b, 0)) && dim_is_symbol(dim_floor(m, b, -1)));
    assert_true(dim_quotient(m, (dim[]){b, 6, s}, 3, (dim[]){s, 3}, 2, &ok) == dim_product(m, (dim[]){2, b}, 2) && ok);
    assert_true(dim_quotient(m, (dim[]){7}, 1, (dim[]){2}, 1, &ok) && !ok);
    assert_true(dim_is_symbol(dim_quotient(m, (dim[]){7}, 1, (dim[]){0}, 1, &ok)) && ok);
    assert_true(dim_is_symbol(dim_quotient(m, (dim[]){b}, 1, (dim[]){s}, 1, &ok)) && ok);
    test_numbers(m, b, s);
    assert_true(dim_unify(m, u, b, &ok) == b && ok);
    assert_true(dim_unify(m, 5, b, &ok) == 5 && ok);
    (void)dim_unify(m, 5, 6, &ok);
    assert_false(ok);
    model_free(m);
}

/* Names that a file gives, of sums of other names: the same symbol as what is computed, whatever their order and
 * blanks. */
static void test_names(void **state) {
    (void)state;
    model *m = model_new(NULL);
    assert_non_null(m);
    const dim total = dim_symbol(m, "past_sequence_length + sequence_length"), next = dim_symbol(m, "2*(n + 1)");
    const dim odd[] = {
        dim_symbol(m, "encoder-seq-len"), dim_symbol(m, "n +"),           dim_symbol(m, "n**2"), dim_symbol(m, "n+(n"),
        dim_symbol(m, "missing + n"),     dim_symbol(m, "99999999999*n"), dim_symbol(m, "+"),    dim_symbol(m, "n+n)")};
    const dim past = dim_symbol(m, "past_sequence_length"), now = dim_symbol(m, "sequence_length"),
              n = dim_symbol(m, "n");
    char deep[180];
    memset(deep, '(', sizeof deep - 2);
    memcpy(deep + sizeof deep - 3, "n+", 3);
    const dim nested = dim_symbol(m, deep);
    assert_true(dim_sum(m, now, past) == total && dim_difference(m, total, past) == now);
    assert_true(dim_sum(m, dim_product(m, (dim[]){2, n}, 2), 2) == next);
    assert_true(dim_is_at_least(m, total, past) && dim_is_symbol(nested));
    assert_string_equal(dim_name(m, dim_sum(m, total, 1)), "past_sequence_length+sequence_length+1");
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) /* what is not such a sum stands for itself */
        assert_true(dim_difference(m, dim_sum(m, odd[i], n), n) == odd[i]);
    model_free(m);
}

/* ---- shapes that cannot be: an error that names the node and the numbers ---- */

static const sample impossible[] = {
    {"k = Constant(; value_ints=[4611686018427387904,1,1]); t = Constant(; value=f32[2,2,2]{0}); y = Tile(t, k);",
     "Tile 'y': output 0: the length of axis 0 does not fit into 64 bits"},
    {"k = Constant(; value_ints=[-2,1,1]); y = Tile(x, k);", "Tile 'y': -2 repeats on axis 0"},
    {"k = Constant(; value_ints=[4294967296,4294967296]); y = ConstantOfShape(k);",
     "ConstantOfShape 'y': output 0 would be f32[4294967296,4294967296], which no memory holds"},
    {"k = Constant(; value_ints=[-9223372036854775807]); y = ConstantOfShape(k);",
     "shape has -9223372036854775807 on axis 0"},
    {"k = Constant(; value_ints=[9223372036854775807,9223372036854775807,-1]); t = Constant(; value=f32[2]{0}); y = "
     "Reshape(t, k);",
     "cannot reshape f32[2] into 3 dimensions of another count"},
    {"k = Constant(; value_ints=[9223372036854775807,9223372036854775807]); y = Reshape(x, k);",
     "which no memory holds"},
    {"k = Constant(; value_ints=[4611686018427387904,2]); q = Constant(; value=f32[1,1]{0}); y = Expand(q, k);",
     "Expand 'y': output 0 would be f32[4611686018427387904,2]"},
    {"k = Constant(; value_ints=[0,9223372036854775807,0,0,9223372036854775807,0]); t = Constant(; "
     "value=f32[1,2,3]{0}); y = "
     "Pad(t, k);",
     "Pad 'y': pads 9223372036854775807 and 9223372036854775807 on axis 1 of length 2"},
    {"k = Constant(; value_ints=[9223372036854775807]); o = ConstantOfShape(k; value=u8[1]{0}); y = Concat(o, o; "
     "axis=0);",
     "Concat 'y': output 0: the length of axis 0 does not fit into 64 bits"},
    {0},
};

/* Numbers at the ends of 64 bits that are no shape yet: nothing is known of them, and nothing overflows. */
static const sample extreme[] = {
    {"a = Constant(; value_ints=[-9223372036854775808]); b = Constant(; value_ints=[-1]); q = Div(a, b); y = Add(q, "
     "a);",
     "s64[1]"},
    {"a = Constant(; value_ints=[-9223372036854775808]); b = Constant(; value_ints=[-1]); q = Mod(a, b); y = Mul(q, "
     "a);",
     "s64[1]"},
    {"a = Constant(; value_ints=[-9223372036854775808]); sh = Shape(m); q = Add(sh, a); r = Mul(q, a); y = Sub(r, sh);",
     "s64[2]"},
    {"a = Constant(; value_ints=[9223372036854775807]); sh = Shape(m); q = Mul(sh, a); r = Mul(q, a); y = Add(r, a);",
     "s64[2]"},
    {"a = Constant(; value_int=-9223372036854775808); b = Constant(; value_int=9223372036854775807); d = Constant(; "
     "value_int=-1); y = Range(a, b, d);",
     "s64[0]"},
    {"a = Constant(; value_int=-9223372036854775808); b = Constant(; value_int=9223372036854775807); d = Constant(; "
     "value_int=1); y = Range(a, b, d);",
     "s64[?]"},
    {"a = Constant(; value_ints=[-9223372036854775808]); b = Constant(; value_ints=[9223372036854775807]); k = "
     "Constant(; "
     "value_ints=[1]); d = Constant(; value_ints=[9223372036854775807]); y = Slice(x, a, b, k, d);",
     "f32[batch,(seq+9223372036854775806)/9223372036854775807,768]"},
    {"a = Constant(; value_ints=[9223372036854775807]); b = Constant(; value_ints=[-9223372036854775808]); k = "
     "Constant(; "
     "value_ints=[1]); d = Constant(; value_ints=[-9223372036854775808]); y = Slice(x, a, b, k, d);",
     "f32[batch,?,768]"},
    {"a = Constant(; value=s32[1]{2147483647}); b = Add(a, a); y = ConstantOfShape(b);", "f32[?]"},
    {0},
};

static void test_impossible(void **state) {
    (void)state;
    for (const sample *s = impossible; s->nodes; s++) refuse(s, 18);
    for (const sample *s = extreme; s->nodes; s++) check(s, 18);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_samples), cmocka_unit_test(test_lengths),
                                       cmocka_unit_test(test_names), cmocka_unit_test(test_impossible)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
