/* Normalisation, the readable truth. */
#include "kernels/kernels.h"
#include "kernels/vec/scalar.h"

static float tree_add(float lane[16]) {
    for (int half = 8; half; half /= 2)
        for (int k = 0; k < half; k++) lane[k] += lane[k + half];
    return lane[0];
}

static void row(const norm_rows *a, int64_t r) {
    const float *x = a->x + r * a->n, *residual = a->residual ? a->residual + r * a->n : NULL;
    const float *bias = a->bias ? a->bias + r * a->ld_bias : NULL;
    float *y = a->y + r * a->n, lane[16] = {0}, mean = 0;
    for (int64_t i = 0; i < a->n; i++) {
        float s = x[i];
        if (residual) s = s + residual[i];
        if (bias) s = s + bias[i];
        if (a->sum) a->sum[r * a->n + i] = s;
        y[i] = s;
        lane[i % 16] += s;
    }
    if (!a->rms) mean = tree_add(lane) / (float)a->n;
    for (int k = 0; k < 16; k++) lane[k] = 0;
    for (int64_t i = 0; i < a->n; i++) {
        float d = a->rms ? y[i] : y[i] - mean;
        lane[i % 16] = fmaf(d, d, lane[i % 16]);
    }
    float inv = 1.0f / sqrtf(tree_add(lane) / (float)a->n + a->epsilon);
    for (int64_t i = 0; i < a->n; i++) {
        float v = (a->rms ? y[i] : y[i] - mean) * inv;
        if (a->beta)
            y[i] = fmaf(v, a->gamma ? a->gamma[i] : 1.0f, a->beta[i]);
        else
            y[i] = a->gamma ? v * a->gamma[i] : v;
    }
    if (a->mean && !a->rms) a->mean[r] = mean;
    if (a->inv) a->inv[r] = inv;
}

static void norm_f32(const norm_rows *a) {
    for (int64_t r = 0; r < a->rows; r++) row(a, r);
}

HST_KERNEL(norm_f32__ref) = {
    .name = "norm_f32__ref", .family = "norm", .slot = offsetof(kernels, norm_f32), .fn = (kernel_fn)norm_f32};
