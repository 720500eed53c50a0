/* The globals that a torch state_dict may name, and what each means. A global that is not here is refused. */
#include "checkpoint/pickle.h"

#include <string.h>

typedef enum meaning { STORAGE, DTYPE, ORDERED_DICT, TENSOR_V1, TENSOR_V2, TENSOR_V3, PARAMETER, SIZE, DEVICE } meaning;

// clang-format off
static const struct {
    const char *module, *name;
    meaning meaning;
    hst_dtype dtype;
} globals[] = {
    {"collections", "OrderedDict", ORDERED_DICT, HST_DTYPE_NONE},
    {"torch._utils", "_rebuild_tensor", TENSOR_V1, HST_DTYPE_NONE},
    {"torch._utils", "_rebuild_tensor_v2", TENSOR_V2, HST_DTYPE_NONE},
    {"torch._utils", "_rebuild_tensor_v3", TENSOR_V3, HST_DTYPE_NONE},
    {"torch._utils", "_rebuild_parameter", PARAMETER, HST_DTYPE_NONE},
    {"torch", "Size", SIZE, HST_DTYPE_NONE},
    {"torch", "device", DEVICE, HST_DTYPE_NONE},
    {"torch", "DoubleStorage", STORAGE, HST_DTYPE_F64},
    {"torch", "FloatStorage", STORAGE, HST_DTYPE_F32},
    {"torch", "HalfStorage", STORAGE, HST_DTYPE_F16},
    {"torch", "BFloat16Storage", STORAGE, HST_DTYPE_BF16},
    {"torch", "LongStorage", STORAGE, HST_DTYPE_S64},
    {"torch", "IntStorage", STORAGE, HST_DTYPE_S32},
    {"torch", "ShortStorage", STORAGE, HST_DTYPE_S16},
    {"torch", "CharStorage", STORAGE, HST_DTYPE_S8},
    {"torch", "ByteStorage", STORAGE, HST_DTYPE_U8},
    {"torch", "BoolStorage", STORAGE, HST_DTYPE_B8},
    {"torch", "ComplexFloatStorage", STORAGE, HST_DTYPE_C64},
    {"torch", "ComplexDoubleStorage", STORAGE, HST_DTYPE_C128},
    {"torch", "UntypedStorage", STORAGE, HST_DTYPE_NONE},
    {"torch.storage", "UntypedStorage", STORAGE, HST_DTYPE_NONE},
    {"torch", "float64", DTYPE, HST_DTYPE_F64},
    {"torch", "float32", DTYPE, HST_DTYPE_F32},
    {"torch", "float16", DTYPE, HST_DTYPE_F16},
    {"torch", "bfloat16", DTYPE, HST_DTYPE_BF16},
    {"torch", "int64", DTYPE, HST_DTYPE_S64},
    {"torch", "int32", DTYPE, HST_DTYPE_S32},
    {"torch", "int16", DTYPE, HST_DTYPE_S16},
    {"torch", "int8", DTYPE, HST_DTYPE_S8},
    {"torch", "uint64", DTYPE, HST_DTYPE_U64},
    {"torch", "uint32", DTYPE, HST_DTYPE_U32},
    {"torch", "uint16", DTYPE, HST_DTYPE_U16},
    {"torch", "uint8", DTYPE, HST_DTYPE_U8},
    {"torch", "bool", DTYPE, HST_DTYPE_B8},
    {"torch", "complex64", DTYPE, HST_DTYPE_C64},
    {"torch", "complex128", DTYPE, HST_DTYPE_C128},
    {"torch", "float8_e4m3fn", DTYPE, HST_DTYPE_F8E4M3FN},
    {"torch", "float8_e4m3fnuz", DTYPE, HST_DTYPE_F8E4M3FNUZ},
    {"torch", "float8_e5m2", DTYPE, HST_DTYPE_F8E5M2},
    {"torch", "float8_e5m2fnuz", DTYPE, HST_DTYPE_F8E5M2FNUZ},
    {"torch", "float8_e8m0fnu", DTYPE, HST_DTYPE_F8E8M0},
};
// clang-format on

static bool same(const char *text, const char *data, size_t size) {
    return strlen(text) == size && memcmp(text, data, size) == 0;
}

int pickle_global(const char *module, size_t module_size, const char *name, size_t name_size) {
    for (size_t i = 0; i < sizeof globals / sizeof *globals; i++) {
        if (same(globals[i].module, module, module_size) && same(globals[i].name, name, name_size)) return (int)i;
    }
    return -1;
}

const char *pickle_global_name(int global) {
    return globals[global].name;
}

static pickle_value *new_value(arena *a, pickle_kind kind) {
    pickle_value *v = ARENA_NEW(a, pickle_value);
    if (v) v->kind = kind;
    return v;
}

static pickle_value *refuse(const char **why, const char *what) {
    *why = what;
    return NULL;
}

static bool read_naturals(const pickle_value *v, int64_t *to, int *count) {
    if ((v->kind != PICKLE_TUPLE && v->kind != PICKLE_LIST) || v->as.items.count > HST_RANK_MAX) return false;
    for (size_t i = 0; i < v->as.items.count; i++) {
        const pickle_value *x = v->as.items.at[i];
        if (x->kind != PICKLE_INT || x->as.i < 0) return false;
        to[i] = x->as.i;
    }
    *count = (int)v->as.items.count;
    return true;
}

