/* Writing files of sections: the table stands first, so checksums are computed before the first byte is written. */
#include <string.h>

#include "base/checked.h"
#include "base/checksum.h"
#include "base/memory.h"
#include "base/section_format.h"

static const unsigned char zeros[4096];

/* Hands out the bytes of a section in order, gaps as zeros. */
static hst_status each_piece(const section_source *s, hst_status (*take)(void *, const void *, size_t, hst_error *),
                             void *user, hst_error *err) {
    uint64_t at = 0;
    for (size_t i = 0; i <= s->n_pieces; i++) {
        const section_piece end = {NULL, 0, s->size}, *p = i < s->n_pieces ? &s->pieces[i] : &end;
        while (at < p->offset) {
            const size_t some = p->offset - at < sizeof zeros ? (size_t)(p->offset - at) : sizeof zeros;
            HST_TRY(take(user, zeros, some, err));
            at += some;
        }
        if (p->size) HST_TRY(take(user, p->data, p->size, err));
        at += p->size;
    }
    return HST_STATUS_OK;
}

static hst_status to_checksum(void *user, const void *data, size_t size, hst_error *err) {
    (void)err;
    checksum_add(user, data, size);
    return HST_STATUS_OK;
}

static hst_status to_file(void *user, const void *data, size_t size, hst_error *err) {
    return file_writer_write(user, data, size, err);
}

static hst_status check_names(const char *path, const section_source *s, size_t n, hst_error *err) {
    if (n > SECTION_COUNT_MOST)
        return error_set(err, HST_STATUS_INVALID_ARGUMENT, path, "%zu sections; a file has at most %d", n,
                         SECTION_COUNT_MOST);
    for (size_t i = 0; i < n; i++) {
        if (!*s[i].name || strlen(s[i].name) > SECTION_NAME_MOST)
            return error_set(err, HST_STATUS_INVALID_ARGUMENT, path, "'%.100s' cannot be the name of a section",
                             s[i].name);
        for (size_t k = 0; k < i; k++)
            if (strcmp(s[k].name, s[i].name) == 0)
                return error_set(err, HST_STATUS_INVALID_ARGUMENT, path, "two sections are named '%s'", s[i].name);
    }
    return HST_STATUS_OK;
}

/* Where everything goes. */
static hst_status lay_out(const section_source *s, size_t n, section_entry *table, uint64_t *size, hst_error *err) {
    uint64_t at = sizeof(section_head) + n * sizeof *table;
    for (size_t i = 0; i < n; i++) {
        const uint64_t align = s[i].size >= SECTION_ALIGN_LARGE ? SECTION_ALIGN_LARGE : SECTION_ALIGN;
        checksum sum;
        at = (at + align - 1) / align * align;
        checksum_begin(&sum);
        HST_TRY(each_piece(&s[i], to_checksum, &sum, err));
        table[i] = (section_entry){
            .offset = at, .size = s[i].size, .checksum = checksum_end(&sum), .flags = s[i].bulk ? SECTION_BULK : 0};
        memcpy(table[i].name, s[i].name, strlen(s[i].name) + 1);
        at += s[i].size;
    }
    *size = at;
    return HST_STATUS_OK;
}

static hst_status write_all(file_writer *w, const section_source *s, size_t n, const section_entry *table,
                            uint64_t size, hst_error *err) {
    section_head head = {.version = SECTION_FILE_VERSION, .count = (uint32_t)n, .size = size};
    memcpy(head.magic, SECTION_MAGIC, sizeof head.magic);
    checksum sum;
    checksum_begin(&sum);
    checksum_add(&sum, &head, sizeof head);
    checksum_add(&sum, table, n * sizeof *table);
    head.checksum = checksum_end(&sum);
    HST_TRY(file_writer_write(w, &head, sizeof head, err));
    HST_TRY(file_writer_write(w, table, n * sizeof *table, err));
    for (size_t i = 0; i < n; i++) {
        section_source gap = {.size = table[i].offset - file_writer_position(w)};
        HST_TRY(each_piece(&gap, to_file, w, err));
        HST_TRY(each_piece(&s[i], to_file, w, err));
    }
    return file_writer_commit(w, err);
}

hst_status section_file_write(const char *path, const section_source *sections, size_t n, hst_error *err) {
    file_writer *w = NULL;
    uint64_t size = 0;
    HST_TRY(check_names(path, sections, n, err));
    section_entry *table = memory_alloc(NULL, (n + 1) * sizeof *table, 16);
    if (!table) return error_no_memory(err, n * sizeof *table, "a table of sections");
    memset(table, 0, (n + 1) * sizeof *table);
    hst_status status = lay_out(sections, n, table, &size, err);
    if (status == HST_STATUS_OK) status = file_writer_open(path, &w, err);
    if (status == HST_STATUS_OK) status = write_all(w, sections, n, table, size, err);
    file_writer_free(w);
    memory_free(NULL, table, (n + 1) * sizeof *table);
    return status;
}
