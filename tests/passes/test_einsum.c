/* Einsum of two f32 operands: the matrix product that the engine runs, and the MatMul that the pass makes of one with a
 * constant, have the bits of the reference, whatever the order of the axes. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#include "exec/session.h"
#include "passes/build.h"

static uint64_t seed;
static int pick(int n) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (int)((seed >> 33) % (uint64_t)n);
}

static hst_tensor *noise(int rank, const int64_t *dims) {
    hst_tensor *t;
    assert_int_equal(tensor_new(HST_DTYPE_F32, rank, dims, NULL, &t, NULL), HST_STATUS_OK);
    for (int64_t i = 0; i < tensor_count(t); i++) ((float *)t->data)[i] = (float)(pick(2001) - 1000) / 700;
    return t;
}

typedef struct problem {
    char term[3][HST_RANK_MAX + 1]; /* two operands and the result */
    int64_t length[128];            /* of each letter */
    int constant;                   /* the operand that is one; -1: none */
} problem;

static int dims_of(const problem *p, int t, int64_t *dims) {
    const int rank = (int)strlen(p->term[t]);
    for (int i = 0; i < rank; i++) dims[i] = p->length[(int)p->term[t][i]];
    return rank;
}

/* y = Einsum(a, b), b or a being held where it is constant. in: what the model is given. */
static model *make(const problem *p, hst_tensor *const operand[2], const hst_tensor *in[2], int *inputs) {
    char equation[3 * HST_RANK_MAX + 8];
    model *m = model_new(NULL);
    value *x[2], *y;
    assert_non_null(m);
    assert_int_equal(model_import_opset(m, "", 20, NULL), HST_STATUS_OK);
    snprintf(equation, sizeof equation, "%s,%s->%s", p->term[0], p->term[1], p->term[2]);
    *inputs = 0;
    for (int k = 0; k < 2; k++) {
        int64_t dims[HST_RANK_MAX];
        const int rank = dims_of(p, k, dims);
        if (k == p->constant) {
            hst_tensor *copy;
            assert_int_equal(tensor_new(HST_DTYPE_F32, rank, dims, NULL, &copy, NULL), HST_STATUS_OK);
            memcpy(copy->data, operand[k]->data, copy->bytes);
            x[k] = held(m, copy);
            continue;
        }
        x[k] = graph_add_value(m->main, k ? "b" : "a");
        for (int i = 0; i < rank; i++) /* a letter that only this operand has may be of any length */
            if (!strchr(p->term[!k], p->term[k][i])) dims[i] = dim_symbol(m, (char[]){p->term[k][i], 0});
        x[k]->type = type_make(HST_DTYPE_F32, rank, dims);
        assert_int_equal(graph_add_input(m->main, x[k], NULL), HST_STATUS_OK);
        in[(*inputs)++] = operand[k];
    }
    y = apply(m, "Einsum", x[0], x[1], NULL);
    assert_true(node_set_string(y->producer, "equation", equation));
    y->name = "y";
    assert_int_equal(graph_add_output(m->main, y, NULL), HST_STATUS_OK);
    hst_error err;
    if (ops_resolve(m->main, &err) != HST_STATUS_OK) fail_msg("%s: %s", equation, err.message);
    return m;
}

static hst_tensor *run(model *m, const hst_tensor *const *in, int inputs, int workers) {
    const char *const output[1] = {"y"};
    const char *names[2];
    hst_error err;
    hst_tensor *y = NULL;
    engine *e;
    session *s;
    for (int i = 0; i < inputs; i++) names[i] = m->main->inputs[i]->name;
    team_set_size(team_default(), workers);
    assert_int_equal(engine_compile(m, NULL, &e, &err), HST_STATUS_OK);
    assert_int_equal(session_new(e, NULL, &s, &err), HST_STATUS_OK);
    if (session_run(s, inputs, names, in, 1, output, &y, NULL, &err) != HST_STATUS_OK) fail_msg("%s", err.message);
    session_free(s);
    engine_free(e);
    team_set_size(team_default(), 0);
    return y;
}

static int count(const model *m, const char *op_type) {
    int n = 0;
    for (const node *x = m->main->first; x; x = x->next) n += strcmp(x->op_type, op_type) == 0;
    return n;
}

