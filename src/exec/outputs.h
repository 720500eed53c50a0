/* The outputs of a session: reference-counted buffers and handles that live as long as the caller holds them, also
 * after the session, and are recycled when dropped (from any thread). What lay unused for some runs goes back to the
 * allocator. */
#ifndef EXEC_OUTPUTS_H
#define EXEC_OUTPUTS_H

#include "tensor/tensor.h"

#define OUTPUTS_KEEP_RUNS 16 /* a free buffer that this many runs did not need is given back */

typedef struct outputs outputs;

outputs *outputs_new(const hst_allocator *a); /* NULL: no memory */
/* The session's end: frees what is free; what callers hold follows when they drop it. */
void outputs_close(outputs *o);

/* A buffer of at least `size` bytes with one reference; NULL: no memory. */
tensor_buffer *outputs_take(outputs *o, size_t size);
/* The allocator of recycled hst_tensor structs, for tensor_view and the like. */
const hst_allocator *outputs_handles(outputs *o);
/* At the end of a run: counts it and gives back what was not needed for long (`all`: everything that is free). */
void outputs_trim(outputs *o, bool all);
/* Bytes of all buffers, and of those in callers' hands. */
size_t outputs_bytes(outputs *o, size_t *held);

#endif
