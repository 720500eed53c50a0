/* Files: read-only maps, files named inside other files, and writing by temporary name and rename. */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include "base/error.h"

/* A read-only view of a whole file, shared by reference count (atomic). */
typedef struct file_map {
    const unsigned char *data; /* not NULL, even for an empty file */
    size_t size;
    const char *path; /* as it was opened */
} file_map;

/* Maps a regular file (a FIFO, device or folder is refused). With `copy` the bytes are read into memory instead: for
 * files that may be truncated in place. Ownership: file_map_free drops one reference. Errors: NOT_FOUND, IO. */
hst_status file_map_open(const char *path, bool copy, const hst_allocator *a, file_map **out, hst_error *err);
file_map *file_map_retain(file_map *map);
void file_map_free(file_map *map);
/* IO error where the file on disk is now shorter than the map (touching it would be SIGBUS). */
hst_status file_map_check(const file_map *map, hst_error *err);
/* Bytes at `data`, if they are of this map, will hardly be read again: whole pages of them leave memory, and come back
 * from the file where they are read after all. */
void file_map_unload(const file_map *map, const void *data, size_t size);
/* Bytes of any map will all be read soon: their pages are mapped at once, which costs a small part of a fault for each.
 * Does nothing where the system cannot. */
void file_map_populate(const void *data, size_t size);

/* Resolves `name`, as written inside the file `base_path` (external data, shards), to a path that may be opened: relative
 * only, no "..", no NUL, not `base_path` itself; a symlink may lead only into base_path's folder or, where base_path lies
 * in a hub cache (…/snapshots/<rev>/… beside …/blobs/), into that repository; the target must be a regular file.
 * Ownership: *out is malloc'ed, free() it. `name` has `size` bytes. */
hst_status file_resolve_inside(const char *base_path, const char *name, size_t size, char **out, hst_error *err);

/* A file being written: bytes go to a temporary name beside `path`; commit makes them appear under `path` at once (fsync
 * and rename); without commit the free removes them and an older file at `path` stays as it was. */
typedef struct file_writer file_writer;
hst_status file_writer_open(const char *path, file_writer **out, hst_error *err);
hst_status file_writer_write(file_writer *w, const void *data, size_t size, hst_error *err);
uint64_t file_writer_position(const file_writer *w);
hst_status file_writer_commit(file_writer *w, hst_error *err);
void file_writer_free(file_writer *w); /* aborts where commit was not called */

/* Reads a whole small file (config.json …) into malloc'ed memory with a NUL after it; refuses more than `most` bytes. */
hst_status file_read(const char *path, size_t most, char **out, size_t *size, hst_error *err);
bool file_exists(const char *path); /* a regular file */
bool file_is_folder(const char *path);
/* "<folder>/<name>", malloc'ed; NULL when out of memory. `folder_of` gives the folder part of a path ("." if none). */
char *path_join(const char *folder, const char *name);
char *path_folder_of(const char *path);
/* Where the files that belong to a model lie (tokenizer, config): `path`, if it is a folder, else the file's folder; or the
 * one above, where that is called "onnx" and has none of them. malloc'ed; NULL when out of memory. */
char *path_model_folder(const char *path);

#endif
