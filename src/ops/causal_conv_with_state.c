/* CausalConvWithState: x [B, C, L], w [C, 1, k], bias [C], past [B, C, k-1] -> y [B, C, L], present [B, C, k-1]: a
 * depthwise convolution over past and x one after the other (past is 0 where it is not given), with silu on top if
 * asked for; present is the end of the two. In f32, sums in the order of w, the bias first. */
#include <math.h>
#include <string.h>

#include "base/checked.h"
#include "ops/carry.h"

static hst_status infer(infer_context *c, hst_error *err) {
    const type *x = infer_in(c, 0), *w = infer_in(c, 1);
    (void)err;
    c->out[0] = *x;
    if (c->n_out < 2) return HST_STATUS_OK;
    c->out[1] = *x;
    if (x->rank != 3) return HST_STATUS_OK;
    const type *past = infer_in(c, 3);
    if (w->rank == 3 && w->dim[2] > 0)
        c->out[1].dim[2] = w->dim[2] - 1;
    else if (past->rank == 3)
        c->out[1].dim[2] = past->dim[2];
    else
        c->out[1].dim[2] = w->rank == 3 && dim_is_symbol(w->dim[2]) ? dim_difference(c->model, w->dim[2], 1)
                                                                    : dim_symbol(c->model, "");
    return HST_STATUS_OK;
}

typedef struct job {
    int64_t channels, length, k;
    bool silu;
    const float *x, *w, *bias, *past;
    float *y, *present; /* present NULL: not wanted */
    float *lines;       /* a line a worker: past and x, [k - 1 + length] */
    int64_t rows;
} job;

static void part(void *arg, const team_context *ctx) {
    const job *j = arg;
    int64_t begin, end, before = j->k - 1, width = before + j->length;
    float *line = j->lines + ctx->worker * width;
    team_split(j->rows, 1, ctx, &begin, &end);
    for (int64_t r = begin; r < end; r++) {
        int64_t channel = r % j->channels;
        float *y = j->y + r * j->length;
        if (before && j->past)
            memcpy(line, j->past + r * before, (size_t)before * sizeof *line);
        else if (before)
            memset(line, 0, (size_t)before * sizeof *line);
        if (j->length) memcpy(line + before, j->x + r * j->length, (size_t)j->length * sizeof *line);
        for (int64_t i = 0; i < j->length; i++) y[i] = j->bias ? j->bias[channel] : 0;
        for (int64_t t = 0; t < j->k; t++) {
            float w = j->w[channel * j->k + t];
            for (int64_t i = 0; i < j->length; i++) y[i] += w * line[i + t];
        }
        for (int64_t i = 0; j->silu && i < j->length; i++) y[i] = (float)((double)y[i] / (1 + exp(-(double)y[i])));
        if (before && j->present) memcpy(j->present + r * before, line + j->length, (size_t)before * sizeof *line);
    }
}

static hst_status eval(eval_context *c, hst_error *err) {
    const hst_tensor *x, *w, *bias = eval_in(c, 2), *past = eval_in(c, 3);
    const char *activation = node_string(c->node, "activation", "none");
    carry y, present = {0};
    job j = {0};
    size_t bytes;
    void *lines;
    HST_TRY(eval_need(c, 0, "input", &x, err));
    HST_TRY(eval_need(c, 1, "weight", &w, err));
    j.silu = strcmp(activation, "silu") == 0 || strcmp(activation, "swish") == 0;
    if (!j.silu && strcmp(activation, "none") != 0)
        return node_error(c->node, err, HST_STATUS_BAD_FORMAT, "activation '%s' is not none, silu or swish",
                          activation);
    bool fits = x->rank == 3 && w->rank == 3 && w->dim[0] == x->dim[1] && w->dim[1] == 1 && w->dim[2] >= 1;
    if (fits && bias) fits = bias->rank == 1 && bias->dim[0] == x->dim[1];
    if (fits && past)
        fits =
            past->rank == 3 && past->dim[0] == x->dim[0] && past->dim[1] == x->dim[1] && past->dim[2] == w->dim[2] - 1;
    if (!fits)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE,
                          "input [B, C, L], weight [C, 1, k], bias [C] and past_state [B, C, k - 1] do not fit");
    j.channels = x->dim[1];
    j.length = x->dim[2];
    j.k = w->dim[2];
    j.rows = x->dim[0] * x->dim[1];
    int64_t dims[3] = {x->dim[0], x->dim[1], j.k - 1};
    int workers = c->team ? team_size(c->team) : 1;
    if (j.rows * j.length * j.k < 32768) workers = 1;
    HST_TRY(carry_in_f32(c, x, "input", &j.x, err));
    HST_TRY(carry_in_f32(c, w, "weight", &j.w, err));
    if (bias) HST_TRY(carry_in_f32(c, bias, "bias", &j.bias, err));
    if (past) HST_TRY(carry_in_f32(c, past, "past_state", &j.past, err));
    HST_TRY(carry_out_f32(c, 0, x->dtype, 3, x->dim, &y, err));
    if (eval_wants(c, 1)) HST_TRY(carry_out_f32(c, 1, x->dtype, 3, dims, &present, err));
    if (!size_mul((size_t)(j.k - 1 + j.length), (size_t)workers * sizeof(float), &bytes))
        return error_no_memory(err, SIZE_MAX, "a convolution");
    HST_TRY(eval_scratch(c, bytes, &lines, err));
    j.y = y.f;
    j.present = present.f;
    j.lines = lines;
    const team_context alone = {.worker = 0, .workers = 1};
    if (workers > 1)
        team_run(c->team, workers, part, &j);
    else
        part(&j, &alone);
    carry_done(&y);
    if (present.t) carry_done(&present);
    return HST_STATUS_OK;
}

// clang-format off
static const op_case cases[] = {
    {"no state", 0, "(f32[1,1,3]{1 2 3}, f32[1,1,2]{10 1}) -> (f32[1,1,3]{1 12 23}, f32[1,1,1]{3})", 0},
    {"state and bias", 0, "(f32[1,2,1]{1 2}, f32[2,1,3]{1 2 3 4 5 6}, f32[2]{1 -1}, f32[1,2,2]{1 1 2 0}) -> (f32[1,2,1]{7 19}, f32[1,2,2]{1 1 0 2})", 0},
    {"silu", 0, "(f16[1,1,1]{2}, f16[1,1,1]{1}; activation=\"silu\") -> (f16[1,1,1]{1.76159}, f16[1,1,0]{})", 1e-3},
    {0}};
// clang-format on

HST_OP(CausalConvWithState) = {.name = "CausalConvWithState",
                               .domain = "",
                               .since = 27,
                               .min_in = 2,
                               .max_in = 4,
                               .min_out = 1,
                               .max_out = 2,
                               .infer = infer,
                               .eval = eval,
                               .summary = "depthwise convolution over past and present",
                               HST_CASES(cases)};
