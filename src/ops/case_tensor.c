/* Test cases as text: a tensor, "f32[2,3]{1 2 3 4 5 6}"; a sequence, "seq{s64[]{1}, s64[]{2}}"; a
 * map, its keys and values, "map{s64[2]{1 2}, f32[2]{3 4}}"; an empty optional, "none". */
#include "ops/case_parse.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tensor/convert.h"
#include "tensor/strings.h"

#define ELEMENTS_MOST 4096      /* written out in one tensor */
#define COUNT_MOST    (1 << 20) /* elements that they may be repeated to */

/* Elements as read: one of the three, by dtype. */
typedef struct elements {
    double f[ELEMENTS_MOST];
    int64_t i[ELEMENTS_MOST];
    hst_string s[ELEMENTS_MOST];
    int n;
} elements;

static hst_status read_dims(case_cursor *p, int *rank, int64_t *dim) {
    HST_TRY(case_expect(p, "["));
    *rank = 0;
    while (!case_accept(p, "]")) {
        if (*rank) HST_TRY(case_expect(p, ","));
        if (*rank == HST_RANK_MAX) return case_error(p, "too many dimensions");
        char *end;
        dim[(*rank)++] = strtoll(p->at, &end, 10);
        if (end == p->at) return case_error(p, "expected a dimension");
        p->at = end;
    }
    return HST_STATUS_OK;
}

static hst_status read_float(case_cursor *p, double *out) {
    char *end;
    *out = strtod(p->at, &end);
    if (end == p->at) return case_error(p, "expected a number");
    p->at = end;
    return HST_STATUS_OK;
}

static hst_status read_integer(case_cursor *p, int64_t *out) {
    if (case_accept(p, "true")) return *out = 1, HST_STATUS_OK;
    if (case_accept(p, "false")) return *out = 0, HST_STATUS_OK;
    char *end;
    errno = 0;
    *out = *p->at == '-' ? strtoll(p->at, &end, 0) : (int64_t)strtoull(p->at, &end, 0);
    if (end == p->at || errno || *end == '.') return case_error(p, "expected an integer");
    p->at = end;
    return HST_STATUS_OK;
}

static hst_status read_elements(case_cursor *p, hst_dtype d, elements *e) {
    HST_TRY(case_expect(p, "{"));
    for (e->n = 0; !case_accept(p, "}"); e->n++) {
        if (e->n == ELEMENTS_MOST) return case_error(p, "too many elements");
        if (d == HST_DTYPE_STRING) {
            HST_TRY(case_quoted(p, &e->s[e->n]));
        } else if (dtype_is_integer(d) || d == HST_DTYPE_B8) {
            HST_TRY(read_integer(p, &e->i[e->n]));
        } else {
            HST_TRY(read_float(p, &e->f[e->n]));
        }
    }
    return HST_STATUS_OK;
}

static hst_status fill(hst_tensor *t, const elements *e, hst_error *err) {
    int64_t count = tensor_count(t);
    hst_dtype d = t->dtype;
    int n = e->n;
    for (int64_t i = 0; i < count; i++) {
        if (d == HST_DTYPE_STRING)
            ((hst_string *)t->data)[i] = e->s[i % n];
        else if (d == HST_DTYPE_C64)
            ((float *)t->data)[2 * i] = (float)e->f[2 * i % n],
                                   ((float *)t->data)[2 * i + 1] = (float)e->f[(2 * i + 1) % n];
        else if (d == HST_DTYPE_C128)
            ((double *)t->data)[2 * i] = e->f[2 * i % n], ((double *)t->data)[2 * i + 1] = e->f[(2 * i + 1) % n];
        else if (dtype_is_float(d) && dtype_bits(d) == 8) /* an inf that is written means inf: no saturation */
            convert_array(HST_DTYPE_F64, &e->f[i % n], d, (char *)t->data + i, 1, false);
        else if (dtype_is_float(d))
            tensor_set_f64(t, i, e->f[i % n]);
        else
            tensor_set_s64(t, i, e->i[i % n]);
    }
    return d == HST_DTYPE_STRING ? tensor_own_strings(t, err) : HST_STATUS_OK;
}

static hst_status make(case_cursor *p, hst_dtype d, int rank, const int64_t *dim, const elements *e, hst_tensor **out) {
    int64_t count;
    HST_TRY(shape_count(rank, dim, &count, p->err));
    if (count > COUNT_MOST) return case_error(p, "a tensor too large for a test case");
    HST_TRY(tensor_new(d, rank, dim, NULL, out, p->err));
    count *= (d == HST_DTYPE_C64 || d == HST_DTYPE_C128 ? 2 : 1);
    hst_status status = HST_STATUS_OK;
    if (e->n > count)
        status = case_error(p, "more elements than the shape has");
    else if (count && !e->n)
        status = case_error(p, "no elements, but the shape has some");
    else
        status = fill(*out, e, p->err);
    if (status != HST_STATUS_OK) {
        tensor_free(*out);
        *out = NULL;
    }
    return status;
}

static hst_status read_list(case_cursor *p, hst_dtype d, hst_tensor **out) {
    hst_tensor *items[CASE_LIST_MOST];
    int n = 0;
    hst_status status = HST_STATUS_OK;
    while (status == HST_STATUS_OK && !case_accept(p, "}")) {
        if (n) status = case_expect(p, ",");
        if (status == HST_STATUS_OK && n == CASE_LIST_MOST) status = case_error(p, "too many items");
        if (status == HST_STATUS_OK) status = case_tensor(p, &items[n]);
        if (status == HST_STATUS_OK) n++;
    }
    if (status == HST_STATUS_OK) return tensor_new_list(d, items, n, NULL, out, p->err);
    for (int i = 0; i < n; i++) tensor_free(items[i]);
    return status;
}

hst_status case_tensor(case_cursor *p, hst_tensor **out) {
    *out = NULL;
    if (case_accept(p, "_")) return HST_STATUS_OK;
    if (case_accept(p, "none")) return tensor_new_list(HST_DTYPE_OPTIONAL, NULL, 0, NULL, out, p->err);
    if (case_accept(p, "seq{")) return read_list(p, HST_DTYPE_SEQUENCE, out);
    if (case_accept(p, "map{")) return read_list(p, HST_DTYPE_MAP, out);
    const char *name;
    HST_TRY(case_name(p, &name));
    hst_dtype d = dtype_from_name(name);
    if (d == HST_DTYPE_NONE) return case_error(p, "unknown dtype before this");
    int rank;
    int64_t dim[HST_RANK_MAX];
    HST_TRY(read_dims(p, &rank, dim));
    elements *e = malloc(sizeof *e);
    if (!e) return error_no_memory(p->err, sizeof *e, "a test case");
    hst_status status = read_elements(p, d, e);
    if (status == HST_STATUS_OK) status = make(p, d, rank, dim, e, out);
    free(e);
    return status;
}
