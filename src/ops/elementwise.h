/* What the elementwise operators (elementwise_*.c) share: shapes and contents, and loops over whatever dtype.
 *
 * f32 runs through the kernels, or through an f64 function rounded once; f16 and bf16 are widened to f32, computed there,
 * rounded back; f64 runs through the f64 function; integers through s64, whose low bits are kept (u64: its own function
 * argument says so). Large arrays are split over the team: every element is computed alone, so the bits stay the same. */
#ifndef OPS_ELEMENTWISE_H
#define OPS_ELEMENTWISE_H

#include "kernels/kernels.h"
#include "ops/op.h"

enum { ELEMENTWISE_NO_KERNEL = -1 };

typedef struct unary_rule {
    const char *op_type;
    int kernel;                                             /* enum unary, or ELEMENTWISE_NO_KERNEL */
    double (*wide)(double x, const double *p);              /* NULL: no floats */
    int64_t (*integer)(int64_t x, const double *p, bool is_unsigned); /* NULL: no integers */
    void (*args)(const node *n, double *p);                 /* fills p[0], p[1]; NULL: none */
} unary_rule;

/* The rule of a node in a table of n. */
const unary_rule *unary_find(const unary_rule *table, size_t n, const char *op_type);
hst_status unary_eval(eval_context *c, const unary_rule *rule, hst_error *err);
/* The same over a tensor and parameters at hand; output 0 has x's shape. */
hst_status unary_eval_with(eval_context *c, const unary_rule *rule, const hst_tensor *x, const double *p,
                           hst_error *err);
hst_status unary_infer(infer_context *c, hst_error *err); /* output 0 is like input 0 */

typedef struct binary_rule {
    const char *op_type;
    int kernel;                                                 /* enum binary, or ELEMENTWISE_NO_KERNEL */
    double (*wide)(double a, double b);                         /* NULL: no floats */
    int64_t (*integer)(int64_t a, int64_t b, bool is_unsigned); /* NULL: no integers */
    bool (*content)(model *m, dim a, dim b, dim *out);          /* lengths: false where unknown; NULL: never known */
} binary_rule;

const binary_rule *binary_find(const binary_rule *table, size_t n, const char *op_type);
/* Output 0 = rule(a, b), broadcast; same dtype. */
hst_status binary_eval_with(eval_context *c, const binary_rule *rule, const hst_tensor *a, const hst_tensor *b,
                            hst_error *err);
hst_status binary_infer_with(infer_context *c, const binary_rule *rule, hst_error *err);

/* Opsets 1 to 6: the second operand's axes begin at `axis` of the first (the attribute; PRelu's slopes at axis 1). The same
 * thing as broadcasting means since, with 1s behind its shape; from opset 7 on nothing changes. */
hst_status elementwise_old_type(const node *n, const type *a, type *b, hst_error *err);
hst_status elementwise_old_tensor(const node *n, const hst_tensor *a, hst_tensor *b, hst_error *err); /* b: a view */

/* Splits [0, n) over the team where that pays: fn(arg, begin, end). */
typedef void (*elementwise_range_fn)(const void *arg, int64_t begin, int64_t end);
void elementwise_split(const eval_context *c, int64_t n, elementwise_range_fn fn, const void *arg);

/* bind for operators whose eval already is the fast path. */
hst_status elementwise_bind(bind_context *c, hst_error *err);
hst_status elementwise_bad_dtype(const node *n, hst_dtype d, hst_error *err);

#endif
