/* Elements of less than a byte (u4, s4, f4, u2, s2), for what moves parts of tensors: packed as tensors hold them, or
 * one a byte. */
#ifndef OPS_PACKED_H
#define OPS_PACKED_H

#include "tensor/tensor.h"

bool packed_is(hst_dtype d);
void packed_open(hst_dtype d, const void *from, void *to, int64_t n);  /* to: a byte an element */
void packed_close(hst_dtype d, const void *from, void *to, int64_t n); /* to: packed, the last byte's rest 0 */

#endif
