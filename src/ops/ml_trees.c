/* Tree ensembles (ai.onnx.ml): x [rows, F] goes down every tree; the leaves' weights are aggregated per target.
 *   TreeEnsembleRegressor   -> f32 [rows, targets]     TreeEnsembleClassifier -> a label a row, f32 [rows, classes]
 *   TreeEnsemble (5)        -> [rows, targets] in x's type, with membership tests
 * All three become one array of branches, in which a branch is the child of at most one other: so a walk from a root
 * ends. A child is a branch's index, or ~ that of a leaf. Sums are f32, those of f64 features f64. */
#include <math.h>
#include <string.h>

#include "base/checked.h"
#include "ops/ml.h"

typedef enum mode { LEQ, LT, GTE, GT, EQ, NEQ, MEMBER, LEAF } mode;
typedef enum aggregate { AVERAGE, SUM, MIN, MAX } aggregate;

typedef struct branch {
    double value;
    int32_t feature, yes, no;
    uint8_t mode, missing; /* missing: NaN goes to yes */
    bool is_child;
    int64_t set_begin, set_end; /* MEMBER: in `members` */
} branch;

typedef struct leaf {
    int64_t begin, end; /* in `weights` */
} leaf;

typedef struct weight {
    int64_t target;
    double w;
} weight;

typedef struct forest {
    arena *arena;
    branch *branches;
    leaf *leaves;
    weight *weights;
    double *members, *base;
    int32_t *roots;
    int64_t n, n_leaves, n_roots, n_base, targets, features; /* features: that it asks for */
    aggregate how;
    ml_post post;
    ml_labels labels;
    bool binary, positive; /* one class has all weights; which are all >= 0 */
} forest;

static hst_status bad(const node *n, hst_error *err, const char *what) {
    return node_error(n, err, HST_STATUS_BAD_FORMAT, "%s", what);
}

/* Floats as a list, or under that name with "_as_tensor", or as a tensor (`tensor`). NULL and 0: absent. */
static hst_status read_numbers(const node *n, forest *f, const char *name, double **out, int64_t *count,
                               hst_error *err) {
    char other[64] = {0};
    const float *list = ml_floats(n, name, count);
    const hst_tensor *t = node_tensor(n, name);
    size_t length = strlen(name);
    memcpy(other, name, length);
    memcpy(other + length, "_as_tensor", 11);
    if (!t) t = node_tensor(n, other);
    *out = NULL;
    if (t && (t->dtype == HST_DTYPE_STRING || dtype_bits(t->dtype) == 0)) return bad(n, err, "a tensor of no numbers");
    if (!list && t) *count = tensor_count(t);
    if (*count == 0) return HST_STATUS_OK;
    if (!(*out = ARENA_ARRAY(f->arena, double, *count))) return error_no_memory(err, 0, "trees");
    for (int64_t k = 0; k < *count; k++) (*out)[k] = list ? (double)list[k] : tensor_get_f64(t, k);
    return HST_STATUS_OK;
}

/* ---- the classic form: nodes are (tree id, node id) ---- */

typedef struct place {
    int64_t tree, node, index; /* index -1: empty */
} place;

typedef struct places {
    place *table;
    uint64_t mask;
} places;

static place *find(const places *p, int64_t tree, int64_t id) {
    uint64_t h = (uint64_t)tree * UINT64_C(0x9e3779b97f4a7c15) + (uint64_t)id * UINT64_C(0xc2b2ae3d27d4eb4f);
    for (h ^= h >> 29;; h++) {
        place *at = &p->table[h & p->mask];
        if (at->index < 0 || (at->tree == tree && at->node == id)) return at;
    }
}

static int read_mode(const hst_string *s) {
    static const char *const names[] = {"BRANCH_LEQ", "BRANCH_LT",  "BRANCH_GTE", "BRANCH_GT",
                                        "BRANCH_EQ",  "BRANCH_NEQ", "",           "LEAF"};
    for (int k = 0; k < 8; k++)
        if (*names[k] && s->size == strlen(names[k]) && memcmp(s->data, names[k], s->size) == 0) return k;
    return -1;
}

