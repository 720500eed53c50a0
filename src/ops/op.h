/* What an operator is: one descriptor, in one file of src/ops/, collected into op_list by its marker HST_OP(Name).
 *
 * An operator file holds, in this order: a comment with formula and shapes; `args` (a struct that every version's node is
 * read into); `infer`; `eval`; `bind`; the descriptor. Its functions are static. */
#ifndef OPS_OP_H
#define OPS_OP_H

#include "base/team.h"
#include "graph/graph.h"

/* ---- shape inference ---- */

typedef struct infer_context {
    const node *node;
    model *model; /* for fresh symbols: dim_symbol(model, "") */
    const type *in; /* n_in; dtype NONE and rank -1 where omitted or unknown */
    int n_in;
    const hst_tensor *const *constant; /* n_in; NULL unless the input is a known tensor */
    const dim *const *content;         /* n_in; NULL unless the input is a small integer vector with known dims */
    const int *content_count;
    type *out; /* n_out, to be filled; begins unknown: leave so what cannot be told */
    int n_out;
    /* n_out; set these where an output of rank 0 or 1 and integer dtype is known as dims (arrays from model->arena). */
    const dim **out_content;
    int *out_content_count;
} infer_context;

/* Helpers of infer.c. */
const type *infer_in(const infer_context *c, int i); /* a type with dtype NONE, rank -1 where absent */
/* Input i as integers, from a constant or from content without symbols: count, or -1 where unknown. */
int infer_ints(const infer_context *c, int i, int64_t *to, int most);
/* Input i as dims, symbols (dim_is_symbol) and negative numbers allowed: count, or -1. */
int infer_dims(const infer_context *c, int i, dim *to, int most);
void infer_content(infer_context *c, int out, const dim *dims, int count);
/* dtype unset; shape of the matrix product (numpy.matmul) of two types. */
hst_status infer_matmul(infer_context *c, const type *a, const type *b, type *out, hst_error *err);
/* dims of the broadcast of two types; BAD_SHAPE names the node. A symbol against 1 is the symbol, against n is n. */
hst_status infer_broadcast(infer_context *c, const type *a, const type *b, type *out, hst_error *err);
/* For Loop, Scan, SequenceMap: what a subgraph's input is given. It fills in what is not known of the input, and wins
 * over a declared shape; a declared element type that is another is BAD_SHAPE. A default is dropped: it is never used.
 * `varies`: the shape is that of the first time alone, so nothing is filled in. The graph is to be inferred again
 * afterwards. */
hst_status infer_subgraph_input(infer_context *c, graph *g, int i, const type *t, bool varies, hst_error *err);
/* A state that keeps its type from step to step (Scan): what is given and what the graph computes, united into out. */
hst_status infer_state(infer_context *c, int i, const type *given, const type *computed, type *out, hst_error *err);
bool type_contradicts(const type *a, const type *b); /* their shapes cannot be the same */
/* Turns a negative axis; BAD_SHAPE "axis -3 out of range for rank 2". */
hst_status axis_normalize(const node *n, int64_t axis, int rank, int *out, hst_error *err);
/* The axes of a list (NULL: the first `count`), each normalized, none named twice: BAD_SHAPE. `out` (may be NULL,
 * `count` of at most rank) has them in the order of the list, `named` (may be NULL, `rank`) says which they are. */
hst_status axes_read(const node *n, const int64_t *axes, int count, int rank, int *out, bool *named, hst_error *err);

#define MASK_HIDES (-10000.0f) /* a mask value at or below it hides a key for good */
#define CONTENT_MOST 64 /* elements of a content that infer functions look at */
/* Input i's content, where known, is the output's content too (Cast, Identity, Reshape …). */
void infer_pass_content(infer_context *c, int i, int out);
/* Lengths (length.c): a number or a symbol, made of others where it can be ("12*batch", "seq+past"), so that equal
 * expressions are equal symbols; a fresh symbol else. DIM_TOO_LARGE, which graph_infer refuses in a shape, where a
 * number passes 64 bits. */
#define DIM_TOO_LARGE INT64_MIN
dim dim_product(model *m, const dim *d, int n);
dim dim_sum(model *m, dim a, dim b);
dim dim_difference(model *m, dim a, dim b); /* may be negative */
/* product(a) / product(b), which leaves no rest: *ok is false where it provably does. */
dim dim_quotient(model *m, const dim *a, int n, const dim *b, int n_b, bool *ok);
dim dim_floor(model *m, dim a, int64_t by); /* a / by rounded down, by > 0 */
dim dim_max(model *m, dim a, dim b);
/* The smaller of two lengths, "min(seq,512)": what Slice leaves of position embeddings. dim_is_min: a is the smaller of b and
 * a number above 1; where a and b broadcast, the result then is b: a can only be 1 where b is. */
