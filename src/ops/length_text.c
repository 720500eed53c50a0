/* Lengths as texts, and the sums that names of a file tell: see ops/length.h. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ops/length.h"

typedef struct text {
    const model *m; /* NULL: symbols by their numbers */
    char data[LENGTH_TEXT_MOST];
    size_t size;
    bool failed; /* too long, or a part without a name */
} text;

static void add_text(text *t, const char *what) {
    const size_t n = strlen(what);
    if (t->size + n >= sizeof t->data) t->failed = true;
    if (t->failed) return;
    memcpy(t->data + t->size, what, n + 1);
    t->size += n;
}

typedef enum place { ARGUMENT, TERM, FACTOR } place; /* where a length stands in a text: what needs brackets there */

static bool needs_brackets(const model *m, dim d, const char *name, place at) {
    const made *what = length_made(m, d);
    if (at == ARGUMENT || (what && (what->kind == MADE_MIN || what->kind == MADE_MAX))) return false;
    return strpbrk(name, at == FACTOR ? "+-*/ " : what && what->kind == MADE_QUOTIENT ? "" : "+- ") != NULL;
}

static void add_length(text *t, dim d, place at) {
    char number[32];
    if (dim_is_symbol(d) && t->m) {
        const char *name = dim_name(t->m, d);
        const bool brackets = needs_brackets(t->m, d, name, at);
        if (!*name) t->failed = true;
        if (brackets) add_text(t, "(");
        add_text(t, name);
        if (brackets) add_text(t, ")");
        return;
    }
    snprintf(number, sizeof number, "%s%lld", dim_is_symbol(d) ? "#" : "",
             (long long)(dim_is_symbol(d) ? DIM_SYMBOL_FIRST - d : d));
    add_text(t, number);
}

static void add_sum(text *t, const sum *s) {
    for (int i = 0; i < s->n; i++) {
        const term *a = &s->term[i];
        const char *times = "";
        if (a->factor < 0)
            add_text(t, "-");
        else if (i)
            add_text(t, "+");
        if (a->factor == INT64_MIN) t->failed = true;
        if (t->failed) return;
        if (a->n == 0 || llabs(a->factor) != 1) {
            add_length(t, llabs(a->factor), FACTOR);
            times = "*";
        }
        for (int k = 0; k < a->n; k++) {
            add_text(t, times);
            add_length(t, a->symbol[k], *times || a->n > 1 ? FACTOR : TERM);
            times = "*";
        }
    }
}

static void add_made(text *t, const made *what) {
    const bool quotient = what->kind == MADE_QUOTIENT;
    if (what->kind == MADE_SUM) {
        add_sum(t, what->sum);
        return;
    }
    add_text(t, quotient ? "" : what->kind == MADE_MIN ? "min(" : "max(");
    add_length(t, what->a, quotient ? FACTOR : ARGUMENT);
    add_text(t, quotient ? "/" : ",");
    add_length(t, what->b, quotient ? FACTOR : ARGUMENT);
    add_text(t, quotient ? "" : ")");
}

bool length_text(const model *m, const made *what, bool names, char *to) {
    text t = {.m = names ? m : NULL};
    add_made(&t, what);
    memcpy(to, t.data, sizeof t.data);
    return !t.failed;
}

/* ---- reading ---- */

typedef struct reader {
    const model *m;
    const char *start, *at;
    int depth;
    bool failed;
} reader;

static char next_char(reader *r) {
    while (*r->at == ' ') r->at++;
    return *r->at;
}

static sum read_sum(reader *r);

static sum read_factor(reader *r) {
    char name[LENGTH_TEXT_MOST];
    size_t n = 0;
    const char first = next_char(r);
    if (first == '(' && r->depth < 8) {
        r->at++;
        r->depth++;
        const sum s = read_sum(r);
        r->depth--;
        r->failed |= next_char(r) != ')';
        r->at += !r->failed;
        return s;
    }
    while (n + 1 < sizeof name && (isalnum((unsigned char)r->at[n]) || r->at[n] == '_' || r->at[n] == '.')) n++;
    memcpy(name, r->at, n);
    name[n] = '\0';
    r->at += n;
    if (n && n <= 9 && strspn(name, "0123456789") == n) return length_sum_of(r->m, atoll(name));
    const dim d = n && !isdigit((unsigned char)first) ? dim_find(r->m, name) : 0;
    r->failed |= d == 0;
    return length_sum_of(r->m, d);
}

static sum read_product(reader *r) {
    sum s = read_factor(r);
    while (!r->failed && next_char(r) == '*') {
        r->at++;
        const sum factor = read_factor(r);
        sum next = {.lost = s.lost};
        for (int k = 0; k < factor.n; k++) length_add_product(&next, &s, &factor.term[k]);
        s = next;
    }
    return s;
}

/* A minus counts where a space stands before it: it is part of many a plain name. */
static sum read_sum(reader *r) {
    sum s = read_product(r);
    for (char c; !r->failed && ((c = next_char(r)) == '+' || (c == '-' && r->at > r->start && r->at[-1] == ' '));) {
        r->at++;
        const sum more = read_product(r);
        length_add_product(&s, &more, &(term){c == '+' ? 1 : -1, 0, {0}});
    }
    return s;
}

bool length_read(const model *m, const char *name, sum *out) {
    reader r = {m, name, name, 0, false};
    if (!strpbrk(name, "+*-")) return false;
    *out = read_sum(&r);
    const bool plain = out->n == 1 && out->term[0].n <= 1 && out->term[0].factor == 1;
    return !r.failed && !out->lost && !*r.at && out->n > 0 && !plain;
}
