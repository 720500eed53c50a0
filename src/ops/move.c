/* Moving elements of any dtype: what the data-movement operators share. */
#include <string.h>

#include "kernels/copy/copy.h"
#include "ops/list.h"
#include "ops/packed.h"
#include "tensor/convert.h"
#include "tensor/strings.h"

#define PARALLEL_BYTES ((int64_t)1 << 18) /* below this a copy is over before the team has met */

size_t move_size(hst_dtype d) {
    if (d == HST_DTYPE_STRING) return sizeof(hst_string);
    int bits = dtype_bits(d);
    return bits <= 0 ? 0 : bits < 8 ? 1 : (size_t)bits / 8;
}

bool packed_is(hst_dtype d) {
    int bits = dtype_bits(d);
    return bits > 0 && bits < 8;
}

void packed_open(hst_dtype d, const void *source, void *target, int64_t n) {
    const unsigned char *from = source;
    unsigned char *to = target;
    int bits = dtype_bits(d), each = 8 / bits, mask = (1 << bits) - 1;
    for (int64_t i = 0; i < n; i++) to[i] = (unsigned char)((from[i / each] >> (i % each * bits)) & mask);
}

void packed_close(hst_dtype d, const void *source, void *target, int64_t n) {
    const unsigned char *from = source;
    unsigned char *to = target;
    int bits = dtype_bits(d), each = 8 / bits, mask = (1 << bits) - 1;
    for (int64_t i = 0; i < n; i += each) {
        int byte = 0;
        for (int k = 0; k < each && i + k < n; k++) byte |= (from[i + k] & mask) << (k * bits);
        to[i / each] = (unsigned char)byte;
    }
}

hst_status move_in(eval_context *c, const hst_tensor *t, const void **data, hst_error *err) {
    *data = t->data;
    if (move_size(t->dtype) == 0)
        return node_error(c->node, err, HST_STATUS_UNSUPPORTED, "elements of type %s", dtype_name(t->dtype));
    if (!packed_is(t->dtype)) return HST_STATUS_OK;
    void *bytes;
    HST_TRY(eval_scratch(c, (size_t)tensor_count(t), &bytes, err));
    packed_open(t->dtype, t->data, bytes, tensor_count(t));
    *data = bytes;
    return HST_STATUS_OK;
}

hst_status move_out(eval_context *c, int i, hst_dtype d, int rank, const int64_t *dims, hst_tensor **out, void **data,
                    hst_error *err) {
    HST_TRY(eval_output(c, i, d, rank, dims, out, err));
    *data = (*out)->data;
    return packed_is(d) ? eval_scratch(c, (size_t)tensor_count(*out), data, err) : HST_STATUS_OK;
}

hst_status move_done(hst_tensor *out, void *data, hst_error *err) {
    if (packed_is(out->dtype)) packed_close(out->dtype, data, out->data, tensor_count(out));
    return out->dtype == HST_DTYPE_STRING ? tensor_own_strings(out, err) : HST_STATUS_OK;
}

/* A sequence or map with the same items, or an empty optional. */
static hst_status move_list(eval_context *c, int i, const hst_tensor *t, hst_error *err) {
    hst_tensor *y;
    if (t->dtype == HST_DTYPE_OPTIONAL) return eval_output(c, i, t->dtype, t->rank, t->dim, &y, err);
    HST_TRY(list_begin_kind(c, i, t->dtype, tensor_count(t), &y, err));
    hst_status status = HST_STATUS_OK;
    for (int64_t k = 0; k < tensor_count(t) && status == HST_STATUS_OK; k++)
        status = list_share(y, k, tensor_item(t, k), err);
    return list_end(c, y, status, err);
}

hst_status move_whole(eval_context *c, int i, const hst_tensor *t, hst_error *err) {
    hst_tensor *y;
    if (tensor_is_list(t)) return move_list(c, i, t, err);
    HST_TRY(eval_output(c, i, t->dtype, t->rank, t->dim, &y, err));
    if (t->bytes) memcpy(y->data, t->data, t->bytes);
    return t->dtype == HST_DTYPE_STRING ? tensor_own_strings(y, err) : HST_STATUS_OK;
}

