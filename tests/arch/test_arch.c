/* The graphs that architectures build, and what is said of checkpoints that cannot be built. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arch/arch.h"
#include "base/log.h"

#define DATA HASTEN_SOURCE_DIR "/tests/arch/data/"

static model *build(const char *name) {
    char path[512];
    checkpoint *c = NULL;
    model *m = NULL;
    hst_error err = {0};
    snprintf(path, sizeof path, DATA "%s", name);
    if (checkpoint_open(path, NULL, &c, &err) != HST_STATUS_OK) fail_msg("%s: %s", name, err.message);
    if (arch_build(c, NULL, &m, &err) != HST_STATUS_OK) fail_msg("%s: %s", name, err.message);
    checkpoint_free(c); /* the model keeps it */
    if (graph_check(m->main, &err) != HST_STATUS_OK) fail_msg("%s: %s", name, err.message);
    return m;
}

static const node *find_node(const graph *g, const char *name) {
    for (const node *n = g->first; n; n = n->next) {
        if (strcmp(n->name, name) == 0) return n;
    }
    fail_msg("no node '%s'", name);
    return NULL;
}

static void graph_is_as_promised(void **state) {
    (void)state;
    model *m = build("bert_sequence_classification");
    graph *g = m->main;
    char text[64];
    assert_int_equal(model_opset(m, ""), 18);
    assert_int_equal(m->ir_version, 8);
    assert_string_equal(g->inputs[0]->name, "input_ids");
    assert_string_equal(g->inputs[1]->name, "attention_mask");
    assert_string_equal(g->inputs[2]->name, "token_type_ids");
    assert_string_equal(type_format(m, &g->inputs[0]->type, text, sizeof text), "s64[batch,sequence]");
    assert_string_equal(g->outputs[0]->name, "logits");
    assert_string_equal(type_format(m, &g->outputs[0]->type, text, sizeof text), "f32[batch,3]");
    /* A half-precision weight is the file's own bytes behind Cast and Transpose. */
    const node *product = find_node(g, "encoder.layer.0/attention/query/MatMul");
    const node *turned = product->in[1]->producer;
    assert_true(node_is(turned, "", "Transpose"));
    const node *cast = turned->in[0]->producer;
    assert_true(node_is(cast, "", "Cast"));
    assert_string_equal(cast->in[0]->name, "bert.encoder.layer.0.attention.self.query.weight");
    assert_int_equal(cast->in[0]->constant->dtype, HST_DTYPE_F16);
    assert_null(cast->in[0]->constant->buffer);
    model_free(m);
    m = build("distilbert_multiple_choice");
    assert_int_equal(m->main->n_inputs, 2);
    assert_string_equal(type_format(m, &m->main->inputs[0]->type, text, sizeof text),
                        "s64[batch,num_choices,sequence]");
    assert_string_equal(type_format(m, &m->main->outputs[0]->type, text, sizeof text), "f32[batch,num_choices]");
    model_free(m);
}

/* ---- a checkpoint in memory: config text, and a safetensors file of zeros made from "name dims…" lines ---- */

typedef struct memory_file {
    char *data;
    size_t size;
} memory_file;

static memory_file make_file(const char *const *weights) {
    char *header = calloc(1, 1 << 16);
    size_t n = 0, at = 0;
    assert_non_null(header);
    header[n++] = '{';
    for (int i = 0; weights[i]; i++) {
        char name[128];
        long d0 = 0, d1 = 0;
        int rank = sscanf(weights[i], "%127s %ld %ld", name, &d0, &d1) - 1;
        size_t bytes = 4 * (size_t)d0 * (size_t)(rank == 2 ? d1 : 1);
        n += (size_t)sprintf(header + n, "%s\"%s\":{\"dtype\":\"F32\",\"shape\":[%ld", i ? "," : "", name, d0);
        if (rank == 2) n += (size_t)sprintf(header + n, ",%ld", d1);
        n += (size_t)sprintf(header + n, "],\"data_offsets\":[%zu,%zu]}", at, at + bytes);
        at += bytes;
    }
    header[n++] = '}';
    while (n % 8) header[n++] = ' ';
    memory_file f = {.size = 8 + n + at};
    assert_int_equal(posix_memalign((void **)&f.data, 64, f.size), 0);
    memset(f.data, 0, f.size);
    for (int i = 0; i < 8; i++) f.data[i] = (char)(n >> 8 * i);
    memcpy(f.data + 8, header, n);
    free(header);
    return f;
}

