/* hasten verify: runs models on the test data that lies beside them, and compares with what was expected. */
#include <fnmatch.h>
#include <getopt.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cases.h"
#include "cli.h"
#include "compare.h"

#define VALUES_MOST 256 /* inputs or outputs of a case */
#define SETS_MOST   1000

typedef struct verifier {
    tolerance given;     /* of --rtol and --atol; NaN: the case's own */
    const char *pattern; /* only cases whose name fits; NULL: all */
    bool verbose;
    json_t *ops; /* for the known failures */
    size_t passed, failed, skipped;
} verifier;

static void free_all(hst_tensor **list) {
    for (int i = 0; i < VALUES_MOST; i++) hst_tensor_free(list[i]);
}

static hst_dtype kept_as(const hst_value_info *v) {
    if (v->may_be_empty) return HST_DTYPE_OPTIONAL;
    return v->dtype >= HST_DTYPE_SEQUENCE ? v->dtype : HST_DTYPE_NONE;
}

static hst_status fault(hst_error *err, hst_status status, const char *message) {
    err->code = status;
    snprintf(err->message, sizeof err->message, "%s", message);
    return status;
}

/* Packages before onnx 1.19 wrote bf16 data as u16 of the same bits: what the model declares counts. */
static hst_status take_declared(const hst_value_info *v, hst_tensor **t, hst_error *err) {
    hst_tensor *u = NULL;
    if (v->dtype != HST_DTYPE_BF16 || hst_tensor_dtype(*t) != HST_DTYPE_U16) return HST_STATUS_OK;
    hst_status status = hst_tensor_new_copy(HST_DTYPE_BF16, hst_tensor_rank(*t), hst_tensor_dims(*t),
                                            hst_tensor_view(*t), hst_tensor_bytes(*t), NULL, &u, err);
    if (status != HST_STATUS_OK) return status;
    hst_tensor_free(*t);
    *t = u;
    return status;
}

/* Reads <set>/<what>_<i>.pb, one after the other; as many as there are. */
static hst_status read_values(const cases *c, const test_case *one, const hst_model *m, int set, bool input,
                              hst_tensor **list, size_t *n, hst_error *err) {
    char name[64];
    for (*n = 0; *n < VALUES_MOST; ++*n) {
        snprintf(name, sizeof name, "test_data_set_%d/%s_%zu.pb", set, input ? "input" : "output", *n);
        if (!cases_has(c, one, name)) return HST_STATUS_OK;
        const hst_value_info *v = input ? hst_model_input(m, *n) : hst_model_output(m, *n);
        if (!v) return fault(err, HST_STATUS_BAD_FORMAT, "there is data for more inputs or outputs than the model has");
        hst_status status = cases_value(c, one, name, kept_as(v), &list[*n], err);
        if (status == HST_STATUS_OK) status = take_declared(v, &list[*n], err);
        if (status != HST_STATUS_OK) return status;
    }
    return HST_STATUS_OK;
}

static hst_status run_set(const cases *c, const test_case *one, const hst_model *m, hst_session *s, int set,
                          tolerance t, hst_error *err) {
    hst_tensor *in[VALUES_MOST] = {0}, *want[VALUES_MOST] = {0}, *got[VALUES_MOST] = {0};
    const char *in_names[VALUES_MOST], *out_names[VALUES_MOST];
    size_t n_in = 0, n_out = 0;
    char why[500];
    hst_status status = read_values(c, one, m, set, true, in, &n_in, err);
    if (status == HST_STATUS_OK) status = read_values(c, one, m, set, false, want, &n_out, err);
    if (status == HST_STATUS_OK && !n_out)
        status = fault(err, HST_STATUS_BAD_FORMAT, "nothing is expected: no output_0.pb");
    for (size_t i = 0; i < n_in; i++) in_names[i] = hst_model_input(m, i)->name;
    for (size_t i = 0; i < n_out; i++) out_names[i] = hst_model_output(m, i)->name;
    hst_run_options options = HST_INIT(hst_run_options);
    options.cancel = cli_cancel_flag();
    if (status == HST_STATUS_OK)
        status =
            hst_session_run(s, n_in, in_names, (const hst_tensor *const *)in, n_out, out_names, got, &options, err);
    for (size_t i = 0; i < n_out && status == HST_STATUS_OK; i++) {
        if (compare_values(got[i], want[i], t, why, sizeof why)) continue;
        status = fault(err, HST_STATUS_INTERNAL, "");
        snprintf(err->message, sizeof err->message, "data set %d, output '%.80s' %s", set, out_names[i], why);
    }
    free_all(in);
    free_all(want);
    free_all(got);
    return status;
}

