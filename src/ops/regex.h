/* Regular expressions for operators. The standard and ONNX Runtime mean RE2's syntax; PCRE2 is used, which takes all of
 * it but a few spellings (\C, and flags in the middle of some groups), and lookaround besides. Its memory is the run's,
 * within the run's budget, and its work is held to a number of steps, so that no pattern takes for ever. */
#ifndef OPS_REGEX_H
#define OPS_REGEX_H

#include "ops/op.h"

typedef enum regex_kind {
    REGEX_WHOLE,  /* does a pattern match a whole text? Texts need not be UTF-8 */
    REGEX_LONGEST /* where is the longest of the first matches? '.' takes line ends; texts must be UTF-8 */
} regex_kind;

typedef struct regex_set regex_set;

/* n patterns, for one evaluation. Errors: BAD_FORMAT with what is wrong and at which byte; NO_MEMORY.
 * Ownership: regex_set_free, also after an error. */
hst_status regex_set_new(eval_context *c, const hst_string *patterns, int n, regex_kind kind, regex_set **out,
                         hst_error *err);
void regex_set_free(regex_set *r);
/* Another text of `bytes` bytes comes: its steps are counted anew. */
void regex_begin(regex_set *r, size_t bytes);
/* Errors of both: BUDGET where a text takes too many steps, NO_MEMORY, CANCELLED, DEADLINE. */
hst_status regex_whole(regex_set *r, int which, const hst_string *text, bool *matches, hst_error *err);
/* From byte `at` on: [*begin, *end), *begin SIZE_MAX where there is none. */
hst_status regex_longest(regex_set *r, int which, const hst_string *text, size_t at, size_t *begin, size_t *end,
                         hst_error *err);

#endif
