/* Parsing Einsum's equation: graph/einsum_equation.h. */
#include "graph/einsum_equation.h"

#include <string.h>

typedef struct cursor {
    const node *node;
    const char *at;
    int ellipsis; /* most axes that an ellipsis stands for */
    bool has_ellipsis;
    hst_error *err;
} cursor;

static int letter(char c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    return -1;
}

static char peek(cursor *p) {
    while (*p->at == ' ') p->at++;
    return *p->at;
}

static bool ellipsis_here(cursor *p) {
    if (strncmp(p->at, "...", 3) != 0) return false;
    p->at += 3;
    return true;
}

static hst_status put(cursor *p, einsum_term *t, int label) {
    if (t->rank == HST_RANK_MAX)
        return node_error(p->node, p->err, HST_STATUS_BAD_FORMAT, "a term of its equation has more than %d axes",
                          HST_RANK_MAX);
    t->label[t->rank++] = label;
    return HST_STATUS_OK;
}

/* A term up to ',', '-' or the end. rank < 0: the result, whose ellipsis is p->ellipsis axes. */
static hst_status term(cursor *p, int rank, einsum_term *t) {
    int letters = 0, axes = p->ellipsis;
    bool seen = false;
    const char *begin = p->at;
    for (; peek(p) && *p->at != ',' && *p->at != '-'; p->at++) letters += letter(*p->at) >= 0;
    if (rank >= 0) axes = rank - letters;
    p->at = begin;
    t->rank = 0;
    while (peek(p) && *p->at != ',' && *p->at != '-') {
        int l = letter(*p->at);
        if (l >= 0) {
            HST_TRY(put(p, t, l));
            p->at++;
        } else if (!seen && ellipsis_here(p)) {
            seen = true;
            for (int i = axes; i-- > 0;) HST_TRY(put(p, t, EINSUM_ELLIPSIS(i)));
        } else {
            return node_error(p->node, p->err, HST_STATUS_BAD_FORMAT, "its equation has '%.8s' where a letter stands",
                              p->at);
        }
    }
    if (rank < 0) {
        p->has_ellipsis = seen;
        return HST_STATUS_OK;
    }
    if (seen && axes > p->ellipsis) p->ellipsis = axes;
    if (axes < 0 || (!seen && axes != 0))
        return node_error(p->node, p->err, HST_STATUS_BAD_SHAPE,
                          "its equation gives an operand %d letters, the operand has rank %d", letters, rank);
    return HST_STATUS_OK;
}

static hst_status implicit(cursor *p, einsum_equation *e, const int *count) {
    for (int i = p->ellipsis; i-- > 0;) HST_TRY(put(p, &e->result, EINSUM_ELLIPSIS(i)));
    for (int l = 0; l < 52; l++)
        if (count[l] == 1) HST_TRY(put(p, &e->result, l));
    return HST_STATUS_OK;
}

static hst_status check_result(cursor *p, const einsum_equation *e, const int *count) {
    bool used[EINSUM_LABELS] = {false};
    if (p->ellipsis > 0 && !p->has_ellipsis)
        return node_error(p->node, p->err, HST_STATUS_BAD_FORMAT, "its equation drops the ellipsis from the result");
    for (int i = 0; i < e->result.rank; i++) {
        int l = e->result.label[i];
        if (!count[l] || used[l])
            return node_error(p->node, p->err, HST_STATUS_BAD_FORMAT,
                              "its equation has a label in the result that is repeated or in no operand");
        used[l] = true;
    }
    return HST_STATUS_OK;
}

hst_status einsum_parse(const node *n, const int *ranks, int operands, einsum_equation *e, hst_error *err) {
    const char *text = node_string(n, "equation", "");
    cursor p = {.node = n, .at = text, .err = err};
    int count[EINSUM_LABELS] = {0};
    memset(e, 0, sizeof *e);
    if (operands > EINSUM_OPERANDS)
        return node_error(n, err, HST_STATUS_UNSUPPORTED, "%d operands, at most %d", operands, EINSUM_OPERANDS);
    for (;;) {
        if (e->operands == operands)
            return node_error(n, err, HST_STATUS_BAD_FORMAT, "its equation has more terms than the %d operands",
                              operands);
        HST_TRY(term(&p, ranks[e->operands], &e->operand[e->operands]));
        e->operands++;
        if (peek(&p) != ',') break;
        p.at++;
    }
    if (e->operands != operands)
        return node_error(n, err, HST_STATUS_BAD_FORMAT, "its equation has %d terms for %d operands", e->operands,
                          operands);
    for (int k = 0; k < operands; k++)
        for (int i = 0; i < e->operand[k].rank; i++) count[e->operand[k].label[i]]++;
    if (!*p.at) {
        HST_TRY(implicit(&p, e, count));
    } else {
        if (strncmp(p.at, "->", 2) != 0)
            return node_error(n, err, HST_STATUS_BAD_FORMAT, "its equation ends in '%.8s'", p.at);
        p.at += 2;
        HST_TRY(term(&p, -1, &e->result));
        if (*p.at) return node_error(n, err, HST_STATUS_BAD_FORMAT, "its equation ends in '%.8s'", p.at);
        HST_TRY(check_result(&p, e, count));
    }
    for (int i = 0; i < e->result.rank; i++) count[e->result.label[i]] = 0;
    for (int k = 0; k < operands; k++)
        for (int i = 0; i < e->operand[k].rank; i++) {
            int l = e->operand[k].label[i];
            if (count[l]) e->sum[e->sums++] = l;
            count[l] = 0;
        }
    return HST_STATUS_OK;
}
