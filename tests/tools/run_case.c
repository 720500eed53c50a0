/* run_case [--rtol R] [--atol A] FOLDER…: runs test folders as ONNX's backend tests have them (model.onnx,
 * test_data_set_<k>/input_<i>.pb and output_<i>.pb) through the reader, inference and the interpreter, and compares.
 * One line a folder: name, TAB, ok | fail | unsupported | skip, TAB, why. Exit 0 where nothing failed. Not run by
 * itself. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "onnx/onnx.h"
#include "onnx/tensor_io.h"
#include "ops/interp.h"

#define LIST_MOST 256

typedef struct tolerance {
    double relative, absolute;
} tolerance;

static bool near(double a, double b, const tolerance *t) {
    if (isnan(a) || isnan(b)) return isnan(a) && isnan(b);
    if (a == b) return true;
    return fabs(a - b) <= t->absolute + t->relative * fabs(b);
}

static bool same_element(const hst_tensor *a, const hst_tensor *b, int64_t i, const tolerance *t) {
    if (a->dtype == HST_DTYPE_STRING) {
        const hst_string *x = (const hst_string *)a->data + i, *y = (const hst_string *)b->data + i;
        return x->size == y->size && (x->size == 0 || memcmp(x->data, y->data, x->size) == 0);
    }
    if (a->dtype == HST_DTYPE_C64 || a->dtype == HST_DTYPE_C128) {
        size_t size = (size_t)dtype_bits(a->dtype) / 8;
        return memcmp((const char *)a->data + (size_t)i * size, (const char *)b->data + (size_t)i * size, size) == 0;
    }
    if (dtype_is_float(a->dtype)) return near(tensor_get_f64(a, i), tensor_get_f64(b, i), t);
    return tensor_get_s64(a, i) == tensor_get_s64(b, i);
}

static bool compare(int k, const hst_tensor *got, const hst_tensor *want, const tolerance *t, char *why, size_t size) {
    char a[160], b[160];
    type got_type = type_of_tensor(got), want_type = type_of_tensor(want);
    if (!type_equal(&got_type, &want_type)) {
        snprintf(why, size, "output %d is %s, expected %s", k, type_format(NULL, &got_type, a, sizeof a),
                 type_format(NULL, &want_type, b, sizeof b));
        return false;
    }
    for (int64_t i = 0, n = tensor_count(want); i < n; i++) {
        if (same_element(got, want, i, t)) continue;
        bool number = want->dtype != HST_DTYPE_STRING && want->dtype != HST_DTYPE_C64 && want->dtype != HST_DTYPE_C128;
        snprintf(why, size, "output %d (%s) element %lld is %.9g, expected %.9g", k, dtype_name(want->dtype),
                 (long long)i, number ? tensor_get_f64(got, i) : 0.0, number ? tensor_get_f64(want, i) : 0.0);
        return false;
    }
    return true;
}

/* Whether what was inferred of output k holds. */
static bool check_type(int k, const value *v, const hst_tensor *want, char *why, size_t size) {
    char a[160], b[160];
    type want_type = type_of_tensor(want);
    bool good = v->type.dtype == HST_DTYPE_NONE || v->type.dtype == want->dtype;
    good &= v->type.rank < 0 || v->type.rank == want->rank;
    for (int i = 0; good && i < v->type.rank; i++) good = v->type.dim[i] < 0 || v->type.dim[i] == want->dim[i];
    if (!good)
        snprintf(why, size, "output %d is inferred %s, is %s", k, type_format(v->graph->model, &v->type, a, sizeof a),
                 type_format(NULL, &want_type, b, sizeof b));
    return good;
}

/* Reads <folder>/<what>_<i>.pb, one after the other; an empty file, or .pb.skip beside: not a tensor. */
static int read_tensors(const char *folder, const char *what, hst_tensor **list, bool *odd, hst_error *err) {
    char path[4096], odd_path[4104];
    int n = 0;
    for (; n < LIST_MOST; n++) {
        snprintf(path, sizeof path, "%s/%s_%d.pb", folder, what, n);
        snprintf(odd_path, sizeof odd_path, "%s.skip", path);
        if (file_exists(odd_path)) *odd = true;
        if (!file_exists(path)) return n;
        if (tensor_read_pb(path, NULL, &list[n], NULL, err) != HST_STATUS_OK) return -1;
    }
    return n;
}

