/* User operators: descriptors (ops/op.h) whose functions call the user's. */
#include <string.h>

#include "api/api.h"
#include "tensor/strings.h"

typedef struct user_op {
    op base; /* first: a node's op pointer leads here */
    hst_operator spec;
} user_op;

struct hst_operator_context {
    const node *node;
    infer_context *infer; /* one of the two */
    eval_context *eval;
};

static hst_status user_infer(infer_context *c, hst_error *err) {
    const user_op *u = (const user_op *)(const void *)c->node->op;
    hst_operator_context context = {c->node, c, NULL};
    return u->spec.infer(u->spec.user, &context, err);
}

static hst_status user_eval(eval_context *c, hst_error *err) {
    const user_op *u = (const user_op *)(const void *)c->node->op;
    hst_operator_context context = {c->node, NULL, c};
    hst_error mine = {0};
    hst_status status = u->spec.run(u->spec.user, &context, &mine);
    if (status != HST_STATUS_OK) {
        if (!mine.message[0]) return node_error(c->node, err, status, "the user's operator gave no message");
        if (err) *err = mine;
        return status;
    }
    for (int i = 0; i < c->n_out; i++)
        if (c->out[i] && c->out[i]->dtype == HST_DTYPE_STRING) HST_TRY(tensor_own_strings(c->out[i], err));
    return HST_STATUS_OK;
}

static hst_status user_op_fill(arena *a, user_op *u, const hst_operator *from, hst_error *err) {
    HST_TRY(options_read(&u->spec, sizeof u->spec, from, "hst_operator", err));
    const hst_operator *s = &u->spec;
    if (!s->name || !*s->name || !s->run)
        return error_set(err, HST_STATUS_INVALID_ARGUMENT, s->name, "a user operator needs a name and a run function");
    if (s->min_inputs < 0 || s->min_outputs < 0 || (s->max_inputs && s->max_inputs < s->min_inputs) ||
        (s->max_outputs && s->max_outputs < s->min_outputs) || s->since < 0 || (s->until && s->until < s->since))
        return error_set(err, HST_STATUS_INVALID_ARGUMENT, s->name, "operator '%s': a bound is out of order", s->name);
    const char *domain = s->domain && strcmp(s->domain, "ai.onnx") != 0 ? s->domain : "";
    u->base = (op){.name = arena_copy_string(a, s->name, strlen(s->name)),
                   .domain = arena_copy_string(a, domain, strlen(domain)),
                   .since = s->since,
                   .until = s->until,
                   .min_in = s->min_inputs,
                   .max_in = s->max_inputs ? s->max_inputs : OP_ANY,
                   .min_out = s->min_outputs,
                   .max_out = s->max_outputs ? s->max_outputs : OP_ANY,
                   .infer = s->infer ? user_infer : NULL,
                   .eval = user_eval,
                   .nondeterministic = s->nondeterministic,
                   .summary = "user operator"};
    return u->base.name && u->base.domain ? HST_STATUS_OK : error_no_memory(err, 0, "a user operator");
}

hst_status operators_make(arena *a, const hst_operator *const *list, size_t n, const op *const **out, hst_error *err) {
    const op **ops = arena_alloc_array(a, n + 1, sizeof *ops);
    user_op *users = arena_alloc_array(a, n + 1, sizeof *users);
    if (!ops || !users) return error_no_memory(err, n * sizeof *users, "user operators");
    for (size_t i = 0; i < n; i++) {
        if (!list[i]) return error_set(err, HST_STATUS_INVALID_ARGUMENT, "operators", "operator %zu is NULL", i);
        HST_TRY(user_op_fill(a, &users[i], list[i], err));
        ops[i] = &users[i].base;
    }
    *out = ops;
    return HST_STATUS_OK;
}

/* ---- what the callbacks may ask ---- */

int hst_operator_input_count(const hst_operator_context *c) {
    return c->node->n_in;
}
int hst_operator_output_count(const hst_operator_context *c) {
    return c->node->n_out;
}
const char *hst_operator_node_name(const hst_operator_context *c) {
    return c->node->name;
}

int64_t hst_operator_int(const hst_operator_context *c, const char *name, int64_t otherwise) {
    return node_int(c->node, name, otherwise);
}

float hst_operator_float(const hst_operator_context *c, const char *name, float otherwise) {
    return node_float(c->node, name, otherwise);
}

const char *hst_operator_text(const hst_operator_context *c, const char *name, const char *otherwise) {
    return node_string(c->node, name, otherwise);
}

int hst_operator_ints(const hst_operator_context *c, const char *name, const int64_t **values) {
    return node_ints(c->node, name, values);
}

const hst_tensor *hst_operator_tensor(const hst_operator_context *c, const char *name) {
    return node_tensor(c->node, name);
}

bool hst_operator_type(const hst_operator_context *c, int i, hst_type *out) {
    memset(out, 0, sizeof *out);
    out->rank = -1;
    if (i < 0 || i >= c->node->n_in || !c->node->in[i]) return false;
    type t = c->infer ? c->infer->in[i] : type_of_tensor(c->eval->in[i]);
    out->dtype = t.dtype;
    out->rank = t.rank;
    for (int k = 0; k < t.rank; k++) out->dims[k] = t.dim[k];
    return true;
}

void hst_operator_set_type(hst_operator_context *c, int i, const hst_type *t) {
    if (!c->infer || i < 0 || i >= c->infer->n_out || t->rank > HST_RANK_MAX) return;
    type *to = &c->infer->out[i];
    to->dtype = dtype_valid((int)t->dtype) ? t->dtype : HST_DTYPE_NONE;
    to->rank = t->rank < 0 ? -1 : t->rank;
    for (int k = 0; k < to->rank; k++) {
        to->dim[k] = t->dims[k] >= 0 || dim_is_symbol(t->dims[k]) ? t->dims[k] : dim_symbol(c->infer->model, "");
        if (t->dims[k] < 0 && to->dim[k] == 0) to->rank = -1; /* no memory for a symbol: unknown */
    }
}

const hst_tensor *hst_operator_input(const hst_operator_context *c, int i) {
    if (i < 0 || i >= c->node->n_in) return NULL;
    return c->infer ? c->infer->constant[i] : c->eval->in[i];
}

bool hst_operator_wants(const hst_operator_context *c, int i) {
    return i >= 0 && i < c->node->n_out && c->node->out[i];
}

hst_status hst_operator_output(hst_operator_context *c, int i, hst_dtype dtype, int rank, const int64_t *dims,
                               hst_tensor **out, hst_error *err) {
    if (!c->eval || i < 0 || i >= c->node->n_out)
        return node_error(c->node, err, HST_STATUS_INVALID_ARGUMENT, "output %d cannot be made here", i);
    if (!dtype_valid((int)dtype))
        return node_error(c->node, err, HST_STATUS_INVALID_ARGUMENT, "output %d of type %d", i, (int)dtype);
    return eval_output(c->eval, i, dtype, rank, dims, out, err);
}

void *hst_operator_scratch(hst_operator_context *c, size_t bytes) {
    void *memory = NULL;
    if (!c->eval || eval_scratch(c->eval, bytes, &memory, NULL) != HST_STATUS_OK) return NULL;
    return memory;
}

hst_status hst_operator_check(hst_operator_context *c, hst_error *err) {
    return c->eval ? c->eval->runtime->check(c->eval, err) : HST_STATUS_OK;
}
