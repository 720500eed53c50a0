/* Reading files of sections: everything that is followed as an offset or a count is checked when the file is opened. */
#include "base/section_file.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/checked.h"
#include "base/checksum.h"
#include "base/memory.h"
#include "base/section_format.h"

struct section_file {
    hst_allocator allocator;
    atomic_int references;
    file_map *map; /* NULL: borrowed bytes */
    const unsigned char *data;
    size_t size, count;
    const char *path;
    atomic_uchar *checked; /* [count]: 1 where the checksum was found right */
    size_t bytes;          /* of this object */
};

bool section_bytes_are(const void *data, size_t size) {
    return size >= sizeof SECTION_MAGIC - 1 && memcmp(data, SECTION_MAGIC, sizeof SECTION_MAGIC - 1) == 0;
}

bool section_file_is(const char *path) {
    unsigned char head[8];
    if (!file_exists(path)) return false;
    FILE *file = fopen(path, "rbe");
    bool is = file && fread(head, 1, sizeof head, file) == sizeof head && section_bytes_are(head, sizeof head);
    if (file) fclose(file);
    return is;
}

/* ---- the table ---- */

static section_entry entry_at(const section_file *f, size_t i) {
    section_entry e;
    memcpy(&e, f->data + sizeof(section_head) + i * sizeof e, sizeof e);
    return e;
}

static hst_status bad(const section_file *f, hst_error *err, const char *what) {
    return error_set(err, HST_STATUS_BAD_FORMAT, f->path, "'%s' is damaged: %s", f->path, what);
}

static hst_status check_head(section_file *f, hst_error *err) {
    section_head head;
    if (!section_bytes_are(f->data, f->size)) return bad(f, err, "it does not begin as an engine file does");
    if (f->size < sizeof head) return bad(f, err, "it ends inside its header");
    memcpy(&head, f->data, sizeof head);
    if (head.version != SECTION_FILE_VERSION)
        return error_set(err, HST_STATUS_UNSUPPORTED, f->path,
                         "'%s' is an engine file of version %u, this library reads version %d: compile the model again",
                         f->path, head.version, SECTION_FILE_VERSION);
    if (head.size != f->size)
        return error_set(err, HST_STATUS_BAD_FORMAT, f->path, "'%s' is damaged: it has %zu bytes and should have %llu",
                         f->path, f->size, (unsigned long long)head.size);
    if (head.count > SECTION_COUNT_MOST || head.count > (f->size - sizeof head) / sizeof(section_entry))
        return bad(f, err, "its table of sections does not fit");
    const uint64_t sum = head.checksum;
    head.checksum = 0;
    checksum c;
    checksum_begin(&c);
    checksum_add(&c, &head, sizeof head);
    checksum_add(&c, f->data + sizeof head, head.count * sizeof(section_entry));
    if (checksum_end(&c) != sum) return bad(f, err, "the checksum of its header is wrong");
    f->count = head.count;
    return HST_STATUS_OK;
}

static hst_status check_entry(const section_file *f, size_t i, uint64_t *end, hst_error *err) {
    const section_entry e = entry_at(f, i);
    if (!*e.name || memchr(e.name, 0, sizeof e.name) == NULL) return bad(f, err, "a section has no proper name");
    if (e.offset < *end || e.offset % SECTION_ALIGN || !range_inside(e.offset, e.size, f->size))
        return bad(f, err, "a section does not lie inside it");
    for (size_t k = 0; k < i; k++)
        if (strcmp(entry_at(f, k).name, e.name) == 0) return bad(f, err, "two sections have one name");
    *end = e.offset + e.size;
    return HST_STATUS_OK;
}

static hst_status check_all(section_file *f, hst_error *err) {
    HST_TRY(check_head(f, err));
    uint64_t end = sizeof(section_head) + f->count * sizeof(section_entry);
    for (size_t i = 0; i < f->count; i++) HST_TRY(check_entry(f, i, &end, err));
    return HST_STATUS_OK;
}

/* ---- opening ---- */

