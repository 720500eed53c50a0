/* Zip archives held in memory: a checked central directory, entries borrowed where they are stored, inflated otherwise.
 * The whole directory is checked at open (zip64; local headers against it; overlaps, encryption, sizes that no deflate
 * stream can reach are refused), so that an entry can be used without a further look. */
#ifndef BASE_ZIP_H
#define BASE_ZIP_H

#include "base/error.h"

typedef struct zip_entry {
    const char *name;          /* NUL-terminated */
    const unsigned char *data; /* as it lies in the archive: stored_size bytes */
    size_t stored_size, size;  /* in the archive; unpacked */
    uint32_t crc;
    bool deflated; /* else stored: data is the content */
} zip_entry;

typedef struct zip_archive zip_archive;

/* `data` must outlive the archive. `path` is for messages (copied). */
hst_status zip_open(const char *path, const void *data, size_t size, const hst_allocator *a, zip_archive **out,
                    hst_error *err);
void zip_free(zip_archive *z);
size_t zip_count(const zip_archive *z);
const zip_entry *zip_at(const zip_archive *z, size_t i);           /* sorted by name */
const zip_entry *zip_find(const zip_archive *z, const char *name); /* NULL where there is none */
/* Unpacks into `to` (entry->size bytes) and checks the CRC. */
hst_status zip_unpack(const zip_archive *z, const zip_entry *entry, void *to, hst_error *err);

#endif
