/* The Fourier transform behind DFT and STFT. */
#include "ops/fourier.h"

#include <math.h>
#include <string.h>

#include "base/checked.h"

#define RADIX_MOST 61 /* a prime factor beyond makes Bluestein the faster way */
#define PI         3.14159265358979323846

static inline complex_f64 times(complex_f64 a, complex_f64 b) {
    return (complex_f64){a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}

static int64_t radix_of(int64_t n) {
    if (n % 4 == 0) return 4;
    for (int64_t p = 2; p <= RADIX_MOST; p += p == 2 ? 1 : 2)
        if (n % p == 0) return p;
    return n;
}

/* to[0 … n) = transform of from[0], from[stride] …; root has n * stride entries. */
static void mixed(const complex_f64 *root, int64_t n, const complex_f64 *from, int64_t stride, complex_f64 *to) {
    complex_f64 part[RADIX_MOST];
    if (n == 1) {
        *to = *from;
        return;
    }
    int64_t p = radix_of(n), m = n / p;
    for (int64_t r = 0; r < p; r++) mixed(root, m, from + r * stride, stride * p, to + r * m);
    for (int64_t k = 0; k < m; k++) {
        for (int64_t r = 0; r < p; r++) part[r] = to[r * m + k];
        for (int64_t q = 0; q < p; q++) {
            int64_t step = k + q * m, at = 0;
            complex_f64 sum = part[0];
            for (int64_t r = 1; r < p; r++) {
                at += step;
                if (at >= n) at -= n;
                complex_f64 t = times(part[r], root[at * stride]);
                sum.re += t.re;
                sum.im += t.im;
            }
            to[step] = sum;
        }
    }
}

static hst_status take(eval_context *c, int64_t n, complex_f64 **out, hst_error *err) {
    size_t bytes;
    void *memory;
    if (!size_mul((size_t)n, sizeof **out, &bytes)) return error_no_memory(err, SIZE_MAX, "a Fourier transform");
    HST_TRY(eval_scratch(c, bytes, &memory, err));
    *out = memory;
    return HST_STATUS_OK;
}

static void fill_roots(complex_f64 *root, int64_t n) {
    for (int64_t k = 0; k < n; k++) {
        double angle = -2 * PI * (double)k / (double)n;
        root[k] = (complex_f64){cos(angle), sin(angle)};
    }
}

hst_status fourier_make(eval_context *c, int64_t n, fourier *f, hst_error *err) {
    int64_t rest = n;
    *f = (fourier){.n = n};
    if (n < 1 || n > (int64_t)1 << 30)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "a transform of length %lld", (long long)n);
    while (rest > 1 && radix_of(rest) <= RADIX_MOST) rest /= radix_of(rest);
    if (rest == 1) {
        HST_TRY(take(c, n, &f->root, err));
        HST_TRY(take(c, n, &f->work, err));
        fill_roots(f->root, n);
        return HST_STATUS_OK;
    }
    for (f->padded = 1; f->padded < 2 * n - 1;) f->padded *= 2;
    HST_TRY(take(c, f->padded, &f->root, err));
    HST_TRY(take(c, n, &f->chirp, err));
    HST_TRY(take(c, f->padded, &f->response, err));
    HST_TRY(take(c, 2 * f->padded, &f->work, err));
    fill_roots(f->root, f->padded);
    memset(f->work, 0, (size_t)f->padded * sizeof *f->work);
    for (int64_t k = 0; k < n; k++) { /* k * k stays below 2^60 */
        double angle = -PI * (double)(k * k % (2 * n)) / (double)n;
        f->chirp[k] = (complex_f64){cos(angle), sin(angle)};
        f->work[k] = (complex_f64){f->chirp[k].re, -f->chirp[k].im};
        if (k) f->work[f->padded - k] = f->work[k];
    }
    mixed(f->root, f->padded, f->work, 1, f->response);
    return HST_STATUS_OK;
}

/* x_k exp(..k²) convolved with the conjugate chirp; the inverse of the padded transform is that of the conjugate. */
static void bluestein(const fourier *f, complex_f64 *z) {
    complex_f64 *a = f->work, *b = a + f->padded;
    memset(a, 0, (size_t)f->padded * sizeof *a);
    for (int64_t k = 0; k < f->n; k++) a[k] = times(z[k], f->chirp[k]);
    mixed(f->root, f->padded, a, 1, b);
    for (int64_t k = 0; k < f->padded; k++) {
        b[k] = times(b[k], f->response[k]);
        b[k].im = -b[k].im;
    }
    mixed(f->root, f->padded, b, 1, a);
    for (int64_t k = 0; k < f->n; k++) {
        complex_f64 t = {a[k].re / (double)f->padded, -a[k].im / (double)f->padded};
        z[k] = times(t, f->chirp[k]);
    }
}

void fourier_run(const fourier *f, complex_f64 *z, bool inverse) {
    for (int64_t k = 0; inverse && k < f->n; k++) z[k].im = -z[k].im;
    if (f->padded) {
        bluestein(f, z);
    } else {
        memcpy(f->work, z, (size_t)f->n * sizeof *z);
        mixed(f->root, f->n, f->work, 1, z);
    }
    for (int64_t k = 0; inverse && k < f->n; k++) z[k] = (complex_f64){z[k].re / (double)f->n, -z[k].im / (double)f->n};
}
