/* Sequences as inputs and outputs of operators. Making one: list_begin, list_put or list_take for each item, list_end,
 * which is called whatever happened. */
#ifndef OPS_LIST_H
#define OPS_LIST_H

#include "ops/op.h"

/* Input i, which must be a sequence. */
hst_status list_need(const eval_context *c, int i, const char *name, const hst_tensor **out, hst_error *err);
/* Input i, a position in [-limit, limit), as one of [0, limit); `otherwise` where it is omitted. */
hst_status list_position(const eval_context *c, int i, int64_t limit, int64_t otherwise, int64_t *out, hst_error *err);

hst_status list_begin(eval_context *c, int i, int64_t n, hst_tensor **y, hst_error *err);
/* The same for a list of another kind (a map, whose items are its keys and values). */
hst_status list_begin_kind(eval_context *c, int i, hst_dtype d, int64_t n, hst_tensor **y, hst_error *err);
/* Item k: a copy of a tensor; or another handle on an item of a sequence. */
hst_status list_copy(hst_tensor *y, int64_t k, const hst_tensor *t, hst_error *err);
hst_status list_share(hst_tensor *y, int64_t k, const hst_tensor *item, hst_error *err);
/* A new item of this shape, not yet filled. */
hst_status list_new(hst_tensor *y, int64_t k, hst_dtype d, int rank, const int64_t *dims, hst_tensor **out,
                    hst_error *err);
/* Makes y own its items, or frees them where status is not OK; returns the status. */
hst_status list_end(eval_context *c, hst_tensor *y, hst_status status, hst_error *err);

#endif
