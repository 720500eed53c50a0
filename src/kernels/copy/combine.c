/* Combining runs of elements: through f64 for floats (one rounding: sums and products of narrower floats are exact
 * there or rounded as the type's own operation would), through s64 for integers. */
#include "kernels/copy/combine.h"

#include <math.h>
#include <string.h>

#include "tensor/convert.h"

bool combine_from_name(const char *name, combine *out) {
    static const char *const names[] = {"none", "add", "mul", "max", "min"};
    for (int i = 0; i < 5; i++) {
        if (strcmp(name, names[i]) != 0) continue;
        *out = (combine)i;
        return true;
    }
    return false;
}

bool combine_supports(combine how, hst_dtype d) {
    if (how == COMBINE_NONE) return true;
    return dtype_bits(d) >= 8 && d != HST_DTYPE_C64 && d != HST_DTYPE_C128;
}

static double combine_f64(combine how, double a, double b) {
    switch (how) {
    case COMBINE_ADD:
        return a + b;
    case COMBINE_MUL:
        return a * b;
    case COMBINE_MAX: /* NaN wins, as in numpy's maximum */
        return isnan(a) || a > b ? a : b;
    case COMBINE_MIN:
        return isnan(a) || a < b ? a : b;
    default:
        return b;
    }
}

static int64_t combine_s64(combine how, bool is_unsigned, int64_t a, int64_t b) {
    bool less = is_unsigned ? (uint64_t)a < (uint64_t)b : a < b;
    switch (how) {
    case COMBINE_ADD:
        return (int64_t)((uint64_t)a + (uint64_t)b);
    case COMBINE_MUL:
        return (int64_t)((uint64_t)a * (uint64_t)b);
    case COMBINE_MAX:
        return less ? b : a;
    case COMBINE_MIN:
        return less ? a : b;
    default:
        return b;
    }
}

static void run_f32(combine how, float *to, const float *from, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        float a, b;
        memcpy(&a, &to[i], 4);
        memcpy(&b, &from[i], 4);
        a = how == COMBINE_ADD ? a + b : how == COMBINE_MUL ? a * b : (float)combine_f64(how, a, b);
        memcpy(&to[i], &a, 4);
    }
}

void combine_run(combine how, hst_dtype d, void *to, const void *from, int64_t n) {
    if (d == HST_DTYPE_F32) {
        run_f32(how, to, from, n);
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        if (dtype_is_float(d)) {
            double a, b;
            convert_to_f64(d, to, i, &a, 1);
            convert_to_f64(d, from, i, &b, 1);
            a = combine_f64(how, a, b);
            convert_from_f64(d, &a, to, i, 1);
        } else {
            int64_t a, b;
            convert_to_s64(d, to, i, &a, 1);
            convert_to_s64(d, from, i, &b, 1);
            a = combine_s64(how, d == HST_DTYPE_U64, a, b);
            if (d == HST_DTYPE_B8) a = a != 0;
            convert_from_s64(d, &a, to, i, 1);
        }
    }
}
