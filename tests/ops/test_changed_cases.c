/* Cases with changes (case_change.h), valid or not: whatever is not refused evaluates to what inference says of it, be
 * all, some or nothing known of the inputs, and to the same elements whatever memory held before. One test an operator;
 * of every case some of the changes are made, and some pairs. With arguments all single changes: of the operators
 * named, or all, and how many pairs a case ("Conv 1000"). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "base/memory.h"
#include "case_change.h"
#include "fuzz/values.h"
#include "ops/interp.h"

#define PAIRS       4  /* of changes, a case */
#define SHARE       31 /* one of so many single changes is made */
#define BUDGET      ((size_t)1 << 20)
#define NANOSECONDS UINT64_C(20000000) /* of an evaluation */
#define SYMBOLS     512
#define COMPLAINTS  8 /* of an operator, that are shown */

typedef enum known { KNOW_TYPES, KNOW_CONSTANTS, KNOW_SYMBOLS, KNOW_MIXED, KNOW_NOTHING, KNOWN } known;
static const char *const known_names[KNOWN] = {"types", "constants", "symbols", "some", "nothing"};

typedef struct trial {
    const op *op;
    const op_case *c;
    int change[2]; /* -1: none */
    known known;
    uint64_t random; /* of what is known */
    /* what symbols stand for, where that is known */
    dim symbol[SYMBOLS];
    int64_t length[SYMBOLS];
    int n;
} trial;

static int failures, evaluated, pairs = PAIRS, share = SHARE;

