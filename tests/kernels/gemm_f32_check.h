/* Checks one family of the f32 matrix product against a chain written out, bit for bit. */
#ifndef TESTS_KERNELS_GEMM_F32_CHECK_H
#define TESTS_KERNELS_GEMM_F32_CHECK_H

#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "guarded.h"
#include "kernels/gemm_f32/gemm_f32.h"
#include "tensor/convert.h"

typedef enum check_storage { CHECK_PACKED, CHECK_HALF, CHECK_DYNAMIC } check_storage;

typedef struct check_case {
    int64_t m, n, k, batch;
    int64_t pad_a, pad_c; /* leading dimension beyond the row */
    bool transposed;      /* B stands as [n, k] */
    hst_dtype dtype;      /* of B in memory */
    size_t misaligned;    /* bytes before B in memory */
    check_storage storage;
    float scale;
    bool bias, activation, residual;
    int workers;
} check_case;

/* Stands for the elementwise kernel. */
static inline void check_square(unary f, const float *p, int64_t n, const float *x, float *y) {
    assert_int_equal(f, UNARY_SQUARE);
    for (int64_t i = 0; i < n; i++) y[i] = x[i] * x[i] - p[0];
}

typedef struct check_job {
    const gemm_f32 *g;
    int worker, workers;
    float *scratch;
} check_job;

static inline void *check_work(void *arg) {
    const check_job *j = arg;
    gemm_f32_part(j->g, j->worker, j->workers, j->scratch);
    return NULL;
}

static inline void check_run(const gemm_f32 *g, int workers) {
    pthread_t thread[16];
    check_job job[16];
    guarded scratch[16];
    for (int i = 0; i < workers; i++) {
        scratch[i] = guarded_new(((size_t)gemm_f32_scratch(g) * sizeof(float) + 63) & ~(size_t)63);
        job[i] = (check_job){g, i, workers, scratch[i].data};
        if (i) assert_int_equal(pthread_create(&thread[i], NULL, check_work, &job[i]), 0);
    }
    check_work(&job[0]);
    for (int i = 1; i < workers; i++) pthread_join(thread[i], NULL);
    for (int i = 0; i < workers; i++) guarded_free(&scratch[i]);
}

static inline float check_element(const check_case *c, const gemm_f32 *g, const float *b, int64_t i, int64_t r,
                                  int64_t j) {
    const float *a = g->a + i * g->a_stride + r * g->lda;
    const int64_t bi = c->storage == CHECK_DYNAMIC ? i : 0;
    float acc = 0;
    for (int64_t k = 0; k < c->k; k++)
        acc = fmaf(a[k], b[bi * c->k * c->n + (c->transposed ? j * c->k + k : k * c->n + j)], acc);
    if (c->scale != 1) acc = c->scale * acc;
    if (c->bias) acc = acc + g->bias[j];
    if (c->activation) acc = acc * acc - 0.5f;
    if (c->residual) acc = acc + g->residual[i * g->r_stride + r * g->ldr + j];
    return acc;
}

