/* Sums of products of symbols: see ops/length.h. Whatever overflows or has no room is lost: nothing is known of it. */
#include <string.h>

#include "base/checked.h"
#include "ops/length.h"

static int term_order(const term *a, const term *b) {
    if (a->n != b->n) return b->n - a->n;
    for (int i = 0; i < a->n; i++)
        if (a->symbol[i] != b->symbol[i]) return a->symbol[i] > b->symbol[i] ? -1 : 1;
    return 0;
}

void length_add_term(sum *s, const term *t) {
    int at = 0;
    if (t->factor == 0) return;
    while (at < s->n && term_order(&s->term[at], t) < 0) at++;
    if (at < s->n && term_order(&s->term[at], t) == 0) {
        s->lost |= !s64_add(s->term[at].factor, t->factor, &s->term[at].factor);
        if (s->term[at].factor == 0) memmove(&s->term[at], &s->term[at + 1], (size_t)(--s->n - at) * sizeof *s->term);
        return;
    }
    s->lost |= s->n == TERMS_MOST;
    if (s->lost) return;
    memmove(&s->term[at + 1], &s->term[at], (size_t)(s->n++ - at) * sizeof *s->term);
    s->term[at] = *t;
}

static bool term_product(const term *a, const term *b, term *out) {
    int i = 0, k = 0;
    out->n = a->n + b->n;
    if (out->n > FACTORS_MOST || !s64_mul(a->factor, b->factor, &out->factor)) return false;
    for (int at = 0; at < out->n; at++)
        out->symbol[at] = k == b->n || (i < a->n && a->symbol[i] >= b->symbol[k]) ? a->symbol[i++] : b->symbol[k++];
    return true;
}

/* s += a · b, or a · -b. */
void length_add_product(sum *s, const sum *a, const term *b) {
    term t;
    s->lost |= a->lost;
    for (int i = 0; i < a->n; i++) {
        if (term_product(&a->term[i], b, &t))
            length_add_term(s, &t);
        else
            s->lost = true;
    }
}

sum length_sum_of(const model *m, dim d) {
    const made *what = length_made(m, d);
    if (what && what->kind == MADE_SUM) return *what->sum;
    sum s = {.lost = d == DIM_TOO_LARGE};
    if (dim_is_symbol(d))
        s.term[s.n++] = (term){1, 1, {d}};
    else
        length_add_term(&s, &(term){d, 0, {0}});
    return s;
}

sum length_product_of(const model *m, const dim *d, int n) {
    sum s = length_sum_of(m, 1);
    for (int i = 0; i < n; i++) {
        const sum factor = length_sum_of(m, d[i]);
        sum next = {.lost = s.lost};
        for (int k = 0; k < factor.n; k++) length_add_product(&next, &s, &factor.term[k]);
        s = next;
    }
    return s;
}

sum length_sum_times(const model *m, dim a, dim b, int64_t times) {
    sum s = length_sum_of(m, a), other = length_sum_of(m, b);
    length_add_product(&s, &other, &(term){times, 0, {0}});
    return s;
}

/* over / under where it leaves no rest. */
bool length_divide(sum over, const sum *under, sum *out) {
    *out = (sum){0};
    for (int round = 0; over.n && round < 4 * TERMS_MOST; round++) {
        const term *a = &over.term[0], *b = &under->term[0];
        term t = {.n = 0};
        int k = 0;
        if (over.lost || out->lost || !s64_div(a->factor, b->factor, &t.factor) || a->factor % b->factor) return false;
        for (int i = 0; i < a->n; i++) {
            if (k < b->n && b->symbol[k] == a->symbol[i])
                k++;
            else
                t.symbol[t.n++] = a->symbol[i];
        }
        if (k < b->n || !s64_mul(t.factor, -1, &t.factor)) return false;
        length_add_product(&over, under, &t);
        t.factor = -t.factor;
        length_add_term(out, &t);
    }
    return !over.n && !over.lost && !out->lost;
}