dim dim_min(model *m, dim a, dim b);
bool dim_is_min(const model *m, dim a, dim b);
/* What is known when both must be the same length: the number, or the symbol with a name. *ok false: two numbers differ. */
dim dim_unify(model *m, dim a, dim b, bool *ok);
dim dim_integer(model *m);                    /* a fresh symbol of a content that may stand for a negative number */
bool dim_is_length(const model *m, dim d);    /* provably no negative number */
void dim_assume_length(model *m, dim d);      /* it is the length of something that always runs */
bool dim_is_at_least(model *m, dim a, dim b); /* a >= b, provably */
/* Can the symbols not stand for these numbers at once, by what they are made of: 8 for seq, and for seq+4? */
bool dims_contradict(model *m, const dim *symbols, const int64_t *numbers, int n);

/* ---- evaluation ---- */

typedef struct eval_context eval_context;

/* What stands behind an evaluation: the interpreter or a session. */
typedef struct eval_runtime {
    /* A tensor for output i, uninitialised; freed by the runtime when its last user has run. */
    hst_status (*output)(eval_context *c, int i, hst_dtype d, int rank, const int64_t *dims, hst_tensor **out,
                         hst_error *err);
    /* Output i is input `from` under another shape of the same count, without a copy. */
    hst_status (*alias)(eval_context *c, int i, int from, int rank, const int64_t *dims, hst_error *err);
    /* Memory for the duration of this evaluation, 64-byte aligned; NULL: no memory (return NO_MEMORY). */
    void *(*scratch)(eval_context *c, size_t bytes);
    /* Runs a subgraph of the node (If, Loop, Scan); captured values are found in the enclosing scopes. Outputs are new
     * handles: tensor_free. */
    hst_status (*subgraph)(eval_context *c, const graph *g, const hst_tensor *const *in, int n_in, hst_tensor **out,
                           int n_out, hst_error *err);
    /* CANCELLED or DEADLINE where the run should stop: call it in long loops, at least every some million steps. Workers may
     * ask too, with err NULL; who started them asks again and returns the status. */
    hst_status (*check)(eval_context *c, hst_error *err);
} eval_runtime;

struct eval_context {
    const node *node;
    const hst_tensor *const *in; /* n_in; NULL where omitted */
    int n_in;
    hst_tensor **out; /* n_out; filled by eval_output / eval_alias */
    int n_out;
    team *team; /* for team_run */
    const eval_runtime *runtime;
    void *owner; /* the runtime's own */
    const hst_allocator *allocator; /* the run's, within its budget: for what must be given back piece by piece */
    bool padding; /* an output shows padding rows, and the session computes them: PackPlan keeps every row */
    uint64_t macs; /* multiply-adds of this evaluation, added up by what multiplies matrices: for profiles */
};

/* Input i or NULL; and the same as an error: "input 'axes' is missing". */
const hst_tensor *eval_in(const eval_context *c, int i);
hst_status eval_output(eval_context *c, int i, hst_dtype d, int rank, const int64_t *dims, hst_tensor **out,
                       hst_error *err);
hst_status eval_alias(eval_context *c, int i, int from, int rank, const int64_t *dims, hst_error *err);
hst_status eval_scratch(eval_context *c, size_t bytes, void **out, hst_error *err);
/* Input i, or BAD_FORMAT "input 'name' is missing". */
hst_status eval_need(const eval_context *c, int i, const char *name, const hst_tensor **out, hst_error *err);
/* eval_need, and its integers (s32 or s64, rank 0 or 1). */
hst_status eval_ints(const eval_context *c, int i, const char *name, int64_t *to, int most, int *count, hst_error *err);
/* A length as inferred: the number, or what the symbol stands for where an input of the node has it; 0 otherwise. */
int64_t eval_dim(const eval_context *c, dim d);
/* BAD_SHAPE where state i of a Scan is no longer what it was, or cannot be what the graph makes of it. */
hst_status eval_state(const eval_context *c, int i, const type *was, const type *is, hst_error *err);
/* BAD_SHAPE where an input is a sequence or an empty optional and the operator takes none: to be asked before eval. */
hst_status eval_check_lists(const node *n, const hst_tensor *const *in, hst_error *err);
/* The same of input i, of which the dtype is known. */
hst_status eval_check_list(const node *n, int i, hst_dtype d, hst_error *err);
static inline bool eval_wants(const eval_context *c, int i) { return i < c->n_out && c->node->out[i]; }

/* ---- moving elements (move.c) ----
 * Operators that only move data are written once, over elements of move_size(dtype) bytes. Packed 4- and 2-bit elements
 * are moved as a byte each, strings as their hst_string. The order is move_in, move_out, copies, move_done. */
