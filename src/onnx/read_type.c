/* TypeProto: tensors, maps to their elements, sequences of both, and optionals of all become a type; sparse tensors
 * stay unknown and are kept as they are. */
#include <inttypes.h>
#include <string.h>

#include "onnx/reader.h"

#define MAP_DEPTH 3 /* inside a map there are tensors only */

typedef struct parsed_dim {
    int64_t number; /* -1: none */
    proto_slice name;
    bool has_name;
} parsed_dim;

typedef struct parsed_type {
    hst_dtype dtype;
    int rank;
    parsed_dim dim[HST_RANK_MAX];
    hst_dtype element, key; /* of a sequence or map */
    bool plain, optional;
} parsed_type;

static hst_status parse_dim(const proto_reader *p, const proto_field *field, parsed_type *t, hst_error *err) {
    proto_reader d;
    proto_field f;
    if (t->rank == HST_RANK_MAX)
        return error_set(err, HST_STATUS_UNSUPPORTED, NULL, "shape has more than %d dimensions", HST_RANK_MAX);
    parsed_dim *dim = &t->dim[t->rank];
    *dim = (parsed_dim){.number = -1};
    HST_TRY(proto_enter(p, field, "TensorShapeProto.dim", &d, err));
    while (proto_next(&d, &f)) {
        if (f.number == DIM_VALUE) {
            HST_TRY(proto_s64(&d, &f, "Dimension.dim_value", &dim->number, err));
            if (dim->number < -1) /* -1 is how some exporters write "unknown" */
                return error_set(err, HST_STATUS_BAD_FORMAT, NULL, "dimension %d is negative: %" PRId64, t->rank,
                                 dim->number);
        } else if (f.number == DIM_PARAM) {
            HST_TRY(proto_bytes(&d, &f, "Dimension.dim_param", &dim->name, err));
            dim->has_name = dim->name.size > 0;
        } else {
            t->plain = false;
        }
    }
    HST_TRY(proto_end(&d, "Dimension", err));
    t->rank++;
    return HST_STATUS_OK;
}

static hst_status parse_shape(const proto_reader *p, const proto_field *field, parsed_type *t, hst_error *err) {
    proto_reader s;
    proto_field f;
    HST_TRY(proto_enter(p, field, "TypeProto.Tensor.shape", &s, err));
    if (t->rank >= 0) return error_set(err, HST_STATUS_BAD_FORMAT, NULL, "type has two shapes");
    t->rank = 0;
    while (proto_next(&s, &f)) {
        if (f.number == SHAPE_DIM)
            HST_TRY(parse_dim(&s, &f, t, err));
        else
            t->plain = false;
    }
    return proto_end(&s, "TensorShapeProto", err);
}

static hst_status parse_tensor(const proto_reader *p, const proto_field *field, parsed_type *t, hst_error *err) {
    proto_reader s;
    proto_field f;
    int64_t n = 0;
    HST_TRY(proto_enter(p, field, "TypeProto.tensor_type", &s, err));
    while (proto_next(&s, &f)) {
        if (f.number == TENSOR_TYPE_ELEM) {
            HST_TRY(proto_s64(&s, &f, "TypeProto.Tensor.elem_type", &n, err));
            if (n != 0 && (n < 0 || n > INT32_MAX || !dtype_valid((int)n)))
                return error_set(err, HST_STATUS_BAD_FORMAT, NULL, "type has the unknown element type %" PRId64, n);
            t->dtype = (hst_dtype)n;
        } else if (f.number == TENSOR_TYPE_SHAPE) {
            HST_TRY(parse_shape(&s, &f, t, err));
        } else {
            t->plain = false;
        }
    }
    return proto_end(&s, "TypeProto.Tensor", err);
}

static hst_status parse_kind(proto_reader p, int depth, parsed_type *t, hst_error *err);

/* map(key, value): the values are the elements of tensors, whose shapes say nothing. */
static hst_status parse_map(const proto_reader *p, const proto_field *field, parsed_type *t, hst_error *err) {
    proto_reader s, inner;
    proto_field f;
    int64_t key = 0;
    HST_TRY(proto_enter(p, field, "TypeProto.map_type", &s, err));
    while (proto_next(&s, &f)) {
        if (f.number == MAP_KEY) {
            HST_TRY(proto_s64(&s, &f, "TypeProto.Map.key_type", &key, err));
            if (key < 0 || key > INT32_MAX || !dtype_valid((int)key))
                return error_set(err, HST_STATUS_BAD_FORMAT, NULL, "map has the unknown key type %" PRId64, key);
        } else if (f.number == MAP_VALUE && t->dtype == HST_DTYPE_NONE) {
            HST_TRY(proto_enter(&s, &f, "value_type", &inner, err));
            HST_TRY(parse_kind(inner, MAP_DEPTH, t, err));
        } else {
            t->plain = false;
        }
    }
    t->element = t->dtype;
    t->key = (hst_dtype)key;
    t->dtype = HST_DTYPE_MAP;
    t->plain &= t->key != HST_DTYPE_NONE && t->element != HST_DTYPE_NONE;
    t->rank = -1;
    return proto_end(&s, "TypeProto.Map", err);
}