/* Entries of a leaf stand together: counted, then placed. */
static hst_status read_weights(const node *n, forest *f, const places *p, bool classes, hst_error *err) {
    int64_t n_tree, n_node, n_id, n_w;
    double *w;
    const int64_t *tree = ml_ints(n, classes ? "class_treeids" : "target_treeids", &n_tree);
    const int64_t *id = ml_ints(n, classes ? "class_nodeids" : "target_nodeids", &n_node);
    const int64_t *target = ml_ints(n, classes ? "class_ids" : "target_ids", &n_id);
    HST_TRY(read_numbers(n, f, classes ? "class_weights" : "target_weights", &w, &n_w, err));
    if (n_tree != n_w || n_node != n_w || n_id != n_w) return bad(n, err, "the arrays of the leaves differ in length");
    f->weights = ARENA_ARRAY(f->arena, weight, n_w + 1);
    if (!f->weights) return error_no_memory(err, 0, "trees");
    f->positive = true;
    f->binary = classes && f->targets <= 2 && n_w > 0;
    for (int64_t k = 0; k < n_w; k++) {
        const place *at = find(p, tree[k], id[k]);
        if (at->index < 0 || f->branches[at->index].mode != LEAF || target[k] < 0 || target[k] >= f->targets)
            return node_error(n, err, HST_STATUS_BAD_FORMAT, "weight %lld is of node %lld of tree %lld, target %lld",
                              (long long)k, (long long)id[k], (long long)tree[k], (long long)target[k]);
        f->leaves[f->branches[at->index].yes].end++;
        f->positive &= w[k] >= 0;
        f->binary &= target[k] == target[0];
    }
    for (int64_t k = 0, sum = 0; k < f->n_leaves; k++) {
        f->leaves[k].begin = sum;
        sum += f->leaves[k].end;
        f->leaves[k].end = f->leaves[k].begin;
    }
    for (int64_t k = 0; k < n_w; k++)
        f->weights[f->leaves[f->branches[find(p, tree[k], id[k])->index].yes].end++] = (weight){target[k], w[k]};
    return HST_STATUS_OK;
}

/* The child of node `k` with that id: a branch, or ~ a leaf. */
static hst_status link_child(const node *n, forest *f, const places *p, int64_t tree, int64_t id, int32_t *out,
                             hst_error *err) {
    const place *at = find(p, tree, id);
    branch *b = at->index < 0 ? NULL : &f->branches[at->index];
    if (!b || b->is_child)
        return node_error(n, err, HST_STATUS_BAD_FORMAT, "node %lld of tree %lld %s", (long long)id, (long long)tree,
                          b ? "is the child of two others" : "does not exist");
    b->is_child = true;
    *out = b->mode == LEAF ? ~b->yes : (int32_t)at->index;
    return HST_STATUS_OK;
}

