/* Checks one family of the 8-bit linear layer, bit for bit, against sums written out over the packed weights. */
#ifndef TESTS_KERNELS_GEMM_S8_CHECK_H
#define TESTS_KERNELS_GEMM_S8_CHECK_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "guarded.h"
#include "kernels/gemm_s8/gemm_s8.h"

typedef enum s8_weights { S8_RANDOM, S8_EQUAL, S8_OUTLIERS, S8_WEIGHTS } s8_weights;

typedef struct s8_case {
    int64_t m, n, k;
    int64_t pad; /* leading dimension beyond the row */
    s8_weights weights;
    bool extreme; /* activations drive every lane to its bound */
    bool bias, activation, residual;
    bool in_place; /* the residual is what the result replaces */
    int workers;
} s8_case;

/* Stands for the elementwise kernel. */
static inline void s8_square(unary f, const float *p, int64_t n, const float *x, float *y) {
    assert_int_equal(f, UNARY_SQUARE);
    for (int64_t i = 0; i < n; i++) y[i] = x[i] * x[i] - p[0];
}

/* What the header promises of packed weights. */
static inline void s8_check_packed(const int8_t *packed, int64_t k, int64_t n) {
    const int64_t blocks = gemm_s8_blocks(k), columns = gemm_s8_panels(n) * GEMM_S8_NR;
    for (int64_t j = 0; j < columns; j++) {
        const int8_t *panel = packed + j / GEMM_S8_NR * gemm_s8_panel_bytes(k);
        int32_t sum = 0, head;
        for (int64_t b = 0; b < blocks; b++)
            for (int lane = 0; lane < 2; lane++) {
                int32_t size = 0, part = 0;
                int16_t start;
                for (int64_t i = 0; i < GEMM_S8_K; i++) {
                    if (i / 2 % 2 != lane) continue;
                    const int w = gemm_s8_weight(packed, blocks, b * GEMM_S8_K + i, j);
                    assert_true(w >= -127 && (w == 0 || (j < n && b * GEMM_S8_K + i < k)));
                    size += abs(w);
                    part += w;
                }
                assert_true(size <= GEMM_S8_LANE);
                memcpy(&start, gemm_s8_lanes(panel, blocks) + b * GEMM_S8_LANES + (j % GEMM_S8_NR * 2 + lane) * 2, 2);
                assert_int_equal(start, -64 * part);
                sum += part;
            }
        memcpy(&head, panel + j % GEMM_S8_NR * 4, 4);
        assert_int_equal(head, sum);
    }
}

static inline void s8_fill(const s8_case *c, float *w, uint64_t *seed) {
    for (int64_t i = 0; i < c->k; i++)
        for (int64_t j = 0; j < c->n; j++) {
            float x = guarded_float(seed);
            if (c->weights == S8_EQUAL) x = j & 1 ? -0.75f : 0.75f;
            if (c->weights == S8_OUTLIERS && guarded_random(seed) % 64 == 0) x *= 100;
            if (c->n > 3 && j == 2) x = 0;
            w[i * c->n + j] = x;
        }
}

static inline float s8_element(const s8_case *c, const gemm_s8 *g, int64_t r, int64_t j) {
    const int64_t blocks = gemm_s8_blocks(c->k);
    int64_t sum = 0;
    for (int64_t k = 0; k < c->k; k++)
        sum += (int64_t)(g->a[r * blocks * GEMM_S8_K + k] - g->zero[r]) * gemm_s8_weight(g->packed, blocks, k, j);
    float y = (float)(int32_t)sum * (g->scale[r] * g->w_scale[j]);
    if (c->bias) y = y + g->bias[j];
    if (c->activation) y = y * y - 0.5f;
    if (c->residual) y = y + g->residual[r * g->ldr + j];
    return y;
}

