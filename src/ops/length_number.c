/* Numbers in the place of symbols: what those stand for by what they are made of, and whether it is what they were
 * given. */
#include "base/checked.h"
#include "ops/length.h"

enum { DEPTH_MOST = 16 };

typedef struct numbers {
    const dim *symbol;
    const int64_t *number;
    int n;
} numbers;

static bool number_of(const model *m, dim d, const numbers *known, int depth, int64_t *out);

static bool number_of_sum(const model *m, const sum *s, const numbers *known, int depth, int64_t *out) {
    int64_t all = 0;
    for (int i = 0; i < s->n; i++) {
        int64_t product = s->term[i].factor, x;
        for (int k = 0; k < s->term[i].n; k++)
            if (!number_of(m, s->term[i].symbol[k], known, depth, &x) || !s64_mul(product, x, &product)) return false;
        if (!s64_add(all, product, &all)) return false;
    }
    *out = all;
    return !s->lost;
}

/* By what the symbol is made of. */
static bool number_of_parts(const model *m, const made *what, const numbers *known, int depth, int64_t *out) {
    int64_t a, b;
    if (what->kind == MADE_SUM) return number_of_sum(m, what->sum, known, depth, out);
    if (what->kind == MADE_INTEGER || !number_of(m, what->a, known, depth, &a) ||
        !number_of(m, what->b, known, depth, &b))
        return false;
    if (what->kind == MADE_QUOTIENT && (a < 0 || b <= 0)) return false;
    *out = what->kind == MADE_QUOTIENT ? a / b : (what->kind == MADE_MIN) == (a < b) ? a : b;
    return true;
}

static bool number_of(const model *m, dim d, const numbers *known, int depth, int64_t *out) {
    const made *what = length_made(m, d);
    *out = d;
    if (!dim_is_symbol(d)) return true;
    if (what && depth && number_of_parts(m, what, known, depth - 1, out)) return true;
    for (int i = 0; i < known->n; i++)
        if (known->symbol[i] == d) {
            *out = known->number[i];
            return true;
        }
    return false;
}

bool dims_contradict(model *m, const dim *symbols, const int64_t *given, int n) {
    const numbers known = {symbols, given, n};
    int64_t x;
    for (int i = 0; i < n; i++) {
        for (int k = 0; k < i; k++)
            if (number_of(m, dim_difference(m, symbols[i], symbols[k]), &known, DEPTH_MOST, &x) &&
                x != given[i] - given[k])
                return true;
        if (number_of(m, symbols[i], &known, DEPTH_MOST, &x) && x != given[i]) return true;
    }
    return false;
}
