/* Graphs that no exporter writes: names that clash, scopes that leak, functions without end, wrong arity, attributes
 * and axes, lengths below zero. Each is refused with words that name the place, or runs and gives what its names mean.
 *
 * A model is a text, taken as it stands without any check:
 *   graph = "(" names ")" { names "=" [domain "."] op "(" names { ";" name "=" value } ")" ";" } "->" "(" names ")"
 *   value = integer | number with '.' | "'" text "'" | "[" integers "]" | "{" graph "}" */
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "hasten.h"

/* ---- text to protobuf ---- */

typedef struct bytes_out {
    unsigned char data[1 << 16];
    size_t size;
} bytes_out;

static void put_varint(bytes_out *o, uint64_t v) {
    for (; v >= 128; v >>= 7) o->data[o->size++] = (unsigned char)(v | 128);
    o->data[o->size++] = (unsigned char)v;
}

static void put_number(bytes_out *o, int field, int64_t v) {
    put_varint(o, (uint64_t)field << 3);
    put_varint(o, (uint64_t)v);
}

static void put_bytes(bytes_out *o, int field, const void *data, size_t size) {
    put_varint(o, (uint64_t)field << 3 | 2);
    put_varint(o, size);
    assert_true(size < sizeof o->data - o->size);
    if (size) memcpy(o->data + o->size, data, size);
    o->size += size;
}

static bytes_out *fresh(void) {
    bytes_out *o = malloc(sizeof *o);
    assert_non_null(o);
    o->size = 0;
    return o;
}

static void put_message(bytes_out *o, int field, bytes_out *from) {
    put_bytes(o, field, from->data, from->size);
    free(from);
}

static bool take(const char **t, char c) {
    while (**t == ' ') ++*t;
    if (**t != c) return false;
    ++*t;
    return true;
}

static void need(const char **t, char c) {
    if (!take(t, c)) fail_msg("'%c' is missing before: %s", c, *t);
}

static size_t name_at(const char **t, const char **name) {
    while (**t == ' ') ++*t;
    for (*name = *t; isalnum((unsigned char)**t) || **t == '_'; ++*t) {
    }
    return (size_t)(*t - *name);
}

typedef void (*put_name)(bytes_out *o, int field, const char *name, size_t size);

static void put_plain(bytes_out *o, int field, const char *name, size_t size) {
    put_bytes(o, field, name, size);
}

/* A ValueInfoProto, f32 of unknown rank. "m" and "b": the s64 and b8 that a Loop has for inputs. */
static void put_info(bytes_out *o, int field, const char *name, size_t size) {
    bytes_out *info = fresh(), *kind = fresh(), *tensor = fresh();
    put_bytes(info, 1, name, size);
    put_number(tensor, 1, size == 1 && *name == 'm' ? 7 : size == 1 && *name == 'b' ? 9 : 1);
    put_message(kind, 1, tensor);
    put_message(info, 2, kind);
    put_message(o, field, info);
}

static void put_names(bytes_out *o, int field, const char **t, put_name put) {
    const char *name;
    for (size_t size; (size = name_at(t, &name)) || **t == ',';) { /* nothing between commas: "" */
        put(o, field, name, size == 1 && *name == '_' ? 0 : size);
        if (!take(t, ',')) break;
    }
}

static void put_graph(bytes_out *o, const char **t);

static void put_value(bytes_out *a, const char **t) {
    if (take(t, '{')) {
        bytes_out *g = fresh();
        put_graph(g, t);
        need(t, '}');
        put_message(a, 6, g);
        put_number(a, 20, 5);
    } else if (take(t, '\'')) {
        size_t n = strcspn(*t, "'");
        put_bytes(a, 4, *t, n);
        *t += n + 1;
        put_number(a, 20, 3);
    } else if (take(t, '[')) {
        while (!take(t, ']')) {
            char *end;
            put_number(a, 8, strtoll(*t, &end, 10));
            *t = end;
            take(t, ',');
        }
        put_number(a, 20, 7);
    } else {
        char *end, *whole;
        float f = strtof(*t, &end);
        int64_t i = strtoll(*t, &whole, 10);
        if (end == *t) fail_msg("no value: %s", *t);
        if (end == whole) {
            put_number(a, 3, i);
        } else {
            put_varint(a, 2 << 3 | 5);
            memcpy(a->data + a->size, &f, sizeof f);
            a->size += sizeof f;
        }
        put_number(a, 20, end == whole ? 2 : 1);
        *t = end;
    }
}

