/* Granularity of linear quantisation: tensor/quant_layout.h. */
#include "tensor/quant_layout.h"

#include <string.h>

#define TENSOR_RUN 4096 /* a run of a per-tensor layout: enough to share among threads */

static int64_t ceil_div(int64_t a, int64_t b) { return a / b + (a % b != 0); }

static hst_status check_zero(const hst_tensor *scale, const hst_tensor *zero, hst_error *err) {
    if (!zero) return HST_STATUS_OK;
    bool equal = tensor_count(scale) == 1 && tensor_count(zero) == 1;
    if (scale->rank == zero->rank && !memcmp(scale->dim, zero->dim, (size_t)scale->rank * sizeof scale->dim[0]))
        equal = true;
    if (equal) return HST_STATUS_OK;
    return error_set(err, HST_STATUS_BAD_SHAPE, NULL,
                     "zero point (rank %d, %lld elements) has another shape than the scale (rank %d, %lld elements)",
                     zero->rank, (long long)tensor_count(zero), scale->rank, (long long)tensor_count(scale));
}

static hst_status make_blocked(int rank, const int64_t *dims, const hst_tensor *scale, int axis, int64_t block_size,
                               quant_layout *l, hst_error *err) {
    if (scale->rank != rank)
        return error_set(err, HST_STATUS_BAD_SHAPE, NULL, "blocked quantisation: the scale has rank %d, the data %d",
                         scale->rank, rank);
    for (int i = 0; i < rank; i++) {
        int64_t want = i == axis ? ceil_div(dims[i], block_size) : dims[i];
        if (scale->dim[i] != want)
            return error_set(err, HST_STATUS_BAD_SHAPE, NULL,
                             "blocked quantisation (block size %lld): the scale has %lld along axis %d, needs %lld",
                             (long long)block_size, (long long)scale->dim[i], i, (long long)want);
    }
    l->block = block_size;
    l->blocks = ceil_div(l->length, block_size);
    l->kind = l->inner == 1 ? QUANT_BLOCK_LAST : QUANT_BLOCK;
    return HST_STATUS_OK;
}

hst_status quant_layout_make(int rank, const int64_t *dims, const hst_tensor *scale, const hst_tensor *zero,
                             int64_t axis, int64_t block_size, quant_layout *l, hst_error *err) {
    memset(l, 0, sizeof *l);
    HST_TRY(shape_count(rank, dims, &l->count, err));
    HST_TRY(check_zero(scale, zero, err));
    if (block_size < 0)
        return error_set(err, HST_STATUS_BAD_SHAPE, NULL, "block size %lld is negative", (long long)block_size);
    if (block_size == 0 && scale->rank <= 1 && tensor_count(scale) == 1) {
        l->kind = QUANT_TENSOR;
        l->runs = ceil_div(l->count, TENSOR_RUN);
        return HST_STATUS_OK;
    }
    if (block_size == 0 && scale->rank != 1)
        return error_set(err, HST_STATUS_BAD_SHAPE, NULL,
                         "a scale of rank %d needs a block size: without, it is a scalar or a vector", scale->rank);
    if (rank == 1) axis = 0; /* the default, 1, is meant for matrices */
    if (axis < -(int64_t)rank || axis >= rank)
        return error_set(err, HST_STATUS_BAD_SHAPE, NULL, "axis %lld out of range for rank %d", (long long)axis, rank);
    int at = (int)(axis < 0 ? axis + rank : axis);
    int64_t outer = 1;
    l->inner = 1;
    l->length = dims[at];
    for (int i = 0; i < at; i++) outer *= l->count ? dims[i] : 0;
    for (int i = at + 1; i < rank; i++) l->inner *= l->count ? dims[i] : 0;
    if (block_size > 0) {
        HST_TRY(make_blocked(rank, dims, scale, at, block_size, l, err));
    } else {
        if (scale->dim[0] != l->length)
            return error_set(err, HST_STATUS_BAD_SHAPE, NULL, "scale has %lld elements, axis %d of the data has %lld",
                             (long long)scale->dim[0], at, (long long)l->length);
        l->kind = l->inner == 1 ? QUANT_AXIS_LAST : QUANT_AXIS;
    }
    if (!l->count) return HST_STATUS_OK; /* no runs */
    l->runs = l->kind == QUANT_AXIS_LAST ? outer : l->kind == QUANT_BLOCK_LAST ? outer * l->blocks : outer * l->length;
    return HST_STATUS_OK;
}

quant_run quant_layout_run(const quant_layout *l, int64_t r) {
    switch (l->kind) {
    case QUANT_AXIS: return (quant_run){r * l->inner, l->inner, r % l->length, 0};
    case QUANT_AXIS_LAST: return (quant_run){r * l->length, l->length, 0, 1};
    case QUANT_BLOCK: {
        int64_t o = r / l->length, d = r % l->length;
        return (quant_run){r * l->inner, l->inner, (o * l->blocks + d / l->block) * l->inner, 1};
    }
    case QUANT_BLOCK_LAST: {
        int64_t o = r / l->blocks, first = r % l->blocks * l->block, left = l->length - first;
        return (quant_run){o * l->length + first, left < l->block ? left : l->block, r, 0};
    }
    default: {
        int64_t first = r * TENSOR_RUN, left = l->count - first;
        return (quant_run){first, left < TENSOR_RUN ? left : TENSOR_RUN, 0, 0};
    }
    }
}
