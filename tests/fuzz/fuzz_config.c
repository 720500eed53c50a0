/* config.json: any text, with the weights of real small checkpoints; what is built must be a sound graph. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "arch/arch.h"
#include "base/file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const files[] = {
        HASTEN_SOURCE_DIR "/tests/arch/data/bert_sequence_classification/model.safetensors",
        HASTEN_SOURCE_DIR "/tests/arch/data/distilbert_multiple_choice/model.safetensors"};
    static file_map *maps[2];
    for (int i = 0; i < 2; i++) {
        checkpoint *c = NULL;
        model *m = NULL;
        hst_error err;
        if (!maps[i] && file_map_open(files[i], false, NULL, &maps[i], &err) != HST_STATUS_OK) abort();
        hst_status s = checkpoint_open_memory((const char *)data, size, maps[i]->data, maps[i]->size, NULL, &c, &err);
        if (s == HST_STATUS_OK) s = arch_build(c, NULL, &m, &err);
        if (s == HST_STATUS_OK && graph_check(m->main, &err) != HST_STATUS_OK) abort();
        model_free(m);
        checkpoint_free(c);
    }
    return 0;
}
