/* Tar archives: blocks of 512 bytes, a header before each file's content. */
#include "tar.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/error.h"
#include "base/file.h"

#define BLOCK       512
#define UNPACK_MOST ((size_t)2 << 30)
#define NAME_MOST   4096 /* of a file, long forms included */

struct tar {
    file_map *map;           /* of the file, NULL: bytes of the caller */
    unsigned char *unpacked; /* NULL: they were not gzipped */
    tar_file *files;
    size_t n, capacity;
};

typedef struct header { /* what stands before a file, long names included */
    char name[NAME_MOST + 1], link[NAME_MOST + 1];
    bool has_name, has_link, has_size; /* from an extended header, for the next file */
    size_t size;
    char type;
} header;

static hst_status damaged(hst_error *err, size_t at, const char *what) {
    return error_set(err, HST_STATUS_BAD_FORMAT, NULL, "the tar archive is damaged at byte %zu: %s", at, what);
}

/* Behind a member of a gzip file may stand another one, which goes on with the content, or zeros. */
static int next_member(z_stream *s, const unsigned char *rest, size_t n) {
    if (n > 1 && rest[0] == 0x1f && rest[1] == 0x8b) return inflateReset(s);
    for (size_t i = 0; i < n; i++)
        if (rest[i]) return Z_DATA_ERROR;
    return Z_STREAM_END;
}

static hst_status unpack(tar *t, const unsigned char *data, size_t size, size_t *out, hst_error *err) {
    z_stream s = {.next_in = (unsigned char *)(uintptr_t)data};
    size_t room = 0, used = 0, fed = 0;
    int code = Z_OK;
    hst_status status = HST_STATUS_OK;
    if (inflateInit2(&s, 15 + 16) != Z_OK) return error_no_memory(err, 1 << 16, "zlib");
    while (code == Z_OK && status == HST_STATUS_OK) {
        if (used == room) {
            room = room ? 2 * room : (size_t)1 << 20;
            unsigned char *grown = room <= UNPACK_MOST ? realloc(t->unpacked, room) : NULL;
            if (!grown) {
                status = room > UNPACK_MOST
                             ? error_set(err, HST_STATUS_BUDGET, NULL, "the archive unpacks to more than 2 GiB")
                             : error_no_memory(err, room, "an archive");
                break;
            }
            t->unpacked = grown;
        }
        size_t in = size - fed < (1u << 30) ? size - fed : 1u << 30, give = room - used;
        s.avail_in = (uInt)in;
        s.avail_out = (uInt)give;
        s.next_out = t->unpacked + used;
        code = inflate(&s, Z_NO_FLUSH);
        fed += in - s.avail_in;
        used += give - s.avail_out;
        if (code == Z_STREAM_END) code = next_member(&s, data + fed, size - fed);
        if (code == Z_OK && in == s.avail_in && give == s.avail_out) code = Z_BUF_ERROR; /* nothing moves */
    }
    inflateEnd(&s);
    *out = used;
    if (status == HST_STATUS_OK && code != Z_STREAM_END)
        status =
            error_set(err, HST_STATUS_BAD_FORMAT, NULL, "the gzipped archive is damaged or cut after %zu bytes", fed);
    return status;
}

/* Octal digits, or a binary number where the first bit is set (GNU, for large files). */
static bool number(const unsigned char *p, size_t n, size_t *out) {
    uint64_t x = 0;
    size_t i = 0;
    if (*p & 0x80) {
        for (x = *p & 0x7f, i = 1; i < n; i++) {
            if (x >> 55) return false;
            x = x << 8 | p[i];
        }
    } else {
        while (i < n && p[i] == ' ') i++;
        for (; i < n && p[i] >= '0' && p[i] <= '7'; i++) x = x << 3 | (uint64_t)(p[i] - '0');
        if (i < n && p[i] != ' ' && p[i] != '\0') return false;
    }
    *out = (size_t)x;
    return true;
}

