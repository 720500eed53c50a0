/* What the operators of ai.onnx.ml share: attributes as arrays, class labels, what is done with scores. */
#ifndef OPS_ML_H
#define OPS_ML_H

#include "ops/carry.h"

typedef enum ml_post { ML_NONE, ML_SOFTMAX, ML_LOGISTIC, ML_SOFTMAX_ZERO, ML_PROBIT } ml_post;
hst_status ml_read_post(const node *n, ml_post *out, hst_error *err);
void ml_transform(double *x, int64_t n, ml_post post);

/* List attributes; NULL and 0 where absent. */
const float *ml_floats(const node *n, const char *name, int64_t *count);
const int64_t *ml_ints(const node *n, const char *name, int64_t *count);
const hst_string *ml_strings(const node *n, const char *name, int64_t *count);

typedef struct ml_labels {
    const int64_t *ints;
    const hst_string *strings; /* NULL: integers, or without both the index itself */
    int64_t n;
} ml_labels;
ml_labels ml_read_labels(const node *n, const char *ints, const char *strings);
/* Output 0: a label a row. Set each one, then ml_labels_done. */
hst_status ml_labels_begin(eval_context *c, const ml_labels *l, int64_t rows, hst_tensor **y, hst_error *err);
void ml_label_set(hst_tensor *y, const ml_labels *l, int64_t row, int64_t index);

/* Input 0 as [rows, features] of f64; a vector is one row. */
hst_status ml_rows(eval_context *c, const double **x, int64_t *rows, int64_t *features, hst_error *err);
/* Classifiers: output 0 a label a row, output 1 f32 [rows, ?]. */
hst_status ml_infer_classes(infer_context *c, const ml_labels *l);
int64_t ml_argmax(const double *x, int64_t n);

#endif
