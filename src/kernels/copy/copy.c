/* Strided copies. A plan drops dimensions of length 1, orders the rest by how far they step in the destination, and
 * joins neighbours that are contiguous in both; then one of three inner loops runs: whole runs by memcpy, a blocked
 * transpose where source and destination are contiguous in different dimensions, or single elements. */
#include "kernels/copy/copy.h"

#include <stdbool.h>
#include <string.h>

#define BLOCK  32 /* side of a tile of a transpose */
#define NARROW 8  /* fewer lines than this do not pay a tile */

static int64_t magnitude(int64_t a) {
    return a < 0 ? -a : a;
}

static void add_dim(copy_plan *p, int64_t dim, int64_t to, int64_t from) {
    int at = p->rank++;
    for (; at > 0 && magnitude(p->to_stride[at - 1]) < magnitude(to); at--) {
        p->dim[at] = p->dim[at - 1];
        p->to_stride[at] = p->to_stride[at - 1];
        p->from_stride[at] = p->from_stride[at - 1];
    }
    p->dim[at] = dim;
    p->to_stride[at] = to;
    p->from_stride[at] = from;
}

static void join(copy_plan *p) {
    int kept = 0;
    for (int k = 1; k < p->rank; k++) {
        if (p->to_stride[kept] == p->to_stride[k] * p->dim[k] &&
            p->from_stride[kept] == p->from_stride[k] * p->dim[k]) {
            p->dim[kept] *= p->dim[k];
        } else {
            kept++;
            p->dim[kept] = p->dim[k];
        }
        p->to_stride[kept] = p->to_stride[k];
        p->from_stride[kept] = p->from_stride[k];
    }
    if (p->rank) p->rank = kept + 1;
}

void copy_plan_make(copy_plan *p, size_t size, int rank, const int64_t *dim, const int64_t *to_stride,
                    const int64_t *from_stride) {
    int64_t s = (int64_t)size;
    p->size = size;
    p->rank = 0;
    for (int k = 0; k < rank; k++)
        if (dim[k] != 1) add_dim(p, dim[k], to_stride[k] * s, from_stride[k] * s);
    join(p);
    /* A contiguous innermost run becomes one element. */
    int last = p->rank - 1;
    if (last >= 0 && p->to_stride[last] == s && p->from_stride[last] == s) {
        p->size *= (size_t)p->dim[last];
        p->rank--;
    }
}

static inline __attribute__((always_inline)) void line_of(size_t size, int64_t n, char *to, int64_t ts,
                                                          const char *from, int64_t fs) {
    for (int64_t i = 0; i < n; i++) memcpy(to + i * ts, from + i * fs, size);
}

/* One line of elements; the common sizes become plain moves. */
static void line(size_t size, int64_t n, char *to, int64_t ts, const char *from, int64_t fs) {
    switch (size) {
    case 1:
        line_of(1, n, to, ts, from, fs);
        break;
    case 2:
        line_of(2, n, to, ts, from, fs);
        break;
    case 4:
        line_of(4, n, to, ts, from, fs);
        break;
    case 8:
        line_of(8, n, to, ts, from, fs);
        break;
    case 16:
        line_of(16, n, to, ts, from, fs);
        break;
    default:
        line_of(size, n, to, ts, from, fs);
        break;
    }
}

/* An m × n tile through a small buffer, so that each line of the source and of the destination is touched once and
 * whole, whatever their distance (lines a power of two apart would fight for the same cache sets). */
static inline __attribute__((always_inline)) void tile_of(size_t size, int64_t m, int64_t n, char *to, int64_t tj,
                                                          const char *from, int64_t fi) {
    const int64_t s = (int64_t)size;
    char tile[BLOCK * BLOCK * 16];
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++) memcpy(tile + (j * BLOCK + i) * s, from + i * fi + j * s, size);
    for (int64_t j = 0; j < n; j++) memcpy(to + j * tj, tile + j * BLOCK * s, (size_t)m * size);
}

