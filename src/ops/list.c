/* Making and reading sequences. */
#include "ops/list.h"

#include <string.h>

hst_status list_need(const eval_context *c, int i, const char *name, const hst_tensor **out, hst_error *err) {
    HST_TRY(eval_need(c, i, name, out, err));
    return (*out)->dtype == HST_DTYPE_SEQUENCE
               ? HST_STATUS_OK
               : node_error(c->node, err, HST_STATUS_BAD_SHAPE, "input '%s' is %s, not a sequence", name,
                            dtype_name((*out)->dtype));
}

hst_status list_position(const eval_context *c, int i, int64_t limit, int64_t otherwise, int64_t *out, hst_error *err) {
    int count = 1;
    *out = otherwise;
    if (eval_in(c, i)) HST_TRY(eval_ints(c, i, "position", out, 1, &count, err));
    if (count != 1 || *out < -limit || *out >= limit)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "position %lld is outside [-%lld, %lld)", (long long)*out,
                          (long long)limit, (long long)limit);
    if (*out < 0) *out += limit;
    return HST_STATUS_OK;
}

hst_status list_begin(eval_context *c, int i, int64_t n, hst_tensor **y, hst_error *err) {
    return list_begin_kind(c, i, HST_DTYPE_SEQUENCE, n, y, err);
}

hst_status list_begin_kind(eval_context *c, int i, hst_dtype d, int64_t n, hst_tensor **y, hst_error *err) {
    HST_TRY(eval_output(c, i, d, 1, &n, y, err));
    if ((*y)->bytes) memset((*y)->data, 0, (*y)->bytes);
    return HST_STATUS_OK;
}

static hst_tensor **place(const hst_tensor *y, int64_t k) {
    return (hst_tensor **)y->data + k;
}

hst_status list_copy(hst_tensor *y, int64_t k, const hst_tensor *t, hst_error *err) {
    return tensor_clone(t, &y->allocator, place(y, k), err);
}

hst_status list_share(hst_tensor *y, int64_t k, const hst_tensor *item, hst_error *err) {
    return item->buffer ? tensor_view(item, item->rank, item->dim, &y->allocator, place(y, k), err)
                        : list_copy(y, k, item, err);
}

hst_status list_new(hst_tensor *y, int64_t k, hst_dtype d, int rank, const int64_t *dims, hst_tensor **out,
                    hst_error *err) {
    HST_TRY(tensor_new(d, rank, dims, &y->allocator, place(y, k), err));
    *out = *place(y, k);
    return HST_STATUS_OK;
}

hst_status list_end(eval_context *c, hst_tensor *y, hst_status status, hst_error *err) {
    (void)c;
    int64_t n = tensor_count(y);
    hst_tensor *list = NULL;
    if (status != HST_STATUS_OK) {
        for (int64_t k = 0; k < n; k++) tensor_free(*place(y, k));
        if (n) memset(y->data, 0, y->bytes);
        return status;
    }
    status = tensor_new_list(y->dtype, y->data, n, &y->allocator, &list, err);
    if (n) memset(y->data, 0, y->bytes); /* taken over */
    if (status != HST_STATUS_OK) return status;
    tensor_buffer_drop(y->buffer);
    y->buffer = tensor_buffer_retain(list->buffer);
    y->data = list->data;
    tensor_free(list);
    return HST_STATUS_OK;
}
