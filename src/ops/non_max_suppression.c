/* NonMaxSuppression: boxes [N, B, 4], scores [N, C, B], most boxes a class (0), IoU threshold (0), score threshold
 * (none) -> s64 [selected, 3]: (image, class, box), by score within a class; a box is dropped where it overlaps one
 * selected before by more than the threshold: intersection / union. Boxes: two opposite corners (y, x, y, x), or, with
 * center_point_box, (x, y, width, height). */
#include <math.h>
#include <string.h>

#include "ops/sliding.h"

typedef struct box {
    double low[2], high[2], area;
} box;

static hst_status infer(infer_context *c, hst_error *err) {
    (void)err;
    type *y = &c->out[0];
    y->dtype = HST_DTYPE_S64;
    y->rank = 2;
    y->dim[0] = dim_symbol(c->model, "");
    y->dim[1] = 3;
    return HST_STATUS_OK;
}

static box box_of(const double *v, bool centre) {
    box b;
    for (int a = 0; a < 2; a++) {
        const double low = centre ? v[a] - v[2 + a] / 2 : fmin(v[a], v[2 + a]);
        const double high = centre ? v[a] + v[2 + a] / 2 : fmax(v[a], v[2 + a]);
        b.low[a] = low, b.high[a] = high;
    }
    b.area = (b.high[0] - b.low[0]) * (b.high[1] - b.low[1]);
    return b;
}

static bool overlap(const box *a, const box *b, double threshold) {
    double common = 1;
    for (int k = 0; k < 2; k++) {
        const double low = a->low[k] > b->low[k] ? a->low[k] : b->low[k];
        const double high = a->high[k] < b->high[k] ? a->high[k] : b->high[k];
        if (!(high > low)) return false;
        common *= high - low;
    }
    const double all = a->area + b->area - common;
    /* the quotient is that of f32 inputs: rounded to f32, so that one on the threshold stays */
    return a->area > 0 && b->area > 0 && all > 0 && (float)(common / all) > (float)threshold;
}

/* heap[0]: the best candidate; of equal scores the lower index. */
static bool better(const double *score, int64_t a, int64_t b) {
    return score[a] > score[b] || (score[a] == score[b] && a < b);
}

static void sift(const double *score, int64_t *heap, int64_t n, int64_t at) {
    for (int64_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && better(score, heap[child + 1], heap[child])) child++;
        if (!better(score, heap[child], heap[at])) return;
        const int64_t t = heap[at];
        heap[at] = heap[child];
        heap[child] = t;
    }
}

/* One class of one image: appends up to `most` boxes to chosen; returns how many. */
static int64_t select_boxes(const box *boxes, const double *score, int64_t count, double least, int64_t most,
                            double threshold, int64_t *heap, int64_t *chosen) {
    int64_t n = 0, selected = 0;
    for (int64_t i = 0; i < count; i++)
        if (score[i] > least || (least == -INFINITY && score[i] == score[i])) heap[n++] = i;
    for (int64_t i = n / 2; i-- > 0;) sift(score, heap, n, i);
    while (n > 0 && selected < most) {
        const int64_t next = heap[0];
        heap[0] = heap[--n];
        sift(score, heap, n, 0);
        bool keep = true;
        for (int64_t k = 0; keep && k < selected; k++) keep = !overlap(&boxes[next], &boxes[chosen[k]], threshold);
        if (keep) chosen[selected++] = next;
    }
    return selected;
}

static hst_status number(const eval_context *c, int i, double otherwise, double *to, hst_error *err) {
    const hst_tensor *t = eval_in(c, i);
    *to = otherwise;
    if (!t || tensor_count(t) == 0) return HST_STATUS_OK;
    if (tensor_count(t) != 1 || !(dtype_is_float(t->dtype) || dtype_is_integer(t->dtype)))
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "input %d is %s with %lld elements, needs one number", i,
                          dtype_name(t->dtype), (long long)tensor_count(t));
    *to = tensor_get_f64(t, 0);
    return HST_STATUS_OK;
}

