/* The results of a task's run. */
#ifndef TASKS_RESULT_H
#define TASKS_RESULT_H

#include "tasks/task.h"

typedef struct hst_result {
    size_t n;
    task_row *rows;
    hst_encoding **encodings; /* owned */
} hst_result;

#endif
