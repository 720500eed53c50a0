/* Adding columns into an image: see ops/fold_planes.h. */
#include "ops/fold_planes.h"

void fold_plane(const window *w, const double *columns, double *y) {
    const int last = w->rank - 1;
    const int64_t length = w->in[last], s = w->stride[last];
    int64_t tap[WINDOW_RANK_MAX] = {0};
    if (window_count(w->out, w->rank) == 0) return;
    do {
        int64_t l[WINDOW_RANK_MAX] = {0};
        do {
            int64_t row = 0, at = tap[last] * w->dilation[last] - w->begin[last];
            bool inside = true;
            for (int a = 0; a < last; a++) {
                const int64_t p = l[a] * w->stride[a] - w->begin[a] + tap[a] * w->dilation[a];
                inside = inside && p >= 0 && p < w->in[a];
                row = inside ? row * w->in[a] + p : 0;
            }
            for (int64_t i = 0; inside && i < w->out[last]; i++, at += s)
                if (at >= 0 && at < length) y[row * length + at] += columns[i];
            columns += w->out[last];
        } while (window_next(last, w->out, l));
    } while (window_next(w->rank, w->kernel, tap));
}
