/* Compiled models: the same bits as their sources for every architecture and export there is, tasks and tokenizers from
 * the one file, refusals, damage, processes that share it. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "api/api.h"
#include "base/checksum.h"
#include "base/file.h"
#include "base/section_format.h"
#include "counting.h"
#include "hasten.h"
#include "text/tiny.h"

#define EXPORTS   HASTEN_SOURCE_DIR "/tests/onnx/data/exports"
#define ARCHS     HASTEN_SOURCE_DIR "/tests/arch/data"
#define SENTIMENT HASTEN_SOURCE_DIR "/models/sentiment"

static char folder[64];

static int make_folder(void **state) {
    (void)state;
    strcpy(folder, "/tmp/hasten_engine_XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state) {
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

static void path_of(char to[128], const char *name) {
    snprintf(to, 128, "%s/%s", folder, name);
}

static hst_model *load(const char *path, hst_error *err) {
    hst_model *m = NULL;
    return hst_model_load(path, NULL, &m, err) == HST_STATUS_OK ? m : NULL;
}

static void compile(const char *source, const char *to, const hst_compile_options *o) {
    hst_error err = {0};
    hst_model *m = load(source, &err);
    if (!m || hst_model_compile(m, to, o, &err) != HST_STATUS_OK) fail_msg("%s: %s", source, err.message);
    hst_model_free(m);
}

/* ---- the same bits ---- */

enum { BATCH = 2, LENGTH = 7 };

/* Something that the input may be: small ids, a mask with padding in the second row. NULL where nothing can be. */
static hst_tensor *made_up(const hst_value_info *v) {
    int64_t dims[HST_RANK_MAX], count = 1;
    hst_tensor *wide, *t = NULL;
    for (int k = 0; k < v->rank; k++) {
        dims[k] = v->dims[k] >= 0 ? v->dims[k] : k ? LENGTH : BATCH;
        if (dims[k] > 1000 || (count *= dims[k]) > 100000) return NULL;
    }
    if (v->rank < 0 || hst_tensor_new(HST_DTYPE_S64, v->rank, dims, NULL, &wide, NULL) != HST_STATUS_OK) return NULL;
    int64_t *x = hst_tensor_data(wide);
    for (int64_t i = 0; i < hst_tensor_count(wide); i++)
        x[i] = strstr(v->name, "mask") ? i < LENGTH + 4 : strstr(v->name, "type") ? i % 2 : 3 + i * 5 % 17;
    if (hst_tensor_convert(wide, v->dtype, &t, NULL) != HST_STATUS_OK) t = NULL;
    hst_tensor_free(wide);
    return t;
}

static hst_status run(hst_model *m, hst_tensor **out) {
    hst_session *s;
    hst_tensor *in[8] = {0};
    const size_t n = hst_model_input_count(m), outputs = hst_model_output_count(m);
    hst_error err = {0};
    bool complete = n <= 8 && outputs <= 16;
    if (!complete || hst_session_new(m, NULL, &s, &err) != HST_STATUS_OK) return HST_STATUS_INVALID_ARGUMENT;
    for (size_t i = 0; i < n; i++) complete &= (in[i] = made_up(hst_model_input(m, i))) != NULL;
    for (size_t i = 0; i < outputs; i++) out[i] = NULL;
    hst_status status = complete
                            ? hst_session_run(s, n, NULL, (const hst_tensor *const *)in, outputs, NULL, out, NULL, &err)
                            : HST_STATUS_INVALID_ARGUMENT;
    for (size_t i = 0; i < n; i++) hst_tensor_free(in[i]);
    hst_session_free(s);
    return status;
}

