/* Arithmetic on lengths that may be symbols, for infer functions. A symbol is something that the file named, something
 * unknown, or made of others: a sum of products ("2*batch*seq+past-1"), the smaller or larger of two, a whole quotient.
 * What a symbol is made of stands in model->made; model->made_index finds it again by a text over the symbols' numbers,
 * so that equal expressions are equal symbols whatever their order. A name that a file gives, "past + seq", is read
 * once. */
#include <string.h>

#include "base/checked.h"
#include "base/names.h"
#include "ops/length.h"

const made *length_made(const model *m, dim d) {
    if (!dim_is_symbol(d)) return NULL; /* of a length near 2^63 there is no difference */
    const dim k = DIM_SYMBOL_FIRST - d;
    return k < m->made_capacity ? m->made[k] : NULL;
}

static bool set_made(model *m, dim d, const made *what) {
    const dim k = DIM_SYMBOL_FIRST - d;
    if (k >= m->made_capacity) {
        const int capacity = m->symbols_capacity > k ? m->symbols_capacity : (int)k + 1;
        const struct made **bigger = ARENA_ARRAY(m->arena, const struct made *, capacity);
        if (!bigger) return false;
        memset(bigger, 0, (size_t)capacity * sizeof *bigger);
        if (m->made_capacity) memcpy(bigger, m->made, (size_t)m->made_capacity * sizeof *bigger);
        m->made = bigger;
        m->made_capacity = capacity;
    }
    m->made[k] = what;
    return true;
}

/* ---- what is not negative ---- */

bool dim_is_length(const model *m, dim d) {
    const made *what = length_made(m, d);
    if (!dim_is_symbol(d)) return d >= 0;
    return !what || what->length;
}

static bool never_negative(const model *m, const sum *s) {
    if (s->lost) return false;
    for (int i = 0; i < s->n; i++) {
        if (s->term[i].factor < 0) return false;
        for (int k = 0; k < s->term[i].n; k++)
            if (!dim_is_length(m, s->term[i].symbol[k])) return false;
    }
    return true;
}

void dim_assume_length(model *m, dim d) {
    const made *what = length_made(m, d);
    if (!what || what->length || what->kind == MADE_INTEGER) return;
    made *copy = ARENA_NEW(m->arena, made);
    if (!copy) return;
    *copy = *what;
    copy->length = true;
    (void)set_made(m, d, copy);
}

static bool made_is_length(const model *m, const made *what) {
    switch (what->kind) {
    case MADE_SUM:
        return never_negative(m, what->sum);
    case MADE_MIN:
        return dim_is_length(m, what->a) && dim_is_length(m, what->b);
    case MADE_MAX:
        return dim_is_length(m, what->a) || dim_is_length(m, what->b);
    case MADE_QUOTIENT:
        return dim_is_length(m, what->a);
    default:
        return false;
    }
}

/* ---- symbols for them ---- */

/* The place in made_index of what is told; NULL: it is too long, or there is no memory. */
static void **find_made(model *m, const made *what) {
    char key[LENGTH_TEXT_MOST];
    if (!m->made_index) {
        m->made_index = ARENA_NEW(m->arena, names);
        if (!m->made_index) return NULL;
        names_begin(m->made_index, m->arena);
    }
    if (!length_text(m, what, false, key)) return NULL;
    void **item = names_find(m->made_index, names_text(key));
    if (item) return item;
    const char *copy = arena_copy_string(m->arena, key, strlen(key));
    return copy ? names_add(m->made_index, names_text(copy)) : NULL;
}

static bool keep_made(model *m, void **item, dim d, const made *what) {
    made *copy = ARENA_NEW(m->arena, made);
    sum *terms = what->kind == MADE_SUM ? arena_copy(m->arena, what->sum, sizeof *what->sum) : NULL;
    if (!copy || (what->kind == MADE_SUM && !terms)) return false;
    *copy = *what;
    copy->sum = terms;
    copy->length = made_is_length(m, what);
    *item = (void *)((intptr_t)(DIM_SYMBOL_FIRST - d) + 1);
    return set_made(m, d, copy);
}