/* (storage, offset, size, stride, …); v3 has the dtype as its seventh. */
static pickle_value *rebuild_tensor(arena *a, meaning version, const pickle_items *args, const char **why) {
    if (args->count < (version == TENSOR_V1 ? 4u : version == TENSOR_V2 ? 6u : 7u) || args->count > 8) {
        return refuse(why, "a tensor with the wrong number of arguments");
    }
    const pickle_value *storage = args->at[0], *offset = args->at[1];
    if (storage->kind != PICKLE_STORAGE) return refuse(why, "a tensor without a storage");
    if (offset->kind != PICKLE_INT || offset->as.i < 0)
        return refuse(why, "a tensor whose storage offset is no whole number");
    pickle_value *v = new_value(a, PICKLE_TENSOR);
    pickle_tensor *t = ARENA_NEW(a, pickle_tensor);
    if (!v || !t) return NULL;
    int strides = 0;
    if (!read_naturals(args->at[2], t->dim, &t->rank) || !read_naturals(args->at[3], t->stride, &strides) ||
        strides != t->rank) {
        return refuse(why, "a tensor whose size and stride are not two equally long lists of at most 16 whole numbers");
    }
    t->storage = &storage->as.storage;
    t->offset = offset->as.i;
    t->dtype = t->storage->dtype;
    if (version == TENSOR_V3) {
        const pickle_value *d = args->at[6];
        if (d->kind != PICKLE_GLOBAL || globals[d->as.global].meaning != DTYPE)
            return refuse(why, "a tensor without a dtype");
        t->dtype = globals[d->as.global].dtype;
    }
    if (t->dtype == HST_DTYPE_NONE) return refuse(why, "a tensor without a dtype");
    v->as.tensor = t;
    return v;
}

/* OrderedDict(), or OrderedDict([(key, value), …]) as Python 2 wrote it. */
static pickle_value *ordered_dict(arena *a, const pickle_items *args, const char **why) {
    pickle_value *v = new_value(a, PICKLE_DICT);
    if (!v || args->count == 0) return v;
    const pickle_value *list = args->at[0];
    if (args->count != 1 || list->kind != PICKLE_LIST) return refuse(why, "an OrderedDict of what is no list");
    for (size_t i = 0; i < list->as.items.count; i++) {
        const pickle_value *pair = list->as.items.at[i];
        if ((pair->kind != PICKLE_TUPLE && pair->kind != PICKLE_LIST) || pair->as.items.count != 2) {
            return refuse(why, "an OrderedDict of what are no pairs");
        }
        for (int k = 0; k < 2; k++) {
            if (!pickle_append(a, &v->as.items, pair->as.items.at[k])) return NULL;
        }
    }
    return v;
}

pickle_value *pickle_reduce(arena *a, int global, const pickle_value *args, const char **why) {
    const pickle_items *items = &args->as.items;
    switch (globals[global].meaning) {
    case ORDERED_DICT:
        return ordered_dict(a, items, why);
    case TENSOR_V1:
    case TENSOR_V2:
    case TENSOR_V3:
        return rebuild_tensor(a, globals[global].meaning, items, why);
    case PARAMETER: /* (tensor, requires_grad, backward_hooks) */
        if (items->count != 3 || items->at[0]->kind != PICKLE_TENSOR)
            return refuse(why, "a parameter that is no tensor");
        return items->at[0];
    case SIZE: /* (tuple,) */
        if (items->count != 1 || items->at[0]->kind != PICKLE_TUPLE)
            return refuse(why, "a torch.Size that is no tuple");
        return items->at[0];
    case DEVICE:
        return new_value(a, PICKLE_NONE);
    case STORAGE:
    case DTYPE:
        break;
    }
    return refuse(why, "REDUCE of a type that is not made that way");
}

pickle_value *pickle_persistent(arena *a, const pickle_value *id, const char **why) {
    const pickle_items *items = &id->as.items;
    if (id->kind != PICKLE_TUPLE || items->count < 5 || items->count > 6) {
        return refuse(why, "a persistent id that is no tuple of five");
    }
    const pickle_value *what = items->at[0], *type = items->at[1], *key = items->at[2], *count = items->at[4];
    if (what->kind != PICKLE_STRING || !same("storage", what->as.s.data, what->as.s.size) ||
        type->kind != PICKLE_GLOBAL || globals[type->as.global].meaning != STORAGE || key->kind != PICKLE_STRING ||
        count->kind != PICKLE_INT || count->as.i < 0) {
        return refuse(why, "a persistent id that is not ('storage', type, key, location, count)");
    }
    if (items->count == 6 && items->at[5]->kind != PICKLE_NONE)
        return refuse(why, "a view of a storage (torch before 0.4)");
    pickle_value *v = new_value(a, PICKLE_STORAGE);
    if (!v) return NULL;
    v->as.storage = (pickle_storage){.dtype = globals[type->as.global].dtype,
                                     .key = key->as.s.data,
                                     .key_size = key->as.s.size,
                                     .count = count->as.i};
    return v;
}
