/* What the scatter operators do where updates meet data: replace, add, multiply, maximum, minimum, for every dtype. */
#ifndef KERNELS_COPY_COMBINE_H
#define KERNELS_COPY_COMBINE_H

#include <stdbool.h>
#include <stdint.h>

#include "tensor/dtype.h"

typedef enum combine { COMBINE_NONE = 0, COMBINE_ADD, COMBINE_MUL, COMBINE_MAX, COMBINE_MIN } combine;

/* "none", "add", "mul", "max", "min"; false where unknown. */
bool combine_from_name(const char *name, combine *out);
/* False where the elements of d cannot be combined (strings, complex, packed types). NONE fits all. */
bool combine_supports(combine how, hst_dtype d);
/* to[i] = how(to[i], from[i]) for n contiguous elements. */
void combine_run(combine how, hst_dtype d, void *to, const void *from, int64_t n);

#endif