typedef struct copy_job {
    copy_plan plan;
    void *to;
    const void *from;
    int dim; /* that is split among the workers */
} copy_job;

static void copy_worker(void *arg, const team_context *ctx) {
    const copy_job *job = arg;
    copy_plan part = job->plan;
    void *to = job->to;
    const void *from = job->from;
    int64_t begin, end;
    team_split(part.dim[job->dim], 1, ctx, &begin, &end);
    if (begin == end) return;
    copy_plan_part(&part, job->dim, begin, end, &to, &from);
    copy_plan_run(&part, to, from);
}

void move_copy(const eval_context *c, size_t size, int rank, const int64_t *dim, void *to, const int64_t *to_stride,
               const void *from, const int64_t *from_stride) {
    copy_job job = {.to = to, .from = from};
    copy_plan_make(&job.plan, size, rank, dim, to_stride, from_stride);
    int64_t bytes = (int64_t)size;
    for (int k = 0; k < rank; k++) bytes *= dim[k];
    int workers = c->team && bytes >= PARALLEL_BYTES ? team_size(c->team) : 1;
    while (job.dim < job.plan.rank && job.plan.dim[job.dim] < workers) job.dim++;
    if (workers > 1 && job.dim < job.plan.rank)
        team_run(c->team, workers, copy_worker, &job);
    else
        copy_plan_run(&job.plan, to, from);
}

void move_strides(int rank, const int64_t *dim, int64_t *stride) {
    int64_t step = 1;
    for (int k = 0; k < rank; k++)
        if (dim[k] == 0) step = 0; /* nothing will be touched, and the other dims' product may be anything */
    for (int k = rank - 1; k >= 0; k--) {
        stride[k] = step;
        if (step) step *= dim[k];
    }
}

hst_status move_indices(eval_context *c, const hst_tensor *t, const char *name, const int64_t **out, hst_error *err) {
    if (t->dtype != HST_DTYPE_S64 && t->dtype != HST_DTYPE_S32)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "input '%s' is %s, expected s64 or s32", name,
                          dtype_name(t->dtype));
    *out = t->data;
    if (t->dtype == HST_DTYPE_S64 && (uintptr_t)t->data % sizeof(int64_t) == 0) return HST_STATUS_OK;
    size_t bytes;
    void *copy;
    HST_TRY(shape_bytes(HST_DTYPE_S64, t->rank, t->dim, &bytes, err));
    HST_TRY(eval_scratch(c, bytes, &copy, err));
    convert_to_s64(t->dtype, t->data, 0, copy, tensor_count(t));
    *out = copy;
    return HST_STATUS_OK;
}

hst_status move_index(const eval_context *c, int64_t index, int64_t length, int axis, int64_t *out, hst_error *err) {
    if (index < -length || index >= length)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "index %lld out of range [-%lld, %lld) on axis %d",
                          (long long)index, (long long)length, (long long)length, axis);
    *out = index < 0 ? index + length : index;
    return HST_STATUS_OK;
}

static inline __attribute__((always_inline)) bool picks_of(size_t size, int64_t n, char *to, const char *from,
                                                           int64_t step, int64_t stride, const int64_t *index,
                                                           int64_t length) {
    for (int64_t i = 0; i < n; i++, to += size, from += step) {
        const int64_t at = index[i] < 0 ? index[i] + length : index[i];
        if (at < 0 || at >= length) return false;
        memcpy(to, from + at * stride, size);
    }
    return true;
}

bool move_picks(size_t size, int64_t n, void *to, const void *from, int64_t step, int64_t stride, const int64_t *index,
                int64_t length) {
    if (size == 4) return picks_of(4, n, to, from, step, stride, index, length);
    if (size == 8) return picks_of(8, n, to, from, step, stride, index, length);
    return picks_of(size, n, to, from, step, stride, index, length);
}
