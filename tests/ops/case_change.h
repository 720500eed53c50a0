/* Changes to a case of an operator: another shape, type or value of an input, an input more or less, another attribute,
 * opset or output. Changes are numbered: case_change(m, k) makes the k-th one. */
#ifndef TESTS_OPS_CASE_CHANGE_H
#define TESTS_OPS_CASE_CHANGE_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ops/case.h"

#define CHANGE_INPUTS   8 /* inputs, axes, attributes … that are changed, each */
#define CHANGE_AXES     5
#define CHANGE_ELEMENTS 4
#define CHANGE_OUTPUTS  70 /* of a case, more than it can have */

/* k counts down over the kinds of change: true where this one is meant, *at then says which of n. */
static inline bool change_is(int *k, int n, int *at) {
    *at = *k;
    *k -= n;
    return *at >= 0 && *at < n;
}

static bool change_is_number(hst_dtype d) {
    return dtype_is_float(d) || dtype_is_integer(d) || d == HST_DTYPE_B8;
}

/* A tensor of these dims with the elements of another one, repeated. NULL: too large, or no memory. */
static hst_tensor *change_shape(const hst_tensor *from, hst_dtype d, int rank, const int64_t *dims) {
    static const hst_string words[] = {{"a", 1}, {"1", 1}, {"", 0}};
    hst_tensor *t = NULL;
    int64_t count = 1, have = tensor_count(from);
    for (int i = 0; i < rank; i++)
        if (dims[i] < 0 || __builtin_mul_overflow(count, dims[i], &count) || count > 5000) return NULL;
    if (rank > HST_RANK_MAX) return NULL;
    if (d == HST_DTYPE_STRING) {
        hst_string *s = calloc((size_t)count + 1, sizeof *s);
        for (int64_t i = 0; s && i < count; i++)
            s[i] = from->dtype == d && have ? ((const hst_string *)from->data)[i % have] : words[i % 3];
        if (s) (void)tensor_new_strings(rank, dims, s, NULL, &t, NULL);
        free(s);
        return t;
    }
    if (tensor_new(d, rank, dims, NULL, &t, NULL) != HST_STATUS_OK) return NULL;
    bool numbers = have && change_is_number(from->dtype) && change_is_number(d);
    if (!numbers) memset(t->data, 0, t->bytes);
    for (int64_t i = 0; numbers && i < count; i++) {
        if (dtype_is_float(from->dtype) || dtype_is_float(d))
            tensor_set_f64(t, i, tensor_get_f64(from, i % have));
        else
            tensor_set_s64(t, i, tensor_get_s64(from, i % have));
    }
    return t;
}

static void change_put(case_model *m, int i, hst_tensor *t) {
    node *n = m->model->main->first;
    if (!t || !n->in[i]) {
        tensor_free(t);
        return;
    }
    tensor_free(m->in[i]);
    m->in[i] = t;
    n->in[i]->type = type_of_tensor(t);
}

static void change_dims(case_model *m, int i, int how) {
    const hst_tensor *t = m->in[i];
    int64_t dims[HST_RANK_MAX + 2] = {0};
    int rank = t->rank;
    for (int k = 0; k < rank; k++) dims[k] = t->dim[k];
    switch (how) {
    case 0: /* no axes */
        rank = 0;
        break;
    case 1: /* the first axis goes */
        rank = rank ? rank - 1 : 0;
        for (int k = 0; k < rank; k++) dims[k] = t->dim[k + 1];
        break;
    case 2: /* the last one */
        rank = rank ? rank - 1 : 0;
        break;
    case 3: /* one more in front, of 1; of 2 */
    case 4:
        for (int k = rank++; k > 0; k--) dims[k] = dims[k - 1];
        dims[0] = how - 2;
        break;
    case 5: /* one more behind */
    case 6:
        dims[rank++] = how - 4;
        break;
    default: /* another length */
        if ((how - 7) / 4 < rank) {
            int64_t *d = &dims[(how - 7) / 4];
            *d = (how - 7) % 4 == 2 ? *d + 1 : (how - 7) % 4 == 3 ? *d * 2 : (how - 7) % 4;
        }
    }
    if (rank <= HST_RANK_MAX) change_put(m, i, change_shape(t, t->dtype, rank, dims));
}
#define CHANGE_DIMS (7 + 4 * CHANGE_AXES)

