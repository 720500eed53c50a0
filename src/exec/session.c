/* Making a session, and a run from its inputs to its outputs. */
#include "exec/session.h"

#include <string.h>

#include "base/clock.h"
#include "exec/budget.h"
#include "exec/session_impl.h"

#define BUDGET_PERCENT 80 /* of what is left, where no budget is stated */

/* ---- making and freeing ---- */

static hst_status allocate(session *s, hst_error *err) {
    const engine *e = s->engine;
    size_t slots = (size_t)e->n_slots + 1, ins = (size_t)e->n_inputs + 1, outs = (size_t)e->n_outputs + 1;
    const struct {
        void *at;
        size_t count, size;
    } parts[] = {
        {&s->at, slots, sizeof *s->at},
        {&s->lives, slots, sizeof *s->lives},
        {&s->kept, slots, sizeof *s->kept},
        {&s->feeds, ins, sizeof *s->feeds},
        {&s->bound, outs, sizeof *s->bound},
        {&s->results, outs, sizeof *s->results},
        {&s->wanted, outs, sizeof *s->wanted},
        {&s->asked, outs, sizeof *s->asked},
        {&s->symbols, (size_t)e->n_symbols + 1, sizeof *s->symbols},
        {&s->key, ins * (HST_RANK_MAX + 1) + outs, sizeof *s->key},
        {&s->in, (size_t)e->most_in + 1, sizeof *s->in},
        {&s->out, (size_t)e->most_out + 1, sizeof *s->out},
        {&s->spare, (size_t)e->most_out + 1, sizeof *s->spare},
    };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        void *array = arena_alloc_array(s->arena, parts[i].count, parts[i].size);
        if (!array) return error_no_memory(err, parts[i].count * parts[i].size, "a session");
        memcpy(parts[i].at, &array, sizeof array);
    }
    return HST_STATUS_OK;
}

hst_status session_new(const engine *e, const session_options *options, session **out, hst_error *err) {
    const hst_allocator *a = options && options->allocator ? options->allocator : &e->allocator;
    session *s = memory_alloc(a, sizeof *s, 16);
    if (!s) return error_no_memory(err, sizeof *s, "a session");
    memset(s, 0, sizeof *s);
    s->engine = e;
    s->allocator = *a;
    s->team = team_default();
    s->threads = options ? options->threads : 0;
    s->budget = options ? options->budget : 0;
    s->computes_padding = !options || !options->zero_padding;
    if (!s->budget) s->budget = budget_available() / 100 * BUDGET_PERCENT;
    space_init(&s->space, a);
    hst_status status = HST_STATUS_NO_MEMORY;
    if (!(s->outputs = outputs_new(a)) || !(s->arena = arena_new(a)) || !(s->meter = meter_new(a)))
        error_no_memory(err, 0, "a session");
    else
        status = allocate(s, err);
    if (status != HST_STATUS_OK) {
        session_free(s);
        return status;
    }
    meter_on_limit(s->meter, session_relieve, s);
    session_settle(s);
    *out = s;
    return HST_STATUS_OK;
}

void session_free(session *s) {
    if (!s) return;
    hst_allocator a = s->allocator;
    states_free(s);
    signatures_free(s);
    blocks_free(s);
    memory_free(&a, s->trace, (size_t)s->trace_capacity * sizeof *s->trace);
    space_release(&s->space);
    outputs_close(s->outputs);
    meter_close(s->meter);
    arena_free(s->arena);
    memory_free(&a, s, sizeof *s);
}

