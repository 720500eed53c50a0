/* hst_session_*: a session of exec/ that keeps its model alive. */
#include <string.h>

#include "api/api.h"

static hst_status need(const void *p, const char *what, hst_error *err) {
    return p ? HST_STATUS_OK : error_set(err, HST_STATUS_INVALID_ARGUMENT, what, "%s is NULL", what);
}

hst_status hst_session_new(hst_model *model, const hst_session_options *options, hst_session **out, hst_error *err) {
    hst_session_options o;
    HST_TRY(need(model, "model", err));
    HST_TRY(need(out, "out", err));
    HST_TRY(options_read(&o, sizeof o, options, "hst_session_options", err));
    if (!model->engine)
        return error_set(err, HST_STATUS_INVALID_ARGUMENT, "model", "it was loaded with HST_MODEL_GRAPH_ONLY");
    if (o.threads < 0 || o.padded_rows > HST_PADDED_ROWS_ZERO)
        return error_set(err, HST_STATUS_INVALID_ARGUMENT, "hst_session_options", "threads %d, padded_rows %d",
                         o.threads, (int)o.padded_rows);
    HST_TRY(model_check_files(model->model, err));
    const hst_allocator *a = o.allocator ? o.allocator : &model->allocator;
    hst_session *s = memory_alloc(a, sizeof *s, 16);
    if (!s) return error_no_memory(err, sizeof *s, "a session");
    session_options so = {.allocator = a,
                          .budget = o.memory_budget,
                          .threads = o.threads,
                          .zero_padding = o.padded_rows == HST_PADDED_ROWS_ZERO};
    hst_status status = session_new(model->engine, &so, &s->session, err);
    if (status != HST_STATUS_OK) {
        memory_free(a, s, sizeof *s);
        return status;
    }
    s->allocator = *a;
    s->model = model_retain(model);
    *out = s;
    return HST_STATUS_OK;
}

void hst_session_free(hst_session *s) {
    if (!s) return;
    hst_allocator a = s->allocator;
    session_free(s->session);
    hst_model_free(s->model);
    memory_free(&a, s, sizeof *s);
}

hst_status hst_session_run(hst_session *s, size_t n_in, const char *const *in_names, const hst_tensor *const *in,
                           size_t n_out, const char *const *out_names, hst_tensor **out, const hst_run_options *options,
                           hst_error *err) {
    hst_run_options o;
    HST_TRY(need(s, "session", err));
    if (n_in) HST_TRY(need(in, "in", err));
    if (n_out) HST_TRY(need(out, "out", err));
    HST_TRY(options_read(&o, sizeof o, options, "hst_run_options", err));
    return session_run(s->session, n_in, in_names, in, n_out, out_names, out, &o, err);
}

uint64_t hst_session_memory(const hst_session *s, uint64_t *most) {
    return session_memory(s->session, most);
}

hst_status hst_session_trim(hst_session *s, hst_error *err) {
    HST_TRY(need(s, "session", err));
    return session_trim(s->session, err);
}

hst_status hst_session_state_declare(hst_session *s, const char *input, const char *output, const hst_tensor *initial,
                                     hst_error *err) {
    HST_TRY(need(s, "session", err));
    HST_TRY(need(input, "input", err));
    HST_TRY(need(output, "output", err));
    return session_state_declare(s->session, input, output, initial, err);
}

hst_status hst_session_state_reset(hst_session *s, const char *input, hst_error *err) {
    HST_TRY(need(s, "session", err));
    return session_state_reset(s->session, input, err);
}

hst_status hst_session_state_reorder(hst_session *s, const char *input, int axis, const int64_t *index, size_t n,
                                     hst_error *err) {
    HST_TRY(need(s, "session", err));
    if (n) HST_TRY(need(index, "index", err));
    return session_state_reorder(s->session, input, axis, index, n, err);
}

hst_status hst_session_state_truncate(hst_session *s, const char *input, int axis, int64_t length, hst_error *err) {
    HST_TRY(need(s, "session", err));
    return session_state_truncate(s->session, input, axis, length, err);
}

hst_status hst_session_state_set(hst_session *s, const char *input, const hst_tensor *t, hst_error *err) {
    HST_TRY(need(s, "session", err));
    return session_state_set(s->session, input, t, err);
}

hst_status hst_session_state_get(hst_session *s, const char *input, hst_tensor **out, hst_error *err) {
    HST_TRY(need(s, "session", err));
    HST_TRY(need(input, "input", err));
    HST_TRY(need(out, "out", err));
    return session_state_get(s->session, input, out, err);
}
