/* A checkpoint: config.json and named weights, from safetensors or pytorch_model.bin, sharded or not. */
#ifndef CHECKPOINT_CHECKPOINT_H
#define CHECKPOINT_CHECKPOINT_H

#include <jansson.h>

#include "tensor/tensor.h"

typedef struct checkpoint checkpoint;

/* `path`: a folder (with config.json), or a weight file whose folder has one. Ownership: checkpoint_free drops a
 * reference; tensors borrow from the checkpoint's file maps. */
hst_status checkpoint_open(const char *path, const hst_allocator *a, checkpoint **out, hst_error *err);
checkpoint *checkpoint_retain(checkpoint *c);
void checkpoint_free(checkpoint *c);

const json_t *checkpoint_config(const checkpoint *c); /* an object */
const char *checkpoint_folder(const checkpoint *c);
/* NULL where there is none. The tensor belongs to the checkpoint; its data may be unaligned. */
const hst_tensor *checkpoint_tensor(const checkpoint *c, const char *name);
size_t checkpoint_count(const checkpoint *c);
const char *checkpoint_name(const checkpoint *c, size_t i); /* in file order */

#endif