static void drop(hst_tensor **list, int n) {
    for (int i = 0; i < n; i++) tensor_free(list[i]);
}

typedef enum verdict { OK, FAIL, UNSUPPORTED, SKIP } verdict;

static verdict run_set(model *m, const char *folder, const tolerance *t, char *why, size_t size) {
    hst_tensor *in[LIST_MOST] = {0}, *want[LIST_MOST] = {0}, *got[LIST_MOST] = {0};
    hst_error err = {0};
    bool odd = false;
    verdict v = FAIL;
    int n_in = read_tensors(folder, "input", in, &odd, &err), n_want = read_tensors(folder, "output", want, &odd, &err);
    if (odd) {
        v = SKIP;
        snprintf(why, size, "data that is no tensor");
    } else if (n_in < 0 || n_want < 0) {
        snprintf(why, size, "%s", err.message);
    } else if (n_in > m->main->n_inputs || n_want > m->main->n_outputs || m->main->n_outputs > LIST_MOST) {
        snprintf(why, size, "%d inputs and %d outputs for a graph of %d and %d", n_in, n_want, m->main->n_inputs,
                 m->main->n_outputs);
    } else {
        hst_status status = interp_run(m->main, (const hst_tensor *const *)in, got, NULL, &err);
        v = status == HST_STATUS_UNSUPPORTED ? UNSUPPORTED : FAIL;
        if (status != HST_STATUS_OK) snprintf(why, size, "%s", err.message);
        bool good = status == HST_STATUS_OK;
        for (int k = 0; k < n_want && good; k++)
            good = compare(k, got[k], want[k], t, why, size) && check_type(k, m->main->outputs[k], want[k], why, size);
        if (good) v = OK;
    }
    drop(in, LIST_MOST);
    drop(want, LIST_MOST);
    drop(got, LIST_MOST);
    return v;
}

static verdict run_folder(const char *folder, const tolerance *t, char *why, size_t size) {
    char path[4096];
    model *m;
    hst_error err = {0};
    snprintf(path, sizeof path, "%s/model.onnx", folder);
    hst_status status = onnx_read(path, NULL, &m, &err);
    if (status == HST_STATUS_OK) {
        status = ops_resolve(m->main, &err);
        if (status == HST_STATUS_OK) status = graph_infer(m->main, &err);
        if (status != HST_STATUS_OK) model_free(m);
    }
    if (status != HST_STATUS_OK) {
        snprintf(why, size, "%s", err.message);
        return status == HST_STATUS_UNSUPPORTED ? UNSUPPORTED : FAIL;
    }
    verdict v = SKIP;
    snprintf(why, size, "no test_data_set_0");
    for (int k = 0; k < 64; k++) {
        snprintf(path, sizeof path, "%s/test_data_set_%d", folder, k);
        if (!file_is_folder(path)) break;
        *why = 0;
        if ((v = run_set(m, path, t, why, size)) != OK) break;
    }
    model_free(m);
    return v;
}

int main(int argc, char **argv) {
    static const char *const names[] = {"ok", "fail", "unsupported", "skip"};
    tolerance t = {1e-3, 1e-7};
    int failed = 0;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--rtol") == 0 && i + 1 < argc) {
            t.relative = atof(argv[++i]);
        } else if (strcmp(argv[i], "--atol") == 0 && i + 1 < argc) {
            t.absolute = atof(argv[++i]);
        } else {
            char why[700] = "";
            verdict v = run_folder(argv[i], &t, why, sizeof why);
            failed += v == FAIL;
            const char *slash = strrchr(argv[i], '/');
            printf("%s\t%s\t%s\n", slash ? slash + 1 : argv[i], names[v], why);
            fflush(stdout);
        }
    }
    return failed != 0;
}
