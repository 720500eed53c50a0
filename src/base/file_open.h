/* Opening and reading, shared by file.c and file_map.c. */
#ifndef BASE_FILE_OPEN_H
#define BASE_FILE_OPEN_H

#include "base/error.h"

/* Opens a regular file for reading and tells its size; the caller closes *fd. */
hst_status file_open_regular(const char *path, int *fd, size_t *size, hst_error *err);
/* Reads exactly `size` bytes. */
hst_status file_read_bytes(int fd, const char *path, void *to, size_t size, hst_error *err);

#endif
