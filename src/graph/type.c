/* Types and symbolic dimensions. */
#include <stdio.h>
#include <string.h>

#include "base/names.h"
#include "graph/graph.h"

/* In symbol_index a name's item is its symbol's number + 1. */
static bool index_add(model *m, const char *name, int k) {
    void **item = names_add(m->symbol_index, names_text(name));
    if (!item) return false;
    if (!*item) *item = (void *)((intptr_t)k + 1);
    return true;
}

/* Symbols come otherwise too (a model that takes over another's): those are indexed first. */
static bool index_rest(model *m) {
    if (!m->symbol_index) {
        m->symbol_index = ARENA_NEW(m->arena, names);
        if (!m->symbol_index) return false;
        names_begin(m->symbol_index, m->arena);
    }
    for (; m->n_symbols_indexed < m->n_symbols; m->n_symbols_indexed++) {
        const char *name = m->symbols[m->n_symbols_indexed];
        if (*name && !index_add(m, name, m->n_symbols_indexed)) return false;
    }
    return true;
}

dim dim_symbol(model *m, const char *name) {
    if (*name) {
        if (!index_rest(m)) return 0;
        void **known = names_find(m->symbol_index, names_text(name));
        if (known && *known) return DIM_SYMBOL_FIRST - ((intptr_t)*known - 1);
    }
    if (m->n_symbols == m->symbols_capacity) {
        if (m->n_symbols > INT32_MAX / 4) return 0;
        int wanted = m->symbols_capacity ? m->symbols_capacity * 2 : 16;
        const char **bigger = ARENA_ARRAY(m->arena, const char *, wanted);
        if (!bigger) return 0;
        if (m->n_symbols) memcpy(bigger, m->symbols, (size_t)m->n_symbols * sizeof *bigger);
        m->symbols = bigger;
        m->symbols_capacity = wanted;
    }
    const char *copy = *name ? arena_copy_string(m->arena, name, strlen(name)) : "";
    if (!copy) return 0;
    m->symbols[m->n_symbols++] = copy; /* into the index with the next name that is asked for */
    return DIM_SYMBOL_FIRST - (m->n_symbols - 1);
}

dim dim_find(const model *m, const char *name) {
    for (int k = m->n_symbols_indexed; k < m->n_symbols; k++)
        if (strcmp(m->symbols[k], name) == 0) return DIM_SYMBOL_FIRST - k;
    void **known = m->symbol_index ? names_find(m->symbol_index, names_text(name)) : NULL;
    return known && *known ? DIM_SYMBOL_FIRST - ((intptr_t)*known - 1) : 0;
}

const char *dim_name(const model *m, dim d) {
    if (d >= 0) return NULL;
    dim k = DIM_SYMBOL_FIRST - d;
    return k >= 0 && k < m->n_symbols ? m->symbols[k] : "";
}

bool type_equal(const type *a, const type *b) {
    if (a->dtype != b->dtype || a->rank != b->rank || a->element != b->element || a->optional != b->optional)
        return false;
    if (a->key != b->key) return false;
    for (int i = 0; i < a->rank; i++)
        if (a->dim[i] != b->dim[i]) return false;
    return true;
}

type type_make(hst_dtype d, int rank, const dim *dims) {
    type t = {.dtype = d, .rank = rank};
    for (int i = 0; i < rank && i < HST_RANK_MAX; i++) t.dim[i] = dims[i];
    return t;
}

type type_of_tensor(const hst_tensor *t) {
    if (tensor_is_list(t)) {
        type list = {.dtype = t->dtype, .rank = -1, .optional = t->dtype == HST_DTYPE_OPTIONAL};
        const hst_tensor *first = tensor_count(t) ? tensor_item(t, 0) : NULL;
        const hst_tensor *map = t->dtype == HST_DTYPE_MAP ? t : first && first->dtype == HST_DTYPE_MAP ? first : NULL;
        if (map) list.key = tensor_item(map, 0)->dtype;
        if (first) list.element = map ? tensor_item(map, 1)->dtype : first->dtype;
        return list;
    }
    return type_make(t->dtype, t->rank, t->dim);
}

const char *type_format(const model *m, const type *t, char *to, size_t size) {
    bool sequence = t->dtype == HST_DTYPE_SEQUENCE;
    if (t->dtype == HST_DTYPE_MAP || t->key) {
        snprintf(to, size, "%s%smap of %s to %s", t->optional ? "optional " : "", sequence ? "sequence of " : "",
                 dtype_name(t->key), dtype_name(t->element));
        return to;
    }
    size_t n = (size_t)snprintf(to, size, "%s%s%s[", t->optional ? "optional " : "", sequence ? "sequence of " : "",
                                dtype_name(sequence ? t->element : t->dtype));
    if (t->rank < 0 && n < size) n += (size_t)snprintf(to + n, size - n, "...");
    for (int i = 0; i < t->rank && n < size; i++) {
        const char *comma = i ? "," : "", *name = dim_name(m, t->dim[i]);
        if (!name)
            n += (size_t)snprintf(to + n, size - n, "%s%lld", comma, (long long)t->dim[i]);
        else if (*name)
            n += (size_t)snprintf(to + n, size - n, "%s%s", comma, name);
        else
            n += (size_t)snprintf(to + n, size - n, "%s?%lld", comma, (long long)(DIM_SYMBOL_FIRST - t->dim[i]));
    }
    if (n < size) snprintf(to + n, size - n, "]");
    return to;
}
