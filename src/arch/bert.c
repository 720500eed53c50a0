/* BERT: word + token type + position embeddings, LayerNorm, then per layer
 *
 *     a = LayerNorm(x + Wo · attention(x))        softmax(q kᵀ / √d + mask) v over the heads
 *     x = LayerNorm(a + W2 · act(W1 · a))
 *
 * x [batch, sequence, hidden_size]. position_embedding_type relative_key and relative_key_query add products of q (and
 * k) with embeddings of the distance to the scores. Heads as in transformers' modeling_bert.py. */
#include <math.h>
#include <string.h>

#include "arch/layers.h"
#include "base/log.h"

typedef enum positions { ABSOLUTE, RELATIVE_KEY, RELATIVE_KEY_QUERY } positions;

typedef struct config {
    int64_t vocabulary, places, types, layers, heads, size, hidden;
    double epsilon;
    const char *activation, *prefix; /* "bert." or "" */
    positions positions;
    bool tied;
} config;

static positions read_positions(builder *b) {
    static const char *const names[] = {"absolute", "relative_key", "relative_key_query"};
    const char *name = builder_config_string(b, "position_embedding_type", "absolute");
    for (int i = 0; i < 3; i++) {
        if (strcmp(name, names[i]) == 0) return (positions)i;
    }
    builder_fail(b, HST_STATUS_UNSUPPORTED,
                 "'position_embedding_type' is '%s'; there are absolute, relative_key and "
                 "relative_key_query",
                 name);
    return ABSOLUTE;
}

static config read_config(builder *b) {
    config c = {0};
    c.vocabulary = builder_config_int(b, "vocab_size", NULL, 30522, 1, 1 << 28);
    c.places = builder_config_int(b, "max_position_embeddings", NULL, 512, 1, 1 << 24);
    c.types = builder_config_int(b, "type_vocab_size", NULL, 2, 1, 1 << 24);
    c.layers = builder_config_int(b, "num_hidden_layers", NULL, 12, 0, 512);
    c.heads = builder_config_int(b, "num_attention_heads", NULL, 12, 1, 4096);
    c.size = builder_config_int(b, "hidden_size", NULL, 768, 1, 1 << 20);
    c.hidden = builder_config_int(b, "intermediate_size", NULL, 3072, 1, 1 << 24);
    c.epsilon = builder_config_real(b, "layer_norm_eps", 1e-12, 0, 1);
    c.activation = builder_config_string(b, "hidden_act", "gelu");
    c.tied = builder_config_bool(b, "tie_word_embeddings", true);
    c.positions = read_positions(b);
    c.prefix = builder_has(b, "bert.embeddings.word_embeddings.weight") ? "bert." : "";
    if (c.size % c.heads) {
        builder_fail(b, HST_STATUS_BAD_FORMAT, "'hidden_size' %lld is no multiple of 'num_attention_heads' %lld",
                     (long long)c.size, (long long)c.heads);
    }
    if (builder_config_bool(b, "is_decoder", false)) {
        builder_fail(b, HST_STATUS_UNSUPPORTED, "'is_decoder' is true; BERT is built as an encoder only");
    }
    if (json_object_size(json_object_get(checkpoint_config(b->checkpoint), "pruned_heads")) > 0) {
        builder_fail(b, HST_STATUS_UNSUPPORTED, "'pruned_heads' is not empty; pruned heads are not supported");
    }
    return c;
}

static value *linear(builder *b, const config *c, value *x, int64_t layer, const char *part, const char *name,
                     int64_t in, int64_t out) {
    builder_scope(b, "encoder.layer.%lld/%s", (long long)layer, part);
    return layer_linear(b, x, builder_name(b, "%sencoder.layer.%lld.%s", c->prefix, (long long)layer, name), in, out);
}

static value *add_and_norm(builder *b, const config *c, value *x, value *residual, int64_t layer, const char *part,
                           const char *name) {
    builder_scope(b, "encoder.layer.%lld/%s", (long long)layer, part);
    return layer_norm(b, builder_op2(b, "Add", x, residual),
                      builder_name(b, "%sencoder.layer.%lld.%s", c->prefix, (long long)layer, name), c->size,
                      c->epsilon);
}

/* Rows of the distance table for every (query, key): distance = query - key + places - 1. [sequence, sequence, size] */
static value *distance_rows(builder *b, const config *c, const layer_inputs *in, int64_t layer) {
    value *table = builder_weight(
        b,
        builder_name(b, "%sencoder.layer.%lld.attention.self.distance_embedding.weight", c->prefix, (long long)layer),
        2, (int64_t[]){2 * c->places - 1, c->size / c->heads});
    value *place = layer_positions(b, in->ids);
    value *query = builder_op2(b, "Unsqueeze", place, builder_s64s(b, "axis_1", (int64_t[]){1}, 1));
    value *key = builder_op2(b, "Unsqueeze", place, builder_s64s(b, "axis_0", (int64_t[]){0}, 1));
    value *distance = builder_op2(b, "Add", builder_op2(b, "Sub", query, key), builder_s64(b, c->places - 1));
    return layer_gather(b, table, distance);
}

