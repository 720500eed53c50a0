/* hasten.h: the whole public interface of libhasten. The comments are the manual.
 *
 * Conventions
 *   Every function that can fail returns hst_status and takes `hst_error *err` last. `err` is the caller's, may be NULL,
 *   and is written only on failure. The library never prints, exits or aborts.
 *   `_new`, `_load`, `_open` return an object that the caller owns and gives back with `_free` (NULL is allowed there).
 *   `_get`, `_view` lend: the result lives as long as the object it came from. Setters copy; a form that lends memory to
 *   the library is spelled `_borrow`.
 *   Option structs begin with their size: set it with HST_INIT, so that a newer library knows which fields exist.
 */
#ifndef HASTEN_H
#define HASTEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define HST_API __attribute__((visibility("default")))
#else
#define HST_API
#endif

/* ---- status and errors ------------------------------------------------------------------------------------------ */

typedef enum hst_status {
    HST_STATUS_OK = 0,
    HST_STATUS_INVALID_ARGUMENT, /* the caller passed something that can never be right */
    HST_STATUS_NO_MEMORY,        /* the allocator said no */
    HST_STATUS_BUDGET,           /* a stated memory budget would be passed */
    HST_STATUS_IO,               /* reading or writing a file failed */
    HST_STATUS_NOT_FOUND,        /* no such file, input, operator, label … */
    HST_STATUS_BAD_FORMAT,       /* a file or message is damaged or not what it claims to be */
    HST_STATUS_UNSUPPORTED,      /* well formed, but hasten does not do it */
    HST_STATUS_BAD_SHAPE,        /* shapes or dtypes of tensors do not fit */
    HST_STATUS_BUSY,             /* the session is running in another thread */
    HST_STATUS_CANCELLED,        /* the run's cancel flag was set */
    HST_STATUS_DEADLINE,         /* the run's deadline passed */
    HST_STATUS_INTERNAL          /* a bug of hasten: please report it */
} hst_status;

/* Caller-owned. `message` is one English sentence with the numbers and, where there is one, the fix; `object` names the
 * file, node, tensor or option concerned (may be empty). Both are NUL-terminated, cut when too long. */
typedef struct hst_error {
    hst_status code;
    char object[128];
    char message[640];
} hst_error;

/* ---- element types ---------------------------------------------------------------------------------------------- */

/* Values are those of ONNX's TensorProto.DataType. */
typedef enum hst_dtype {
    HST_DTYPE_NONE = 0,
    HST_DTYPE_F32 = 1,
    HST_DTYPE_U8 = 2,
    HST_DTYPE_S8 = 3,
    HST_DTYPE_U16 = 4,
    HST_DTYPE_S16 = 5,
    HST_DTYPE_S32 = 6,
    HST_DTYPE_S64 = 7,
    HST_DTYPE_STRING = 8,
    HST_DTYPE_B8 = 9, /* bool, one byte, 0 or 1 */
    HST_DTYPE_F16 = 10,
    HST_DTYPE_F64 = 11,
    HST_DTYPE_U32 = 12,
    HST_DTYPE_U64 = 13,
    HST_DTYPE_C64 = 14,  /* complex, 2 × f32 */
    HST_DTYPE_C128 = 15, /* complex, 2 × f64 */
    HST_DTYPE_BF16 = 16,
    HST_DTYPE_F8E4M3FN = 17,
    HST_DTYPE_F8E4M3FNUZ = 18,
    HST_DTYPE_F8E5M2 = 19,
    HST_DTYPE_F8E5M2FNUZ = 20,
    HST_DTYPE_U4 = 21, /* two elements a byte, first in the low nibble */
    HST_DTYPE_S4 = 22,
    HST_DTYPE_F4E2M1 = 23,
    HST_DTYPE_F8E8M0 = 24,
    HST_DTYPE_U2 = 25, /* four elements a byte, first in the low bits */
    HST_DTYPE_S2 = 26
} hst_dtype;

/* An element of a HST_DTYPE_STRING tensor: `size` bytes at `data`, not NUL-terminated. */
typedef struct hst_string {
    const char *data;
    size_t size;
} hst_string;

#define HST_RANK_MAX 16 /* more dimensions than this are refused */

/* ---- memory ----------------------------------------------------------------------------------------------------- */

/* Where an object takes its memory from; NULL in an options struct means libc. `alloc` returns `size` bytes aligned to
 * `align` (a power of two, at most 4,096) or NULL; `free` gets the same size back. Both may be called from any thread. */
typedef struct hst_allocator {
    void *user;
    void *(*alloc)(void *user, size_t size, size_t align);
    void (*free)(void *user, void *memory, size_t size);
} hst_allocator;

#ifdef __cplusplus
}
#endif
#endif /* HASTEN_H */