static void compare(const char *name, hst_model *a, hst_model *b) {
    hst_tensor *x[16], *y[16];
    assert_int_equal(hst_model_input_count(a), hst_model_input_count(b));
    assert_int_equal(hst_model_output_count(a), hst_model_output_count(b));
    for (size_t i = 0; i < hst_model_output_count(a); i++)
        assert_string_equal(hst_model_output(a, i)->name, hst_model_output(b, i)->name);
    hst_status first = run(a, x), second = run(b, y);
    if (first != second) fail_msg("%s: %s, compiled: %s", name, hst_status_name(first), hst_status_name(second));
    if (first != HST_STATUS_OK) fail_msg("%s does not run", name);
    for (size_t i = 0; i < hst_model_output_count(a); i++) {
        assert_int_equal(hst_tensor_bytes(x[i]), hst_tensor_bytes(y[i]));
        if (memcmp(hst_tensor_view(x[i]), hst_tensor_view(y[i]), hst_tensor_bytes(x[i])) != 0)
            fail_msg("%s: output %zu has other bits when compiled", name, i);
        hst_tensor_free(x[i]);
        hst_tensor_free(y[i]);
    }
}

static void compare_source(const char *source) {
    char path[128];
    hst_error err = {0};
    path_of(path, "same.hst");
    hst_model *m = load(source, &err);
    if (!m) fail_msg("%s: %s", source, err.message);
    if (hst_model_compile(m, path, NULL, &err) != HST_STATUS_OK) fail_msg("%s: %s", source, err.message);
    hst_model *compiled = load(path, &err);
    if (!compiled) fail_msg("%s: %s", source, err.message);
    compare(source, m, compiled);
    hst_model_free(compiled);
    hst_model_free(m);
    if (hst_engine_verify(path, &err) != HST_STATUS_OK) fail_msg("%s: %s", source, err.message);
}

/* All entries of a folder that end so. */
static int compare_folder(const char *in, const char *ending) {
    char path[512];
    int n = 0;
    DIR *d = opendir(in);
    assert_non_null(d);
    for (const struct dirent *e; (e = readdir(d)) != NULL;) {
        size_t size = strlen(e->d_name);
        if (e->d_name[0] == '.' || size < strlen(ending) || strcmp(e->d_name + size - strlen(ending), ending) != 0)
            continue;
        snprintf(path, sizeof path, "%s/%s", in, e->d_name);
        compare_source(path);
        n++;
    }
    closedir(d);
    return n;
}

static void compiled_exports_have_the_same_bits(void **state) {
    (void)state;
    assert_true(compare_folder(EXPORTS, ".onnx") >= 30);
}

static void compiled_checkpoints_have_the_same_bits(void **state) {
    (void)state;
    assert_true(compare_folder(ARCHS, "") >= 15);
}

/* ---- the embedded model: tasks, tokenizer, labels ---- */

static const char *const texts[] = {"I love it", "Two hours of my life that I will never get back.", "",
                                    "Unaffable naïve café 北京 [MASK] x\xff y"};

static hst_string string(const char *s) {
    return (hst_string){s, strlen(s)};
}

static void compare_tokenizers(const hst_tokenizer *a, const hst_tokenizer *b) {
    hst_encoding *x, *y;
    assert_int_equal(hst_encoding_new(NULL, &x, NULL), HST_STATUS_OK);
    assert_int_equal(hst_encoding_new(NULL, &y, NULL), HST_STATUS_OK);
    assert_int_equal(hst_tokenizer_vocab_size(a), hst_tokenizer_vocab_size(b));
    assert_int_equal(hst_tokenizer_id_limit(a), hst_tokenizer_id_limit(b));
    assert_int_equal(hst_tokenizer_max_length(a), hst_tokenizer_max_length(b));
    for (int32_t id = -1; id <= hst_tokenizer_id_limit(a); id++) {
        const char *s = hst_tokenizer_token(a, id), *t = hst_tokenizer_token(b, id);
        assert_true(!s == !t);
        if (!s) continue;
        assert_string_equal(s, t);
        assert_int_equal(hst_tokenizer_id(a, s), hst_tokenizer_id(b, s));
    }
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        const hst_string pair = string(texts[(i + 1) % 4]);
        assert_int_equal(hst_tokenizer_encode(a, string(texts[i]), i % 2 ? &pair : NULL, NULL, x, NULL), HST_STATUS_OK);
        assert_int_equal(hst_tokenizer_encode(b, string(texts[i]), i % 2 ? &pair : NULL, NULL, y, NULL), HST_STATUS_OK);
        const size_t n = hst_encoding_count(x);
        assert_int_equal(n, hst_encoding_count(y));
        assert_memory_equal(hst_encoding_ids(x), hst_encoding_ids(y), n * sizeof(int32_t));
        assert_memory_equal(hst_encoding_type_ids(x), hst_encoding_type_ids(y), n * sizeof(int32_t));
        assert_memory_equal(hst_encoding_special_mask(x), hst_encoding_special_mask(y), n);
        assert_memory_equal(hst_encoding_offsets(x), hst_encoding_offsets(y), n * sizeof(hst_span));
        char *s, *t;
        assert_int_equal(hst_tokenizer_decode(a, hst_encoding_ids(x), n, true, &s, NULL, NULL), HST_STATUS_OK);
        assert_int_equal(hst_tokenizer_decode(b, hst_encoding_ids(x), n, true, &t, NULL, NULL), HST_STATUS_OK);
        assert_string_equal(s, t);
        hst_text_free(s);
        hst_text_free(t);
    }
    hst_encoding_free(x);
    hst_encoding_free(y);
}

