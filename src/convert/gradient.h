/* Gradient of ai.onnx.preview.training: reverse-mode differentiation of a part of the graph. */
#ifndef CONVERT_GRADIENT_H
#define CONVERT_GRADIENT_H

#include "graph/graph.h"

/* Replaces every Gradient of the model, subgraphs included, by nodes that compute it. Before any pass: xs, zs and y are
 * names of values, which passes remove. UNSUPPORTED names the operator that has no rule. */
hst_status gradient_expand(model *m, hst_error *err);
bool gradient_any(const model *m); /* true: it has one, that may name values which nothing else reads */

#endif
