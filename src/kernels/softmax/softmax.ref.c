/* Softmax, the readable truth. */
#include "kernels/kernels.h"
#include "kernels/vec/scalar.h"

static float tree_add(float lane[16]) {
    for (int half = 8; half; half /= 2)
        for (int k = 0; k < half; k++) lane[k] += lane[k + half];
    return lane[0];
}

static void row(const softmax_rows *s, const float *x, const float *mask, float *y, float *factor) {
    float most = -INFINITY, lane[16] = {0};
    for (int64_t i = 0; i < s->n; i++) {
        float v = mask ? x[i] + mask[i] : x[i];
        most = most > v ? most : v; /* NaN passes; it shows in the sum */
        y[i] = v;
    }
    most += 0.0f; /* -0 becomes +0 */
    for (int64_t i = 0; i < s->n; i++) {
        float e = f32_exp_negative(y[i] - most);
        lane[i % 16] += e;
        y[i] = s->log ? y[i] - most : e;
    }
    float sum = tree_add(lane), scale = 1.0f / sum, shift = (float)log((double)sum);
    if (factor) *factor = scale, scale = 1;
    for (int64_t i = 0; i < s->n; i++) y[i] = s->log ? y[i] - shift : y[i] * scale;
    for (int64_t i = s->n; i < s->width; i++) y[i] = s->log ? -INFINITY : 0.0f;
}

static void softmax_f32(const softmax_rows *s) {
    for (int64_t r = 0; r < s->rows; r++)
        row(s, s->x + r * s->ldx, s->mask ? s->mask + r * s->ldm : NULL, s->y + r * s->ldy,
            s->factor ? s->factor + r : NULL);
}

HST_KERNEL(softmax_f32__ref) = {.name = "softmax_f32__ref",
                                .family = "softmax",
                                .slot = offsetof(kernels, softmax_f32),
                                .fn = (kernel_fn)softmax_f32};
