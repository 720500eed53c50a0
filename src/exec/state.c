/* Named state: an output of one run is an input of the next. Its value is a handle on the output's buffer, so that
 * handing it over moves no elements. */
#include <string.h>

#include "base/checked.h"
#include "exec/session_impl.h"

static void state_set_now(session_state *st, hst_tensor *t) {
    tensor_free(st->now);
    st->now = t;
}

void states_free(session *s) {
    for (int i = 0; i < s->n_states; i++) {
        tensor_free(s->states[i].initial);
        tensor_free(s->states[i].now);
    }
    memory_free(&s->allocator, s->states, (size_t)s->states_capacity * sizeof *s->states);
    s->states = NULL;
    s->n_states = s->states_capacity = 0;
}

static const char *input_name(const session *s, int input) {
    return s->engine->slots[s->engine->inputs[input]].value->name;
}

/* The whole buffer, of which the state may be a part. */
static size_t held_bytes(const session *s, const hst_tensor *t) {
    const tensor_buffer *b = t->buffer;
    size_t bytes = !b ? t->bytes : b->owner == s->outputs ? outputs_size(b) : b->size;
    for (int64_t i = 0; tensor_is_list(t) && i < tensor_count(t); i++) bytes += held_bytes(s, tensor_item(t, i));
    return bytes;
}

size_t states_bytes(const session *s) {
    size_t bytes = 0;
    for (int i = 0; i < s->n_states; i++) {
        const session_state *st = &s->states[i];
        bytes += held_bytes(s, st->now);
        if (st->initial->buffer != st->now->buffer) bytes += held_bytes(s, st->initial);
    }
    return bytes;
}

static hst_status copy(session *s, const hst_tensor *t, hst_tensor **out, hst_error *err) {
    HST_TRY(session_room(s, held_bytes(s, t), err));
    HST_TRY(tensor_clone(t, &s->allocator, out, err));
    session_count(s, held_bytes(s, *out), 0);
    return HST_STATUS_OK;
}

/* ---- in a run ---- */

void states_feed(session *s) {
    for (int i = 0; i < s->n_states; i++) {
        const session_state *st = &s->states[i];
        if (!s->feeds[st->input]) s->feeds[st->input] = st->now;
        s->wanted[st->output] = true;
    }
}

hst_status states_collect(session *s, hst_error *err) {
    hst_status status = HST_STATUS_OK;
    for (int i = 0; i < s->n_states && status == HST_STATUS_OK; i++) {
        session_state *st = &s->states[i];
        const hst_tensor *t = s->bound[st->output] ? s->bound[st->output] : s->results[st->output];
        if (s->bound[st->output]) /* the caller's memory is not ours to keep */
            status = copy(s, t, &st->next, err);
        else
            status = tensor_view(t, t->rank, t->dim, outputs_handles(s->outputs), &st->next, err);
    }
    for (int i = 0; i < s->n_states && status != HST_STATUS_OK; i++) {
        tensor_free(s->states[i].next);
        s->states[i].next = NULL;
    }
    return status;
}

void states_commit(session *s) {
    for (int i = 0; i < s->n_states; i++) {
        state_set_now(&s->states[i], s->states[i].next);
        s->states[i].next = NULL;
    }
}

/* ---- between runs ---- */

/* A handle of ours on the caller's tensor; a copy where its memory is only borrowed. */
static hst_status share(session *s, const hst_tensor *t, hst_tensor **out, hst_error *err) {
    if (!t->buffer) return copy(s, t, out, err);
    return tensor_view(t, t->rank, t->dim, &s->allocator, out, err);
}

/* What the caller brings: from now on it counts, unless it did so before. */
static hst_status adopt(session *s, const hst_tensor *t, hst_tensor **out, hst_error *err) {
    bool ours = !t->buffer; /* or will be, as a copy */
    for (int i = 0; i < s->n_states && !ours; i++)
        ours = s->states[i].now->buffer == t->buffer || s->states[i].initial->buffer == t->buffer;
    if (!ours) {
        HST_TRY(session_room(s, held_bytes(s, t), err));
        session_count(s, held_bytes(s, t), 0);
    }
    return share(s, t, out, err);
}

