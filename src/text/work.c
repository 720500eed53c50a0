/* Growing memory for texts in work. */
#include "text/work.h"

#include <string.h>

#include "base/checked.h"
#include "base/memory.h"

hst_status work_grow(const hst_allocator *a, void *data, size_t *capacity, size_t count, size_t size, hst_error *err) {
    void *old, *grown;
    if (count <= *capacity) return HST_STATUS_OK;
    size_t want = *capacity + *capacity / 2, bytes;
    if (want < count) want = count;
    if (want < 16) want = 16;
    if (!size_mul(want, size, &bytes)) return error_no_memory(err, SIZE_MAX, "tokens");
    grown = memory_alloc(a, bytes, 16);
    if (!grown) return error_no_memory(err, bytes, "tokens");
    memcpy(&old, data, sizeof old);
    if (old) memcpy(grown, old, *capacity * size);
    memory_free(a, old, *capacity * size);
    memcpy(data, &grown, sizeof grown);
    *capacity = want;
    return HST_STATUS_OK;
}

void work_free(text_work *w) {
    const hst_allocator *a = &w->allocator;
    text_line *lines[] = {&w->original, &w->line, &w->spare};
    for (int i = 0; i < 3; i++) memory_free(a, lines[i]->chars, lines[i]->capacity * sizeof(text_char));
    memory_free(a, w->splits.data, w->splits.capacity * sizeof(text_span));
    memory_free(a, w->spare_splits.data, w->spare_splits.capacity * sizeof(text_span));
    memory_free(a, w->forms.data, w->forms.capacity * sizeof(text_form));
    memory_free(a, w->sorted.data, w->sorted.capacity * sizeof(text_form));
    memory_free(a, w->hashes, w->hashes_capacity * sizeof *w->hashes);
    memory_free(a, w->bytes, w->bytes_capacity);
    memory_free(a, w->positions, w->positions_capacity * sizeof *w->positions);
    hst_allocator keep = w->allocator;
    memset(w, 0, sizeof *w);
    w->allocator = keep;
}

hst_status line_reserve(text_work *w, text_line *line, size_t count, hst_error *err) {
    if (count > TEXT_MOST) {
        return error_set(err, HST_STATUS_INVALID_ARGUMENT, NULL,
                         "a text of %zu characters after normalisation: at most %zu are allowed, pass it in parts",
                         count, TEXT_MOST);
    }
    return work_grow(&w->allocator, &line->chars, &line->capacity, count, sizeof *line->chars, err);
}

void work_swap(text_work *w, size_t count) {
    text_line was = w->line;
    w->line = w->spare;
    w->line.count = count;
    w->spare = was;
}

hst_status split_push(text_work *w, span_list *list, uint32_t begin, uint32_t end, hst_error *err) {
    if (begin >= end) return HST_STATUS_OK; /* an empty split is dropped */
    if (list->count == list->capacity) HST_TRY(WORK_RESERVE(w, list, list->count + 1, err));
    list->data[list->count++] = (text_span){begin, end};
    return HST_STATUS_OK;
}
