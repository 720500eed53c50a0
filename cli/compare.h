/* Whether a value is what was expected, by the rules of ONNX's test runner. */
#ifndef CLI_COMPARE_H
#define CLI_COMPARE_H

#include <stddef.h>

#include "hasten.h"

typedef struct tolerance {
    double relative, absolute; /* |got - want| <= absolute + relative |want| */
} tolerance;

/* Types and shapes are the same; strings too; numbers are within the tolerance, NaN is NaN, infinities are equal; bf16
 * is given two of its units in the last place at least. Lists item by item. False: `why` (of `size` bytes) says where.
 */
bool compare_values(const hst_tensor *got, const hst_tensor *want, tolerance t, char *why, size_t size);

#endif