static const hst_dtype change_types[] = {HST_DTYPE_F32, HST_DTYPE_F16, HST_DTYPE_F64, HST_DTYPE_BF16, HST_DTYPE_S32,
                                         HST_DTYPE_S64, HST_DTYPE_U8,  HST_DTYPE_S8,  HST_DTYPE_B8,   HST_DTYPE_STRING,
                                         HST_DTYPE_S4,  HST_DTYPE_U64, HST_DTYPE_C64};
#define CHANGE_TYPES ((int)(sizeof change_types / sizeof *change_types))

static const int64_t change_numbers[] = {0, 1, -1, 2, -2, 3, 4, 100, INT64_MAX, INT64_MIN};
#define CHANGE_NUMBERS ((int)(sizeof change_numbers / sizeof *change_numbers))

static void change_element(case_model *m, int i, int element, int number) {
    hst_tensor *t = m->in[i];
    if (element >= tensor_count(t) || !change_is_number(t->dtype)) return;
    hst_tensor *copy = change_shape(t, t->dtype, t->rank, t->dim);
    if (!copy) return;
    if (dtype_is_float(t->dtype))
        tensor_set_f64(copy, element, (double)change_numbers[number]);
    else
        tensor_set_s64(copy, element, change_numbers[number]);
    change_put(m, i, copy);
}

/* A list, or an empty optional, where a tensor was. */
static void change_to_list(case_model *m, int i, bool sequence) {
    hst_tensor *t = NULL, *item = NULL;
    const hst_tensor *items[2];
    if (!sequence) {
        if (hst_tensor_new_empty_optional(NULL, &t, NULL) == HST_STATUS_OK) change_put(m, i, t);
        return;
    }
    if (tensor_is_list(m->in[i]) || !(item = change_shape(m->in[i], m->in[i]->dtype, m->in[i]->rank, m->in[i]->dim)))
        return;
    items[0] = items[1] = item;
    if (hst_tensor_new_sequence(2, items, NULL, &t, NULL) == HST_STATUS_OK) change_put(m, i, t);
    tensor_free(item);
}

static value **change_room(case_model *m, value **list, int *n, int to) {
    value **more = ARENA_ARRAY(m->model->arena, value *, to + 1);
    if (!more) return list;
    for (int i = 0; i <= to; i++) more[i] = i < *n ? list[i] : NULL;
    *n = to + 1;
    return more;
}

/* Input i, where there is none, becomes a copy of another one or a vector of small integers. */
static void change_add_input(case_model *m, int i, int how) {
    node *n = m->model->main->first;
    if (i >= 60 || (i < n->n_in && n->in[i]) || i > n->n_in + 3) return;
    for (int k = i + 1; k < n->n_in; k++)
        if (m->in[k]) return; /* inputs of the graph stand in the order of the node's */
    hst_tensor *t = NULL;
    if (how == 0) {
        int64_t one = 1;
        if (tensor_new(HST_DTYPE_S64, 1, &one, NULL, &t, NULL) == HST_STATUS_OK) tensor_set_s64(t, 0, 1);
    } else if (how - 1 < m->n_in && m->in[how - 1] && !tensor_is_list(m->in[how - 1])) {
        const hst_tensor *from = m->in[how - 1];
        t = change_shape(from, from->dtype, from->rank, from->dim);
    }
    value *v = t ? graph_add_value(m->model->main, "extra") : NULL;
    if (!v || graph_add_input(m->model->main, v, NULL) != HST_STATUS_OK) {
        tensor_free(t);
        return;
    }
    if (i >= n->n_in) n->in = change_room(m, n->in, &n->n_in, i);
    n->in[i] = v;
    m->in[i] = t;
    if (i >= m->n_in) m->n_in = i + 1;
    v->type = type_of_tensor(t);
}

static void change_output(case_model *m, int i) {
    node *n = m->model->main->first;
    graph *g = m->model->main;
    value *v;
    if (i < n->n_out && n->out[i]) { /* goes */
        for (int k = 0; k < g->n_outputs; k++)
            if (g->outputs[k] == n->out[i]) {
                memmove(&g->outputs[k], &g->outputs[k + 1], (size_t)(--g->n_outputs - k) * sizeof *g->outputs);
                break;
            }
        n->out[i] = NULL;
        return;
    }
    if (i > n->n_out + 2 || !(v = graph_add_value(g, "more")) || graph_add_output(g, v, NULL) != HST_STATUS_OK) return;
    if (i >= n->n_out) n->out = change_room(m, n->out, &n->n_out, i);
    n->out[i] = v;
    v->producer = n;
    v->producer_index = i;
}