static dim symbol_of(model *m, const made *what) {
    void **item = find_made(m, what);
    if (!item) return dim_symbol(m, "");
    if (*item) return DIM_SYMBOL_FIRST - ((intptr_t)*item - 1);
    char name[LENGTH_TEXT_MOST];
    dim d = dim_symbol(m, length_text(m, what, true, name) ? name : "");
    if (length_made(m, d)) d = dim_symbol(m, ""); /* of that name and something else: odd names of a file */
    return dim_is_symbol(d) && keep_made(m, item, d, what) ? d : dim_symbol(m, "");
}

static dim dim_of(model *m, const sum *s) {
    if (s->lost) return dim_symbol(m, "");
    if (s->n == 0) return 0;
    if (s->n == 1 && s->term[0].n == 0 && !dim_is_symbol(s->term[0].factor)) return s->term[0].factor;
    if (s->n == 1 && s->term[0].n == 1 && s->term[0].factor == 1) return s->term[0].symbol[0];
    return symbol_of(m, &(made){.kind = MADE_SUM, .sum = s});
}

/* Symbols since the last time whose names are sums of other symbols. */
static void read_names(model *m) {
    for (; m->n_symbols_read < m->n_symbols; m->n_symbols_read++) {
        const dim d = DIM_SYMBOL_FIRST - m->n_symbols_read;
        const char *name = m->symbols[m->n_symbols_read];
        sum s;
        if (length_made(m, d) || !length_read(m, name, &s)) continue;
        const made what = {.kind = MADE_SUM, .sum = &s};
        void **item = find_made(m, &what);
        if (item && !*item) (void)keep_made(m, item, d, &what);
    }
}

/* ---- what infer functions ask ---- */

static bool all_numbers(const dim *d, int n) {
    for (int i = 0; i < n; i++)
        if (dim_is_symbol(d[i])) return false;
    return true;
}

static dim number_product(const dim *d, int n) {
    int64_t all = 1;
    bool fits = true;
    for (int i = 0; i < n; i++) {
        if (d[i] == 0) return 0;
        fits = fits && s64_mul(all, d[i], &all) && d[i] != DIM_TOO_LARGE;
    }
    return fits && !dim_is_symbol(all) ? all : DIM_TOO_LARGE;
}

dim dim_integer(model *m) {
    static const made integer = {.kind = MADE_INTEGER};
    const dim d = dim_symbol(m, "");
    if (dim_is_symbol(d)) (void)set_made(m, d, &integer);
    return d;
}

dim dim_product(model *m, const dim *d, int n) {
    read_names(m);
    if (all_numbers(d, n)) return number_product(d, n);
    const sum s = length_product_of(m, d, n);
    return dim_of(m, &s);
}

static dim add(model *m, dim a, dim b, int64_t times) {
    int64_t out = 0;
    read_names(m);
    if (all_numbers((dim[]){a, b}, 2)) {
        const bool fits =
            a != DIM_TOO_LARGE && b != DIM_TOO_LARGE && (times > 0 ? s64_add(a, b, &out) : s64_sub(a, b, &out));
        return fits && !dim_is_symbol(out) ? out : DIM_TOO_LARGE;
    }
    const sum s = length_sum_times(m, a, b, times);
    return dim_of(m, &s);
}

dim dim_sum(model *m, dim a, dim b) {
    return add(m, a, b, 1);
}
dim dim_difference(model *m, dim a, dim b) {
    return add(m, a, b, -1);
}

static bool at_least(const model *m, dim a, dim b) {
    const sum s = length_sum_times(m, a, b, -1);
    return never_negative(m, &s);
}

/* Looks into one smaller or larger of two on either side, no further. */
bool dim_is_at_least(model *m, dim a, dim b) {
    read_names(m);
    const made *left = length_made(m, a), *right = length_made(m, b);
    if (at_least(m, a, b)) return true;
    if (right && right->kind == MADE_MAX) return at_least(m, a, right->a) && at_least(m, a, right->b);
    if (right && right->kind == MADE_MIN) return at_least(m, a, right->a) || at_least(m, a, right->b);
    if (left && left->kind == MADE_MAX) return at_least(m, left->a, b) || at_least(m, left->b, b);
    return left && left->kind == MADE_MIN && at_least(m, left->a, b) && at_least(m, left->b, b);
}