static hst_status fits_input(const session *s, int input, const hst_tensor *t, hst_error *err) {
    const value *v = s->engine->slots[s->engine->inputs[input]].value;
    bool fits =
        (v->type.dtype == HST_DTYPE_NONE || v->type.dtype == t->dtype) && (v->type.rank < 0 || v->type.rank == t->rank);
    for (int k = 0; fits && v->type.rank >= 0 && k < t->rank; k++)
        fits = v->type.dim[k] < 0 || v->type.dim[k] == t->dim[k];
    if (fits) return HST_STATUS_OK;
    type is = type_of_tensor(t);
    char a[160], b[160];
    return error_set(err, HST_STATUS_BAD_SHAPE, v->name, "state '%s' is %s, the input takes %s", v->name,
                     type_format(s->engine->model, &is, a, sizeof a),
                     type_format(s->engine->model, &v->type, b, sizeof b));
}

static hst_status empty_initial(session *s, int input, hst_tensor **out, hst_error *err) {
    const value *v = s->engine->slots[s->engine->inputs[input]].value;
    int64_t dims[HST_RANK_MAX];
    if (v->type.dtype == HST_DTYPE_NONE || v->type.dtype >= HST_DTYPE_SEQUENCE || v->type.rank < 0)
        return error_set(err, HST_STATUS_INVALID_ARGUMENT, v->name,
                         "state '%s' needs an initial value: the model does not say its type", v->name);
    for (int k = 0; k < v->type.rank; k++) dims[k] = v->type.dim[k] < 0 ? 0 : v->type.dim[k];
    size_t bytes = 0;
    HST_TRY(shape_bytes(v->type.dtype, v->type.rank, dims, &bytes, err));
    HST_TRY(session_room(s, bytes, err));
    return tensor_new(v->type.dtype, v->type.rank, dims, &s->allocator, out, err);
}

static hst_status fits_output(const session *s, int input, int output, hst_error *err) {
    const value *in = s->engine->slots[s->engine->inputs[input]].value, *out = s->engine->model->main->outputs[output];
    const type *a = &in->type, *b = &out->type;
    bool fits = (a->dtype == HST_DTYPE_NONE || b->dtype == HST_DTYPE_NONE || a->dtype == b->dtype) &&
                (a->rank < 0 || b->rank < 0 || a->rank == b->rank);
    for (int k = 0; fits && a->rank >= 0 && b->rank >= 0 && k < a->rank; k++)
        fits = a->dim[k] < 0 || b->dim[k] < 0 || a->dim[k] == b->dim[k];
    return fits ? HST_STATUS_OK
                : error_set(err, HST_STATUS_BAD_SHAPE, in->name, "output '%s' does not fit input '%s'", out->name,
                            in->name);
}

static session_state *state_find(session *s, int input) {
    for (int i = 0; i < s->n_states; i++)
        if (s->states[i].input == input) return &s->states[i];
    return NULL;
}

static hst_status state_add(session *s, session_state **out, hst_error *err) {
    if (s->n_states == s->states_capacity) {
        int capacity = s->states_capacity ? s->states_capacity * 2 : 8;
        session_state *bigger = memory_alloc(&s->allocator, (size_t)capacity * sizeof *bigger, 16);
        if (!bigger) return error_no_memory(err, (size_t)capacity * sizeof *bigger, "session state");
        if (s->n_states) memcpy(bigger, s->states, (size_t)s->n_states * sizeof *bigger);
        memory_free(&s->allocator, s->states, (size_t)s->states_capacity * sizeof *bigger);
        s->states = bigger;
        s->states_capacity = capacity;
    }
    *out = &s->states[s->n_states++];
    **out = (session_state){.input = -1};
    return HST_STATUS_OK;
}