/* Takes `map` over, also on failure. */
static hst_status make(file_map *map, const void *data, size_t size, const char *name, const hst_allocator *a,
                       section_file **out, hst_error *err) {
    const size_t name_size = strlen(name) + 1, bytes = sizeof(section_file) + SECTION_COUNT_MOST + name_size;
    if (!a) a = allocator_default();
    section_file *f = memory_alloc(a, bytes, 16);
    if (!f) {
        file_map_free(map);
        return error_no_memory(err, bytes, name);
    }
    memset(f, 0, bytes);
    f->allocator = *a;
    atomic_init(&f->references, 1);
    f->map = map;
    f->data = data;
    f->size = size;
    f->bytes = bytes;
    f->checked = (atomic_uchar *)(f + 1);
    f->path = memcpy((char *)(f + 1) + SECTION_COUNT_MOST, name, name_size);
    hst_status status = check_all(f, err);
    if (status != HST_STATUS_OK) {
        section_file_free(f);
        return status;
    }
    *out = f;
    return HST_STATUS_OK;
}

hst_status section_file_open(const char *path, bool copy, const hst_allocator *a, section_file **out, hst_error *err) {
    file_map *map;
    *out = NULL;
    HST_TRY(file_map_open(path, copy, a, &map, err));
    return make(map, map->data, map->size, path, a, out, err);
}

hst_status section_file_borrow(const void *data, size_t size, const char *name, const hst_allocator *a,
                               section_file **out, hst_error *err) {
    *out = NULL;
    if ((uintptr_t)data % SECTION_ALIGN)
        return error_set(err, HST_STATUS_INVALID_ARGUMENT, name,
                         "an engine that is used where it lies must be aligned to %d bytes", SECTION_ALIGN);
    return make(NULL, data, size, name, a, out, err);
}

section_file *section_file_retain(section_file *f) {
    if (f) atomic_fetch_add_explicit(&f->references, 1, memory_order_relaxed);
    return f;
}

void section_file_free(section_file *f) {
    if (!f || atomic_fetch_sub_explicit(&f->references, 1, memory_order_acq_rel) != 1) return;
    file_map_free(f->map);
    hst_allocator a = f->allocator;
    memory_free(&a, f, f->bytes);
}

const char *section_file_path(const section_file *f) {
    return f->path;
}

/* ---- sections ---- */

size_t section_file_count(const section_file *f) {
    return f->count;
}

section section_file_at(const section_file *f, size_t i) {
    const unsigned char *at = f->data + sizeof(section_head) + i * sizeof(section_entry);
    const section_entry e = entry_at(f, i);
    return (section){.name = (const char *)at + offsetof(section_entry, name),
                     .data = f->data + e.offset,
                     .size = (size_t)e.size,
                     .checksum = e.checksum,
                     .bulk = (e.flags & SECTION_BULK) != 0};
}

static bool find(const section_file *f, const char *name, size_t *out) {
    for (size_t i = 0; i < f->count; i++)
        if (strcmp(section_file_at(f, i).name, name) == 0) {
            *out = i;
            return true;
        }
    return false;
}

bool section_file_has(const section_file *f, const char *name) {
    size_t i;
    return find(f, name, &i);
}

static hst_status check_section(const section_file *f, const section *s, hst_error *err) {
    if (checksum_of(s->data, s->size) == s->checksum) return HST_STATUS_OK;
    return error_set(err, HST_STATUS_BAD_FORMAT, f->path, "'%s' is damaged: the checksum of its section '%s' is wrong",
                     f->path, s->name);
}

hst_status section_file_get(section_file *f, const char *name, section *out, hst_error *err) {
    size_t i;
    if (!find(f, name, &i))
        return error_set(err, HST_STATUS_NOT_FOUND, f->path, "'%s' has no section '%s'", f->path, name);
    *out = section_file_at(f, i);
    if (out->bulk || atomic_load_explicit(&f->checked[i], memory_order_relaxed)) return HST_STATUS_OK;
    HST_TRY(check_section(f, out, err));
    atomic_store_explicit(&f->checked[i], 1, memory_order_relaxed);
    return HST_STATUS_OK;
}

hst_status section_file_verify(const section_file *f, hst_error *err) {
    for (size_t i = 0; i < f->count; i++) {
        const section s = section_file_at(f, i);
        HST_TRY(check_section(f, &s, err));
    }
    return HST_STATUS_OK;
}

hst_status section_file_check(const section_file *f, hst_error *err) {
    return f->map ? file_map_check(f->map, err) : HST_STATUS_OK;
}

void section_file_unload(const section_file *f, const void *data, size_t size) {
    if (f->map) file_map_unload(f->map, data, size);
}
