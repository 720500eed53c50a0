/* What architectures build graphs with: nodes, constants and weights, by name. Failures are remembered: after the first
 * one every function returns NULL and does nothing, and builder_end tells it. Weights that are missing or have another
 * shape are collected, so that one message names them all. */
#ifndef ARCH_BUILDER_H
#define ARCH_BUILDER_H

#include "arch/arch.h"
#include "base/text_buffer.h"

#define BUILDER_OPSET    18
#define BUILDER_COUNTERS 16

typedef struct builder {
    const checkpoint *checkpoint;
    model *model;
    graph *graph;
    hst_error *err;
    hst_status status; /* of the first failure */
    char scope[160];   /* prefix of node names: "encoder.layer.0/attention" */
    struct {
        const char *op;
        int count;
    } counters[BUILDER_COUNTERS]; /* nodes of an operator in this scope */
    value **scalars;              /* constants made so far, one each */
    int n_scalars, scalars_capacity;
    text_buffer missing, wrong;
    int n_missing, n_wrong, n_weights;
} builder;

void builder_begin(builder *b, const checkpoint *c, model *m, hst_error *err);
/* Frees what the builder holds; reports the first failure, or all weights that were missing or wrong. */
hst_status builder_end(builder *b);
/* Remembers a failure (the first stays) and returns NULL. */
void *builder_fail(builder *b, hst_status code, const char *format, ...) __attribute__((format(printf, 3, 4)));
void builder_scope(builder *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- config.json: `alias` is a second key (NULL: none) ---- */
int64_t builder_config_int(builder *b, const char *key, const char *alias, int64_t otherwise, int64_t low,
                           int64_t high);
double builder_config_real(builder *b, const char *key, double otherwise, double low, double high);
bool builder_config_bool(builder *b, const char *key, bool otherwise);
const char *builder_config_string(builder *b, const char *key, const char *otherwise);
int64_t builder_config_labels(builder *b); /* entries of id2label, else num_labels, else 2 */

/* ---- graph ---- */
value *builder_input(builder *b, const char *name, hst_dtype d, int rank, const dim *dims);
void builder_output(builder *b, value *v, const char *name, hst_dtype d, int rank, const dim *dims);
/* A node of ai.onnx with one output; `builder_last` is that node, for its attributes. */
value *builder_op(builder *b, const char *op, int n_in, value *const *in);
value *builder_op1(builder *b, const char *op, value *x);
value *builder_op2(builder *b, const char *op, value *x, value *y);
value *builder_op3(builder *b, const char *op, value *x, value *y, value *z);
/* Attributes of the node that made `v` (nothing where v is NULL). */
void builder_set_int(builder *b, value *v, const char *name, int64_t i);
void builder_set_float(builder *b, value *v, const char *name, float f);
void builder_set_ints(builder *b, value *v, const char *name, const int64_t *list, int count);

/* ---- constants: the same one is made once ---- */
value *builder_f32(builder *b, double x);                                   /* scalar */
value *builder_s64(builder *b, int64_t x);                                  /* scalar */
value *builder_s64s(builder *b, const char *name, const int64_t *x, int n); /* [n] */

/* ---- weights ---- */
bool builder_has(const builder *b, const char *name);
/* The checkpoint's tensor of that name as it is; missing or of another shape is remembered. Where the name ends with
 * "LayerNorm.weight" or ".bias" the old names .gamma and .beta are tried too. */
value *builder_weight(builder *b, const char *name, int rank, const int64_t *dims);
value *builder_widen(builder *b, value *v); /* to f32, by Cast where it is not */
/* "<format>": a name that lives as long as the model. */
const char *builder_name(builder *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
