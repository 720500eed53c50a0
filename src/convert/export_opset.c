/* Moving a graph between versions of ai.onnx. */
#include <string.h>

#include "convert/export.h"

/* Versions (within 13 … 25) at which an operator's form or meaning changed, so that a node written for one side is not
 * right on the other. Versions that only allowed more types are not listed. */
static const struct {
    const char *op_type;
    int since;
} changes[] = {
    {"AveragePool", 19},
    {"BatchNormalization", 14},
    {"BatchNormalization", 15},
    {"CumSum", 14},
    {"DFT", 20},
    {"GridSample", 20},
    {"Loop", 16},
    {"ReduceL1", 18},
    {"ReduceL2", 18},
    {"ReduceLogSum", 18},
    {"ReduceLogSumExp", 18},
    {"ReduceMax", 18},
    {"ReduceMean", 18},
    {"ReduceMin", 18},
    {"ReduceProd", 18},
    {"ReduceSumSquare", 18},
    {"Resize", 18},
    {"Resize", 19},
    {"RoiAlign", 16},
    {"ScatterElements", 18},
    {"ScatterND", 18},
    {"GroupNormalization", 21},
    {"Split", 18},
    {"Pad", 18},
    {"Attention", 24},
    {"TopK", 24},
};

/* Operators by the version that brought them: they cannot go below it. */
static const struct {
    const char *op_type;
    int since;
} news[] = {
    {"LayerNormalization", 17},
    {"BitwiseAnd", 18},
    {"BitwiseNot", 18},
    {"BitwiseOr", 18},
    {"BitwiseXor", 18},
    {"CenterCropPad", 18},
    {"Col2Im", 18},
    {"Mish", 18},
    {"DeformConv", 19},
    {"Gelu", 20},
    {"AffineGrid", 20},
    {"StringConcat", 20},
    {"RMSNormalization", 23},
    {"RotaryEmbedding", 23},
    {"Attention", 23},
    {"Swish", 24},
    {"TensorScatter", 24},
};

static hst_status check_node(const node *n, int from, int to, hst_error *err) {
    int low = from < to ? from : to, high = from < to ? to : from;
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++)
        if (strcmp(n->op_type, changes[i].op_type) == 0 && low < changes[i].since && changes[i].since <= high)
            return node_error(n, err, HST_STATUS_UNSUPPORTED,
                              "its form changed in opset %d: cannot go from opset %d to %d", changes[i].since, from,
                              to);
    for (size_t i = 0; i < sizeof news / sizeof *news; i++)
        if (strcmp(n->op_type, news[i].op_type) == 0 && to < news[i].since)
            return node_error(n, err, HST_STATUS_UNSUPPORTED, "exists from opset %d on, not in opset %d", news[i].since,
                              to);
    return HST_STATUS_OK;
}

static hst_status set_graph(graph *g, int opset, hst_error *err) {
    for (node *n = g->first; n; n = n->next) {
        if (*n->domain == '\0') {
            HST_TRY(check_node(n, n->opset, opset, err));
            n->opset = opset;
        }
        for (int k = 0; k < n->n_attributes; k++) {
            const attribute *a = &n->attributes[k];
            if (a->type == ATTRIBUTE_GRAPH) HST_TRY(set_graph(a->as.graph, opset, err));
            for (int64_t i = 0; a->type == ATTRIBUTE_GRAPHS && i < a->n; i++)
                HST_TRY(set_graph(a->as.graphs[i], opset, err));
        }
    }
    return HST_STATUS_OK;
}

hst_status export_set_opset(model *m, int opset, hst_error *err) {
    HST_TRY(set_graph(m->main, opset, err));
    return model_import_opset(m, "", opset, err);
}