static hst_task *open_task(const char *path, const char *name) {
    hst_task *t = NULL;
    hst_error err = {0};
    if (hst_task_open(path, name, NULL, &t, &err) != HST_STATUS_OK) fail_msg("%s: %s", path, err.message);
    return t;
}

static void compare_tasks(hst_task *a, hst_task *b) {
    hst_string in[4];
    hst_result *x, *y;
    hst_error err = {0};
    for (int i = 0; i < 4; i++) in[i] = string(texts[i]);
    assert_string_equal(hst_task_name(a), hst_task_name(b));
    compare_tokenizers(hst_task_tokenizer(a), hst_task_tokenizer(b));
    assert_int_equal(hst_task_run_texts(a, 4, in, NULL, NULL, &x, &err), HST_STATUS_OK);
    assert_int_equal(hst_task_run_texts(b, 4, in, NULL, NULL, &y, &err), HST_STATUS_OK);
    for (size_t i = 0; i < 4; i++) {
        char *s, *t;
        assert_int_equal(hst_result_json(x, i, &s, NULL), HST_STATUS_OK);
        assert_int_equal(hst_result_json(y, i, &t, NULL), HST_STATUS_OK);
        assert_string_equal(s, t);
        hst_text_free(s);
        hst_text_free(t);
    }
    hst_result_free(x);
    hst_result_free(y);
}

static void a_compiled_task_gives_the_same_answers(void **state) {
    (void)state;
    char path[128];
    path_of(path, "sentiment.hst");
    compile(SENTIMENT, path, NULL);
    hst_task *a = open_task(SENTIMENT, NULL), *b = open_task(path, NULL);
    compare_tasks(a, b);
    assert_string_equal(hst_model_label(hst_task_model(b), 0), "NEGATIVE");
    assert_string_equal(hst_model_config_json(hst_task_model(b)), hst_model_config_json(hst_task_model(a)));
    hst_task_free(a);
    hst_task_free(b);
    /* An engine is what it was compiled as. */
    hst_error err = {0};
    assert_int_equal(hst_task_open(path, "sentence-embedding", NULL, &b, &err), HST_STATUS_UNSUPPORTED);
}