/* ---- attributes ---- */

static void change_ints(node *n, attribute *a, int how) {
    int64_t list[40];
    int count = a->n > 32 ? 32 : (int)a->n;
    if (count) memcpy(list, a->as.ints, (size_t)count * sizeof *list);
    switch (how) {
    case 0:
        count = 0;
        break;
    case 1:
        if (count) count--;
        break;
    case 2: /* the last twice */
        list[count] = count ? list[count - 1] : 0;
        count++;
        break;
    case 3:
        list[count++] = 1;
        break;
    default:
        if ((how - 4) / CHANGE_NUMBERS < count)
            list[(how - 4) / CHANGE_NUMBERS] = change_numbers[(how - 4) % CHANGE_NUMBERS];
    }
    int64_t *copy = arena_copy(n->graph->model->arena, list, sizeof list);
    if (!copy) return;
    a->as.ints = copy;
    a->n = count;
}
#define CHANGE_INTS (4 + CHANGE_ELEMENTS * CHANGE_NUMBERS)

static const char *const change_texts[] = {
    "",           "constant",      "reflect",    "edge",    "wrap",     "linear", "cubic",
    "nearest",    "SAME_UPPER",    "SAME_LOWER", "VALID",   "NOTSET",   "add",    "mul",
    "none",       "sum",           "mean",       "LEFT",    "DCR",      "CRD",    "forward",
    "reverse",    "bidirectional", "ij,jk->ik",  "...i->i", "ii->i",    "TFIDF",  "stretch",
    "not_larger", "not_smaller",   "BRANCH_EQ",  "SOFTMAX", "LOGISTIC", "PROBIT", "MAX",
    "L1",         "Relu",          "TO_STRING",  "DENSE",   "SPARSE",   "RGB",    "Grayscale"};
#define CHANGE_TEXTS ((int)(sizeof change_texts / sizeof *change_texts))

static void change_attribute(node *n, attribute *a, int how) {
    static const float floats[] = {0, 1, -1, 0.5f, 1e30f, NAN, -INFINITY};
    switch (a->type) {
    case ATTRIBUTE_INT:
        if (how < CHANGE_NUMBERS + 16) a->as.i = how < CHANGE_NUMBERS ? change_numbers[how] : how - CHANGE_NUMBERS + 5;
        break;
    case ATTRIBUTE_FLOAT:
        if (how < 7) a->as.f = floats[how];
        break;
    case ATTRIBUTE_INTS:
        change_ints(n, a, how);
        break;
    case ATTRIBUTE_STRING:
        if (how < CHANGE_TEXTS) a->as.s = (hst_string){change_texts[how], strlen(change_texts[how])};
        break;
    case ATTRIBUTE_FLOATS:
    case ATTRIBUTE_STRINGS:
        if (how == 0) a->n = 0;
        if (how == 1 && a->n) a->n--;
        break;
    default:
        break;
    }
}
#define CHANGE_VALUES 44

static const char *const change_names[] = {"axis",
                                           "axes",
                                           "keepdims",
                                           "broadcast",
                                           "to",
                                           "perm",
                                           "pads",
                                           "strides",
                                           "dilations",
                                           "kernel_shape",
                                           "group",
                                           "num_heads",
                                           "q_num_heads",
                                           "kv_num_heads",
                                           "shape",
                                           "batch_dims",
                                           "blocksize",
                                           "ceil_mode",
                                           "storage_order",
                                           "output_shape",
                                           "output_padding",
                                           "hidden_size",
                                           "scan_input_axes",
                                           "scan_output_axes",
                                           "noop_with_empty_axes",
                                           "allowzero",
                                           "block_size",
                                           "num_outputs",
                                           "split",
                                           "starts",
                                           "ends",
                                           "start",
                                           "end",
                                           "stash_type",
                                           "transA",
                                           "transB",
                                           "time_axis",
                                           "batch_axis",
                                           "dtype",
                                           "onesided",
                                           "inverse",
                                           "new_axis",
                                           "layout",
                                           "output_dtype",
                                           "output_datatype",
                                           "scales",
                                           "interleaved",
                                           "rotary_embedding_dim",
                                           "is_causal",
                                           "output_height",
                                           "height_scale",
                                           "select_last_index",
                                           "count_include_pad",
                                           "unidirectional",
                                           "qk_matmul_output_mode",
                                           "bits",
                                           "quantize_axis",
                                           "k",
                                           "p",
                                           "spatial",
                                           "broadcast_sequence_inputs",
                                           "transBatchA",
                                           "transBatchB"};
