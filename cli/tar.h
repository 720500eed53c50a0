/* Tar archives (POSIX ustar, pax and GNU long names), plain or gzipped, read into memory: what test data of models
 * comes in. Files and hard links alone; nothing is written to disk, so no name can lead anywhere. */
#ifndef CLI_TAR_H
#define CLI_TAR_H

#include <stddef.h>

#include "hasten.h"

typedef struct tar tar;

typedef struct tar_file {
    const char *name; /* without a leading "./" */
    const unsigned char *data;
    size_t size;
} tar_file;

/* Errors: IO, BAD_FORMAT, NO_MEMORY, BUDGET (unpacks to more than 2 GiB). Ownership: tar_free(*out). */
hst_status tar_open(const char *path, tar **out, hst_error *err);
/* The same from bytes, which must stay where they are not gzipped. */
hst_status tar_open_memory(const void *data, size_t size, tar **out, hst_error *err);
void tar_free(tar *t);
size_t tar_count(const tar *t);
const tar_file *tar_at(const tar *t, size_t i);           /* sorted by name */
const tar_file *tar_find(const tar *t, const char *name); /* NULL: no such file */

#endif