static hst_status declare(session *s, const char *input, const char *output, const hst_tensor *initial,
                          hst_error *err) {
    int i = session_input_find(s, input), k = session_output_find(s, output);
    if (i < 0) return error_set(err, HST_STATUS_NOT_FOUND, input, "the model has no input '%s'", input);
    if (k < 0) return error_set(err, HST_STATUS_NOT_FOUND, output, "the model has no output '%s'", output);
    HST_TRY(fits_output(s, i, k, err));
    hst_tensor *first = NULL, *now = NULL;
    session_state *st = state_find(s, i);
    hst_status status = initial ? adopt(s, initial, &first, err) : empty_initial(s, i, &first, err);
    if (status == HST_STATUS_OK) status = fits_input(s, i, first, err);
    if (status == HST_STATUS_OK) status = share(s, first, &now, err);
    if (status == HST_STATUS_OK && !st) status = state_add(s, &st, err);
    if (status != HST_STATUS_OK) {
        tensor_free(first);
        tensor_free(now);
        return status;
    }
    tensor_free(st->initial);
    tensor_free(st->now);
    *st = (session_state){.input = i, .output = k, .initial = first, .now = now};
    return HST_STATUS_OK;
}

/* What a change makes of one state: its new value. */
typedef hst_status (*change_fn)(session *s, const session_state *st, const void *arg, hst_tensor **out, hst_error *err);

/* Changes one state or, with input NULL, all; all or nothing. */
static hst_status change(session *s, const char *input, change_fn fn, const void *arg, hst_error *err) {
    if (!session_acquire(s, err)) return HST_STATUS_BUSY;
    hst_status status = HST_STATUS_OK;
    int found = 0;
    for (int i = 0; i < s->n_states && status == HST_STATUS_OK; i++) {
        session_state *st = &s->states[i];
        if (input && strcmp(input_name(s, st->input), input) != 0) continue;
        found++;
        status = fn(s, st, arg, &st->next, err);
    }
    if (status == HST_STATUS_OK && input && !found)
        status = error_set(err, HST_STATUS_NOT_FOUND, input, "no state is declared for input '%s'", input);
    for (int i = 0; i < s->n_states; i++) {
        session_state *st = &s->states[i];
        if (!st->next) continue;
        if (status == HST_STATUS_OK)
            state_set_now(st, st->next);
        else
            tensor_free(st->next);
        st->next = NULL;
    }
    session_settle(s);
    session_give_back(s);
    return status;
}

static hst_status changed_reset(session *s, const session_state *st, const void *arg, hst_tensor **out,
                                hst_error *err) {
    (void)arg;
    return share(s, st->initial, out, err);
}

typedef struct selection {
    int axis;
    const int64_t *index; /* NULL: the first n */
    int64_t n;
} selection;

/* A tensor as [outer, length, inner] around an axis; inner in bytes. */
static hst_status around_axis(const session *s, const session_state *st, int axis, int *at, size_t *outer,
                              size_t *inner, hst_error *err) {
    const hst_tensor *t = st->now;
    const char *name = input_name(s, st->input);
    int64_t count;
    if (axis < -t->rank || axis >= t->rank)
        return error_set(err, HST_STATUS_INVALID_ARGUMENT, name, "state '%s': axis %d out of range for rank %d", name,
                         axis, t->rank);
    *at = axis < 0 ? axis + t->rank : axis;
    if (dtype_bits(t->dtype) == 0 || dtype_bits(t->dtype) % 8)
        return error_set(err, HST_STATUS_UNSUPPORTED, name, "state '%s' has elements of type %s", name,
                         dtype_name(t->dtype));
    HST_TRY(shape_count(*at, t->dim, &count, err));
    *outer = (size_t)count;
    HST_TRY(shape_bytes(t->dtype, t->rank - *at - 1, t->dim + *at + 1, inner, err));
    return HST_STATUS_OK;
}

