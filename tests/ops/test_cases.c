/* Runs every case of every operator: through the interpreter; through bind's fast path where it offers one; and through
 * shape inference with all, some and nothing known, whose claims must hold of the expected outputs. One test an
 * operator. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "counting.h"
#include "ops/case.h"
#include "ops/interp.h"

typedef struct where {
    const op *op;
    const op_case *c;
    const char *how;
} where;

static int failures; /* of the running test */

static void complain(const where *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void complain(const where *w, const char *format, ...) {
    va_list args;
    va_start(args, format);
    fprintf(stderr, "  %s, case '%s', %s: ", w->op->name, w->c->name, w->how);
    vfprintf(stderr, format, args);
    fprintf(stderr, "\n    %s\n", w->c->text);
    va_end(args);
    failures++;
}

/* ---- comparing ---- */

static bool near(double a, double b, double tolerance) {
    if (isnan(a) || isnan(b)) return isnan(a) && isnan(b);
    if (a == b) return true;
    return fabs(a - b) <= tolerance * fmax(1, fabs(b)); /* relative above 1, absolute below */
}

static bool same_element(const hst_tensor *a, const hst_tensor *b, int64_t i, double tolerance) {
    if (a->dtype == HST_DTYPE_STRING) {
        const hst_string *x = (const hst_string *)a->data + i, *y = (const hst_string *)b->data + i;
        return x->size == y->size && (x->size == 0 || memcmp(x->data, y->data, x->size) == 0);
    }
    if (a->dtype == HST_DTYPE_C64) {
        const float *x = (const float *)a->data + 2 * i, *y = (const float *)b->data + 2 * i;
        return near(x[0], y[0], tolerance) && near(x[1], y[1], tolerance);
    }
    if (a->dtype == HST_DTYPE_C128) {
        const double *x = (const double *)a->data + 2 * i, *y = (const double *)b->data + 2 * i;
        return near(x[0], y[0], tolerance) && near(x[1], y[1], tolerance);
    }
    if (dtype_is_float(a->dtype)) return near(tensor_get_f64(a, i), tensor_get_f64(b, i), tolerance);
    int64_t x = tensor_get_s64(a, i), y = tensor_get_s64(b, i);
    return x == y || (tolerance > 0 && near((double)x, (double)y, tolerance));
}

static void compare(const where *w, int k, const hst_tensor *got, const hst_tensor *want) {
    char a[200], b[200];
    if (!got) {
        complain(w, "output %d is missing", k);
        return;
    }
    type got_type = type_of_tensor(got), want_type = type_of_tensor(want);
    if (!type_equal(&got_type, &want_type)) {
        complain(w, "output %d is %s, expected %s", k, type_format(NULL, &got_type, a, sizeof a),
                 type_format(NULL, &want_type, b, sizeof b));
        return;
    }
    if (tensor_is_list(want)) {
        if (tensor_count(got) != tensor_count(want))
            complain(w, "output %d has %d items", k, (int)tensor_count(got));
        else
            for (int64_t i = 0; i < tensor_count(want); i++) compare(w, k, tensor_item(got, i), tensor_item(want, i));
        return;
    }
    for (int64_t i = 0; i < tensor_count(want); i++) {
        if (same_element(got, want, i, w->c->tolerance)) continue;
        if (dtype_is_float(want->dtype))
            complain(w, "output %d element %lld is %.9g, expected %.9g", k, (long long)i, tensor_get_f64(got, i),
                     tensor_get_f64(want, i));
        else if (want->dtype == HST_DTYPE_STRING)
            complain(w, "output %d element %lld is '%.*s'", k, (long long)i, (int)((hst_string *)got->data)[i].size,
                     ((hst_string *)got->data)[i].data);
        else
            complain(w, "output %d element %lld is %lld, expected %lld", k, (long long)i,
                     (long long)tensor_get_s64(got, i), (long long)tensor_get_s64(want, i));
        return;
    }
}

/* ---- the interpreter ---- */

static bool open_case(const where *w, case_model *m) {
    hst_error err = {0};
    if (case_parse(w->op, w->c, m, &err) == HST_STATUS_OK && ops_resolve(m->model->main, &err) == HST_STATUS_OK)
        return true;
    complain(w, "%s", err.message);
    case_free(m);
    return false;
}

static int present(hst_tensor *const *list, int n, const hst_tensor **out) {
    int count = 0;
    for (int i = 0; i < n; i++)
        if (list[i]) out[count++] = list[i];
    return count;
}

static void check_interpreter(const where *w) {
    case_model m;
    hst_error err = {0};
    const hst_tensor *in[64], *want[64];
    hst_tensor *out[64] = {0};
    if (!open_case(w, &m)) return;
    present(m.in, m.n_in, in);
    int n = present(m.expected, m.n_out, want);
    /* Inferred first, as every reader does: a Loop without an iteration takes its outputs' types from its body. */
    hst_status status = w->op->infer ? graph_infer(m.model->main, &err) : HST_STATUS_OK;
    if (status == HST_STATUS_OK) status = interp_run(m.model->main, in, out, NULL, &err);
    if (status != HST_STATUS_OK)
        complain(w, "%s", err.message);
    else
        for (int k = 0; k < n; k++) compare(w, k, out[k], want[k]);
    for (int k = 0; k < n; k++) tensor_free(out[k]);
    case_free(&m);
}

/* The first, second, third … allocation fails: a status says so, nothing is lost, and the last time, where none fails,
 * the result is as ever. */
static void check_memory(const where *w) {
    case_model m;
    const hst_tensor *in[64], *want[64];
    hst_tensor *out[64] = {0};
    if (!open_case(w, &m)) return;
    present(m.in, m.n_in, in);
    int n = present(m.expected, m.n_out, want);
    hst_error err = {0};
    hst_status status = w->op->infer ? graph_infer(m.model->main, &err) : HST_STATUS_OK;
    for (long k = 1; status == HST_STATUS_OK && k < 1000; k++) {
        counting count = {.fail_at = k};
        hst_allocator allocator = counting_allocator(&count);
        interp_options options = {.allocator = &allocator};
        status = interp_run(m.model->main, in, out, &options, &err);
        bool done = status == HST_STATUS_OK;
        for (int i = 0; i < n && done; i++) compare(w, i, out[i], want[i]);
        for (int i = 0; i < n; i++) tensor_free(out[i]);
        memset(out, 0, sizeof out);
        if (count.alive) complain(w, "allocation %ld fails: %ld blocks are lost", k, count.alive);
        if (done && count.fail_at > 0) break;
        if (status != HST_STATUS_NO_MEMORY && count.fail_at == 0)
            complain(w, "allocation %ld fails: the status is %s", k, status_name(status));
        status = HST_STATUS_OK;
    }
    case_free(&m);
}

/* ---- inference ---- */

typedef enum known { KNOW_TYPES, KNOW_CONSTANTS, KNOW_SYMBOLS, KNOW_NOTHING } known;

#define SYMBOLS_MOST 512

typedef struct symbol_table {
    int n;
    dim symbol[SYMBOLS_MOST];
    int64_t length[SYMBOLS_MOST];
} symbol_table;

static void forget(case_model *m, known k, symbol_table *s) {
    graph *g = m->model->main;
    const hst_tensor *in[64];
    int n = present(m->in, m->n_in, in);
    for (int i = 0; i < n; i++) {
        value *v = g->inputs[i];
        if (k == KNOW_CONSTANTS) v->constant = in[i];
        if (k == KNOW_NOTHING) v->type = (type){.rank = -1};
        for (int axis = 0; k == KNOW_SYMBOLS && axis < v->type.rank; axis++) {
            char name[32];
            snprintf(name, sizeof name, "d%d_%d", i, axis);
            s->length[s->n] = v->type.dim[axis];
            v->type.dim[axis] = s->symbol[s->n++] = dim_symbol(m->model, name);
        }
    }
}

static void check_claim(const where *w, const symbol_table *s, int k, const value *v, const hst_tensor *want,
                        bool exact) {
    char a[200], b[200];
    type want_type = type_of_tensor(want);
    const type *t = &v->type;
    if (tensor_is_list(want)) { /* what is said of the items is checked in the list's own operators */
        bool fits = t->dtype == want->dtype || (want->dtype == HST_DTYPE_OPTIONAL ? t->optional : !exact);
        fits &= t->element == HST_DTYPE_NONE || want_type.element == HST_DTYPE_NONE || t->element == want_type.element;
        if (!fits) complain(w, "output %d is inferred %s", k, type_format(v->graph->model, t, a, sizeof a));
        return;
    }
    bool bad = t->dtype != want->dtype && (exact || t->dtype != HST_DTYPE_NONE);
    bad |= t->rank != want->rank && t->rank >= 0;
    for (int axis = 0; axis < t->rank && !bad; axis++) {
        bad = t->dim[axis] >= 0 && t->dim[axis] != want->dim[axis];
        for (int i = 0; i < s->n; i++) bad |= t->dim[axis] == s->symbol[i] && s->length[i] != want->dim[axis];
    }
    if (bad)
        complain(w, "output %d is inferred %s, evaluates to %s", k, type_format(v->graph->model, t, a, sizeof a),
                 type_format(NULL, &want_type, b, sizeof b));
    if (!v->content) return;
    if (v->content_count != tensor_count(want) || want->rank > 1)
        complain(w, "output %d has %d known contents, evaluates to %lld elements", k, v->content_count,
                 (long long)tensor_count(want));
    else
        for (int i = 0; i < v->content_count; i++)
            if (!dim_is_symbol(v->content[i]) && v->content[i] != tensor_get_s64(want, i))
                complain(w, "output %d content %d is inferred %lld, evaluates to %lld", k, i, (long long)v->content[i],
                         (long long)tensor_get_s64(want, i));
}

static void check_inference(const where *w, known what) {
    case_model m;
    hst_error err = {0};
    const hst_tensor *want[64];
    if (!open_case(w, &m)) return;
    symbol_table s = {0};
    forget(&m, what, &s);
    int n = present(m.expected, m.n_out, want);
    if (graph_infer(m.model->main, &err) != HST_STATUS_OK)
        complain(w, "%s", err.message);
    else
        for (int k = 0; k < n; k++)
            check_claim(w, &s, k, m.model->main->outputs[k], want[k], what == KNOW_TYPES || what == KNOW_CONSTANTS);
    if (what == KNOW_CONSTANTS)
        for (int k = 0; k < m.model->main->n_inputs; k++) m.model->main->inputs[k]->constant = NULL;
    case_free(&m);
}

/* ---- fast paths ---- */

typedef struct bench_owner {
    void *scratch[32];
    int n;
} bench_owner;

static hst_status give_output(eval_context *c, int i, hst_dtype d, int rank, const int64_t *dims, hst_tensor **out,
                              hst_error *err) {
    tensor_free(c->out[i]);
    c->out[i] = NULL;
    HST_TRY(tensor_new(d, rank, dims, NULL, &c->out[i], err));
    if (d != HST_DTYPE_STRING) memset(c->out[i]->data, 0xff, c->out[i]->bytes); /* what is not written shows */
    *out = c->out[i];
    return HST_STATUS_OK;
}

static hst_status give_alias(eval_context *c, int i, int from, int rank, const int64_t *dims, hst_error *err) {
    tensor_free(c->out[i]);
    c->out[i] = NULL;
    return tensor_view(c->in[from], rank, dims, NULL, &c->out[i], err);
}

static void *give_scratch(eval_context *c, size_t bytes) {
    bench_owner *o = c->owner;
    if (o->n == 32) return NULL;
    return o->scratch[o->n++] = memory_alloc(NULL, bytes, 64);
}

static hst_status give_subgraph(eval_context *c, const graph *g, const hst_tensor *const *in, int n_in,
                                hst_tensor **out, int n_out, hst_error *err) {
    (void)c, (void)n_in, (void)n_out;
    return interp_run(g, in, out, NULL, err);
}

static hst_status give_check(eval_context *c, hst_error *err) {
    (void)c, (void)err;
    return HST_STATUS_OK;
}

static const eval_runtime runtime = {give_output, give_alias, give_scratch, give_subgraph, give_check};

static void run_bound(const where *w, const case_model *m, const bind_context *b, hst_error *err) {
    const node *n = m->model->main->first;
    hst_tensor *out[64] = {0};
    bench_owner owner = {.n = 0};
    eval_context c = {n,        (const hst_tensor *const *)m->in,
                      n->n_in,  out,
                      n->n_out, team_default(),
                      &runtime, &owner,
                      NULL,     false,
                      .macs = 0};
    if (b->run(b->state, &c, err) != HST_STATUS_OK)
        complain(w, "%s: %s", b->kernel ? b->kernel : "?", err->message);
    else
        for (int k = 0; k < m->n_out; k++)
            if (m->expected[k]) compare(w, k, out[k], m->expected[k]);
    for (int k = 0; k < n->n_out; k++) tensor_free(out[k]);
    for (int k = 0; k < owner.n; k++) memory_free(NULL, owner.scratch[k], 0);
}

/* Constants: none; all; or all but the first input, as weights are. */
static void check_bound(const where *w, int first_constant) {
    case_model m;
    hst_error err = {0};
    if (!open_case(w, &m)) return;
    type types[64];
    const hst_tensor *constants[64] = {0};
    for (int i = 0; i < m.n_in; i++) {
        types[i] = m.in[i] ? type_of_tensor(m.in[i]) : (type){.rank = -1};
        if (i >= first_constant) constants[i] = m.in[i];
    }
    bind_context b = {.node = m.model->main->first,
                      .in = types,
                      .n_in = m.n_in,
                      .constant = constants,
                      .allocator = allocator_default()};
    if (w->op->bind(&b, &err) != HST_STATUS_OK)
        complain(w, "bind: %s", err.message);
    else if (b.run)
        run_bound(w, &m, &b, &err);
    if (b.state && b.state_free) b.state_free(b.state, b.allocator);
    case_free(&m);
}

/* ---- */

static void check_case(const op *o, const op_case *c) {
    check_interpreter(&(where){o, c, "interpreter"});
    check_memory(&(where){o, c, "failing memory"});
    if (o->infer) {
        check_inference(&(where){o, c, "inference from types"}, KNOW_TYPES);
        check_inference(&(where){o, c, "inference from constants"}, KNOW_CONSTANTS);
        check_inference(&(where){o, c, "inference from symbols"}, KNOW_SYMBOLS);
        check_inference(&(where){o, c, "inference from nothing"}, KNOW_NOTHING);
    }
    if (!o->bind) return;
    check_bound(&(where){o, c, "fast path, no constants"}, 64);
    check_bound(&(where){o, c, "fast path, weights constant"}, 1);
    check_bound(&(where){o, c, "fast path, all constant"}, 0);
}

static void test_op(void **state) {
    const op *o = *state;
    failures = 0;
    if (!op_is_here(o)) {
        if (!o->gaps) fail_msg("%s is not here and names no gap", o->name);
        return;
    }
    if (!o->cases || !o->cases->name) fail_msg("%s has no case", o->name);
    if (!o->infer && !o->expand) fail_msg("%s has no infer", o->name);
    if (!o->eval && !o->expand) fail_msg("%s has neither eval nor expand", o->name);
    if (!o->summary) fail_msg("%s has no summary", o->name);
    for (const op_case *c = o->cases; c->name; c++) check_case(o, c);
    if (failures) fail_msg("%s: %d failures", o->name, failures);
}

int main(void) {
    struct CMUnitTest *tests = calloc((size_t)op_list_count + 1, sizeof *tests);
    if (!tests) return 1;
    for (int i = 0; i < op_list_count; i++)
        tests[i] =
            (struct CMUnitTest){.name = op_list[i]->name, .test_func = test_op, .initial_state = (void *)op_list[i]};
    int failed = _cmocka_run_group_tests("ops", tests, (size_t)op_list_count, NULL, NULL);
    free(tests);
    return failed;
}