static inline void check_family(const gemm_f32_family *f, const check_case *c) {
    uint64_t seed = (uint64_t)(c->m * 1000003 + c->n * 1009 + c->k);
    const int64_t lda = c->k + c->pad_a, ldc = c->n + c->pad_c, batches_b = c->storage == CHECK_DYNAMIC ? c->batch : 1;
    const size_t b_count = (size_t)(batches_b * c->k * c->n), size = c->dtype == HST_DTYPE_F32 ? 4 : 2;
    /* the last row of a and c ends where the last element does */
    guarded a = guarded_floats((size_t)(c->m ? (c->batch * c->m - 1) * lda + c->k : 0), &seed);
    guarded y = guarded_new((size_t)(c->m && c->n ? (c->batch * c->m - 1) * ldc + c->n : 0) * 4);
    guarded bias = guarded_floats((size_t)c->n, &seed),
            residual = guarded_floats((size_t)(c->batch * c->m * c->n), &seed);
    guarded memory = guarded_new(b_count * size + c->misaligned);
    float *b = malloc(b_count * 4 + 4);
    for (size_t i = 0; i < b_count; i++) b[i] = guarded_float(&seed);
    memmove(memory.data, (char *)memory.data + c->misaligned, 0);
    convert_from_f32(c->dtype, b, memory.data, 0, (int64_t)b_count);
    convert_to_f32(c->dtype, memory.data, 0, b, (int64_t)b_count);
    if (y.map_size > (size_t)sysconf(_SC_PAGESIZE))
        memset(y.map, 0xff, y.map_size - (size_t)sysconf(_SC_PAGESIZE)); /* NaN */

    gemm_f32 g = gemm_f32_make(f, c->m, c->n, c->k, a.data, y.data);
    g.lda = lda, g.ldc = ldc, g.scale = c->scale, g.batch = c->batch;
    g.a_stride = c->m * lda, g.c_stride = c->m * ldc;
    g.b = (gemm_f32_operand){memory.data, c->dtype, c->transposed ? 1 : c->n, c->transposed ? c->k : 1};
    if (c->bias) g.bias = bias.data;
    if (c->residual) g.residual = residual.data;
    const float half_one = 0.5f;
    if (c->activation) g.activate = check_square, g.function = UNARY_SQUARE, g.parameters = &half_one;
    const size_t packed_count = (size_t)gemm_f32_packed_count(f, c->k, c->n);
    guarded packed = guarded_new(packed_count * 4);
    const int64_t panels = gemm_f32_panels(f, c->n), half = panels / 2;
    if (c->storage == CHECK_PACKED) { /* in two parts, as two workers would */
        gemm_f32_pack(f, &g.b, c->k, c->n, 0, half, packed.data);
        gemm_f32_pack(f, &g.b, c->k, c->n, half, panels, (float *)packed.data + half * c->k * f->nr);
        g.packed = packed.data;
    } else if (c->storage == CHECK_HALF) {
        uint16_t *to = (uint16_t *)packed.data + packed_count;
        gemm_f32_pack_half(f, &g.b, c->k, c->n, 0, panels, to);
        g.packed = to, g.packed_dtype = c->dtype;
    }
    check_run(&g, c->workers);

    for (int64_t i = 0; i < c->batch; i++)
        for (int64_t r = 0; r < c->m; r++) {
            const float *row = (float *)y.data + i * g.c_stride + r * ldc;
            for (int64_t j = 0; j < c->n; j++) {
                const float want = check_element(c, &g, b, i, r, j);
                if (memcmp(&want, &row[j], 4))
                    fail_msg("%s: m %lld n %lld k %lld workers %d storage %d dtype %d: [%lld,%lld,%lld] is %a, want %a",
                             f->name, (long long)c->m, (long long)c->n, (long long)c->k, c->workers, c->storage,
                             c->dtype, (long long)i, (long long)r, (long long)j, (double)row[j], (double)want);
            }
            if (i * c->m + r + 1 < c->batch * c->m)
                for (int64_t j = c->n; j < ldc; j++) assert_true(isnan(row[j])); /* between rows: untouched */
        }
    free(b);
    guarded *all[] = {&a, &y, &bias, &residual, &memory, &packed};
    for (int i = 0; i < 6; i++) guarded_free(all[i]);
}

