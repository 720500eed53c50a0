/* Zip archives: any bytes; every entry of an accepted one is unpacked. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/zip.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    zip_archive *z = NULL;
    hst_error err;
    if (zip_open("fuzz.zip", data, size, NULL, &z, &err) != HST_STATUS_OK) return 0;
    for (size_t i = 0; i < zip_count(z); i++) {
        const zip_entry *e = zip_at(z, i);
        void *to = e->size < (size_t)64 << 20 ? malloc(e->size + 1) : NULL;
        if (to) (void)zip_unpack(z, e, to, &err);
        free(to);
        if (zip_find(z, e->name) != e) abort();
    }
    zip_free(z);
    return 0;
}
