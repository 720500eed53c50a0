/* Facts about element types. */
#ifndef TENSOR_DTYPE_H
#define TENSOR_DTYPE_H

#include "hasten.h"

/* Bits an element: 32 for f32, 4 for s4 …; 0 for strings (their elements are hst_string) and unknown types. */
int dtype_bits(hst_dtype d);
hst_dtype dtype_part(hst_dtype d); /* f32 or f64: of the two parts of a complex element; NONE of the others */
/* "f32", "s64", "b8" … "?" for an unknown one. */
const char *dtype_name(hst_dtype d);
/* From a name as above or as other projects spell it ("float32", "F16", "BF16", "int64", "bool"); NONE if unknown. */
hst_dtype dtype_from_name(const char *name);
bool dtype_valid(int d); /* a value of hst_dtype other than NONE */
bool dtype_is_float(hst_dtype d);   /* f64 f32 f16 bf16, f8 kinds, f4 */
bool dtype_is_integer(hst_dtype d); /* signed and unsigned, 2- and 4-bit ones included; not bool */
bool dtype_is_signed(hst_dtype d);
/* Bytes of n elements: packed types round up to a byte. False on overflow or a string/unknown type. */
bool dtype_bytes(hst_dtype d, size_t n, size_t *bytes);

#endif