/* The files that a task reads, and which task it is, travel along. */
static void an_embedding_model_is_one_when_compiled(void **state) {
    (void)state;
    char model[128], command[1024], path[128];
    path_of(model, "embedder");
    path_of(path, "embedder.hst");
    snprintf(command, sizeof command,
             "mkdir -p %s/1_Pooling && cp %s/* %s/ && echo '[{\"type\": \"a.Transformer\", \"path\": \"\"}, {\"type\": "
             "\"a.Pooling\", \"path\": \"1_Pooling\"}, {\"type\": \"a.Normalize\", \"path\": \"2_Normalize\"}]' > "
             "%s/modules.json && echo '{\"pooling_mode_max_tokens\": true, \"pooling_mode_cls_token\": true}' > "
             "%s/1_Pooling/config.json && echo '{\"max_seq_length\": 8}' > %s/sentence_bert_config.json",
             model, SENTIMENT, model, model, model, model);
    assert_int_equal(system(command), 0);
    hst_task *a = open_task(model, NULL);
    assert_string_equal(hst_task_name(a), "sentence-embedding");
    hst_error err = {0};
    if (hst_model_compile(hst_task_model(a), path, NULL, &err) != HST_STATUS_OK) fail_msg("%s", err.message);
    hst_task *b = open_task(path, NULL);
    compare_tasks(a, b);
    hst_task_free(b);
    hst_compile_options o = HST_INIT(hst_compile_options);
    o.task = "feature-extraction";
    assert_int_equal(hst_model_compile(hst_task_model(a), path, &o, &err), HST_STATUS_OK);
    b = open_task(path, NULL);
    assert_string_equal(hst_task_name(b), "feature-extraction");
    hst_task_free(b);
    hst_task_free(a);
}

