/* Any bytes as a tar archive, plain or gzipped: every file that is found lies inside it, and is found by its name. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tar.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    hst_error err = {0};
    tar *t = NULL;
    unsigned sum = 0;
    if (tar_open_memory(data, size, &t, &err) != HST_STATUS_OK) return 0;
    for (size_t i = 0; i < tar_count(t); i++) {
        const tar_file *f = tar_at(t, i);
        for (size_t k = 0; k < f->size; k += 97) sum += f->data[k]; /* readable */
        if (f->size) sum += f->data[f->size - 1];
        const tar_file *found = tar_find(t, f->name);
        if (!found || strcmp(found->name, f->name) != 0) abort();
    }
    tar_free(t);
    return sum == UINT32_MAX ? -1 : 0; /* the sum is used */
}
