/* The inputs of a run: matched with what the model declares, converted between s32 and s64 where it wants the other. */
#include <limits.h>
#include <string.h>

#include "exec/session_impl.h"
#include "tensor/convert.h"

static const value *input_value(const session *s, int i) {
    return s->engine->slots[s->engine->inputs[i]].value;
}

static hst_status bad(const session *s, int i, hst_error *err, const hst_tensor *t, const char *why) {
    const value *v = input_value(s, i);
    type is = type_of_tensor(t);
    char a[160], b[160];
    return error_set(err, HST_STATUS_BAD_SHAPE, v->name, "input '%s' is %s, the model wants %s%s%s", v->name,
                     type_format(s->engine->model, &is, a, sizeof a),
                     type_format(s->engine->model, &v->type, b, sizeof b), *why ? ": " : "", why);
}

static bool map_fits(const type *want, const hst_tensor *t) {
    type is = type_of_tensor(t);
    return t->dtype == HST_DTYPE_MAP && (want->key == HST_DTYPE_NONE || want->key == is.key) &&
           (want->element == HST_DTYPE_NONE || want->element == is.element);
}

/* A sequence or map: every item is checked for itself, symbols are not bound. An empty optional fits an optional. */
static hst_status check_list(const session *s, int i, const hst_tensor *t, hst_error *err) {
    const type *want = &input_value(s, i)->type;
    if (want->dtype == HST_DTYPE_NONE || (t->dtype == HST_DTYPE_OPTIONAL && want->optional)) return HST_STATUS_OK;
    if (t->dtype != want->dtype) return bad(s, i, err, t, "");
    for (int64_t k = 0, n = tensor_count(t); k < n; k++) {
        const hst_tensor *item = tensor_item(t, k);
        if (t->dtype == HST_DTYPE_MAP || item->dtype == HST_DTYPE_MAP || want->key) {
            if (!map_fits(want, t->dtype == HST_DTYPE_MAP ? t : item)) return bad(s, i, err, t, "");
            continue;
        }
        bool fits = (want->element == HST_DTYPE_NONE || item->dtype == want->element) &&
                    (want->rank < 0 || item->rank == want->rank);
        for (int d = 0; fits && want->rank >= 0 && d < item->rank; d++)
            fits = want->dim[d] < 0 || want->dim[d] == item->dim[d];
        if (!fits) return bad(s, i, err, item, "an item of the sequence");
    }
    return HST_STATUS_OK;
}

static hst_status check_shape(session *s, int i, const hst_tensor *t, hst_error *err) {
    const type *want = &input_value(s, i)->type;
    if (want->rank < 0) return HST_STATUS_OK;
    if (t->rank != want->rank) return bad(s, i, err, t, "");
    for (int k = 0; k < t->rank; k++) {
        if (want->dim[k] >= 0) {
            if (t->dim[k] != want->dim[k]) return bad(s, i, err, t, "");
            continue;
        }
        int64_t *known = &s->symbols[DIM_SYMBOL_FIRST - want->dim[k]];
        if (*known >= 0 && *known != t->dim[k])
            return bad(s, i, err, t, "another input gave this dimension another length");
        *known = t->dim[k];
    }
    return HST_STATUS_OK;
}

static bool convertible(hst_dtype from, hst_dtype to) {
    return (from == HST_DTYPE_S32 && to == HST_DTYPE_S64) || (from == HST_DTYPE_S64 && to == HST_DTYPE_S32);
}

static hst_status feed_converted(session *s, int i, const hst_tensor *t, hst_error *err) {
    int slot = s->engine->inputs[i];
    const value *v = input_value(s, i);
    live *l = &s->lives[slot];
    int64_t n = tensor_count(t);
    size_t bytes;
    HST_TRY(shape_bytes(v->type.dtype, t->rank, t->dim, &bytes, err));
    HST_TRY(block_take(s, bytes, false, &l->block, err));
    l->tensor = *t;
    l->tensor.dtype = v->type.dtype;
    l->tensor.data = l->block->data;
    l->tensor.bytes = bytes;
    l->tensor.buffer = NULL;
    if (t->dtype == HST_DTYPE_S64)
        for (int64_t k = 0; k < n; k++) {
            int64_t x;
            memcpy(&x, (const char *)t->data + k * 8, 8);
            if (x < INT32_MIN || x > INT32_MAX)
                return error_set(err, HST_STATUS_INVALID_ARGUMENT, v->name,
                                 "input '%s': element %lld is %lld, which the model's s32 cannot hold", v->name,
                                 (long long)k, (long long)x);
        }
    convert_array(t->dtype, t->data, v->type.dtype, l->tensor.data, n, false);
    s->at[slot] = &l->tensor;
    return HST_STATUS_OK;
}

/* Types and shapes of what was given, and the outputs asked for. */
static void make_key(session *s) {
    const engine *e = s->engine;
    int n = 0;
    for (int i = 0; i < e->n_inputs; i++) {
        const hst_tensor *t = s->feeds[i];
        s->key[n++] = t ? (int64_t)t->dtype * (HST_RANK_MAX + 1) + t->rank : -1;
        for (int k = 0; t && k < t->rank; k++) s->key[n++] = t->dim[k];
    }
    for (int k = 0; k < e->n_outputs; k++) s->key[n++] = s->wanted[k] + 2 * (s->wanted[k] && s->bound[k]);
    s->key_size = n;
}

hst_status feed_check(session *s, hst_error *err) {
    const engine *e = s->engine;
    for (int i = 0; i < e->n_symbols; i++) s->symbols[i] = -1;
    for (int i = 0; i < e->n_inputs; i++) {
        const hst_tensor *t = s->feeds[i];
        const value *v = input_value(s, i);
        if (!t && !v->constant)
            return error_set(err, HST_STATUS_INVALID_ARGUMENT, v->name, "input '%s' was not given", v->name);
        if (!t) continue;
        hst_dtype want = v->type.dtype;
        if (tensor_is_list(t)) {
            HST_TRY(check_list(s, i, t, err));
            continue;
        }
        if (want != HST_DTYPE_NONE && t->dtype != want && !convertible(t->dtype, want)) return bad(s, i, err, t, "");
        HST_TRY(check_shape(s, i, t, err));
    }
    make_key(s);
    return HST_STATUS_OK;
}

hst_status feed_inputs(session *s, hst_error *err) {
    const engine *e = s->engine;
    for (int i = 0; i < e->n_inputs; i++) {
        const hst_tensor *t = s->feeds[i];
        const value *v = input_value(s, i);
        if (t && v->type.dtype != HST_DTYPE_NONE && t->dtype != v->type.dtype && !tensor_is_list(t))
            HST_TRY(feed_converted(s, i, t, err));
        else if (t)
            s->at[e->inputs[i]] = t;
    }
    return HST_STATUS_OK;
}
