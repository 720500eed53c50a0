/* DistilBERT: word + position embeddings, LayerNorm, then per layer
 *
 *     a = LayerNorm(x + Wo · attention(x))        softmax((q / √d) kᵀ, masked) v over n_heads
 *     x = LayerNorm(a + W2 · act(W1 · a))
 *
 * x [batch, sequence, dim]. Heads as in transformers' modeling_distilbert.py. */
#include <math.h>
#include <string.h>

#include "arch/layers.h"

#define EPSILON 1e-12 /* not in the config */

typedef struct config {
    int64_t vocabulary, positions, layers, heads, size, hidden; /* size: "dim" */
    const char *activation, *prefix;                            /* "distilbert." or "" */
    bool tied;
} config;

static config read_config(builder *b) {
    config c = {0};
    c.vocabulary = builder_config_int(b, "vocab_size", NULL, 30522, 1, 1 << 28);
    c.positions = builder_config_int(b, "max_position_embeddings", NULL, 512, 1, 1 << 24);
    c.layers = builder_config_int(b, "n_layers", "num_hidden_layers", 6, 0, 512);
    c.heads = builder_config_int(b, "n_heads", "num_attention_heads", 12, 1, 4096);
    c.size = builder_config_int(b, "dim", "hidden_size", 768, 1, 1 << 20);
    c.hidden = builder_config_int(b, "hidden_dim", NULL, 3072, 1, 1 << 24);
    c.activation = builder_config_string(b, "activation", "gelu");
    c.tied = builder_config_bool(b, "tie_word_embeddings", true);
    c.prefix = builder_has(b, "distilbert.embeddings.word_embeddings.weight") ? "distilbert." : "";
    if (c.size % c.heads) {
        builder_fail(b, HST_STATUS_BAD_FORMAT, "'dim' %lld is no multiple of 'n_heads' %lld", (long long)c.size,
                     (long long)c.heads);
    }
    if (json_object_size(json_object_get(checkpoint_config(b->checkpoint), "pruned_heads")) > 0) {
        builder_fail(b, HST_STATUS_UNSUPPORTED, "'pruned_heads' is not empty; pruned heads are not supported");
    }
    return c;
}

static value *linear(builder *b, const config *c, value *x, int64_t layer, const char *part, int64_t in, int64_t out) {
    builder_scope(b, "transformer.layer.%lld/%s", (long long)layer, part);
    return layer_linear(b, x, builder_name(b, "%stransformer.layer.%lld.%s", c->prefix, (long long)layer, part), in,
                        out);
}

static value *norm(builder *b, const config *c, value *x, int64_t layer, const char *part) {
    return layer_norm(b, x, builder_name(b, "%stransformer.layer.%lld.%s", c->prefix, (long long)layer, part), c->size,
                      EPSILON);
}

static value *attention(builder *b, const config *c, value *x, value *mask, int64_t i) {
    int64_t size = c->size / c->heads;
    value *q = linear(b, c, x, i, "attention.q_lin", c->size, c->size);
    value *k = linear(b, c, x, i, "attention.k_lin", c->size, c->size);
    value *v = linear(b, c, x, i, "attention.v_lin", c->size, c->size);
    builder_scope(b, "transformer.layer.%lld/attention", (long long)i);
    q = layer_split_heads(b, q, c->heads, size, false); /* [batch, heads, sequence, size] */
    k = layer_split_heads(b, k, c->heads, size, true);  /* [batch, heads, size, sequence] */
    v = layer_split_heads(b, v, c->heads, size, false);
    q = builder_op2(b, "Div", q, builder_f32(b, sqrt((double)size)));
    value *scores = builder_op2(b, "Add", builder_op2(b, "MatMul", q, k), mask);
    value *weights = builder_op1(b, "Softmax", scores);
    builder_set_int(b, weights, "axis", -1);
    value *context = layer_merge_heads(b, builder_op2(b, "MatMul", weights, v), c->heads, size);
    return linear(b, c, context, i, "attention.out_lin", c->size, c->size);
}

static value *block(builder *b, const config *c, value *x, value *mask, int64_t i) {
    value *a = attention(b, c, x, mask, i);
    builder_scope(b, "transformer.layer.%lld/sa_layer_norm", (long long)i);
    a = norm(b, c, builder_op2(b, "Add", a, x), i, "sa_layer_norm");
    value *f = linear(b, c, a, i, "ffn.lin1", c->size, c->hidden);
    builder_scope(b, "transformer.layer.%lld/ffn.activation", (long long)i);
    f = layer_activation(b, f, c->activation);
    f = linear(b, c, f, i, "ffn.lin2", c->hidden, c->size);
    builder_scope(b, "transformer.layer.%lld/output_layer_norm", (long long)i);
    return norm(b, c, builder_op2(b, "Add", f, a), i, "output_layer_norm");
}

