/* A loaded model run as its users would: a session with made-up options, several runs of changing shapes, some of them
 * cancelled, late or short of memory, a state, bound outputs and ones that outlive the session. Held to: a status and a
 * message, memory within the budget, what the model says of its outputs, and the same bits for the same inputs. */
#ifndef FUZZ_SESSIONS_H
#define FUZZ_SESSIONS_H

#include "fuzz/values.h"

#define BUDGET      ((uint64_t)16 << 20)
#define RUN_SLACK   ((size_t)4 << 20) /* what a session may hold beside its budget: its own bookkeeping */
#define DEADLINE_NS UINT64_C(100000000)
#define LIST_MOST   16
#define RUNS        6

enum { TRY_TYPES = 1, TRY_REPEATS = 2 }; /* what holds for the model: its types are inferred; it draws no numbers */

typedef struct known { /* an output that came of some inputs; rank -1: none yet */
    hst_dtype dtype;
    int rank;
    int64_t dims[HST_RANK_MAX];
} known;

typedef struct trial {
    hst_model *model;
    hst_session *session;
    unsigned holds;
    uint64_t random, budget;
    int state;             /* the input that is one; -1: none */
    int lengths;           /* see free_length */
    uint64_t seen[SHAPES]; /* hash of the outputs; 0: not yet */
    known like[SHAPES][LIST_MOST];
    hst_tensor *kept[RUNS][LIST_MOST];
    uint64_t kept_hash[RUNS];
    bool keeps;
    int cancel, cancel_after; /* steps; -1: never */
} trial;

/* ---- inputs ---- */

typedef struct inputs {
    size_t n;
    const char *names[LIST_MOST];
    hst_tensor *tensors[LIST_MOST];
} inputs;

/* Those that a run needs, but for `state` (-1: none). false: not to be had. free_inputs in any case. */
static inline bool make_inputs(inputs *in, const hst_model *model, int state, uint64_t random, int shape) {
    const size_t n = hst_model_input_count(model);
    bool ok = true;
    *in = (inputs){0};
    for (size_t i = 0; i < n && ok; i++) {
        const hst_value_info *v = hst_model_input(model, i);
        if (v->optional || (int)i == state) continue;
        in->names[in->n] = v->name;
        ok = (in->tensors[in->n++] = make_input(v, &random, shape)) != NULL;
    }
    return ok;
}

static inline void free_inputs(inputs *in) {
    for (size_t i = 0; i < in->n; i++) hst_tensor_free(in->tensors[i]);
}

/* ---- runs ---- */

static inline void on_step(void *user, size_t done, size_t total) {
    trial *t = user;
    (void)total;
    if ((int)done == t->cancel_after) hst_cancel(&t->cancel);
}

static inline hst_run_options run_options(trial *t) {
    hst_run_options o = HST_INIT(hst_run_options);
    t->cancel = 0;
    t->cancel_after = dice_below(&t->random, 8) ? -1 : dice_below(&t->random, 4);
    o.cancel = &t->cancel;
    o.progress = on_step;
    o.progress_user = t;
    o.deadline_ns = hst_clock_ns() + (dice_below(&t->random, 12) ? DEADLINE_NS : dice_roll(&t->random) % 200000);
    if (dice_below(&t->random, 8) == 0) o.memory_budget = dice_roll(&t->random) % 65536 + 1;
    return o;
}

/* What a run gave: of its model's types, and as before for the same inputs; then kept or freed. */
static inline void take_outputs(trial *t, int run, int shape, hst_tensor **out, size_t n) {
    const uint64_t hash = hash_outputs(out, n);
    for (size_t i = 0; i < n && t->holds & TRY_TYPES; i++) verify(t->model, i, out[i]);
    if (t->holds & TRY_REPEATS && t->state < 0) {
        if (t->seen[shape] && t->seen[shape] != hash) die("other outputs for the same inputs", NULL);
        t->seen[shape] = hash;
    }
    t->kept_hash[run] = hash;
    for (size_t i = 0; i < n; i++) {
        t->kept[run][i] = t->keeps ? out[i] : NULL;
        if (!t->keeps) hst_tensor_free(out[i]);
    }
}