static dim extreme(model *m, made_kind kind, dim a, dim b) {
    if (dim_is_at_least(m, a, b)) return kind == MADE_MIN ? b : a;
    if (dim_is_at_least(m, b, a)) return kind == MADE_MIN ? a : b;
    const bool swap = !dim_is_symbol(a) || (dim_is_symbol(b) && b > a);
    return symbol_of(m, &(made){.kind = kind, .a = swap ? b : a, .b = swap ? a : b});
}

dim dim_min(model *m, dim a, dim b) {
    return extreme(m, MADE_MIN, a, b);
}
dim dim_max(model *m, dim a, dim b) {
    return extreme(m, MADE_MAX, a, b);
}

bool dim_is_min(const model *m, dim a, dim b) {
    const made *what = length_made(m, a);
    return dim_is_symbol(b) && what && what->kind == MADE_MIN && what->a == b && !dim_is_symbol(what->b) && what->b > 1;
}

dim dim_floor(model *m, dim a, int64_t by) {
    read_names(m);
    if (by <= 0 || a == DIM_TOO_LARGE) return dim_symbol(m, "");
    if (!dim_is_symbol(a)) return a / by - (a % by < 0);
    sum over = length_sum_of(m, a), whole = {.lost = over.lost}, rest = {0};
    for (int i = 0; i < over.n; i++) { /* what is divisible leaves the quotient, also of a term */
        term t = over.term[i];
        const int64_t left = t.factor % by + (t.factor % by < 0 ? by : 0);
        t.factor = t.factor / by - (t.factor % by < 0);
        length_add_term(&whole, &t);
        t.factor = left;
        length_add_term(&rest, &t);
    }
    if (whole.lost || rest.lost) return dim_symbol(m, "");
    dim left = dim_of(m, &rest);
    const made *inner = length_made(m, left);
    int64_t both;
    if (!dim_is_symbol(left))
        left = 0; /* below `by` */
    else if (inner && inner->kind == MADE_QUOTIENT && !dim_is_symbol(inner->b) && s64_mul(inner->b, by, &both))
        left = dim_floor(m, inner->a, both);
    else if (by != 1)
        left = symbol_of(m, &(made){.kind = MADE_QUOTIENT, .a = left, .b = by});
    return dim_sum(m, dim_of(m, &whole), left);
}

/* Takes symbols out that both lists have. */
static void cancel(dim *a, int *n, dim *b, int *n_b) {
    for (int i = 0; i < *n; i++)
        for (int k = 0; k < *n_b; k++) {
            if (a[i] != b[k] || !dim_is_symbol(a[i])) continue;
            a[i--] = a[--*n];
            b[k] = b[--*n_b];
            break;
        }
}

dim dim_quotient(model *m, const dim *over, int n, const dim *under, int n_b, bool *ok) {
    dim a[HST_RANK_MAX], b[HST_RANK_MAX];
    sum q;
    *ok = true;
    read_names(m);
    if (n > HST_RANK_MAX || n_b > HST_RANK_MAX) return dim_symbol(m, "");
    memcpy(a, over, (size_t)n * sizeof *a);
    memcpy(b, under, (size_t)n_b * sizeof *b);
    cancel(a, &n, b, &n_b);
    if (all_numbers(b, n_b) && number_product(b, n_b) == DIM_TOO_LARGE) {
        *ok = !all_numbers(a, n);
        return dim_symbol(m, "");
    }
    for (int i = 0; i < n + n_b; i++)
        if (!dim_is_length(m, i < n ? a[i] : b[i - n])) return dim_symbol(m, "");
    const sum sa = length_product_of(m, a, n), sb = length_product_of(m, b, n_b);
    if (sa.lost || sb.lost || !sb.n) return dim_symbol(m, "");
    if (length_divide(sa, &sb, &q)) return dim_of(m, &q);
    const dim da = dim_of(m, &sa), db = dim_of(m, &sb);
    if (!dim_is_symbol(db)) {
        *ok = dim_is_symbol(da); /* a number, and it leaves a rest */
        return *ok ? dim_floor(m, da, db) : dim_symbol(m, "");
    }
    return symbol_of(m, &(made){.kind = MADE_QUOTIENT, .a = da, .b = db});
}

dim dim_unify(model *m, dim a, dim b, bool *ok) {
    *ok = true;
    if (a == b) return a;
    if (!dim_is_symbol(a)) {
        *ok = dim_is_symbol(b);
        return a;
    }
    if (!dim_is_symbol(b)) return b;
    return *dim_name(m, a) ? a : b;
}
