/* Any bytes as an engine file. Lengths and checksums are made right first, so that what lies behind them is reached:
 * the graph (loaded, bound, run as sessions.h does), the tokenizer, the texts. The mutator changes bytes, or fields of
 * the graph, our own operators included. */
#include <stdlib.h>
#include <string.h>

#include "fuzz/onnx_mutate.h"
#include "fuzz/sessions.h"
#include "reseal.h"
#include "text/load.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);
/* libFuzzer's own changes of bytes; NULL where a corpus is replayed. */
__attribute__((weak)) size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);

#define MODEL_MOST ((size_t)512 << 20) /* bytes that an engine of some 10 KiB may have allocated at a time */

static void open_model(const unsigned char *image, size_t size, uint32_t flags) {
    limited memory = {.most = MODEL_MOST, .whose = "an engine"};
    const hst_allocator allocator = limited_allocator(&memory);
    hst_model_options o = HST_INIT(hst_model_options);
    hst_model *m;
    hst_error err = {0};
    char *text;
    o.flags = flags;
    o.allocator = &allocator;
    const hst_status status = hst_model_load_memory_borrow(image, size, &o, &m, &err);
    check_status("load", status, &err);
    if (status != HST_STATUS_OK) return;
    if (hst_model_describe_json(m, &text, NULL) == HST_STATUS_OK) hst_text_free(text);
    if (!flags) (void)try_session(m, hash_bytes(size, image, size), draws_numbers(image, size) ? 0 : TRY_REPEATS);
    hst_model_free(m);
    if (memory.live) die("memory of an engine is left", NULL);
}

static void open_tokenizer(const unsigned char *image, size_t size) {
    section_file *f;
    tokenizer *t;
    static const char text[] = "hello un##s caf\xc3\xa9 NEW [MASK] \xff world";
    if (section_file_borrow(image, size, "fuzz", NULL, &f, NULL) != HST_STATUS_OK) return;
    (void)section_file_verify(f, NULL);
    if (tokenizer_from_sections(f, NULL, &t, NULL) == HST_STATUS_OK) {
        encoding *e = encoding_new(NULL);
        char *back;
        const encode_options o = {.truncation = &(truncation){.max_length = TRUNCATION_NEVER},
                                  .padding = &(padding){.strategy = PADDING_NONE}};
        if (e && tokenizer_encode(t, (hst_string){text, sizeof text - 1}, NULL, &o, e, NULL) == HST_STATUS_OK &&
            tokenizer_decode(t, e->ids, e->count, false, &back, NULL, NULL) == HST_STATUS_OK)
            free(back);
        encoding_free(e);
        tokenizer_free(t);
    }
    section_file_free(f);
}

/* The level that the seeds were compiled for: engines of another one are not run. */
int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc;
    (void)argv;
    return setenv("HST_CPU", "avx2", 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    void *copy = NULL;
    if (posix_memalign(&copy, 64, size ? size : 1) != 0) return 0;
    if (size) memcpy(copy, data, size);
    unsigned char *image = copy;
    open_model(image, size, HST_MODEL_GRAPH_ONLY); /* as it is */
    reseal(image, size);
    open_model(image, size, HST_MODEL_GRAPH_ONLY);
    open_model(image, size, 0);
    open_tokenizer(image, size);
    free(copy);
    return 0;
}

/* ---- the mutator ---- */

/* The image with other bytes in its section `which`; 0: they do not fit, or the table is damaged. */
static size_t rebuild(const uint8_t *image, size_t size, uint32_t which, tree *with, uint8_t *out, size_t max_size) {
    section_head head;
    section_entry e;
    memcpy(&head, image, sizeof head);
    size_t end = sizeof head + head.count * sizeof e;
    if (end > max_size) return 0;
    memset(out, 0, end);
    for (uint32_t i = 0; i < head.count; i++) {
        memcpy(&e, image + sizeof head + i * sizeof e, sizeof e);
        const size_t at = (end + SECTION_ALIGN - 1) / SECTION_ALIGN * SECTION_ALIGN;
        const size_t bytes = i == which ? tree_size(with) : e.size;
        if (!range_inside(e.offset, e.size, size) || at > max_size || bytes > max_size - at) return 0;
        memset(out + end, 0, at - end);
        if (i == which)
            tree_write(with, out + at);
        else
            memcpy(out + at, image + e.offset, bytes);
        e.offset = at;
        e.size = bytes;
        memcpy(out + sizeof head + i * sizeof e, &e, sizeof e);
        end = at + bytes;
    }
    memcpy(out, &head, sizeof head);
    reseal(out, end);
    return end;
}

static size_t change_graph_section(uint8_t *data, size_t size, size_t max_size, unsigned seed) {
    static mutation change = {.internal = true};
    static uint8_t result[1 << 20];
    section_head head;
    section_entry e;
    if (size < sizeof head) return 0;
    memcpy(&head, data, sizeof head);
    if (head.count > (size - sizeof head) / sizeof e) return 0;
    for (uint32_t i = 0; i < head.count; i++) {
        memcpy(&e, data + sizeof head + i * sizeof e, sizeof e);
        if (strncmp(e.name, "graph", sizeof e.name) != 0 || !range_inside(e.offset, e.size, size)) continue;
        change.random = seed;
        tree_begin();
        if (!(change.model = tree_read(data + e.offset, e.size, TREE_MODEL, 0))) return 0;
        tree *twin = roll_below(&change, 12) ? NULL : tree_copy(change.model);
        if (twin) mutate_join(&change, twin);
        for (int k = 1 + roll_below(&change, 3); k-- > 0;) mutate_once(&change);
        const size_t most = max_size < sizeof result ? max_size : sizeof result;
        const size_t n = rebuild(data, size, i, change.model, result, most);
        if (n) memcpy(data, result, n);
        return n;
    }
    return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed) {
    if (LLVMFuzzerMutate && seed % 4 == 0) return LLVMFuzzerMutate(data, size, max_size);
    if (!LLVMFuzzerMutate && seed % 4 == 0) return size - size / 3; /* cut */
    const size_t n = change_graph_section(data, size, max_size, seed);
    return n ? n : size;
}
