/* Many threads on one model, for the thread sanitizer: each opens and closes sessions and runs changing shapes within a
 * narrow budget, while other threads free its outputs, also when the session is gone, cancel its runs and change the
 * size of the team. Whatever comes out has the bits that it has alone. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "api/toy_model.h"

#define MODEL HASTEN_SOURCE_DIR "/tests/arch/data/distilbert_sequence_classification"

enum { WORKERS = 3, SESSIONS = 12, RUNS = 8, SHAPES = 3, IN = 3, OUT = 5, QUEUE = 64 };

typedef struct job {
    hst_model *model;
    size_t n_in, n_out;
    const char *in_names[IN];
    hst_tensor *in[SHAPES][IN], *expected[SHAPES][OUT];
    uint64_t budget; /* 0: the default */
} job;

/* Outputs that wait for the thread that frees them. */
static struct {
    pthread_mutex_t lock;
    hst_tensor *t[QUEUE];
    size_t n;
    bool ended;
} queue = {.lock = PTHREAD_MUTEX_INITIALIZER};

typedef struct worker {
    const job *job;
    int number, cancel, done; /* cancel: atomic; done: runs that went well */
    const char *wrong;
} worker;

static void enqueue(hst_tensor *t, size_t at) {
    pthread_mutex_lock(&queue.lock);
    hst_tensor *out = t;
    if (queue.n < QUEUE) {
        queue.t[queue.n++] = t;
        out = NULL;
    } else { /* in the place of another one */
        out = queue.t[at % QUEUE];
        queue.t[at % QUEUE] = t;
    }
    pthread_mutex_unlock(&queue.lock);
    hst_tensor_free(out);
}

static void *drop_outputs(void *arg) {
    (void)arg;
    for (bool more = true; more;) {
        pthread_mutex_lock(&queue.lock);
        hst_tensor *t = queue.n ? queue.t[--queue.n] : NULL;
        more = t || !queue.ended;
        pthread_mutex_unlock(&queue.lock);
        hst_tensor_free(t);
        if (!t) usleep(50);
    }
    return NULL;
}

static void *disturb(void *arg) {
    worker *w = arg;
    for (unsigned i = 0;; i++) {
        pthread_mutex_lock(&queue.lock);
        const bool ended = queue.ended;
        pthread_mutex_unlock(&queue.lock);
        if (ended) break;
        hst_cancel(&w[i % WORKERS].cancel);
        if (i % 16 == 0) hst_threads_set((int)(i / 16 % 4));
        usleep(i % 7 * 40);
    }
    hst_threads_set(0);
    return NULL;
}

static bool equal(const hst_tensor *a, const hst_tensor *b) {
    if (hst_tensor_dtype(a) != hst_tensor_dtype(b) || hst_tensor_bytes(a) != hst_tensor_bytes(b)) return false;
    if (hst_tensor_dtype(a) != HST_DTYPE_STRING)
        return !memcmp(hst_tensor_view(a), hst_tensor_view(b), hst_tensor_bytes(a));
    const hst_string *x = hst_tensor_view(a), *y = hst_tensor_view(b);
    for (int64_t i = 0; i < hst_tensor_count(a); i++)
        if (x[i].size != y[i].size || memcmp(x[i].data, y[i].data, x[i].size) != 0) return false;
    return true;
}

static void run_once(worker *w, hst_session *s, int shape, size_t at) {
    const job *j = w->job;
    hst_tensor *out[OUT] = {0};
    hst_error err;
    hst_run_options o = HST_INIT(hst_run_options);
    o.cancel = &w->cancel;
    if (at % 3) __atomic_store_n(&w->cancel, 0, __ATOMIC_RELAXED);
    const hst_status status = hst_session_run(s, j->n_in, j->in_names, (const hst_tensor *const *)j->in[shape],
                                              j->n_out, NULL, out, &o, &err);
    if (status != HST_STATUS_OK) {
        if (status != HST_STATUS_CANCELLED && status != HST_STATUS_BUDGET) w->wrong = hst_status_name(status);
        return;
    }
    w->done++;
    for (size_t i = 0; i < j->n_out; i++) {
        if (!equal(out[i], j->expected[shape][i])) w->wrong = "other outputs than alone";
        enqueue(out[i], at);
    }
}

static void *work(void *arg) {
    worker *w = arg;
    for (int k = 0; k < SESSIONS && !w->wrong; k++) {
        hst_session *s = NULL;
        hst_error err;
        hst_session_options o = HST_INIT(hst_session_options);
        o.memory_budget = k % 2 ? w->job->budget : 0;
        o.threads = k % 3;
        if (hst_session_new(w->job->model, &o, &s, &err) != HST_STATUS_OK) w->wrong = "no session";
        for (int i = 0; i < RUNS && s; i++) run_once(w, s, (k + i + w->number) % SHAPES, (size_t)(k * RUNS + i));
        if (s && k % 4 == 0 && hst_session_trim(s, &err) != HST_STATUS_OK) w->wrong = "no trim";
        hst_session_free(s);
    }
    return NULL;
}

