/* feature-extraction: the hidden state of every token, [tokens, hidden], special tokens included. */
#include <string.h>

#include "tasks/task.h"

static const char *const outputs[] = {"last_hidden_state", "token_embeddings", "hidden_states", NULL};

static bool suggested(const hst_task *t) {
    return task_find_output(t, outputs, 3) != NULL;
}

static hst_status open_output(hst_task *t, hst_error *err) {
    t->output = task_find_output(t, outputs, 3);
    if (t->output) return HST_STATUS_OK;
    return error_set(err, HST_STATUS_UNSUPPORTED, outputs[0],
                     "feature-extraction needs an output [batch, tokens, hidden], the model has none");
}

static hst_status answer(const hst_task *t, const hst_tensor *output, int64_t index, int64_t tokens, task_row *row,
                         hst_error *err) {
    const int64_t *dims = hst_tensor_dims(output);
    if (hst_tensor_rank(output) != 3 || dims[1] < tokens)
        return error_set(err, HST_STATUS_BAD_SHAPE, t->output->name, "output '%s' is not [batch, %lld tokens, hidden]",
                         t->output->name, (long long)tokens);
    const int64_t shape[2] = {tokens, dims[2]};
    const float *from = (const float *)hst_tensor_view(output) + index * dims[1] * dims[2];
    return hst_tensor_new_copy(HST_DTYPE_F32, 2, shape, from, (size_t)(tokens * dims[2]) * sizeof *from, NULL,
                               &row->tensor, err);
}

static const char *const aliases[] = {NULL};

HST_TASK(feature_extraction) = {.name = "feature-extraction",
                                .aliases = aliases,
                                .summary = "the hidden state of every token",
                                .architecture = "Model",
                                .order = 9,
                                .suggested = suggested,
                                .open = open_output,
                                .answer = answer};