static hst_status build_classic(const node *n, forest *f, hst_error *err) {
    int64_t n_tree, n_id, n_feature, n_yes, n_no, n_mode, n_missing, n_value;
    double *value;
    places p;
    bool classes = n->op_type[12] == 'C';
    const int64_t *tree = ml_ints(n, "nodes_treeids", &n_tree), *id = ml_ints(n, "nodes_nodeids", &n_id);
    const int64_t *feature = ml_ints(n, "nodes_featureids", &n_feature), *yes = ml_ints(n, "nodes_truenodeids", &n_yes);
    const int64_t *no = ml_ints(n, "nodes_falsenodeids", &n_no);
    const int64_t *missing = ml_ints(n, "nodes_missing_value_tracks_true", &n_missing);
    const hst_string *modes = ml_strings(n, "nodes_modes", &n_mode);
    HST_TRY(read_numbers(n, f, "nodes_values", &value, &n_value, err));
    if (n_tree < 1 || n_tree > INT32_MAX / 4 || n_id != n_tree || n_feature != n_tree || n_yes != n_tree ||
        n_no != n_tree || n_mode != n_tree || n_value != n_tree || (n_missing && n_missing != n_tree))
        return bad(n, err, "the arrays of the nodes differ in length, or are empty");
    f->n = n_tree;
    for (p.mask = 16; p.mask < 2 * (uint64_t)f->n; p.mask *= 2) {
    }
    p.table = ARENA_ARRAY(f->arena, place, p.mask);
    f->branches = ARENA_ARRAY(f->arena, branch, f->n);
    f->leaves = ARENA_ARRAY(f->arena, leaf, f->n);
    f->roots = ARENA_ARRAY(f->arena, int32_t, f->n);
    if (!p.table || !f->branches || !f->leaves || !f->roots) return error_no_memory(err, 0, "trees");
    for (uint64_t k = 0; k < p.mask; k++) p.table[k].index = -1;
    p.mask--;
    for (int64_t k = 0; k < f->n; k++) {
        int m = read_mode(&modes[k]);
        place *at = find(&p, tree[k], id[k]);
        if (m < 0 || at->index >= 0 || feature[k] < 0 || feature[k] > INT32_MAX - 1)
            return node_error(n, err, HST_STATUS_BAD_FORMAT,
                              "node %lld has mode '%.*s' and feature %lld, or stands twice", (long long)k,
                              (int)modes[k].size, modes[k].data, (long long)feature[k]);
        *at = (place){tree[k], id[k], k};
        f->branches[k] = (branch){
            .value = value[k], .feature = (int32_t)feature[k], .mode = (uint8_t)m, .missing = missing && missing[k]};
        if (m == LEAF)
            f->branches[k].yes = (int32_t)f->n_leaves++;
        else if (feature[k] >= f->features)
            f->features = feature[k] + 1;
    }
    HST_TRY(read_weights(n, f, &p, classes, err));
    for (int64_t k = 0; k < f->n; k++) {
        if (f->branches[k].mode == LEAF) continue;
        int32_t child;
        HST_TRY(link_child(n, f, &p, tree[k], yes[k], &child, err));
        f->branches[k].yes = child;
        HST_TRY(link_child(n, f, &p, tree[k], no[k], &f->branches[k].no, err));
    }
    for (int64_t k = 0; k < f->n; k++)
        if (!f->branches[k].is_child)
            f->roots[f->n_roots++] = f->branches[k].mode == LEAF ? ~f->branches[k].yes : (int32_t)k;
    return HST_STATUS_OK;
}

/* ---- version 5 ---- */

static hst_status modern_child(const node *n, forest *f, int64_t id, bool to_leaf, int32_t *out, hst_error *err) {
    if (id < 0 || id >= (to_leaf ? f->n_leaves : f->n) || (!to_leaf && f->branches[id].is_child))
        return node_error(n, err, HST_STATUS_BAD_FORMAT, "a child is %s %lld, which does not exist or has a parent",
                          to_leaf ? "leaf" : "node", (long long)id);
    if (!to_leaf) f->branches[id].is_child = true;
    *out = to_leaf ? ~(int32_t)id : (int32_t)id;
    return HST_STATUS_OK;
}

