/* Multidirectional broadcasting: the common shape, and the walk over runs. Axes of length 1 are dropped and neighbours
 * along which every input steps alike are merged first, so that equal shapes are one run. */
#include "tensor/broadcast.h"

static int64_t dim_of(const hst_tensor *t, int rank, int axis) {
    int k = axis - (rank - t->rank);
    return k < 0 ? 1 : t->dim[k];
}

hst_status broadcast_shape(const hst_tensor *const *in, int n, int *rank, int64_t *dim, hst_error *err) {
    *rank = 0;
    for (int i = 0; i < n; i++)
        if (in[i]->rank > *rank) *rank = in[i]->rank;
    for (int axis = 0; axis < *rank; axis++) {
        dim[axis] = 1;
        for (int i = 0; i < n; i++) {
            int64_t d = dim_of(in[i], *rank, axis);
            if (d == 1 || d == dim[axis]) continue;
            if (dim[axis] != 1)
                return error_set(err, HST_STATUS_BAD_SHAPE, NULL,
                                 "shapes do not broadcast: axis %d has lengths %lld and %lld", axis,
                                 (long long)dim[axis], (long long)d);
            dim[axis] = d;
        }
    }
    return shape_count(*rank, dim, &(int64_t){0}, err);
}

/* Merges axis `inner` into the last one kept where every input's steps allow, else keeps it as a new one. */
static void add_axis(broadcast_walk *w, int64_t length, const int64_t *stride) {
    int last = w->rank - 1;
    bool merge = w->rank > 0;
    for (int i = 0; merge && i < w->inputs; i++) merge = w->stride[i][last] == stride[i] * length;
    if (!merge) last = w->rank++;
    w->dim[last] = merge ? w->dim[last] * length : length;
    for (int i = 0; i < w->inputs; i++) w->stride[i][last] = stride[i];
}

void broadcast_begin(broadcast_walk *w, int rank, const int64_t *dim, const hst_tensor *const *in, int n) {
    int64_t all[BROADCAST_INPUTS][HST_RANK_MAX];
    *w = (broadcast_walk){.inputs = n < BROADCAST_INPUTS ? n : BROADCAST_INPUTS};
    for (int i = 0; i < w->inputs; i++) {
        int64_t step = 1;
        for (int axis = rank - 1; axis >= 0; axis--) {
            int64_t d = dim_of(in[i], rank, axis);
            all[i][axis] = d == 1 ? 0 : step;
            step = (int64_t)((uint64_t)step * (uint64_t)d); /* wraps only where there are no elements */
        }
    }
    bool empty = false;
    for (int axis = 0; axis < rank; axis++) {
        int64_t stride[BROADCAST_INPUTS];
        for (int i = 0; i < w->inputs; i++) stride[i] = all[i][axis];
        if (dim[axis] == 0) empty = true;
        if (dim[axis] != 1) add_axis(w, dim[axis], stride);
    }
    w->run = empty ? 0 : 1;
    if (w->rank == 0 || empty) {
        w->rank = 0;
        return;
    }
    w->rank--; /* the last axis is the run */
    w->run = w->dim[w->rank];
    for (int i = 0; i < w->inputs; i++) w->step[i] = w->stride[i][w->rank];
}

bool broadcast_next(broadcast_walk *w) {
    if (!w->started) {
        w->started = true;
        return w->run > 0;
    }
    int axis = w->rank - 1;
    for (; axis >= 0; axis--) {
        for (int i = 0; i < w->inputs; i++) w->offset[i] += w->stride[i][axis];
        if (++w->index[axis] < w->dim[axis]) break;
        for (int i = 0; i < w->inputs; i++) w->offset[i] -= w->stride[i][axis] * w->dim[axis];
        w->index[axis] = 0;
    }
    if (axis < 0) return false;
    w->output += w->run;
    return true;
}
