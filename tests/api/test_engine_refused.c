/* Compiled models that cannot be, are of another machine or version, damaged or forged; allocations that fail. */
#include "api/engine_files.h"

#include "base/file.h"
#include "base/section_file.h"
#include "counting.h"
#include "reseal.h"

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
    hst_compile_options bare = HST_INIT(hst_compile_options);
    for (int i = 0; i < 2; i++) { /* nowhere; with nothing in it that an engine takes along */
        bare.folder = i ? "/proc/self/fd" : "/nowhere/at/all";
        assert_int_equal(hst_model_compile(m, again, &bare, &err), HST_STATUS_NOT_FOUND);
        assert_string_equal(err.object, bare.folder);
    }
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
            reseal(image, size);
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
        reseal(image, size);
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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_cannot_be_compiled_is_refused),
        cmocka_unit_test(another_cpu_or_version_is_refused_with_advice),
        cmocka_unit_test(a_cut_engine_is_refused),
        cmocka_unit_test(forged_sections_do_no_harm),
        cmocka_unit_test(loading_survives_every_failed_allocation),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
