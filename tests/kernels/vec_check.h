/* Checks a version of an elementwise, softmax, norm or widening kernel against the family's reference, bit for bit, at
 * all small sizes and some large ones, misaligned, in place, with outputs that held NaN, memory ending at a guard page.
 */
#ifndef TESTS_KERNELS_VEC_CHECK_H
#define TESTS_KERNELS_VEC_CHECK_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "guarded.h"
#include "kernels/kernels.h"

static const int64_t check_sizes[] = {0,  1,  2,  3,  4,  5,  7,  8,  9,  11, 13, 15,  16,  17,  19,
                                      23, 24, 25, 29, 31, 32, 33, 47, 48, 49, 64, 127, 384, 769, 1000};
enum { CHECK_SIZES = sizeof check_sizes / sizeof *check_sizes };

static kernel_fn check_reference(size_t slot) {
    for (int i = 0; i < kernel_list_count; i++)
        if (kernel_list[i]->slot == slot && kernel_list[i]->isa == CPU_SCALAR) return kernel_list[i]->fn;
    fail_msg("no reference for the slot at %zu", slot);
    return NULL;
}

/* Ordinary numbers, and now and then one that is special. */
static float check_float(uint64_t *state) {
    static const float odd[] = {0.0f,  -0.0f,  1.0f,  -1.0f,   0.5f,   2.5f,   -3.5f,   1e-40f,     -1e-44f,
                                1e30f, -1e30f, 88.7f, -103.9f, 89.5f,  -87.4f, 3.0e38f, INFINITY,   -INFINITY,
                                NAN,   1e-8f,  4.0f,  9.1f,    -12.0f, 0.3f,   -0.7f,   16777216.0f};
    if (guarded_random(state) % 8 == 0) return odd[guarded_random(state) % (sizeof odd / sizeof *odd)];
    float x = guarded_float(state);
    return guarded_random(state) % 2 ? x : x * 8;
}

static guarded check_floats(int64_t n, bool odd, uint64_t *state) {
    guarded g = guarded_new((size_t)n * 4);
    for (int64_t i = 0; i < n; i++) ((float *)g.data)[i] = odd ? check_float(state) : guarded_float(state);
    return g;
}

static guarded check_nans(int64_t n) {
    guarded g = guarded_new((size_t)n * 4);
    for (int64_t i = 0; i < n; i++) ((float *)g.data)[i] = NAN;
    return g;
}

static void check_same(const char *what, int which, int64_t n, const float *got, const float *want, int64_t count) {
    for (int64_t i = 0; i < count; i++) {
        if (memcmp(got + i, want + i, 4) == 0 || (isnan(got[i]) && isnan(want[i]))) continue;
        fail_msg("%s %d, n = %lld: element %lld is %a, the reference says %a", what, which, (long long)n, (long long)i,
                 (double)got[i], (double)want[i]);
    }
}

static void check_unary(const kernel *k) {
    unary_f32_fn *fn = (unary_f32_fn *)k->fn, *ref = (unary_f32_fn *)check_reference(k->slot);
    uint64_t state = 1;
    const float p[2] = {0.75f, 1.25f};
    for (int f = 0; f < UNARY_COUNT; f++)
        for (int s = 0; s < CHECK_SIZES; s++) {
            int64_t n = check_sizes[s];
            guarded x = check_floats(n, true, &state), y = check_nans(n), want = check_nans(n);
            fn((unary)f, p, n, x.data, y.data);
            ref((unary)f, p, n, x.data, want.data);
            check_same(k->name, f, n, y.data, want.data, n);
            fn((unary)f, p, n, x.data, x.data);
            check_same("in place", f, n, x.data, want.data, n);
            guarded_free(&x), guarded_free(&y), guarded_free(&want);
        }
}

static void check_bias_unary(const kernel *k) {
    bias_unary_f32_fn *fn = (bias_unary_f32_fn *)k->fn, *ref = (bias_unary_f32_fn *)check_reference(k->slot);
    uint64_t state = 2;
    const float p[2] = {1.702f, 0};
    for (int f = 0; f < UNARY_COUNT; f++)
        for (int s = 0; s < CHECK_SIZES; s += 3) {
            int64_t n = check_sizes[s], rows = 3, ldx = n + 1, ldy = n + 2, size = (rows - 1) * ldy + n;
            guarded x = check_floats((rows - 1) * ldx + n, true, &state), b = check_floats(n, true, &state);
            guarded y = check_nans(size), want = check_nans(size);
            fn((unary)f, p, rows, n, x.data, ldx, b.data, y.data, ldy);
            ref((unary)f, p, rows, n, x.data, ldx, b.data, want.data, ldy);
            check_same(k->name, f, n, y.data, want.data, size); /* the gaps between rows stay NaN */
            guarded_free(&x), guarded_free(&b), guarded_free(&y), guarded_free(&want);
        }
}

