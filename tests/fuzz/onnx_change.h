/* Changes to one message of an ONNX file: numbers, tensors, types, attributes. */
#ifndef FUZZ_ONNX_CHANGE_H
#define FUZZ_ONNX_CHANGE_H

#include "fuzz/dice.h"
#include "fuzz/onnx_tree.h"
#include "hasten.h"

#define MUTATE_BAG   1024 /* messages of a kind, and names, that are looked at */
#define MUTATE_BYTES 4096 /* of a tensor made up here */

typedef struct mutation {
    uint64_t random;
    tree *model;
    bool internal; /* operators of our own may be put in: the graph of an engine file */
    tree *bag[TREE_KINDS][MUTATE_BAG];
    int n[TREE_KINDS];
    tree_field *names[MUTATE_BAG]; /* of values: inputs and outputs of nodes and graphs, initializers */
    int n_names;
} mutation;

static uint64_t roll(mutation *m) {
    return dice_roll(&m->random);
}

static int roll_below(mutation *m, int n) {
    return dice_below(&m->random, n);
}

static int64_t roll_s64(mutation *m, int64_t now) {
    return dice_s64(&m->random, now);
}

static double roll_f64(mutation *m) {
    return dice_f64(&m->random);
}

/* ---- what there is ---- */

static bool is_name(tree_kind k, uint32_t number) {
    return (k == TREE_NODE && (number == NODE_INPUT || number == NODE_OUTPUT)) ||
           (k == TREE_INFO && number == INFO_NAME) || (k == TREE_TENSOR && number == TENSOR_NAME) ||
           (k == TREE_FUNCTION && (number == FUNCTION_INPUT || number == FUNCTION_OUTPUT));
}

static void look(mutation *m, tree *t) {
    if (m->n[t->kind] < MUTATE_BAG) m->bag[t->kind][m->n[t->kind]++] = t;
    for (int i = 0; i < t->n; i++) {
        if (is_name(t->kind, t->fields[i].number) && t->fields[i].wire == PROTO_BYTES && m->n_names < MUTATE_BAG)
            m->names[m->n_names++] = &t->fields[i];
        if (t->fields[i].sub) look(m, t->fields[i].sub);
    }
}

static void look_again(mutation *m) {
    memset(m->n, 0, sizeof m->n);
    m->n_names = 0;
    look(m, m->model);
}

static tree *any(mutation *m, tree_kind k) {
    return m->n[k] ? m->bag[k][roll_below(m, m->n[k])] : NULL;
}

/* A random field of that number, or NULL. */
static tree_field *any_field(mutation *m, const tree *t, uint32_t number) {
    int count = 0;
    for (int i = 0; i < t->n; i++) count += t->fields[i].number == number;
    int k = roll_below(m, count);
    for (int i = 0; i < t->n; i++)
        if (t->fields[i].number == number && k-- == 0) return &t->fields[i];
    return NULL;
}

static void take_bytes(tree_field *to, const tree_field *from) {
    to->data = from->data;
    to->size = from->size;
    to->sub = NULL;
    to->wire = PROTO_BYTES;
}

/* ---- tensors ---- */

static void drop_data(tree *t) {
    static const uint32_t data[] = {TENSOR_FLOAT_DATA,  TENSOR_INT32_DATA,    TENSOR_STRING_DATA,
                                    TENSOR_INT64_DATA,  TENSOR_RAW_DATA,      TENSOR_DOUBLE_DATA,
                                    TENSOR_UINT64_DATA, TENSOR_EXTERNAL_DATA, TENSOR_DATA_LOCATION};
    for (size_t i = 0; i < sizeof data / sizeof *data; i++) tree_drop(t, data[i]);
}

/* New elements for the dims and the dtype that stand there, where that is not too much. */
static void refill(mutation *m, tree *t) {
    static const char *const texts[] = {"",         "a", "cat", "Zo\xc3\xab", "a,b,,c",
                                        "\xff\xfe", "0", "1e3", "nan",        "x y  z"};
    const tree_field *type = tree_find(t, TENSOR_DATA_TYPE);
    int64_t count = 1, dtype = type ? (int64_t)type->value : 1;
    for (int i = 0; i < t->n; i++) {
        const tree_field *f = &t->fields[i];
        if (f->number == TENSOR_DIMS && f->wire == PROTO_VARINT &&
            __builtin_mul_overflow(count, (int64_t)f->value, &count))
            return;
    }
    if (count < 0 || count > MUTATE_BYTES) return;
    drop_data(t);
    if (dtype == HST_DTYPE_STRING) {
        for (int64_t i = 0; i < count; i++) tree_put_text(t, TENSOR_STRING_DATA, texts[roll_below(m, 10)]);
        return;
    }
    size_t bytes = (size_t)count * element_bytes(dtype);
    if (dtype == HST_DTYPE_U4 || dtype == HST_DTYPE_S4 || dtype == HST_DTYPE_F4E2M1) bytes = (bytes + 1) / 2;
    if (dtype == HST_DTYPE_U2 || dtype == HST_DTYPE_S2) bytes = (bytes + 3) / 4;
    unsigned char *data = tree_take(bytes + 16);
    for (size_t i = 0; data && i < bytes; i += element_bytes(dtype)) dice_element(&m->random, dtype, 4, data + i);
    tree_insert(t, t->n,
                (tree_field){.number = TENSOR_RAW_DATA, .wire = PROTO_BYTES, .data = data, .size = data ? bytes : 0});
}