/* A sequence or an optional: only optional(sequence(…)) nests. */
static hst_status parse_nested(const proto_reader *p, const proto_field *field, int depth, parsed_type *t,
                               hst_error *err) {
    bool sequence = field->number == TYPE_SEQUENCE;
    proto_reader s, inner;
    proto_field f;
    HST_TRY(proto_enter(p, field, sequence ? "TypeProto.sequence_type" : "TypeProto.optional_type", &s, err));
    while (proto_next(&s, &f)) {
        if (f.number != TYPE_ELEM || depth >= 2 || (depth == 1 && !sequence)) {
            t->plain = false;
            continue;
        }
        HST_TRY(proto_enter(&s, &f, "elem_type", &inner, err));
        HST_TRY(parse_kind(inner, sequence ? 2 : 1, t, err));
    }
    if (sequence && (t->dtype < HST_DTYPE_SEQUENCE || t->dtype == HST_DTYPE_MAP)) {
        if (t->dtype != HST_DTYPE_MAP) t->element = t->dtype;
        t->dtype = HST_DTYPE_SEQUENCE;
    } else if (!sequence && t->plain) {
        t->optional = true;
    }
    return proto_end(&s, "TypeProto.elem_type", err);
}

static hst_status parse_kind(proto_reader p, int depth, parsed_type *t, hst_error *err) {
    proto_field f;
    while (proto_next(&p, &f)) {
        if (f.number == TYPE_TENSOR)
            HST_TRY(parse_tensor(&p, &f, t, err));
        else if ((f.number == TYPE_SEQUENCE || f.number == TYPE_OPTIONAL) && t->dtype == HST_DTYPE_NONE)
            HST_TRY(parse_nested(&p, &f, depth, t, err));
        else if (f.number == TYPE_MAP && t->dtype == HST_DTYPE_NONE && depth < MAP_DEPTH)
            HST_TRY(parse_map(&p, &f, t, err));
        else
            t->plain = false;
    }
    return proto_end(&p, "TypeProto", err);
}

static hst_status parse_type(proto_reader p, parsed_type *t, hst_error *err) {
    memset(t, 0, sizeof *t);
    t->rank = -1;
    t->plain = true;
    HST_TRY(parse_kind(p, 0, t, err));
    if (t->plain || t->dtype < HST_DTYPE_SEQUENCE) return HST_STATUS_OK;
    *t = (parsed_type){.rank = -1}; /* a sequence or map of other kinds */
    return HST_STATUS_OK;
}

static hst_status symbol(reader *r, proto_slice name, bool fresh, dim *out) {
    const char *text = "";
    if (!fresh && name.size) HST_TRY(read_text(r, r->scratch, name, "a dimension's name", &text));
    *out = dim_symbol(r->model, text);
    return *out ? HST_STATUS_OK : read_no_memory(r, "a symbolic dimension");
}

hst_status read_type(reader *r, proto_reader p, bool fresh, type *t, bool *plain) {
    parsed_type parsed;
    HST_TRY(parse_type(p, &parsed, r->err));
    t->dtype = parsed.dtype;
    t->rank = parsed.rank;
    for (int i = 0; i < parsed.rank; i++) {
        const parsed_dim *d = &parsed.dim[i];
        t->dim[i] = d->number;
        bool own = fresh || !d->has_name || parsed.dtype == HST_DTYPE_SEQUENCE;
        if (d->number < 0) HST_TRY(symbol(r, d->name, own, &t->dim[i]));
    }
    t->element = parsed.element;
    t->key = parsed.key;
    t->optional = parsed.optional;
    *plain = parsed.plain;
    return HST_STATUS_OK;
}

bool type_matches(const model *m, bytes proto, const type *t) {
    proto_reader p;
    parsed_type parsed;
    proto_begin(&p, proto.data, proto.size);
    if (parse_type(p, &parsed, NULL) != HST_STATUS_OK) return false;
    if (parsed.dtype != t->dtype || parsed.rank != t->rank) return false;
    if (parsed.key != t->key || parsed.element != t->element || parsed.optional != t->optional) return false;
    if (parsed.dtype == HST_DTYPE_SEQUENCE) return true; /* its symbols are its own */
    for (int i = 0; i < t->rank; i++) {
        const char *name = dim_name(m, t->dim[i]);
        if (!name) {
            if (parsed.dim[i].number != t->dim[i]) return false;
        } else if (parsed.dim[i].number >= 0 || parsed.dim[i].name.size != strlen(name) ||
                   (*name && memcmp(parsed.dim[i].name.data, name, parsed.dim[i].name.size) != 0)) {
            return false;
        }
    }
    return true;
}
