/* TfIdfVectorizer: x [C] or [B, C] of s32, s64 or strings -> f32 [most index + 1] or [B, …]: how often each n-gram of
 * the pool occurs, at the place that ngram_indexes gives it; mode IDF: its weight where it occurs; TFIDF: weight times
 * count. n-grams are of min_gram_length to max_gram_length tokens, with 0 to max_skip_count tokens left out between
 * each two. The pool becomes a trie: entry = (entry of the n-gram without its last token, token), found by hashing. */
#include <string.h>

#include "base/checked.h"
#include "ops/op.h"
#include "tensor/strings.h"

typedef struct entry {
    int64_t parent; /* entry + 1, 0: the root; -1: an empty place of the table */
    int64_t number;
    const hst_string *text; /* NULL: numbers */
    int64_t id;             /* index into ngram_indexes, -1: only the beginning of n-grams */
} entry;

typedef struct trie {
    arena *arena;
    entry *table; /* size a power of two */
    uint64_t mask;
    int64_t min, max, skips, columns;
    const int64_t *index;
    const float *weights; /* NULL: 1 each */
    bool idf, tf;         /* tf: counts */
} trie;

static uint64_t hash(int64_t parent, int64_t number, const hst_string *text) {
    uint64_t h = (uint64_t)parent * UINT64_C(0x9e3779b97f4a7c15) ^ (uint64_t)number;
    for (size_t i = 0; text && i < text->size; i++) h = (h ^ (unsigned char)text->data[i]) * UINT64_C(0x100000001b3);
    h = (h ^ (h >> 31)) * UINT64_C(0xbf58476d1ce4e5b9);
    return h ^ (h >> 29);
}

/* The place of an n-gram: its entry, or the empty one where it belongs. */
static entry *place(const trie *t, int64_t parent, int64_t number, const hst_string *text) {
    for (uint64_t at = hash(parent, number, text);; at++) {
        entry *e = &t->table[at & t->mask];
        if (e->parent < 0) return e;
        if (e->parent == parent && e->number == number && (!text || string_compare(e->text, text) == 0)) return e;
    }
}

/* ---- building ---- */

static hst_status bad(const node *n, hst_error *err, const char *what) {
    return node_error(n, err, HST_STATUS_BAD_FORMAT, "%s", what);
}

static hst_status read_args(const node *n, trie *t, int64_t *n_index, hst_error *err) {
    const char *mode = node_string(n, "mode", "");
    const attribute *weights = node_attribute(n, "weights");
    t->idf = strcmp(mode, "TF") != 0;
    t->tf = strcmp(mode, "IDF") != 0;
    if (t->idf && t->tf && strcmp(mode, "TFIDF") != 0)
        return node_error(n, err, HST_STATUS_BAD_FORMAT, "mode '%s' is not TF, IDF or TFIDF", mode);
    t->min = node_int(n, "min_gram_length", 1);
    t->max = node_int(n, "max_gram_length", 1);
    t->skips = node_int(n, "max_skip_count", 0);
    *n_index = node_ints(n, "ngram_indexes", &t->index);
    if (t->min < 1 || t->max < t->min || t->skips < 0 || *n_index < 1)
        return bad(n, err, "n-gram lengths, skips or ngram_indexes are out of range");
    for (int64_t k = 0; k < *n_index; k++) {
        if (t->index[k] < 0 || t->index[k] == INT64_MAX) return bad(n, err, "ngram_indexes are out of range");
        if (t->index[k] >= t->columns) t->columns = t->index[k] + 1;
    }
    if (!t->idf || !weights || weights->type != ATTRIBUTE_FLOATS || weights->n == 0) return HST_STATUS_OK;
    if (weights->n < t->columns) return bad(n, err, "there are fewer weights than columns");
    t->weights = weights->as.floats;
    return HST_STATUS_OK;
}

/* One n-gram of the pool into the trie. */
static void add(trie *t, const int64_t *numbers, const hst_string *texts, int64_t at, int64_t length, int64_t id) {
    int64_t parent = 0;
    for (int64_t k = at; k < at + length; k++) {
        entry *e = place(t, parent, numbers ? numbers[k] : 0, texts ? &texts[k] : NULL);
        if (e->parent < 0) *e = (entry){parent, numbers ? numbers[k] : 0, texts ? &texts[k] : NULL, -1};
        if (k == at + length - 1) e->id = id;
        parent = e - t->table + 1;
    }
}

