/* A valid ONNX model with changed fields, as whoever loads a file would use it: loaded (folded, rewritten, bound),
 * described, and run with made inputs, within a budget and a deadline. Held to: a status and a message, memory within
 * the budget, the time, and that what was said of an output is true. The mutator (onnx_mutate.h) changes fields, not
 * bytes; where the corpus has nothing it starts from the cases of the operators. */
#include <stdlib.h>
#include <time.h>

#include "base/checked.h"
#include "base/memory.h"
#include "fuzz/onnx_mutate.h"
#include "hasten.h"
#include "onnx/onnx.h"
#include "ops/case.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);
size_t LLVMFuzzerCustomCrossOver(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size, uint8_t *out,
                                 size_t max_size, unsigned seed);

#define BUDGET      ((uint64_t)16 << 20)
#define MODEL_MOST  ((size_t)512 << 20) /* bytes that a model of a few KiB may have allocated at a time */
#define RUN_SLACK   ((size_t)4 << 20)   /* what a session may hold beside its budget: its own bookkeeping */
#define DEADLINE_NS UINT64_C(200000000)
#define CPU_MOST    4.0 /* seconds of the thread, with sanitizers */
#define LIST_MOST   16

static void die(const char *what, const hst_error *err) {
    fprintf(stderr, "%s: %s\n", what, err ? err->message : "");
    abort();
}

/* ---- an allocator with a limit ---- */

typedef struct limited {
    size_t live, most;
    const char *whose;
} limited;

static void *limited_alloc(void *user, size_t size, size_t align) {
    limited *l = user;
    if (size > l->most || __atomic_add_fetch(&l->live, size, __ATOMIC_RELAXED) > l->most) {
        fprintf(stderr, "%zu bytes for %s, which has %zu\n", size, l->whose, l->live);
        abort();
    }
    /* before the block: where it begins, and its size */
    const size_t head = align < 16 ? 16 : align;
    char *p = memory_alloc(NULL, size + head, head);
    if (!p) return NULL;
    memcpy(p + head - 16, &p, sizeof p);
    memcpy(p + head - 8, &size, sizeof size);
    return p + head;
}

static void limited_free(void *user, void *memory, size_t size) {
    limited *l = user;
    size_t was;
    memcpy(&was, (char *)memory - sizeof was, sizeof was);
    if (was != size) {
        fprintf(stderr, "%zu bytes of %s are given back as %zu\n", was, l->whose, size);
        abort();
    }
    __atomic_sub_fetch(&l->live, size, __ATOMIC_RELAXED);
    void *begin;
    memcpy(&begin, (char *)memory - 16, sizeof begin);
    free(begin);
}

/* ---- inputs ---- */

static uint64_t mix(uint64_t h, uint64_t x) {
    h ^= x;
    h *= 0xff51afd7ed558ccdu;
    return h ^ (h >> 32);
}

static uint64_t hash_text(const char *text) {
    uint64_t h = 1;
    for (; *text; text++) h = mix(h, (unsigned char)*text);
    return h;
}

static hst_tensor *make_tensor(const hst_value_info *v, hst_dtype dtype, mutation *m, int round) {
    static const hst_string texts[] = {{"a", 1}, {"cat", 3}, {"", 0}, {"x y", 3}, {"12", 2}};
    hst_tensor *t = NULL;
    int64_t dims[HST_RANK_MAX], count = 1;
    int rank = v->rank < 0 ? roll_below(m, 3) : v->rank;
    for (int k = 0; k < rank; k++) {
        int64_t free_length = 1 + (int64_t)(hash_text(v->rank < 0 ? "" : v->dim_names[k]) + (uint64_t)round) % 4;
        dims[k] = v->rank < 0 ? 1 + roll_below(m, 3) : v->dims[k] >= 0 ? v->dims[k] : free_length;
        if (__builtin_mul_overflow(count, dims[k], &count) || count > 20000) return NULL;
    }
    if (dtype == HST_DTYPE_NONE) dtype = HST_DTYPE_F32;
    if (hst_tensor_new(dtype, rank, dims, NULL, &t, NULL) != HST_STATUS_OK) return NULL;
    if (dtype == HST_DTYPE_STRING) {
        hst_tensor_free(t);
        hst_string *strings = calloc((size_t)count + 1, sizeof *strings);
        for (int64_t i = 0; strings && i < count; i++) strings[i] = texts[roll_below(m, 5)];
        if (!strings || hst_tensor_new_strings(rank, dims, strings, NULL, &t, NULL) != HST_STATUS_OK) t = NULL;
        free(strings);
        return t;
    }
    unsigned char *data = hst_tensor_data(t);
    size_t size = element_bytes(dtype), bytes = hst_tensor_bytes(t);
    for (size_t i = 0; i + size <= bytes; i += size) roll_element(m, dtype, data + i);
    return t;
}

