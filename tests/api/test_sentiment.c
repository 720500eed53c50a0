/* The embedded model through the public interface: optimised and not, no allocation in a run for shapes seen, the same
 * bits in two threads and for any number of them, every n-th allocation failing. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "counting.h"

#define MODEL HASTEN_SOURCE_DIR "/models/sentiment"

/* What the C library is asked for, beside the allocators of the interface. Sanitizers bring their own malloc. */
static long mallocs; /* atomic */
#if defined(__GLIBC__) && !defined(HASTEN_SANITIZE_ADDRESS) && !defined(HASTEN_SANITIZE_THREAD)
#define COUNTS_MALLOC 1
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t size);
extern void *__libc_memalign(size_t align, size_t size);
void *malloc(size_t size) {
    __atomic_add_fetch(&mallocs, 1, __ATOMIC_RELAXED);
    return __libc_malloc(size);
}
void *calloc(size_t n, size_t size) {
    __atomic_add_fetch(&mallocs, 1, __ATOMIC_RELAXED);
    return __libc_calloc(n, size);
}
void *realloc(void *p, size_t size) {
    __atomic_add_fetch(&mallocs, 1, __ATOMIC_RELAXED);
    return __libc_realloc(p, size);
}
int posix_memalign(void **p, size_t align, size_t size) {
    __atomic_add_fetch(&mallocs, 1, __ATOMIC_RELAXED);
    *p = __libc_memalign(align, size);
    return *p ? 0 : 12;
}
#else
#define COUNTS_MALLOC 0
#endif

static const char *const in_names[] = {"input_ids", "attention_mask"};

typedef struct batch {
    hst_tensor *in[2];
} batch;

/* Rows of different lengths, padded on the right. */
static batch make_batch(int64_t rows, int64_t length) {
    batch b;
    int64_t dims[] = {rows, length};
    for (int i = 0; i < 2; i++) assert_int_equal(hst_tensor_new(HST_DTYPE_S64, 2, dims, NULL, &b.in[i], NULL), 0);
    int64_t *ids = hst_tensor_data(b.in[0]), *mask = hst_tensor_data(b.in[1]);
    for (int64_t r = 0; r < rows; r++)
        for (int64_t k = 0; k < length - r; k++) {
            ids[r * length + k] = 1000 + (r * 31 + k * 7919) % 10000;
            mask[r * length + k] = 1;
        }
    return b;
}

static void free_batch(batch *b) {
    for (int i = 0; i < 2; i++) hst_tensor_free(b->in[i]);
}

static hst_model *open_model(const hst_allocator *a, int optimization, hst_quantization quantization) {
    hst_model_options o = HST_INIT(hst_model_options);
    hst_model *m = NULL;
    hst_error err = {0};
    o.allocator = a;
    o.optimization = optimization;
    o.quantization = quantization;
    assert_int_equal(hst_model_load(MODEL, &o, &m, &err), HST_STATUS_OK);
    return m;
}

static hst_status run(hst_session *s, const batch *b, float *logits, size_t n, hst_error *err) {
    hst_tensor *out = NULL;
    hst_status status = hst_session_run(s, 2, in_names, (const hst_tensor *const *)b->in, 1, NULL, &out, NULL, err);
    if (status == HST_STATUS_OK) memcpy(logits, hst_tensor_view(out), n * sizeof *logits);
    hst_tensor_free(out);
    return status;
}

static void test_levels(void **state) {
    (void)state;
    float logits[3][6];
    batch b = make_batch(3, 12);
    for (int level = 1; level <= 3; level++) {
        hst_model *m = open_model(NULL, level, HST_QUANTIZATION_NONE);
        hst_session *s;
        hst_error err = {0};
        assert_int_equal(hst_session_new(m, NULL, &s, &err), HST_STATUS_OK);
        for (int i = 0; i < 2; i++) assert_int_equal(run(s, &b, logits[level - 1], 6, &err), HST_STATUS_OK);
        hst_session_free(s);
        hst_model_free(m);
    }
    assert_memory_equal(logits[0], logits[1], sizeof logits[0]); /* exact passes */
    for (int i = 0; i < 6; i++) {
        float d = logits[0][i] - logits[2][i];
        assert_true(d < 1e-5f && d > -1e-5f);
    }
    free_batch(&b);
}