static void check_binary(const kernel *k) {
    binary_f32_fn *fn = (binary_f32_fn *)k->fn, *ref = (binary_f32_fn *)check_reference(k->slot);
    uint64_t state = 3;
    for (int f = 0; f < BINARY_COUNT; f++)
        for (int s = 0; s < CHECK_SIZES; s++)
            for (int steps = 0; steps < 4; steps++) {
                int64_t n = check_sizes[s], sa = steps & 1, sb = steps >> 1;
                guarded a = check_floats(sa ? n : 1, true, &state), b = check_floats(sb ? n : 1, true, &state);
                guarded y = check_nans(n), want = check_nans(n);
                fn((binary)f, n, a.data, sa, b.data, sb, y.data);
                ref((binary)f, n, a.data, sa, b.data, sb, want.data);
                check_same(k->name, f, n, y.data, want.data, n);
                guarded_free(&a), guarded_free(&b), guarded_free(&y), guarded_free(&want);
            }
}

static void check_softmax(const kernel *k) {
    softmax_f32_fn *fn = (softmax_f32_fn *)k->fn, *ref = (softmax_f32_fn *)check_reference(k->slot);
    uint64_t state = 4;
    for (int variant = 0; variant < 32; variant++)
        for (int s = 0; s < CHECK_SIZES; s++) {
            float factor[2] = {0}, want_factor[2] = {0};
            int64_t n = check_sizes[s], rows = 2, width = n + (variant & 4 ? 5 : 0), ld = width + 1;
            guarded x = check_floats((rows - 1) * ld + n, variant & 8, &state), m = check_floats(n, false, &state);
            int64_t size = (rows - 1) * ld + width;
            guarded y = check_nans(size), want = check_nans(size);
            softmax_rows job = {.x = x.data,
                                .mask = variant & 1 ? m.data : NULL,
                                .y = y.data,
                                .rows = rows,
                                .n = n,
                                .width = width,
                                .ldx = ld,
                                .ldy = ld,
                                .log = variant & 2,
                                .factor = variant & 16 && !(variant & 2) ? factor : NULL};
            fn(&job);
            job.y = want.data;
            if (job.factor) job.factor = want_factor;
            ref(&job);
            check_same(k->name, variant, n, factor, want_factor, 2);
            for (int r = 0; r < 2; r++) /* times NaN all is NaN */
                for (int64_t i = 0; isnan(factor[r]) && i < width; i++)
                    ((float *)y.data)[r * ld + i] = ((float *)want.data)[r * ld + i] = NAN;
            check_same(k->name, variant, n, y.data, want.data, size);
            guarded_free(&x), guarded_free(&m), guarded_free(&y), guarded_free(&want);
        }
}