static hst_tensor *make_input(const hst_value_info *v, mutation *m, int round) {
    hst_tensor *t = NULL, *items[3] = {0};
    if (v->may_be_empty && roll_below(m, 3) == 0) {
        (void)hst_tensor_new_empty_optional(NULL, &t, NULL);
        return t;
    }
    if (v->dtype != HST_DTYPE_SEQUENCE) return make_tensor(v, v->dtype, m, round);
    size_t n = (size_t)roll_below(m, 4);
    bool ok = true;
    for (size_t i = 0; i < n; i++) ok = (items[i] = make_tensor(v, v->element, m, round)) && ok;
    if (ok) (void)hst_tensor_new_sequence(n, (const hst_tensor *const *)items, NULL, &t, NULL);
    for (size_t i = 0; i < n; i++) hst_tensor_free(items[i]);
    return t;
}

/* ---- a run ---- */

/* What the file says of its values, which may be wrong, taken out: what is left is what inference says. */
static void forget_types(tree *t) {
    if (t->kind == TREE_GRAPH) tree_drop(t, GRAPH_VALUE_INFO);
    for (int i = 0; i < t->n; i++) {
        tree_field *f = &t->fields[i];
        if (t->kind == TREE_GRAPH && f->number == GRAPH_OUTPUT && f->sub) tree_drop(f->sub, INFO_TYPE);
        if (f->sub) forget_types(f->sub);
    }
}

static void verify(const hst_model *model, size_t i, const hst_tensor *t) {
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

static void check_status(const char *what, hst_status status, const hst_error *err) {
    if (status == HST_STATUS_INTERNAL) die(what, err);
    if (status != HST_STATUS_OK && !err->message[0]) die(what, NULL);
}

static void run_once(hst_model *model, hst_session *s, mutation *m, int round, bool inferred) {
    hst_tensor *in[LIST_MOST] = {0}, *out[LIST_MOST] = {0};
    const char *names[LIST_MOST];
    hst_run_options o = HST_INIT(hst_run_options);
    hst_error err = {0};
    size_t n = 0, inputs = hst_model_input_count(model), outputs = hst_model_output_count(model);
    int flag = 0;
    bool ok = inputs <= LIST_MOST && outputs <= LIST_MOST;
    o.cancel = &flag;
    o.deadline_ns = hst_clock_ns() + DEADLINE_NS;
    for (size_t i = 0; i < inputs && ok; i++) {
        const hst_value_info *v = hst_model_input(model, i);
        if (v->optional) continue;
        names[n] = v->name;
        ok = (in[n++] = make_input(v, m, round)) != NULL;
    }
    if (ok) {
        hst_status status = hst_session_run(s, n, names, (const hst_tensor *const *)in, outputs, NULL, out, &o, &err);
        check_status("run", status, &err);
        for (size_t i = 0; i < outputs; i++) {
            if ((status == HST_STATUS_OK) != (out[i] != NULL)) die("outputs of a run", &err);
            if (out[i] && inferred) verify(model, i, out[i]);
            hst_tensor_free(out[i]);
        }
    }
    for (size_t i = 0; i < LIST_MOST; i++) hst_tensor_free(in[i]);
}

static void try_model(const uint8_t *data, size_t size, uint64_t hash, bool inferred) {
    static mutation random; /* for its numbers alone */
    limited model_memory = {.most = MODEL_MOST, .whose = "a model"};
    limited run_memory = {.most = BUDGET + RUN_SLACK, .whose = "a session"};
    const hst_allocator model_allocator = {&model_memory, limited_alloc, limited_free};
    const hst_allocator run_allocator = {&run_memory, limited_alloc, limited_free};
    hst_model_options o = HST_INIT(hst_model_options);
    hst_session_options so = HST_INIT(hst_session_options);
    hst_model *model = NULL;
    hst_session *s = NULL;
    hst_error err = {0};
    char *text = NULL;
    o.allocator = &model_allocator;
    o.optimization = 1 + (int)(hash % 4) % 3;
    if (o.optimization == 3 && hash / 4 % 8 == 0) o.quantization = HST_QUANTIZATION_INT8;
    if (o.optimization == 3 && hash / 4 % 8 == 1) o.weights = HST_DTYPE_BF16;
    hst_status status = hst_model_load_memory(data, size, &o, &model, &err);
    check_status("load", status, &err);
    if (status != HST_STATUS_OK) return;
    if (hst_model_describe_json(model, &text, NULL) == HST_STATUS_OK) hst_text_free(text);
    so.allocator = &run_allocator;
    so.memory_budget = BUDGET;
    so.threads = 1;
    random.random = hash;
    status = hst_session_new(model, &so, &s, &err);
    check_status("session", status, &err);
    for (int round = 0; round < 3 && status == HST_STATUS_OK; round++) {
        if (round == 1) random.random = hash; /* the same again: along the plan */
        run_once(model, s, &random, round / 2, inferred);
    }
    hst_session_free(s);
    hst_model_free(model);
    if (model_memory.live || run_memory.live) die("memory is left", NULL);
}

static double cpu_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    uint64_t hash = size;
    for (size_t i = 0; i < size; i++) hash = mix(hash, data[i]);
    double begin = cpu_seconds();
    tree_begin();
    tree *t = hash % 2 ? tree_read(data, size, TREE_MODEL, 0) : NULL;
    if (t) forget_types(t);
    size_t bare_size = t ? tree_size(t) : 0;
    uint8_t *bare = t ? malloc(bare_size + 1) : NULL;
    if (bare) tree_write(t, bare);
    try_model(bare ? bare : data, bare ? bare_size : size, hash / 2, bare != NULL);
    free(bare);
    double seconds = cpu_seconds() - begin;
    if (seconds > CPU_MOST) {
        fprintf(stderr, "took %.1f s\n", seconds);
        abort();
    }
    return 0;
}

