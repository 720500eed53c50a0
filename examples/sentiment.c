/* Prints label and score of each argument:  sentiment MODEL TEXT…
 * cc sentiment.c $(pkg-config --cflags --libs hasten) -o sentiment */
#include <hasten.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv) {
    hst_task *task = NULL;
    hst_error err;
    int failed = argc < 3;
    if (failed) fprintf(stderr, "usage: %s MODEL TEXT...\n", argv[0]);
    if (!failed && hst_task_open(argv[1], "text-classification", NULL, &task, &err) != HST_STATUS_OK) {
        fprintf(stderr, "%s\n", err.message);
        failed = 1;
    }
    for (int i = 2; i < argc && !failed; i++) {
        hst_string text = {argv[i], strlen(argv[i])};
        hst_result *result = NULL;
        if (hst_task_run_texts(task, 1, &text, NULL, NULL, &result, &err) == HST_STATUS_OK) {
            const hst_answer *best = hst_result_answer(result, 0, 0);
            printf("%-10s %.4f  %s\n", best->label, best->score, argv[i]);
        } else {
            fprintf(stderr, "%s\n", err.message);
            failed = 1;
        }
        hst_result_free(result);
    }
    hst_task_free(task);
    return failed;
}