static bool checksum_holds(const unsigned char *block) {
    size_t want, sum = 0;
    for (int i = 0; i < BLOCK; i++) sum += i >= 148 && i < 156 ? ' ' : block[i];
    return number(block + 148, 8, &want) && want == sum;
}

static bool copy_name(char *to, const void *from, size_t size) {
    if (size > NAME_MOST) return false;
    memcpy(to, from, size);
    to[size] = '\0';
    return true;
}

/* One "<length> <key>=<value>\n" after the other. */
static bool read_pax(header *h, const char *p, size_t left) {
    while (left) {
        size_t length = 0, at = 0;
        const char *value;
        for (; at < left && p[at] >= '0' && p[at] <= '9' && length <= left; at++)
            length = length * 10 + (size_t)(p[at] - '0');
        if (at >= left || p[at] != ' ' || length > left || length < at + 3 || p[length - 1] != '\n') return false;
        const char *key = p + at + 1, *end = p + length - 1;
        if (!(value = memchr(key, '=', (size_t)(end - key)))) return false;
        value++;
        size_t key_size = (size_t)(value - 1 - key), size = (size_t)(end - value);
        if (key_size == 4 && memcmp(key, "path", 4) == 0) {
            if (!(h->has_name = copy_name(h->name, value, size))) return false;
        } else if (key_size == 8 && memcmp(key, "linkpath", 8) == 0) {
            if (!(h->has_link = copy_name(h->link, value, size))) return false;
        } else if (key_size == 4 && memcmp(key, "size", 4) == 0) {
            h->size = 0;
            for (size_t i = 0; i < size; i++) {
                if (value[i] < '0' || value[i] > '9' || h->size > UNPACK_MOST) return false;
                h->size = h->size * 10 + (size_t)(value[i] - '0');
            }
            h->has_size = true;
        }
        p += length;
        left -= length;
    }
    return true;
}

static const char *plain(const char *name) {
    while (name[0] == '.' && name[1] == '/') name += 2;
    return name;
}

static hst_status add(tar *t, const char *name, const unsigned char *data, size_t size, hst_error *err) {
    if (t->n == t->capacity) {
        size_t capacity = t->capacity ? 2 * t->capacity : 64;
        tar_file *grown = realloc(t->files, capacity * sizeof *grown);
        if (!grown) return error_no_memory(err, capacity * sizeof *grown, "an archive");
        t->files = grown;
        t->capacity = capacity;
    }
    char *copy = strdup(plain(name));
    if (!copy) return error_no_memory(err, strlen(name), "an archive");
    t->files[t->n++] = (tar_file){copy, data, size};
    return HST_STATUS_OK;
}

/* A hard link stands behind what it links to. */
static const tar_file *linked(const tar *t, const char *name) {
    for (size_t i = t->n; i-- > 0;)
        if (strcmp(t->files[i].name, plain(name)) == 0) return &t->files[i];
    return NULL;
}

static hst_status take(tar *t, header *h, const unsigned char *content, size_t at, hst_error *err) {
    const tar_file *f;
    switch (h->type) {
    case 'L':
    case 'K': /* the name, with its NUL, of the next file or of what it links to */
        if (!copy_name(h->type == 'L' ? h->name : h->link, content, h->size))
            return damaged(err, at, "a name too long");
        *(h->type == 'L' ? &h->has_name : &h->has_link) = true;
        return HST_STATUS_OK;
    case 'x':
        h->has_size = false;
        return read_pax(h, (const char *)content, h->size) ? HST_STATUS_OK : damaged(err, at, "an extended header");
    case '0':
    case '7':
    case '\0':
        HST_TRY(add(t, h->name, content, h->size, err));
        break;
    case '1':
        if (!(f = linked(t, h->link))) return damaged(err, at, "a link to a file that is not there");
        HST_TRY(add(t, h->name, f->data, f->size, err));
        break;
    default: /* folders, symbolic links, devices */
        break;
    }
    h->has_name = h->has_link = h->has_size = false;
    return HST_STATUS_OK;
}