static inline void s8_check(const gemm_s8_family *f, const s8_case *c) {
    uint64_t seed = (uint64_t)(c->m * 1000003 + c->n * 1009 + c->k);
    const int64_t ld = c->n + c->pad, panels = gemm_s8_panels(c->n), width = gemm_s8_blocks(c->k) * GEMM_S8_K;
    float *w = malloc((size_t)(c->k * c->n) * 4 + 4), *scales = malloc((size_t)panels * 64 + 4);
    guarded packed = guarded_new((size_t)(panels * gemm_s8_panel_bytes(c->k)));
    guarded q = guarded_new((size_t)(c->m * width)), zero = guarded_new((size_t)c->m * 4);
    guarded scale = guarded_floats((size_t)c->m, &seed), w_scale = guarded_new((size_t)c->n * 4);
    guarded y = guarded_new((size_t)(c->m && c->n ? (c->m - 1) * ld + c->n : 0) * 4);
    guarded bias = guarded_floats((size_t)c->n, &seed), residual = guarded_floats((size_t)(c->m * c->n), &seed);
    double norm;
    s8_fill(c, w, &seed);
    const int64_t half = panels / 2; /* in two parts, as two workers would */
    const double lost = gemm_s8_pack(w, c->n, 1, c->k, c->n, 0, half, packed.data, scales, &norm);
    assert_true(lost >= 0 && norm >= 0);
    gemm_s8_pack(w, c->n, 1, c->k, c->n, half, panels, (int8_t *)packed.data + half * gemm_s8_panel_bytes(c->k),
                 scales + half * GEMM_S8_NR, &norm);
    s8_check_packed(packed.data, c->k, c->n);
    memcpy(w_scale.data, scales, (size_t)c->n * 4);
    for (int64_t r = 0; r < c->m; r++) {
        ((int32_t *)zero.data)[r] = 1 + (int32_t)(guarded_random(&seed) % 127);
        for (int64_t k = 0; k < width; k++) { /* also beyond K: any level, there the weights are 0 */
            int v = 1 + (int)(guarded_random(&seed) % 127);
            if (c->extreme) v = gemm_s8_weight(packed.data, gemm_s8_blocks(c->k), k, r % c->n) > 0 ? 127 : 1;
            ((uint8_t *)q.data)[r * width + k] = (uint8_t)v;
        }
    }
    if (y.map_size > (size_t)sysconf(_SC_PAGESIZE))
        memset(y.map, 0xff, y.map_size - (size_t)sysconf(_SC_PAGESIZE)); /* NaN */

    const float half_one = 0.5f;
    gemm_s8 g = {.family = f, .m = c->m, .n = c->n, .k = c->k, .a = q.data, .zero = zero.data, .scale = scale.data};
    g.packed = packed.data, g.w_scale = w_scale.data, g.c = y.data, g.ldc = ld, g.ldr = c->n;
    if (c->bias) g.bias = bias.data;
    if (c->residual) g.residual = residual.data;
    if (c->activation) g.activate = s8_square, g.function = UNARY_SQUARE, g.parameters = &half_one;
    gemm_s8 run = g;
    if (c->in_place) {
        for (int64_t r = 0; r < c->m; r++)
            memcpy((float *)y.data + r * ld, (float *)residual.data + r * c->n, (size_t)c->n * 4);
        run.residual = y.data, run.ldr = ld;
    }
    for (int64_t i = gemm_s8_parts(&run, c->workers); i > 0; i--) gemm_s8_part(&run, i - 1);
    for (int64_t r = 0; r < c->m; r++) {
        const float *row = (float *)y.data + r * ld;
        for (int64_t j = 0; j < c->n; j++) {
            const float want = s8_element(c, &g, r, j);
            if (memcmp(&want, &row[j], 4))
                fail_msg("%s: m %lld n %lld k %lld workers %d weights %d: [%lld,%lld] is %a, want %a", f->name,
                         (long long)c->m, (long long)c->n, (long long)c->k, c->workers, c->weights, (long long)r,
                         (long long)j, (double)row[j], (double)want);
        }
        if (r + 1 < c->m)
            for (int64_t j = c->n; j < ld; j++) assert_true(isnan(row[j])); /* between rows: untouched */
    }
    free(w);
    free(scales);
    guarded *all[] = {&packed, &q, &zero, &scale, &w_scale, &y, &bias, &residual};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) guarded_free(all[i]);
}

