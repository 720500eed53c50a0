/* Tensors: dtype, shape, and contiguous row-major elements in a reference-counted (or borrowed) buffer. There are no
 * strides here: kernels take leading dimensions, views of whole leading blocks are made by tensor_view. */
#ifndef TENSOR_TENSOR_H
#define TENSOR_TENSOR_H

#include "base/memory.h"
#include "tensor/dtype.h"

/* Memory with an atomic reference count. `release` is called once, at the last drop. */
typedef struct tensor_buffer {
    int references; /* atomic */
    void (*release)(struct tensor_buffer *buffer);
    void *owner; /* for release */
    hst_allocator allocator;
    size_t size; /* bytes at `data` */
    void *data;
} tensor_buffer;

/* `struct hst_tensor` of the public header. A tensor is a small value that is never shared between threads while it is
 * changed; its buffer may be. Strings: data is hst_string[count], their bytes live in the same buffer. Lists
 * (sequences; maps, whose items are their keys and their values; empty optionals, which have no item): rank 1, data is
 * hst_tensor *[count], which the buffer owns. */
struct hst_tensor {
    hst_dtype dtype;
    int rank;                   /* 0 … HST_RANK_MAX */
    int64_t dim[HST_RANK_MAX];  /* each >= 0 */
    void *data;                 /* MEMORY_ALIGN-aligned where we allocated it; borrowed data may be unaligned */
    size_t bytes;               /* of the elements at data */
    tensor_buffer *buffer;      /* NULL: borrowed */
    hst_allocator allocator;    /* of this struct itself (tensor_new … tensor_free) */
};
typedef struct hst_tensor hst_tensor;

/* Checks rank and dims and computes counts; BAD_SHAPE where a product overflows or a dim is negative. */
hst_status shape_count(int rank, const int64_t *dim, int64_t *count, hst_error *err);
hst_status shape_bytes(hst_dtype d, int rank, const int64_t *dim, size_t *bytes, hst_error *err);

/* A tensor with its own zeroed buffer. Ownership: tensor_free. `a` NULL: libc. */
hst_status tensor_new(hst_dtype d, int rank, const int64_t *dim, const hst_allocator *a, hst_tensor **out,
                      hst_error *err);
/* A tensor over memory that the caller keeps (and keeps alive): `bytes` must be what the shape needs. */
hst_status tensor_new_borrowed(hst_dtype d, int rank, const int64_t *dim, const void *data, size_t bytes,
                               const hst_allocator *a, hst_tensor **out, hst_error *err);
/* A tensor of strings: `from` (as many as the shape has) and their bytes are copied. */
hst_status tensor_new_strings(int rank, const int64_t *dim, const hst_string *from, const hst_allocator *a,
                              hst_tensor **out, hst_error *err);
/* Another handle on the same buffer (reference counted; borrowed stays borrowed), with another shape of equal count. */
hst_status tensor_view(const hst_tensor *t, int rank, const int64_t *dim, const hst_allocator *a, hst_tensor **out,
                       hst_error *err);
hst_status tensor_clone(const hst_tensor *t, const hst_allocator *a, hst_tensor **out, hst_error *err); /* deep copy */
void tensor_free(hst_tensor *t);

/* A list (sequence.c). The items are taken over, also on failure; none of them may be a list, but for maps in a
 * sequence. */
hst_status tensor_new_list(hst_dtype d, hst_tensor **items, int64_t n, const hst_allocator *a, hst_tensor **out,
                           hst_error *err);
bool tensor_fits_list(hst_dtype d, const hst_tensor *item);
static inline bool tensor_is_list(const hst_tensor *t) { return t->dtype >= HST_DTYPE_SEQUENCE; }
static inline const hst_tensor *tensor_item(const hst_tensor *t, int64_t i) {
    return ((const hst_tensor *const *)t->data)[i];
}

int64_t tensor_count(const hst_tensor *t); /* number of elements; the shape was checked when the tensor was made */

/* Element access for slow paths, any dtype but string and complex. Floats through f64; integers through s64 (u64 keeps its bits). */
double tensor_get_f64(const hst_tensor *t, int64_t i);
double tensor_get_part(const hst_tensor *t, int64_t i); /* complex: element k has the parts 2 k (real) and 2 k + 1 */
int64_t tensor_get_s64(const hst_tensor *t, int64_t i);
void tensor_set_f64(hst_tensor *t, int64_t i, double x); /* rounds to nearest even, saturates as ONNX Cast does */
void tensor_set_s64(hst_tensor *t, int64_t i, int64_t x);

/* Reads a whole integer tensor of rank 0 or 1 (s32 or s64) of at most `most` elements into `to`; returns the count. */
hst_status tensor_read_s64(const hst_tensor *t, int64_t *to, int most, int *count, hst_error *err);

/* ---- buffers ---- */
tensor_buffer *tensor_buffer_new(size_t size, const hst_allocator *a); /* NULL: no memory. Not zeroed. One reference. */
tensor_buffer *tensor_buffer_retain(tensor_buffer *b);
void tensor_buffer_drop(tensor_buffer *b); /* NULL allowed */
void tensor_buffer_release(tensor_buffer *b); /* the `release` of tensor_buffer_new */

#endif
