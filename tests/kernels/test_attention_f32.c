/* f32 attention, for every matrix product and softmax that this processor runs, bit for bit against the contract
 * written out; and the same bits for a sequence alone, in a batch, padded, and on any number of threads. */
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "guarded.h"
#include "kernels/attention/attention_f32.h"
#include "kernels/kernels.h"

typedef struct job {
    const attention_f32 *a;
    int worker, workers;
    float *scratch;
} job;

static void *work(void *arg) {
    const job *j = arg;
    attention_f32_part(j->a, j->worker, j->workers, j->scratch);
    return NULL;
}

static void run(const attention_f32 *a, int workers) {
    pthread_t thread[8];
    job jobs[8];
    guarded scratch[8];
    const int64_t floats = attention_f32_scratch(a);
    assert_true(floats >= 0);
    for (int i = 0; i < workers; i++) {
        scratch[i] = guarded_new(((size_t)floats * sizeof(float) + 63) & ~(size_t)63);
        memset(scratch[i].map, 0xff, scratch[i].map_size - (size_t)sysconf(_SC_PAGESIZE));
        jobs[i] = (job){a, i, workers, scratch[i].data};
        if (i) assert_int_equal(pthread_create(&thread[i], NULL, work, &jobs[i]), 0);
    }
    work(&jobs[0]);
    for (int i = 1; i < workers; i++) pthread_join(thread[i], NULL);
    for (int i = 0; i < workers; i++) guarded_free(&scratch[i]);
}

/* One row of the contract. keys from `begin`, n of them; k, v, masks at the first. */
static void row(const attention_f32 *a, const float *q, const float *k, const float *v, const float *bias,
                const float *key_bias, int64_t n, float *out) {
    float *p = malloc((size_t)(n + 1) * sizeof *p);
    for (int64_t j = 0; j < n; j++) {
        float x = 0;
        for (int64_t i = 0; i < a->d; i++) x = fmaf(q[i], k[j * a->k_at.row + i], x);
        p[j] = a->scale == 1 ? x : a->scale * x;
        if (a->softcap > 0) {
            p[j] = p[j] / a->softcap;
            a->unary(UNARY_TANH, NULL, 1, &p[j], &p[j]);
            p[j] = p[j] * a->softcap;
        }
        if (bias) p[j] = p[j] + bias[j];
        if (key_bias) p[j] = p[j] + key_bias[j];
    }
    float factor = 1;
    const softmax_rows s = {.x = p, .y = p, .rows = 1, .n = n, .width = n, .ldx = n, .ldy = n, .factor = &factor};
    if (n) kernels_get()->softmax_f32(&s);
    for (int64_t i = 0; i < a->dv; i++) {
        out[i] = 0;
        for (int64_t j = 0; j < n; j++) out[i] = fmaf(p[j], v[j * a->v_at.row + i], out[i]);
        out[i] = n ? factor * out[i] : out[i];
    }
    free(p);
}

static void check(const attention_f32 *a) {
    float *want = malloc((size_t)(a->dv + 1) * sizeof *want);
    for (int64_t s = 0; s < a->sequences; s++)
        for (int64_t h = 0; h < a->heads; h++) {
            const int64_t *qo = a->query_offset, *ko = a->key_offset, kv = h / (a->heads / a->kv_heads);
            const int64_t queries = qo ? qo[s + 1] - qo[s] : a->queries, keys = ko ? ko[s + 1] - ko[s] : a->keys;
            const int64_t begin = a->key_begin ? a->key_begin[s] : 0, end = a->key_end ? a->key_end[s] : keys;
            const float *k = a->k + (ko ? ko[s] * a->k_at.row : s * a->k_at.sequence) + begin * a->k_at.row;
            const float *v = a->v + (ko ? ko[s] * a->v_at.row : s * a->v_at.sequence) + begin * a->v_at.row;
            for (int64_t i = 0; i < queries; i++) {
                int64_t n = end - begin;
                const int64_t past = a->past_of ? a->past_of[s] : a->past;
                if (a->causal && i + past + 1 - begin < n) n = i + past + 1 - begin;
                if (n < 0) n = 0;
                const int64_t q_at =
                    (qo ? qo[s] * a->q_at.row : s * a->q_at.sequence) + i * a->q_at.row + h * a->q_at.head;
                const int64_t o_at =
                    (qo ? qo[s] * a->out_at.row : s * a->out_at.sequence) + i * a->out_at.row + h * a->out_at.head;
                const float *bias =
                    a->bias ? a->bias + s * a->bias_sequence + h * a->bias_head + i * a->bias_row + begin : NULL;
                const float *key_bias = a->key_bias ? a->key_bias + s * a->key_bias_sequence + begin : NULL;
                row(a, a->q + q_at, k + kv * a->k_at.head, v + kv * a->v_at.head, bias, key_bias, n, want);
                if (memcmp(want, a->out + o_at, (size_t)a->dv * sizeof *want))
                    fail_msg("%s: sequence %lld head %lld query %lld of %lld, %lld keys: %a, want %a", a->family->name,
                             (long long)s, (long long)h, (long long)i, (long long)queries, (long long)n,
                             (double)a->out[o_at], (double)want[0]);
            }
        }
    free(want);
}

