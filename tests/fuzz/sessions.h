/* A loaded model run as its users would: a session with made-up options, several runs of changing shapes, some of them
 * cancelled, late or short of memory, a state, outputs that outlive the session. Held to: a status and a message,
 * memory within the budget, what the model says of its outputs, and the same bits for the same inputs. */
#ifndef FUZZ_SESSIONS_H
#define FUZZ_SESSIONS_H

#include "fuzz/dice.h"
#include "fuzz/limited.h"

#define BUDGET      ((uint64_t)16 << 20)
#define RUN_SLACK   ((size_t)4 << 20) /* what a session may hold beside its budget: its own bookkeeping */
#define DEADLINE_NS UINT64_C(200000000)
#define LIST_MOST   16
#define RUNS        6

enum { TRY_TYPES = 1, TRY_REPEATS = 2 }; /* what holds for the model: its types are inferred; it draws no numbers */

typedef struct trial {
    hst_model *model;
    hst_session *session;
    unsigned holds;
    uint64_t random, budget;
    int state;           /* the input that is one; -1: none */
    uint64_t seen[RUNS]; /* hash of the outputs, by number of the inputs; 0: not yet */
    hst_tensor *kept[RUNS][LIST_MOST];
    uint64_t kept_hash[RUNS];
    bool keeps;
    int cancel, cancel_after; /* steps; -1: never */
} trial;

static inline uint64_t mix(uint64_t h, uint64_t x) {
    h ^= x;
    h *= 0xff51afd7ed558ccdu;
    return h ^ (h >> 32);
}

static inline uint64_t hash_bytes(uint64_t h, const void *data, size_t size) {
    for (size_t i = 0; i < size; i++) h = mix(h, ((const unsigned char *)data)[i]);
    return h;
}

/* ---- inputs ---- */

static inline hst_tensor *make_strings(int rank, const int64_t *dims, int64_t count, uint64_t *random) {
    static const hst_string texts[] = {{"a", 1}, {"cat", 3}, {"", 0}, {"x y", 3}, {"12", 2}};
    hst_tensor *t = NULL;
    hst_string *strings = calloc((size_t)count + 1, sizeof *strings);
    for (int64_t i = 0; strings && i < count; i++) strings[i] = texts[dice_below(random, 5)];
    if (!strings || hst_tensor_new_strings(rank, dims, strings, NULL, &t, NULL) != HST_STATUS_OK) t = NULL;
    free(strings);
    return t;
}

static inline hst_tensor *make_tensor(const hst_value_info *v, hst_dtype dtype, uint64_t *random, int shape) {
    hst_tensor *t = NULL;
    int64_t dims[HST_RANK_MAX], count = 1;
    int rank = v->rank < 0 ? dice_below(random, 3) : v->rank;
    for (int k = 0; k < rank; k++) {
        const char *name = v->rank < 0 ? "" : v->dim_names[k];
        const int64_t free_length = 1 + (int64_t)((hash_bytes(1, name, strlen(name)) + (uint64_t)shape) % 4);
        dims[k] = v->rank < 0 ? 1 + dice_below(random, 3) : v->dims[k] >= 0 ? v->dims[k] : free_length;
        if (__builtin_mul_overflow(count, dims[k], &count) || count > 20000) return NULL;
    }
    if (dtype == HST_DTYPE_NONE) dtype = HST_DTYPE_F32;
    if (dtype == HST_DTYPE_STRING) return make_strings(rank, dims, count, random);
    if (hst_tensor_new(dtype, rank, dims, NULL, &t, NULL) != HST_STATUS_OK) return NULL;
    unsigned char *data = hst_tensor_data(t);
    size_t size = element_bytes(dtype), bytes = hst_tensor_bytes(t);
    const int wild = dice_below(random, 3) ? 0 : 4;
    for (size_t i = 0; i + size <= bytes; i += size) dice_element(random, dtype, wild, data + i);
    return t;
}

static inline hst_tensor *make_input(const hst_value_info *v, uint64_t *random, int shape) {
    hst_tensor *t = NULL, *items[3] = {0};
    if (v->may_be_empty && dice_below(random, 3) == 0) {
        (void)hst_tensor_new_empty_optional(NULL, &t, NULL);
        return t;
    }
    if (v->dtype != HST_DTYPE_SEQUENCE) return make_tensor(v, v->dtype, random, shape);
    size_t n = (size_t)dice_below(random, 4);
    bool ok = true;
    for (size_t i = 0; i < n; i++) ok = (items[i] = make_tensor(v, v->element, random, shape)) && ok;
    if (ok) (void)hst_tensor_new_sequence(n, (const hst_tensor *const *)items, NULL, &t, NULL);
    for (size_t i = 0; i < n; i++) hst_tensor_free(items[i]);
    return t;
}

/* ---- outputs ---- */

