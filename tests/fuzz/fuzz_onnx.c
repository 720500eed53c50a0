/* Any bytes as an ONNX model: read, and if it reads, checked, written, and what was written read again. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "onnx/onnx.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fail(const char *what, const hst_error *err) {
    fprintf(stderr, "%s: %s\n", what, err->message);
    abort();
}

/* External files of any content. */
static hst_status give(void *user, const char *location, size_t size, const void **data, size_t *bytes,
                       hst_error *err) {
    static const char zeros[4096];
    (void)user, (void)location, (void)err;
    *data = zeros;
    *bytes = size * 16 < sizeof zeros ? size * 16 : sizeof zeros;
    return HST_STATUS_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const onnx_read_options o = {.external = give, .dense_most = 1 << 16, .work_most = 2000};
    hst_error err = {0};
    model *m = NULL, *again = NULL;
    void *out = NULL;
    size_t out_size = 0;
    if (onnx_read_memory(data, size, "fuzz", &o, &m, &err) != HST_STATUS_OK) return 0;
    if (graph_check(m->main, &err) != HST_STATUS_OK) fail("graph_check", &err);
    hst_status status = onnx_write_memory(m, NULL, &out, &out_size, &err);
    /* Functions may bring in two versions of one domain, which one file cannot hold. */
    if (status != HST_STATUS_OK && status != HST_STATUS_UNSUPPORTED) fail("onnx_write_memory", &err);
    if (status == HST_STATUS_OK && onnx_read_memory(out, out_size, "again", &o, &again, &err) != HST_STATUS_OK)
        fail("reading what was written", &err);
    if (again && again->n_nodes != m->n_nodes) fail("number of nodes", &err);
    model_free(again);
    model_free(m);
    free(out);
    return 0;
}
