/* Files that hold one TensorProto (.pb): the form in which test data of ONNX models comes. */
#ifndef ONNX_TENSOR_IO_H
#define ONNX_TENSOR_IO_H

#include "tensor/tensor.h"

/* A tensor with memory of its own. `name` (may be NULL) gets a malloc'ed copy of the tensor's name: free() it. External
 * data is looked for beside the file. Ownership: tensor_free(*out). */
hst_status tensor_read_pb(const char *path, const hst_allocator *a, hst_tensor **out, char **name, hst_error *err);
hst_status tensor_read_pb_memory(const void *data, size_t size, const hst_allocator *a, hst_tensor **out, char **name,
                                 hst_error *err);
/* Under a temporary name, then renamed. `name` may be NULL. */
hst_status tensor_write_pb(const hst_tensor *t, const char *name, const char *path, hst_error *err);

#endif
