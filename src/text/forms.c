/* NFC, NFD, NFKC, NFKD with the place that each character came from: decompose, put runs of marks in canonical order,
 * compose, and carry over the places by counting how many old characters each new one stands for. A character added by
 * decomposition counts 1, so that composing it back cancels out. */
#include "text/forms.h"

#include <string.h>

#include "text/unicode.h"

static hst_status decompose(text_work *w, bool compatible, hst_error *err) {
    const text_line *in = &w->line;
    form_list *f = &w->forms;
    f->count = 0;
    for (size_t i = 0; i < in->count; i++) {
        uint32_t parts[UNICODE_DECOMPOSE_MAX];
        int n = unicode_decompose(in->chars[i].cp, compatible, parts);
        if (f->count + (size_t)n > f->capacity) HST_TRY(WORK_RESERVE(w, f, f->count + (size_t)n, err));
        for (int k = 0; k < n; k++)
            f->data[f->count++] = (text_form){parts[k], k > 0, unicode_combining_class(parts[k])};
    }
    return HST_STATUS_OK;
}

/* Stable, and linear for long runs: a hostile text may be nothing but marks. */
static hst_status order_run(text_work *w, text_form *run, size_t n, hst_error *err) {
    if (n <= 16) {
        for (size_t i = 1; i < n; i++) {
            text_form x = run[i];
            size_t k = i;
            for (; k > 0 && run[k - 1].combining > x.combining; k--) run[k] = run[k - 1];
            run[k] = x;
        }
        return HST_STATUS_OK;
    }
    size_t at[257] = {0};
    HST_TRY(WORK_RESERVE(w, &w->sorted, n, err));
    for (size_t i = 0; i < n; i++) at[(run[i].combining & 255) + 1]++;
    for (int c = 0; c < 256; c++) at[c + 1] += at[c];
    for (size_t i = 0; i < n; i++) w->sorted.data[at[run[i].combining & 255]++] = run[i];
    memcpy(run, w->sorted.data, n * sizeof *run);
    return HST_STATUS_OK;
}

static hst_status order(text_work *w, hst_error *err) {
    form_list *f = &w->forms;
    for (size_t i = 0; i < f->count;) {
        size_t begin = i;
        while (i < f->count && f->data[i].combining) i++;
        if (i - begin > 1) HST_TRY(order_run(w, f->data + begin, i - begin, err));
        if (i == begin) i++;
    }
    return HST_STATUS_OK;
}

/* In place: the composed text is never ahead of the decomposed one. */
static void compose(form_list *f) {
    size_t out = 0, starter = 0;
    bool has_starter = false, adjacent = false; /* adjacent: nothing stands between the starter and what comes */
    int last = 0;
    for (size_t i = 0; i < f->count; i++) {
        text_form x = f->data[i];
        bool blocked = !has_starter || (!adjacent && last >= x.combining);
        uint32_t composed = blocked ? 0 : unicode_compose(f->data[starter].cp, x.cp);
        if (composed) {
            f->data[starter].cp = composed;
            f->data[starter].change += x.change - 1;
            continue;
        }
        if (x.combining == 0) {
            starter = out;
            has_starter = adjacent = true;
        } else {
            adjacent = false;
            last = x.combining;
        }
        f->data[out++] = x;
    }
    f->count = out;
}

/* Gives the new characters their places. */
static hst_status transform(text_work *w, hst_error *err) {
    const text_line *in = &w->line;
    const form_list *f = &w->forms;
    size_t at = 0;
    HST_TRY(line_reserve(w, &w->spare, f->count, err));
    for (size_t k = 0; k < f->count; k++) {
        text_form x = f->data[k];
        text_char *to = &w->spare.chars[k];
        if (x.change > 0 || at >= in->count) {
            *to = at ? in->chars[at - 1] : (text_char){0, w->base, w->base};
        } else {
            *to = in->chars[at];
            at += 1 + (size_t)-x.change;
        }
        to->cp = x.cp;
    }
    work_swap(w, f->count);
    return HST_STATUS_OK;
}

hst_status forms_normalize(text_work *w, bool compatible, bool composed, hst_error *err) {
    uint32_t most = 0;
    for (size_t i = 0; i < w->line.count; i++) most |= w->line.chars[i].cp;
    if (most < 0x80 || (composed && !compatible && most < 0x100)) return HST_STATUS_OK; /* they are their own form */
    HST_TRY(decompose(w, compatible, err));
    HST_TRY(order(w, err));
    if (composed) compose(&w->forms);
    return transform(w, err);
}