static void check_no_allocation(hst_quantization q) {
    hst_model *m = open_model(NULL, 0, q);
    hst_session *s;
    hst_error err = {0};
    float logits[6];
    batch b[2] = {make_batch(3, 20), make_batch(1, 7)};
    assert_int_equal(hst_session_new(m, NULL, &s, &err), HST_STATUS_OK);
    for (int i = 0; i < 6; i++) {
        if (i == 2) mallocs = 0;
        assert_int_equal(run(s, &b[i % 2], logits, i % 2 ? 2 : 6, &err), HST_STATUS_OK);
    }
    if (COUNTS_MALLOC) assert_int_equal(mallocs, 0);
    for (int i = 0; i < 2; i++) free_batch(&b[i]);
    hst_session_free(s);
    hst_model_free(m);
}

static void test_no_allocation(void **state) {
    (void)state;
    check_no_allocation(HST_QUANTIZATION_NONE);
    check_no_allocation(HST_QUANTIZATION_INT8);
}

/* On 8-bit integers: near the answers in f32, the same bits alone and in a batch with padding. */
static void test_int8(void **state) {
    (void)state;
    float alone[2], logits[2][6];
    batch b = make_batch(3, 20), one = make_batch(1, 20);
    hst_error err = {0};
    for (int q = 0; q < 2; q++) {
        hst_model *m = open_model(NULL, 0, (hst_quantization)q);
        hst_session *s;
        assert_int_equal(hst_session_new(m, NULL, &s, &err), HST_STATUS_OK);
        assert_int_equal(run(s, &b, logits[q], 6, &err), HST_STATUS_OK);
        assert_int_equal(run(s, &one, alone, 2, &err), HST_STATUS_OK);
        assert_memory_equal(alone, logits[q], sizeof alone);
        hst_session_free(s);
        hst_model_free(m);
    }
    float most = 0;
    for (int i = 0; i < 6; i++) {
        const float d = logits[0][i] > logits[1][i] ? logits[0][i] - logits[1][i] : logits[1][i] - logits[0][i];
        most = d > most ? d : most;
    }
    assert_true(most > 0 && most < 0.3f);
    free_batch(&b);
    free_batch(&one);
    hst_model_options o = HST_INIT(hst_model_options);
    hst_model *m = NULL;
    o.quantization = HST_QUANTIZATION_INT8;
    o.optimization = 2;
    assert_int_equal(hst_model_load(MODEL, &o, &m, &err), HST_STATUS_INVALID_ARGUMENT);
    o.optimization = 0;
    o.quantization = (hst_quantization)9;
    assert_int_equal(hst_model_load(MODEL, &o, &m, &err), HST_STATUS_INVALID_ARGUMENT);
}

/* Weights in half the width: the same bits where they are f16 by birth, as this model's are; near with bf16. Whatever the
 * batch. */
static void test_half_weights(void **state) {
    (void)state;
    static const hst_dtype stored[3] = {HST_DTYPE_F32, HST_DTYPE_F16, HST_DTYPE_BF16};
    float alone[2], logits[3][6];
    batch b = make_batch(3, 20), one = make_batch(1, 20);
    hst_error err = {0};
    for (int i = 0; i < 3; i++) {
        hst_model_options o = HST_INIT(hst_model_options);
        hst_model *m;
        hst_session *s;
        o.weights = stored[i];
        assert_int_equal(hst_model_load(MODEL, &o, &m, &err), HST_STATUS_OK);
        assert_int_equal(hst_session_new(m, NULL, &s, &err), HST_STATUS_OK);
        assert_int_equal(run(s, &b, logits[i], 6, &err), HST_STATUS_OK);
        assert_int_equal(run(s, &one, alone, 2, &err), HST_STATUS_OK);
        assert_memory_equal(alone, logits[i], sizeof alone);
        hst_session_free(s);
        hst_model_free(m);
    }
    assert_memory_equal(logits[0], logits[1], sizeof logits[0]);
    float most = 0;
    for (int i = 0; i < 6; i++) {
        const float d = logits[0][i] > logits[2][i] ? logits[0][i] - logits[2][i] : logits[2][i] - logits[0][i];
        most = d > most ? d : most;
    }
    assert_true(most > 0 && most < 0.1f);
    free_batch(&b);
    free_batch(&one);
    hst_model_options o = HST_INIT(hst_model_options);
    hst_model *m = NULL;
    o.weights = HST_DTYPE_F16;
    o.optimization = 1;
    assert_int_equal(hst_model_load(MODEL, &o, &m, &err), HST_STATUS_INVALID_ARGUMENT);
    o.optimization = 0;
    o.weights = HST_DTYPE_F64;
    assert_int_equal(hst_model_load(MODEL, &o, &m, &err), HST_STATUS_INVALID_ARGUMENT);
}

