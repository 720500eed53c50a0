/* A checkpoint: config.json and named weights, from safetensors or pytorch_model.bin, sharded or not. */
#ifndef CHECKPOINT_CHECKPOINT_H
#define CHECKPOINT_CHECKPOINT_H

#include <jansson.h>

#include "tensor/tensor.h"

typedef struct checkpoint checkpoint;

/* `path`: a folder (with config.json), or a weight file whose folder has one. In a folder the first of these is read:
 * model.safetensors, model.safetensors.index.json (shards), pytorch_model.bin, pytorch_model.bin.index.json.
 * Ownership: checkpoint_free drops a reference; tensors borrow from the checkpoint's file maps. */
hst_status checkpoint_open(const char *path, const hst_allocator *a, checkpoint **out, hst_error *err);
/* The same with the files read into memory: they may then be cut in place. */
hst_status checkpoint_open_copy(const char *path, const hst_allocator *a, checkpoint **out, hst_error *err);
/* The same from memory: config.json's text (copied) and one weight file's bytes, which must outlive the checkpoint. */
hst_status checkpoint_open_memory(const char *config, size_t config_size, const void *weights, size_t weights_size,
                                  const hst_allocator *a, checkpoint **out, hst_error *err);
/* IO error where one of its files was cut after it was opened. */
hst_status checkpoint_check(const checkpoint *c, hst_error *err);
/* file_map_unload of its files. */
void checkpoint_unload(const checkpoint *c, const void *data, size_t size);
checkpoint *checkpoint_retain(checkpoint *c);
void checkpoint_free(checkpoint *c);

const json_t *checkpoint_config(const checkpoint *c); /* an object */
const char *checkpoint_folder(const checkpoint *c);
const char *checkpoint_config_path(const checkpoint *c); /* for messages: ".../config.json" */
/* NULL where there is none. The tensor belongs to the checkpoint; its data is aligned to its element, perhaps not more.
 */
const hst_tensor *checkpoint_tensor(const checkpoint *c, const char *name);
size_t checkpoint_count(const checkpoint *c);
const char *checkpoint_name(const checkpoint *c, size_t i); /* in file order */

#endif