/* Every size that a tile, a panel or a block could mishandle. */
static inline void s8_check_family(const gemm_s8_family *f, bool large) {
    for (int64_t m = 0; m <= f->mr + 2; m++) /* every tile, every tail of a panel */
        for (int64_t n = 1; n <= GEMM_S8_NR + 1; n++)
            s8_check(f, &(s8_case){.m = m,
                                   .n = n,
                                   .k = (m * 31 + n * 5) % 100,
                                   .pad = n % 3,
                                   .bias = n & 1,
                                   .residual = m & 1,
                                   .extreme = n & 2,
                                   .workers = 1,
                                   .weights = (s8_weights)((m + n) % S8_WEIGHTS)});
    const int64_t sizes[] = {1, 2, 3, 15, 31, 32, 33, 64, 65, 130};
    uint64_t seed = 1;
    for (int i = 0; i < (large ? 300 : 60); i++) {
        s8_case c = {.workers = 1 + (int)(guarded_random(&seed) % 6)};
        c.m = sizes[guarded_random(&seed) % 10], c.n = sizes[guarded_random(&seed) % 10];
        c.k = sizes[guarded_random(&seed) % 10], c.pad = guarded_random(&seed) % 3;
        c.weights = (s8_weights)(guarded_random(&seed) % S8_WEIGHTS), c.extreme = guarded_random(&seed) & 1;
        c.bias = guarded_random(&seed) & 1, c.activation = guarded_random(&seed) & 1;
        c.residual = guarded_random(&seed) & 1, c.in_place = c.residual && !c.activation && i % 2;
        s8_check(f, &c);
    }
    s8_check(f, &(s8_case){.m = 2, .n = 35, .k = large ? 33100 : 1000, .workers = 1, .extreme = true, .bias = true});
    for (int i = 0; large && i < 3; i++)
        s8_check(f, &(s8_case){.m = 103,
                               .n = 301,
                               .k = 1031,
                               .workers = i + 1,
                               .activation = i == 0,
                               .bias = true,
                               .weights = (s8_weights)i,
                               .extreme = i == 1});
}

/* A quantiser of rows against the contract's own words. */
static inline void s8_check_quantize(gemm_s8_quantize_fn *quantize) {
    const float odd[] = {0, -0.0f, 1e-38f, 3e38f, -3e38f, INFINITY, -INFINITY, NAN};
    uint64_t seed = 3;
    for (int64_t k = 0; k < 100; k++)
        for (int kind = 0; kind < 14; kind++) {
            const int64_t rows = 1 + k % 3, ldx = k + kind % 2, width = gemm_s8_blocks(k) * GEMM_S8_K, ldq = width + 3;
            guarded x = guarded_floats((size_t)((rows - 1) * ldx + k), &seed), zero = guarded_new((size_t)rows * 4);
            guarded q = guarded_new((size_t)((rows - 1) * ldq + width)), scale = guarded_new((size_t)rows * 4);
            float *at = x.data;
            for (int64_t i = 0; i < (rows - 1) * ldx + k; i++)
                at[i] *= kind == 1 ? 1e-37f : kind == 2 ? 1e35f : kind == 3 ? 0 : 1;
            for (int64_t i = 0; kind == 4 && i < (rows - 1) * ldx + k; i++) at[i] = fabsf(at[i]); /* one-sided */
            if (kind >= 6 && k) at[k / 2] = odd[kind - 6];
            quantize(rows, k, x.data, ldx, q.data, ldq, zero.data, scale.data);
            for (int64_t r = 0; r < rows; r++) {
                float low = 0, high = 0;
                bool finite = true;
                for (int64_t i = 0; i < k; i++) {
                    low = fminf(low, at[r * ldx + i]), high = fmaxf(high, at[r * ldx + i]);
                    finite = finite && isfinite(at[r * ldx + i]);
                }
                const float range = high - low, s = ((float *)scale.data)[r], inv = range >= 1e-30f ? 126 / range : 0;
                const int z = ((int32_t *)zero.data)[r];
                assert_true(z >= 1 && z <= 127);
                for (int64_t i = 0; i < width; i++) {
                    const int v = ((uint8_t *)q.data)[r * ldq + i];
                    assert_true(v >= 1 && v <= 127);
                    if (i >= k) assert_int_equal(v, 64);
                    if (i >= k || !finite || !isfinite(range) || inv == 0) continue;
                    const float want = rintf(at[r * ldx + i] * inv) + rintf(-low * inv);
                    assert_int_equal(v, (int)fminf(fmaxf(want, 0), 126) + 1);
                    assert_true(fabsf((float)(v - z) * s - at[r * ldx + i]) <= 1.01f * s);
                }
                if (finite && isfinite(range))
                    assert_true(s == range / 126 && z == (int)rintf(-low * inv) + 1);
                else
                    assert_true(isnan(s));
            }
            guarded *all[] = {&x, &zero, &q, &scale};
            for (size_t i = 0; i < sizeof all / sizeof *all; i++) guarded_free(all[i]);
        }
}

#endif
