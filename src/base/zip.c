/* Zip archives, see zip.h. Layout (APPNOTE.TXT):
 *
 *     local header, name, extra, data   (each entry)
 *     central directory                 (one record an entry, with the offset of its local header)
 *     [zip64 end record, zip64 locator] end record, comment
 *
 * Offsets count from the first byte: archives glued behind another file are refused. */
#include "base/zip.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/checked.h"
#include "base/memory.h"

#define END_SIZE     22
#define END64_SIZE   56
#define LOCATOR_SIZE 20
#define RECORD_SIZE  46
#define LOCAL_SIZE   30
#define DEFLATE_MOST 1032 /* no deflate stream expands further */

struct zip_archive {
    arena *arena;
    const char *path;
    const unsigned char *data;
    size_t size;
    zip_entry *entries;
    size_t count;
};

/* What the directory says of an entry, while it is checked. */
typedef struct record {
    unsigned flags, method;
    uint32_t crc;
    uint64_t stored, size, local; /* local: offset of the local header */
    uint64_t end;                 /* first byte after the data */
    const char *name;
    size_t name_size;
} record;

static uint64_t le(const unsigned char *p, int bytes) {
    uint64_t x = 0;
    for (int i = bytes; i-- > 0;) x = x << 8 | p[i];
    return x;
}

#define BAD(z, ...) error_set(err, HST_STATUS_BAD_FORMAT, (z)->path, __VA_ARGS__)

typedef struct directory {
    uint64_t offset, size, count;
} directory;

/* The end record is the last thing in the file: it is where its comment's length leads exactly to the end. */
static const unsigned char *find_end(const zip_archive *z) {
    for (size_t back = END_SIZE; back <= z->size && back <= END_SIZE + 65535; back++) {
        const unsigned char *p = z->data + (z->size - back);
        if (memcmp(p, "PK\5\6", 4) == 0 && le(p + 20, 2) == back - END_SIZE) return p;
    }
    return NULL;
}

static hst_status read_end64(const zip_archive *z, size_t locator_at, directory *d, size_t *end_at, hst_error *err) {
    const unsigned char *locator = z->data + locator_at;
    uint64_t at = le(locator + 8, 8);
    if (le(locator + 4, 4) != 0 || le(locator + 16, 4) > 1) return BAD(z, "'%s': a zip of several disks", z->path);
    if (!range_inside(at, END64_SIZE, locator_at) || memcmp(z->data + at, "PK\6\6", 4) != 0) {
        return BAD(z, "'%s': no zip64 end record at byte %llu", z->path, (unsigned long long)at);
    }
    const unsigned char *p = z->data + at;
    uint64_t rest = le(p + 4, 8);
    if (rest < END64_SIZE - 12 || rest != locator_at - at - 12) {
        return BAD(z, "'%s': the zip64 end record says it has %llu bytes; %llu lie before its locator", z->path,
                   (unsigned long long)rest, (unsigned long long)(locator_at - at - 12));
    }
    if (le(p + 16, 4) != 0 || le(p + 20, 4) != 0) return BAD(z, "'%s': a zip of several disks", z->path);
    directory wide = {.offset = le(p + 48, 8), .size = le(p + 40, 8), .count = le(p + 32, 8)};
    /* The narrow record may hold the same numbers or "look there", nothing else. */
    if (le(p + 24, 8) != wide.count || (d->count != 0xffff && d->count != wide.count) ||
        (d->size != 0xffffffff && d->size != wide.size) || (d->offset != 0xffffffff && d->offset != wide.offset)) {
        return BAD(z, "'%s': the zip64 end record contradicts the end record", z->path);
    }
    *d = wide;
    *end_at = (size_t)at;
    return HST_STATUS_OK;
}

