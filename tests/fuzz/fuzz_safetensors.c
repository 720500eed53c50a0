/* safetensors: any bytes as a file; what is accepted must be readable to its last byte. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "checkpoint/checkpoint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    checkpoint *c = NULL;
    hst_error err;
    if (checkpoint_open_memory("{}", 2, data, size, NULL, &c, &err) != HST_STATUS_OK) return 0;
    unsigned sum = 0;
    for (size_t i = 0; i < checkpoint_count(c); i++) {
        const hst_tensor *t = checkpoint_tensor(c, checkpoint_name(c, i));
        for (size_t k = 0; k < t->bytes; k++) sum += ((const unsigned char *)t->data)[k];
    }
    static volatile unsigned sink;
    sink = sum;
    (void)sink;
    checkpoint_free(c);
    return 0;
}