#define CHANGE_NAMES ((int)(sizeof change_names / sizeof *change_names))

static void change_add_attribute(node *n, int name, int how) {
    static const int64_t lists[][4] = {{0, 0, 0, 0}, {1, 1, 1, 1}, {-1, 2, 1, 0}, {0, 1, 2, 3}, {2, 2, 2, 2}};
    if (node_attribute(n, change_names[name])) return;
    if (how < CHANGE_NUMBERS + 2)
        (void)node_set_int(n, change_names[name],
                           how < CHANGE_NUMBERS ? change_numbers[how] : how - CHANGE_NUMBERS + 10);
    else if ((how -= CHANGE_NUMBERS + 2) < 20)
        (void)node_set_ints(n, change_names[name], lists[how / 4], how % 4 + 1);
    else if (how - 20 < 2)
        (void)node_set_float(n, change_names[name], how == 20 ? 0.5f : 2.0f);
}
#define CHANGE_ADD (CHANGE_NUMBERS + 2 + 20 + 2)

/* ---- all of them ---- */

/* The k-th change; false: there is none of that number. Some change nothing: what they are for is not there. */
static bool case_change(case_model *m, int k) {
    node *n = m->model->main->first;
    int at;
    if (change_is(&k, CHANGE_INPUTS * CHANGE_DIMS, &at)) {
        if (at / CHANGE_DIMS < m->n_in && m->in[at / CHANGE_DIMS] && !tensor_is_list(m->in[at / CHANGE_DIMS]))
            change_dims(m, at / CHANGE_DIMS, at % CHANGE_DIMS);
        return true;
    }
    if (change_is(&k, CHANGE_INPUTS * CHANGE_TYPES, &at)) {
        hst_tensor *t = at / CHANGE_TYPES < m->n_in ? m->in[at / CHANGE_TYPES] : NULL;
        if (t && !tensor_is_list(t))
            change_put(m, at / CHANGE_TYPES, change_shape(t, change_types[at % CHANGE_TYPES], t->rank, t->dim));
        return true;
    }
    if (change_is(&k, CHANGE_INPUTS * CHANGE_ELEMENTS * CHANGE_NUMBERS, &at)) {
        int i = at / (CHANGE_ELEMENTS * CHANGE_NUMBERS);
        if (i < m->n_in && m->in[i] && !tensor_is_list(m->in[i]))
            change_element(m, i, at / CHANGE_NUMBERS % CHANGE_ELEMENTS, at % CHANGE_NUMBERS);
        return true;
    }
    if (change_is(&k, CHANGE_INPUTS * 3, &at)) {
        if (at / 3 < m->n_in && m->in[at / 3] && at % 3 < 2) change_to_list(m, at / 3, at % 3);
        if (at / 3 < n->n_in && at % 3 == 2) n->in[at / 3] = NULL;
        return true;
    }
    if (change_is(&k, 12 * 5, &at)) {
        change_add_input(m, at / 5, at % 5);
        return true;
    }
    if (change_is(&k, CHANGE_INPUTS, &at)) {
        change_output(m, at);
        return true;
    }
    if (change_is(&k, CASE_OPSET, &at)) {
        n->opset = at + 1;
        return true;
    }
    if (change_is(&k, CHANGE_INPUTS * CHANGE_VALUES, &at)) {
        if (at / CHANGE_VALUES < n->n_attributes)
            change_attribute(n, &n->attributes[at / CHANGE_VALUES], at % CHANGE_VALUES);
        return true;
    }
    if (change_is(&k, CHANGE_INPUTS, &at)) {
        if (at < n->n_attributes) n->attributes[at] = n->attributes[--n->n_attributes];
        return true;
    }
    if (change_is(&k, CHANGE_NAMES * CHANGE_ADD, &at)) {
        change_add_attribute(n, at / CHANGE_ADD, at % CHANGE_ADD);
        return true;
    }
    return false;
}
#define CASE_CHANGES                                                                                                   \
    (CHANGE_INPUTS * (CHANGE_DIMS + CHANGE_TYPES + CHANGE_ELEMENTS * CHANGE_NUMBERS + 3 + 1 + CHANGE_VALUES + 1) +     \
     60 + CASE_OPSET + CHANGE_NAMES * CHANGE_ADD)

#endif
