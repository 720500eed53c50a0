/* Masks, recognised by what they do: the nodes between q·kᵀ and the softmax are run on small tensors with masks of
 * ones, of ones and zeros, and of zeros alone, and the results compared with scale · score + (attend ? 0 : mask_value).
 * At two sizes where axes are symbols, long enough for windows to show, and with scores great enough for clips to. What
 * elements other than 0 and 1 mean is tried too: a mask of which that cannot be said is none. */
#include "passes/mask.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "ops/op.h"
#include "passes/match.h"
#include "passes/probe.h"

#define PROBE_BATCH    2
#define PROBE_KEYS     5
#define PROBE_SIZES    2
#define AXIS_MOST      512
#define ELEMENTS_MOST  (1 << 21)
#define MASKED_AT_MOST (-1e3)   /* a masked score is at least this far below */
#define GREAT          0x1p100f /* scores that no clip lets through */

static bool elementwise(const node *n) {
    static const char *const names[] = {"Add", "Sub", "Mul", "Div", "Where", "Cast", "Identity", "Max", "Min", "Clip"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (node_is(n, "", names[i])) return true;
    return false;
}

value *mask_find_product(value *scores) {
    value *list[32], *found = NULL;
    int n = 0;
    list[n++] = scores;
    for (int at = 0; at < n; at++) {
        node *p = list[at]->producer;
        if (!p) continue;
        if (node_is(p, "", "MatMul") && list[at]->type.rank == 4) {
            if (found && found != list[at]) return NULL;
            found = list[at];
            continue;
        }
        for (int i = 0; elementwise(p) && i < p->n_in; i++)
            if (p->in[i] && !p->in[i]->constant && n < 32) list[n++] = p->in[i];
    }
    return found;
}

/* Test scores: of both signs, exact in any float type, other ones in each row of any length. */
static double score_at(int64_t i) {
    return (double)(((i + i / 64 * 7) * 37 + 11) % 64 - 30) / 8;
}

static hst_tensor *make_scores(const int64_t *dims, double unit) {
    hst_tensor *t;
    if (tensor_new(HST_DTYPE_F32, 4, dims, NULL, &t, NULL) != HST_STATUS_OK) return NULL;
    for (int64_t i = 0; i < tensor_count(t); i++) tensor_set_f64(t, i, unit * score_at(i));
    return t;
}

typedef enum pattern { ALL_ONES, MIXED, OPPOSITE, ROW_OF_ZEROS, PATTERNS, ODD = PATTERNS } pattern;

enum { ODD_ELEMENTS = 16 };

/* From ODD on: elements that a mask of 0 and 1 does not have, beside those, as far as its type holds them. A small mask
 * holds some of them; ODD + n begins with the nth. */
static double odd_at(hst_dtype d, pattern p, int64_t i) {
    static const double elements[ODD_ELEMENTS] = {1,    2,  0.5, -1,  0,     0.25, 3,    1e-6,
                                                  0.75, -2, 100, 1.5, 1e-30, 5,    -0.5, 0.984375};
    const double x = elements[(size_t)(i + p - ODD) % ODD_ELEMENTS];
    if (d == HST_DTYPE_F32 || d == HST_DTYPE_F64) return x;
    if (dtype_is_float(d)) return x == 1e-6 || x == 1e-30 ? 0x1p-8 : x; /* 1 minus it is a bf16, too */
    if (x < 0 && (d == HST_DTYPE_U8 || d == HST_DTYPE_U16 || d == HST_DTYPE_U32 || d == HST_DTYPE_U64)) return 0;
    return trunc(x);
}

/* Without symmetry: keys in another order, or of another sequence, show. Each key is seen and hidden in turn. */
static bool attends(pattern p, int64_t b, int64_t k, int64_t keys) {
    const bool mixed = (UINT32_C(0x0b2e59d3) >> ((k + 11 * b) % 29) & 1) || k == keys / 2;
    if (p == ALL_ONES) return true;
    if (p == ROW_OF_ZEROS && b == 0) return false;
    return p == OPPOSITE ? !mixed || k == keys - 1 : mixed;
}

static hst_tensor *make_mask(const value *v, const int64_t *dims, pattern p) {
    hst_tensor *t;
    if (tensor_new(v->type.dtype, 2, dims, NULL, &t, NULL) != HST_STATUS_OK) return NULL;
    for (int64_t b = 0; b < dims[0]; b++)
        for (int64_t k = 0; k < dims[1]; k++) {
            const int64_t i = b * dims[1] + k;
            tensor_set_f64(t, i, p >= ODD ? odd_at(v->type.dtype, p, i) : attends(p, b, k, dims[1]) ? 1 : 0);
        }
    return t;
}

typedef struct sizes {
    int count;
    int64_t dims[PROBE_SIZES][4]; /* [batch, heads, queries, keys] */
} sizes;

/* Sizes at which to try what is between stop and `part`. Symbols get two numbers each, beyond all that positions are
 * compared with on the way: a window shows. None: the part cannot be judged by trying. */
static sizes choose_sizes(const value *part, const value *stop, const dim *axes) {
    static const int64_t least[4] = {PROBE_BATCH, 1, PROBE_KEYS, PROBE_KEYS}, step[4] = {1, 0, 3, 3};
    sizes s = {.count = 1};
    for (int i = 0; i < 4; i++) {
        const bool symbol = dim_is_symbol(axes[i]);
        int64_t n = symbol ? least[i] : axes[i];
        if (symbol && i >= 2) n = probe_reach(part, stop, n, AXIS_MOST - step[i]);
        if (n < 1 || n > AXIS_MOST) return (sizes){0};
        if (symbol && step[i]) s.count = PROBE_SIZES;
        for (int k = 0; k < PROBE_SIZES; k++) s.dims[k][i] = symbol ? n + k * step[i] : n;
    }
    const int64_t *d = s.dims[PROBE_SIZES - 1];
    return d[0] * d[1] * d[2] * d[3] <= ELEMENTS_MOST ? s : (sizes){0};
}

/* Runs the way from product to scores under one pattern; NULL where it does not run, or changes the shape. */
static hst_tensor *run_pattern(const value *scores, const value *product, const value *mask, pattern p, double unit,
                               const int64_t *dims) {
    probe probe = {0};
    const int64_t mask_dims[2] = {dims[0], dims[3]};
    bool ok = true;
    for (int i = 0; i < 4 && ok; i++) ok = probe_assign(&probe, product->type.dim[i], dims[i]);
    for (int i = 0; mask && i < 2 && ok; i++) ok = probe_assign(&probe, mask->type.dim[i], mask_dims[i]);
    hst_tensor *in = ok ? make_scores(dims, unit) : NULL, *out = NULL;
    hst_tensor *m = ok && mask ? make_mask(mask, mask_dims, p) : NULL;
    if (in && (m || !mask) && probe_leaf(&probe, product, in) && (!m || probe_leaf(&probe, mask, m)))
        out = probe_run(&probe, scores);
    if (out && (out->rank != 4 || out->dtype != HST_DTYPE_F32 || memcmp(out->dim, dims, 4 * sizeof *dims) != 0)) {
        tensor_free(out);
        out = NULL;
    }
    tensor_free(in);
    tensor_free(m);
    return out;
}

/* An infinite number is near nothing else: -inf hides. */
static bool near(double a, double b) {
    if (!isfinite(a) || !isfinite(b)) return a == b;
    return fabs(a - b) <= 2e-6 * (fabs(a) + fabs(b)) + 1e-9;
}

/* What masked scores are, as far as was seen: the score and a number, or a number in its place. */
typedef struct masked {
    bool seen, added, replaced;
    double value, instead;
} masked;

/* Does `out` follow scale · score, where a key is attended, and one way of masking elsewhere? */
static bool follows(const hst_tensor *out, pattern p, double unit, double scale, masked *m) {
    int64_t heads = out->dim[1], queries = out->dim[2], keys = out->dim[3];
    for (int64_t i = 0; i < tensor_count(out); i++) {
        int64_t k = i % keys, b = i / (keys * queries * heads);
        double got = tensor_get_f64(out, i), plain = scale * unit * score_at(i);
        if (attends(p, b, k, keys)) {
            if (!near(got, plain)) return false;
            continue;
        }
        if (!(got <= MASKED_AT_MOST)) return false;
        /* Where the number absorbs the score it is what is seen; otherwise what is left without the score. */
        if (!m->seen) *m = (masked){true, true, true, got < -1e15 ? got : round(got - plain), got};
        m->added = m->added && (got == m->value || near(got, (double)(float)((float)plain + (float)m->value)));
        m->replaced = m->replaced && got == m->instead;
        if (!m->added && !m->replaced) return false;
    }
    return true;
}

/* At one size: under every pattern with scores of about 1, and where all is seen with great ones. */
static bool follows_at(const value *scores, const value *product, const value *mask, const int64_t *dims, double *scale,
                       masked *m) {
    for (int p = ALL_ONES; p < (mask ? PATTERNS : MIXED); p++)
        for (int great = 0; great <= (p == ALL_ONES); great++) {
            const double unit = great ? GREAT : 1;
            hst_tensor *t = run_pattern(scores, product, mask, (pattern)p, unit, dims);
            if (!t) return false;
            if (isnan(*scale)) *scale = tensor_get_f64(t, 0) / score_at(0);
            const bool ok = follows(t, (pattern)p, unit, *scale, m);
            tensor_free(t);
            if (!ok) return false;
        }
    return true;
}

/* The term under one pattern of the mask; NULL where it does not run. */
static hst_tensor *run_term(const value *term, const value *product, const value *mask, pattern p,
                            const int64_t *dims) {
    probe probe = {0};
    const int64_t mask_dims[2] = {dims[0], dims[3]};
    hst_tensor *m = NULL, *out = NULL;
    bool ok = true;
    for (int i = 0; i < 2 && ok; i++) ok = probe_assign(&probe, mask->type.dim[i], mask_dims[i]);
    for (int i = 0; i < 3 && ok; i++) ok = probe_assign(&probe, product->type.dim[i], dims[i]);
    if (ok && (m = make_mask(mask, mask_dims, p)) && probe_leaf(&probe, mask, m)) out = probe_run(&probe, term);
    tensor_free(m);
    return out;
}

/* Whether `out` (scores, or the term alone: unit 0) makes this of odd elements. A term of flags says true where a key
 * is seen. */
static bool means(const hst_tensor *out, hst_dtype of_mask, pattern p, const int64_t *dims, double scale, double unit,
                  const masked *m, mask_meaning meaning) {
    const int64_t count = tensor_count(out), keys = dims[3], each = count / (out->rank == 4 ? out->dim[0] : 1);
    const bool flags = out->dtype == HST_DTYPE_B8;
    const double hidden = m->added ? m->value : m->instead;
    for (int64_t i = 0; i < count; i++) {
        const double x = odd_at(of_mask, p, i / each * keys + i % keys), plain = scale * unit * score_at(i);
        const float adds = mask_adds(meaning, x, (float)hidden);
        const double got = !flags ? tensor_get_f64(out, i) : tensor_get_s64(out, i) ? 0 : -INFINITY;
        if (!near(got, (double)((float)plain + adds)) && !(adds == (float)hidden && m->replaced && got == m->instead))
            return false;
    }
    return true;
}

/* What the way from product to v (a term alone: unit 0) makes of all odd elements; MASK_MEANINGS: something else. */
static mask_meaning meaning_of(const value *v, const value *product, const value *mask, const int64_t *dims,
                               double scale, double unit, const masked *m) {
    bool can[MASK_MEANINGS], any = true;
    int meaning;
    for (meaning = 0; meaning < MASK_MEANINGS; meaning++) can[meaning] = true;
    for (int64_t from = 0; from < ODD_ELEMENTS && any; from += dims[0] * dims[3]) {
        const pattern p = (pattern)(ODD + from);
        hst_tensor *t = unit != 0 ? run_pattern(v, product, mask, p, unit, dims) : run_term(v, product, mask, p, dims);
        any = false;
        for (meaning = 0; meaning < MASK_MEANINGS; meaning++) {
            can[meaning] =
                can[meaning] && t && means(t, mask->type.dtype, p, dims, scale, unit, m, (mask_meaning)meaning);
            any |= can[meaning];
        }
        tensor_free(t);
    }
    for (meaning = 0; meaning < MASK_MEANINGS && !can[meaning];) meaning++;
    return (mask_meaning)meaning;
}

static bool recognise_key_mask(const value *scores, const value *product, value *mask, score_mask *out) {
    dim axes[4];
    if (dim_is_symbol(product->type.dim[1]) || product->type.dim[1] > 256) return false;
    if (mask && (mask->type.rank != 2 || dtype_bits(mask->type.dtype) < 8 || mask->type.dtype == HST_DTYPE_STRING))
        return false;
    memcpy(axes, product->type.dim, sizeof axes);
    for (int i = 0; mask && i < 2; i++)
        if (!dim_is_symbol(mask->type.dim[i])) axes[i ? 3 : 0] = mask->type.dim[i];
    const sizes s = choose_sizes(scores, product, axes);
    masked m = {.added = true};
    out->scale = NAN;
    for (int k = 0; k < s.count; k++)
        if (s.dims[k][2] != s.dims[k][3] || !follows_at(scores, product, mask, s.dims[k], &out->scale, &m))
            return false;
    if (!s.count || (mask && !m.seen)) return false;
    /* A number in the place of scores hides as the lowest does: a row of nothing else is uniform either way. */
    if (!m.added && m.instead > MASK_HIDES) return false;
    out->mask_value = m.added ? m.value : (double)-FLT_MAX;
    out->key_mask = mask;
    if (!mask || mask->type.dtype == HST_DTYPE_B8) return true;
    out->meaning = meaning_of(scores, product, mask, s.dims[s.count - 1], out->scale, 1, &m);
    return out->meaning != MASK_MEANINGS && (m.added || out->meaning != MASK_LINEAR);
}

/* Is t, which broadcasts to dims, 0 where keys are seen and one large negative number elsewhere; or true and false? */
static bool hides(const hst_tensor *t, pattern p, const int64_t *dims, double *mask_value, bool *learnt) {
    int64_t count = tensor_count(t), keys = dims[3];
    const bool flags = t->dtype == HST_DTYPE_B8;
    if (t->rank < 1 || t->rank > 4 || (t->dtype != HST_DTYPE_F32 && !flags) || t->dim[t->rank - 1] != keys)
        return false;
    const int64_t batch = t->rank == 4 ? t->dim[0] : 1;
    if (batch != dims[0] || count == 0) return false;
    for (int64_t i = 0; i < count; i++) {
        const double x = flags ? (double)tensor_get_s64(t, i) : tensor_get_f64(t, i);
        const double got = !flags ? x : x != 0 ? 0 : -INFINITY;
        if (attends(p, i / (count / batch), i % keys, keys)) {
            if (got != 0) return false;
            continue;
        }
        if (!(got <= MASKED_AT_MOST)) return false;
        if (!*learnt) *mask_value = got;
        *learnt = true;
        if (got != *mask_value) return false;
    }
    return true;
}

/* v = factor · product by scalar Mul and Div. */
static bool scaled_product(value *v, const value *product, double *factor) {
    for (int steps = 0; steps < 8; steps++) {
        double x;
        v = match_skip(v);
        if (v == product) return true;
        node *n = v->producer;
        if (n && node_is(n, "", "Div") && match_scalar(n->in[1], &x)) {
            *factor /= x;
            v = n->in[0];
        } else if (n && node_is(n, "", "Mul") && match_scalar(n->in[1], &x)) {
            *factor *= x;
            v = n->in[0];
        } else if (n && node_is(n, "", "Mul") && match_scalar(n->in[0], &x)) {
            *factor *= x;
            v = n->in[1];
        } else
            return false;
    }
    return false;
}

bool mask_recognise_term(value *term, const value *product, score_mask *out) {
    value *inputs[1];
    bool learnt = false;
    if ((term->type.dtype != HST_DTYPE_F32 && term->type.dtype != HST_DTYPE_B8) ||
        probe_inputs(term, product, inputs, 1) != 1)
        return false;
    value *mask = inputs[0];
    if (mask->type.rank != 2 || dtype_bits(mask->type.dtype) < 8 || mask->type.dtype == HST_DTYPE_STRING) return false;
    const dim axes[4] = {mask->type.dim[0], product->type.dim[1], product->type.dim[2], mask->type.dim[1]};
    const sizes s = choose_sizes(term, product, axes);
    for (int k = 0; k < s.count; k++)
        for (int p = ALL_ONES; p < PATTERNS; p++) {
            hst_tensor *t = run_term(term, product, mask, (pattern)p, s.dims[k]);
            const bool ok = t && hides(t, (pattern)p, s.dims[k], &out->mask_value, &learnt);
            tensor_free(t);
            if (!ok) return false;
        }
    if (!learnt) return false;
    out->key_mask = mask;
    if (mask->type.dtype == HST_DTYPE_B8) return true;
    const masked m = {.added = true, .value = out->mask_value};
    out->meaning = meaning_of(term, product, mask, s.dims[s.count - 1], 0, 0, &m);
    if (out->meaning != MASK_MEANINGS) return true;
    out->key_mask = NULL;
    out->meaning = MASK_NONZERO;
    return false;
}

/* What an Expand repeats over the batch or the heads is read as it was. */
static value *unexpanded(value *v) {
    const node *n = match_producer(match_skip(v), "Expand");
    if (!n || !n->in[0]) return v;
    const type *a = &n->in[0]->type, *b = &v->type;
    const bool same = a->rank >= 2 && a->rank <= b->rank && a->dim[a->rank - 1] == b->dim[b->rank - 1] &&
                      a->dim[a->rank - 2] == b->dim[b->rank - 2];
    return same ? n->in[0] : v;
}

/* scores = scale · product + terms: one of them may be a mask of keys, one more anything. */
static bool recognise_terms(value *scores, value *product, score_mask *out) {
    double factor = 1;
    value *v = scores;
    for (int steps = 0; steps < 8; steps++) {
        factor = 1;
        if (scaled_product(v, product, &factor)) {
            out->scale = factor;
            return true;
        }
        node *add = match_producer(match_skip(v), "Add");
        if (!add || !add->in[0] || !add->in[1]) return false;
        const int side = mask_find_product(add->in[0]) == product ? 0 : 1;
        value *term = add->in[1 - side];
        v = add->in[side];
        if (!out->key_mask && mask_recognise_term(term, product, out)) continue;
        if (out->bias || term->type.dtype != HST_DTYPE_F32 || term->type.rank < 1 || term->type.rank > 4) return false;
        out->bias = unexpanded(term);
    }
    return false;
}

bool mask_recognise(value *scores, value *product, score_mask *out) {
    value *inputs[1];
    memset(out, 0, sizeof *out);
    if (product->type.rank != 4 || product->type.dtype != HST_DTYPE_F32) return false;
    int n = probe_inputs(scores, product, inputs, 1);
    if (n >= 0 && recognise_key_mask(scores, product, n == 1 ? inputs[0] : NULL, out)) return true;
    memset(out, 0, sizeof *out);
    return recognise_terms(scores, product, out);
}
