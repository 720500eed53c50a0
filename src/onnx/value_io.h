/* Values in messages of their own, as test data of ONNX models comes: TensorProto, SequenceProto, MapProto, OptionalProto. */
#ifndef ONNX_VALUE_IO_H
#define ONNX_VALUE_IO_H

#include "tensor/tensor.h"

/* `as`, which message: HST_DTYPE_NONE a tensor, HST_DTYPE_SEQUENCE, _MAP, _OPTIONAL. The bytes do not tell. */

/* A value with memory of its own. `name` (may be NULL) gets a malloc'ed copy of its name: free() it. `path` (may be
 * NULL) is the file that the bytes come from: external data is looked for beside it. Ownership: tensor_free(*out). */
hst_status value_read(const void *data, size_t size, const char *path, hst_dtype as, const hst_allocator *a,
                      hst_tensor **out, char **name, hst_error *err);
hst_status value_read_file(const char *path, hst_dtype as, const hst_allocator *a, hst_tensor **out, char **name,
                           hst_error *err);
/* `name` may be NULL. *data is malloc'ed: free() it. To a file: under a temporary name, then renamed. */
hst_status value_write(const hst_tensor *t, hst_dtype as, const char *name, void **data, size_t *size, hst_error *err);
hst_status value_write_file(const hst_tensor *t, hst_dtype as, const char *name, const char *path, hst_error *err);

#endif
