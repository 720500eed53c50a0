/* DynamicQuantizeLinear: f32 x of any shape -> u8 y of that shape, scale f32 [], zero point u8 [].
 *   scale = (max(x, 0) - min(x, 0)) / 255 (1 where that is 0)   zero = round(saturate(0 - min / scale))
 *   y = saturate(round(x / scale) + zero)                        half to even, everything in f32
 * NaN elements do not widen the extent and become 0; an infinity makes the scale infinite, and that is what comes out.
 * An empty x has scale 1. */
#include "kernels/kernels.h"
#include "ops/op.h"

static hst_status infer(infer_context *c, hst_error *err) {
    (void)err;
    c->out[0] = *infer_in(c, 0);
    c->out[0].dtype = HST_DTYPE_U8;
    if (c->n_out > 1) c->out[1] = type_make(HST_DTYPE_F32, 0, NULL);
    if (c->n_out > 2) c->out[2] = type_make(HST_DTYPE_U8, 0, NULL);
    return HST_STATUS_OK;
}

#define WORKERS_MOST 256

typedef struct job {
    int64_t n;
    const float *x;
    uint8_t *y;
    float scale;
    int32_t zero;
    float low[WORKERS_MOST], high[WORKERS_MOST];
} job;

static void worker(void *arg, const team_context *ctx) {
    job *w = arg;
    const kernels *k = kernels_get();
    int64_t begin, end;
    float low = 0, high = 0;
    team_split(w->n, 64, ctx, &begin, &end);
    k->quantize_extent_f32(end - begin, w->x + begin, &low, &high);
    if (ctx->workers > 1) {
        w->low[ctx->worker] = low;
        w->high[ctx->worker] = high;
        team_barrier(ctx);
        for (int i = 0; i < ctx->workers; i++) {
            low = w->low[i] < low ? w->low[i] : low;
            high = w->high[i] > high ? w->high[i] : high;
        }
    }
    float scale;
    int32_t zero;
    quantize_dynamic_u8(low, high, &scale, &zero);
    k->quantize_f32_8(end - begin, w->x + begin, scale, zero, (quantize_range){0, 255}, w->y + begin);
    if (ctx->worker == 0) {
        w->scale = scale;
        w->zero = zero;
    }
}

static hst_status eval(eval_context *c, hst_error *err) {
    const hst_tensor *x = eval_in(c, 0);
    hst_tensor *y, *scale, *zero;
    if (x->dtype != HST_DTYPE_F32)
        return node_error(c->node, err, HST_STATUS_BAD_SHAPE, "input is %s, needs f32", dtype_name(x->dtype));
    HST_TRY(eval_output(c, 0, HST_DTYPE_U8, x->rank, x->dim, &y, err));
    job w = {.n = tensor_count(x), .x = x->data, .y = y->data};
    team_context alone = {.workers = 1};
    if (w.n < 16384)
        worker(&w, &alone);
    else
        team_run(c->team, 0, worker, &w);
    if (c->n_out > 1) {
        HST_TRY(eval_output(c, 1, HST_DTYPE_F32, 0, NULL, &scale, err));
        *(float *)scale->data = w.scale;
    }
    if (c->n_out > 2) {
        HST_TRY(eval_output(c, 2, HST_DTYPE_U8, 0, NULL, &zero, err));
        *(uint8_t *)zero->data = (uint8_t)w.zero;
    }
    return HST_STATUS_OK;
}

static const op_case cases[] = {
    {"around zero", 0, "(f32[6]{0 2 -3 -2.5 1.34 0.5}) -> (u8[6]{153 255 0 26 221 179}, f32[]{0.019607844}, u8[]{153})",
     1e-7},
    {"negative", 0,
     "(f32[6]{-1 -2.1 -1.3 -2.5 -3.34 -4}) -> (u8[6]{191 121 172 96 42 0}, f32[]{0.015686275}, u8[]{255})", 1e-7},
    {"zeros", 0, "(f32[2]{0}) -> (u8[2]{0}, f32[]{1}, u8[]{0})", 0},
    {"empty", 0, "(f32[0]{}) -> (u8[0]{}, f32[]{1}, u8[]{0})", 0},
    {"nan", 0, "(f32[3]{nan 255 0}) -> (u8[3]{0 255 0}, f32[]{1}, u8[]{0})", 0},
    {NULL, 0, NULL, 0}};

HST_OP(DynamicQuantizeLinear) = {.name = "DynamicQuantizeLinear",
                                 .domain = "",
                                 .since = 11,
                                 .min_in = 1,
                                 .max_in = 1,
                                 .min_out = 1,
                                 .max_out = 3,
                                 .infer = infer,
                                 .eval = eval,
                                 .summary = "f32 to u8 by its own extent, with scale and zero point",
                                 HST_CASES(cases)};
