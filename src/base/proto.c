/* Reading the protobuf wire format in place. */
#include "base/proto.h"

#include <inttypes.h>
#include <string.h>

void proto_begin(proto_reader *r, const void *data, size_t size) {
    r->at = r->base = data ? data : (const unsigned char *)"";
    r->end = r->at + size;
    r->depth = 0;
    r->fault = NULL;
}

/* Up to 10 bytes of 7 bits; bits beyond 64 are dropped as every protobuf reader does. */
static const char *read_varint(const unsigned char **at, const unsigned char *end, uint64_t *value) {
    uint64_t v = 0;
    const unsigned char *p = *at;
    for (int shift = 0; shift < 70; shift += 7) {
        if (p == end) return "ends inside a number";
        v |= (uint64_t)(*p & 0x7f) << shift;
        if (*p++ < 0x80) {
            *at = p;
            *value = v;
            return NULL;
        }
    }
    return "has a number of more than 10 bytes";
}

static const char *read_fixed(const unsigned char **at, const unsigned char *end, size_t size, uint64_t *value) {
    if ((size_t)(end - *at) < size) return "ends inside a fixed-width number";
    uint64_t v = 0;
    for (size_t i = 0; i < size; i++) v |= (uint64_t)(*at)[i] << (8 * i);
    *at += size;
    *value = v;
    return NULL;
}

static const char *read_tag(const unsigned char **at, const unsigned char *end, uint32_t *number, unsigned *wire) {
    uint64_t tag;
    const char *fault = read_varint(at, end, &tag);
    if (fault) return fault;
    if (tag > UINT32_MAX || tag < 8) return "has a field number out of range";
    *number = (uint32_t)(tag >> 3);
    *wire = (unsigned)tag & 7;
    return NULL;
}

/* The content of a field after its tag, but for groups. */
static const char *read_content(const unsigned char **at, const unsigned char *end, proto_field *f) {
    const char *fault;
    switch (f->wire) {
    case PROTO_VARINT:
        return read_varint(at, end, &f->value);
    case PROTO_FIXED64:
        return read_fixed(at, end, 8, &f->value);
    case PROTO_FIXED32:
        return read_fixed(at, end, 4, &f->value);
    case PROTO_BYTES:
        fault = read_varint(at, end, &f->value);
        if (fault) return fault;
        if (f->value > (uint64_t)(end - *at)) return "has a field longer than what remains";
        f->bytes = (proto_slice){*at, (size_t)f->value};
        *at += f->value;
        return NULL;
    default:
        return "has an unknown wire type";
    }
}

/* Groups are obsolete, but a file may carry one as an unknown field: walked over without recursion. */
static const char *skip_group(const unsigned char **at, const unsigned char *end, uint32_t number) {
    uint32_t open[32];
    int depth = 0;
    open[depth++] = number;
    while (depth > 0) {
        proto_field f = {0};
        unsigned wire;
        const char *fault = read_tag(at, end, &f.number, &wire);
        if (fault) return fault;
        if (wire == 3) {
            if (depth == (int)(sizeof open / sizeof *open)) return "has groups nested too deep";
            open[depth++] = f.number;
        } else if (wire == 4) {
            if (open[--depth] != f.number) return "has a group that another one ends";
        } else {
            f.wire = (proto_wire)wire;
            fault = read_content(at, end, &f);
            if (fault) return fault;
        }
    }
    return NULL;
}

bool proto_next(proto_reader *r, proto_field *f) {
    if (r->fault || r->at == r->end) return false;
    const unsigned char *at = r->at;
    unsigned wire;
    memset(f, 0, sizeof *f);
    r->fault = read_tag(&at, r->end, &f->number, &wire);
    if (!r->fault) {
        f->wire = (proto_wire)wire;
        r->fault = wire == 3 ? skip_group(&at, r->end, f->number) : read_content(&at, r->end, f);
    }
    if (r->fault) return false; /* r->at stays at the field's tag: the offset to report */
    f->whole = (proto_slice){r->at, (size_t)(at - r->at)};
    r->at = at;
    return true;
}

