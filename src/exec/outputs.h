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

/* What a new buffer of at least `size` bytes takes, its head included; false: more than there can be. */
bool outputs_need(size_t size, size_t *need);
/* A buffer of at least `size` bytes with one reference: one that is free, or with `make` a new one. NULL: no memory, or
 * none is free. */
tensor_buffer *outputs_take(outputs *o, size_t size, bool make);
/* What a buffer from outputs_take takes, its head included. */
size_t outputs_size(const tensor_buffer *b);
/* The allocator of recycled hst_tensor structs, for tensor_view and the like. */
const hst_allocator *outputs_handles(outputs *o);
/* At the end of a run: counts it and gives back what was not needed for long. */
void outputs_age(outputs *o);
/* Gives back everything that is free, and says how many bytes. */
size_t outputs_trim(outputs *o);
/* Bytes of the free buffers. They may be at most as many as `outputs_keep` last said; what would pass it when it is
 * dropped is freed. */
size_t outputs_free(outputs *o);
size_t outputs_keep(outputs *o, size_t most); /* outputs_free at this moment; gives nothing back itself */

#endif
