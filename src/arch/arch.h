/* What a model architecture is: a file that builds the graph from config.json and weights. */
#ifndef ARCH_ARCH_H
#define ARCH_ARCH_H

#include "checkpoint/checkpoint.h"
#include "graph/graph.h"

typedef struct arch {
    const char *model_type; /* config.json's "model_type" */
    const char *const
        *architectures; /* class names of transformers that are built, NULL-terminated; the first is the default */
    const char *summary;
    /* Builds into a new model with standard operators of opset 18 (weights are borrowed from the checkpoint, which the
     * model keeps). `architecture` is one of the list. */
    hst_status (*build)(const checkpoint *c, const char *architecture, model *m, hst_error *err);
} arch;

#define HST_ARCH(id)                                                                                                   \
    extern const arch arch_##id;                                                                                       \
    const arch arch_##id

extern const arch *const arch_list[];
extern const int arch_list_count;

/* Finds the architecture by config.json and builds. UNSUPPORTED names what there is. */
hst_status arch_build(checkpoint *c, const hst_allocator *a, model **out, hst_error *err);
/* The same with another class than config.json names: "BertForMaskedLM", or without the family, "ForMaskedLM", "Model".
 * NULL: config.json's. For checkpoints of classes that only their makers have, and for a task that the caller names. */
hst_status arch_build_as(checkpoint *c, const char *architecture, const hst_allocator *a, model **out, hst_error *err);

#endif