static void write_file(const char *path, const char *text) {
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

/* A tiny model with a tiny tokenizer: small enough to be damaged byte by byte. */
static void make_tiny(char to[128], bool vocab_txt) {
    char model[128], file[160];
    hst_compile_options o = HST_INIT(hst_compile_options);
    path_of(model, vocab_txt ? "tiny_txt" : "tiny_json");
    path_of(to, vocab_txt ? "tiny_txt.hst" : "tiny_json.hst");
    snprintf(file, sizeof file, "mkdir -p %s", model);
    assert_int_equal(system(file), 0);
    snprintf(file, sizeof file, "%s/%s", model, vocab_txt ? "vocab.txt" : "tokenizer.json");
    write_file(file, vocab_txt ? "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nlove\nit\ni\n##s\nfilm\n" : TINY);
    snprintf(file, sizeof file, "%s/tokenizer_config.json", model);
    write_file(file, TINY_CONFIG);
    if (vocab_txt) {
        snprintf(file, sizeof file, "%s/added_tokens.json", model);
        write_file(file, "{\"<new>\": 10, \"Other\": 11}");
    }
    o.folder = model;
    compile(ARCHS "/distilbert_model", to, &o);
    hst_tokenizer *a, *b;
    hst_error err = {0};
    if (hst_tokenizer_load(model, NULL, &a, &err) != HST_STATUS_OK) fail_msg("%s", err.message);
    if (hst_tokenizer_load(to, NULL, &b, &err) != HST_STATUS_OK) fail_msg("%s", err.message);
    compare_tokenizers(a, b);
    hst_tokenizer_free(a);
    hst_tokenizer_free(b);
}

static void tokenizers_of_both_kinds_travel_along(void **state) {
    (void)state;
    char path[128];
    make_tiny(path, false);
    make_tiny(path, true);
    hst_tokenizer *t;
    hst_error err = {0};
    path_of(path, "same.hst"); /* of a model without one */
    compile(EXPORTS "/bert_seqcls_ts17_sdpa.onnx", path, NULL);
    assert_int_equal(hst_tokenizer_load(path, NULL, &t, &err), HST_STATUS_NOT_FOUND);
    assert_non_null(strstr(err.message, "holds no tokenizer"));
}

/* ---- loading ---- */

static void an_engine_is_loaded_from_memory_too(void **state) {
    (void)state;
    char path[128], *bytes;
    size_t size;
    hst_error err = {0};
    make_tiny(path, false);
    hst_model *a = load(path, &err), *b;
    assert_int_equal(file_read(path, 1 << 24, &bytes, &size, NULL), HST_STATUS_OK);
    assert_int_equal(hst_model_load_memory(bytes, size, NULL, &b, &err), HST_STATUS_OK);
    compare("memory", a, b);
    hst_model_free(b);
    free(bytes);
    hst_model_options o = HST_INIT(hst_model_options);
    o.flags = HST_MAP_COPY;
    assert_int_equal(hst_model_load(path, &o, &b, &err), HST_STATUS_OK);
    compare("copied", a, b);
    assert_int_equal(truncate(path, 1000), 0); /* the mapped one notices, the copy does not care */
    hst_session *s;
    assert_int_equal(hst_session_new(a, NULL, &s, &err), HST_STATUS_IO);
    assert_int_equal(hst_session_new(b, NULL, &s, &err), HST_STATUS_OK);
    hst_session_free(s);
    hst_model_free(a);
    hst_model_free(b);
}

static void what_cannot_be_compiled_is_refused(void **state) {
    (void)state;
    char path[128], again[128];
    hst_error err = {0};
    hst_model *m;
    make_tiny(path, false);
    path_of(again, "again.hst");
    m = load(path, &err);
    assert_int_equal(hst_model_compile(m, again, NULL, &err), HST_STATUS_INVALID_ARGUMENT);
    hst_model_free(m);
    hst_model_options o = HST_INIT(hst_model_options);
    o.flags = HST_MODEL_GRAPH_ONLY;
    assert_int_equal(hst_model_load(ARCHS "/bert_model", &o, &m, &err), HST_STATUS_OK);
    assert_int_equal(hst_model_compile(m, again, NULL, &err), HST_STATUS_INVALID_ARGUMENT);
    hst_model_free(m);
    m = load(ARCHS "/bert_model", &err);
    assert_int_equal(hst_model_compile(m, "/nowhere/at/all.hst", NULL, &err), HST_STATUS_IO);
    assert_int_equal(hst_model_compile(m, "", NULL, &err), HST_STATUS_INVALID_ARGUMENT);
    assert_int_equal(hst_model_compile(NULL, again, NULL, &err), HST_STATUS_INVALID_ARGUMENT);
    hst_model_free(m);
    assert_false(file_exists(again));
}

/* Writes the engine anew with another text in its section "engine". */
static void tamper(const char *path, const char *to, const char *about) {
    section_file *f;
    section_source all[64];
    section_piece pieces[64];
    hst_error err = {0};
    assert_int_equal(section_file_open(path, false, NULL, &f, &err), HST_STATUS_OK);
    const size_t n = section_file_count(f);
    assert_true(n < 64);
    for (size_t i = 0; i < n; i++) {
        const section s = section_file_at(f, i);
        const bool this = strcmp(s.name, "engine") == 0;
        pieces[i] = (section_piece){this ? (const void *)about : s.data, this ? strlen(about) : s.size, 0};
        all[i] = (section_source){s.name, &pieces[i], 1, pieces[i].size, s.bulk};
    }
    assert_int_equal(section_file_write(to, all, n, &err), HST_STATUS_OK);
    section_file_free(f);
}

static void another_cpu_or_version_is_refused_with_advice(void **state) {
    (void)state;
    static const struct {
        const char *about, *says;
        hst_status status;
    } cases[] = {
        {"{\"engine\": 2, \"hasten\": \"0.0.1\", \"cpu\": \"avx2\"}", "compile it again", HST_STATUS_UNSUPPORTED},
        {"{\"engine\": 99, \"hasten\": \"%s\", \"cpu\": \"avx2\"}", "version 99", HST_STATUS_UNSUPPORTED},
        {"{\"engine\": 2, \"hasten\": \"%s\", \"cpu\": \"z80\"}", "CPU level z80", HST_STATUS_UNSUPPORTED},
        {"{}", "compile it again", HST_STATUS_UNSUPPORTED},
        {"[]", "no object", HST_STATUS_BAD_FORMAT},
        {"{\"engine\": \"x\"}", "engine", HST_STATUS_BAD_FORMAT},
        {"", "engine", HST_STATUS_BAD_FORMAT},
    };
    char path[128], other[128], about[128];
    make_tiny(path, false);
    path_of(other, "other.hst");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        hst_error err = {0};
        snprintf(about, sizeof about, cases[i].about, hst_version());
        tamper(path, other, about);
        assert_null(load(other, &err));
        if (err.code != cases[i].status || !strstr(err.message, cases[i].says)) fail_msg("%zu: %s", i, err.message);
    }
    /* To look at it, the CPU does not matter. */
    hst_model_options o = HST_INIT(hst_model_options);
    hst_model *m;
    o.flags = HST_MODEL_GRAPH_ONLY;
    snprintf(about, sizeof about, cases[2].about, hst_version());
    tamper(path, other, about);
    assert_int_equal(hst_model_load(other, &o, &m, NULL), HST_STATUS_OK);
    hst_model_free(m);
}

