/* A checkpoint in memory, built, checked, optimised and run as sessions.h does. */
#ifndef FUZZ_BUILT_H
#define FUZZ_BUILT_H

#include "api/api.h"
#include "arch/arch.h"
#include "fuzz/sessions.h"

#define MODEL_MOST ((size_t)512 << 20) /* bytes that a model of some 10 KiB may have allocated at a time */

static inline void finish_and_run(model *m, uint64_t hash) {
    limited memory = {.most = MODEL_MOST, .whose = "a model"};
    const hst_allocator allocator = limited_allocator(&memory);
    loaded source = {.model = m, .format = "checkpoint"};
    hst_model_options o = HST_INIT(hst_model_options);
    hst_model *whole = NULL;
    hst_error err = {0};
    o.allocator = &allocator;
    if (hash % 4 == 0) o.quantization = HST_QUANTIZATION_INT8;
    if (hash % 4 == 1) o.weights = HST_DTYPE_BF16;
    const hst_status status = model_finish(&source, NULL, 0, &o, &whole, &err);
    check_status("finish", status, &err);
    if (status != HST_STATUS_OK) return;
    (void)try_session(whole, hash, TRY_TYPES | TRY_REPEATS);
    hst_model_free(whole);
    if (memory.live) die("memory of a model is left", NULL);
}

/* `weights` is as aligned as a file map. */
static inline void build_and_run(const char *config, size_t config_size, const void *weights, size_t weights_size,
                                 uint64_t hash) {
    limited memory = {.most = MODEL_MOST, .whose = "a checkpoint"};
    const hst_allocator allocator = limited_allocator(&memory);
    checkpoint *c = NULL;
    model *m = NULL;
    hst_error err = {0};
    hst_status s = checkpoint_open_memory(config, config_size, weights, weights_size, &allocator, &c, &err);
    if (s == HST_STATUS_OK) s = arch_build(c, &allocator, &m, &err);
    check_status("build", s, &err);
    if (s == HST_STATUS_OK && graph_check(m->main, &err) != HST_STATUS_OK) die("graph", &err);
    checkpoint_free(c);
    if (s == HST_STATUS_OK) finish_and_run(m, hash);
    if (memory.live) die("memory of a checkpoint is left", NULL);
}

#endif
