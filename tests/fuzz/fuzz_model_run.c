/* A valid ONNX model with changed fields, as whoever loads a file would use it: loaded (folded, rewritten, bound),
 * described, run (sessions.h), and compiled and run again. Held to: a status and a message, memory, the time, and that
 * an engine answers like its model. The mutator (onnx_mutate.h) changes fields, not bytes; where the corpus has nothing
 * it starts from the cases of the operators. */
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "fuzz/levels.h"
#include "fuzz/onnx_mutate.h"
#include "fuzz/sessions.h"
#include "onnx/onnx.h"
#include "ops/case.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);
size_t LLVMFuzzerCustomCrossOver(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size, uint8_t *out,
                                 size_t max_size, unsigned seed);

#define MODEL_MOST ((size_t)512 << 20) /* bytes that a model of a few KiB may have allocated at a time */
#define CPU_MOST   8.0                 /* seconds of the process, with sanitizers */

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

/* The model as an engine file, opened again: what it gives must have the bits of the model's. */
static void try_compiled(const hst_model *model, uint64_t seed, unsigned holds, uint64_t expected) {
    char path[64];
    limited memory = {.most = MODEL_MOST, .whose = "an engine"};
    const hst_allocator allocator = limited_allocator(&memory);
    hst_model_options o = HST_INIT(hst_model_options);
    hst_model *engine = NULL;
    hst_error err = {0};
    snprintf(path, sizeof path, "%s/hasten_fuzz_%ld.hst", access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm",
             (long)getpid());
    hst_status status = hst_model_compile(model, path, NULL, &err);
    check_status("compile", status, &err);
    if (status != HST_STATUS_OK) return;
    o.allocator = &allocator;
    status = hst_model_load(path, &o, &engine, &err);
    unlink(path);
    if (status != HST_STATUS_OK) die("an engine that was just compiled", &err);
    const uint64_t got = try_session(engine, seed, holds);
    if (got && expected && got != expected) die("an engine gives other outputs than its model", NULL);
    hst_model_free(engine);
    if (memory.live) die("memory of an engine is left", NULL);
}

static void try_model(const uint8_t *data, size_t size, uint64_t hash, bool inferred) {
    limited memory = {.most = MODEL_MOST, .whose = "a model"};
    const hst_allocator allocator = limited_allocator(&memory);
    hst_model_options o = HST_INIT(hst_model_options);
    hst_model *model = NULL;
    hst_error err = {0};
    char *text = NULL;
    uint64_t random = hash;
    o.allocator = &allocator;
    o.optimization = dice_below(&random, 4) ? 3 : 1 + dice_below(&random, 2);
    const int form = o.optimization == 3 ? dice_below(&random, 6) : 5;
    if (form == 0) o.quantization = HST_QUANTIZATION_INT8;
    if (form == 1 || form == 2) o.weights = form == 1 ? HST_DTYPE_BF16 : HST_DTYPE_F16;
    const bool compiles = dice_below(&random, 8) == 0;
    hst_status status = hst_model_load_memory(data, size, &o, &model, &err);
    check_status("load", status, &err);
    if (status != HST_STATUS_OK) return;
    if (hst_model_describe_json(model, &text, NULL) == HST_STATUS_OK) hst_text_free(text);
    const unsigned holds = (inferred ? TRY_TYPES : 0) | (draws_numbers(data, size) ? 0 : TRY_REPEATS);
    const uint64_t got = try_session(model, hash, holds);
    if (compiles) try_compiled(model, hash, holds, got);
    hst_model_free(model);
    if (memory.live) die("memory of a model is left", NULL);
}

static double cpu_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const uint64_t hash = hash_bytes(size, data, size);
    double begin = cpu_seconds();
    tree_begin();
    tree *t = hash % 2 ? tree_read(data, size, TREE_MODEL, 0) : NULL;
    if (t) forget_types(t);
    size_t bare_size = t ? tree_size(t) : 0;
    uint8_t *bare = t ? malloc(bare_size + 1) : NULL;
    if (bare) tree_write(t, bare);
    try_model(bare ? bare : data, bare ? bare_size : size, hash / 2, bare != NULL);
    if (hash / 2 % 4 == 0 && !draws_numbers(data, size)) try_levels(data, size, hash / 8);
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