/* ---- damage ---- */

/* Whatever the bytes are, nothing but a status comes of it. */
static void try_everything(const char *path) {
    hst_error err = {0};
    hst_tensor *out[16];
    hst_model *m = load(path, &err);
    if (m && run(m, out) == HST_STATUS_OK)
        for (size_t i = 0; i < hst_model_output_count(m); i++) hst_tensor_free(out[i]);
    hst_model_free(m);
    hst_tokenizer *t;
    if (hst_tokenizer_load(path, NULL, &t, &err) == HST_STATUS_OK) hst_tokenizer_free(t);
}

static void write_bytes(const char *path, const char *bytes, size_t size) {
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, size, f), size);
    fclose(f);
}

static void a_cut_engine_is_refused(void **state) {
    (void)state;
    char path[128], cut[128], *bytes;
    size_t size;
    make_tiny(path, false);
    path_of(cut, "cut.hst");
    assert_int_equal(file_read(path, 1 << 24, &bytes, &size, NULL), HST_STATUS_OK);
    for (size_t n = 0; n < size; n += n < 4096 ? 61 : 997) {
        hst_error err = {0};
        write_bytes(cut, bytes, n);
        assert_null(load(cut, &err));
        try_everything(cut);
    }
    free(bytes);
}

/* Makes all checksums of an image right. */
static void reseal(unsigned char *image) {
    section_head head;
    memcpy(&head, image, sizeof head);
    section_entry *table = (section_entry *)(void *)(image + sizeof head);
    for (uint32_t i = 0; i < head.count; i++)
        table[i].checksum = checksum_of(image + table[i].offset, (size_t)table[i].size);
    head.checksum = 0;
    checksum c;
    checksum_begin(&c);
    checksum_add(&c, &head, sizeof head);
    checksum_add(&c, table, head.count * sizeof *table);
    head.checksum = checksum_end(&c);
    memcpy(image, &head, sizeof head);
}

/* Sections with a changed byte but right checksums: what a forger, not an accident, would make. */
static void forged_sections_do_no_harm(void **state) {
    (void)state;
    char path[128], other[128], *bytes;
    size_t size;
    make_tiny(path, false);
    path_of(other, "forged.hst");
    assert_int_equal(file_read(path, 1 << 24, &bytes, &size, NULL), HST_STATUS_OK);
    unsigned char *image = (unsigned char *)bytes;
    section_head head;
    memcpy(&head, image, sizeof head);
    const section_entry *table = (const section_entry *)(const void *)(image + sizeof head);
    for (uint32_t k = 0; k < head.count; k++) {
        const size_t step = table[k].size > 2000 ? (size_t)table[k].size / 1000 : 1;
        for (size_t i = 0; i < table[k].size; i += step) {
            const unsigned char bit = (unsigned char)(1 << i % 8);
            image[table[k].offset + i] ^= bit;
            reseal(image);
            write_bytes(other, bytes, size);
            try_everything(other);
            image[table[k].offset + i] ^= bit;
        }
    }
    for (size_t i = 0; i < head.count * sizeof *table; i++) { /* the table itself */
        unsigned char *at = image + sizeof head + i;
        section_entry before[64];
        memcpy(before, table, head.count * sizeof *table);
        *at ^= 0x10;
        bool inside = true;
        for (uint32_t k = 0; k < head.count; k++)
            inside &= table[k].offset <= size && table[k].size <= size - table[k].offset;
        if (inside) reseal(image);
        write_bytes(other, bytes, size);
        try_everything(other);
        memcpy(image + sizeof head, before, head.count * sizeof *table);
    }
    free(bytes);
}