static hst_status read_end(const zip_archive *z, directory *d, hst_error *err) {
    const unsigned char *p = find_end(z);
    if (!p) return BAD(z, "'%s' is no zip archive or was cut: %zu bytes without an end record", z->path, z->size);
    size_t end_at = (size_t)(p - z->data);
    if (le(p + 4, 2) != 0 || le(p + 6, 2) != 0 || le(p + 8, 2) != le(p + 10, 2)) {
        return BAD(z, "'%s': a zip of several disks", z->path);
    }
    *d = (directory){.offset = le(p + 16, 4), .size = le(p + 12, 4), .count = le(p + 10, 2)};
    if (end_at >= LOCATOR_SIZE && memcmp(p - LOCATOR_SIZE, "PK\6\7", 4) == 0) {
        HST_TRY(read_end64(z, end_at - LOCATOR_SIZE, d, &end_at, err));
    }
    if (!range_inside(d->offset, d->size, end_at) || d->offset + d->size != end_at ||
        d->count > d->size / RECORD_SIZE) {
        return BAD(z, "'%s': a zip directory of %llu entries and %llu bytes at byte %llu does not end at byte %zu",
                   z->path, (unsigned long long)d->count, (unsigned long long)d->size, (unsigned long long)d->offset,
                   end_at);
    }
    return HST_STATUS_OK;
}

/* Puts the wide numbers of extra field 0x0001 where the narrow ones say "look there". */
static bool widen(const unsigned char *extra, size_t size, uint64_t *const *field, int fields) {
    bool missing = false;
    for (int i = 0; i < fields; i++) missing |= *field[i] == 0xffffffff;
    if (!missing) return true;
    while (size >= 4) {
        size_t id = le(extra, 2), n = le(extra + 2, 2);
        if (n > size - 4) return false;
        if (id == 1) {
            const unsigned char *p = extra + 4;
            for (int i = 0; i < fields; i++) {
                if (*field[i] != 0xffffffff) continue;
                if (n < 8) return false;
                *field[i] = le(p, 8);
                p += 8;
                n -= 8;
            }
            return true;
        }
        extra += 4 + n;
        size -= 4 + n;
    }
    return false;
}

static hst_status check_method(const zip_archive *z, const record *r, hst_error *err) {
    if (r->flags & (1u | 1u << 6 | 1u << 13)) {
        return error_set(err, HST_STATUS_UNSUPPORTED, z->path, "'%s': entry '%s' is encrypted", z->path, r->name);
    }
    if (r->flags & 1u << 5 || (r->method != 0 && r->method != 8)) {
        return error_set(err, HST_STATUS_UNSUPPORTED, z->path,
                         "'%s': entry '%s' is packed by method %u; only stored (0) and deflated (8) are read", z->path,
                         r->name, r->method);
    }
    if (r->method == 0 && r->stored != r->size) {
        return BAD(z, "'%s': stored entry '%s' has %llu bytes but says %llu", z->path, r->name,
                   (unsigned long long)r->stored, (unsigned long long)r->size);
    }
    if (r->method == 8 && r->size / DEFLATE_MOST > r->stored) {
        return BAD(z, "'%s': entry '%s' says that %llu bytes unpack to %llu, which none can", z->path, r->name,
                   (unsigned long long)r->stored, (unsigned long long)r->size);
    }
    return HST_STATUS_OK;
}

static hst_status check_local(const zip_archive *z, const directory *d, record *r, hst_error *err) {
    if (!range_inside(r->local, LOCAL_SIZE, d->offset) || memcmp(z->data + r->local, "PK\3\4", 4) != 0) {
        return BAD(z, "'%s': entry '%s' has no local header at byte %llu", z->path, r->name,
                   (unsigned long long)r->local);
    }
    const unsigned char *p = z->data + r->local;
    size_t name_size = le(p + 26, 2), extra_size = le(p + 28, 2);
    uint64_t body = r->local + LOCAL_SIZE;
    if (!range_inside(body, name_size + extra_size, d->offset)) {
        return BAD(z, "'%s': the local header of '%s' is cut", z->path, r->name);
    }
    if (name_size != r->name_size || memcmp(z->data + body, r->name, name_size) != 0) {
        return BAD(z, "'%s': the directory's entry '%s' has another name in its local header", z->path, r->name);
    }
    uint64_t size = le(p + 22, 4), stored = le(p + 18, 4);
    uint64_t *wide[] = {&size, &stored};
    bool streamed = le(p + 6, 2) & 8; /* sizes follow the data; the local ones may be 0 */
    bool same = widen(z->data + body + name_size, extra_size, wide, 2);
    same = same && ((size == r->size && stored == r->stored && le(p + 14, 4) == r->crc) ||
                    (streamed && size == 0 && stored == 0) || (streamed && size == r->size && stored == r->stored));
    if (!same || le(p + 8, 2) != r->method || ((le(p + 6, 2) ^ r->flags) & 1)) {
        return BAD(z, "'%s': the local header of '%s' contradicts the directory", z->path, r->name);
    }
    body += name_size + extra_size;
    if (!range_inside(body, r->stored, d->offset)) {
        return BAD(z, "'%s': entry '%s' has %llu bytes at byte %llu, which pass the directory at %llu", z->path,
                   r->name, (unsigned long long)r->stored, (unsigned long long)body, (unsigned long long)d->offset);
    }
    r->end = body + r->stored;
    return HST_STATUS_OK;
}

