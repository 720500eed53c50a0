/* Inputs made up for a model that runs, and what its outputs are held to. */
#ifndef FUZZ_VALUES_H
#define FUZZ_VALUES_H

#include "fuzz/dice.h"
#include "fuzz/limited.h"

enum { SHAPES = 3, LENGTHS = 4 };

static inline uint64_t mix(uint64_t h, uint64_t x) {
    h ^= x;
    h *= 0xff51afd7ed558ccdu;
    return h ^ (h >> 32);
}

static inline uint64_t hash_bytes(uint64_t h, const void *data, size_t size) {
    for (size_t i = 0; i < size; i++) h = mix(h, ((const unsigned char *)data)[i]);
    return h;
}

/* ---- inputs ---- */

static inline hst_tensor *make_strings(int rank, const int64_t *dims, int64_t count, uint64_t *random) {
    static const hst_string texts[] = {{"a", 1}, {"cat", 3}, {"", 0}, {"x y", 3}, {"12", 2}};
    hst_tensor *t = NULL;
    hst_string *strings = calloc((size_t)count + 1, sizeof *strings);
    for (int64_t i = 0; strings && i < count; i++) strings[i] = texts[dice_below(random, 5)];
    if (!strings || hst_tensor_new_strings(rank, dims, strings, NULL, &t, NULL) != HST_STATUS_OK) t = NULL;
    free(strings);
    return t;
}

/* `shape` is a number below SHAPES and, times SHAPES, which lengths there are: few, none at times, many. */
static inline int64_t free_length(const char *name, int shape) {
    static const int64_t least[LENGTHS] = {1, 0, 1, 15}, span[LENGTHS] = {4, 3, 40, 5};
    const uint64_t h = hash_bytes(1, name, strlen(name)) + (uint64_t)(shape % SHAPES);
    return least[shape / SHAPES] + (int64_t)(h % (uint64_t)span[shape / SHAPES]);
}

static inline hst_tensor *make_tensor(const hst_value_info *v, hst_dtype dtype, uint64_t *random, int shape) {
    hst_tensor *t = NULL;
    int64_t dims[HST_RANK_MAX], count = 1;
    int rank = v->rank < 0 ? dice_below(random, 3) : v->rank;
    for (int k = 0; k < rank; k++) {
        const char *name = v->rank < 0 ? "" : v->dim_names[k];
        dims[k] = v->rank < 0 ? 1 + dice_below(random, 3) : v->dims[k] >= 0 ? v->dims[k] : free_length(name, shape);
        if (__builtin_mul_overflow(count, dims[k], &count) || count > 20000) return NULL;
    }
    if (dtype == HST_DTYPE_NONE) dtype = HST_DTYPE_F32;
    if (dtype == HST_DTYPE_STRING) return make_strings(rank, dims, count, random);
    if (hst_tensor_new(dtype, rank, dims, NULL, &t, NULL) != HST_STATUS_OK) return NULL;
    unsigned char *data = hst_tensor_data(t);
    size_t size = element_bytes(dtype), bytes = hst_tensor_bytes(t);
    const int wild = dice_below(random, 3) ? 0 : 4;
    for (size_t i = 0; i + size <= bytes; i += size) dice_element(random, dtype, wild, data + i);
    return t;
}

static inline hst_tensor *make_input(const hst_value_info *v, uint64_t *random, int shape) {
    hst_tensor *t = NULL, *items[3] = {0};
    if (v->may_be_empty && dice_below(random, 3) == 0) {
        (void)hst_tensor_new_empty_optional(NULL, &t, NULL);
        return t;
    }
    if (v->dtype != HST_DTYPE_SEQUENCE) return make_tensor(v, v->dtype, random, shape);
    size_t n = (size_t)dice_below(random, 4);
    bool ok = true;
    for (size_t i = 0; i < n; i++) ok = (items[i] = make_tensor(v, v->element, random, shape)) && ok;
    if (ok) (void)hst_tensor_new_sequence(n, (const hst_tensor *const *)items, NULL, &t, NULL);
    for (size_t i = 0; i < n; i++) hst_tensor_free(items[i]);
    return t;
}

