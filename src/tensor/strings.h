/* String tensors. Elements are hst_string; whoever writes them may point anywhere while working, and calls
 * tensor_own_strings once at the end, which copies all bytes into the tensor's own buffer. */
#ifndef TENSOR_STRINGS_H
#define TENSOR_STRINGS_H

#include "tensor/tensor.h"

/* Gives t a new buffer that holds its hst_string elements and, after them, the bytes they point to; the old one is
 * dropped afterwards, so elements may point into it or into other tensors. t->data, t->buffer change; t->bytes stays
 * the bytes of the elements. Whoever runs operators takes a string output as it is after eval. NO_MEMORY leaves t. */
hst_status tensor_own_strings(hst_tensor *t, hst_error *err);
/* memcmp order, a shorter prefix first. */
int string_compare(const hst_string *a, const hst_string *b);

#endif