static hst_status build_modern(const node *n, forest *f, hst_error *err) {
    int64_t n_value, n_mode, n_feature, n_yes, n_no, n_yes_leaf, n_no_leaf, n_target, n_w, n_member, n_missing, n_root;
    double *value, *modes, *w;
    HST_TRY(read_numbers(n, f, "nodes_splits", &value, &n_value, err));
    HST_TRY(read_numbers(n, f, "nodes_modes", &modes, &n_mode, err));
    HST_TRY(read_numbers(n, f, "leaf_weights", &w, &n_w, err));
    HST_TRY(read_numbers(n, f, "membership_values", &f->members, &n_member, err));
    const int64_t *feature = ml_ints(n, "nodes_featureids", &n_feature), *yes = ml_ints(n, "nodes_truenodeids", &n_yes);
    const int64_t *no = ml_ints(n, "nodes_falsenodeids", &n_no), *root = ml_ints(n, "tree_roots", &n_root);
    const int64_t *yes_leaf = ml_ints(n, "nodes_trueleafs", &n_yes_leaf);
    const int64_t *no_leaf = ml_ints(n, "nodes_falseleafs", &n_no_leaf);
    const int64_t *target = ml_ints(n, "leaf_targetids", &n_target);
    const int64_t *missing = ml_ints(n, "nodes_missing_value_tracks_true", &n_missing);
    if (n_value < 1 || n_value > INT32_MAX / 4 || n_mode != n_value || n_feature != n_value || n_yes != n_value ||
        n_no != n_value || n_yes_leaf != n_value || n_no_leaf != n_value || n_target != n_w || n_w < 1 ||
        n_w > INT32_MAX / 4 || (n_missing && n_missing != n_value) || n_root < 1)
        return bad(n, err, "the arrays of nodes or leaves differ in length, or are empty");
    f->n = n_value;
    f->n_leaves = n_w;
    f->n_roots = n_root;
    f->branches = ARENA_ARRAY(f->arena, branch, f->n);
    f->leaves = ARENA_ARRAY(f->arena, leaf, n_w);
    f->weights = ARENA_ARRAY(f->arena, weight, n_w);
    f->roots = ARENA_ARRAY(f->arena, int32_t, n_root);
    if (!f->branches || !f->leaves || !f->weights || !f->roots) return error_no_memory(err, 0, "trees");
    for (int64_t k = 0; k < n_w; k++) {
        f->leaves[k] = (leaf){k, k + 1};
        f->weights[k] = (weight){target[k], w[k]};
        if (target[k] < 0 || target[k] >= f->targets) return bad(n, err, "leaf_targetids is out of range");
    }
    int64_t member = 0;
    for (int64_t k = 0; k < f->n; k++) {
        branch *b = &f->branches[k];
        if (!(modes[k] >= LEQ && modes[k] <= MEMBER) || feature[k] < 0 || feature[k] > INT32_MAX - 1)
            return bad(n, err, "nodes_modes or nodes_featureids is out of range");
        b->value = value[k];
        b->mode = (uint8_t)modes[k];
        b->feature = (int32_t)feature[k];
        b->missing = missing && missing[k];
        if (feature[k] >= f->features) f->features = feature[k] + 1;
        HST_TRY(modern_child(n, f, yes[k], yes_leaf[k] != 0, &b->yes, err));
        HST_TRY(modern_child(n, f, no[k], no_leaf[k] != 0, &b->no, err));
        if (b->mode != MEMBER) continue;
        for (b->set_begin = member; member < n_member && !isnan(f->members[member]);) member++;
        b->set_end = member;
        if (member++ >= n_member) return bad(n, err, "membership_values has too few sets");
    }
    for (int64_t k = 0; k < n_root; k++) {
        if (root[k] < 0 || root[k] >= f->n || f->branches[root[k]].is_child)
            return bad(n, err, "tree_roots names a node that does not exist or has a parent");
        f->roots[k] = (int32_t)root[k];
    }
    return HST_STATUS_OK;
}

static hst_status read_aggregate(const node *n, bool modern, aggregate *how, hst_error *err) {
    static const char *const names[] = {"AVERAGE", "SUM", "MIN", "MAX"};
    const char *name = node_string(n, "aggregate_function", "SUM");
    int64_t k = modern ? node_int(n, "aggregate_function", SUM) : 0;
    while (!modern && k < 4 && strcmp(name, names[k]) != 0) k++;
    if (k < 0 || k > 3) return bad(n, err, "aggregate_function is unknown");
    *how = (aggregate)k;
    return HST_STATUS_OK;
}

static hst_status build(const node *n, forest *f, hst_error *err) {
    bool modern = n->op_type[12] == 0, classes = n->op_type[12] == 'C';
    f->how = SUM;
    f->targets = node_int(n, "n_targets", 1);
    if (!classes) HST_TRY(read_aggregate(n, modern, &f->how, err));
    if (classes) {
        f->labels = ml_read_labels(n, "classlabels_int64s", "classlabels_strings");
        f->targets = f->labels.n;
    }
    if (f->targets < 1 || f->targets > INT32_MAX) return bad(n, err, "there are no targets or class labels");
    if (modern) {
        int64_t post = node_int(n, "post_transform", 0);
        static const ml_post posts[] = {ML_NONE, ML_SOFTMAX, ML_LOGISTIC, ML_SOFTMAX_ZERO, ML_PROBIT};
        if (post < 0 || post > 4) return bad(n, err, "post_transform is unknown");
        f->post = posts[post];
        return build_modern(n, f, err);
    }
    HST_TRY(ml_read_post(n, &f->post, err));
    HST_TRY(read_numbers(n, f, "base_values", &f->base, &f->n_base, err));
    if (f->n_base && f->n_base != f->targets && !(classes && f->n_base == 1 && f->targets <= 2))
        return bad(n, err, "the number of base_values is not that of the targets");
    return build_classic(n, f, err);
}