/* Σ_d x[b,h,i,d] · rows[i,·,d]: x [batch, heads, i, 1, d] times rows [i, d, ·]. -> [batch, heads, i, ·] */
static value *by_distance(builder *b, value *x, value *rows, const int64_t *perm) {
    value *axis = builder_s64s(b, "axis_3", (int64_t[]){3}, 1);
    value *turned = builder_op1(b, "Transpose", rows);
    builder_set_ints(b, turned, "perm", perm, 3);
    value *product = builder_op2(b, "MatMul", builder_op2(b, "Unsqueeze", x, axis), turned);
    return builder_op2(b, "Squeeze", product, axis);
}

static value *add_relative(builder *b, const config *c, const layer_inputs *in, value *scores, value *q,
                           value *k_turned, int64_t layer) {
    if (c->positions == ABSOLUTE) return scores;
    builder_scope(b, "encoder.layer.%lld/attention/distance", (long long)layer);
    value *rows = distance_rows(b, c, in, layer); /* [query, key, size] */
    scores = builder_op2(b, "Add", scores, by_distance(b, q, rows, (int64_t[]){0, 2, 1}));
    if (c->positions == RELATIVE_KEY) return scores;
    value *k = builder_op1(b, "Transpose", k_turned); /* [batch, heads, key, size] */
    builder_set_ints(b, k, "perm", (int64_t[]){0, 1, 3, 2}, 4);
    value *turned =
        builder_op1(b, "Transpose", by_distance(b, k, rows, (int64_t[]){1, 2, 0})); /* from [·, ·, key, query] */
    builder_set_ints(b, turned, "perm", (int64_t[]){0, 1, 3, 2}, 4);
    return builder_op2(b, "Add", scores, turned);
}

static value *attention(builder *b, const config *c, const layer_inputs *in, value *x, value *mask, int64_t i) {
    int64_t size = c->size / c->heads;
    value *q = linear(b, c, x, i, "attention/query", "attention.self.query", c->size, c->size);
    value *k = linear(b, c, x, i, "attention/key", "attention.self.key", c->size, c->size);
    value *v = linear(b, c, x, i, "attention/value", "attention.self.value", c->size, c->size);
    builder_scope(b, "encoder.layer.%lld/attention", (long long)i);
    q = layer_split_heads(b, q, c->heads, size, false); /* [batch, heads, sequence, size] */
    k = layer_split_heads(b, k, c->heads, size, true);  /* [batch, heads, size, sequence] */
    v = layer_split_heads(b, v, c->heads, size, false);
    value *scores = add_relative(b, c, in, builder_op2(b, "MatMul", q, k), q, k, i);
    builder_scope(b, "encoder.layer.%lld/attention/scores", (long long)i);
    scores = builder_op2(b, "Div", scores, builder_f32(b, sqrt((double)size)));
    scores = builder_op2(b, "Add", scores, mask);
    value *weights = builder_op1(b, "Softmax", scores);
    builder_set_int(b, weights, "axis", -1);
    value *context = layer_merge_heads(b, builder_op2(b, "MatMul", weights, v), c->heads, size);
    return linear(b, c, context, i, "attention/output", "attention.output.dense", c->size, c->size);
}

static value *block(builder *b, const config *c, const layer_inputs *in, value *x, value *mask, int64_t i) {
    value *a = attention(b, c, in, x, mask, i);
    a = add_and_norm(b, c, a, x, i, "attention/norm", "attention.output.LayerNorm");
    value *f = linear(b, c, a, i, "intermediate", "intermediate.dense", c->size, c->hidden);
    builder_scope(b, "encoder.layer.%lld/activation", (long long)i);
    f = layer_activation(b, f, c->activation);
    f = linear(b, c, f, i, "output", "output.dense", c->hidden, c->size);
    return add_and_norm(b, c, f, a, i, "norm", "output.LayerNorm");
}

static value *table(builder *b, const config *c, const char *name, int64_t rows) {
    return builder_weight(b, builder_name(b, "%sembeddings.%s.weight", c->prefix, name), 2, (int64_t[]){rows, c->size});
}

/* -> [batch, sequence, size]; *words is the word table, for tied heads. */
static value *encoder(builder *b, const config *c, const layer_inputs *in, value **words) {
    builder_scope(b, "embeddings");
    *words = table(b, c, "word_embeddings", c->vocabulary);
    value *types = table(b, c, "token_type_embeddings", c->types);
    value *x = builder_op2(b, "Add", layer_gather(b, *words, in->ids), layer_gather(b, types, in->types));
    if (c->positions == ABSOLUTE) {
        value *places = table(b, c, "position_embeddings", c->places);
        x = builder_op2(b, "Add", x, layer_gather(b, places, layer_positions(b, in->ids)));
    }
    x = layer_norm(b, x, builder_name(b, "%sembeddings.LayerNorm", c->prefix), c->size, c->epsilon);
    builder_scope(b, "mask");
    value *mask = layer_mask_additive(b, in->mask);
    for (int64_t i = 0; i < c->layers && b->status == HST_STATUS_OK; i++) x = block(b, c, in, x, mask, i);
    return x;
}