/* A DistilBERT without layers. */
static const char *const tiny[] = {"distilbert.embeddings.word_embeddings.weight 5 4",
                                   "distilbert.embeddings.position_embeddings.weight 3 4",
                                   "distilbert.embeddings.LayerNorm.gamma 4", /* names of 2019 */
                                   "distilbert.embeddings.LayerNorm.beta 4",
                                   "pre_classifier.weight 4 4",
                                   "pre_classifier.bias 4",
                                   "classifier.weight 2 4",
                                   "classifier.bias 2",
                                   NULL};
#define TINY(more)                                                                                                     \
    "{\"model_type\": \"distilbert\", \"architectures\": [\"DistilBertForSequenceClassification\"], \"dim\": 4, "      \
    "\"n_heads\": 2, \"n_layers\": 0, \"vocab_size\": 5, \"max_position_embeddings\": 3" more "}"

static hst_status build_from(const char *config, const char *const *weights, const hst_allocator *a, hst_error *err) {
    memory_file f = make_file(weights);
    checkpoint *c = NULL;
    model *m = NULL;
    memset(err, 0, sizeof *err);
    hst_status s = checkpoint_open_memory(config, strlen(config), f.data, f.size, a, &c, err);
    if (s == HST_STATUS_OK) s = arch_build(c, a, &m, err);
    if (s != HST_STATUS_OK) assert_null(m);
    model_free(m);
    checkpoint_free(c);
    free(f.data);
    return s;
}

static void accepted(const char *config) {
    hst_error err;
    if (build_from(config, tiny, NULL, &err) != HST_STATUS_OK) fail_msg("%s", err.message);
}

static void refused(const char *config, hst_status status, const char *why) {
    hst_error err;
    hst_status s = build_from(config, tiny, NULL, &err);
    if (s != status || !strstr(err.message, why)) {
        fail_msg("%s: expected %d '%s', got %d '%s'", config, status, why, s, err.message);
    }
}

static void configs(void **state) {
    (void)state;
    accepted(TINY(""));
    accepted(TINY(", \"activation\": \"mish\"")); /* without layers nothing asks for it */
    accepted(
        "{\"architectures\": [\"DistilBertForSequenceClassification\"], \"hidden_size\": 4, \"num_attention_heads\": "
        "2, \"num_hidden_layers\": 0, \"vocab_size\": 5, \"max_position_embeddings\": 3}"); /* no model_type; aliases */
    refused("{}", HST_STATUS_UNSUPPORTED, "'model_type' is missing");
    refused("{\"model_type\": \"gpt9\"}", HST_STATUS_UNSUPPORTED,
            "'gpt9' is not built; checkpoints of these model types");
    refused("{\"model_type\": 3}", HST_STATUS_BAD_FORMAT, "'model_type' is an integer");
    refused("{\"model_type\": \"bert\", \"architectures\": [\"BertForFun\"]}", HST_STATUS_UNSUPPORTED,
            "'BertForFun' of model type 'bert' is not built; there are BertModel");
    refused(TINY(", \"dim\": \"x\""), HST_STATUS_BAD_FORMAT, "duplicate");
    refused(TINY(", \"hidden_dim\": 0"), HST_STATUS_BAD_FORMAT, "'hidden_dim' is 0; expected an integer from 1");
    refused(TINY(", \"hidden_dim\": \"x\""), HST_STATUS_BAD_FORMAT, "'hidden_dim' is a string");
    refused(TINY(", \"pruned_heads\": {\"0\": [1]}"), HST_STATUS_UNSUPPORTED, "pruned");
    refused(
        TINY(", \"num_labels\": 3"), HST_STATUS_BAD_FORMAT,
        "2 weights have another shape: 'classifier.weight' is [2,4], the config says [3,4], 'classifier.bias' is [2]");
    refused("{\"model_type\": \"distilbert\", \"dim\": 4, \"n_heads\": 3}", HST_STATUS_BAD_FORMAT, "no multiple");
    refused("{\"model_type\": \"distilbert\", \"n_layers\": 1000000}", HST_STATUS_BAD_FORMAT, "'n_layers' is 1000000");
    refused("{\"model_type\": \"bert\", \"is_decoder\": true}", HST_STATUS_UNSUPPORTED, "is_decoder");
    refused("{\"model_type\": \"bert\", \"position_embedding_type\": \"rotary\"}", HST_STATUS_UNSUPPORTED, "'rotary'");
    refused("{\"model_type\": \"distilbert\", \"dim\": 4, \"n_heads\": 2, \"n_layers\": 1, \"activation\": \"mish\"}",
            HST_STATUS_UNSUPPORTED, "the activation 'mish' is unknown; there are gelu");
    refused("{\"model_type\": \"distilbert\", \"dim\": 4, \"n_heads\": 2, \"n_layers\": 1, \"hidden_dim\": 8, "
            "\"vocab_size\": "
            "5, \"max_position_embeddings\": 3}",
            HST_STATUS_BAD_FORMAT,
            "16 weights are missing: 'distilbert.transformer.layer.0.attention.q_lin.weight' [4,4], "
            "'distilbert.transformer.layer.0.attention.q_lin.bias' [4]");
}