hst_status proto_end(const proto_reader *r, const char *message, hst_error *err) {
    if (!r->fault) return HST_STATUS_OK;
    return error_set(err, HST_STATUS_BAD_FORMAT, NULL, "%s %s at byte %zu (truncated or damaged)", message, r->fault,
                     (size_t)(r->at - r->base));
}

static hst_status check_wire(const proto_reader *r, const proto_field *f, proto_wire wire, const char *what,
                             hst_error *err) {
    if (f->wire == wire) return HST_STATUS_OK;
    return error_set(err, HST_STATUS_BAD_FORMAT, NULL, "%s at byte %zu has wire type %d where %d belongs", what,
                     (size_t)(f->whole.data - r->base), (int)f->wire, (int)wire);
}

hst_status proto_enter(const proto_reader *r, const proto_field *f, const char *what, proto_reader *child,
                       hst_error *err) {
    HST_TRY(check_wire(r, f, PROTO_BYTES, what, err));
    if (r->depth >= PROTO_DEPTH_MAX)
        return error_set(err, HST_STATUS_BAD_FORMAT, NULL, "%s at byte %zu is nested more than %d messages deep", what,
                         (size_t)(f->whole.data - r->base), PROTO_DEPTH_MAX);
    child->at = f->bytes.data;
    child->end = f->bytes.data + f->bytes.size;
    child->base = r->base;
    child->depth = r->depth + 1;
    child->fault = NULL;
    return HST_STATUS_OK;
}

hst_status proto_bytes(const proto_reader *r, const proto_field *f, const char *what, proto_slice *out,
                       hst_error *err) {
    HST_TRY(check_wire(r, f, PROTO_BYTES, what, err));
    *out = f->bytes;
    return HST_STATUS_OK;
}

hst_status proto_s64(const proto_reader *r, const proto_field *f, const char *what, int64_t *out, hst_error *err) {
    HST_TRY(check_wire(r, f, PROTO_VARINT, what, err));
    *out = (int64_t)f->value;
    return HST_STATUS_OK;
}

hst_status proto_f32(const proto_reader *r, const proto_field *f, const char *what, float *out, hst_error *err) {
    HST_TRY(check_wire(r, f, PROTO_FIXED32, what, err));
    uint32_t bits = (uint32_t)f->value;
    memcpy(out, &bits, 4);
    return HST_STATUS_OK;
}

hst_status proto_list_open(const proto_reader *r, const proto_field *f, proto_wire element, const char *what,
                           proto_list *list, hst_error *err) {
    memset(list, 0, sizeof *list);
    list->element = element;
    if (f->wire == element) {
        list->single = f->value;
        list->count = 1;
        return HST_STATUS_OK;
    }
    HST_TRY(check_wire(r, f, PROTO_BYTES, what, err));
    list->packed = true;
    list->at = f->bytes.data;
    list->end = f->bytes.data + f->bytes.size;
    const char *fault = NULL;
    if (element == PROTO_VARINT) {
        int length = 0;
        for (const unsigned char *p = list->at; p < list->end && !fault; p++) {
            if (++length > 10) fault = "has a number of more than 10 bytes";
            if (*p < 0x80) list->count++, length = 0;
        }
        if (length && !fault) fault = "ends inside a number";
    } else {
        size_t size = element == PROTO_FIXED64 ? 8 : 4;
        if (f->bytes.size % size) fault = "ends inside a fixed-width number";
        list->count = (int64_t)(f->bytes.size / size);
    }
    if (!fault) return HST_STATUS_OK;
    return error_set(err, HST_STATUS_BAD_FORMAT, NULL, "%s at byte %zu %s", what, (size_t)(f->whole.data - r->base),
                     fault);
}

bool proto_list_next(proto_list *list, uint64_t *value) {
    if (!list->packed) {
        if (list->taken) return false;
        list->taken = true;
        *value = list->single;
        return true;
    }
    if (list->at == list->end) return false;
    if (list->element == PROTO_VARINT) return read_varint(&list->at, list->end, value) == NULL;
    return read_fixed(&list->at, list->end, list->element == PROTO_FIXED64 ? 8 : 4, value) == NULL;
}
