/* A stated memory budget bounds what a session really takes from its allocator, whatever its requests are: shapes that
 * only the data tell, subgraphs and strings beside temporaries, outputs that are kept and dropped, state. The allocator
 * counts; what hst_session_memory reports is held against it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "hasten.h"
#include "onnx/onnx.h"
#include "ops/case.h"

#define BUDGET ((uint64_t)2 << 20)
#define NOTES  ((uint64_t)64 << 10) /* the session's own: of nodes and of shapes seen, not of their lengths */
#define RUNS   400

typedef struct watched {
    size_t live, most;
} watched;

static void *watched_alloc(void *user, size_t size, size_t align) {
    watched *w = user;
    const size_t live = __atomic_add_fetch(&w->live, size, __ATOMIC_RELAXED);
    if (live > w->most) w->most = live;
    return memory_alloc(NULL, size, align);
}

static void watched_free(void *user, void *memory, size_t size) {
    watched *w = user;
    __atomic_sub_fetch(&w->live, size, __ATOMIC_RELAXED);
    memory_free(NULL, memory, size);
}

/* ---- the model ---- */

static value *add(graph *g, const char *op_type, value *a, value *b, const char *name) {
    value *in[2] = {a, b}, *y = graph_add_value(g, name);
    assert_true(a && y && graph_add_node(g, "", op_type, name, in, b ? 2 : 1, &y, 1));
    return y;
}

static value *input(model *m, const char *name, hst_dtype d, int rank) {
    value *v = graph_add_value(m->main, name);
    assert_non_null(v);
    v->type = (type){.dtype = d, .rank = rank};
    if (rank > 0) v->type.dim[0] = dim_symbol(m, name);
    assert_int_equal(graph_add_input(m->main, v, NULL), HST_STATUS_OK);
    return v;
}

enum { TRIPS, GO, START, SHAPE, WORD, PAST, ROW, INS }; /* the model's order */
enum { LOOPED, WIDE, SUM, WORDS, NEXT, OUTS };

/* shape s64[k] -> wide = Expand(1, shape) + 1, and a sum over temporaries of its size;
 * trips s64[] -> looped = 1 doubled in length `trips` times by a Loop, in a subgraph's memory;
 * word string[n] -> words = StringConcat(word, word), n strings; past f32[p,4] -> next = past and one row more. */
static hst_model *make_model(void) {
    static const char loop[] =
        "(s64[]{3}, b8[]{1}, f32[1]{1}; body=graph{(i, c, s) t = Concat(s, s; axis=0); -> (c, t)}) -> (f32[1]{0})";
    const op *o = op_find("", "Loop", CASE_OPSET);
    const op_case text = {.name = "loop", .text = loop};
    case_model c;
    hst_error err = {0};
    hst_model *out = NULL;
    void *data;
    size_t size;
    assert_non_null(o);
    if (case_parse(o, &text, &c, &err) != HST_STATUS_OK) fail_msg("%s", err.message);
    model *m = c.model;
    graph *g = m->main;
    g->outputs[0]->type.rank = -1;
    value *shape = input(m, "shape", HST_DTYPE_S64, 1), *word = input(m, "word", HST_DTYPE_STRING, 1);
    value *past = input(m, "past", HST_DTYPE_F32, 2), *row = input(m, "row", HST_DTYPE_F32, 2);
    past->type.dim[1] = row->type.dim[1] = 4;
    value *one = g->inputs[2], *wide = add(g, "Add", add(g, "Expand", one, shape, "e"), one, "wide");
    value *twice = add(g, "Mul", wide, add(g, "Sqrt", add(g, "Exp", wide, NULL, "x"), NULL, "r"), "twice");
    value *sum = add(g, "ReduceSum", twice, NULL, "sum"), *words = add(g, "StringConcat", word, word, "words");
    value *both[2] = {past, row}, *next = graph_add_value(g, "next");
    node *n = graph_add_node(g, "", "Concat", "next", both, 2, &next, 1);
    assert_true(n && node_set_int(n, "axis", 0));
    wide->type = sum->type = (type){.dtype = HST_DTYPE_F32, .rank = -1};
    next->type = (type){.dtype = HST_DTYPE_F32, .rank = -1};
    words->type = (type){.dtype = HST_DTYPE_STRING, .rank = -1};
    value *outs[] = {wide, sum, words, next};
    for (int i = 0; i < 4; i++) assert_int_equal(graph_add_output(g, outs[i], NULL), HST_STATUS_OK);
    if (onnx_write_memory(m, NULL, &data, &size, &err) != HST_STATUS_OK) fail_msg("%s", err.message);
    case_free(&c);
    if (hst_model_load_memory(data, size, NULL, &out, &err) != HST_STATUS_OK) fail_msg("%s", err.message);
    free(data);
    return out;
}

/* ---- a session that is watched ---- */