static uint64_t roll(uint64_t *state) {
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* ---- what inference may see ---- */

static void forget(trial *t, value *v, const hst_tensor *x, known k, int i) {
    static const known some[] = {KNOW_TYPES, KNOW_CONSTANTS, KNOW_SYMBOLS, KNOW_NOTHING, KNOW_MIXED};
    if (k == KNOW_MIXED) k = some[roll(&t->random) % 5];
    if (k == KNOW_CONSTANTS) v->constant = x;
    if (k == KNOW_NOTHING) v->type = (type){.rank = -1};
    if (k == KNOW_MIXED) v->type.rank = -1;
    for (int axis = 0; k == KNOW_SYMBOLS && axis < v->type.rank && t->n < SYMBOLS; axis++) {
        char name[32];
        snprintf(name, sizeof name, "d%d_%d", i, axis);
        t->length[t->n] = v->type.dim[axis];
        v->type.dim[axis] = t->symbol[t->n++] = dim_symbol(v->graph->model, name);
    }
}

/* ---- claims ---- */

static bool claim_holds(trial *t, const value *v, const hst_tensor *got) {
    const type *say = &v->type;
    const bool fits = say->dtype == got->dtype || say->dtype == HST_DTYPE_NONE;
    if (got->dtype == HST_DTYPE_OPTIONAL) return fits || say->optional;
    if (!fits) return false;
    if (tensor_is_list(got)) {
        type is = type_of_tensor(got);
        if (say->key && is.key && say->key != is.key) return false;
        return say->element == HST_DTYPE_NONE || is.element == HST_DTYPE_NONE || say->element == is.element;
    }
    if (say->rank >= 0 && say->rank != got->rank) return false;
    for (int axis = 0; axis < say->rank; axis++) {
        const dim d = say->dim[axis];
        int k = 0;
        if (!dim_is_symbol(d) && d != got->dim[axis]) return false;
        while (k < t->n && t->symbol[k] != d) k++;
        if (k < t->n && t->length[k] != got->dim[axis]) return false;
        if (k == t->n && k < SYMBOLS) { /* a new symbol: from now on it is that length */
            t->symbol[k] = d;
            t->length[t->n++] = got->dim[axis];
        }
    }
    if (!v->content) return true;
    if (v->content_count != tensor_count(got) || got->rank > 1) return false;
    for (int i = 0; i < v->content_count; i++)
        if (!dim_is_symbol(v->content[i]) && v->content[i] != tensor_get_s64(got, i)) return false;
    return true;
}

static void show_attribute(const attribute *a) {
    fprintf(stderr, " %s=", a->name);
    if (a->type == ATTRIBUTE_INT) fprintf(stderr, "%lld", (long long)a->as.i);
    if (a->type == ATTRIBUTE_FLOAT) fprintf(stderr, "%g", (double)a->as.f);
    if (a->type == ATTRIBUTE_STRING) fprintf(stderr, "\"%s\"", a->as.s.data);
    for (int64_t i = 0; a->type == ATTRIBUTE_INTS && i < a->n; i++)
        fprintf(stderr, "%s%lld%s", i ? "," : "[", (long long)a->as.ints[i], i == a->n - 1 ? "]" : "");
}

static void complain(const trial *t, const case_model *m, int k, const value *v, const hst_tensor *got,
                     const char *message) {
    char text[200];
    const node *n = m->model->main->first;
    if (failures++ >= COMPLAINTS) return;
    fprintf(stderr, "  %s, case '%s', changes %d %d, %s known: opset %d (", t->op->name, t->c->name, t->change[0],
            t->change[1], known_names[t->known], n->opset);
    for (int i = 0; i < n->n_in; i++) {
        type x = m->in[i] && n->in[i] ? type_of_tensor(m->in[i]) : (type){.rank = -1};
        fprintf(stderr, "%s%s", i ? ", " : "", n->in[i] ? type_format(NULL, &x, text, sizeof text) : "_");
        for (int j = 0; n->in[i] && x.dtype == HST_DTYPE_S64 && j < tensor_count(m->in[i]) && j < 6; j++)
            fprintf(stderr, "%s%lld%s", j ? " " : "{", (long long)tensor_get_s64(m->in[i], j),
                    j == tensor_count(m->in[i]) - 1 ? "}" : "");
    }
    fprintf(stderr, ";");
    for (int i = 0; i < n->n_attributes; i++) show_attribute(&n->attributes[i]);
    fprintf(stderr, ")\n    output %d of %d ", k, n->n_out);
    if (got) {
        type is = type_of_tensor(got);
        fprintf(stderr, "is inferred %s", type_format(m->model, &v->type, text, sizeof text));
        fprintf(stderr, "%s, evaluates to %s", v->content ? " with a content" : "",
                type_format(NULL, &is, text, sizeof text));
    }
    fprintf(stderr, "%s\n    %s\n", message, t->c->text);
}

/* ---- the same again, in memory that held something else ---- */

static void *dirty_alloc(void *user, size_t size, size_t align) {
    void *p = memory_alloc(NULL, size, align);
    return p ? memset(p, *(const int *)user, size) : NULL;
}

static void dirty_free(void *user, void *memory, size_t size) {
    (void)user;
    memory_free(NULL, memory, size);
}

/* ---- a trial ---- */

static hst_status deadline(void *user, hst_error *err) {
    if (hst_clock_ns() < *(const uint64_t *)user) return HST_STATUS_OK;
    return error_set(err, HST_STATUS_DEADLINE, "", "takes too long");
}

static void check_run(trial *t, case_model *m, const hst_tensor *const *in) {
    graph *g = m->model->main;
    uint64_t end = hst_clock_ns() + NANOSECONDS;
    int fill = 0x55;
    const hst_allocator dirty = {&fill, dirty_alloc, dirty_free};
    interp_options options = {.allocator = &dirty, .budget = BUDGET, .check = deadline, .user = &end, .fill = 0x55};
    hst_tensor *out[CHANGE_OUTPUTS] = {0}, *again[CHANGE_OUTPUTS] = {0};
    hst_error err = {0};
    hst_status status = interp_run(g, in, out, &options, &err);
    if (status == HST_STATUS_INTERNAL) complain(t, m, -1, NULL, NULL, err.message);
    if (status != HST_STATUS_OK && !err.message[0]) complain(t, m, -1, NULL, NULL, "no message");
    evaluated += status == HST_STATUS_OK;
    for (int k = 0; status == HST_STATUS_OK && k < g->n_outputs; k++)
        if (!claim_holds(t, g->outputs[k], out[k])) complain(t, m, k, g->outputs[k], out[k], "");
    if (status == HST_STATUS_OK && t->known == KNOW_TYPES &&
        !draws_numbers((const uint8_t *)t->op->name, strlen(t->op->name))) {
        fill = options.fill = 0xaa;
        end = hst_clock_ns() + NANOSECONDS;
        status = interp_run(g, in, again, &options, &err);
        for (int k = 0; status == HST_STATUS_OK && k < g->n_outputs; k++)
            if (hash_tensor(0, out[k]) != hash_tensor(0, again[k]))
                complain(t, m, k, g->outputs[k], out[k], ", whose elements are not all written");
    }
    for (int k = 0; k < g->n_outputs; k++) {
        tensor_free(out[k]);
        tensor_free(again[k]);
    }
}

static void check(trial *t) {
    case_model m;
    hst_error err = {0};
    const hst_tensor *in[CHANGE_OUTPUTS] = {0};
    assert_int_equal(case_parse(t->op, t->c, &m, &err), HST_STATUS_OK);
    for (int i = 0; i < 2; i++)
        if (t->change[i] >= 0) (void)case_change(&m, t->change[i]);
    graph *g = m.model->main;
    int n = 0;
    t->n = 0;
    for (int i = 0; i < m.n_in; i++) {
        if (!m.in[i]) continue;
        forget(t, g->inputs[n], m.in[i], t->known, n);
        in[n++] = m.in[i];
    }
    /* constants of a graph are no inputs of it where inference looks */
    for (int i = 0; i < n; i++) g->inputs[i]->is_input = !g->inputs[i]->constant;
    hst_status status = g->n_outputs && g->n_outputs < CHANGE_OUTPUTS ? ops_resolve(g, &err) : HST_STATUS_BAD_FORMAT;
    if (status == HST_STATUS_OK) status = graph_infer(g, &err);
    for (int i = 0; i < n; i++) {
        g->inputs[i]->is_input = true;
        g->inputs[i]->constant = NULL;
    }
    if (status == HST_STATUS_OK) check_run(t, &m, in);
    case_free(&m);
}

static void test_op(void **state) {
    const op *o = *state;
    failures = evaluated = 0;
    if (!op_is_here(o) || !o->cases || !o->infer) return;
    uint64_t random = 1;
    for (const op_case *c = o->cases; c->name; c++)
        for (int k = -1; k < CASE_CHANGES + pairs; k++)
            for (int i = 0; i < KNOWN; i++) {
                if (k < CASE_CHANGES && (k + (int)(c - o->cases) * 7) % share) continue;
                trial t = {.op = o, .c = c, .change = {k, -1}, .known = (known)i, .random = roll(&random)};
                if (k >= CASE_CHANGES)
                    t.change[0] = (int)(roll(&random) % CASE_CHANGES),
                    t.change[1] = (int)(roll(&random) % CASE_CHANGES);
                check(&t);
            }
    if (!evaluated) fail_msg("%s: nothing was evaluated", o->name);
    if (failures) fail_msg("%s: %d failures in %d evaluations", o->name, failures, evaluated);
}

int main(int argc, char **argv) {
    struct CMUnitTest *tests = calloc((size_t)op_list_count + 1, sizeof *tests);
    int n = 0;
    if (!tests) return 1;
    if (argc > 1) share = 1;
    for (int k = 1; k < argc; k++)
        if (argv[k][0] >= '0' && argv[k][0] <= '9') pairs = atoi(argv[k]);
    for (int i = 0; i < op_list_count; i++) {
        bool wanted = argc == 1;
        for (int k = 1; k < argc; k++) wanted |= strcmp(argv[k], op_list[i]->name) == 0 || (argc == 2 && atoi(argv[1]));
        if (wanted)
            tests[n++] = (struct CMUnitTest){
                .name = op_list[i]->name, .test_func = test_op, .initial_state = (void *)op_list[i]};
    }
    int failed = _cmocka_run_group_tests("changed cases", tests, (size_t)n, NULL, NULL);
    free(tests);
    return failed;
}
