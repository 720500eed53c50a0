/* The protobuf wire format, read in place and written as a stream; knows no message of any model.
 *
 * Reading: proto_begin, then `while (proto_next(&r, &f))` over the fields, then proto_end for what went wrong. Nothing
 * is copied: slices point into the bytes given. Input may be hostile: lengths are compared with what remains, nesting
 * is limited, offsets in messages count from the first byte of the outermost message.
 *
 * Writing: the caller's emit function runs twice over the same data. The first run only measures, remembering the
 * length of each nested message in the order in which they are opened; the second writes. So a file of any size is
 * streamed. */
#ifndef BASE_PROTO_H
#define BASE_PROTO_H

#include "base/error.h"

#define PROTO_DEPTH_MAX 256         /* messages within messages */
#define PROTO_SIZE_MAX  2147483647u /* what other readers take: 2 GiB - 1 */

typedef enum proto_wire {
    PROTO_VARINT = 0,
    PROTO_FIXED64 = 1,
    PROTO_BYTES = 2,
    PROTO_GROUP = 3,
    PROTO_FIXED32 = 5
} proto_wire;

typedef struct proto_slice {
    const unsigned char *data;
    size_t size;
} proto_slice;

typedef struct proto_field {
    uint32_t number;
    proto_wire wire;
    uint64_t value;    /* VARINT, FIXED64, FIXED32 */
    proto_slice bytes; /* BYTES: the content */
    proto_slice whole; /* the field with its tag, for keeping it as it is */
} proto_field;

typedef struct proto_reader {
    const unsigned char *at, *end;
    const unsigned char *base; /* first byte of the outermost message */
    int depth;
    const char *fault; /* what stopped proto_next, NULL at a clean end */
} proto_reader;

void proto_begin(proto_reader *r, const void *data, size_t size);
/* The next field; false at the end and where the bytes are damaged. */
bool proto_next(proto_reader *r, proto_field *f);
/* After the loop: BAD_FORMAT where the bytes are damaged. `message` names the kind ("NodeProto"). */
hst_status proto_end(const proto_reader *r, const char *message, hst_error *err);

/* The field as one type; BAD_FORMAT where its wire type is another. `what` names it ("NodeProto.name"). */
hst_status proto_enter(const proto_reader *r, const proto_field *f, const char *what, proto_reader *child,
                       hst_error *err);
hst_status proto_bytes(const proto_reader *r, const proto_field *f, const char *what, proto_slice *out, hst_error *err);
hst_status proto_s64(const proto_reader *r, const proto_field *f, const char *what, int64_t *out, hst_error *err);
hst_status proto_f32(const proto_reader *r, const proto_field *f, const char *what, float *out, hst_error *err);

/* A repeated number, packed or not: proto_list_open checks the field and counts its elements, proto_list_next hands
 * them out as raw 64 bits (a FIXED32 in the low half). A field may be one chunk of several. */
typedef struct proto_list {
    const unsigned char *at, *end;
    proto_wire element;
    uint64_t single;
    int64_t count; /* elements in this field */
    bool packed, taken;
} proto_list;
hst_status proto_list_open(const proto_reader *r, const proto_field *f, proto_wire element, const char *what,
                           proto_list *list, hst_error *err);
bool proto_list_next(proto_list *list, uint64_t *value);

/* ---- writing ---- */
typedef struct proto_writer proto_writer;
typedef void (*proto_emit)(proto_writer *w, void *context);
typedef hst_status (*proto_sink)(void *user, const void *data, size_t size, hst_error *err);

/* Length of what `emit` writes. */
hst_status proto_measure(proto_emit emit, void *context, uint64_t *size, hst_error *err);
/* Measures and writes through `sink`. `size` (may be NULL) gets the length. */
hst_status proto_write(proto_emit emit, void *context, proto_sink sink, void *user, uint64_t *size, hst_error *err);

/* For use inside emit. Failures are remembered: emit needs no checks, but may ask for the status, and may fail. */
void proto_put_s64(proto_writer *w, uint32_t number, int64_t value);
void proto_put_f32(proto_writer *w, uint32_t number, float value);
void proto_put_bytes(proto_writer *w, uint32_t number, const void *data, size_t size);
void proto_put_string(proto_writer *w, uint32_t number, const char *text); /* writes an empty string too */
void proto_put_raw(proto_writer *w, const void *data, size_t size);        /* whole fields, as they were read */
void proto_open(proto_writer *w, uint32_t number);                         /* a nested message, up to proto_close */
void proto_close(proto_writer *w);
void proto_fail(proto_writer *w, hst_status status); /* err was filled in by the caller through proto_error */
hst_status proto_status(const proto_writer *w);
hst_error *proto_error(proto_writer *w);

#endif