static void forest_free(void *state, const hst_allocator *a) {
    (void)a;
    arena_free(((forest *)state)->arena);
}

static hst_status forest_new(const node *n, const hst_allocator *a, forest **out, hst_error *err) {
    arena *memory = arena_new(a);
    forest *f = memory ? ARENA_NEW(memory, forest) : NULL;
    if (!f) {
        arena_free(memory);
        return error_no_memory(err, sizeof *f, "trees");
    }
    f->arena = memory;
    hst_status status = build(n, f, err);
    if (status != HST_STATUS_OK)
        forest_free(f, a);
    else
        *out = f;
    return status;
}

static bool goes_yes(const forest *f, const branch *b, double x) {
    if (isnan(x) && b->missing) return true;
    switch (b->mode) {
    case LEQ:
        return x <= b->value;
    case LT:
        return x < b->value;
    case GTE:
        return x >= b->value;
    case GT:
        return x > b->value;
    case EQ:
        return x == b->value;
    case NEQ:
        return x != b->value;
    default:
        for (int64_t k = b->set_begin; k < b->set_end; k++)
            if (f->members[k] == x) return true;
        return false;
    }
}

/* In f32 unless the features are f64, as elsewhere: where as many of 12 trees are for as against, 6/12 is 0.5 then. */
static double add(double a, double b, bool single) { return single ? (double)((float)a + (float)b) : a + b; }

/* Adds up the row's leaves in y [targets]. */
static void walk(const forest *f, const double *x, double *y, bool single) {
    for (int64_t t = 0; t < f->targets; t++)
        y[t] = f->how == MIN ? (double)INFINITY : f->how == MAX ? -(double)INFINITY : 0;
    for (int64_t r = 0; r < f->n_roots; r++) {
        int32_t at = f->roots[r];
        while (at >= 0) {
            const branch *b = &f->branches[at];
            at = goes_yes(f, b, x[b->feature]) ? b->yes : b->no;
        }
        const leaf *l = &f->leaves[~at];
        for (int64_t k = l->begin; k < l->end; k++) {
            const weight *w = &f->weights[k];
            double *to = &y[w->target];
            if (f->how == MIN)
                *to = fmin(*to, w->w);
            else if (f->how == MAX)
                *to = fmax(*to, w->w);
            else
                *to = add(*to, w->w, single);
        }
    }
    for (int64_t t = 0; t < f->targets; t++) {
        if (f->how == AVERAGE) y[t] /= (double)f->n_roots;
        if (isinf(y[t]) && (f->how == MIN || f->how == MAX)) y[t] = 0; /* no leaf was of this target */
        if (f->n_base == f->targets) y[t] = add(y[t], f->base[t], single);
    }
}

/* Scores of a row to z [columns]; returns the label's index, -1: none of the labels. */
static int64_t classify(const forest *f, double *y, double *z, int64_t columns) {
    if (!f->binary) {
        memcpy(z, y, (size_t)columns * sizeof *z);
        ml_transform(z, columns, f->post);
        return ml_argmax(y, f->targets);
    }
    int64_t own = f->weights[0].target;
    double s = y[own] + (f->n_base == 1 && f->targets == 2 ? f->base[0] : 0);
    bool positive = f->positive ? s > 0.5 : s > 0;
    if (f->post == ML_PROBIT && columns == 2) ml_transform(&s, 1, f->post);
    bool raw = f->post != ML_NONE && f->post != ML_PROBIT;
    z[columns - 1] = s;
    if (columns == 2) z[0] = f->positive && !raw ? 1 - s : -s;
    if (raw) ml_transform(z, columns, f->post);
    return f->targets == 2 ? positive : positive ? 0 : -1;
}

typedef struct job {
    const forest *f;
    const double *x;
    double *y, *z; /* z: scores of a classifier, [rows, columns] */
    hst_tensor *labels;
    int64_t rows, features, columns;
    bool single;
} job;