size_t move_size(hst_dtype d); /* 1, 2, 4, 8 or 16; 0 for an unknown dtype */
/* The elements of t: its own data, or unpacked into scratch. */
hst_status move_in(eval_context *c, const hst_tensor *t, const void **data, hst_error *err);
/* eval_output, and where its elements are to be written. */
hst_status move_out(eval_context *c, int i, hst_dtype d, int rank, const int64_t *dims, hst_tensor **out, void **data,
                    hst_error *err);
/* Packs what was written to `data`; gives strings their own bytes. */
hst_status move_done(hst_tensor *out, void *data, hst_error *err);
/* Output i is a copy of t. */
hst_status move_whole(eval_context *c, int i, const hst_tensor *t, hst_error *err);
/* kernels/copy/copy.h's copy, by the team where it is large. Strides in elements. */
void move_copy(const eval_context *c, size_t size, int rank, const int64_t *dim, void *to, const int64_t *to_stride,
               const void *from, const int64_t *from_stride);
/* An index tensor (s32 or s64) as s64: its own data, or converted into scratch. */
hst_status move_indices(eval_context *c, const hst_tensor *t, const char *name, const int64_t **out, hst_error *err);
/* Turns a negative index into its place on an axis of `length`; BAD_SHAPE "index 7 out of range [-5, 5) on axis 0". */
hst_status move_index(const eval_context *c, int64_t index, int64_t length, int axis, int64_t *out, hst_error *err);
/* Row-major strides of a shape, in elements (all 0 where it has no elements). */
/* to[i] = from[i·step + p·stride] for n elements of `size` bytes, p = index[i], or index[i] + length where that is
 * negative; step and stride in bytes. False, with elements missing, where an index is not in [-length, length). */
bool move_picks(size_t size, int64_t n, void *to, const void *from, int64_t step, int64_t stride, const int64_t *index,
                int64_t length);
void move_strides(int rank, const int64_t *dim, int64_t *stride);

/* ---- binding to kernels ---- */

/* Called once when a model is compiled. Where a fast path applies it sets `run` (and `state`, immutable, shared by all
 * sessions) and `kernel`; otherwise it leaves run NULL, says why in `why`, and eval is used. A run function has eval's
 * contract and must handle every shape; it may fall back to the operator's eval itself. */
typedef struct bind_context {
    const node *node;
    const type *in; /* n_in, as inferred: dims may be symbols */
    int n_in;
    const hst_tensor *const *constant; /* n_in */
    const hst_allocator *allocator;    /* for packed weights */
    /* results */
    hst_status (*run)(const void *state, eval_context *c, hst_error *err);
    void *state;
    void (*state_free)(void *state, const hst_allocator *a);
    const char *kernel; /* name of the kernel chosen, for `hasten explain` */
    const char *why;    /* where there is no better one: a sentence */
} bind_context;

/* What packing asks (pass "pack"): a constant input of the node as its kernel reads it. */
typedef struct pack_context {
    const node *node;
    const hst_allocator *allocator;
    hst_dtype weights; /* asked for: f16, bf16; else f32 */
    /* results; input -1, as it begins: there is nothing to pack */
    int input;
    hst_tensor *packed; /* what stands there from now on */
    const char *set;    /* an integer attribute that tells the layout … */
    int64_t to;
    const char *unset; /* … and one that is no more, or NULL */
} pack_context;

/* Called where quantisation was asked for (the pass "quantize"). An operator that can be replaced by hasten.QuantizedLinear
 * gives its weights in that form, or leaves `weights` NULL. */
typedef struct quantize_context {
    const node *node; /* types known */
    const hst_allocator *allocator;
    /* results */
    hst_tensor *weights, *scale; /* inputs 1 and 2 of QuantizedLinear; tensor_free */
    float error;                 /* norm of what rounding the weights loses, relative to theirs; NaN: not finite */
} quantize_context;

/* ---- expansions (expansion.c) ----
 * Building a fused operator's meaning from standard nodes. The first failure makes every later call give NULL; the end,
 * expansion_done, reports it. */