typedef struct shape {
    int64_t sequences, heads, kv_heads, queries, keys, d, dv;
    bool causal, bias, key_bias, ranges, softcap, pasts;
    int workers;
} shape;

/* q, k, v and out as [sequence, row, head, d], each ending at a guard page. */
static void check_shape(const gemm_f32_family *f, const shape *c) {
    uint64_t seed = (uint64_t)(c->queries * 31 + c->keys);
    const size_t nq = (size_t)(c->sequences * c->queries), nk = (size_t)(c->sequences * c->keys);
    guarded q = guarded_floats(nq * (size_t)(c->heads * c->d), &seed);
    guarded k = guarded_floats(nk * (size_t)(c->kv_heads * c->d), &seed);
    guarded v = guarded_floats(nk * (size_t)(c->kv_heads * c->dv), &seed);
    guarded out = guarded_floats(nq * (size_t)(c->heads * c->dv), &seed);
    guarded bias = guarded_floats((size_t)c->heads * (size_t)(c->queries * c->keys), &seed);
    guarded key_bias = guarded_floats(nk, &seed);
    int64_t begin[8], end[8], past[8];
    attention_f32 a = {.family = f,
                       .softmax = kernels_get()->softmax_f32,
                       .sequences = c->sequences,
                       .heads = c->heads,
                       .kv_heads = c->kv_heads,
                       .d = c->d,
                       .dv = c->dv,
                       .queries = c->queries,
                       .keys = c->keys,
                       .q = q.data,
                       .k = k.data,
                       .v = v.data,
                       .out = out.data,
                       .scale = 0.3f,
                       .causal = c->causal,
                       .past = c->keys - c->queries};
    a.q_at = (attention_rows){c->queries * c->heads * c->d, c->heads * c->d, c->d};
    a.k_at = (attention_rows){c->keys * c->kv_heads * c->d, c->kv_heads * c->d, c->d};
    a.v_at = (attention_rows){c->keys * c->kv_heads * c->dv, c->kv_heads * c->dv, c->dv};
    a.out_at = (attention_rows){c->queries * c->heads * c->dv, c->heads * c->dv, c->dv};
    if (c->bias) a.bias = bias.data, a.bias_head = c->queries * c->keys, a.bias_row = c->keys;
    if (c->key_bias) a.key_bias = key_bias.data, a.key_bias_sequence = c->keys;
    for (int64_t s = 0; s < c->sequences && c->ranges; s++) {
        begin[s] = (int64_t)(guarded_random(&seed) % (uint32_t)(c->keys + 1));
        end[s] = begin[s] + (int64_t)(guarded_random(&seed) % (uint32_t)(c->keys - begin[s] + 1));
        a.key_begin = begin, a.key_end = end;
    }
    if (c->softcap) a.softcap = 1.5f, a.unary = kernels_get()->unary_f32;
    for (int64_t s = 0; s < c->sequences && c->pasts; s++) {
        past[s] = (int64_t)(guarded_random(&seed) % (uint32_t)(c->keys + 1)) - c->queries / 2;
        a.past_of = past;
    }
    run(&a, c->workers);
    check(&a);
    guarded *all[] = {&q, &k, &v, &out, &bias, &key_bias};
    for (int i = 0; i < 6; i++) guarded_free(all[i]);
}