/* Factors of rows, in whole panels and in part of one: the chain times the factor, then the bias. */
static inline void check_row_scale(const gemm_f32_family *f) {
    enum { K = 5 };
    uint64_t seed = 7;
    const int64_t n = 2 * f->nr + 3, most = f->mr + 3;
    guarded a = guarded_floats((size_t)(most * K), &seed), b = guarded_floats((size_t)(K * n), &seed);
    guarded bias = guarded_floats((size_t)n, &seed), factor = guarded_floats((size_t)most, &seed);
    guarded packed = guarded_new((size_t)gemm_f32_packed_count(f, K, n) * sizeof(float));
    gemm_f32_pack(f, &(gemm_f32_operand){b.data, HST_DTYPE_F32, n, 1}, K, n, 0, gemm_f32_panels(f, n), packed.data);
    for (int64_t rows = 1; rows <= most; rows++) {
        guarded y = guarded_new((size_t)(rows * n) * sizeof(float));
        const float *scale = (const float *)factor.data + most - rows; /* one too many is beyond the page */
        const gemm_f32_tile t = {.k = K,
                                 .a = a.data,
                                 .lda = K,
                                 .b = packed.data,
                                 .b_stride = K * f->nr,
                                 .c = y.data,
                                 .ldc = n,
                                 .n = n,
                                 .scale = 1,
                                 .row_scale = scale,
                                 .bias = bias.data};
        gemm_f32_rows(f, &t, rows);
        for (int64_t r = 0; r < rows; r++)
            for (int64_t j = 0; j < n; j++) {
                float want = 0;
                for (int64_t k = 0; k < K; k++)
                    want = fmaf(((float *)a.data)[r * K + k], ((float *)b.data)[k * n + j], want);
                want = scale[r] * want + ((float *)bias.data)[j];
                if (memcmp(&want, (float *)y.data + r * n + j, sizeof want))
                    fail_msg("%s: row %lld of %lld, column %lld: %a, want %a", f->name, (long long)r, (long long)rows,
                             (long long)j, (double)((float *)y.data)[r * n + j], (double)want);
            }
        guarded_free(&y);
    }
    guarded *all[] = {&a, &b, &bias, &factor, &packed};
    for (int i = 0; i < 5; i++) guarded_free(all[i]);
}

/* Every size that a tile, a panel or a block could mishandle; `large` adds the ones that fill caches. */
static inline void check_family_all(const gemm_f32_family *f, bool large) {
    const check_case plain = {.m = 5, .n = 7, .k = 9, .batch = 1, .dtype = HST_DTYPE_F32, .scale = 1, .workers = 1};
    check_row_scale(f);
    for (int64_t m = 0; m <= f->mr + 3; m++) /* every tile, every tail of a panel */
        for (int64_t n = 0; n <= f->nr + 1; n++) {
            check_case c = plain;
            c.m = m, c.n = n, c.k = (m * 7 + n) % 13, c.pad_c = n % 3, c.pad_a = m % 4, c.bias = n & 1;
            c.residual = m & 1, c.scale = n % 5 ? 1.0f : 0.3f;
            check_family(f, &c);
        }
    const int64_t sizes[] = {1, 2, 3, 15, 16, 17, 31, 33, 65, 130};
    uint64_t seed = 1;
    for (int i = 0; i < (large ? 300 : 60); i++) {
        const hst_dtype dtypes[] = {HST_DTYPE_F32, HST_DTYPE_F16, HST_DTYPE_BF16};
        check_case c = plain;
        c.m = sizes[guarded_random(&seed) % 10], c.n = sizes[guarded_random(&seed) % 10];
        c.k = sizes[guarded_random(&seed) % 10];
        c.batch = c.m * c.n * c.k < 20000 ? 1 + guarded_random(&seed) % 3 : 1;
        c.pad_a = guarded_random(&seed) % 3, c.pad_c = guarded_random(&seed) % 3;
        c.transposed = guarded_random(&seed) & 1;
        c.dtype = dtypes[guarded_random(&seed) % 3];
        c.misaligned = c.dtype == HST_DTYPE_F32 ? guarded_random(&seed) % 4 : guarded_random(&seed) % 2;
        c.storage = (check_storage)(guarded_random(&seed) % 3);
        if (c.storage == CHECK_HALF && c.dtype == HST_DTYPE_F32) c.storage = CHECK_PACKED;
        c.scale = guarded_random(&seed) & 1 ? 1.0f : 0.125f;
        c.bias = guarded_random(&seed) & 1, c.activation = guarded_random(&seed) & 1;
        c.residual = guarded_random(&seed) & 1, c.workers = 1 + (int)(guarded_random(&seed) % 6);
        check_family(f, &c);
    }
    for (int i = 0; large && i < 3; i++) {
        check_case c = plain;
        c.m = i == 2 ? 3 : 203, c.n = 301, c.k = i == 1 ? 2311 : 131;
        c.storage = i == 1 ? CHECK_DYNAMIC : CHECK_PACKED, c.transposed = i == 1, c.bias = true, c.activation = i == 0;
        c.workers = 4 - i;
        check_family(f, &c);
    }
}

#endif