/* ---- the mutator ---- */

static mutation change;

static size_t finish(tree *t, uint8_t *out, size_t max_size) {
    size_t size = tree_size(t);
    if (size > max_size) return 0;
    tree_write(t, out);
    return size;
}

/* A case of some operator, its inputs as initializers that a run may leave out. */
static tree *from_case(mutation *m) {
    const op *o = op_list[roll_below(m, op_list_count)];
    case_model c;
    void *data = NULL;
    size_t size;
    tree *t = NULL;
    int n = 0;
    while (o->cases && o->cases[n].name) n++;
    if (!n || strcmp(o->domain, "hasten") == 0) return NULL;
    if (case_parse(o, &o->cases[roll_below(m, n)], &c, NULL) != HST_STATUS_OK) return NULL;
    for (int i = 0, k = 0; i < c.n_in; i++) {
        if (!c.in[i]) continue;
        if (!tensor_is_list(c.in[i])) c.model->main->inputs[k]->constant = c.in[i];
        k++;
    }
    if (onnx_write_memory(c.model, NULL, &data, &size, NULL) == HST_STATUS_OK) {
        unsigned char *copy = tree_take(size);
        if (copy) t = tree_read(memcpy(copy, data, size), size, TREE_MODEL, 0);
        free(data);
    }
    for (int i = 0; i < c.model->main->n_inputs; i++) c.model->main->inputs[i]->constant = NULL;
    case_free(&c);
    return t;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed) {
    change.random = seed;
    tree_begin();
    bool fresh = size < 8 || roll_below(&change, 20) == 0;
    change.model = fresh ? from_case(&change) : tree_read(data, size, TREE_MODEL, 0);
    if (!change.model) return size;
    if (roll_below(&change, 12) == 0) {
        tree *other = from_case(&change);
        if (other) mutate_join(&change, other);
    }
    for (int i = 1 + roll_below(&change, 3); i-- > 0;) mutate_once(&change);
    static uint8_t result[1 << 20];
    size_t n = finish(change.model, result, max_size < sizeof result ? max_size : sizeof result);
    if (n) memcpy(data, result, n);
    return n ? n : size;
}

size_t LLVMFuzzerCustomCrossOver(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size, uint8_t *out,
                                 size_t max_size, unsigned seed) {
    change.random = seed;
    tree_begin();
    change.model = tree_read(a, a_size, TREE_MODEL, 0);
    tree *other = tree_read(b, b_size, TREE_MODEL, 0);
    if (change.model && other) mutate_join(&change, other);
    return change.model ? finish(change.model, out, max_size) : 0;
}