static void families(void **state) {
    (void)state;
    const int64_t lengths[] = {1, 2, 7, 15, 16, 17, 33, 70}, dims[] = {1, 5, 16, 24, 64};
    for (int l = 0; l < kernel_list_count; l++) {
        const kernel *entry = kernel_list[l];
        if (strcmp(entry->family, "gemm_f32") || !cpu_has(entry->isa)) continue;
        const gemm_f32_family *f = ((gemm_f32_fn)entry->fn)();
        uint64_t seed = 7;
        for (int i = 0; i < 120; i++) {
            shape c = {.sequences = 1 + guarded_random(&seed) % 3, .kv_heads = 1 + guarded_random(&seed) % 2};
            c.heads = c.kv_heads * (1 + guarded_random(&seed) % 2);
            c.queries = lengths[guarded_random(&seed) % 8];
            c.keys = guarded_random(&seed) & 1 ? c.queries : lengths[guarded_random(&seed) % 8];
            c.d = dims[guarded_random(&seed) % 5], c.dv = dims[guarded_random(&seed) % 5];
            c.causal = guarded_random(&seed) % 3 == 0, c.bias = guarded_random(&seed) % 3 == 0;
            c.key_bias = guarded_random(&seed) % 3 == 0, c.ranges = guarded_random(&seed) & 1;
            c.softcap = guarded_random(&seed) % 3 == 0, c.pasts = guarded_random(&seed) & 1;
            c.workers = 1 + (int)(guarded_random(&seed) % 4);
            check_shape(f, &c);
        }
        const shape none = {
            .sequences = 2, .heads = 1, .kv_heads = 1, .queries = 3, .keys = 0, .d = 4, .dv = 4, .workers = 2};
        check_shape(f, &none);
        const shape large = {
            .sequences = 1, .heads = 1, .kv_heads = 1, .queries = 40, .keys = 5000, .d = 8, .dv = 8, .workers = 2};
        if (entry->isa != CPU_SCALAR) check_shape(f, &large);
    }
}

/* A sequence of 19 rows alone; packed between others; padded to 40 and masked by length, by -FLT_MAX, by -inf. */
static void one_answer(void **state) {
    (void)state;
    enum { H = 2, D = 24, W = 3 * H * D, N = 19, PAD = 40 };
    uint64_t seed = 3;
    float *x = malloc(sizeof(float) * W * 3 * PAD), *alone = calloc(N * H * D, 4), *other = calloc(3 * PAD * H * D, 4);
    for (int i = 0; i < W * 3 * PAD; i++) x[i] = guarded_float(&seed);
    const float *mine = x + PAD * W; /* the second of three */
    attention_f32 a = {.family = kernels_get()->gemm_f32(),
                       .softmax = kernels_get()->softmax_f32,
                       .sequences = 1,
                       .heads = H,
                       .kv_heads = H,
                       .d = D,
                       .dv = D,
                       .queries = N,
                       .keys = N,
                       .q = mine,
                       .k = mine + H * D,
                       .v = mine + 2 * H * D,
                       .out = alone,
                       .scale = 0.2f};
    a.q_at = a.k_at = a.v_at = (attention_rows){PAD * W, W, D};
    a.out_at = (attention_rows){PAD * H * D, H * D, D};
    run(&a, 1);

    attention_f32 b = a; /* padded, in a batch */
    const int64_t end[3] = {40, N, 3};
    b.sequences = 3, b.queries = b.keys = PAD, b.q = x, b.k = x + H * D, b.v = x + 2 * H * D, b.out = other,
    b.key_end = end;
    run(&b, 3);
    assert_memory_equal(other + PAD * H * D, alone, sizeof(float) * N * H * D);

    const float hidden[2] = {-3.40282347e38f, -INFINITY};
    for (int k = 0; k < 2; k++) { /* the same keys hidden by a mask */
        float mask[3 * PAD] = {0};
        for (int j = N; j < PAD; j++) mask[PAD + j] = hidden[k];
        memset(other, 0, sizeof(float) * 3 * PAD * H * D);
        b.key_end = NULL, b.key_bias = mask, b.key_bias_sequence = PAD;
        run(&b, 2);
        assert_memory_equal(other + PAD * H * D, alone, sizeof(float) * N * H * D);
    }

    attention_f32 u = a; /* rows of all sequences in one matrix, one of them empty */
    const int64_t offset[5] = {0, PAD, PAD + N, PAD + N, 2 * PAD};
    u.sequences = 4, u.queries = u.keys = PAD, u.q = x, u.k = x + H * D, u.v = x + 2 * H * D, u.out = other;
    u.query_offset = u.key_offset = offset;
    memset(other, 0, sizeof(float) * 3 * PAD * H * D);
    run(&u, 4);
    assert_memory_equal(other + PAD * H * D, alone, sizeof(float) * N * H * D);
    check(&u);
    free(x);
    free(alone);
    free(other);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(families), cmocka_unit_test(one_answer)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