static hst_status build(const node *n, trie *t, hst_error *err) {
    const attribute *texts = node_attribute(n, "pool_strings");
    const int64_t *numbers = NULL, *counts;
    int n_counts = node_ints(n, "ngram_counts", &counts);
    int64_t n_index, total = node_ints(n, "pool_int64s", &numbers), id = 0;
    if (texts && (texts->type != ATTRIBUTE_STRINGS || texts->n == 0)) texts = NULL;
    if (texts) total = texts->n;
    if (texts ? numbers != NULL && node_ints(n, "pool_int64s", &numbers) > 0 : total < 0)
        return bad(n, err, "one of pool_strings and pool_int64s is needed");
    HST_TRY(read_args(n, t, &n_index, err));
    uint64_t size = 16;
    while (size < 2 * (uint64_t)total) size *= 2;
    t->mask = size - 1;
    t->table = ARENA_ARRAY(t->arena, entry, size);
    if (!t->table) return error_no_memory(err, 0, "the n-grams");
    for (uint64_t k = 0; k < size; k++) t->table[k].parent = -1;
    for (int k = 0; k < n_counts; k++) {
        int64_t begin = counts[k], end = k + 1 < n_counts ? counts[k + 1] : total, length = k + 1;
        if (begin < 0 || end < begin || end > total) return bad(n, err, "ngram_counts do not fit the pool");
        for (int64_t at = begin; at + length <= end; at += length, id++) {
            if (id >= n_index) return bad(n, err, "there are fewer ngram_indexes than n-grams");
            if (length >= t->min && length <= t->max)
                add(t, texts ? NULL : numbers, texts ? texts->as.strings : NULL, at, length, id);
        }
    }
    return HST_STATUS_OK;
}

static void trie_free(void *state, const hst_allocator *a) {
    (void)a;
    arena_free(((trie *)state)->arena);
}

static hst_status trie_new(const node *n, const hst_allocator *a, trie **out, hst_error *err) {
    arena *memory = arena_new(a);
    trie *t = memory ? ARENA_NEW(memory, trie) : NULL;
    if (!t) {
        arena_free(memory);
        return error_no_memory(err, sizeof *t, "the n-grams");
    }
    t->arena = memory;
    hst_status status = build(n, t, err);
    if (status != HST_STATUS_OK)
        trie_free(t, a);
    else
        *out = t;
    return status;
}

/* ---- evaluation ---- */

static hst_status infer(infer_context *c, hst_error *err) {
    const type *x = infer_in(c, 0);
    trie t = {0};
    int64_t n_index;
    HST_TRY(read_args(c->node, &t, &n_index, err));
    c->out[0].dtype = HST_DTYPE_F32;
    if (x->rank < 0) return HST_STATUS_OK;
    c->out[0].rank = x->rank > 1 ? 2 : 1;
    c->out[0].dim[0] = x->rank > 1 ? x->dim[0] : t.columns;
    c->out[0].dim[1] = t.columns;
    return HST_STATUS_OK;
}

/* Counts the n-grams of a row of n tokens: numbers, or texts. */
static hst_status count_row(eval_context *c, const trie *t, const int64_t *numbers, const hst_string *texts, int64_t n,
                            float *y, hst_error *err) {
    int64_t least = t->min;
    for (int64_t step = 1; step <= t->skips + 1 && (step == 1 || step < n); step++) {
        HST_TRY(c->runtime->check(c, err));
        for (int64_t start = 0; start < n && (least == 1 || (n - 1 - start) / (least - 1) >= step); start++) {
            int64_t parent = 0;
            for (int64_t length = 1, at = start; length <= t->max && at < n; length++, at += step) {
                const entry *e = place(t, parent, texts ? 0 : numbers[at], texts ? &texts[at] : NULL);
                if (e->parent < 0) break;
                if (length >= least && e->id >= 0) y[t->index[e->id]] += 1;
                parent = e - t->table + 1;
            }
        }
        if (least == 1 && ++least > t->max) break; /* single tokens are counted once */
    }
    return HST_STATUS_OK;
}

