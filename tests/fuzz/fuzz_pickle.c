/* The unpickler on any bytes, alone and inside torch's file format of before 1.6 (which has no checksums in the way).
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "checkpoint/checkpoint.h"
#include "checkpoint/pickle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const unsigned char head[] = "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19." /* magic number */
                                    "\x80\x02M\xe9\x03."                                        /* 1001 */
                                    "\x80\x02}X\x0d\0\0\0little_endian\x88s.";

static void as_file(const uint8_t *data, size_t size) {
    checkpoint *c = NULL;
    hst_error err;
    if (checkpoint_open_memory("{}", 2, data, size, NULL, &c, &err) == HST_STATUS_OK) checkpoint_free(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    arena *a = arena_new(NULL);
    pickle_storages storages = {0};
    pickle_value *v = NULL;
    size_t used = 0;
    hst_error err;
    if (!a) return 0;
    arena_set_limit(a, (size_t)64 << 20);
    (void)pickle_load(a, "fuzz", data, size, &storages, &v, &used, &err);
    arena_free(a);
    as_file(data, size);
    uint8_t *file = malloc(sizeof head - 1 + size);
    if (!file) return 0;
    memcpy(file, head, sizeof head - 1);
    if (size) memcpy(file + sizeof head - 1, data, size);
    as_file(file, sizeof head - 1 + size);
    free(file);
    return 0;
}