static hst_status changed_selection(session *s, const session_state *st, const void *arg, hst_tensor **out,
                                    hst_error *err) {
    const selection *sel = arg;
    const hst_tensor *t = st->now;
    const char *name = input_name(s, st->input);
    int axis = 0;
    size_t outer = 0, inner = 0;
    HST_TRY(around_axis(s, st, sel->axis, &axis, &outer, &inner, err));
    int64_t length = t->dim[axis], n = !sel->index && sel->n > length ? length : sel->n;
    if (!sel->index && n == length) return share(s, t, out, err);
    for (int64_t i = 0; sel->index && i < n; i++)
        if (sel->index[i] < 0 || sel->index[i] >= length)
            return error_set(err, HST_STATUS_INVALID_ARGUMENT, name, "state '%s': index %lld is outside 0 to %lld",
                             name, (long long)sel->index[i], (long long)length - 1);
    hst_tensor shape = *t;
    shape.dim[axis] = n;
    HST_TRY(shape_bytes(t->dtype, t->rank, shape.dim, &shape.bytes, err));
    HST_TRY(session_take_output(s, shape.bytes, &shape.buffer, err));
    shape.data = shape.buffer->data;
    const char *from = t->data;
    char *to = shape.data;
    for (size_t o = 0; o < outer && inner; o++, from += (size_t)length * inner) {
        if (!sel->index && n) memcpy(to, from, (size_t)n * inner);
        for (int64_t i = 0; sel->index && i < n; i++)
            memcpy(to + (size_t)i * inner, from + (size_t)sel->index[i] * inner, inner);
        to += (size_t)n * inner;
    }
    hst_status status = tensor_view(&shape, shape.rank, shape.dim, outputs_handles(s->outputs), out, err);
    tensor_buffer_drop(shape.buffer);
    return status;
}

static hst_status changed_set(session *s, const session_state *st, const void *arg, hst_tensor **out, hst_error *err) {
    HST_TRY(fits_input(s, st->input, arg, err));
    return adopt(s, arg, out, err);
}

hst_status session_state_declare(session *s, const char *input, const char *output, const hst_tensor *initial,
                                 hst_error *err) {
    if (!session_acquire(s, err)) return HST_STATUS_BUSY;
    hst_status status = declare(s, input, output, initial, err);
    session_settle(s);
    session_give_back(s);
    return status;
}

hst_status session_state_reset(session *s, const char *input, hst_error *err) {
    return change(s, input, changed_reset, NULL, err);
}

hst_status session_state_reorder(session *s, const char *input, int axis, const int64_t *index, size_t n,
                                 hst_error *err) {
    static const int64_t none;
    if (n > INT64_MAX) return error_set(err, HST_STATUS_INVALID_ARGUMENT, "n", "%zu rows are too many", n);
    return change(s, input, changed_selection, &(selection){axis, index ? index : &none, (int64_t)n}, err);
}

hst_status session_state_truncate(session *s, const char *input, int axis, int64_t length, hst_error *err) {
    if (length < 0)
        return error_set(err, HST_STATUS_INVALID_ARGUMENT, "length", "length %lld is negative", (long long)length);
    return change(s, input, changed_selection, &(selection){axis, NULL, length}, err);
}

hst_status session_state_set(session *s, const char *input, const hst_tensor *t, hst_error *err) {
    if (!input || !t) return error_set(err, HST_STATUS_INVALID_ARGUMENT, NULL, "input and tensor are needed");
    return change(s, input, changed_set, t, err);
}

hst_status session_state_get(session *s, const char *input, hst_tensor **out, hst_error *err) {
    if (!session_acquire(s, err)) return HST_STATUS_BUSY;
    int i = session_input_find(s, input);
    const session_state *st = i >= 0 ? state_find(s, i) : NULL;
    hst_status status = st ? tensor_view(st->now, st->now->rank, st->now->dim, &s->allocator, out, err)
                           : error_set(err, HST_STATUS_NOT_FOUND, input, "no state is declared for input '%s'", input);
    session_give_back(s);
    return status;
}