/* Alone, before and so that the budget is known to be enough. */
static void expect(job *j) {
    hst_session *s;
    hst_error err;
    hst_session_options o = HST_INIT(hst_session_options);
    o.memory_budget = j->budget;
    for (int shape = 0; shape < SHAPES; shape++) {
        assert_int_equal(hst_session_new(j->model, &o, &s, &err), HST_STATUS_OK);
        if (hst_session_run(s, j->n_in, j->in_names, (const hst_tensor *const *)j->in[shape], j->n_out, NULL,
                            j->expected[shape], NULL, &err) != HST_STATUS_OK)
            fail_msg("%s", err.message);
        hst_session_free(s);
    }
}

static void stress(job *j) {
    worker w[WORKERS] = {{0}};
    pthread_t workers[WORKERS], dropper, disturber;
    expect(j);
    queue.ended = false;
    assert_int_equal(pthread_create(&dropper, NULL, drop_outputs, NULL), 0);
    for (int i = 0; i < WORKERS; i++) {
        w[i] = (worker){.job = j, .number = i};
        assert_int_equal(pthread_create(&workers[i], NULL, work, &w[i]), 0);
    }
    assert_int_equal(pthread_create(&disturber, NULL, disturb, w), 0);
    for (int i = 0; i < WORKERS; i++) pthread_join(workers[i], NULL);
    pthread_mutex_lock(&queue.lock);
    queue.ended = true;
    pthread_mutex_unlock(&queue.lock);
    hst_model_free(j->model); /* outputs may outlive the model, too */
    pthread_join(disturber, NULL);
    pthread_join(dropper, NULL);
    for (int i = 0; i < WORKERS; i++) {
        if (w[i].wrong) fail_msg("thread %d: %s", i, w[i].wrong);
        assert_true(w[i].done > 0);
    }
    for (int shape = 0; shape < SHAPES; shape++) {
        for (size_t i = 0; i < j->n_in; i++) hst_tensor_free(j->in[shape][i]);
        for (size_t i = 0; i < j->n_out; i++) hst_tensor_free(j->expected[shape][i]);
    }
}

static hst_tensor *whole_numbers(hst_dtype dtype, int rank, const int64_t *dims, int64_t below) {
    hst_tensor *wide = NULL, *t = NULL;
    hst_tensor_new(HST_DTYPE_S64, rank, dims, NULL, &wide, NULL);
    for (int64_t i = 0; i < hst_tensor_count(wide); i++) ((int64_t *)hst_tensor_data(wide))[i] = 1 + i * 5 % below;
    assert_int_equal(hst_tensor_convert(wide, dtype, &t, NULL), HST_STATUS_OK);
    hst_tensor_free(wide);
    return t;
}

/* An encoder: its matrix products share the team. */
static void test_encoder(void **state) {
    (void)state;
    job j = {.n_in = 2, .n_out = 1, .in_names = {"input_ids", "attention_mask"}, .budget = 1 << 18};
    hst_error err;
    if (hst_model_load(MODEL, NULL, &j.model, &err) != HST_STATUS_OK) fail_msg("%s", err.message);
    for (int shape = 0; shape < SHAPES; shape++) {
        const int64_t dims[] = {1 + 2 * shape, 3 + 4 * shape};
        j.in[shape][0] = whole_numbers(HST_DTYPE_S64, 2, dims, 17);
        j.in[shape][1] = whole_numbers(HST_DTYPE_S64, 2, dims, 1);
    }
    stress(&j);
}

/* Strings and lengths that depend on data: what the budget's meter counts, and has relieved. */
static void test_strings(void **state) {
    (void)state;
    job j = {.n_in = 3, .n_out = 5, .in_names = {"x", "ids", "words"}, .budget = 20000};
    hst_error err;
    loaded source = {.model = toy_model(NULL), .format = "toy"};
    const hst_model_options o = HST_INIT(hst_model_options);
    assert_non_null(source.model);
    assert_int_equal(model_finish(&source, NULL, 0, &o, &j.model, &err), HST_STATUS_OK);
    for (int shape = 0; shape < SHAPES; shape++) {
        const int64_t x[] = {8 << shape, 4}, k[] = {2 + shape};
        const hst_string words[] = {{"one", 3}, {"", 0}, {"twenty-three", 12}, {"4", 1}};
        j.in[shape][0] = whole_numbers(HST_DTYPE_F32, 2, x, 40);
        j.in[shape][1] = whole_numbers(HST_DTYPE_S64, 1, k, 9);
        hst_tensor_new_strings(1, k, words, NULL, &j.in[shape][2], NULL);
        ((int64_t *)hst_tensor_data(j.in[shape][1]))[0] = 300 * (shape + 1);
    }
    stress(&j);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_encoder), cmocka_unit_test(test_strings)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
