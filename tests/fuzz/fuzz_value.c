/* Any bytes as an ONNX value: the first says which message; what reads is written and must read again as the same. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hasten.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fail(const char *what, const hst_error *err) {
    fprintf(stderr, "%s: %s\n", what, err->message);
    abort();
}

static bool same(const hst_tensor *a, const hst_tensor *b) {
    int64_t n = hst_tensor_count(a);
    if (hst_tensor_dtype(a) != hst_tensor_dtype(b) || n != hst_tensor_count(b)) return false;
    if (hst_tensor_dtype(a) >= HST_DTYPE_SEQUENCE) {
        for (size_t i = 0; i < (size_t)n; i++)
            if (!same(hst_tensor_item(a, i), hst_tensor_item(b, i))) return false;
        return true;
    }
    if (hst_tensor_dtype(a) != HST_DTYPE_STRING)
        return memcmp(hst_tensor_view(a), hst_tensor_view(b), hst_tensor_bytes(a)) == 0;
    const hst_string *x = hst_tensor_view(a), *y = hst_tensor_view(b);
    for (int64_t i = 0; i < n; i++)
        if (x[i].size != y[i].size || (x[i].size && memcmp(x[i].data, y[i].data, x[i].size) != 0)) return false;
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const hst_dtype kinds[] = {HST_DTYPE_NONE, HST_DTYPE_SEQUENCE, HST_DTYPE_OPTIONAL, HST_DTYPE_MAP};
    hst_error err = {0};
    hst_tensor *t = NULL, *again = NULL;
    char *name = NULL, *out = NULL;
    size_t out_size = 0;
    if (!size) return 0;
    hst_dtype as = kinds[data[0] % 4];
    if (hst_tensor_read_onnx_memory(data + 1, size - 1, as, NULL, &t, &name, &err) != HST_STATUS_OK) {
        if (t || name) fail("something was made of what failed", &err);
        return 0;
    }
    if (hst_tensor_write_onnx_memory(t, as, name, &out, &out_size, &err) != HST_STATUS_OK) fail("writing", &err);
    if (hst_tensor_read_onnx_memory(out, out_size, as, NULL, &again, NULL, &err) != HST_STATUS_OK)
        fail("reading", &err);
    if (!same(t, again)) fail("what was read again differs", &err);
    hst_tensor_free(t);
    hst_tensor_free(again);
    hst_text_free(name);
    hst_text_free(out);
    return 0;
}
