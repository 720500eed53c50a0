/* A compiled model: its main graph as a list of bound steps over numbered slots. Immutable once compiled, shared by the
 * sessions of all threads. Holds packed weights; borrows the model. */
#ifndef EXEC_ENGINE_H
#define EXEC_ENGINE_H

#include "ops/op.h"

typedef struct step {
    const node *node;
    hst_status (*run)(const void *state, eval_context *c, hst_error *err); /* NULL: node->op->eval */
    void *state;
    void (*state_free)(void *state, const hst_allocator *a);
    const char *kernel; /* "" where there is none */
    const char *why;    /* why there is no kernel, "" where nothing was said */
    int *in, n_in;      /* slots; -1: omitted */
    int *out, n_out;
    int *captured, n_captured; /* slots that the node's subgraphs read */
    int *dies, n_dies;         /* slots that no later step reads */
    bool shows_padding;        /* what it computes shows padding rows of a batch */
} step;

/* A value that exists while a run goes on. */
typedef struct slot {
    const value *value;
    const hst_tensor *constant; /* NULL: an input, or computed */
    int input, output;          /* first index among the graph's, -1 */
} slot;

typedef struct engine {
    const model *model;
    hst_allocator allocator;
    arena *arena;
    step *steps;
    int n_steps, steps_capacity;
    slot *slots;
    int n_slots, slots_capacity;
    int *inputs, n_inputs;   /* slots */
    int *outputs, n_outputs; /* slots; one may stand twice */
    int n_symbols;
    int most_in, most_out; /* of any step */
    int *warm;             /* atomic: 1 after engine_warm */
    model **expansions;    /* graphs that fused operators were spelled out into; owned */
    int n_expansions, expansions_capacity;
} engine;

/* Compiles the main graph of a model whose operators are resolved, types inferred and passes done. The model must
 * outlive the engine. Ownership: engine_free. `a` NULL: libc. */
hst_status engine_compile(model *m, const hst_allocator *a, engine **out, hst_error *err);
void engine_free(engine *e);
/* Before a run: the first time, the weights of a compiled model come into memory (warm.c). */
void engine_warm(const engine *e);

#endif
