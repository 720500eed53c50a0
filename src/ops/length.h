/* What the files of the arithmetic on lengths (length.c, length_number.c, length_sum.c, length_text.c) share. */
#ifndef OPS_LENGTH_H
#define OPS_LENGTH_H

#include "ops/op.h"

enum { TERMS_MOST = 8, FACTORS_MOST = 8, NAME_MOST = 200 };

/* factor · Π symbol, the older symbol first. */
typedef struct term {
    int64_t factor;
    int n;
    dim symbol[FACTORS_MOST];
} term;

/* Terms in graded lexicographic order, none twice, none 0. */
typedef struct sum {
    int n;
    bool lost; /* overflow, or more terms or factors than there is room for: nothing is known */
    term term[TERMS_MOST];
} sum;

typedef enum made_kind { MADE_SUM, MADE_MIN, MADE_MAX, MADE_QUOTIENT, MADE_INTEGER } made_kind;

/* Of a symbol; MADE_INTEGER: nothing, and it may be negative. */
typedef struct made {
    made_kind kind;
    dim a, b;       /* of MIN, MAX, QUOTIENT */
    const sum *sum; /* of SUM */
    bool length;    /* provably not negative; kept, for chains of them may be long */
} made;

const made *length_made(const model *m, dim d); /* NULL: a number, or a symbol that is made of nothing */

/* ---- sums (length_sum.c) ---- */
void length_add_term(sum *s, const term *t);
void length_add_product(sum *s, const sum *a, const term *b); /* s += a · b */
sum length_sum_of(const model *m, dim d);
sum length_product_of(const model *m, const dim *d, int n);
sum length_sum_times(const model *m, dim a, dim b, int64_t times); /* a + times · b */
bool length_divide(sum over, const sum *under, sum *out);          /* true where it leaves no rest */

/* ---- texts (length_text.c) ---- */
enum { LENGTH_TEXT_MOST = 200 };
/* "2*batch+1" with the symbols' names, or by their numbers ("2*#0+1"), for which any two texts are equal where what
 * they tell is. False: a part has no name, or the text is longer than LENGTH_TEXT_MOST. */
bool length_text(const model *m, const made *what, bool names, char *to);
/* A name that a file gave, as a sum of products of other symbols; false where it is none. */
bool length_read(const model *m, const char *name, sum *out);

#endif