static inline void verify(const hst_model *model, size_t i, const hst_tensor *t) {
    const hst_value_info *v = hst_model_output(model, i);
    hst_dtype dtype = hst_tensor_dtype(t);
    if (v->dtype != HST_DTYPE_NONE && v->dtype != dtype && !(v->may_be_empty && dtype == HST_DTYPE_OPTIONAL))
        die("an output of another type than the model says", NULL);
    if (dtype == HST_DTYPE_SEQUENCE || dtype == HST_DTYPE_OPTIONAL || v->rank < 0) return;
    if (v->rank != hst_tensor_rank(t)) die("an output of another rank than the model says", NULL);
    for (int k = 0; k < v->rank; k++)
        if (v->dims[k] >= 0 && v->dims[k] != hst_tensor_dims(t)[k])
            die("an output of another shape than the model says", NULL);
}

/* Of everything in it, one NaN being as good as another. */
static inline uint64_t hash_tensor(uint64_t h, const hst_tensor *t) {
    const hst_dtype dtype = hst_tensor_dtype(t);
    h = mix(mix(h, (uint64_t)dtype), (uint64_t)hst_tensor_rank(t));
    h = hash_bytes(h, hst_tensor_dims(t), (size_t)hst_tensor_rank(t) * sizeof(int64_t));
    const void *data = hst_tensor_view(t);
    const int64_t n = hst_tensor_count(t);
    if (dtype == HST_DTYPE_OPTIONAL) return h;
    if (dtype == HST_DTYPE_SEQUENCE || dtype == HST_DTYPE_MAP) {
        for (int64_t i = 0; i < n; i++) h = hash_tensor(h, hst_tensor_item(t, (size_t)i));
    } else if (dtype == HST_DTYPE_STRING) {
        const hst_string *s = data;
        for (int64_t i = 0; i < n; i++) h = hash_bytes(mix(h, s[i].size), s[i].data, s[i].size);
    } else if (dtype == HST_DTYPE_F32 || dtype == HST_DTYPE_F64 || dtype == HST_DTYPE_F16 || dtype == HST_DTYPE_BF16) {
        hst_tensor *wide = NULL;
        if (hst_tensor_convert(t, HST_DTYPE_F64, &wide, NULL) != HST_STATUS_OK) die("widening an output", NULL);
        const double *x = hst_tensor_view(wide);
        for (int64_t i = 0; i < n; i++) h = x[i] != x[i] ? mix(h, 1) : hash_bytes(h, &x[i], sizeof *x);
        hst_tensor_free(wide);
    } else if (dtype != HST_DTYPE_C64 && dtype != HST_DTYPE_C128) { /* NaN in those, too */
        h = hash_bytes(h, data, hst_tensor_bytes(t));
    }
    return h;
}

static inline uint64_t hash_outputs(hst_tensor *const *out, size_t n) {
    uint64_t h = n;
    for (size_t i = 0; i < n; i++) h = hash_tensor(h, out[i]);
    return h | 1;
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

/* The same inputs for the same `shape`. */
static inline void run_once(trial *t, int run, int shape, uint64_t seed) {
    hst_tensor *in[LIST_MOST] = {0}, *out[LIST_MOST] = {0};
    const char *names[LIST_MOST];
    hst_error err = {0};
    size_t n = 0, inputs = hst_model_input_count(t->model), outputs = hst_model_output_count(t->model);
    uint64_t random = seed + (uint64_t)shape, most;
    bool ok = true;
    for (size_t i = 0; i < inputs && ok; i++) {
        const hst_value_info *v = hst_model_input(t->model, i);
        if (v->optional || (int)i == t->state) continue;
        names[n] = v->name;
        ok = (in[n++] = make_input(v, &random, shape)) != NULL;
    }
    if (ok) {
        const hst_run_options o = run_options(t);
        hst_status s =
            hst_session_run(t->session, n, names, (const hst_tensor *const *)in, outputs, NULL, out, &o, &err);
        check_status("run", s, &err);
        for (size_t i = 0; i < outputs; i++)
            if ((s == HST_STATUS_OK) != (out[i] != NULL)) die("outputs of a run", &err);
        const uint64_t held = hst_session_memory(t->session, &most);
        if (held > t->budget || most > t->budget) {
            fprintf(stderr, "%llu bytes are held, %llu at most, of %llu\n", (unsigned long long)held,
                    (unsigned long long)most, (unsigned long long)t->budget);
            die("beyond the budget", &err);
        }
        if (s == HST_STATUS_OK) take_outputs(t, run, shape, out, outputs);
    }
    for (size_t i = 0; i < LIST_MOST; i++) hst_tensor_free(in[i]);
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

/* Whether it is no good to compare two runs of what `data` says. */
static inline bool draws_numbers(const uint8_t *data, size_t size) {
    static const char *const words[] = {"Random", "Bernoulli", "Multinomial", "Dropout"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (memmem(data, size, words[i], strlen(words[i]))) return true;
    return false;
}

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
    trial t = {.model = model, .holds = holds, .random = seed, .state = -1};
    if (hst_model_input_count(model) > LIST_MOST || hst_model_output_count(model) > LIST_MOST) return 0;
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
