/* Sessions and threads: shared models, BUSY, cancel, deadline, profile, progress. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#include "api/toy_model.h"

static hst_model *open_model(model *m, const hst_operator *operator) {
    hst_model_options o = HST_INIT(hst_model_options);
    const hst_operator *list[] = {operator};
    loaded source = {.model = m, .format = "toy"};
    hst_model *out = NULL;
    hst_error err = {0};
    o.operators = list;
    o.operator_count = operator? 1 : 0;
    assert_non_null(m);
    assert_int_equal(model_finish(&source, NULL, 0, &o, &out, &err), HST_STATUS_OK);
    return out;
}

static const char *const toy_in[] = {"x", "ids", "words"};
static const char *const toy_out[] = {"y", "t"};

typedef struct toy_inputs {
    hst_tensor *t[3];
} toy_inputs;

static toy_inputs make_inputs(int64_t n) {
    toy_inputs in;
    int64_t x[] = {n, 4}, k[] = {1};
    hst_string word[] = {{"w", 1}};
    hst_tensor_new(HST_DTYPE_F32, 2, x, NULL, &in.t[0], NULL);
    hst_tensor_new(HST_DTYPE_S64, 1, k, NULL, &in.t[1], NULL);
    hst_tensor_new_strings(1, k, word, NULL, &in.t[2], NULL);
    for (int64_t i = 0; i < 4 * n; i++) ((float *)hst_tensor_data(in.t[0]))[i] = 1.0f / (float)(i + 1);
    return in;
}

static void free_inputs(toy_inputs *in) {
    for (int i = 0; i < 3; i++) hst_tensor_free(in->t[i]);
}

typedef struct seen {
    int events, calls;
    bool wrong;
    size_t done, total;
    uint64_t bytes;
} seen;

static void on_profile(void *user, const hst_profile_event *e) {
    seen *s = user;
    s->wrong |= e->end_ns < e->begin_ns || e->step != (size_t)s->events || e->steps != 8 || strcmp(e->domain, "toy");
    s->bytes += e->output_bytes;
    s->events++;
}

static void on_progress(void *user, size_t done, size_t total) {
    seen *s = user;
    s->calls++;
    s->done = done;
    s->total = total;
}

static void test_profile(void **state) {
    (void)state;
    hst_model *m = open_model(toy_model(NULL), NULL);
    hst_session *s;
    hst_error err;
    seen seen = {0};
    toy_inputs in = make_inputs(2);
    hst_tensor *out[5] = {0};
    hst_run_options o = HST_INIT(hst_run_options);
    o.profile = on_profile;
    o.progress = on_progress;
    o.profile_user = o.progress_user = &seen;
    assert_int_equal(hst_session_new(m, NULL, &s, &err), HST_STATUS_OK);
    assert_int_equal(hst_session_run(s, 3, toy_in, (const hst_tensor *const *)in.t, 5, NULL, out, &o, &err), 0);
    assert_true(seen.events == 8 && seen.calls == 8 && seen.done == 8 && seen.total == 8 && !seen.wrong);
    assert_int_equal(seen.bytes, 5 * 32 + 8 + 2 * sizeof(hst_string));
    for (int i = 0; i < 5; i++) hst_tensor_free(out[i]);
    free_inputs(&in);
    hst_session_free(s);
    hst_model_free(m);
}

/* Only what is asked for is computed. */
static void test_part(void **state) {
    (void)state;
    hst_model *m = open_model(toy_model(NULL), NULL);
    hst_session *s;
    hst_error err;
    seen seen = {0};
    toy_inputs in = make_inputs(2);
    hst_run_options o = HST_INIT(hst_run_options);
    o.progress = on_progress;
    o.progress_user = &seen;
    ((int64_t *)hst_tensor_data(in.t[1]))[0] = -5; /* output d could not be computed from this */
    assert_int_equal(hst_session_new(m, NULL, &s, &err), HST_STATUS_OK);
    for (int i = 0; i < 3; i++) {
        hst_tensor *out[5] = {0};
        assert_int_equal(hst_session_run(s, 3, toy_in, (const hst_tensor *const *)in.t, 2, toy_out, out, &o, &err), 0);
        assert_int_equal(((const int64_t *)hst_tensor_view(out[1]))[0], -5);
        for (int k = 0; k < 2; k++) hst_tensor_free(out[k]);
        memset(out, 0, sizeof out);
        assert_int_equal(hst_session_run(s, 3, toy_in, (const hst_tensor *const *)in.t, 5, NULL, out, &o, &err),
                         HST_STATUS_BAD_SHAPE);
    }
    free_inputs(&in);
    hst_session_free(s);
    hst_model_free(m);
}

typedef struct worker {
    hst_model *model;
    float y[32];
    hst_status status;
} worker;

static void *work(void *arg) {
    worker *w = arg;
    hst_session *s = NULL;
    hst_error err;
    toy_inputs in = make_inputs(8);
    w->status = hst_session_new(w->model, NULL, &s, &err);
    for (int i = 0; i < 200 && w->status == HST_STATUS_OK; i++) {
        hst_tensor *out[2] = {0};
        w->status = hst_session_run(s, 3, toy_in, (const hst_tensor *const *)in.t, 2, toy_out, out, NULL, &err);
        if (w->status != HST_STATUS_OK) break;
        memcpy(w->y, hst_tensor_view(out[0]), sizeof w->y);
        for (int k = 0; k < 2; k++) hst_tensor_free(out[k]);
    }
    hst_session_free(s);
    free_inputs(&in);
    return NULL;
}

