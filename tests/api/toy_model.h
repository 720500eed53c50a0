/* Models for the tests of the public interface, made without a file, and a user operator. */
#ifndef TESTS_API_TOY_MODEL_H
#define TESTS_API_TOY_MODEL_H

#include "api/api.h"
#include "exec/toy.h"

static const char *const x_name[] = {"x"};
static const char *const y_name[] = {"y"};

/* x f32[n,2] -> y = mine.Scale(x; times=2). The operator is the user's. NULL: no memory. */
static inline model *scale_model(const hst_allocator *a) {
    model *m = model_new(a);
    if (!m) return NULL;
    value *x = NULL, *y = NULL;
    node *n = NULL;
    if (model_import_opset(m, "", 18, NULL) == HST_STATUS_OK &&
        model_import_opset(m, "mine", 1, NULL) == HST_STATUS_OK &&
        (x = toy_input(m->main, "x", HST_DTYPE_F32, 2, dim_symbol(m, "n"), 2)) && (y = graph_add_value(m->main, "y")) &&
        (n = graph_add_node(m->main, "mine", "Scale", "s", &x, 1, &y, 1)) && node_set_int(n, "times", 2) &&
        graph_add_output(m->main, y, NULL) == HST_STATUS_OK)
        return m;
    model_free(m);
    return NULL;
}

typedef struct scaler {
    float factor;
    int infers;        /* calls; atomic */
    bool fail, silent; /* run fails, with a message or without */
} scaler;

static inline hst_status scale_infer(void *user, hst_operator_context *c, hst_error *err) {
    hst_type t;
    (void)err;
    __atomic_add_fetch(&((scaler *)user)->infers, 1, __ATOMIC_RELAXED);
    if (hst_operator_type(c, 0, &t)) hst_operator_set_type(c, 0, &t);
    return HST_STATUS_OK;
}

static inline hst_status scale_run(void *user, hst_operator_context *c, hst_error *err) {
    const scaler *u = user;
    const hst_tensor *x = hst_operator_input(c, 0);
    hst_tensor *y;
    if (u->silent) return HST_STATUS_IO;
    if (u->fail) {
        *err = (hst_error){.code = HST_STATUS_IO, .message = "the disk is gone"};
        return HST_STATUS_IO;
    }
    hst_status status = hst_operator_check(c, err);
    if (status != HST_STATUS_OK) return status;
    float *scratch = hst_operator_scratch(c, hst_tensor_bytes(x));
    if (!scratch) return HST_STATUS_NO_MEMORY;
    status = hst_operator_output(c, 0, HST_DTYPE_F32, hst_tensor_rank(x), hst_tensor_dims(x), &y, err);
    if (status != HST_STATUS_OK) return status;
    float by = u->factor * (float)hst_operator_int(c, "times", 1);
    for (int64_t i = 0; i < hst_tensor_count(x); i++) {
        scratch[i] = ((const float *)hst_tensor_view(x))[i] * by;
        ((float *)hst_tensor_data(y))[i] = scratch[i];
    }
    return HST_STATUS_OK;
}

static inline hst_operator scale_operator(scaler *u) {
    hst_operator o = HST_INIT(hst_operator);
    o.domain = "mine";
    o.name = "Scale";
    o.min_inputs = o.max_inputs = o.min_outputs = o.max_outputs = 1;
    o.user = u;
    o.infer = scale_infer;
    o.run = scale_run;
    return o;
}

#endif