static hst_status read_header(const unsigned char *block, header *h, size_t at, hst_error *err) {
    size_t size;
    if (!checksum_holds(block) || !number(block + 124, 12, &size)) return damaged(err, at, "a header");
    h->type = (char)block[156];
    if (h->type == '1' || !h->has_size) h->size = size;
    if (!h->has_name && h->type != 'L' && h->type != 'K' && h->type != 'x' && h->type != 'g') {
        size_t folder = memcmp(block + 257, "ustar\0", 6) == 0 ? strnlen((const char *)block + 345, 155) : 0;
        memcpy(h->name, block + 345, folder);
        if (folder) h->name[folder++] = '/';
        copy_name(h->name + folder, block, strnlen((const char *)block, 100));
    }
    if (h->type == '1' && !h->has_link) copy_name(h->link, block + 157, strnlen((const char *)block + 157, 100));
    return HST_STATUS_OK;
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const tar_file *)a)->name, ((const tar_file *)b)->name);
}

static hst_status read_files(tar *t, const unsigned char *data, size_t size, hst_error *err) {
    static const unsigned char zeros[BLOCK];
    header *h = calloc(1, sizeof *h);
    hst_status status = h ? HST_STATUS_OK : error_no_memory(err, sizeof *h, "an archive");
    size_t at = 0;
    while (status == HST_STATUS_OK && size - at >= BLOCK && memcmp(data + at, zeros, BLOCK) != 0) {
        size_t header_at = at;
        if ((status = read_header(data + at, h, at, err)) != HST_STATUS_OK) break;
        at += BLOCK;
        size_t bytes = h->type == '1' ? 0 : h->size, left = size - at, padded = bytes + (BLOCK - bytes % BLOCK) % BLOCK;
        if (bytes > left) {
            status = damaged(err, header_at, "a file that passes the end");
            break;
        }
        status = take(t, h, data + at, header_at, err);
        at += padded < left ? padded : left;
    }
    free(h);
    if (status != HST_STATUS_OK) return status;
    if (at == 0 || (size - at < BLOCK && size != at)) return damaged(err, at, "neither a header nor the end");
    if (t->n) qsort(t->files, t->n, sizeof *t->files, by_name);
    return HST_STATUS_OK;
}

static hst_status open_bytes(file_map *map, const void *data, size_t size, tar **out, hst_error *err) {
    const unsigned char *bytes = data;
    tar *t = calloc(1, sizeof *t);
    *out = NULL;
    if (!t) {
        file_map_free(map);
        return error_no_memory(err, sizeof *t, "an archive");
    }
    t->map = map;
    hst_status status = HST_STATUS_OK;
    if (size >= 2 && bytes[0] == 0x1f && bytes[1] == 0x8b) {
        status = unpack(t, bytes, size, &size, err);
        bytes = t->unpacked;
    }
    if (status == HST_STATUS_OK) status = read_files(t, bytes, size, err);
    if (status == HST_STATUS_OK) {
        *out = t;
        return status;
    }
    tar_free(t);
    return status;
}

hst_status tar_open_memory(const void *data, size_t size, tar **out, hst_error *err) {
    return open_bytes(NULL, data, size, out, err);
}

hst_status tar_open(const char *path, tar **out, hst_error *err) {
    file_map *map = NULL;
    *out = NULL;
    HST_TRY(file_map_open(path, false, NULL, &map, err));
    hst_status status = open_bytes(map, map->data, map->size, out, err);
    return status == HST_STATUS_OK ? status : error_prefix(err, status, "%s", path);
}

void tar_free(tar *t) {
    if (!t) return;
    for (size_t i = 0; i < t->n; i++) free((char *)(uintptr_t)t->files[i].name);
    free(t->files);
    free(t->unpacked);
    file_map_free(t->map);
    free(t);
}

size_t tar_count(const tar *t) {
    return t->n;
}
const tar_file *tar_at(const tar *t, size_t i) {
    return &t->files[i];
}

const tar_file *tar_find(const tar *t, const char *name) {
    const tar_file key = {.name = name};
    return t->n ? bsearch(&key, t->files, t->n, sizeof key, by_name) : NULL;
}