/* Dims as one unpacked field each. */
static int unpack_dims(tree *t, int64_t *dims, int most) {
    int n = 0;
    for (int i = 0; i < t->n; i++) {
        const tree_field *f = &t->fields[i];
        if (f->number != TENSOR_DIMS) continue;
        proto_reader r;
        proto_list l;
        uint64_t x;
        proto_begin(&r, f->data, f->size);
        if (f->wire == PROTO_VARINT && n < most) dims[n++] = (int64_t)f->value;
        proto_field as = {.number = f->number, .wire = f->wire, .bytes = {f->data, f->size}};
        if (f->wire != PROTO_BYTES || proto_list_open(&r, &as, PROTO_VARINT, "dims", &l, NULL) != HST_STATUS_OK)
            continue;
        while (proto_list_next(&l, &x))
            if (n < most) dims[n++] = (int64_t)x;
    }
    tree_drop(t, TENSOR_DIMS);
    return n;
}

static int64_t roll_length(mutation *m, int64_t now) {
    return roll_below(m, 12) == 0 ? roll_s64(m, now) : roll_below(m, 3) == 0 ? roll_below(m, 3) : roll_below(m, 9);
}

static void change_tensor(mutation *m, tree *t) {
    int64_t dims[20];
    int n;
    tree_field *f;
    const tree *other;
    switch (roll_below(m, 7)) {
    case 0: /* another shape, with as many elements as it needs */
        n = unpack_dims(t, dims, 18);
        if (roll_below(m, 3) == 0 && n > 0)
            n--;
        else if (roll_below(m, 3) == 0)
            dims[n++] = roll_length(m, 1);
        if (n > 0) dims[roll_below(m, n)] = roll_length(m, dims[0]);
        for (int i = 0; i < n; i++) tree_put_s64(t, TENSOR_DIMS, dims[i]);
        refill(m, t);
        break;
    case 1: /* another type */
        tree_drop(t, TENSOR_DATA_TYPE);
        tree_put_s64(t, TENSOR_DATA_TYPE, roll_below(m, 27));
        refill(m, t);
        break;
    case 2:
        refill(m, t);
        break;
    case 3: /* one element */
        f = tree_find(t, TENSOR_RAW_DATA);
        n = (f = f ? f : any_field(m, t, TENSOR_INT64_DATA)) ? (int)(f->size / 8) : 0;
        if (f && f->number == TENSOR_RAW_DATA && f->size) {
            const tree_field *type = tree_find(t, TENSOR_DATA_TYPE);
            size_t size = element_bytes(type ? (int64_t)type->value : 1);
            unsigned char *copy = tree_take(f->size + 16);
            if (!copy) break;
            memcpy(copy, f->data, f->size);
            dice_element(&m->random, type ? (int64_t)type->value : 1, 4, copy + roll(m) % f->size / size * size);
            f->data = copy;
        } else if (f && f->wire == PROTO_VARINT) {
            f->value = (uint64_t)roll_s64(m, (int64_t)f->value);
        } else {
            refill(m, t);
        }
        break;
    case 4: /* dims and data that do not agree */
        if ((f = any_field(m, t, TENSOR_DIMS)) && f->wire == PROTO_VARINT)
            f->value = (uint64_t)roll_s64(m, (int64_t)f->value);
        break;
    case 5: /* a vector of integers: what axes, shapes, pads … are */
        unpack_dims(t, dims, 18);
        tree_put_s64(t, TENSOR_DIMS, roll_below(m, 6));
        tree_drop(t, TENSOR_DATA_TYPE);
        tree_put_s64(t, TENSOR_DATA_TYPE, HST_DTYPE_S64);
        refill(m, t);
        break;
    default: /* the elements of another one */
        other = any(m, TREE_TENSOR);
        if (!other || other == t) break;
        f = tree_find(t, TENSOR_NAME);
        {
            tree_field name = f ? *f : (tree_field){0};
            tree *copy = tree_copy(other);
            if (!copy) break;
            tree_drop(copy, TENSOR_NAME);
            if (f) tree_insert(copy, copy->n, name);
            *t = *copy;
        }
    }
}

