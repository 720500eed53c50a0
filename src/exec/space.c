/* A sorted array of holes is enough: a run has a few dozen live temporaries at a time. */
#include "exec/space.h"

#include <string.h>

void space_init(space *s, const hst_allocator *a) {
    memset(s, 0, sizeof *s);
    s->allocator = a ? *a : *allocator_default();
}

void space_release(space *s) {
    memory_free(&s->allocator, s->data, s->capacity);
    memory_free(&s->allocator, s->holes, (size_t)s->holes_capacity * sizeof *s->holes);
    memset(s, 0, sizeof *s);
}

static bool reserve_holes(space *s, int n) {
    if (n <= s->holes_capacity) return true;
    int capacity = n * 2 < 32 ? 32 : n * 2;
    space_hole *holes = memory_alloc(&s->allocator, (size_t)capacity * sizeof *holes, 16);
    if (!holes) return false;
    if (s->n_holes) memcpy(holes, s->holes, (size_t)s->n_holes * sizeof *holes);
    memory_free(&s->allocator, s->holes, (size_t)s->holes_capacity * sizeof *holes);
    s->holes = holes;
    s->holes_capacity = capacity;
    return true;
}

hst_status space_begin(space *s, size_t planned, hst_error *err) {
    s->planned = planned;
    s->live = s->outside = 0;
    s->n_holes = 0;
    if (!reserve_holes(s, 1)) return error_no_memory(err, sizeof(space_hole), "temporaries");
    if (s->capacity > planned) s->holes[s->n_holes++] = (space_hole){planned, s->capacity - planned};
    return HST_STATUS_OK;
}

void space_end(space *s) {
    s->planned = s->live = s->outside = 0;
    s->n_holes = 0;
}

static int best_hole(const space *s, size_t size) {
    int best = -1;
    for (int i = 0; i < s->n_holes; i++)
        if (s->holes[i].size >= size && (best < 0 || s->holes[i].size < s->holes[best].size)) best = i;
    return best;
}

bool space_has(const space *s, size_t size) {
    return best_hole(s, size) >= 0;
}

void *space_take(space *s, size_t size) {
    int best = best_hole(s, size);
    char *data;
    if (best >= 0) {
        space_hole *h = &s->holes[best];
        data = s->data + h->offset;
        h->offset += size;
        h->size -= size;
        if (h->size == 0) memmove(h, h + 1, (size_t)(--s->n_holes - best) * sizeof *h);
    } else {
        data = memory_alloc(&s->allocator, size, MEMORY_ALIGN);
        if (!data) return NULL;
        s->outside += size;
    }
    s->live += size;
    return data;
}

void space_give(space *s, void *data, size_t size) {
    uintptr_t at = (uintptr_t)data, from = (uintptr_t)s->data;
    s->live -= size;
    if (!s->data || at < from || at >= from + s->capacity) {
        s->outside -= size;
        memory_free(&s->allocator, data, size);
        return;
    }
    size_t offset = at - from;
    int i = 0;
    while (i < s->n_holes && s->holes[i].offset < offset) i++;
    bool joins_before = i > 0 && s->holes[i - 1].offset + s->holes[i - 1].size == offset;
    bool joins_after = i < s->n_holes && offset + size == s->holes[i].offset;
    if (joins_before && joins_after) {
        s->holes[i - 1].size += size + s->holes[i].size;
        memmove(&s->holes[i], &s->holes[i + 1], (size_t)(--s->n_holes - i) * sizeof *s->holes);
    } else if (joins_before) {
        s->holes[i - 1].size += size;
    } else if (joins_after) {
        s->holes[i].offset = offset;
        s->holes[i].size += size;
    } else if (reserve_holes(s, s->n_holes + 1)) {
        memmove(&s->holes[i + 1], &s->holes[i], (size_t)(s->n_holes++ - i) * sizeof *s->holes);
        s->holes[i] = (space_hole){offset, size};
    } /* else: without memory for the note this part stays unused until the next run */
}

bool space_resize(space *s, size_t capacity) {
    if (capacity == s->capacity) return true;
    memory_free(&s->allocator, s->data, s->capacity);
    s->data = NULL;
    s->capacity = 0;
    s->n_holes = 0;
    if (capacity == 0) return true;
    s->data = memory_alloc(&s->allocator, capacity, MEMORY_ALIGN);
    if (s->data) s->capacity = capacity;
    return s->data != NULL;
}