static hst_status read_record(const zip_archive *z, const directory *d, const unsigned char **at, size_t *left,
                              record *r, hst_error *err) {
    const unsigned char *p = *at;
    if (*left < RECORD_SIZE || memcmp(p, "PK\1\2", 4) != 0) {
        return BAD(z, "'%s': the zip directory is damaged at byte %llu", z->path,
                   (unsigned long long)(d->offset + d->size - *left));
    }
    size_t name_size = le(p + 28, 2), extra_size = le(p + 30, 2), comment_size = le(p + 32, 2);
    size_t all = RECORD_SIZE + name_size + extra_size + comment_size;
    if (all > *left) return BAD(z, "'%s': the zip directory is cut", z->path);
    *r = (record){.flags = (unsigned)le(p + 8, 2),
                  .method = (unsigned)le(p + 10, 2),
                  .crc = (uint32_t)le(p + 16, 4),
                  .stored = le(p + 20, 4),
                  .size = le(p + 24, 4),
                  .local = le(p + 42, 4),
                  .name_size = name_size};
    char *name = arena_copy_string(z->arena, (const char *)p + RECORD_SIZE, name_size);
    if (!name) return error_no_memory(err, name_size, z->path);
    r->name = name;
    if (name_size == 0 || strlen(name) != name_size)
        return BAD(z, "'%s': entry '%s' has an impossible name", z->path, name);
    uint64_t *wide[] = {&r->size, &r->stored, &r->local};
    if (!widen(p + RECORD_SIZE + name_size, extra_size, wide, 3)) {
        return BAD(z, "'%s': entry '%s' lacks its zip64 sizes", z->path, name);
    }
    if (le(p + 34, 2) != 0 && le(p + 34, 2) != 0xffff) return BAD(z, "'%s': a zip of several disks", z->path);
    if (r->size > PTRDIFF_MAX) return BAD(z, "'%s': entry '%s' is too large for this machine", z->path, name);
    *at += all;
    *left -= all;
    HST_TRY(check_method(z, r, err));
    return check_local(z, d, r, err);
}

static int by_place(const void *a, const void *b) {
    const record *x = a, *y = b;
    return x->local < y->local ? -1 : x->local > y->local;
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const zip_entry *)a)->name, ((const zip_entry *)b)->name);
}

static hst_status read_directory(zip_archive *z, hst_error *err) {
    directory d = {0};
    HST_TRY(read_end(z, &d, err));
    record *r = ARENA_ARRAY(z->arena, record, d.count);
    z->entries = ARENA_ARRAY(z->arena, zip_entry, d.count);
    if (!r || !z->entries) return error_no_memory(err, (size_t)d.count * sizeof *r, z->path);
    const unsigned char *at = z->data + d.offset;
    size_t left = (size_t)d.size;
    for (uint64_t i = 0; i < d.count; i++) HST_TRY(read_record(z, &d, &at, &left, &r[i], err));
    if (left != 0)
        return BAD(z, "'%s': %zu bytes follow the last of %llu zip entries", z->path, left,
                   (unsigned long long)d.count);

    qsort(r, d.count, sizeof *r, by_place);
    for (uint64_t i = 0; i < d.count; i++) {
        if (i > 0 && r[i].local < r[i - 1].end) {
            return BAD(z, "'%s': entries '%s' and '%s' overlap", z->path, r[i - 1].name, r[i].name);
        }
        z->entries[i] = (zip_entry){.name = r[i].name,
                                    .data = z->data + (r[i].end - r[i].stored),
                                    .stored_size = (size_t)r[i].stored,
                                    .size = (size_t)r[i].size,
                                    .crc = r[i].crc,
                                    .deflated = r[i].method == 8};
    }
    z->count = d.count;
    qsort(z->entries, z->count, sizeof *z->entries, by_name);
    for (size_t i = 1; i < z->count; i++) {
        if (strcmp(z->entries[i - 1].name, z->entries[i].name) == 0) {
            return BAD(z, "'%s': two entries are named '%s'", z->path, z->entries[i].name);
        }
    }
    return HST_STATUS_OK;
}

