/* config.json: any text, with the weights of real small checkpoints; what is built must be a sound graph, and is
 * optimised and run like any model. */
#include <stdlib.h>

#include "base/file.h"
#include "fuzz/built.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const files[] = {
        HASTEN_SOURCE_DIR "/tests/arch/data/bert_sequence_classification/model.safetensors",
        HASTEN_SOURCE_DIR "/tests/arch/data/distilbert_multiple_choice/model.safetensors"};
    static file_map *maps[2];
    for (int i = 0; i < 2; i++) {
        hst_error err;
        if (!maps[i] && file_map_open(files[i], false, NULL, &maps[i], &err) != HST_STATUS_OK) abort();
        build_and_run((const char *)data, size, maps[i]->data, maps[i]->size, hash_bytes(size, data, size));
    }
    return 0;
}