typedef struct fixture {
    hst_model *model;
    hst_session *session;
    watched w;
    hst_allocator allocator;
    bool state; /* "past" is one */
    int refused, done;
} fixture;

static void begin(fixture *f) {
    *f = (fixture){.model = make_model()};
    f->allocator = (hst_allocator){&f->w, watched_alloc, watched_free};
    hst_session_options o = HST_INIT(hst_session_options);
    hst_error err = {0};
    o.allocator = &f->allocator;
    o.memory_budget = BUDGET;
    if (hst_session_new(f->model, &o, &f->session, &err) != HST_STATUS_OK) fail_msg("%s", err.message);
}

static void end(fixture *f) {
    hst_session_free(f->session);
    assert_int_equal(f->w.live, 0);
    hst_model_free(f->model);
}

typedef struct request {
    int64_t rows, columns, trips, words, letters, past;
} request;

static hst_tensor *tensor(hst_dtype d, int rank, int64_t first, int64_t second) {
    hst_tensor *t;
    assert_int_equal(hst_tensor_new(d, rank, (int64_t[]){first, second}, NULL, &t, NULL), HST_STATUS_OK);
    return t;
}

static hst_tensor *strings(int64_t n, int64_t letters) {
    char *text = calloc(1, (size_t)letters + 1);
    hst_string *s = calloc((size_t)n + 1, sizeof *s);
    hst_tensor *t;
    assert_true(text && s);
    for (int64_t i = 0; i < n; i++) s[i] = (hst_string){text, (size_t)letters};
    assert_int_equal(hst_tensor_new_strings(1, &n, s, NULL, &t, NULL), HST_STATUS_OK);
    free(s);
    free(text);
    return t;
}

/* The session's own: what it took, less what the caller holds of earlier runs; no more of it than the budget. */
static void check_bound(fixture *f, uint64_t callers, const char *what) {
    uint64_t most, now = hst_session_memory(f->session, &most);
    if (f->w.most > BUDGET + NOTES + callers)
        fail_msg("%s: %zu bytes at most, of which %zu the caller's", what, f->w.most, (size_t)callers);
    if (now > BUDGET || most > BUDGET)
        fail_msg("%s: it tells of %zu bytes, %zu at most", what, (size_t)now, (size_t)most);
    if (f->w.most > most + NOTES + callers && f->w.most > BUDGET / 2)
        fail_msg("%s: %zu bytes at most, it tells of %zu", what, f->w.most, (size_t)most);
}

static hst_status ask(fixture *f, const request *r, hst_tensor **out) {
    hst_tensor *in[INS] = {tensor(HST_DTYPE_S64, 0, 0, 0), tensor(HST_DTYPE_B8, 0, 0, 0),
                           tensor(HST_DTYPE_F32, 1, 1, 0), tensor(HST_DTYPE_S64, 1, 2, 0),
                           strings(r->words, r->letters),  tensor(HST_DTYPE_F32, 2, r->past, 4),
                           tensor(HST_DTYPE_F32, 2, 1, 4)};
    const hst_tensor *given[INS];
    hst_error err = {0};
    *(int64_t *)hst_tensor_data(in[TRIPS]) = r->trips;
    *(bool *)hst_tensor_data(in[GO]) = true;
    *(float *)hst_tensor_data(in[START]) = 1;
    memcpy(hst_tensor_data(in[SHAPE]), (int64_t[]){r->rows, r->columns}, 2 * sizeof(int64_t));
    for (int i = 0; i < INS; i++) given[i] = in[i];
    if (f->state) given[PAST] = NULL;
    for (int i = 0; i < OUTS; i++) out[i] = NULL;
    const uint64_t callers = f->w.live - hst_session_memory(f->session, NULL);
    f->w.most = f->w.live;
    const hst_status status = hst_session_run(f->session, INS, NULL, given, OUTS, NULL, out, NULL, &err);
    if (status != HST_STATUS_OK && status != HST_STATUS_BUDGET) fail_msg("%s", err.message);
    f->refused += status == HST_STATUS_BUDGET;
    f->done += status == HST_STATUS_OK;
    check_bound(f, callers, status == HST_STATUS_OK ? "done" : "refused");
    for (int i = 0; i < INS; i++) hst_tensor_free(in[i]);
    return status;
}

static uint32_t random_below(uint64_t *seed, uint32_t n) {
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*seed >> 33) % n;
}

/* Lengths of all sizes: some requests are beyond the budget. */
static request random_request(uint64_t *seed) {
    request r = {.rows = 1 + (random_below(seed, 1600) >> random_below(seed, 6)),
                 .columns = 1 + (random_below(seed, 1200) >> random_below(seed, 6)),
                 .trips = random_below(seed, 2) ? 0 : random_below(seed, 19),
                 .words = random_below(seed, 4) ? 1 : random_below(seed, 300),
                 .letters = random_below(seed, 2000)};
    return r;
}

