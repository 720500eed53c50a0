/* Option structs of hasten.h as a caller gave them: they begin with their size, which may be that of an older or newer
 * library's. */
#ifndef BASE_OPTIONS_H
#define BASE_OPTIONS_H

#include "base/error.h"

/* Copies an options struct of the caller (NULL: all defaults) into `to`, of our size; what an older caller's struct
 * lacks is 0. INVALID_ARGUMENT where its size is not set, or it asks for something that a newer library knows and this
 * does not. */
hst_status options_read(void *to, size_t size, const void *from, const char *name, hst_error *err);

#endif