static void check_norm(const kernel *k) {
    norm_f32_fn *fn = (norm_f32_fn *)k->fn, *ref = (norm_f32_fn *)check_reference(k->slot);
    uint64_t state = 5;
    for (int variant = 0; variant < 128; variant++)
        for (int s = 1; s < CHECK_SIZES; s += 1 + variant % 2) {
            int64_t n = check_sizes[s], rows = 2;
            guarded x = check_floats(rows * n, variant & 64, &state), residual = check_floats(rows * n, false, &state);
            guarded bias = check_floats(n, false, &state), gamma = check_floats(n, false, &state);
            guarded beta = check_floats(n, false, &state), y = check_nans(rows * n), want = check_nans(rows * n);
            guarded sum = check_nans(rows * n), want_sum = check_nans(rows * n);
            float mean[2] = {0}, inv[2] = {0}, want_mean[2] = {0}, want_inv[2] = {0};
            norm_rows job = {.x = x.data, .rows = rows, .n = n, .epsilon = 1e-5f, .rms = variant & 1};
            job.residual = variant & 2 ? residual.data : NULL;
            job.bias = variant & 4 ? bias.data : NULL;
            job.gamma = variant & 8 ? gamma.data : NULL;
            job.beta = variant & 16 ? beta.data : NULL;
            norm_rows truth = job;
            job.y = y.data, job.mean = mean, job.inv = inv;
            truth.y = want.data, truth.mean = want_mean, truth.inv = want_inv;
            if (variant & 32) job.sum = sum.data, truth.sum = want_sum.data;
            fn(&job);
            ref(&truth);
            check_same(k->name, variant, n, y.data, want.data, rows * n);
            check_same("sum", variant, n, sum.data, want_sum.data, rows * n);
            check_same("mean", variant, n, mean, want_mean, 2);
            check_same("inv", variant, n, inv, want_inv, 2);
            job.y = x.data; /* in place */
            fn(&job);
            check_same("in place", variant, n, x.data, want.data, rows * n);
            guarded_free(&x), guarded_free(&residual), guarded_free(&bias), guarded_free(&gamma), guarded_free(&beta);
            guarded_free(&y), guarded_free(&want), guarded_free(&sum), guarded_free(&want_sum);
        }
}

static void check_widen(const kernel *k) {
    widen_f16_f32_fn *fn = (widen_f16_f32_fn *)k->fn, *ref = (widen_f16_f32_fn *)check_reference(k->slot);
    for (int64_t n = 0; n < 70; n += 1 + n / 20) {
        guarded x = guarded_new((size_t)n * 2), y = check_nans(n), want = check_nans(n);
        for (uint32_t at = 0; at < 0x10000; at += 977) {
            for (int64_t i = 0; i < n; i++) ((uint16_t *)x.data)[i] = (uint16_t)(at + i * 131);
            fn(n, x.data, y.data);
            ref(n, x.data, want.data);
            check_same(k->name, (int)at, n, y.data, want.data, n);
        }
        guarded_free(&x), guarded_free(&y), guarded_free(&want);
    }
}

static void check_narrow(const kernel *k) {
    narrow_f32_f16_fn *fn = (narrow_f32_f16_fn *)k->fn, *ref = (narrow_f32_f16_fn *)check_reference(k->slot);
    uint64_t state = 6;
    for (int round = 0; round < 200; round++)
        for (int64_t n = 0; n < 40; n += 1 + n / 20) {
            guarded x = check_floats(n, true, &state), y = guarded_new((size_t)n * 2),
                    want = guarded_new((size_t)n * 2);
            for (int64_t i = 0; round % 2 && i < n; i++) {
                uint32_t bits = guarded_random(&state) << 1;
                memcpy((char *)x.data + 4 * i, &bits, 4);
            }
            memset(y.data, 0xff, (size_t)n * 2);
            fn(n, x.data, y.data);
            ref(n, x.data, want.data);
            for (int64_t i = 0; i < n; i++) {
                uint16_t got = ((uint16_t *)y.data)[i], w = ((uint16_t *)want.data)[i];
                if (got != w && !isnan(((float *)x.data)[i]))
                    fail_msg("%s: %a gives %x, the reference says %x", k->name, (double)((float *)x.data)[i], got, w);
                if (isnan(((float *)x.data)[i]) && (got & 0x7fff) <= 0x7c00) fail_msg("%s: NaN is lost", k->name);
            }
            guarded_free(&x), guarded_free(&y), guarded_free(&want);
        }
}

/* False where the kernel is of another room. */
static inline bool check_vec_kernel(const kernel *k) {
    switch (k->slot) {
    case offsetof(kernels, unary_f32):
        check_unary(k);
        return true;
    case offsetof(kernels, bias_unary_f32):
        check_bias_unary(k);
        return true;
    case offsetof(kernels, binary_f32):
        check_binary(k);
        return true;
    case offsetof(kernels, softmax_f32):
        check_softmax(k);
        return true;
    case offsetof(kernels, norm_f32):
        check_norm(k);
        return true;
    case offsetof(kernels, widen_f16_f32):
    case offsetof(kernels, widen_bf16_f32):
        check_widen(k);
        return true;
    case offsetof(kernels, narrow_f32_f16):
    case offsetof(kernels, narrow_f32_bf16):
        check_narrow(k);
        return true;
    default:
        return false;
    }
}

#endif