/* ---- outputs ---- */

static inline void verify(const hst_model *model, size_t i, const hst_tensor *t) {
    const hst_value_info *v = hst_model_output(model, i);
    hst_dtype dtype = hst_tensor_dtype(t);
    if (v->dtype != HST_DTYPE_NONE && v->dtype != dtype && !(v->may_be_empty && dtype == HST_DTYPE_OPTIONAL))
        die("an output of another type than the model says", NULL);
    if (dtype == HST_DTYPE_SEQUENCE || dtype == HST_DTYPE_OPTIONAL || v->rank < 0) return;
    if (v->rank != hst_tensor_rank(t)) die("an output of another rank than the model says", NULL);
    for (int k = 0; k < v->rank; k++)
        if (v->dims[k] >= 0 && v->dims[k] != hst_tensor_dims(t)[k])
            die("an output of another shape than the model says", NULL);
}

static inline bool is_nan(hst_dtype dtype, const char *x) {
    double wide;
    float single;
    uint16_t half;
    if (dtype == HST_DTYPE_F64) return memcpy(&wide, x, sizeof wide), wide != wide;
    if (dtype == HST_DTYPE_F32) return memcpy(&single, x, sizeof single), single != single;
    memcpy(&half, x, sizeof half);
    return (half & 0x7fff) > (dtype == HST_DTYPE_F16 ? 0x7c00 : 0x7f80);
}

/* Of everything in it, one NaN being as good as another. */
static inline uint64_t hash_tensor(uint64_t h, const hst_tensor *t) {
    const hst_dtype dtype = hst_tensor_dtype(t);
    h = mix(mix(h, (uint64_t)dtype), (uint64_t)hst_tensor_rank(t));
    h = hash_bytes(h, hst_tensor_dims(t), (size_t)hst_tensor_rank(t) * sizeof(int64_t));
    const void *data = hst_tensor_view(t);
    const int64_t n = hst_tensor_count(t);
    if (dtype == HST_DTYPE_OPTIONAL) return h;
    if (dtype == HST_DTYPE_SEQUENCE || dtype == HST_DTYPE_MAP) {
        for (int64_t i = 0; i < n; i++) h = hash_tensor(h, hst_tensor_item(t, (size_t)i));
    } else if (dtype == HST_DTYPE_STRING) {
        const hst_string *s = data;
        for (int64_t i = 0; i < n; i++) h = hash_bytes(mix(h, s[i].size), s[i].data, s[i].size);
    } else if (dtype == HST_DTYPE_F32 || dtype == HST_DTYPE_F64 || dtype == HST_DTYPE_F16 || dtype == HST_DTYPE_BF16) {
        const size_t size = element_bytes(dtype);
        const char *x = data;
        for (int64_t i = 0; i < n; i++, x += size) h = is_nan(dtype, x) ? mix(h, 1) : hash_bytes(h, x, size);
    } else if (dtype != HST_DTYPE_C64 && dtype != HST_DTYPE_C128) { /* NaN in those, too */
        h = hash_bytes(h, data, hst_tensor_bytes(t));
    }
    return h;
}

static inline bool mentions(const uint8_t *data, size_t size, const char *const *words, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (memmem(data, size, words[i], strlen(words[i]))) return true;
    return false;
}

/* Whether it is no good to compare two runs of what `data`, a model or an operator's name, says. */
static inline bool draws_numbers(const uint8_t *data, size_t size) {
    static const char *const words[] = {"Random", "Bernoulli", "Multinomial", "Dropout"};
    return mentions(data, size, words, sizeof words / sizeof *words);
}

static inline uint64_t hash_outputs(hst_tensor *const *out, size_t n) {
    uint64_t h = n;
    for (size_t i = 0; i < n; i++) h = hash_tensor(h, out[i]);
    return h | 1;
}

#endif