bool session_acquire(session *s, hst_error *err) {
    int idle = 0;
    if (__atomic_compare_exchange_n(&s->busy, &idle, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) return true;
    error_set(err, HST_STATUS_BUSY, NULL, "the session is in use by another thread: give each thread its own");
    return false;
}

void session_give_back(session *s) {
    __atomic_store_n(&s->busy, 0, __ATOMIC_RELEASE);
}

int session_input_find(const session *s, const char *name) {
    const engine *e = s->engine;
    for (int i = 0; i < e->n_inputs; i++)
        if (strcmp(e->slots[e->inputs[i]].value->name, name) == 0) return i;
    return -1;
}

int session_output_find(const session *s, const char *name) {
    const graph *g = s->engine->model->main;
    for (int i = 0; i < g->n_outputs; i++)
        if (strcmp(g->outputs[i]->name, name) == 0) return i;
    return -1;
}

/* ---- names to places ---- */

static hst_status take_inputs(session *s, size_t n, const char *const *names, const hst_tensor *const *in,
                              hst_error *err) {
    const engine *e = s->engine;
    if (!names && n > (size_t)e->n_inputs)
        return error_set(err, HST_STATUS_INVALID_ARGUMENT, NULL, "%zu inputs were given, the model has %d", n,
                         e->n_inputs);
    for (size_t k = 0; k < n; k++) {
        int i = names ? (names[k] ? session_input_find(s, names[k]) : -1) : (int)k;
        const char *name = i >= 0 ? e->slots[e->inputs[i]].value->name : names[k] ? names[k] : "(null)";
        if (i < 0) return error_set(err, HST_STATUS_NOT_FOUND, name, "the model has no input '%s'", name);
        if (s->feeds[i]) return error_set(err, HST_STATUS_INVALID_ARGUMENT, name, "input '%s' was given twice", name);
        if (!in[k] && names) return error_set(err, HST_STATUS_INVALID_ARGUMENT, name, "input '%s' is NULL", name);
        s->feeds[i] = in[k];
    }
    return HST_STATUS_OK;
}

static hst_status take_outputs(session *s, size_t n, const char *const *names, hst_tensor **out, hst_error *err) {
    const engine *e = s->engine;
    if (!names && n > (size_t)e->n_outputs)
        return error_set(err, HST_STATUS_INVALID_ARGUMENT, NULL, "%zu outputs were asked for, the model has %d", n,
                         e->n_outputs);
    for (size_t k = 0; k < n; k++) {
        int i = names ? (names[k] ? session_output_find(s, names[k]) : -1) : (int)k;
        const char *name = names ? (names[k] ? names[k] : "(null)") : "";
        if (i < 0) return error_set(err, HST_STATUS_NOT_FOUND, name, "the model has no output '%s'", name);
        if (s->asked[i])
            return error_set(err, HST_STATUS_INVALID_ARGUMENT, name, "output '%s' was asked for twice", name);
        if (out[k] && (out[k]->dtype == HST_DTYPE_STRING || tensor_is_list(out[k])))
            return error_set(err, HST_STATUS_INVALID_ARGUMENT, name, "output '%s': a %s cannot be bound", name,
                             dtype_name(out[k]->dtype));
        s->asked[i] = s->wanted[i] = true;
        s->bound[i] = out[k];
    }
    return HST_STATUS_OK;
}

static void give_outputs(session *s, size_t n, const char *const *names, hst_tensor **out) {
    for (size_t k = 0; k < n; k++) {
        int i = names ? session_output_find(s, names[k]) : (int)k;
        if (out[k]) continue;
        out[k] = s->results[i];
        s->results[i] = NULL;
    }
}

/* ---- the run ---- */

static const hst_run_options no_options = {.size = sizeof no_options};

static void prepare(session *s, const hst_run_options *o) {
    const engine *e = s->engine;
    s->options = o ? o : &no_options;
    (void)meter_refused(s->meter); /* of the run before */
    session_settle(s);
    s->metered_most = 0;
    if (s->options->memory_budget && s->options->memory_budget < s->run_budget) {
        s->run_budget = s->options->memory_budget;
        session_count(s, 0, 0);
    }
    s->step = s->ordinal = 0;
    for (int i = 0; i < e->n_slots; i++) s->at[i] = e->slots[i].constant;
    memset(s->kept, 0, (size_t)e->n_slots);
    memset(s->feeds, 0, (size_t)e->n_inputs * sizeof *s->feeds);
    memset(s->bound, 0, (size_t)e->n_outputs * sizeof *s->bound);
    memset(s->results, 0, (size_t)e->n_outputs * sizeof *s->results);
    memset(s->wanted, 0, (size_t)e->n_outputs);
    memset(s->asked, 0, (size_t)e->n_outputs);
}

/* Elements of a string output may still point into inputs: they get a buffer of their own. Items of a list have one, but
 * for an alias of what the caller gave. */
static hst_status own_elements(session *s, live *l, hst_error *err) {
    hst_tensor *copy = NULL;
    if (l->own) return HST_STATUS_OK;
    if (l->tensor.buffer) { /* the operator made it */
        l->own = l->tensor.buffer;
        return HST_STATUS_OK;
    }
    HST_TRY(tensor_clone(&l->tensor, meter_allocator(s->meter), &copy, err));
    live_drop(s, l);
    l->own = tensor_buffer_retain(copy->buffer);
    l->tensor.buffer = copy->buffer;
    l->tensor.data = copy->data;
    tensor_free(copy);
    return HST_STATUS_OK;
}

/* What a step that failed, or an output that nobody asked for, has made of its own goes with its live. */
static void adopt_outputs(session *s, const step *st, bool all) {
    for (int i = 0; i < st->n_out; i++) {
        live *l = st->out[i] >= 0 ? &s->lives[st->out[i]] : &s->spare[i];
        if (!s->out[i] || (st->out[i] >= 0 && !all) || l->own || !l->tensor.buffer) continue;
        if (l->tensor.dtype == HST_DTYPE_STRING || tensor_is_list(&l->tensor)) l->own = l->tensor.buffer;
    }
}

/* Memory that an operator was not given: what the allocator lacks, or what the budget forbids. */
static hst_status because_of_budget(const session *s, const step *st, hst_error *err) {
    if (!s->over_budget && !meter_refused(s->meter)) return HST_STATUS_NO_MEMORY;
    return node_error(st->node, err, HST_STATUS_BUDGET,
                      "needs more memory than it may have: %llu bytes are in use, the memory budget is %llu",
                      (unsigned long long)session_held(s), (unsigned long long)s->run_budget);
}

static hst_status run_step(session *s, const step *st, hst_error *err) {
    for (int i = 0; i < st->n_in; i++) {
        s->in[i] = st->in[i] >= 0 ? s->at[st->in[i]] : NULL;
        if (st->in[i] >= 0 && !s->in[i])
            return node_error(st->node, err, HST_STATUS_INVALID_ARGUMENT, "input '%s' has no value",
                              s->engine->slots[st->in[i]].value->name);
    }
    HST_TRY(eval_check_lists(st->node, s->in, err));
    memset(s->out, 0, (size_t)st->n_out * sizeof *s->out);
    eval_context c = {
        st->node,   s->in,    st->n_in, s->out, st->n_out, s->team, &session_runtime, s, meter_allocator(s->meter),
        s->padding, .macs = 0};
    uint64_t begin = s->options->profile ? clock_ns() : 0;
    hst_status status = st->run ? st->run(st->state, &c, err) : st->node->op->eval(&c, err);
    if (status == HST_STATUS_NO_MEMORY) status = because_of_budget(s, st, err);
    for (int i = 0; i < st->n_out && status == HST_STATUS_OK; i++) {
        if (st->out[i] < 0) continue;
        live *l = &s->lives[st->out[i]];
        if (!s->out[i]) return node_error(st->node, err, HST_STATUS_INTERNAL, "left output %d unset", i);
        s->at[st->out[i]] = &l->tensor;
        if (l->tensor.dtype == HST_DTYPE_STRING || tensor_is_list(&l->tensor)) status = own_elements(s, l, err);
        if (status == HST_STATUS_NO_MEMORY) status = because_of_budget(s, st, err);
    }
    adopt_outputs(s, st, status != HST_STATUS_OK);
    if (status == HST_STATUS_OK && s->options->profile) session_profile(s, st, &c, begin);
    return status;
}

static hst_status run_steps(session *s, const signature *g, hst_error *err) {
    const engine *e = s->engine;
    const hst_run_options *o = s->options;
    for (int i = 0; i < e->n_steps; i++) {
        const step *st = &e->steps[i];
        s->step = i + 1;
        s->ordinal = 0;
        if (!g->needed || g->needed[i]) {
            HST_TRY(session_check(s, err));
            HST_TRY(run_step(s, st, err));
        }
        scratch_drop(s);
        for (int k = 0; k < st->n_out; k++)
            if (st->out[k] < 0) live_drop(s, &s->spare[k]);
        for (int k = 0; k < st->n_dies; k++)
            if (!s->kept[st->dies[k]]) slot_drop(s, st->dies[k]);
        signature_step_end(s);
        if (o->progress) o->progress(o->progress_user, (size_t)i + 1, (size_t)e->n_steps);
    }
    return session_check(s, err);
}

static void clean_up(session *s) {
    const engine *e = s->engine;
    scratch_drop(s);
    for (int i = 0; i <= e->most_out; i++) live_drop(s, &s->spare[i]);
    for (int i = 0; i < e->n_slots; i++) slot_drop(s, i);
}

static hst_status run(session *s, hst_error *err) {
    const engine *e = s->engine;
    engine_warm(e);
    states_feed(s);
    HST_TRY(feed_check(s, err));
    for (int i = 0; i < e->n_outputs; i++)
        if (s->wanted[i]) s->kept[e->outputs[i]] = true;
    signature *g = signature_find(s);
    if (!g) HST_TRY(signature_new(s, &g, err));
    s->padding = s->computes_padding && g->padding;
    signature_begin(s, g);
    hst_status status = space_begin(&s->space, s->plan ? s->plan->total : 0, err);
    if (status == HST_STATUS_OK) status = feed_inputs(s, err);
    signature_step_end(s);
    if (status == HST_STATUS_OK) status = run_steps(s, g, err);
    s->step = e->n_steps + 1;
    s->ordinal = 0;
    if (status == HST_STATUS_OK) status = collect_outputs(s, err);
    if (status == HST_STATUS_OK) status = states_collect(s, err);
    clean_up(s);
    const size_t planned = s->space.planned;
    space_end(&s->space);
    session_count(s, 0, planned);
    if (status == HST_STATUS_OK) signature_end(s, g);
    s->plan = NULL;
    return status;
}

hst_status session_run(session *s, size_t n_in, const char *const *in_names, const hst_tensor *const *in, size_t n_out,
                       const char *const *out_names, hst_tensor **out, const hst_run_options *options, hst_error *err) {
    if (!session_acquire(s, err)) return HST_STATUS_BUSY;
    team_scope earlier = team_begin(s->threads);
    prepare(s, options);
    hst_status status = take_inputs(s, n_in, in_names, in, err);
    if (status == HST_STATUS_OK) status = take_outputs(s, n_out, out_names, out, err);
    if (status == HST_STATUS_OK) status = run(s, err);
    if (status == HST_STATUS_OK) {
        give_outputs(s, n_out, out_names, out);
        states_commit(s);
    }
    for (int i = 0; i < s->engine->n_outputs; i++) {
        tensor_free(s->results[i]);
        s->results[i] = NULL;
    }
    outputs_age(s->outputs);
    if (status == HST_STATUS_BUDGET) session_trim_all(s); /* the next one finds all of it */
    session_settle(s);
    team_end(earlier);
    session_give_back(s);
    return status;
}

uint64_t session_memory(const session *s, uint64_t *most) {
    const uint64_t now = session_held(s);
    if (most) *most = s->most_memory > now ? s->most_memory : now;
    return now;
}

hst_status session_trim(session *s, hst_error *err) {
    if (!session_acquire(s, err)) return HST_STATUS_BUSY;
    session_trim_all(s);
    session_settle(s);
    session_give_back(s);
    return HST_STATUS_OK;
}
