/* If: the outputs of then_branch or else_branch, graphs without inputs that may use the values around them. */
#include "ops/op.h"

static hst_status branches(const node *n, graph **then_graph, graph **else_graph, hst_error *err) {
    *then_graph = node_graph(n, "then_branch");
    *else_graph = node_graph(n, "else_branch");
    if (!*then_graph || !*else_graph)
        return node_error(n, err, HST_STATUS_BAD_FORMAT, "attribute '%s' is missing",
                          *then_graph ? "else_branch" : "then_branch");
    if ((*then_graph)->n_outputs != n->n_out || (*else_graph)->n_outputs != n->n_out)
        return node_error(n, err, HST_STATUS_BAD_FORMAT, "has %d outputs, its branches %d and %d", n->n_out,
                          (*then_graph)->n_outputs, (*else_graph)->n_outputs);
    return HST_STATUS_OK;
}

/* What holds of both types. */
static type common(model *m, const type *a, const type *b) {
    type t = *a;
    if (a->dtype != b->dtype) t.dtype = HST_DTYPE_NONE;
    if (a->rank != b->rank) t.rank = -1;
    if (a->element != b->element) t.element = HST_DTYPE_NONE;
    t.optional |= b->optional;
    for (int k = 0; k < t.rank; k++)
        if (a->dim[k] != b->dim[k]) t.dim[k] = dim_symbol(m, "");
    return t;
}

static hst_status infer(infer_context *c, hst_error *err) {
    graph *yes, *no;
    HST_TRY(branches(c->node, &yes, &no, err));
    const hst_tensor *known = c->constant[0];
    bool decided = known && known->dtype == HST_DTYPE_B8 && tensor_count(known) == 1;
    for (int i = 0; i < c->n_out; i++) {
        const type *a = &yes->outputs[i]->type, *b = &no->outputs[i]->type;
        if (decided) c->out[i] = tensor_get_s64(known, 0) ? *a : *b;
        if (decided) continue;
        if (a->dtype != HST_DTYPE_NONE && b->dtype != HST_DTYPE_NONE && a->dtype != b->dtype)
            return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "output %d is %s in one branch, %s in the other", i,
                              dtype_name(a->dtype), dtype_name(b->dtype));
        c->out[i] = common(c->model, a, b);
    }
    return HST_STATUS_OK;
}

static hst_status eval(eval_context *c, hst_error *err) {
    const hst_tensor *cond;
    graph *yes, *no;
    void *memory;
    HST_TRY(eval_need(c, 0, "cond", &cond, err));
    HST_TRY(branches(c->node, &yes, &no, err));
    if (cond->dtype != HST_DTYPE_B8 || tensor_count(cond) != 1)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "cond is %s with %lld elements, should be one b8",
                          dtype_name(cond->dtype), (long long)tensor_count(cond));
    HST_TRY(eval_scratch(c, (size_t)c->n_out * sizeof(hst_tensor *), &memory, err));
    hst_tensor **out = memory;
    for (int i = 0; i < c->n_out; i++) out[i] = NULL;
    hst_status status = c->runtime->subgraph(c, tensor_get_s64(cond, 0) ? yes : no, NULL, 0, out, c->n_out, err);
    for (int i = 0; i < c->n_out; i++) {
        if (status == HST_STATUS_OK && eval_wants(c, i)) status = move_whole(c, i, out[i], err);
        tensor_free(out[i]);
    }
    return status;
}

// clang-format off
static const op_case cases[] = {
    {"then", 0, "(b8[]{1}; then_branch=graph{() a = Constant(; value=f32[1]{1}); -> (a)}, else_branch=graph{() b = Constant(; value=f32[2]{2 3}); -> (b)}) -> (f32[1]{1})", 0},
    {"else", 11, "(b8[1]{0}; then_branch=graph{() a = Constant(; value=f32[1]{1}); -> (a)}, else_branch=graph{() b = Constant(; value=f32[2]{2 3}); -> (b)}) -> (f32[2]{2 3})", 0},
    {"captured, two outputs", 0, "(b8[]{0}; then_branch=graph{() a = Not(x0); b = Identity(a); -> (a, b)}, else_branch=graph{() a = Identity(x0); b = Not(a); -> (a, b)}) -> (b8[]{0}, b8[]{1})", 0},
    {"an outer value as it is", 1, "(b8[]{1}; then_branch=graph{() -> (x0)}, else_branch=graph{() -> (x0)}) -> (b8[]{1})", 0},
    {"nested", 0, "(b8[]{1}; then_branch=graph{() n = Not(x0); r = If(n; then_branch=graph{() s = Constant(; value_string=\"a\"); -> (s)}, else_branch=graph{() s = Constant(; value_string=\"b\"); -> (s)}); -> (r)}, else_branch=graph{() s = Constant(; value_string=\"c\"); -> (s)}) -> (string[]{\"b\"})", 0},
    {0},
};
// clang-format on

HST_OP(If) = {
    .name = "If",
    .domain = "",
    .since = 1,
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = OP_ANY,
    .infer = infer,
    .eval = eval,
    .summary = "one of two graphs",
    .lists = true,
    HST_CASES(cases),
};