static void put_node(bytes_out *o, const char **t) {
    bytes_out *n = fresh();
    const char *name;
    put_names(n, 2, t, put_plain);
    need(t, '=');
    size_t size = name_at(t, &name);
    if (take(t, '.')) {
        put_bytes(n, 7, name, size);
        size = name_at(t, &name);
    }
    put_bytes(n, 4, name, size);
    need(t, '(');
    put_names(n, 1, t, put_plain);
    while (take(t, ';')) {
        bytes_out *a = fresh();
        size = name_at(t, &name);
        put_bytes(a, 1, name, size);
        need(t, '=');
        put_value(a, t);
        put_message(n, 5, a);
    }
    need(t, ')');
    need(t, ';');
    put_message(o, 1, n);
}

static void put_graph(bytes_out *o, const char **t) {
    put_bytes(o, 2, "g", 1);
    need(t, '(');
    put_names(o, 11, t, put_info);
    need(t, ')');
    while (!take(t, '-')) put_node(o, t);
    need(t, '>');
    need(t, '(');
    put_names(o, 12, t, put_info);
    need(t, ')');
}

/* "name (inputs) nodes -> (outputs)" of domain "f". */
static void put_function(bytes_out *o, const char *text) {
    const char *name;
    bytes_out *f = fresh(), *opset = fresh();
    size_t size = name_at(&text, &name);
    put_bytes(f, 1, name, size);
    need(&text, '(');
    put_names(f, 4, &text, put_plain);
    need(&text, ')');
    while (!take(&text, '-')) {
        bytes_out *nodes = fresh(); /* a graph's field 1 is a function's field 7 */
        put_node(nodes, &text);
        nodes->data[0] = 7 << 3 | 2;
        memcpy(f->data + f->size, nodes->data, nodes->size);
        f->size += nodes->size;
        free(nodes);
    }
    need(&text, '>');
    need(&text, '(');
    put_names(f, 5, &text, put_plain);
    need(&text, ')');
    for (int i = 0; i < 2; i++) {
        put_bytes(opset, 1, "f", (size_t)i);
        put_number(opset, 2, i ? 1 : 18);
        put_bytes(f, 9, opset->data, opset->size);
        opset->size = 0;
    }
    free(opset);
    put_bytes(f, 10, "f", 1);
    put_message(o, 25, f);
}

/* ---- the family ---- */

typedef struct attack {
    const char *graph;
    hst_status status;
    const char *words[2]; /* that the message has */
    float want;           /* of x = 2, where it runs */
    const char *functions[3];
} attack;