hst_status zip_open(const char *path, const void *data, size_t size, const hst_allocator *a, zip_archive **out,
                    hst_error *err) {
    *out = NULL;
    arena *memory = arena_new(a);
    zip_archive *z = memory ? ARENA_NEW(memory, zip_archive) : NULL;
    if (z) z->path = arena_copy_string(memory, path, strlen(path));
    if (!z || !z->path) {
        arena_free(memory);
        return error_no_memory(err, sizeof *z, path);
    }
    z->arena = memory;
    z->data = data;
    z->size = size;
    hst_status status = read_directory(z, err);
    if (status != HST_STATUS_OK) {
        zip_free(z);
        return status;
    }
    *out = z;
    return HST_STATUS_OK;
}

void zip_free(zip_archive *z) {
    if (z) arena_free(z->arena);
}

size_t zip_count(const zip_archive *z) {
    return z->count;
}
const zip_entry *zip_at(const zip_archive *z, size_t i) {
    return &z->entries[i];
}

const zip_entry *zip_find(const zip_archive *z, const char *name) {
    zip_entry key = {.name = name};
    return z->count ? bsearch(&key, z->entries, z->count, sizeof key, by_name) : NULL;
}

static uint32_t crc_of(const unsigned char *p, size_t size) {
    return (uint32_t)crc32_z(crc32_z(0, NULL, 0), p, size);
}

/* Feeds zlib in pieces: its counts are 32 bits wide. */
static bool inflate_all(z_stream *s, const unsigned char *from, size_t from_size, unsigned char *to, size_t to_size) {
    const size_t piece = (size_t)1 << 30;
    int code = Z_OK;
    unsigned char one[1]; /* zlib wants a place even where nothing is expected */
    if (to_size == 0) to = one;
    s->next_in = (unsigned char *)(uintptr_t)from;
    s->next_out = to;
    while (code == Z_OK) {
        size_t in = from_size - (size_t)(s->next_in - from), room = to_size - (size_t)(s->next_out - to);
        s->avail_in = (uInt)(in < piece ? in : piece);
        s->avail_out = (uInt)(room < piece ? room : piece);
        uInt before_in = s->avail_in, before_out = s->avail_out;
        code = inflate(s, Z_NO_FLUSH);
        if (code == Z_OK && s->avail_in == before_in && s->avail_out == before_out) break;
    }
    return code == Z_STREAM_END && (size_t)(s->next_in - from) == from_size && (size_t)(s->next_out - to) == to_size;
}

hst_status zip_unpack(const zip_archive *z, const zip_entry *entry, void *to, hst_error *err) {
    if (!entry->deflated) {
        if (entry->size) memcpy(to, entry->data, entry->size);
    } else {
        z_stream s = {0};
        if (inflateInit2(&s, -MAX_WBITS) != Z_OK) return error_no_memory(err, 1 << 16, "zlib");
        bool good = inflate_all(&s, entry->data, entry->stored_size, to, entry->size);
        inflateEnd(&s);
        if (!good) return BAD(z, "'%s': entry '%s' does not unpack to %zu bytes", z->path, entry->name, entry->size);
    }
    uint32_t crc = crc_of(to, entry->size);
    if (crc != entry->crc) {
        return BAD(z, "'%s': entry '%s' is damaged: its checksum is %08x, not %08x", z->path, entry->name, crc,
                   entry->crc);
    }
    return HST_STATUS_OK;
}