/* The case's data.json, or NULL. */
static json_t *said_of(const cases *c, const test_case *one) {
    char *text = NULL;
    hst_error err;
    if (!cases_has(c, one, "data.json") || cases_text(c, one, "data.json", &text, &err) != HST_STATUS_OK) return NULL;
    json_t *said = json_loads(text, 0, NULL);
    free(text);
    return said;
}

/* The tolerances that the case names, those of the standard's runner where it has none, or those of the command line.
 */
static tolerance tolerance_of(const verifier *v, const json_t *said) {
    tolerance t = {1e-3, 1e-7};
    const json_t *rtol = json_object_get(said, "rtol"), *atol = json_object_get(said, "atol");
    if (json_is_number(rtol)) t.relative = json_number_value(rtol);
    if (json_is_number(atol)) t.absolute = json_number_value(atol);
    if (!isnan(v->given.relative)) t.relative = v->given.relative;
    if (!isnan(v->given.absolute)) t.absolute = v->given.absolute;
    return t;
}

static hst_status run_case(const cases *c, const test_case *one, tolerance t, hst_error *err) {
    hst_model_options options = HST_INIT(hst_model_options);
    hst_model *m = NULL;
    hst_session *s = NULL;
    char name[64];
    hst_status status = cases_model(c, one, &options, &m, err);
    if (status == HST_STATUS_OK) status = hst_session_new(m, NULL, &s, err);
    for (int k = 0; k < SETS_MOST && status == HST_STATUS_OK; k++) {
        snprintf(name, sizeof name, "test_data_set_%d/output_0.pb", k);
        if (k && !cases_has(c, one, name)) break;
        status = run_set(c, one, m, s, k, t, err);
    }
    hst_session_free(s);
    hst_model_free(m);
    return status;
}

/* Why a case is known to fail: its data.json says that the standard has corrected it since, or an operator says
 * "<pattern of names>: <reason>". NULL: it is not known. */
static const char *known_reason(const verifier *v, const json_t *said, const char *name) {
    if (json_is_string(json_object_get(said, "corrected")))
        return json_string_value(json_object_get(said, "corrected"));
    size_t i;
    json_t *op;
    char pattern[128];
    json_array_foreach(v->ops, i, op) {
        const char *failing = json_string_value(json_object_get(op, "failing"));
        const char *colon = failing ? strstr(failing, ": ") : NULL;
        if (!colon || (size_t)(colon - failing) >= sizeof pattern) continue;
        snprintf(pattern, sizeof pattern, "%.*s", (int)(colon - failing), failing);
        if (fnmatch(pattern, name, 0) == 0) return colon + 2;
    }
    return NULL;
}

static void verify_case(verifier *v, const cases *c, const test_case *one) {
    hst_error err = {0};
    if (v->verbose) {
        printf("%s: ", one->name); /* what runs, should it never come back */
        fflush(stdout);
    }
    json_t *said = said_of(c, one);
    hst_status status = run_case(c, one, tolerance_of(v, said), &err);
    const char *known = status == HST_STATUS_OK ? NULL : known_reason(v, said, one->name);
    v->passed += status == HST_STATUS_OK;
    v->skipped += known != NULL;
    v->failed += status != HST_STATUS_OK && !known;
    if (v->verbose && status == HST_STATUS_OK) puts("passed");
    if (status != HST_STATUS_OK)
        printf("%s%s%s, %s%s%s\n", v->verbose ? "" : one->name, v->verbose ? "" : ": ",
               known ? "known to fail" : "FAILED", err.message, known ? "; " : "", known ? known : "");
    json_decref(said);
    fflush(stdout);
}