static void another_class(void **state) {
    (void)state;
    static const char *const names[] = {"BertForTokenClassification", "ForTokenClassification", "BertModel", "Model"};
    checkpoint *c = NULL;
    hst_error err = {0};
    assert_int_equal(checkpoint_open(DATA "bert_sequence_classification", NULL, &c, &err), HST_STATUS_OK);
    for (int i = 0; i < 4; i++) {
        model *m = NULL;
        if (arch_build_as(c, names[i], NULL, &m, &err) != HST_STATUS_OK) fail_msg("%s", err.message);
        assert_string_equal(m->main->outputs[0]->name, i < 2 ? "logits" : "last_hidden_state");
        assert_int_equal(m->main->outputs[0]->type.rank, 3);
        assert_int_equal(m->main->n_outputs, i < 2 ? 1 : 2);
        model_free(m);
    }
    model *m = NULL;
    assert_int_equal(arch_build_as(c, "DistilBertModel", NULL, &m, &err), HST_STATUS_UNSUPPORTED);
    assert_int_equal(arch_build_as(c, "ForMaskedLM", NULL, &m, &err), HST_STATUS_BAD_FORMAT);
    assert_non_null(strstr(err.message, "'cls.predictions.bias' [40]"));
    assert_null(m);
    checkpoint_free(c);
}

static void count_messages(void *user, hst_log_level level, const char *message) {
    (void)level;
    if (strstr(message, "not use")) ++*(int *)user;
}

static void unused_weights_are_told(void **state) {
    (void)state;
    int count = 0;
    log_set(count_messages, &count, LOG_DEBUG);
    accepted("{\"model_type\": \"distilbert\", \"dim\": 4, \"n_heads\": 2, \"n_layers\": 0, \"vocab_size\": 5, "
             "\"max_position_embeddings\": 3}"); /* the bare model: four weights of the head are left over */
    log_set(NULL, NULL, LOG_ERROR);
    assert_int_equal(count, 5);
}

static int left, live;
static void *few(void *user, size_t size, size_t align) {
    (void)user;
    if (left-- <= 0) return NULL;
    live++;
    return memory_alloc(NULL, size, align);
}
static void few_free(void *user, void *memory, size_t size) {
    (void)user;
    live--;
    memory_free(NULL, memory, size);
}

static void without_memory(void **state) {
    (void)state;
    hst_allocator a = {NULL, few, few_free};
    for (int n = 0;; n++) {
        hst_error err;
        left = n;
        live = 0;
        hst_status s = build_from(TINY(""), tiny, &a, &err);
        assert_int_equal(live, 0);
        if (s == HST_STATUS_OK) break;
        assert_int_equal(s, HST_STATUS_NO_MEMORY);
    }
    for (int n = 0;; n++) {
        checkpoint *c = NULL;
        model *m = NULL;
        hst_error err = {0};
        left = n;
        live = 0;
        hst_status s = checkpoint_open(DATA "bert_pretraining_shards", &a, &c, &err);
        if (s == HST_STATUS_OK) s = arch_build(c, &a, &m, &err);
        checkpoint_free(c);
        model_free(m);
        assert_int_equal(live, 0);
        if (s == HST_STATUS_OK) break;
        assert_int_equal(s, HST_STATUS_NO_MEMORY);
    }
}

static void the_list(void **state) {
    (void)state;
    assert_true(arch_list_count >= 2);
    for (int i = 0; i < arch_list_count; i++) {
        assert_non_null(arch_list[i]->model_type);
        assert_non_null(arch_list[i]->architectures[0]);
        assert_non_null(arch_list[i]->summary);
        assert_non_null(arch_list[i]->build);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_list),      cmocka_unit_test(graph_is_as_promised),    cmocka_unit_test(configs),
        cmocka_unit_test(another_class), cmocka_unit_test(unused_weights_are_told), cmocka_unit_test(without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