// clang-format off
static const attack attacks[] = {
    /* cycles, names */
    {"(x) a = Add(x, c); b = Neg(a); c = Neg(b); -> (c)", HST_STATUS_BAD_FORMAT, {"cycle"}, 0, {0}},
    {"(x) a = Neg(a); -> (a)", HST_STATUS_BAD_FORMAT, {"cycle", "'a'"}, 0, {0}},
    {"(x) c = Neg(a); a = Neg(x); -> (c)", HST_STATUS_OK, {0}, 2, {0}}, /* out of order: sorted */
    {"(x) a = Neg(x); a = Abs(x); -> (a)", HST_STATUS_BAD_FORMAT, {"'a'", "twice"}, 0, {0}},
    {"(x) x = Neg(x); -> (x)", HST_STATUS_BAD_FORMAT, {"'x'", "twice"}, 0, {0}},
    {"(x, x) a = Neg(x); -> (a)", HST_STATUS_BAD_FORMAT, {"'x'", "twice"}, 0, {0}},
    {"(x) a = Neg(y); -> (a)", HST_STATUS_BAD_FORMAT, {"'y'"}, 0, {0}},
    {"(x) a = Neg(x); -> (z)", HST_STATUS_BAD_FORMAT, {"'z'"}, 0, {0}},
    {"(x) a = Neg(_); -> (a)", HST_STATUS_BAD_FORMAT, {"Neg"}, 0, {0}},
    {"(x) -> (x)", HST_STATUS_OK, {0}, 2, {0}},
    /* scopes */
    {"(x) m = Constant(; value_int=3); b = Cast(m; to=9); a = Loop(m, b, x; body={(m, b, s) x = Neg(s); -> (b, x)}); -> (a)", HST_STATUS_OK, {0}, -2, {0}}, /* hides the outer x */
    {"(x) m = Constant(; value_int=3); b = Cast(m; to=9); a = Loop(m, b, x; body={(i, c, s) t = Neg(s); -> (c, t)}); d = Neg(t); -> (d)", HST_STATUS_BAD_FORMAT, {"'t'"}, 0, {0}},
    {"(x) m = Constant(; value_int=1); b = Cast(m; to=9); a = If(b; then_branch={() t = Neg(x); -> (t)}; else_branch={() u = Neg(t); -> (u)}); -> (a)", HST_STATUS_BAD_FORMAT, {"'t'"}, 0, {0}},
    {"(x) m = Constant(; value_int=1); b = Cast(m; to=9); a = If(b; then_branch={() t = Neg(x); -> (t)}; else_branch={() t = Abs(x); -> (t)}); -> (a)", HST_STATUS_OK, {0}, -2, {0}},
    {"(x) m = Constant(; value_int=1); b = Cast(m; to=9); a = If(b; then_branch={() t = Neg(a); -> (t)}; else_branch={() -> (x)}); -> (a)", HST_STATUS_BAD_FORMAT, {"'a'"}, 0, {0}},
    {"(x) m = Constant(; value_int=1); b = Cast(m; to=9); a = If(b; then_branch={() t = Neg(x); -> (t)}); -> (a)", HST_STATUS_BAD_FORMAT, {"else_branch"}, 0, {0}},
    {"(x) m = Constant(; value_int=1); b = Cast(m; to=9); a = If(b; then_branch={() t = Neg(x); -> (t, x)}; else_branch={() -> (x)}); -> (a)", HST_STATUS_BAD_FORMAT, {"If", "2"}, 0, {0}},
    {"(x) m = Constant(; value_int=3); a = Loop(m, _, x; body={(m, s) t = Neg(s); -> (m, t)}); -> (a)", HST_STATUS_BAD_FORMAT, {"Loop", "2 inputs"}, 0, {0}},
    {"(x) a = Loop(_, _, x; body=4); -> (a)", HST_STATUS_BAD_FORMAT, {"Loop", "body"}, 0, {0}},
    /* functions: names within are their own; none without end */
    {"(x) t = Abs(x); a = f.G(t); c = Add(a, t); -> (c)", HST_STATUS_OK, {0}, 0, {"G (t) x = Neg(t); -> (x)"}},
    {"(x) a = f.G(x); b = f.G(a); c = Add(b, a); -> (c)", HST_STATUS_OK, {0}, 0, {"G (x) a = Add(x, x); b = Neg(a); c = Add(b, x); -> (c)"}},
    {"(x) a = f.G(x); -> (a)", HST_STATUS_BAD_FORMAT, {"G", "itself"}, 0, {"G (x) a = f.G(x); -> (a)"}},
    {"(x) a = f.G(x); -> (a)", HST_STATUS_BAD_FORMAT, {"itself"}, 0, {"G (x) a = f.H(x); -> (a)", "H (x) a = f.K(x); -> (a)", "K (x) a = f.G(x); -> (a)"}},
    {"(x) y = Neg(x); a = f.G(x); -> (a)", HST_STATUS_BAD_FORMAT, {"'y'"}, 0, {"G (x) a = Add(x, y); -> (a)"}},
    {"(x) a = f.G(x); -> (a)", HST_STATUS_BAD_FORMAT, {"cycle"}, 0, {"G (x) a = Add(x, b); b = Neg(a); -> (b)"}},
    {"(x) a = f.G(x, x); -> (a)", HST_STATUS_BAD_FORMAT, {"G", "inputs"}, 0, {"G (x) a = Neg(x); -> (a)"}},
    /* operators: unknown, of wrong arity, with attributes of another type or out of range */
    {"(x) a = Nag(x); -> (a)", HST_STATUS_UNSUPPORTED, {"Nag"}, 0, {0}},
    {"(x) a = f.G(x); -> (a)", HST_STATUS_UNSUPPORTED, {"G"}, 0, {0}},
    {"(x) a = Neg(x, x); -> (a)", HST_STATUS_BAD_FORMAT, {"Neg", "2 inputs"}, 0, {0}},
    {"(x) a, b = Neg(x); -> (a)", HST_STATUS_BAD_FORMAT, {"Neg", "2 outputs"}, 0, {0}},
    {"(x) a = Add(x); -> (a)", HST_STATUS_BAD_FORMAT, {"Add", "1 input"}, 0, {0}},
    {"(x) a = Concat(x, x; axis='0'); -> (a)", HST_STATUS_BAD_FORMAT, {"Concat", "axis"}, 0, {0}},
    {"(x) a = Concat(x, x; axis=0.0); -> (a)", HST_STATUS_BAD_FORMAT, {"Concat", "axis"}, 0, {0}},
    {"(x) a = Concat(x, x); -> (a)", HST_STATUS_BAD_FORMAT, {"Concat", "axis"}, 0, {0}},
    {"(x) a = Transpose(x; perm=0); -> (a)", HST_STATUS_BAD_FORMAT, {"Transpose", "perm"}, 0, {0}},
    {"(x) a = Transpose(x; perm=[0,0]); -> (a)", HST_STATUS_BAD_SHAPE, {"Transpose", "perm"}, 0, {0}},
    {"(x) a = Neg(x; k=1; k=2); -> (a)", HST_STATUS_BAD_FORMAT, {"k", "twice"}, 0, {0}},
    {"(x) a = Cast(x; to=99); -> (a)", HST_STATUS_BAD_FORMAT, {"Cast", "99"}, 0, {0}},
    {"(x) a = Constant(); -> (a)", HST_STATUS_BAD_FORMAT, {"Constant"}, 0, {0}},
    {"(x) s = Constant(; value_ints=[2,-3]); a = ConstantOfShape(s); -> (a)", HST_STATUS_BAD_SHAPE, {"ConstantOfShape", "-3"}, 0, {0}},
    {"(x) s = Constant(; value_ints=[4611686018427387904,4]); a = ConstantOfShape(s); -> (a)", HST_STATUS_BAD_SHAPE, {"ConstantOfShape"}, 0, {0}},
    {"(x) s = Constant(; value_ints=[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]); a = ConstantOfShape(s); -> (a)", HST_STATUS_UNSUPPORTED, {"ConstantOfShape", "17"}, 0, {0}},
    {"(x) s = Constant(; value_ints=[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]); a = Expand(x, s); -> (a)", HST_STATUS_BAD_SHAPE, {"Expand", "17"}, 0, {0}},
    {"(x) s = Constant(; value_ints=[-9223372036854775807]); a = Unsqueeze(x, s); -> (a)", HST_STATUS_BAD_SHAPE, {"Unsqueeze", "-9223372036854775807"}, 0, {0}},
    {"(x) s = Constant(; value_ints=[0,0]); z = ConstantOfShape(s); t = Transpose(z); p = MatMul(z, t); r = ReduceSum(p; keepdims=0); a = Add(x, r); -> (a)", HST_STATUS_OK, {0}, 2, {0}},
    {"(x) s = Constant(; value_ints=[0,0]); z = ConstantOfShape(s); a = ReduceMax(z; keepdims=0); -> (a)", HST_STATUS_OK, {0}, -INFINITY, {0}},
};
// clang-format on