static hst_status verify(verifier *v, const char *path, hst_error *err) {
    cases *c;
    hst_status status = cases_open(path, &c, err);
    if (status != HST_STATUS_OK) return status;
    for (size_t i = 0; i < cases_count(c); i++)
        if (!v->pattern || fnmatch(v->pattern, cases_at(c, i)->name, 0) == 0) verify_case(v, c, cases_at(c, i));
    cases_free(c);
    return HST_STATUS_OK;
}

static bool parse_tolerance(const char *text, double *out) {
    char *end;
    *out = strtod(text, &end);
    return end != text && !*end && isfinite(*out) && *out >= 0;
}

static int parse(int argc, char **argv, verifier *v) {
    enum { RTOL = 256, ATOL, MATCH, THREADS };
    static const struct option options[] = {{"rtol", 1, 0, RTOL},       {"atol", 1, 0, ATOL},   {"match", 1, 0, MATCH},
                                            {"threads", 1, 0, THREADS}, {"verbose", 0, 0, 'v'}, {0}};
    long long threads = 0;
    opterr = 0;
    optind = 1;
    for (int c; (c = getopt_long(argc, argv, ":v", options, NULL)) != -1;) {
        bool ok = true;
        if (c == RTOL)
            ok = parse_tolerance(optarg, &v->given.relative);
        else if (c == ATOL)
            ok = parse_tolerance(optarg, &v->given.absolute);
        else if (c == MATCH)
            v->pattern = optarg;
        else if (c == THREADS)
            ok = cli_number(optarg, 1, 256, false, &threads);
        else if (c == 'v')
            v->verbose = true;
        else
            ok = false;
        if (!ok) return cli_bad_option("verify", options, c, argv);
    }
    if (threads) hst_threads_set((int)threads);
    return 0;
}

static int run(int argc, char **argv) {
    verifier v = {.given = {NAN, NAN}};
    hst_error err = {0};
    char *ops = NULL;
    int code = parse(argc, argv, &v);
    if (code) return code;
    if (optind == argc) return cli_usage("verify", "say which folder or archive holds the cases");
    if (hst_list_json("ops", &ops, &err) != HST_STATUS_OK) return cli_failed(&err);
    v.ops = json_loads(ops, 0, NULL);
    hst_text_free(ops);
    hst_status status = HST_STATUS_OK;
    for (int i = optind; i < argc && status == HST_STATUS_OK; i++) status = verify(&v, argv[i], &err);
    json_decref(v.ops);
    if (status != HST_STATUS_OK) return cli_failed(&err);
    if (!v.passed && !v.failed && !v.skipped) return cli_usage("verify", "no case is named '%s'", v.pattern);
    printf("%zu passed, %zu failed, %zu skipped\n", v.passed, v.failed, v.skipped);
    return v.failed ? EXIT_FAILED : EXIT_SUCCESS;
}

HST_COMMAND(verify) = {
    .name = "verify",
    .summary = "run models on the test data beside them and compare",
    .order = 6,
    .run = run,
    .help =
        "usage: hasten verify [OPTION…] FOLDER|ARCHIVE…\n\n"
        "Runs every case in a folder, however deep, or in a .tar or .tar.gz archive. A case is a .onnx file beside\n"
        "test_data_set_0/input_0.pb …, output_0.pb …, as ONNX's own tests and model collections have them; their\n"
        "comparison is made: types, shapes, strings and NaN exactly, numbers within |got - want| <= atol + rtol "
        "|want|.\n\n"
        "      --rtol X     relative tolerance (default: the case's data.json, else 0.001)\n"
        "      --atol X     absolute tolerance (default: the case's data.json, else 1e-7)\n"
        "      --match NAME only cases of this name; * and ? stand for any characters\n"
        "      --threads N  1 to 256; default: what affinity mask and CPU quota allow\n"
        "  -v, --verbose    every case, not only those that fail\n\n"
        "Closes with: N passed, N failed, N skipped. Every case is run; one that fails and is known to, with a reason\n"
        "in `hasten list ops --gaps`, counts as skipped. Exits with 1 where one failed.\n"};