static hst_status run(const void *state, eval_context *c, hst_error *err) {
    const trie *t = state;
    const hst_tensor *x;
    const int64_t *numbers = NULL;
    const hst_string *texts = NULL;
    hst_tensor *y;
    HST_TRY(eval_need(c, 0, "X", &x, err));
    bool wants_text = node_attribute(c->node, "pool_strings") != NULL;
    if (x->rank > 2 || wants_text != (x->dtype == HST_DTYPE_STRING))
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "the input is %s of rank %d, the pool holds %s",
                          dtype_name(x->dtype), x->rank, wants_text ? "strings" : "integers");
    if (wants_text)
        texts = x->data;
    else
        HST_TRY(move_indices(c, x, "X", &numbers, err));
    int64_t rows = x->rank == 2 ? x->dim[0] : 1, n = x->rank ? x->dim[x->rank - 1] : 1;
    int64_t dims[2] = {rows, t->columns};
    HST_TRY(eval_output(c, 0, HST_DTYPE_F32, x->rank == 2 ? 2 : 1, x->rank == 2 ? dims : dims + 1, &y, err));
    float *to = y->data;
    if (y->bytes) memset(to, 0, y->bytes);
    for (int64_t r = 0; r < rows; r++, to += t->columns) {
        HST_TRY(count_row(c, t, texts ? NULL : numbers + r * n, texts ? texts + r * n : NULL, n, to, err));
        for (int64_t k = 0; t->idf && k < t->columns; k++)
            if (to[k] > 0) to[k] = (t->tf ? to[k] : 1) * (t->weights ? t->weights[k] : 1);
    }
    return HST_STATUS_OK;
}

static hst_status eval(eval_context *c, hst_error *err) {
    trie *t;
    HST_TRY(trie_new(c->node, NULL, &t, err));
    hst_status status = run(t, c, err);
    trie_free(t, NULL);
    return status;
}

static hst_status bind(bind_context *c, hst_error *err) {
    trie *t;
    HST_TRY(trie_new(c->node, c->allocator, &t, err));
    c->run = run;
    c->state = t;
    c->state_free = trie_free;
    return HST_STATUS_OK;
}

// clang-format off
#define POOL "pool_int64s=[2,3,5,4,5,6,7,8,6,7], ngram_counts=[0,4], ngram_indexes=[0,1,2,3,4,5,6]"
static const op_case cases[] = {
    {"pairs", 0, "(s32[2,6]{1 1 3 3 3 7 8 6 7 5 6 8}; mode=\"TF\", min_gram_length=2, max_gram_length=2, max_skip_count=0, " POOL ") -> (f32[2,7]{0 0 0 0 0 0 0 0 0 0 0 1 0 1})", 0},
    {"singles and pairs with skips", 0, "(s64[12]{1 1 3 3 3 7 8 6 7 5 6 8}; mode=\"TF\", min_gram_length=1, max_gram_length=2, max_skip_count=5, " POOL ") -> (f32[7]{0 3 1 0 1 3 1})", 0},
    {"weights", 9, "(string[3]{\"a\" \"b\" \"a\"}; mode=\"TFIDF\", min_gram_length=1, max_gram_length=1, max_skip_count=0, pool_strings=[\"a\",\"b\",\"c\"], ngram_counts=[0], ngram_indexes=[2,0,1], weights=[0.5,1.0,2.0]) -> (f32[3]{0.5 0 4})", 0},
    {"idf", 0, "(s64[2,0]{}; mode=\"IDF\", min_gram_length=1, max_gram_length=1, max_skip_count=0, pool_int64s=[1], ngram_counts=[0], ngram_indexes=[1]) -> (f32[2,2]{0})", 0},
    {0}};
// clang-format on

HST_OP(TfIdfVectorizer) = {.name = "TfIdfVectorizer",
                           .domain = "",
                           .since = 9,
                           .min_in = 1,
                           .max_in = 1,
                           .min_out = 1,
                           .max_out = 1,
                           .infer = infer,
                           .eval = eval,
                           .bind = bind,
                           .summary = "counts or weights of the n-grams of a pool",
                           HST_CASES(cases)};
