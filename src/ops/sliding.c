/* Sliding windows: see ops/sliding.h. */
#include "ops/sliding.h"

#include <string.h>

#include "base/checked.h"

hst_status window_list(const node *n, const char *name, int count, int64_t least, int64_t otherwise, int64_t *to,
                       hst_error *err) {
    const int64_t *from;
    const int given = node_ints(n, name, &from);
    for (int k = 0; k < count; k++) to[k] = otherwise;
    if (given <= 0) return HST_STATUS_OK; /* some exporters write an empty list for "as usual" */
    if (given != count)
        return node_error(n, err, HST_STATUS_BAD_SHAPE, "%s has %d elements, %d are needed", name, given, count);
    for (int k = 0; k < count; k++) {
        if (from[k] < least || from[k] > INT32_MAX)
            return node_error(n, err, HST_STATUS_BAD_FORMAT, "%s has %lld, should be from %lld to 2^31 - 1", name,
                              (long long)from[k], (long long)least);
        to[k] = from[k];
    }
    return HST_STATUS_OK;
}

static hst_status read_padding(const node *n, window *w, hst_error *err) {
    static const char *const names[] = {"NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"};
    const char *name = node_string(n, "auto_pad", "NOTSET");
    int64_t pads[2 * WINDOW_RANK_MAX];
    int k = 0;
    if (!*name) name = names[0];
    while (k < 4 && strcmp(name, names[k]) != 0) k++;
    if (k == 4)
        return node_error(n, err, HST_STATUS_BAD_FORMAT, "auto_pad '%s' is not NOTSET, SAME_UPPER, SAME_LOWER or VALID",
                          name);
    w->padding = k;
    HST_TRY(window_list(n, "pads", 2 * w->rank, 0, 0, pads, err));
    for (k = 0; k < w->rank; k++) {
        w->begin[k] = w->padding == WINDOW_EXPLICIT ? pads[k] : 0;
        w->end[k] = w->padding == WINDOW_EXPLICIT ? pads[w->rank + k] : 0;
    }
    return HST_STATUS_OK;
}

hst_status window_read(const node *n, int rank, const int64_t *kernel, window *w, hst_error *err) {
    if (rank < 3)
        return node_error(n, err, HST_STATUS_BAD_SHAPE, "input has rank %d, needs batch, channel and spatial axes",
                          rank);
    memset(w, 0, sizeof *w);
    w->rank = rank - 2;
    HST_TRY(window_list(n, "kernel_shape", w->rank, 1, 0, w->kernel, err));
    for (int k = 0; k < w->rank; k++) {
        if (!kernel && w->kernel[k] == 0) return node_error(n, err, HST_STATUS_BAD_FORMAT, "kernel_shape is missing");
        if (kernel && w->kernel[k] != 0 && w->kernel[k] != kernel[k])
            return node_error(n, err, HST_STATUS_BAD_SHAPE, "kernel_shape has %lld, the weights %lld on axis %d",
                              (long long)w->kernel[k], (long long)kernel[k], k + 2);
        if (kernel) w->kernel[k] = kernel[k];
        if (w->kernel[k] < 1 || w->kernel[k] > INT32_MAX)
            return node_error(n, err, HST_STATUS_BAD_SHAPE, "the kernel has length %lld on axis %d",
                              (long long)w->kernel[k], k + 2);
    }
    HST_TRY(window_list(n, "strides", w->rank, 1, 1, w->stride, err));
    HST_TRY(window_list(n, "dilations", w->rank, 1, 1, w->dilation, err));
    w->ceil = !kernel && node_int(n, "ceil_mode", 0) != 0; /* poolings only */
    return read_padding(n, w, err);
}

hst_status window_fit_axis(const node *n, window *w, int k, int64_t in, hst_error *err) {
    const int64_t reach = window_reach(w, k), s = w->stride[k];
    int64_t padded, total, last;
    w->in[k] = in;
    if (w->padding == WINDOW_SAME_UPPER || w->padding == WINDOW_SAME_LOWER) {
        const int64_t out = in / s + (in % s != 0);
        total = out ? reach - (in - (out - 1) * s) : 0; /* what the last window lacks */
        if (total < 0) total = 0;
        w->begin[k] = w->padding == WINDOW_SAME_UPPER ? total / 2 : total - total / 2;
        w->end[k] = total - w->begin[k];
        w->out[k] = out;
        return HST_STATUS_OK;
    }
    bool fits = s64_add(in, w->begin[k] + w->end[k], &padded);
    if (fits && padded < reach) fits = w->ceil && reach - padded < s && in + w->begin[k] > 0; /* one window, cut off */
    if (!fits)
        return node_error(
            n, err, HST_STATUS_BAD_SHAPE,
            "a window of %lld (kernel %lld, dilation %lld) does not fit into %lld and padding %lld on axis %d",
            (long long)reach, (long long)w->kernel[k], (long long)w->dilation[k], (long long)in,
            (long long)(w->begin[k] + w->end[k]), k + 2);
    const int64_t room = padded - reach;
    w->out[k] = room < 0 ? 1 : room / s + 1;
    /* the last window begins inside the input or the padding before it */
    if (w->ceil && room > 0 && room % s && s64_mul(w->out[k], s, &last) && last < in + w->begin[k]) w->out[k]++;
    return HST_STATUS_OK;
}

hst_status window_fit(const node *n, window *w, const int64_t *in, hst_error *err) {
    for (int k = 0; k < w->rank; k++) HST_TRY(window_fit_axis(n, w, k, in[k], err));
    return HST_STATUS_OK;
}

hst_status window_infer(infer_context *c, window *w, const type *x, type *out, hst_error *err) {
    for (int k = 0; k < w->rank; k++) {
        const dim in = x->dim[2 + k];
        const int64_t padding = w->begin[k] + w->end[k];
        const bool same = w->padding == WINDOW_SAME_UPPER || w->padding == WINDOW_SAME_LOWER;
        if (!dim_is_symbol(in)) {
            HST_TRY(window_fit_axis(c->node, w, k, in, err));
            out->dim[2 + k] = w->out[k];
        } else if (w->stride[k] == 1 && (same || padding == window_reach(w, k) - 1)) {
            out->dim[2 + k] = in;
        } else if (same) {
            out->dim[2 + k] = dim_floor(c->model, dim_sum(c->model, in, w->stride[k] - 1), w->stride[k]);
        } else if (w->ceil) {
            out->dim[2 + k] = dim_symbol(c->model, "");
        } else {
            const dim room = dim_sum(c->model, in, padding - window_reach(w, k));
            out->dim[2 + k] = dim_sum(c->model, dim_floor(c->model, room, w->stride[k]), 1);
        }
    }
    return HST_STATUS_OK;
}

bool window_numbers(const dim *from, int rank) {
    for (int k = 0; k < rank; k++)
        if (from[k] < 0) return false;
    return true;
}

int64_t window_taps(const window *w, int axis, int64_t o, int64_t *first, int64_t *last) {
    const int64_t d = w->dilation[axis], at = o * w->stride[axis] - w->begin[axis], left = w->in[axis] - at;
    *first = at < 0 ? (-at + d - 1) / d : 0;
    *last = left <= 0 ? 0 : (left + d - 1) / d;
    if (*last > w->kernel[axis]) *last = w->kernel[axis];
    if (*first > *last) *first = *last;
    return at;
}

bool window_next(int rank, const int64_t *dim, int64_t *index) {
    for (int k = rank - 1; k >= 0; k--) {
        if (++index[k] < dim[k]) return true;
        index[k] = 0;
    }
    return false;
}
