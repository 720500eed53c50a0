/* A file of named sections, mapped and read in place: the container of engine files. Knows nothing of what it holds.
 *
 *   0   magic "\x89HST\r\n\x1a\n"       32  bytes 0
 *   8   u32 SECTION_FILE_VERSION        56  u64 checksum of header (this field 0) and table
 *   12  u32 sections                    64  the table, an entry of 128 bytes a section:
 *   16  u64 bytes of the file                 char name[96], u64 offset, u64 size, u64 checksum, u32 flags, u32 0
 *
 * Numbers are little-endian. Sections lie in the order of the table, aligned to 64 bytes, large ones to 2 MiB. Header
 * and table are checked when the file is opened, a section's checksum when it is first asked for; that of a bulk
 * section, which must be of use without being read, only by section_file_verify. */
#ifndef BASE_SECTION_FILE_H
#define BASE_SECTION_FILE_H

#include "base/file.h"

#define SECTION_FILE_VERSION 1
#define SECTION_NAME_MOST    95
#define SECTION_BULK         1u /* flag */

typedef struct section_file section_file;

/* True where a regular file of that name begins with the magic; false also where it cannot be read. */
bool section_file_is(const char *path);
bool section_bytes_are(const void *data, size_t size);

/* Ownership: section_file_free drops one reference. Errors: NOT_FOUND, IO, BAD_FORMAT, UNSUPPORTED (another version).
 */
hst_status section_file_open(const char *path, bool copy, const hst_allocator *a, section_file **out, hst_error *err);
/* `data` must stay and be aligned to 64 bytes. `name` is for messages; copied. */
hst_status section_file_borrow(const void *data, size_t size, const char *name, const hst_allocator *a,
                               section_file **out, hst_error *err);
section_file *section_file_retain(section_file *f);
void section_file_free(section_file *f);
const char *section_file_path(const section_file *f);

typedef struct section {
    const char *name; /* "" : there is none */
    const unsigned char *data;
    size_t size;
    uint64_t checksum;
    bool bulk;
} section;

size_t section_file_count(const section_file *f);
section section_file_at(const section_file *f, size_t i);
bool section_file_has(const section_file *f, const char *name);
/* The section of that name, its checksum right. Errors: NOT_FOUND, BAD_FORMAT. */
hst_status section_file_get(section_file *f, const char *name, section *out, hst_error *err);
/* All checksums, bulk ones too: reads the whole file. */
hst_status section_file_verify(const section_file *f, hst_error *err);
hst_status section_file_check(const section_file *f, hst_error *err);           /* file_map_check */
void section_file_unload(const section_file *f, const void *data, size_t size); /* file_map_unload */

/* ---- writing ---- */

/* A section to be written: its bytes, or pieces at ascending offsets with zeros between them. */
typedef struct section_piece {
    const void *data;
    size_t size;
    uint64_t offset;
} section_piece;
typedef struct section_source {
    const char *name;
    const section_piece *pieces;
    size_t n_pieces;
    uint64_t size; /* of the whole section */
    bool bulk;
} section_source;

/* Writes `path` under a temporary name, then renames. Errors: INVALID_ARGUMENT (a name that is empty, too long or there
 * twice), IO, NO_MEMORY. */
hst_status section_file_write(const char *path, const section_source *sections, size_t n, hst_error *err);

#endif