static void test_threads(void **state) {
    (void)state;
    hst_model *m = open_model(toy_model(NULL), NULL);
    worker w[2] = {{.model = m}, {.model = m}};
    pthread_t t[2];
    for (int i = 0; i < 2; i++) assert_int_equal(pthread_create(&t[i], NULL, work, &w[i]), 0);
    for (int i = 0; i < 2; i++) pthread_join(t[i], NULL);
    assert_true(w[0].status == HST_STATUS_OK && w[1].status == HST_STATUS_OK);
    assert_memory_equal(w[0].y, w[1].y, sizeof w[0].y);
    assert_true(w[0].y[0] == 4);
    hst_model_free(m);
}

/* A handle is dropped by another thread than the run's, also after the session. */
static void *drop(void *arg) {
    hst_tensor_free(arg);
    return NULL;
}

static void test_outputs_across_threads(void **state) {
    (void)state;
    hst_model *m = open_model(toy_model(NULL), NULL);
    hst_session *s;
    hst_error err;
    toy_inputs in = make_inputs(8);
    pthread_t t[20];
    assert_int_equal(hst_session_new(m, NULL, &s, &err), HST_STATUS_OK);
    for (int i = 0; i < 20; i++) {
        hst_tensor *out[2] = {0};
        assert_int_equal(hst_session_run(s, 3, toy_in, (const hst_tensor *const *)in.t, 2, toy_out, out, NULL, &err),
                         0);
        if (i == 19) hst_session_free(s);
        assert_int_equal(pthread_create(&t[i], NULL, drop, out[0]), 0);
        hst_tensor_free(out[1]);
    }
    for (int i = 0; i < 20; i++) pthread_join(t[i], NULL);
    free_inputs(&in);
    hst_model_free(m);
}

/* A second thread meets a session that runs: an operator waits until it has been refused. */
typedef struct gate {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int inside, open; /* under lock */
    hst_session *session;
    hst_tensor *x;
    int cancel;
    hst_status refused, trimmed;
} gate;

static hst_status gate_run(void *user, hst_operator_context *c, hst_error *err) {
    gate *g = user;
    hst_tensor *y;
    const hst_tensor *x = hst_operator_input(c, 0);
    pthread_mutex_lock(&g->lock);
    g->inside = 1;
    pthread_cond_broadcast(&g->changed);
    while (!g->open) pthread_cond_wait(&g->changed, &g->lock);
    pthread_mutex_unlock(&g->lock);
    hst_status status = hst_operator_check(c, err);
    if (status != HST_STATUS_OK) return status;
    return hst_operator_output(c, 0, HST_DTYPE_F32, 2, hst_tensor_dims(x), &y, err);
}

static void *intrude(void *arg) {
    gate *g = arg;
    hst_tensor *y = NULL;
    const hst_tensor *in[] = {g->x};
    pthread_mutex_lock(&g->lock);
    while (!g->inside) pthread_cond_wait(&g->changed, &g->lock);
    pthread_mutex_unlock(&g->lock);
    g->refused = hst_session_run(g->session, 1, x_name, in, 1, y_name, &y, NULL, NULL);
    g->trimmed = hst_session_trim(g->session, NULL);
    hst_cancel(&g->cancel); /* from another thread than the run's */
    pthread_mutex_lock(&g->lock);
    g->open = 1;
    pthread_cond_broadcast(&g->changed);
    pthread_mutex_unlock(&g->lock);
    return NULL;
}

static void test_busy_and_cancel(void **state) {
    (void)state;
    gate g = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    scaler unused = {0};
    hst_operator op_gate = scale_operator(&unused);
    op_gate.user = &g;
    op_gate.run = gate_run;
    op_gate.infer = NULL;
    hst_model *m = open_model(scale_model(NULL), &op_gate);
    hst_error err;
    int64_t dims[] = {1, 2};
    hst_run_options ro = HST_INIT(hst_run_options);
    hst_tensor *y = NULL;
    pthread_t t;
    assert_int_equal(hst_session_new(m, NULL, &g.session, &err), HST_STATUS_OK);
    assert_int_equal(hst_tensor_new(HST_DTYPE_F32, 2, dims, NULL, &g.x, &err), HST_STATUS_OK);
    const hst_tensor *in[] = {g.x};
    ro.cancel = &g.cancel;
    assert_int_equal(pthread_create(&t, NULL, intrude, &g), 0);
    assert_int_equal(hst_session_run(g.session, 1, x_name, in, 1, y_name, &y, &ro, &err), HST_STATUS_CANCELLED);
    pthread_join(t, NULL);
    assert_int_equal(g.refused, HST_STATUS_BUSY);
    assert_int_equal(g.trimmed, HST_STATUS_BUSY);
    ro = HST_INIT(hst_run_options);
    ro.deadline_ns = hst_clock_ns() + 3600u * (uint64_t)1000000000;
    assert_int_equal(hst_session_run(g.session, 1, x_name, in, 1, y_name, &y, &ro, &err), HST_STATUS_OK);
    hst_tensor_free(y);
    y = NULL;
    ro.deadline_ns = 1;
    assert_int_equal(hst_session_run(g.session, 1, x_name, in, 1, y_name, &y, &ro, &err), HST_STATUS_DEADLINE);
    ro = HST_INIT(hst_run_options);
    ro.memory_budget = 1;
    assert_int_equal(hst_session_run(g.session, 1, x_name, in, 1, y_name, &y, &ro, &err), HST_STATUS_BUDGET);
    assert_null(y);
    hst_tensor_free(g.x);
    hst_session_free(g.session);
    hst_model_free(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_profile),         cmocka_unit_test(test_part),
        cmocka_unit_test(test_threads),         cmocka_unit_test(test_outputs_across_threads),
        cmocka_unit_test(test_busy_and_cancel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