/* Whether nothing of the Einsum is left once the passes have run. */
static bool check(const problem *p) {
    hst_tensor *operand[2], *want = NULL, *got;
    const hst_tensor *in[2];
    int inputs;
    hst_error err;
    for (int k = 0; k < 2; k++) {
        int64_t dims[HST_RANK_MAX];
        const int rank = dims_of(p, k, dims);
        operand[k] = noise(rank, dims);
    }
    model *m = make(p, operand, in, &inputs);
    if (interp_run(m->main, in, &want, NULL, &err) != HST_STATUS_OK) fail_msg("%s", err.message);
    for (int stage = 0; stage < 2; stage++) {
        if (stage == 1) assert_int_equal(passes_run(m, 0, 1000, NULL, &err), HST_STATUS_OK);
        for (int workers = 1; workers <= 3; workers++) {
            got = run(m, in, inputs, workers);
            if (got->rank != want->rank || memcmp(got->dim, want->dim, (size_t)want->rank * sizeof *want->dim) ||
                memcmp(got->data, want->data, want->bytes))
                fail_msg("%s,%s->%s, constant %d: other bits %s, %d workers", p->term[0], p->term[1], p->term[2],
                         p->constant, stage ? "after the passes" : "in the engine", workers);
            tensor_free(got);
        }
    }
    const bool gone = count(m, "Einsum") == 0;
    tensor_free(want);
    for (int k = 0; k < 2; k++) tensor_free(operand[k]);
    model_free(m);
    return gone;
}

static void set(problem *p, const char *a, const char *b, const char *y, int constant) {
    memset(p, 0, sizeof *p);
    snprintf(p->term[0], sizeof p->term[0], "%s", a);
    snprintf(p->term[1], sizeof p->term[1], "%s", b);
    snprintf(p->term[2], sizeof p->term[2], "%s", y);
    for (int k = 0; k < 128; k++) p->length[k] = k % 3 + 2;
    p->constant = constant;
}

static void shuffle(char *text) {
    for (int i = (int)strlen(text) - 1; i > 0; i--) {
        const int k = pick(i + 1);
        const char c = text[i];
        text[i] = text[k], text[k] = c;
    }
}

static void any_order_of_axes(void **state) {
    (void)state;
    seed = 7;
    for (int round = 0; round < 400; round++) {
        static const char letters[] = "abcdefghij";
        problem p;
        set(&p, "", "", "", pick(3) - 1);
        for (int i = 0; i < 1 + pick(6); i++) {
            const char c[2] = {letters[i], 0};
            const int kind = pick(4); /* batch, row, column, summed */
            if (kind != 2) strcat(p.term[0], c);
            if (kind != 1) strcat(p.term[1], c);
            if (kind != 3) strcat(p.term[2], c);
            p.length[(int)c[0]] = pick(5) == 0 ? 1 : pick(4) == 0 ? 17 : 1 + pick(4);
        }
        for (int k = 0; k < 3; k++)
            if (pick(2)) shuffle(p.term[k]);
        check(&p);
    }
}

/* The projections of XLNet, of its output, of Funnel and T5X, and a score that no head shares. */
static void layers_become_products(void **state) {
    static const struct {
        const char *a, *b, *y;
        int constant;
        bool gone;
    } layers[] = {{"ibh", "hnd", "ibnd", 1, true},  {"ibnd", "hnd", "ibh", 1, true},  {"hnd", "ibh", "ibnd", 0, true},
                  {"td", "dnh", "tnh", 1, true},    {"bi", "oi", "bo", 1, true},      {"ibh", "h", "ib", 1, true},
                  {"ibh", "hnd", "bind", 1, false}, {"bnij", "nh", "bhij", 1, false}, {"ibh", "bh", "ibh", 1, false}};
    (void)state;
    for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) {
        problem p;
        set(&p, layers[i].a, layers[i].b, layers[i].y, layers[i].constant);
        if (check(&p) != layers[i].gone)
            fail_msg("%s,%s->%s: Einsum %s", layers[i].a, layers[i].b, layers[i].y, layers[i].gone ? "stays" : "went");
    }
}

/* A length of one operand that is 1 and repeats: no matrix product, and none is made of it. */
static void repeated_lengths_stay(void **state) {
    (void)state;
    problem p;
    set(&p, "ibh", "hnd", "ibnd", 1);
    hst_tensor *operand[2] = {noise(3, (int64_t[]){2, 3, 1}), noise(3, (int64_t[]){4, 2, 5})}, *want = NULL, *got;
    const hst_tensor *in[2];
    hst_error err;
    int inputs;
    p.length['i'] = 2, p.length['b'] = 3, p.length['h'] = 4, p.length['n'] = 2, p.length['d'] = 5;
    model *m = make(&p, operand, in, &inputs);
    m->main->inputs[0]->type.dim[2] = dim_symbol(m, "hidden");
    assert_int_equal(interp_run(m->main, in, &want, NULL, &err), HST_STATUS_OK);
    assert_int_equal(passes_run(m, 0, 1000, NULL, &err), HST_STATUS_OK);
    assert_int_equal(count(m, "Einsum"), 1);
    got = run(m, in, inputs, 2);
    assert_int_equal(got->bytes, want->bytes);
    assert_memory_equal(got->data, want->data, want->bytes);
    tensor_free(got);
    tensor_free(want);
    for (int k = 0; k < 2; k++) tensor_free(operand[k]);
    model_free(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(any_order_of_axes), cmocka_unit_test(layers_become_products),
                                       cmocka_unit_test(repeated_lengths_stay)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
