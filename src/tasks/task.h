/* What a task is: text in, answer out, around a session and a tokenizer. */
#ifndef TASKS_TASK_H
#define TASKS_TASK_H

#include "hasten.h"

typedef struct task_kind {
    const char *name;                  /* "text-classification" */
    const char *const *aliases;        /* NULL-terminated */
    const char *summary;
} task_kind;

#define HST_TASK(id) extern const task_kind task_##id; const task_kind task_##id

extern const task_kind *const task_list[];
extern const int task_list_count;

#endif