/* ---- types ---- */

static void change_dim(mutation *m, tree *d) {
    tree_field *f = tree_find(d, DIM_VALUE);
    int64_t now = f ? (int64_t)f->value : 2;
    tree_drop(d, DIM_VALUE);
    tree_drop(d, DIM_PARAM);
    if (roll_below(m, 3))
        tree_put_s64(d, DIM_VALUE, roll_length(m, now));
    else if (roll_below(m, 4))
        tree_put_text(d, DIM_PARAM, roll_below(m, 2) ? "N" : "batch");
}

static void change_type(mutation *m, tree *t) {
    tree *inner, *copy;
    tree_field *f;
    switch (roll_below(m, 5)) {
    case 0:
        if (t->kind != TREE_TENSOR_TYPE) break;
        tree_drop(t, TENSOR_TYPE_ELEM);
        tree_put_s64(t, TENSOR_TYPE_ELEM, roll_below(m, 27));
        break;
    case 1: /* wrapped into a sequence or an optional */
        if (t->kind != TREE_TYPE || !(copy = tree_copy(t))) break;
        t->n = 0;
        if ((inner = tree_put_new(t, roll_below(m, 2) ? TYPE_SEQUENCE : TYPE_OPTIONAL)))
            tree_insert(inner, 0, (tree_field){.number = TYPE_ELEM, .wire = PROTO_BYTES, .sub = copy});
        break;
    case 2:
        if (t->kind == TREE_TENSOR_TYPE) tree_drop(t, TENSOR_TYPE_SHAPE);
        break;
    case 3:
        if (t->kind != TREE_SHAPE) break;
        if (t->n && roll_below(m, 2))
            tree_remove(t, roll_below(m, t->n));
        else if ((inner = tree_put_new(t, SHAPE_DIM)))
            change_dim(m, inner);
        break;
    default:
        if (t->kind == TREE_SHAPE && (f = any_field(m, t, SHAPE_DIM)) && f->sub) change_dim(m, f->sub);
    }
}

/* ---- attributes ---- */

// clang-format off
static const char *const attribute_names[] = {
    "axis", "axes", "keepdims", "mode", "to", "perm", "pads", "strides", "dilations", "kernel_shape", "group",
    "auto_pad", "epsilon", "alpha", "beta", "num_heads", "q_num_heads", "kv_num_heads", "scale", "largest", "sorted",
    "shape", "value", "value_ints", "batch_dims", "blocksize", "ceil_mode", "count_include_pad", "storage_order", "p",
    "output_shape", "output_padding", "equation", "reduction", "direction", "hidden_size", "num_scan_inputs",
    "scan_input_axes", "scan_output_axes", "scan_input_directions", "noop_with_empty_axes", "allowzero", "is_causal",
    "block_size", "bits", "N", "K", "unidirectional", "num_outputs", "split", "starts", "ends",
    "coordinate_transformation_mode", "nearest_mode", "antialias", "size", "stash_type", "transA", "transB",
    "time_axis", "batch_axis", "dtype", "seed", "high", "low", "onesided", "inverse", "upper", "k", "exclusive",
    "reverse", "select_last_index", "local_window_size", "do_rotary", "interleaved", "rotary_embedding_dim",
    "past_present_share_buffer", "softcap", "num_groups", "min_gram_length", "max_gram_length", "max_skip_count",
    "pool_int64s", "ngram_counts", "ngram_indexes", "output_size"};
static const char *const attribute_texts[] = {
    "", "constant", "reflect", "edge", "wrap", "linear", "cubic", "nearest", "bilinear", "bicubic", "SAME_UPPER",
    "SAME_LOWER", "VALID", "NOTSET", "add", "mul", "min", "max", "none", "sum", "mean", "LEFT", "RIGHT", "DCR", "CRD",
    "forward", "reverse", "bidirectional", "ij, jk->ik", "i, j, k->", "...i->i", "ii->i", "align_corners",
    "asymmetric", "half_pixel", "floor", "TF", "TFIDF", "(a*)*b"};
// clang-format on

