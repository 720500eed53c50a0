/* A model without a task: encodes a text, runs a session on tensors of its own, prints the outputs:  session MODEL TEXT
 * cc session.c $(pkg-config --cflags --libs hasten) -o session */
#include <hasten.h>
#include <stdio.h>
#include <string.h>

/* An input [1, tokens] by its name. s64 is right for models that want s32 too. */
static hst_status make_input(const char *name, const hst_encoding *e, hst_tensor **out, hst_error *err) {
    const int64_t dims[2] = {1, (int64_t)hst_encoding_count(e)};
    hst_status status = hst_tensor_new(HST_DTYPE_S64, 2, dims, NULL, out, err); /* zeros */
    if (status != HST_STATUS_OK) return status;
    int64_t *to = hst_tensor_data(*out);
    for (int64_t i = 0; i < dims[1]; i++) {
        if (strcmp(name, "input_ids") == 0) to[i] = hst_encoding_ids(e)[i];
        if (strcmp(name, "attention_mask") == 0) to[i] = hst_encoding_attention_mask(e)[i];
        if (strcmp(name, "token_type_ids") == 0) to[i] = hst_encoding_type_ids(e)[i];
    }
    return HST_STATUS_OK;
}

static void print_output(const char *name, const hst_tensor *t) {
    printf("%s: %s[", name, hst_dtype_name(hst_tensor_dtype(t)));
    for (int k = 0; k < hst_tensor_rank(t); k++) printf("%s%lld", k ? ", " : "", (long long)hst_tensor_dims(t)[k]);
    printf("]");
    const float *x = hst_tensor_view(t);
    for (int64_t i = 0; hst_tensor_dtype(t) == HST_DTYPE_F32 && i < hst_tensor_count(t) && i < 4; i++)
        printf(" %.4f", x[i]);
    printf("\n");
}

int main(int argc, char **argv) {
    enum { MOST = 8 };
    hst_model *model = NULL;
    hst_session *session = NULL;
    hst_tokenizer *tokenizer = NULL;
    hst_encoding *encoding = NULL;
    hst_tensor *in[MOST] = {NULL}, *out[MOST] = {NULL};
    hst_error err = {0};
    if (argc != 3) return fprintf(stderr, "usage: %s MODEL TEXT\n", argv[0]), 2;
    const hst_string text = {argv[2], strlen(argv[2])};
    hst_status status = hst_model_load(argv[1], NULL, &model, &err);
    if (status == HST_STATUS_OK) status = hst_session_new(model, NULL, &session, &err);
    if (status == HST_STATUS_OK) status = hst_tokenizer_load(argv[1], NULL, &tokenizer, &err);
    if (status == HST_STATUS_OK) status = hst_encoding_new(NULL, &encoding, &err);
    if (status == HST_STATUS_OK) status = hst_tokenizer_encode(tokenizer, text, NULL, NULL, encoding, &err);
    const size_t n_in = status == HST_STATUS_OK ? hst_model_input_count(model) : 0;
    const size_t n_out = status == HST_STATUS_OK ? hst_model_output_count(model) : 0;
    if (n_in > MOST || n_out > MOST) return fprintf(stderr, "a model of many inputs or outputs\n"), 1;
    for (size_t i = 0; i < n_in && status == HST_STATUS_OK; i++)
        status = make_input(hst_model_input(model, i)->name, encoding, &in[i], &err);
    /* Names left out: the model's own order. out[i] is NULL, so the session makes the tensors; they are ours then. */
    if (status == HST_STATUS_OK)
        status = hst_session_run(session, n_in, NULL, (const hst_tensor *const *)in, n_out, NULL, out, NULL, &err);
    for (size_t i = 0; i < n_out && status == HST_STATUS_OK; i++)
        print_output(hst_model_output(model, i)->name, out[i]);
    if (status != HST_STATUS_OK) fprintf(stderr, "%s: %s\n", hst_status_name(status), err.message);
    for (size_t i = 0; i < MOST; i++) hst_tensor_free(in[i]), hst_tensor_free(out[i]);
    hst_encoding_free(encoding);
    hst_tokenizer_free(tokenizer);
    hst_session_free(session);
    hst_model_free(model);
    return status != HST_STATUS_OK;
}