/* -> [batch, sequence, size]; *words is the word table, for tied heads. */
static value *encoder(builder *b, const config *c, const layer_inputs *in, value **words) {
    builder_scope(b, "embeddings");
    *words = builder_weight(b, builder_name(b, "%sembeddings.word_embeddings.weight", c->prefix), 2,
                            (int64_t[]){c->vocabulary, c->size});
    value *places = builder_weight(b, builder_name(b, "%sembeddings.position_embeddings.weight", c->prefix), 2,
                                   (int64_t[]){c->positions, c->size});
    value *x =
        builder_op2(b, "Add", layer_gather(b, *words, in->ids), layer_gather(b, places, layer_positions(b, in->ids)));
    x = layer_norm(b, x, builder_name(b, "%sembeddings.LayerNorm", c->prefix), c->size, EPSILON);
    builder_scope(b, "mask");
    value *mask = layer_mask_where(b, in->mask);
    for (int64_t i = 0; i < c->layers && b->status == HST_STATUS_OK; i++) x = block(b, c, x, mask, i);
    return x;
}

/* Linear, ReLU, Linear on the first token. */
static value *classifier(builder *b, const config *c, value *x, int64_t labels) {
    builder_scope(b, "pre_classifier");
    x = layer_linear(b, layer_first_token(b, x), "pre_classifier", c->size, c->size);
    x = builder_op1(b, "Relu", x);
    builder_scope(b, "classifier");
    return layer_linear(b, x, "classifier", c->size, labels);
}

static value *masked_lm(builder *b, const config *c, value *x, value *words) {
    builder_scope(b, "vocab_transform");
    x = layer_activation(b, layer_linear(b, x, "vocab_transform", c->size, c->size), c->activation);
    builder_scope(b, "vocab_layer_norm");
    x = layer_norm(b, x, "vocab_layer_norm", c->size, EPSILON);
    builder_scope(b, "vocab_projector");
    if (!c->tied) words = builder_weight(b, "vocab_projector.weight", 2, (int64_t[]){c->vocabulary, c->size});
    return layer_project(b, x, words, builder_weight(b, "vocab_projector.bias", 1, &c->vocabulary));
}

static hst_status build(const checkpoint *checkpoint, const char *name, model *m, hst_error *err) {
    builder b;
    builder_begin(&b, checkpoint, m, err);
    config c = read_config(&b);
    const char *head = name + strlen("DistilBert");
    layer_inputs in = layer_encoder_inputs(&b, false, strcmp(head, "ForMultipleChoice") == 0);
    int64_t labels = builder_config_labels(&b);
    value *words = NULL, *x = encoder(&b, &c, &in, &words);
    if (strcmp(head, "Model") == 0) {
        builder_output(&b, x, "last_hidden_state", HST_DTYPE_F32, 3, (dim[]){in.batch, in.sequence, c.size});
    } else if (strcmp(head, "ForSequenceClassification") == 0) {
        builder_output(&b, classifier(&b, &c, x, labels), "logits", HST_DTYPE_F32, 2, (dim[]){in.batch, labels});
    } else if (strcmp(head, "ForMultipleChoice") == 0) {
        layer_choice_output(&b, &in, classifier(&b, &c, x, 1));
    } else if (strcmp(head, "ForTokenClassification") == 0) {
        builder_scope(&b, "classifier");
        x = layer_linear(&b, x, "classifier", c.size, labels);
        builder_output(&b, x, "logits", HST_DTYPE_F32, 3, (dim[]){in.batch, in.sequence, labels});
    } else if (strcmp(head, "ForQuestionAnswering") == 0) {
        builder_scope(&b, "qa_outputs");
        layer_span_outputs(&b, layer_linear(&b, x, "qa_outputs", c.size, 2), (dim[]){in.batch, in.sequence});
    } else {
        builder_output(&b, masked_lm(&b, &c, x, words), "logits", HST_DTYPE_F32, 3,
                       (dim[]){in.batch, in.sequence, c.vocabulary});
    }
    return builder_end(&b);
}

static const char *const classes[] = {"DistilBertModel",
                                      "DistilBertForSequenceClassification",
                                      "DistilBertForTokenClassification",
                                      "DistilBertForQuestionAnswering",
                                      "DistilBertForMaskedLM",
                                      "DistilBertForMultipleChoice",
                                      NULL};

HST_ARCH(distilbert) = {
    .model_type = "distilbert",
    .architectures = classes,
    .summary = "DistilBERT encoder with all its task heads",
    .build = build,
};
