/* Test cases of models: folders with a .onnx file and test_data_set_<k>/input_<i>.pb, output_<i>.pb, on disk or in a
 * tar archive. Other files of a case (data.json, external data) lie beside the model. */
#ifndef CLI_CASES_H
#define CLI_CASES_H

#include <stddef.h>

#include "hasten.h"

typedef struct cases cases;

typedef struct test_case {
    const char *name;   /* of its folder; of its file where that is not model.onnx */
    const char *folder; /* where it lies, "" or with a slash at its end */
    const char *model;  /* its file, folder included */
} test_case;

/* Finds all cases in a folder, however deep, or in a .tar or .tar.gz. Ownership: cases_free(*out). */
hst_status cases_open(const char *path, cases **out, hst_error *err);
void cases_free(cases *c);
size_t cases_count(const cases *c);
const test_case *cases_at(const cases *c, size_t i); /* in the order of their folders */

/* `name` is below the case's folder. */
bool cases_has(const cases *c, const test_case *one, const char *name);
hst_status cases_value(const cases *c, const test_case *one, const char *name, hst_dtype as, hst_tensor **out,
                       hst_error *err);
/* A small text file, with a NUL behind it. Ownership: free(*text). */
hst_status cases_text(const cases *c, const test_case *one, const char *name, char **text, hst_error *err);
/* `options` is changed. The model may use memory of the cases. */
hst_status cases_model(const cases *c, const test_case *one, hst_model_options *options, hst_model **out,
                       hst_error *err);

#endif
