/* What a task is: text in, answer out, around a session and a tokenizer. This room implements the task section of
 * hasten.h on the other sections of it: it knows nothing that a user could not know. */
#ifndef TASKS_TASK_H
#define TASKS_TASK_H

#include <jansson.h>

#include "base/bundle.h"

#define TASK_INPUTS 8

/* What an input of the model is fed. */
typedef enum task_feed { FEED_IDS, FEED_MASK, FEED_TYPES, FEED_POSITIONS } task_feed;

typedef struct task_input {
    const hst_value_info *info;
    task_feed feed;
} task_input;

typedef struct task_kind task_kind;

/* `struct hst_task` of hasten.h. */
typedef struct hst_task {
    const task_kind *kind;
    hst_model *model;
    hst_session *session;
    hst_tokenizer *tokenizer;
    json_t *config;    /* config.json, or an empty object */
    char *folder;      /* where the model's files lie: a folder or an engine file */
    bundle *files;     /* those of the folder */
    size_t max_length; /* 0 until chosen; a kind's open may set a limit of its own */
    size_t batch_tokens;
    int top_k; /* 0: the kind's own */
    task_input inputs[TASK_INPUTS];
    size_t n_inputs;
    const hst_value_info *output;      /* the one that the kind reads */
    int64_t fixed_batch, fixed_length; /* of a model with fixed dimensions; -1: free */
    int32_t pad_id;
    void *state; /* the kind's own, freed by its close */
} hst_task;

/* One text's answers, filled by a kind. */
typedef struct task_row {
    const hst_encoding *encoding;
    hst_string text, pair;
    hst_answer *answers; /* malloc'ed; labels live as long as the task */
    size_t n_answers;
    hst_tensor *tensor;
    bool many; /* the JSON is a list even of one answer */
} task_row;

struct task_kind {
    const char *name;
    const char *const *aliases; /* NULL-terminated */
    const char *summary;
    const char *architecture; /* what a checkpoint is built as where this task is meant; NULL: what config.json names */
    int order;                /* where config.json leaves the choice, the lowest order that fits is taken */
    /* Does the model suggest this task? */
    bool (*suggested)(const hst_task *t);
    /* Chooses t->output, reads what it needs of t->config; UNSUPPORTED where the model does not fit. */
    hst_status (*open)(hst_task *t, hst_error *err);
    void (*close)(hst_task *t); /* may be NULL */
    /* `output` is f32; row `index` of its first dimension belongs to `row`; `tokens` of its second are real. */
    hst_status (*answer)(const hst_task *t, const hst_tensor *output, int64_t index, int64_t tokens, task_row *row,
                         hst_error *err);
};

#define HST_TASK(id)                                                                                                   \
    extern const task_kind task_##id;                                                                                  \
    const task_kind task_##id

extern const task_kind *const task_list[];
extern const int task_list_count;

/* An output of that rank by one of the names (NULL-terminated), else the first of that rank; NULL: none. */
const hst_value_info *task_find_output(const hst_task *t, const char *const *names, int rank);
/* True where an entry of config.json's "architectures" ends so. */
bool task_architecture_ends(const hst_task *t, const char *ending);
/* True where the model's folder has modules.json: it was made for sentence-transformers. */
bool task_has_modules(const hst_task *t);
/* Makes room for n answers in a row. */
hst_status task_row_reserve(task_row *row, size_t n, hst_error *err);

#endif