static bytes_out *build(const attack *a) {
    bytes_out *o = fresh(), *g = fresh(), *opset = fresh();
    const char *t = a->graph;
    put_number(o, 1, 9);
    for (int i = 0; i < 2; i++) {
        put_bytes(opset, 1, "f", (size_t)i);
        put_number(opset, 2, i ? 1 : 18);
        put_bytes(o, 8, opset->data, opset->size);
        opset->size = 0;
    }
    free(opset);
    put_graph(g, &t);
    put_message(o, 7, g);
    for (int i = 0; i < 3 && a->functions[i]; i++) put_function(o, a->functions[i]);
    return o;
}

static hst_status load_and_run(const bytes_out *o, float *y, hst_error *err) {
    hst_model *m = NULL;
    hst_session *s = NULL;
    hst_tensor *x = NULL, *out = NULL;
    const float two = 2;
    hst_status status = hst_model_load_memory(o->data, o->size, NULL, &m, err);
    if (status == HST_STATUS_OK) status = hst_session_new(m, NULL, &s, err);
    if (status == HST_STATUS_OK) status = hst_tensor_new_copy(HST_DTYPE_F32, 0, NULL, &two, sizeof two, NULL, &x, err);
    const hst_tensor *in[] = {x};
    if (status == HST_STATUS_OK) status = hst_session_run(s, 1, NULL, in, 1, NULL, &out, NULL, err);
    if (out && hst_tensor_count(out) == 1) *y = *(const float *)hst_tensor_view(out);
    hst_tensor_free(out);
    hst_tensor_free(x);
    hst_session_free(s);
    hst_model_free(m);
    return status;
}

static void test_attacks(void **state) {
    (void)state;
    int wrong = 0;
    for (size_t i = 0; i < sizeof attacks / sizeof *attacks; i++) {
        const attack *a = &attacks[i];
        hst_error err = {0};
        float y = -77;
        bytes_out *o = build(a);
        hst_status status = load_and_run(o, &y, &err);
        bool right = status == a->status && (status != HST_STATUS_OK || y == a->want);
        for (int k = 0; k < 2 && a->words[k] && right; k++) right = strstr(err.message, a->words[k]) != NULL;
        if (!right) {
            print_error("%s\n  gives %s %g '%s'\n", a->graph, hst_status_name(status), (double)y, err.message);
            wrong++;
        }
        free(o);
    }
    assert_int_equal(wrong, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_attacks)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
