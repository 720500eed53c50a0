/* Any bytes as an engine file. Lengths and checksums are made right first, so that what lies behind them is reached:
 * the graph (loaded, bound, run within limits), the tokenizer, the texts. */
#include <stdlib.h>
#include <string.h>

#include "hasten.h"
#include "reseal.h"
#include "text/load.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Inputs of zeros: what comes out does not matter. */
static void run(hst_model *m) {
    hst_session *s = NULL;
    hst_tensor *in[8] = {0}, *out[8] = {0};
    hst_session_options o = HST_INIT(hst_session_options);
    hst_run_options r = HST_INIT(hst_run_options);
    const size_t n = hst_model_input_count(m), outputs = hst_model_output_count(m);
    bool ok = n <= 8 && outputs <= 8;
    o.memory_budget = (uint64_t)16 << 20;
    o.threads = 1;
    r.deadline_ns = hst_clock_ns() + 50000000;
    for (size_t i = 0; i < n && ok; i++) {
        const hst_value_info *v = hst_model_input(m, i);
        int64_t dims[HST_RANK_MAX], count = 1;
        for (int k = 0; k < v->rank; k++) {
            dims[k] = v->dims[k] >= 0 ? v->dims[k] : 2;
            ok = ok && dims[k] < 1000 && (count *= dims[k]) < 100000;
        }
        ok = ok && v->rank >= 0 && hst_tensor_new(v->dtype, v->rank, dims, NULL, &in[i], NULL) == HST_STATUS_OK;
    }
    if (ok && hst_session_new(m, &o, &s, NULL) == HST_STATUS_OK &&
        hst_session_run(s, n, NULL, (const hst_tensor *const *)in, outputs, NULL, out, &r, NULL) == HST_STATUS_OK)
        for (size_t i = 0; i < outputs; i++) hst_tensor_free(out[i]);
    for (size_t i = 0; i < 8; i++) hst_tensor_free(in[i]);
    hst_session_free(s);
}

static void open_model(const unsigned char *image, size_t size, uint32_t flags) {
    hst_model_options o = HST_INIT(hst_model_options);
    hst_model *m;
    char *text;
    o.flags = flags;
    if (hst_model_load_memory_borrow(image, size, &o, &m, NULL) != HST_STATUS_OK) return;
    if (hst_model_describe_json(m, &text, NULL) == HST_STATUS_OK) hst_text_free(text);
    if (!flags) run(m);
    hst_model_free(m);
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
