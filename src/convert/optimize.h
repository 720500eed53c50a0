/* From a graph as it was read to one that is ready to be compiled. */
#ifndef CONVERT_OPTIMIZE_H
#define CONVERT_OPTIMIZE_H

#include "passes/pass.h"

typedef enum optimize_level {
    OPTIMIZE_DEFAULT = 0, /* = ALL */
    OPTIMIZE_NONE = 1,
    OPTIMIZE_EXACT = 2, /* what cannot change a bit: folding, removal of what does nothing */
    OPTIMIZE_ALL = 3
} optimize_level;

/* Gives every free dimension of that name a length. NOT_FOUND where no input has one. Before optimize_model. */
hst_status optimize_fix_dimension(model *m, const char *name, int64_t length, hst_error *err);
/* Replaces Gradients by what they compute, resolves operators, infers types, runs the passes of the level. `report` may be NULL. */
hst_status optimize_model(model *m, optimize_level level, pass_report *report, hst_error *err);

#endif
