/* Read-only maps of whole files, shared by reference count. The descriptor stays open for file_map_check, which asks
 * the same file again even where its name now leads to another. */
#include "base/file.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file_open.h"
#include "base/memory.h"

typedef struct mapped {
    file_map view; /* first: a file_map * is a mapped * */
    hst_allocator allocator;
    atomic_int references;
    int fd;     /* -1 where the bytes are a copy */
    void *copy; /* NULL where mapped or empty */
    size_t path_size;
    char path[];
} mapped;

static const unsigned char nothing[1];

static hst_status fill(mapped *m, bool copy, hst_error *err) {
    size_t size = m->view.size;
    if (size == 0) return HST_STATUS_OK;
    if (!copy) {
        void *p = mmap(NULL, size, PROT_READ, MAP_PRIVATE, m->fd, 0);
        if (p == MAP_FAILED) {
            return error_set(err, HST_STATUS_IO, m->path, "cannot map %zu bytes of '%s': %s", size, m->path,
                             strerror(errno));
        }
        m->view.data = p;
        return HST_STATUS_OK;
    }
    m->copy = memory_alloc(&m->allocator, size, MEMORY_ALIGN);
    if (!m->copy) return error_no_memory(err, size, m->path);
    HST_TRY(file_read_bytes(m->fd, m->path, m->copy, size, err));
    m->view.data = m->copy;
    close(m->fd);
    m->fd = -1;
    return HST_STATUS_OK;
}

hst_status file_map_open(const char *path, bool copy, const hst_allocator *a, file_map **out, hst_error *err) {
    *out = NULL;
    if (!a) a = allocator_default();
    int fd = -1;
    size_t size = 0, path_size = strlen(path) + 1;
    HST_TRY(file_open_regular(path, &fd, &size, err));
    mapped *m = memory_alloc(a, sizeof *m + path_size, 16);
    if (!m) {
        close(fd);
        return error_no_memory(err, sizeof *m + path_size, path);
    }
    memset(m, 0, sizeof *m);
    m->allocator = *a;
    atomic_init(&m->references, 1);
    m->fd = fd;
    m->path_size = path_size;
    memcpy(m->path, path, path_size);
    m->view = (file_map){.data = nothing, .size = size, .path = m->path};
    hst_status status = fill(m, copy, err);
    if (status != HST_STATUS_OK) {
        file_map_free(&m->view);
        return status;
    }
    *out = &m->view;
    return HST_STATUS_OK;
}

file_map *file_map_retain(file_map *map) {
    if (map) atomic_fetch_add_explicit(&((mapped *)map)->references, 1, memory_order_relaxed);
    return map;
}

void file_map_free(file_map *map) {
    if (!map) return;
    mapped *m = (mapped *)map;
    if (atomic_fetch_sub_explicit(&m->references, 1, memory_order_acq_rel) != 1) return;
    if (m->copy)
        memory_free(&m->allocator, m->copy, m->view.size);
    else if (m->view.data != nothing)
        munmap((void *)(uintptr_t)m->view.data, m->view.size);
    if (m->fd >= 0) close(m->fd);
    hst_allocator a = m->allocator;
    memory_free(&a, m, sizeof *m + m->path_size);
}

hst_status file_map_check(const file_map *map, hst_error *err) {
    const mapped *m = (const mapped *)map;
    if (m->fd < 0) return HST_STATUS_OK;
    struct stat st;
    if (fstat(m->fd, &st) != 0) {
        return error_set(err, HST_STATUS_IO, map->path, "cannot ask for the size of '%s': %s", map->path,
                         strerror(errno));
    }
    if ((uintmax_t)st.st_size < map->size) {
        return error_set(err, HST_STATUS_IO, map->path,
                         "'%s' was cut from %zu to %jd bytes while it was in use; load it again", map->path, map->size,
                         (intmax_t)st.st_size);
    }
    return HST_STATUS_OK;
}

void file_map_unload(const file_map *map, const void *data, size_t size) {
    const mapped *m = (const mapped *)map;
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), begin = (uintptr_t)map->data, at = (uintptr_t)data;
    if (m->copy || map->data == nothing || at < begin || at - begin > map->size || size > map->size - (at - begin)) return;
    const uintptr_t first = (at + page - 1) / page * page, last = (at + size) / page * page;
    if (first < last) (void)madvise((void *)first, last - first, MADV_DONTNEED);
}

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22 /* Linux 5.14 */
#endif

void file_map_populate(const void *data, size_t size) {
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), first = (uintptr_t)data / page * page;
    if (size) (void)madvise((void *)first, (uintptr_t)data + size - first, MADV_POPULATE_READ);
}
