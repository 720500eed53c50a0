/* Arithmetic on lengths that may be symbols, for infer functions. A product is a number and a sorted list of symbols; a
 * quotient cancels equal symbols. Results that are no plain symbol get a name made of their parts. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "ops/op.h"

void infer_pass_content(infer_context *c, int i, int out) {
    dim d[CONTENT_MOST];
    int n = infer_dims(c, i, d, CONTENT_MOST);
    if (n >= 0) infer_content(c, out, d, n);
}

void infer_subgraph_input(graph *g, int i, const type *t) {
    if (i >= g->n_inputs) return;
    type *known = &g->inputs[i]->type;
    if (known->dtype == HST_DTYPE_NONE) known->dtype = t->dtype;
    if (known->rank >= 0 || t->rank < 0) return;
    known->rank = t->rank;
    memcpy(known->dim, t->dim, sizeof known->dim);
}

#define FACTORS_MOST (2 * HST_RANK_MAX)

typedef struct product {
    int64_t number;
    int n;
    dim symbol[FACTORS_MOST];
    bool unknown; /* overflow, too many factors, or a negative number */
} product;

static product product_of(const dim *d, int n) {
    product p = {.number = 1};
    for (int i = 0; i < n; i++) {
        if (!dim_is_symbol(d[i])) {
            if (d[i] < 0 || !s64_mul(p.number, d[i], &p.number)) p.unknown = true;
        } else if (p.n == FACTORS_MOST) {
            p.unknown = true;
        } else {
            int at = p.n++;
            for (; at > 0 && p.symbol[at - 1] < d[i]; at--) p.symbol[at] = p.symbol[at - 1];
            p.symbol[at] = d[i];
        }
    }
    return p;
}

#define NAME_MOST 200

/* A symbol named "4*batch*(past+seq)"; a fresh one where a part has no name or the name grows too long. */
static dim product_dim(model *m, const product *p) {
    if (p->unknown) return dim_symbol(m, "");
    if (p->n == 0 || p->number == 0) return p->number;
    if (p->n == 1 && p->number == 1) return p->symbol[0];
    char name[NAME_MOST] = "";
    size_t at = 0;
    if (p->number != 1) at = (size_t)snprintf(name, sizeof name, "%lld", (long long)p->number);
    for (int i = 0; i < p->n; i++) {
        const char *part = dim_name(m, p->symbol[i]);
        if (!part || !*part) return dim_symbol(m, "");
        bool sum = strpbrk(part, "+/") != NULL;
        at += (size_t)snprintf(name + at, sizeof name - at, "%s%s%s%s", at ? "*" : "", sum ? "(" : "", part,
                               sum ? ")" : "");
        if (at >= sizeof name) return dim_symbol(m, "");
    }
    return dim_symbol(m, name);
}

dim dim_product(model *m, const dim *d, int n) {
    product p = product_of(d, n);
    return product_dim(m, &p);
}

dim dim_sum(model *m, dim a, dim b) {
    int64_t sum;
    if (a == 0) return b;
    if (b == 0) return a;
    if (!dim_is_symbol(a) && !dim_is_symbol(b)) return s64_add(a, b, &sum) ? sum : dim_symbol(m, "");
    char number[24], name[NAME_MOST];
    const char *left = dim_name(m, a), *right = dim_name(m, b);
    if (!dim_is_symbol(a) || !dim_is_symbol(b)) {
        snprintf(number, sizeof number, "%lld", (long long)(dim_is_symbol(a) ? b : a));
        if (!dim_is_symbol(a)) left = right;
        right = number;
    } else if (a < b) { /* either order is the same symbol */
        const char *swap = left;
        left = right;
        right = swap;
    }
    if (!left || !*left || !*right) return dim_symbol(m, "");
    int n = snprintf(name, sizeof name, "%s+%s", left, right);
    return dim_symbol(m, (size_t)n < sizeof name ? name : "");
}

dim dim_min(model *m, dim a, dim b) {
    char name[NAME_MOST];
    if (a == b) return a;
    if (!dim_is_symbol(a) && !dim_is_symbol(b)) return a < b ? a : b;
    if (a == 0 || b == 0) return 0;
    if (dim_is_symbol(b)) {
        dim swap = a;
        a = b;
        b = swap;
    }
    const char *part = dim_name(m, a);
    if (!*part || dim_is_symbol(b)) return dim_symbol(m, "");
    int n = snprintf(name, sizeof name, "min(%s,%lld)", part, (long long)b);
    return dim_symbol(m, (size_t)n < sizeof name ? name : "");
}

bool dim_is_min(const model *m, dim a, dim b) {
    if (!dim_is_symbol(a) || !dim_is_symbol(b)) return false;
    const char *name = dim_name(m, a), *part = dim_name(m, b);
    size_t n = strlen(part);
    if (!n || strncmp(name, "min(", 4) != 0 || strncmp(name + 4, part, n) != 0 || name[4 + n] != ',') return false;
    return strtoll(name + 5 + n, NULL, 10) > 1;
}

dim dim_quotient(model *m, const dim *a, int n, const dim *b, int n_b, bool *ok) {
    product over = product_of(a, n), under = product_of(b, n_b);
    *ok = true;
    for (int i = 0; i < over.n; i++) {
        for (int k = 0; k < under.n; k++) {
            if (over.symbol[i] != under.symbol[k]) continue;
            memmove(&over.symbol[i], &over.symbol[i + 1], (size_t)(over.n - i - 1) * sizeof *over.symbol);
            memmove(&under.symbol[k], &under.symbol[k + 1], (size_t)(under.n - k - 1) * sizeof *under.symbol);
            over.n--;
            under.n--;
            i--;
            break;
        }
    }
    if (over.unknown || under.unknown || under.n || under.number == 0) return dim_symbol(m, "");
    if (over.number % under.number) {
        *ok = over.n > 0;
        return dim_symbol(m, "");
    }
    over.number /= under.number;
    return product_dim(m, &over);
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