static hst_status eval(eval_context *c, hst_error *err) {
    const hst_tensor *boxes, *scores;
    hst_tensor *y;
    const double *corners, *score;
    double most, threshold, least;
    void *memory;
    HST_TRY(eval_need(c, 0, "boxes", &boxes, err));
    HST_TRY(eval_need(c, 1, "scores", &scores, err));
    HST_TRY(planes_check(c->node, boxes, 3, "boxes", err));
    HST_TRY(planes_check(c->node, scores, 3, "scores", err));
    if (boxes->rank != 3 || scores->rank != 3 || boxes->dim[2] != 4 || boxes->dim[0] != scores->dim[0] ||
        boxes->dim[1] != scores->dim[2])
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "boxes [%lld,%lld,%lld], scores [%lld,%lld,%lld]",
                          (long long)boxes->dim[0], (long long)boxes->dim[1], (long long)boxes->dim[2],
                          (long long)scores->dim[0], (long long)scores->dim[1], (long long)scores->dim[2]);
    HST_TRY(number(c, 2, 0, &most, err));
    HST_TRY(number(c, 3, 0, &threshold, err));
    HST_TRY(number(c, 4, -INFINITY, &least, err));
    const int64_t images = boxes->dim[0], count = boxes->dim[1], classes = scores->dim[1];
    const int64_t limit = !(most > 0) ? 0 : most > (double)count ? count : (int64_t)most;
    HST_TRY(planes_f64(c, boxes, &corners, err));
    HST_TRY(planes_f64(c, scores, &score, err));
    HST_TRY(eval_scratch(c, (size_t)count * (sizeof(box) + 8) + 1, &memory, err));
    box *all = memory;
    int64_t *heap = (int64_t *)(void *)(all + count), *chosen, *found, total = 0, places;
    if (!s64_mul(images * classes, limit, &places) || places > INT64_MAX / 32)
        return error_no_memory(err, SIZE_MAX, "selected boxes");
    HST_TRY(eval_scratch(c, (size_t)places * 8 + 1, &memory, err));
    chosen = memory;
    HST_TRY(eval_scratch(c, (size_t)(images * classes) * 8 + 1, &memory, err));
    found = memory;
    for (int64_t i = 0; limit && i < images; i++) {
        for (int64_t k = 0; k < count; k++)
            all[k] = box_of(corners + (i * count + k) * 4, node_int(c->node, "center_point_box", 0) != 0);
        for (int64_t k = i * classes; k < (i + 1) * classes; k++) {
            found[k] = select_boxes(all, score + k * count, count, least, limit, threshold, heap, chosen + k * limit);
            total += found[k];
            if (c->runtime->check) HST_TRY(c->runtime->check(c, err));
        }
    }
    HST_TRY(eval_output(c, 0, HST_DTYPE_S64, 2, (int64_t[]){total, 3}, &y, err));
    int64_t *to = y->data;
    for (int64_t k = 0; limit && k < images * classes; k++)
        for (int64_t n = 0; n < found[k]; n++) {
            *to++ = k / classes;
            *to++ = k % classes;
            *to++ = chosen[k * limit + n];
        }
    return HST_STATUS_OK;
}

// clang-format off
static const op_case cases[] = {
    {"the second overlaps", 0, "(f32[1,3,4]{0 0 1 1 0 0.1 1 1.1 0 2 1 3}, f32[1,1,3]{0.9 0.8 0.7}, s64[1]{3}, f32[1]{0.5}) -> (s64[2,3]{0 0 0 0 0 2})", 0},
    {"scores, flipped corners", 10, "(f32[1,2,4]{1 1 0 0 0 2 1 3}, f32[1,2,2]{0.2 0.5 0.6 0.4}, s64[1]{1}, f32[1]{0.5}, f32[1]{0.3}) -> (s64[2,3]{0 0 1 0 1 0})", 0},
    {"centres", 0, "(f32[1,2,4]{1 1 2 2 1 1 2 2}, f32[1,1,2]{1 1}, s64[]{5}; center_point_box=1) -> (s64[1,3]{0 0 0})", 0},
    {"none wanted", 0, "(f32[1,1,4]{0 0 1 1}, f32[1,1,1]{1}) -> (s64[0,3]{})", 0},
    {0}};
// clang-format on

HST_OP(NonMaxSuppression) = {.name = "NonMaxSuppression",
                             .domain = "",
                             .since = 10,
                             .min_in = 2,
                             .max_in = 5,
                             .min_out = 1,
                             .max_out = 1,
                             .infer = infer,
                             .eval = eval,
                             .summary = "the best boxes that do not overlap",
                             HST_CASES(cases)};