typedef struct worker {
    hst_model *model;
    int threads;
    float logits[6];
    hst_status status;
} worker;

static void *work(void *arg) {
    worker *w = arg;
    hst_session_options o = HST_INIT(hst_session_options);
    hst_session *s = NULL;
    hst_error err;
    batch b = make_batch(3, 30);
    o.threads = w->threads;
    w->status = hst_session_new(w->model, &o, &s, &err);
    for (int i = 0; i < 5 && w->status == HST_STATUS_OK; i++) w->status = run(s, &b, w->logits, 6, &err);
    hst_session_free(s);
    free_batch(&b);
    return NULL;
}

static void test_threads(void **state) {
    (void)state;
    hst_model *m = open_model(NULL, 0, HST_QUANTIZATION_NONE);
    worker w[3] = {{.model = m}, {.model = m}, {.model = m, .threads = 1}};
    pthread_t t[2];
    for (int i = 0; i < 2; i++) assert_int_equal(pthread_create(&t[i], NULL, work, &w[i]), 0);
    for (int i = 0; i < 2; i++) pthread_join(t[i], NULL);
    work(&w[2]);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(w[i].status, HST_STATUS_OK);
        assert_memory_equal(w[i].logits, w[0].logits, sizeof w[0].logits);
    }
    assert_string_equal(hst_model_label(m, 1), "POSITIVE");
    hst_model_free(m);
}

/* From the first run on every allocation of session and runs fails once; of loading the first 40 and every 61st, for time. */
static void test_failures(void **state) {
    (void)state;
    batch b = make_batch(2, 5);
    bool failed = true;
    counting c = {0};
    hst_allocator a = counting_allocator(&c);
    hst_error err = {0};
    float logits[4], want[4];
    hst_model *m = open_model(&a, 0, HST_QUANTIZATION_NONE);
    hst_session *s;
    assert_int_equal(hst_session_new(m, NULL, &s, &err), HST_STATUS_OK);
    assert_int_equal(run(s, &b, want, 4, &err), HST_STATUS_OK);
    hst_session_free(s);
    long of_model = c.alive;
    for (long n = 1; failed; n++) {
        hst_status status;
        c.fail_at = n;
        if ((status = hst_session_new(m, NULL, &s, &err)) != HST_STATUS_OK) {
            assert_int_equal(status, HST_STATUS_NO_MEMORY);
            assert_int_equal(hst_session_new(m, NULL, &s, &err), HST_STATUS_OK);
        }
        for (int i = 0; i < 2; i++) {
            if ((status = run(s, &b, logits, 4, &err)) != HST_STATUS_OK) {
                assert_int_equal(status, HST_STATUS_NO_MEMORY);
                assert_int_equal(run(s, &b, logits, 4, &err), HST_STATUS_OK);
            }
            assert_memory_equal(logits, want, sizeof want);
        }
        failed = c.fail_at == 0;
        hst_session_free(s);
        assert_int_equal(c.alive, of_model);
        assert_true(n < 5000);
    }
    hst_model_free(m);
    assert_int_equal(c.alive, 0);
    failed = true;
    for (long n = 1; failed; n += n < 40 ? 1 : 61) {
        hst_model_options o = HST_INIT(hst_model_options);
        o.allocator = &a;
        o.quantization = n % 2 ? HST_QUANTIZATION_INT8 : HST_QUANTIZATION_NONE;
        c.fail_at = n;
        m = NULL;
        hst_status status = hst_model_load(MODEL, &o, &m, &err);
        failed = c.fail_at == 0;
        assert_true(status == HST_STATUS_OK || (failed && status == HST_STATUS_NO_MEMORY)); /* some are survived */
        hst_model_free(m);
        assert_int_equal(c.alive, 0);
    }
    free_batch(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_levels), cmocka_unit_test(test_no_allocation), cmocka_unit_test(test_int8), cmocka_unit_test(test_half_weights),
                                       cmocka_unit_test(test_threads), cmocka_unit_test(test_failures)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