static inline void note_like(known *k, const hst_tensor *t) {
    const hst_dtype dtype = hst_tensor_dtype(t);
    if (dtype == HST_DTYPE_STRING || dtype >= HST_DTYPE_SEQUENCE) return;
    *k = (known){.dtype = dtype, .rank = hst_tensor_rank(t)};
    memcpy(k->dims, hst_tensor_dims(t), (size_t)k->rank * sizeof *k->dims);
}

/* Memory for some of the outputs; false: of a wrong shape. */
static inline bool bind(trial *t, int shape, size_t n, hst_tensor **out) {
    bool right = true;
    for (size_t i = 0; i < n; i++) {
        known k = t->like[shape][i];
        if (k.rank < 0 || dice_below(&t->random, 4)) continue;
        const bool wrong = k.rank > 0 && dice_below(&t->random, 6) == 0;
        if (wrong) k.dims[dice_below(&t->random, k.rank)] ^= 1;
        if (hst_tensor_new(k.dtype, k.rank, k.dims, NULL, &out[i], NULL) == HST_STATUS_OK) right = right && !wrong;
    }
    return right;
}

static inline void check_memory(const trial *t, const hst_error *err) {
    uint64_t most;
    const uint64_t held = hst_session_memory(t->session, &most);
    if (held <= t->budget && most <= t->budget) return;
    fprintf(stderr, "%llu bytes are held, %llu at most, of %llu\n", (unsigned long long)held, (unsigned long long)most,
            (unsigned long long)t->budget);
    die("beyond the budget", err);
}

/* All outputs, some of them bound; or one alone. */
static inline void run_with(trial *t, int run, int shape, size_t n, const char *const *names, hst_tensor *const *in) {
    const size_t outputs = hst_model_output_count(t->model);
    const bool one = outputs && dice_below(&t->random, 6) == 0;
    const size_t only = one ? (size_t)dice_below(&t->random, (int)outputs) : 0, wanted = one ? 1 : outputs;
    const char *const name = one ? hst_model_output(t->model, only)->name : NULL;
    hst_tensor *bound[LIST_MOST] = {0}, *out[LIST_MOST];
    hst_error err = {0};
    const bool right = one || bind(t, shape, outputs, bound);
    const hst_run_options o = run_options(t);
    memcpy(out, bound, sizeof out);
    const hst_status s =
        hst_session_run(t->session, n, names, (const hst_tensor *const *)in, wanted, one ? &name : NULL, out, &o, &err);
    check_status("run", s, &err);
    check_memory(t, &err);
    if (s == HST_STATUS_OK && !right && t->holds & TRY_REPEATS && t->state < 0)
        die("an output bound to memory of another shape", NULL);
    for (size_t i = 0; i < wanted; i++)
        if (s == HST_STATUS_OK ? !out[i] || (bound[i] && out[i] != bound[i]) : out[i] != bound[i])
            die("outputs of a run", &err);
    if (s == HST_STATUS_OK && !one) {
        for (size_t i = 0; i < outputs; i++) note_like(&t->like[shape][i], out[i]);
        take_outputs(t, run, shape, out, outputs);
        return;
    }
    if (s == HST_STATUS_OK && t->holds & TRY_TYPES) verify(t->model, only, out[0]);
    for (size_t i = 0; i < wanted; i++) hst_tensor_free(out[i]);
}

/* The same inputs for the same `shape`. */
static inline void run_once(trial *t, int run, int shape, uint64_t seed) {
    inputs in;
    if (make_inputs(&in, t->model, t->state, seed + (uint64_t)shape, shape + t->lengths * SHAPES))
        run_with(t, run, shape, in.n, in.names, in.tensors);
    free_inputs(&in);
}

/* ---- state ---- */