static void change_list(mutation *m, tree *a, uint32_t number) {
    int at = -1;
    for (int i = 0; i < a->n; i++)
        if (a->fields[i].number == number && (at < 0 || roll_below(m, 3) == 0)) at = i;
    if (at < 0) return;
    tree_field *f = &a->fields[at];
    if (f->wire == PROTO_BYTES && number == ATTR_INTS) { /* packed: spelled out */
        tree_field packed = *f;
        proto_reader r;
        proto_list l;
        uint64_t x;
        tree_remove(a, at);
        proto_begin(&r, packed.data, packed.size);
        proto_field as = {.number = number, .wire = PROTO_BYTES, .bytes = {packed.data, packed.size}};
        if (proto_list_open(&r, &as, PROTO_VARINT, "ints", &l, NULL) == HST_STATUS_OK)
            while (proto_list_next(&l, &x)) tree_put_s64(a, number, (int64_t)x);
        return;
    }
    tree_field copy = *f;
    switch (roll_below(m, 4)) {
    case 0:
        tree_remove(a, at);
        break;
    case 1:
        tree_insert(a, at, copy);
        break;
    default:
        if (f->wire == PROTO_VARINT) f->value = (uint64_t)roll_s64(m, (int64_t)f->value);
        if (f->wire == PROTO_FIXED32) {
            float x = (float)roll_f64(m);
            memcpy(&f->value, &x, sizeof x);
        }
    }
}

static void set_attribute(mutation *m, tree *a) {
    float x = (float)roll_f64(m);
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    tree_drop(a, ATTR_TYPE);
    switch (roll_below(m, 5)) {
    case 0:
        tree_insert(a, a->n, (tree_field){.number = ATTR_F, .wire = PROTO_FIXED32, .value = bits});
        tree_put_s64(a, ATTR_TYPE, 1);
        break;
    case 1:
        tree_put_s64(a, ATTR_I, roll_s64(m, 1));
        tree_put_s64(a, ATTR_TYPE, 2);
        break;
    case 2:
        tree_put_text(a, ATTR_S,
                      attribute_texts[roll_below(m, (int)(sizeof attribute_texts / sizeof *attribute_texts))]);
        tree_put_s64(a, ATTR_TYPE, 3);
        break;
    case 3:
        for (int i = roll_below(m, 6); i-- > 0;)
            tree_put_s64(a, ATTR_INTS, roll_below(m, 2) ? roll_below(m, 5) : roll_s64(m, i));
        tree_put_s64(a, ATTR_TYPE, 7);
        break;
    default: {
        tree *t = tree_put_new(a, ATTR_T);
        if (!t) break;
        tree_put_s64(t, TENSOR_DATA_TYPE, roll_below(m, 27));
        for (int i = roll_below(m, 3); i-- > 0;) tree_put_s64(t, TENSOR_DIMS, roll_below(m, 4));
        refill(m, t);
        tree_put_s64(a, ATTR_TYPE, 4);
    }
    }
}

static void change_attribute(mutation *m, tree *a) {
    tree_field *f = tree_find(a, ATTR_I);
    if (f && f->wire == PROTO_VARINT && roll_below(m, 4)) {
        f->value = (uint64_t)roll_s64(m, (int64_t)f->value);
        return;
    }
    if ((f = tree_find(a, ATTR_F)) && roll_below(m, 4)) {
        float x = (float)roll_f64(m);
        memcpy(&f->value, &x, sizeof x);
        return;
    }
    if ((f = tree_find(a, ATTR_S)) && roll_below(m, 4)) {
        const char *text = attribute_texts[roll_below(m, (int)(sizeof attribute_texts / sizeof *attribute_texts))];
        f->data = (const unsigned char *)text;
        f->size = strlen(text);
        return;
    }
    if (tree_find(a, ATTR_INTS) && roll_below(m, 4)) {
        change_list(m, a, ATTR_INTS);
        return;
    }
    switch (roll_below(m, 5)) {
    case 0:
        if ((f = tree_find(a, ATTR_TYPE))) f->value = (uint64_t)roll_below(m, 16);
        break;
    case 1:
        change_list(m, a, ATTR_FLOATS);
        break;
    case 2: /* another name */
        if ((f = tree_find(a, ATTR_NAME))) {
            const char *name = attribute_names[roll_below(m, (int)(sizeof attribute_names / sizeof *attribute_names))];
            f->data = (const unsigned char *)name;
            f->size = strlen(name);
        }
        break;
    case 3: /* another graph in its place */
        if ((f = tree_find(a, ATTR_G)) && f->sub) {
            tree *copy = tree_copy(any(m, TREE_GRAPH));
            if (copy) f->sub = copy;
        }
        break;
    default:
        set_attribute(m, a);
    }
}

#endif
