/* Comparing values. */
#include "compare.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define BF16_RELATIVE 0x1p-6 /* two units in the last place */

typedef struct report {
    char *to;
    size_t size;
} report;

static bool say(report r, const char *format, ...) __attribute__((format(printf, 2, 3)));
static bool say(report r, const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(r.to, r.size, format, args);
    va_end(args);
    return false;
}

/* "f32[2,3]" */
static const char *type_text(const hst_tensor *t, char *to, size_t size) {
    size_t at = (size_t)snprintf(to, size, "%s[", hst_dtype_name(hst_tensor_dtype(t)));
    for (int i = 0; i < hst_tensor_rank(t) && at < size; i++)
        at += (size_t)snprintf(to + at, size - at, "%s%" PRId64, i ? "," : "", hst_tensor_dims(t)[i]);
    if (at < size) snprintf(to + at, size - at, "]");
    return to;
}

static bool same_type(const hst_tensor *a, const hst_tensor *b) {
    int rank = hst_tensor_rank(a);
    return hst_tensor_dtype(a) == hst_tensor_dtype(b) && rank == hst_tensor_rank(b) &&
           (rank == 0 || memcmp(hst_tensor_dims(a), hst_tensor_dims(b), (size_t)rank * sizeof(int64_t)) == 0);
}

static bool near(double got, double want, tolerance t) {
    if (isnan(got) || isnan(want)) return isnan(got) && isnan(want);
    if (got == want) return true;
    return isfinite(got) && isfinite(want) && fabs(got - want) <= t.absolute + t.relative * fabs(want);
}

static bool compare_strings(const hst_tensor *got, const hst_tensor *want, report r) {
    const hst_string *a = hst_tensor_view(got), *b = hst_tensor_view(want);
    for (int64_t i = 0, n = hst_tensor_count(want); i < n; i++) {
        if (a[i].size == b[i].size && (!a[i].size || memcmp(a[i].data, b[i].data, a[i].size) == 0)) continue;
        return say(r, "element %" PRId64 " is '%.*s', expected '%.*s'", i, a[i].size > 60 ? 60 : (int)a[i].size,
                   a[i].data, b[i].size > 60 ? 60 : (int)b[i].size, b[i].data);
    }
    return true;
}

static bool compare_complex(const hst_tensor *got, const hst_tensor *want, tolerance t, report r) {
    bool wide = hst_tensor_dtype(want) == HST_DTYPE_C128;
    const float *a = hst_tensor_view(got), *b = hst_tensor_view(want);
    const double *c = hst_tensor_view(got), *d = hst_tensor_view(want);
    for (int64_t i = 0, n = hst_tensor_count(want); i < n; i++) {
        double x = wide ? c[2 * i] : (double)a[2 * i], y = wide ? c[2 * i + 1] : (double)a[2 * i + 1];
        double u = wide ? d[2 * i] : (double)b[2 * i], v = wide ? d[2 * i + 1] : (double)b[2 * i + 1];
        if (near(x, u, (tolerance){0, 0}) && near(y, v, (tolerance){0, 0})) continue;
        if (hypot(x - u, y - v) <= t.absolute + t.relative * hypot(u, v)) continue;
        return say(r, "element %" PRId64 " is %.9g%+.9gi, expected %.9g%+.9gi", i, x, y, u, v);
    }
    return true;
}

/* Without a tolerance 64-bit integers are compared as they are: as f64, neighbours of more than 53 bits are one. */
static bool differ_exactly(const hst_tensor *got, const hst_tensor *want, tolerance t, int64_t i) {
    const hst_dtype d = hst_tensor_dtype(want);
    if ((d != HST_DTYPE_S64 && d != HST_DTYPE_U64) || t.absolute > 0 || t.relative > 0) return false;
    return ((const int64_t *)hst_tensor_view(got))[i] != ((const int64_t *)hst_tensor_view(want))[i];
}

static bool compare_numbers(const hst_tensor *got, const hst_tensor *want, tolerance t, report r) {
    hst_tensor *a = NULL, *b = NULL;
    hst_error err = {0};
    int64_t n = hst_tensor_count(want), first = -1, bad = 0;
    if (hst_tensor_dtype(want) == HST_DTYPE_BF16 && t.relative < BF16_RELATIVE) t.relative = BF16_RELATIVE;
    bool made = hst_tensor_convert(got, HST_DTYPE_F64, &a, &err) == HST_STATUS_OK &&
                hst_tensor_convert(want, HST_DTYPE_F64, &b, &err) == HST_STATUS_OK;
    const double *x = made ? hst_tensor_view(a) : NULL, *y = made ? hst_tensor_view(b) : NULL;
    for (int64_t i = 0; made && i < n; i++) {
        if (near(x[i], y[i], t) && !differ_exactly(got, want, t, i)) continue;
        if (!bad++) first = i;
    }
    if (!made)
        say(r, "the elements differ: %s", err.message);
    else if (bad)
        say(r, "element %" PRId64 " is %.9g, expected %.9g; %" PRId64 " of %" PRId64 " differ", first, x[first],
            y[first], bad, n);
    hst_tensor_free(a);
    hst_tensor_free(b);
    return made && !bad;
}

/* A sequence, or what else is made of items. */
static bool compare_items(const hst_tensor *got, const hst_tensor *want, tolerance t, report r) {
    char why[400];
    for (size_t i = 0; i < (size_t)hst_tensor_count(want); i++)
        if (!compare_values(hst_tensor_item(got, i), hst_tensor_item(want, i), t, why, sizeof why))
            return say(r, "item %zu: %s", i, why);
    return true;
}

bool compare_values(const hst_tensor *got, const hst_tensor *want, tolerance t, char *why, size_t size) {
    report r = {why, size};
    char a[400], b[400];
    hst_dtype dtype = hst_tensor_dtype(want);
    if (!same_type(got, want))
        return say(r, "is %s, expected %s", type_text(got, a, sizeof a), type_text(want, b, sizeof b));
    if (dtype >= HST_DTYPE_SEQUENCE) return compare_items(got, want, t, r);
    if (dtype == HST_DTYPE_STRING) return compare_strings(got, want, r);
    if (memcmp(hst_tensor_view(got), hst_tensor_view(want), hst_tensor_bytes(want)) == 0) return true;
    bool is_complex = dtype == HST_DTYPE_C64 || dtype == HST_DTYPE_C128;
    return is_complex ? compare_complex(got, want, t, r) : compare_numbers(got, want, t, r);
}
