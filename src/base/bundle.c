/* See bundle.h. */
#include "base/bundle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

struct bundle {
    char *folder; /* NULL: an engine file */
    section_file *file;
};

hst_status bundle_open(const char *path, bundle **out, hst_error *err) {
    bundle *b = calloc(1, sizeof *b);
    *out = NULL;
    if (!b) return error_no_memory(err, sizeof *b, "a bundle of files");
    hst_status status = HST_STATUS_OK;
    if (section_file_is(path))
        status = section_file_open(path, false, NULL, &b->file, err);
    else if (!(b->folder = strdup(path)))
        status = error_no_memory(err, strlen(path), "a path");
    if (status != HST_STATUS_OK) {
        bundle_free(b);
        return status;
    }
    *out = b;
    return HST_STATUS_OK;
}

void bundle_free(bundle *b) {
    if (!b) return;
    section_file_free(b->file);
    free(b->folder);
    free(b);
}

/* The section that stands for a file; false: the name is too long to be one. */
static bool section_name(const char *name, char *to, size_t size) {
    const int n = snprintf(to, size, BUNDLE_PREFIX "%s", name);
    return n > 0 && (size_t)n < size;
}

bool bundle_has(const bundle *b, const char *name) {
    if (b->file) {
        char section[SECTION_NAME_MOST + 1];
        return section_name(name, section, sizeof section) && section_file_has(b->file, section);
    }
    char *path = path_join(b->folder, name);
    const bool there = path && file_exists(path);
    free(path);
    return there;
}

static hst_status section_text(const bundle *b, const char *name, char **text, size_t *size, hst_error *err) {
    char wanted[SECTION_NAME_MOST + 1];
    section s;
    if (!section_name(name, wanted, sizeof wanted))
        return error_set(err, HST_STATUS_NOT_FOUND, name, "an engine holds no file '%s'", name);
    HST_TRY(section_file_get(b->file, wanted, &s, err));
    if (s.size > JSON_CONFIG_MOST)
        return error_set(err, HST_STATUS_BUDGET, name, "'%s' has %zu bytes; at most %zu are read", name, s.size,
                         JSON_CONFIG_MOST);
    char *copy = malloc(s.size + 1);
    if (!copy) return error_no_memory(err, s.size, name);
    if (s.size) memcpy(copy, s.data, s.size);
    copy[s.size] = '\0';
    *text = copy;
    *size = s.size;
    return HST_STATUS_OK;
}

hst_status bundle_text(const bundle *b, const char *name, char **text, size_t *size, hst_error *err) {
    *text = NULL;
    *size = 0;
    if (!bundle_has(b, name)) return HST_STATUS_OK;
    if (b->file) return section_text(b, name, text, size, err);
    char *path = path_join(b->folder, name);
    if (!path) return error_no_memory(err, strlen(name), "a path");
    hst_status status = file_read(path, JSON_CONFIG_MOST, text, size, err);
    free(path);
    return status;
}

hst_status bundle_text_named(const bundle *b, const char *from, const char *name, char **text, size_t *size,
                             hst_error *err) {
    char *base = NULL, *path = NULL;
    *text = NULL;
    *size = 0;
    if (b->file) return section_text(b, name, text, size, err);
    if (!(base = path_join(b->folder, from))) return error_no_memory(err, strlen(name), "a path");
    hst_status status = file_resolve_inside(base, name, strlen(name), &path, err);
    if (status == HST_STATUS_OK) status = file_read(path, JSON_CONFIG_MOST, text, size, err);
    free(base);
    free(path);
    return status;
}

/* Takes `text` over. */
static hst_status parse(const char *name, char *text, size_t size, json_t **out, hst_error *err) {
    hst_status status = text ? json_doc_parse(name, text, size, out, err) : HST_STATUS_OK;
    free(text);
    return status;
}

hst_status bundle_json(const bundle *b, const char *name, json_t **out, hst_error *err) {
    char *text;
    size_t size;
    *out = NULL;
    HST_TRY(bundle_text(b, name, &text, &size, err));
    return parse(name, text, size, out, err);
}

hst_status bundle_json_named(const bundle *b, const char *from, const char *name, json_t **out, hst_error *err) {
    char *text;
    size_t size;
    *out = NULL;
    HST_TRY(bundle_text_named(b, from, name, &text, &size, err));
    return parse(name, text, size, out, err);
}