static void part(void *arg, const team_context *ctx) {
    const job *j = arg;
    int64_t begin, end;
    team_split(j->rows, 1, ctx, &begin, &end);
    for (int64_t r = begin; r < end; r++) {
        double *y = j->y + r * j->f->targets;
        walk(j->f, j->x + r * j->features, y, j->single);
        if (!j->labels) {
            ml_transform(y, j->f->targets, j->f->post);
            continue;
        }
        int64_t k = classify(j->f, y, j->z + r * j->columns, j->columns);
        ml_label_set(j->labels, &j->f->labels, r, k);
        if (k < 0 && !j->f->labels.strings) ((int64_t *)j->labels->data)[r] = 0;
    }
}

static hst_status run(const void *state, eval_context *c, hst_error *err) {
    job j = {.f = state, .single = c->n_in && c->in[0] && c->in[0]->dtype != HST_DTYPE_F64};
    carry out = {0};
    void *scratch;
    size_t bytes;
    HST_TRY(ml_rows(c, &j.x, &j.rows, &j.features, err));
    if (j.features < j.f->features)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "the input has %lld features, the trees ask for %lld",
                          (long long)j.features, (long long)j.f->features);
    bool classes = c->node->op_type[12] == 'C';
    j.columns = classes && j.f->targets == 1 ? 1 + j.f->binary : j.f->targets;
    int64_t dims[2] = {j.rows, j.columns}, y_dims[2] = {j.rows, j.f->targets};
    HST_TRY(shape_bytes(HST_DTYPE_F64, 2, y_dims, &bytes, err));
    HST_TRY(eval_scratch(c, bytes, &scratch, err));
    j.y = scratch;
    if (classes) {
        HST_TRY(ml_labels_begin(c, &j.f->labels, j.rows, &j.labels, err));
        HST_TRY(shape_bytes(HST_DTYPE_F64, 2, dims, &bytes, err));
        HST_TRY(eval_scratch(c, bytes, &scratch, err));
        j.z = scratch;
    }
    if (!classes || eval_wants(c, 1))
        HST_TRY(carry_out(c, classes, c->node->op_type[12] ? HST_DTYPE_F32 : c->in[0]->dtype, 2, dims, &out, err));
    const team_context alone = {.worker = 0, .workers = 1};
    if (c->team && j.rows > 1 && j.rows * j.f->n_roots > 2048)
        team_run(c->team, 0, part, &j);
    else
        part(&j, &alone);
    HST_TRY(c->runtime->check(c, err));
    if (out.t) {
        memcpy(out.x, classes ? j.z : j.y, (size_t)tensor_count(out.t) * sizeof(double));
        carry_done(&out);
    }
    return j.labels ? move_done(j.labels, j.labels->data, err) : HST_STATUS_OK;
}

static hst_status eval(eval_context *c, hst_error *err) {
    forest *f;
    HST_TRY(forest_new(c->node, NULL, &f, err));
    hst_status status = run(f, c, err);
    forest_free(f, NULL);
    return status;
}

static hst_status bind(bind_context *c, hst_error *err) {
    forest *f;
    HST_TRY(forest_new(c->node, c->allocator, &f, err));
    c->run = run;
    c->state = f;
    c->state_free = forest_free;
    return HST_STATUS_OK;
}

static hst_status infer(infer_context *c, hst_error *err) {
    const type *x = infer_in(c, 0);
    (void)err;
    if (c->node->op_type[12] == 'C') {
        ml_labels l = ml_read_labels(c->node, "classlabels_int64s", "classlabels_strings");
        return ml_infer_classes(c, &l);
    }
    /* Files declare another number of columns than they compute, and run elsewhere: it is left open. */
    dim rows = x->rank == 2 ? x->dim[0] : x->rank == 1 ? 1 : dim_symbol(c->model, "");
    c->out[0] = (type){
        .dtype = c->node->op_type[12] ? HST_DTYPE_F32 : x->dtype, .rank = 2, .dim = {rows, dim_symbol(c->model, "")}};
    return HST_STATUS_OK;
}