/* to is contiguous along i, from along j. */
static inline __attribute__((always_inline)) void transpose_of(size_t size, int64_t ni, int64_t nj, char *to,
                                                               int64_t tj, const char *from, int64_t fi) {
    const int64_t s = (int64_t)size;
    for (int64_t j = 0; j < nj; j += BLOCK) {
        int64_t n = nj - j < BLOCK ? nj - j : BLOCK;
        for (int64_t i = 0; i < ni; i += BLOCK) {
            int64_t m = ni - i < BLOCK ? ni - i : BLOCK;
            char *corner = to + j * tj + i * s;
            const char *source = from + i * fi + j * s;
            if (m == BLOCK && n == BLOCK)
                tile_of(size, BLOCK, BLOCK, corner, tj, source, fi);
            else if (n >= NARROW)
                tile_of(size, m, n, corner, tj, source, fi);
            else
                for (int64_t k = 0; k < n; k++)
                    for (int64_t l = 0; l < m; l++) memcpy(corner + k * tj + l * s, source + l * fi + k * s, size);
        }
    }
}

static void transpose(size_t size, int64_t ni, int64_t nj, char *to, int64_t tj, const char *from, int64_t fi) {
    switch (size) {
    case 1:
        transpose_of(1, ni, nj, to, tj, from, fi);
        break;
    case 2:
        transpose_of(2, ni, nj, to, tj, from, fi);
        break;
    case 4:
        transpose_of(4, ni, nj, to, tj, from, fi);
        break;
    case 8:
        transpose_of(8, ni, nj, to, tj, from, fi);
        break;
    default:
        transpose_of(16, ni, nj, to, tj, from, fi);
        break;
    }
}

/* The dimension (not the last) along which the source is contiguous, where the last is contiguous in the destination
 * and elements are small enough for a blocked transpose to pay; -1: none. */
static int transposed_dim(const copy_plan *p) {
    int64_t s = (int64_t)p->size;
    bool small = s == 1 || s == 2 || s == 4 || s == 8 || s == 16;
    if (!small || p->rank < 2 || p->to_stride[p->rank - 1] != s) return -1;
    for (int k = p->rank - 2; k >= 0; k--)
        if (p->from_stride[k] == s) return k;
    return -1;
}

void copy_plan_run(const copy_plan *p, void *to_memory, const void *from_memory) {
    char *to = to_memory;
    const char *from = from_memory;
    for (int k = 0; k < p->rank; k++)
        if (p->dim[k] == 0) return;
    if (p->size == 0) return;
    if (p->rank == 0) {
        memcpy(to, from, p->size);
        return;
    }
    int last = p->rank - 1, other = transposed_dim(p);
    int64_t index[COPY_RANK_MAX] = {0};
    for (;;) {
        if (other >= 0)
            transpose(p->size, p->dim[last], p->dim[other], to, p->to_stride[other], from, p->from_stride[last]);
        else
            line(p->size, p->dim[last], to, p->to_stride[last], from, p->from_stride[last]);
        int k = last - 1;
        for (; k >= 0; k--) {
            if (k == other) continue;
            to += p->to_stride[k];
            from += p->from_stride[k];
            if (++index[k] < p->dim[k]) break;
            to -= p->to_stride[k] * p->dim[k];
            from -= p->from_stride[k] * p->dim[k];
            index[k] = 0;
        }
        if (k < 0) return;
    }
}

void copy_plan_part(copy_plan *p, int k, int64_t begin, int64_t end, void **to, const void **from) {
    *to = (char *)*to + begin * p->to_stride[k];
    *from = (const char *)*from + begin * p->from_stride[k];
    p->dim[k] = end - begin;
}

void copy_fill(void *to, const void *value, size_t size, int64_t n) {
    const char *from = value;
    if (n <= 0 || size == 0) return;
    bool same = true; /* all bytes equal: a memset */
    for (size_t i = 1; i < size; i++) same &= from[i] == from[0];
    if (same)
        memset(to, (unsigned char)from[0], size * (size_t)n);
    else
        line(size, n, to, (int64_t)size, from, 0);
}