typedef struct expansion {
    const node *node; /* the fused one, for messages */
    graph *g;
    hst_status status;
    hst_error *err;
} expansion;
/* A node of ai.onnx with one output; inputs may be NULL (omitted). Attributes: expand_int and so on of the result. */
value *expand_node(expansion *e, const char *op_type, value *const *in, int n_in);
value *expand_unary(expansion *e, const char *op_type, value *x);
value *expand_binary(expansion *e, const char *op_type, value *a, value *b);
value *expand_scalar(expansion *e, hst_dtype d, double x);           /* a constant of rank 0 */
value *expand_ints(expansion *e, const int64_t *x, int n);          /* a constant s64 vector */
value *expand_constant(expansion *e, hst_tensor *t);                 /* takes the tensor over */
value *expand_transpose(expansion *e, value *x, const int64_t *perm, int n);
value *expand_reshape(expansion *e, value *x, const int64_t *shape, int n); /* 0 copies, -1 fits, as ONNX */
value *expand_cast(expansion *e, value *x, hst_dtype to);
void expand_set_int(expansion *e, value *v, const char *name, int64_t i); /* attribute of v's producer */
hst_status expansion_done(const expansion *e); /* the first failure */

/* ---- the descriptor ---- */

/* A test case in one line of text, see ops/case.h:
 *   "(f32[2,3]{1 2 3 4 5 6}, s64[1]{1}; keepdims=0, alpha=0.5, mode=\"x\", perm=[1,0]) -> (f32[2]{6 15})" */
typedef struct op_case {
    const char *name;
    int opset; /* 0: the newest that the descriptor covers */
    const char *text;
    double tolerance; /* 0: equal */
} op_case;

#define OP_ANY (-1) /* no upper bound */

typedef struct op {
    const char *name, *domain; /* domain "" is ai.onnx, "com.microsoft", "hasten" (ours, never written to a file unexpanded) */
    int since, until;          /* opset versions covered, inclusive; until 0: all later ones */
    int min_in, max_in;        /* trailing inputs may be left out down to min_in; max_in OP_ANY: variadic */
    unsigned holes;            /* bit i: input i, though below min_in, may be omitted; every other one there is present */
    int min_out, max_out;
    bool nondeterministic; /* random: never folded */
    bool lists;            /* inputs may be sequences and empty optionals; outputs may, and nothing is folded then */
    hst_status (*infer)(infer_context *c, hst_error *err);
    hst_status (*eval)(eval_context *c, hst_error *err);
    hst_status (*bind)(bind_context *c, hst_error *err);            /* may be NULL */
    /* For a fused operator: builds the same meaning from standard operators of opset 18, with the builder's functions, at
     * the end of graph g; `in` are values of g (NULL where omitted; their types are set), out[i] is to be set for every
     * output that n has. eval may then be NULL: the interpreter runs the expansion. */
    hst_status (*expand)(const node *n, graph *g, value *const *in, value **out, hst_error *err);
    hst_status (*pack)(pack_context *c, hst_error *err); /* may be NULL */
    hst_status (*quantize)(quantize_context *c, hst_error *err); /* may be NULL */
    const char *summary;   /* one line for `hasten list ops` */
    const char *gaps;      /* what the standard allows and this does not do, or NULL */
    const char *failing;   /* "<pattern of names>: <reason>", the standard's own test cases that fail, or NULL */
    const op_case *cases;  /* HST_CASES(list): ends with a NULL name; NULL in the shared library */
} op;

/* A descriptor with neither names a gap alone: an operator of the standard that is not here. Models with it are refused,
 * but for Gradient, which is replaced before operators are looked for (convert/gradient.c). */
static inline bool op_is_here(const op *o) { return o->eval || o->expand; }

/* The cases of a descriptor: HST_CASES(cases). The shared library is built without them; they are for the tests. */
#ifdef HASTEN_WITHOUT_CASES
#ifdef __clang__
#pragma clang diagnostic ignored "-Wunneeded-internal-declaration" /* of the lists, which go */
#endif
#define HST_CASES(list) .cases = (const op_case *)(sizeof(list) * 0)
#else
#define HST_CASES(list) .cases = list
#endif

/* Marker: at column 0. HST_OP(Relu) = {.name = "Relu", …}; Name with the domain's prefix where it is not ai.onnx:
 * HST_OP(com_microsoft_BiasGelu), HST_OP(hasten_Linear). */
#define HST_OP(id) extern const op op_##id; const op op_##id

extern const op *const op_list[]; /* generated */
extern const int op_list_count;

/* BAD_FORMAT names an attribute whose type is not the standard's. */
hst_status op_check_attributes(const node *n, hst_error *err);

/* The descriptor of a node's operator, or NULL. "ai.onnx" equals "". */
const op *op_find(const char *domain, const char *op_type, int opset);
/* Sets node->op in a graph and its subgraphs, and checks arity. UNSUPPORTED lists every unsupported operator at once. */
hst_status ops_resolve(graph *g, hst_error *err);
/* Infers all types and contents of a graph, in order; subgraphs included. A declared element type that is not what a
 * node computes is an error; a declared shape gives way to the computed one, with a warning. */
hst_status graph_infer(graph *g, hst_error *err);

#endif