static inline void change_state(trial *t) {
    const hst_value_info *v = hst_model_input(t->model, (size_t)t->state);
    const int64_t index[] = {dice_below(&t->random, 3), dice_below(&t->random, 3), 0};
    const int axis = dice_below(&t->random, 5) - 2;
    hst_error err = {0};
    hst_tensor *now = NULL;
    hst_status s = HST_STATUS_OK;
    switch (dice_below(&t->random, 5)) {
    case 0:
        s = hst_session_state_truncate(t->session, v->name, axis, dice_below(&t->random, 3), &err);
        break;
    case 1:
        s = hst_session_state_reorder(t->session, v->name, axis, index, (size_t)dice_below(&t->random, 4), &err);
        break;
    case 2:
        s = hst_session_state_reset(t->session, NULL, &err);
        break;
    case 3:
        if ((now = make_input(v, &t->random, 1))) s = hst_session_state_set(t->session, v->name, now, &err);
        break;
    default:
        s = hst_session_state_get(t->session, v->name, &now, &err);
    }
    check_status("state", s, &err);
    hst_tensor_free(now);
}

static inline void declare_state(trial *t) {
    const size_t inputs = hst_model_input_count(t->model), outputs = hst_model_output_count(t->model);
    if (!inputs || !outputs || dice_below(&t->random, 3)) return;
    const int i = dice_below(&t->random, (int)inputs);
    const hst_value_info *in = hst_model_input(t->model, (size_t)i);
    const hst_value_info *out = hst_model_output(t->model, (size_t)dice_below(&t->random, (int)outputs));
    hst_error err = {0};
    hst_status s = hst_session_state_declare(t->session, in->name, out->name, NULL, &err);
    check_status("declare", s, &err);
    if (s == HST_STATUS_OK) t->state = i;
}

/* ---- a session ---- */

static inline void drop_kept(trial *t) {
    const size_t n = hst_model_output_count(t->model);
    for (int run = 0; run < RUNS; run++) {
        if (!t->kept[run][0]) continue;
        if (hash_outputs(t->kept[run], n) != t->kept_hash[run]) die("an output that was kept has changed", NULL);
        for (size_t i = 0; i < n; i++) hst_tensor_free(t->kept[run][i]);
    }
}

/* The outputs of inputs 0, hashed; 0: it did not come to them. The same `seed`, the same inputs. */
static inline uint64_t try_session(hst_model *model, uint64_t seed, unsigned holds) {
    static const int shapes[RUNS] = {0, 0, 1, 0, 2, 1};
    static const int lengths[] = {0, 0, 0, 1, 2, 3};
    trial t = {.model = model, .holds = holds, .random = seed, .state = -1};
    if (hst_model_input_count(model) > LIST_MOST || hst_model_output_count(model) > LIST_MOST) return 0;
    for (int shape = 0; shape < SHAPES; shape++)
        for (int i = 0; i < LIST_MOST; i++) t.like[shape][i].rank = -1;
    t.lengths = lengths[dice_below(&t.random, 6)];
    t.keeps = dice_below(&t.random, 2);
    t.budget = dice_below(&t.random, 4) ? BUDGET : UINT64_C(256) << dice_below(&t.random, 12);
    limited memory = {.most = (size_t)t.budget * (t.keeps ? RUNS + 1 : 1) + RUN_SLACK, .whose = "a session"};
    const hst_allocator allocator = limited_allocator(&memory);
    hst_session_options so = HST_INIT(hst_session_options);
    hst_error err = {0};
    so.allocator = &allocator;
    so.memory_budget = t.budget;
    so.threads = dice_below(&t.random, 4) ? 1 : 2;
    so.padded_rows = dice_below(&t.random, 2) ? HST_PADDED_ROWS_ZERO : HST_PADDED_ROWS_COMPUTE;
    const hst_status status = hst_session_new(model, &so, &t.session, &err);
    check_status("session", status, &err);
    if (status != HST_STATUS_OK) return 0;
    declare_state(&t);
    for (int run = 0; run < RUNS; run++) {
        run_once(&t, run, shapes[run], seed);
        if (t.state >= 0) change_state(&t);
        if (dice_below(&t.random, 8) == 0) check_status("trim", hst_session_trim(t.session, &err), &err);
    }
    hst_session_free(t.session);
    drop_kept(&t);
    if (memory.live) die("memory of a session is left", NULL);
    return t.seen[0];
}

#endif