static void loading_survives_every_failed_allocation(void **state) {
    (void)state;
    char path[128];
    make_tiny(path, false);
    long n = 1;
    for (bool worked = false; !worked; n++) {
        counting c = {.fail_at = n};
        const hst_allocator a = counting_allocator(&c);
        hst_model_options o = HST_INIT(hst_model_options);
        hst_model *m;
        hst_error err = {0};
        o.allocator = &a;
        worked = hst_model_load(path, &o, &m, &err) == HST_STATUS_OK;
        if (worked)
            hst_model_free(m);
        else
            assert_int_equal(err.code, HST_STATUS_NO_MEMORY);
        assert_int_equal(c.alive, 0);
        assert_true(n < 100000);
    }
    assert_true(n > 5);
}

/* ---- processes ---- */

static void processes_share_an_engine(void **state) {
    (void)state;
    char path[128];
    hst_error err = {0};
    pid_t children[4];
    make_tiny(path, false);
    for (int i = 0; i < 4; i++) {
        children[i] = fork();
        assert_true(children[i] >= 0);
        if (children[i] > 0) continue;
        hst_threads_set(1 + i % 2);
        for (int k = 0; k < 5; k++) {
            hst_tensor *out[16];
            hst_model *m = load(path, &err);
            if (!m || run(m, out) != HST_STATUS_OK) _exit(1);
            for (size_t j = 0; j < hst_model_output_count(m); j++) hst_tensor_free(out[j]);
            hst_model_free(m);
        }
        _exit(0);
    }
    compile(ARCHS "/distilbert_model", path, NULL); /* replaced by rename: whoever has it open keeps the old one */
    for (int i = 0; i < 4; i++) {
        int status;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
}

#if !defined(HASTEN_SANITIZE_ADDRESS) && !defined(HASTEN_SANITIZE_THREAD) /* they keep a memory of their own */
#define MEMORY_IS_OURS
/* Kilobytes that this process held at most. */
static long peak_memory(void) {
    char line[128];
    long kb = 0;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "VmHWM: %ld", &kb) == 1) break;
    if (f) fclose(f);
    return kb;
}

/* The weights are there once: no second copy, packed or widened, is ever made. */
static void a_run_holds_the_weights_once(void **state) {
    (void)state;
    char path[128];
    int status;
    path_of(path, "sentiment.hst");
    pid_t child = fork();
    assert_true(child >= 0);
    if (!child) { /* compiling takes more than running: another process does it */
        hst_error err = {0};
        hst_model *m = load(SENTIMENT, &err);
        _exit(!m || hst_model_compile(m, path, NULL, &err) != HST_STATUS_OK);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    if ((child = fork()) == 0) {
        hst_error err = {0};
        hst_tensor *out[16];
        section_file *f;
        section weights;
        const long before = peak_memory();
        hst_model *m = load(path, &err);
        if (!m || run(m, out) != HST_STATUS_OK) _exit(1);
        if (section_file_open(path, false, NULL, &f, NULL) != HST_STATUS_OK) _exit(2);
        if (section_file_get(f, "weights", &weights, NULL) != HST_STATUS_OK) _exit(2);
        _exit(peak_memory() - before > (long)(weights.size >> 10) + (16 << 10) ? 3 : 0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}
#endif

int main(void) {
    const struct CMUnitTest tests[] = {
#ifdef MEMORY_IS_OURS
        cmocka_unit_test(a_run_holds_the_weights_once),
#endif
        cmocka_unit_test(processes_share_an_engine), /* forks: before there are threads */
        cmocka_unit_test(compiled_exports_have_the_same_bits),
        cmocka_unit_test(compiled_checkpoints_have_the_same_bits),
        cmocka_unit_test(a_compiled_task_gives_the_same_answers),
        cmocka_unit_test(an_embedding_model_is_one_when_compiled),
        cmocka_unit_test(tokenizers_of_both_kinds_travel_along),
        cmocka_unit_test(an_engine_is_loaded_from_memory_too),
        cmocka_unit_test(what_cannot_be_compiled_is_refused),
        cmocka_unit_test(another_cpu_or_version_is_refused_with_advice),
        cmocka_unit_test(a_cut_engine_is_refused),
        cmocka_unit_test(forged_sections_do_no_harm),
        cmocka_unit_test(loading_survives_every_failed_allocation),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