/* Results are dropped at once: all that is alive is the session's. */
static void test_shapes(void **state) {
    (void)state;
    fixture f;
    uint64_t seed = 1;
    begin(&f);
    for (int i = 0; i < RUNS; i++) {
        const request r = random_request(&seed);
        hst_tensor *out[OUTS];
        ask(&f, &r, out);
        for (int k = 0; k < OUTS; k++) hst_tensor_free(out[k]);
        check_bound(&f, 0, "dropped");
    }
    assert_true(f.refused > RUNS / 20 && f.done > RUNS / 2);
    assert_int_equal(hst_session_trim(f.session, NULL), HST_STATUS_OK);
    assert_int_equal(hst_session_memory(f.session, NULL), 0);
    assert_true(f.w.live < NOTES);
    end(&f);
}

#define KEPT 12

/* Results of many runs are kept and dropped in any order: what comes back to the session counts as its own again. */
static void test_kept_outputs(void **state) {
    (void)state;
    fixture f;
    uint64_t seed = 2;
    hst_tensor *kept[KEPT] = {0};
    begin(&f);
    for (int i = 0; i < RUNS; i++) {
        const request r = random_request(&seed);
        hst_tensor *out[OUTS];
        ask(&f, &r, out);
        for (int k = 0; k < OUTS; k++) {
            const uint32_t at = random_below(&seed, KEPT);
            hst_tensor_free(kept[at]);
            kept[at] = out[k];
        }
        if (random_below(&seed, 10) == 0)
            for (int k = 0; k < KEPT; k++) {
                hst_tensor_free(kept[k]);
                kept[k] = NULL;
            }
        uint64_t now = hst_session_memory(f.session, NULL);
        if (now > BUDGET) fail_msg("after run %d it holds %zu bytes", i, (size_t)now);
    }
    assert_true(f.refused > RUNS / 20 && f.done > RUNS / 2);
    for (int k = 0; k < KEPT; k++) hst_tensor_free(kept[k]);
    assert_true(hst_session_memory(f.session, NULL) <= BUDGET && f.w.live <= BUDGET + NOTES);
    end(&f);
}

/* State grows by a row a run, by many where rows are taken several times: its old and its new value lie side by side.
 */
static void test_state(void **state) {
    (void)state;
    fixture f;
    static int64_t index[1 << 20];
    hst_error err = {0};
    int refused = 0;
    begin(&f);
    f.state = true;
    assert_int_equal(hst_session_state_declare(f.session, "past", "next", NULL, &err), HST_STATUS_OK);
    const request r = {.rows = 1, .columns = 1, .words = 1, .letters = 1};
    hst_tensor *out[OUTS];
    for (size_t n = 1000; n < 1000000; n += n / 3) {
        hst_status status = ask(&f, &r, out);
        for (int k = 0; k < OUTS; k++) hst_tensor_free(out[k]);
        f.w.most = f.w.live;
        if (status == HST_STATUS_OK) status = hst_session_state_reorder(f.session, "past", 0, index, n, &err);
        assert_true(status == HST_STATUS_OK || status == HST_STATUS_BUDGET);
        check_bound(&f, 0, "reordered");
        refused += status == HST_STATUS_BUDGET;
    }
    assert_true(refused > 3 && f.done > 5);
    assert_true(hst_session_memory(f.session, NULL) > BUDGET / 8); /* the state is in it */
    assert_int_equal(hst_session_state_reset(f.session, NULL, &err), HST_STATUS_OK);
    assert_int_equal(hst_session_trim(f.session, NULL), HST_STATUS_OK);
    assert_int_equal(hst_session_memory(f.session, NULL), 0);
    assert_int_equal(ask(&f, &r, out), HST_STATUS_OK);
    for (int k = 0; k < OUTS; k++) hst_tensor_free(out[k]);
    end(&f);
}

/* What an earlier, larger request has left is no reason to refuse for ever. */
static void test_refused_once(void **state) {
    (void)state;
    fixture f;
    hst_tensor *out[OUTS];
    const request wide = {.rows = 350, .columns = 350, .words = 1, .letters = 1};
    const request looped = {.rows = 1, .columns = 1, .trips = 16, .words = 1, .letters = 1};
    for (int first = 0; first < 3; first++) {
        begin(&f);
        for (int i = 0; i < first; i++) {
            ask(&f, &wide, out);
            for (int k = 0; k < OUTS; k++) hst_tensor_free(out[k]);
        }
        hst_status status = HST_STATUS_BUDGET;
        for (int i = 0; i < 2 && status == HST_STATUS_BUDGET; i++) {
            status = ask(&f, &looped, out);
            for (int k = 0; k < OUTS; k++) hst_tensor_free(out[k]);
        }
        assert_int_equal(status, HST_STATUS_OK);
        end(&f);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_shapes), cmocka_unit_test(test_kept_outputs),
                                       cmocka_unit_test(test_state), cmocka_unit_test(test_refused_once)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