/* tanh(W · first token): [batch, size] */
static value *pooler(builder *b, const config *c, value *x) {
    builder_scope(b, "pooler");
    x = layer_linear(b, layer_first_token(b, x), builder_name(b, "%spooler.dense", c->prefix), c->size, c->size);
    return builder_op1(b, "Tanh", x);
}

static value *head(builder *b, const config *c, const char *name, value *x, int64_t labels) {
    builder_scope(b, "%s", name);
    return layer_linear(b, x, name, c->size, labels);
}

static value *predictions(builder *b, const config *c, value *x, value *words) {
    builder_scope(b, "cls.predictions/transform");
    x = layer_linear(b, x, "cls.predictions.transform.dense", c->size, c->size);
    x = layer_activation(b, x, c->activation);
    x = layer_norm(b, x, "cls.predictions.transform.LayerNorm", c->size, c->epsilon);
    builder_scope(b, "cls.predictions/decoder");
    if (!c->tied) words = builder_weight(b, "cls.predictions.decoder.weight", 2, (int64_t[]){c->vocabulary, c->size});
    bool old = !builder_has(b, "cls.predictions.bias") && builder_has(b, "cls.predictions.decoder.bias");
    const char *bias = old ? "cls.predictions.decoder.bias" : "cls.predictions.bias";
    return layer_project(b, x, words, builder_weight(b, bias, 1, &c->vocabulary));
}

/* Outputs of the class "Bert<kind>". */
static void build_head(builder *b, const config *c, const layer_inputs *in, const char *kind, value *x, value *words) {
    int64_t labels = builder_config_labels(b);
    const dim pair[] = {in->batch, 2}, tokens[] = {in->batch, in->sequence, c->vocabulary};
    if (strcmp(kind, "Model") == 0) {
        builder_output(b, x, "last_hidden_state", HST_DTYPE_F32, 3, (dim[]){in->batch, in->sequence, c->size});
        if (builder_has(b, builder_name(b, "%spooler.dense.weight", c->prefix))) { /* saved without one by some heads */
            builder_output(b, pooler(b, c, x), "pooler_output", HST_DTYPE_F32, 2, (dim[]){in->batch, c->size});
        } else {
            log_write(LOG_INFO, "the checkpoint has no pooler: there is no output 'pooler_output'");
        }
    } else if (strcmp(kind, "ForSequenceClassification") == 0) {
        x = head(b, c, "classifier", pooler(b, c, x), labels);
        builder_output(b, x, "logits", HST_DTYPE_F32, 2, (dim[]){in->batch, labels});
    } else if (strcmp(kind, "ForMultipleChoice") == 0) {
        layer_choice_output(b, in, head(b, c, "classifier", pooler(b, c, x), 1));
    } else if (strcmp(kind, "ForTokenClassification") == 0) {
        x = head(b, c, "classifier", x, labels);
        builder_output(b, x, "logits", HST_DTYPE_F32, 3, (dim[]){in->batch, in->sequence, labels});
    } else if (strcmp(kind, "ForQuestionAnswering") == 0) {
        layer_span_outputs(b, head(b, c, "qa_outputs", x, 2), (dim[]){in->batch, in->sequence});
    } else if (strcmp(kind, "ForNextSentencePrediction") == 0) {
        x = head(b, c, "cls.seq_relationship", pooler(b, c, x), 2);
        builder_output(b, x, "logits", HST_DTYPE_F32, 2, pair);
    } else if (strcmp(kind, "ForPreTraining") == 0) {
        builder_output(b, predictions(b, c, x, words), "prediction_logits", HST_DTYPE_F32, 3, tokens);
        x = head(b, c, "cls.seq_relationship", pooler(b, c, x), 2);
        builder_output(b, x, "seq_relationship_logits", HST_DTYPE_F32, 2, pair);
    } else { /* ForMaskedLM, LMHeadModel */
        builder_output(b, predictions(b, c, x, words), "logits", HST_DTYPE_F32, 3, tokens);
    }
}

static hst_status build(const checkpoint *checkpoint, const char *name, model *m, hst_error *err) {
    builder b;
    builder_begin(&b, checkpoint, m, err);
    config c = read_config(&b);
    const char *kind = name + strlen("Bert");
    layer_inputs in = layer_encoder_inputs(&b, true, strcmp(kind, "ForMultipleChoice") == 0);
    value *words = NULL, *x = encoder(&b, &c, &in, &words);
    build_head(&b, &c, &in, kind, x, words);
    return builder_end(&b);
}

static const char *const classes[] = {"BertModel",
                                      "BertForSequenceClassification",
                                      "BertForTokenClassification",
                                      "BertForQuestionAnswering",
                                      "BertForMaskedLM",
                                      "BertForMultipleChoice",
                                      "BertForNextSentencePrediction",
                                      "BertForPreTraining",
                                      "BertLMHeadModel",
                                      NULL};

HST_ARCH(bert) = {
    .model_type = "bert",
    .architectures = classes,
    .summary = "BERT encoder with all its task heads",
    .build = build,
};