// clang-format off
#define NODES "nodes_treeids=[0,0,0], nodes_nodeids=[0,1,2], nodes_featureids=[1,0,0], nodes_values=[0.5,0.0,0.0], nodes_modes=[\"BRANCH_LEQ\",\"LEAF\",\"LEAF\"], nodes_truenodeids=[1,0,0], nodes_falsenodeids=[2,0,0]"
static const op_case regressor_cases[] = {
    {"one tree", 0, "(f32[3,2]{9 0.5 9 0.6 9 nan}; " NODES ", n_targets=2, target_treeids=[0,0,0], target_nodeids=[1,2,2], target_ids=[0,0,1], target_weights=[1.0,2.0,3.0], base_values=[0.5,0.0]) -> (f32[3,2]{1.5 0 2.5 3 2.5 3})", 0},
    {"least", 1, "(f64[1,2]{9 0.5}; " NODES ", n_targets=1, aggregate_function=\"MIN\", target_treeids=[0,0], target_nodeids=[1,2], target_ids=[0,0], target_weights=[1.0,2.0]) -> (f32[1,1]{1})", 0}, {0}};
static const op_case classifier_cases[] = {
    {"a tie", 3, "(f32[1,1]{0}; nodes_treeids=[0,1,2,3,4,5], nodes_nodeids=[0,0,0,0,0,0], nodes_featureids=[0,0,0,0,0,0], nodes_values=[0.0,0.0,0.0,0.0,0.0,0.0], nodes_modes=[\"LEAF\",\"LEAF\",\"LEAF\",\"LEAF\",\"LEAF\",\"LEAF\"], nodes_truenodeids=[0,0,0,0,0,0], nodes_falsenodeids=[0,0,0,0,0,0], class_treeids=[0,1,2,3,4,5], class_nodeids=[0,0,0,0,0,0], class_ids=[0,0,0,0,0,0], class_weights=[0.083333336,0.083333336,0.083333336,0.083333336,0.083333336,0.083333336], classlabels_int64s=[5,7]) -> (s64[1]{5}, f32[1,2]{0.5 0.5})", 0},
    {"two weights a leaf", 0, "(f32[2,2]{0 0 0 1}; " NODES ", class_treeids=[0,0,0], class_nodeids=[1,1,2], class_ids=[0,1,2], class_weights=[0.25,0.75,1.0], classlabels_strings=[\"a\",\"b\",\"c\"]) -> (string[2]{\"b\" \"c\"}, f32[2,3]{0.25 0.75 0 0 0 1})", 0},
    {"binary", 3, "(s64[2,2]{0 0 0 1}; " NODES ", class_treeids=[0,0], class_nodeids=[1,2], class_ids=[0,0], class_weights=[-1.0,2.0], classlabels_int64s=[5,7], post_transform=\"LOGISTIC\") -> (s64[2]{5 7}, f32[2,2]{0.73105858 0.26894142 0.11920292 0.88079708})", 1e-7}, {0}};
static const op_case ensemble_cases[] = {
    {"membership", 0, "(f64[3,1]{1 2 3}; nodes_splits=f64[1]{0}, nodes_modes=u8[1]{6}, nodes_featureids=[0], nodes_truenodeids=[0], nodes_falsenodeids=[1], nodes_trueleafs=[1], nodes_falseleafs=[1], leaf_targetids=[0,1], leaf_weights=f64[2]{5 7}, tree_roots=[0], membership_values=f64[3]{1 3 nan}, n_targets=2) -> (f64[3,2]{5 0 0 7 5 0})", 0}, {0}};

#define TREES(name_, since_, outs_, summary_, cases_)                                                                  \
    {.name = name_, .domain = "ai.onnx.ml", .since = since_, .min_in = 1, .max_in = 1, .min_out = 1, .max_out = outs_, \
     .infer = infer, .eval = eval, .bind = bind, .summary = summary_, HST_CASES(cases_)}

HST_OP(ai_onnx_ml_TreeEnsembleRegressor) = TREES("TreeEnsembleRegressor", 1, 1, "numbers by trees", regressor_cases);
HST_OP(ai_onnx_ml_TreeEnsembleClassifier) = TREES("TreeEnsembleClassifier", 1, 2, "classes by trees", classifier_cases);
HST_OP(ai_onnx_ml_TreeEnsemble) = TREES("TreeEnsemble", 5, 1, "numbers by trees", ensemble_cases);
// clang-format on
