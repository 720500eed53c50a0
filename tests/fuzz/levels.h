/* A model as written beside the same model optimised: what runs as written runs, and gives outputs of the same types
 * and shapes; where only what is exact was done, the same bits, else finite f32 numbers that are near. The reverse does
 * not hold: what an optimisation drops may have been what failed. */
#ifndef FUZZ_LEVELS_H
#define FUZZ_LEVELS_H

#include <math.h>

#include "fuzz/sessions.h"

#define NEAR  1e-2 /* times the greatest: what other sums make of a graph's own cancellation */
#define LARGE 1e6

typedef struct level {
    hst_model *model;
    hst_tensor *out[LIST_MOST];
    hst_status status;
    hst_error err;
} level;

static inline hst_status level_load(level *l, const uint8_t *data, size_t size, int optimization) {
    hst_model_options o = HST_INIT(hst_model_options);
    *l = (level){0};
    o.optimization = optimization;
    return l->status = hst_model_load_memory(data, size, &o, &l->model, &l->err);
}

/* Runs that end for want of time or memory say nothing. */
static inline bool level_says(hst_status s) {
    return s != HST_STATUS_DEADLINE && s != HST_STATUS_BUDGET && s != HST_STATUS_NO_MEMORY;
}

static inline void level_run(level *l, const inputs *in) {
    hst_session_options so = HST_INIT(hst_session_options);
    hst_run_options ro = HST_INIT(hst_run_options);
    hst_session *session = NULL;
    so.memory_budget = BUDGET;
    so.padded_rows = HST_PADDED_ROWS_COMPUTE;
    l->status = hst_session_new(l->model, &so, &session, &l->err);
    ro.deadline_ns = hst_clock_ns() + DEADLINE_NS;
    if (l->status == HST_STATUS_OK)
        l->status = hst_session_run(session, in->n, in->names, (const hst_tensor *const *)in->tensors,
                                    hst_model_output_count(l->model), NULL, l->out, &ro, &l->err);
    hst_session_free(session);
}

static inline void level_same_shape(const hst_tensor *a, const hst_tensor *b) {
    const hst_dtype dtype = hst_tensor_dtype(a);
    bool same = dtype == hst_tensor_dtype(b) && hst_tensor_rank(a) == hst_tensor_rank(b);
    for (int k = 0; same && k < hst_tensor_rank(a); k++) same = hst_tensor_dims(a)[k] == hst_tensor_dims(b)[k];
    if (!same) die("optimised, an output is of another type or shape", NULL);
}

/* Rounding decides what these give. */
static inline bool level_jumps(const uint8_t *data, size_t size) {
    static const char *const words[] = {"Quantize", "Integer", "QLinear", "QAttention", "QGemm", "Floor",   "Ceil",
                                        "Round",    "Sign",    "Arg",     "TopK",       "Less",  "Greater", "Equal",
                                        "Mod",      "Hardmax", "Unique",  "NonMax",     "Tree",  "SVM",     "Bitwise"};
    return mentions(data, size, words, sizeof words / sizeof *words);
}

static inline void level_near(const hst_tensor *a, const hst_tensor *b) {
    if (hst_tensor_dtype(a) != HST_DTYPE_F32) return;
    const float *x = hst_tensor_view(a), *y = hst_tensor_view(b);
    const int64_t n = hst_tensor_count(a);
    double most = 0, apart = 0;
    for (int64_t i = 0; i < n; i++) {
        const double is = fabs((double)x[i]), d = fabs((double)x[i] - (double)y[i]);
        if (!(is < LARGE)) return;
        if (is > most) most = is;
        if (!(d <= apart) && !isnan(apart)) apart = d;
    }
    if (apart <= NEAR * (most + NEAR)) return; /* NaN is far */
    fprintf(stderr, "%g apart, the greatest is %g\n", apart, most);
    die("optimised, an output has other numbers", NULL);
}

static inline void level_compare(const level *plain, const level *optimised, bool bits, bool jumps) {
    const size_t n = hst_model_output_count(plain->model);
    if (plain->status != HST_STATUS_OK || !level_says(optimised->status)) return;
    if (!bits && optimised->status == HST_STATUS_BAD_SHAPE) return; /* masks of another batch, which broadcast */
    if (optimised->status != HST_STATUS_OK) die("as written it runs, optimised it does not", &optimised->err);
    for (size_t i = 0; i < n; i++) {
        level_same_shape(plain->out[i], optimised->out[i]);
        if (!jumps) level_near(plain->out[i], optimised->out[i]);
    }
    if (bits && hash_outputs(plain->out, n) != hash_outputs(optimised->out, n))
        die("exact optimisations change the outputs", NULL);
}

static inline void level_pair(level *plain, level *optimised, uint64_t seed, int shape, bool bits, bool jumps) {
    inputs in;
    const bool ok = make_inputs(&in, plain->model, -1, seed, shape);
    if (ok) level_run(plain, &in);
    if (ok && plain->status == HST_STATUS_OK) {
        if (optimised->model) level_run(optimised, &in);
        level_compare(plain, optimised, bits, jumps);
    }
    free_inputs(&in);
    for (size_t i = 0; i < LIST_MOST; i++) {
        hst_tensor_free(plain->out[i]);
        hst_tensor_free(optimised->out[i]);
        plain->out[i] = optimised->out[i] = NULL;
    }
}

static inline void try_levels(const uint8_t *data, size_t size, uint64_t seed) {
    level plain, optimised;
    const int optimization = dice_below(&seed, 3) ? 3 : 2, lengths = dice_below(&seed, LENGTHS);
    const bool jumps = level_jumps(data, size);
    if (level_load(&plain, data, size, 1) != HST_STATUS_OK) return;
    level_load(&optimised, data, size, optimization); /* what cannot run may be found out here */
    if (hst_model_input_count(plain.model) <= LIST_MOST && hst_model_output_count(plain.model) <= LIST_MOST)
        for (int shape = 0; shape < SHAPES; shape++)
            level_pair(&plain, &optimised, seed + (uint64_t)shape, shape + lengths * SHAPES, optimization == 2, jumps);
    hst_model_free(plain.model);
    hst_model_free(optimised.model);
}

#endif
