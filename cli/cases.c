/* Finding and reading test cases. */
#include "cases.h"

#include <errno.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "tar.h"

#define TEXT_MOST (1 << 20)

struct cases {
    char *root;   /* the folder, or the archive's name */
    tar *archive; /* NULL: a folder */
    char **paths; /* all files, sorted; of a folder below it */
    size_t n, capacity;
    test_case *list;
    size_t count;
    const test_case *loading; /* for find_external */
};

static int by_text(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static hst_status no_memory(hst_error *err) {
    return error_no_memory(err, TEXT_MOST, "the list of cases");
}

static hst_status add_path(cases *c, const char *path, hst_error *err) {
    if (c->n == c->capacity) {
        size_t capacity = c->capacity ? 2 * c->capacity : 256;
        char **grown = realloc(c->paths, capacity * sizeof *grown);
        if (!grown) return no_memory(err);
        c->paths = grown;
        c->capacity = capacity;
    }
    char *copy = strdup(path);
    if (!copy) return no_memory(err);
    c->paths[c->n++] = copy;
    return HST_STATUS_OK;
}

static hst_status walk(cases *c, hst_error *err) {
    char *roots[] = {c->root, NULL};
    size_t skip = strlen(c->root) + 1;
    hst_status status = HST_STATUS_OK;
    FTS *tree = fts_open(roots, FTS_LOGICAL | FTS_NOCHDIR, NULL);
    if (!tree) return error_set(err, HST_STATUS_IO, c->root, "'%s': %s", c->root, strerror(errno));
    for (FTSENT *e; status == HST_STATUS_OK;) {
        errno = 0;
        if (!(e = fts_read(tree))) {
            if (errno) status = error_set(err, HST_STATUS_IO, c->root, "'%s': %s", c->root, strerror(errno));
            break;
        }
        const bool unreadable = e->fts_info == FTS_DNR || e->fts_info == FTS_ERR || e->fts_info == FTS_NS;
        if (unreadable) /* cases that are left out would count as none */
            status = error_set(err, HST_STATUS_IO, e->fts_path, "'%s': %s", e->fts_path, strerror(e->fts_errno));
        else if (e->fts_info == FTS_DC)
            status = error_set(err, HST_STATUS_BAD_FORMAT, e->fts_path, "'%s': a link leads back to '%s'", e->fts_path,
                               e->fts_cycle ? e->fts_cycle->fts_path : "");
        else if (e->fts_info == FTS_F && strlen(e->fts_path) > skip)
            status = add_path(c, e->fts_path + skip, err);
    }
    fts_close(tree);
    return status;
}

/* The first path that is not before `text`. */
static size_t lower_bound(const cases *c, const char *text) {
    size_t low = 0, high = c->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(c->paths[middle], text) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool begins(const char *text, const char *with) {
    return strncmp(text, with, strlen(with)) == 0;
}

static char *joined(const char *a, const char *b) {
    size_t n = strlen(a), m = strlen(b);
    char *text = malloc(n + m + 1);
    if (!text) return NULL;
    memcpy(text, a, n);
    memcpy(text + n, b, m + 1);
    return text;
}

/* A case's name: its folder's, or the archive's or root's where it has none; the file's where that says more. */
static char *name_of(const cases *c, const char *folder, const char *file) {
    char *name = strdup(*folder ? folder : c->root);
    if (!name) return NULL;
    size_t n = strlen(name);
    while (n && name[n - 1] == '/') name[--n] = '\0';
    char *slash = strrchr(name, '/');
    if (slash) memmove(name, slash + 1, strlen(slash));
    if (strcmp(file, "model.onnx") == 0) return name;
    free(name);
    return strndup(file, strlen(file) - strlen(".onnx"));
}

static hst_status add_case(cases *c, const char *path, hst_error *err) {
    const char *slash = strrchr(path, '/');
    size_t folder_size = slash ? (size_t)(slash + 1 - path) : 0;
    char *folder = strndup(path, folder_size), *sets = folder ? joined(folder, "test_data_set_") : NULL;
    if (!sets) {
        free(folder);
        return no_memory(err);
    }
    size_t at = lower_bound(c, sets);
    bool tested = at < c->n && begins(c->paths[at], sets);
    free(sets);
    if (!tested) {
        free(folder);
        return HST_STATUS_OK;
    }
    test_case *one = &c->list[c->count++];
    *one = (test_case){.folder = folder, .model = path, .name = name_of(c, folder, path + folder_size)};
    return one->name ? HST_STATUS_OK : no_memory(err);
}

static hst_status find(cases *c, hst_error *err) {
    if (c->n) qsort(c->paths, c->n, sizeof *c->paths, by_text);
    for (size_t i = 1; i < c->n; i++)
        if (strcmp(c->paths[i - 1], c->paths[i]) == 0)
            return error_set(err, HST_STATUS_BAD_FORMAT, c->root, "'%s' holds '%s' twice: which of them is meant?",
                             c->root, c->paths[i]);
    c->list = calloc(c->n + 1, sizeof *c->list);
    if (!c->list) return no_memory(err);
    for (size_t i = 0; i < c->n; i++) {
        size_t size = strlen(c->paths[i]);
        if (size > 5 && strcmp(c->paths[i] + size - 5, ".onnx") == 0) HST_TRY(add_case(c, c->paths[i], err));
    }
    if (c->count) return HST_STATUS_OK;
    return error_set(err, HST_STATUS_NOT_FOUND, c->root, "'%s' holds no .onnx file beside a folder test_data_set_0",
                     c->root);
}

hst_status cases_open(const char *path, cases **out, hst_error *err) {
    cases *c = calloc(1, sizeof *c);
    hst_status status = HST_STATUS_OK;
    *out = NULL;
    if (c) c->root = strdup(path);
    if (!c || !c->root) {
        free(c);
        return no_memory(err);
    }
    size_t n = strlen(c->root);
    while (n > 1 && c->root[n - 1] == '/') c->root[--n] = '\0';
    if (file_is_folder(path)) {
        status = walk(c, err);
    } else {
        status = tar_open(path, &c->archive, err);
        for (size_t i = 0; status == HST_STATUS_OK && i < tar_count(c->archive); i++)
            status = add_path(c, tar_at(c->archive, i)->name, err);
    }
    if (status == HST_STATUS_OK) status = find(c, err);
    if (status == HST_STATUS_OK) {
        *out = c;
        return status;
    }
    cases_free(c);
    return status;
}

void cases_free(cases *c) {
    if (!c) return;
    for (size_t i = 0; i < c->count; i++) {
        free((char *)(uintptr_t)c->list[i].name);
        free((char *)(uintptr_t)c->list[i].folder);
    }
    for (size_t i = 0; i < c->n; i++) free(c->paths[i]);
    free(c->list);
    free(c->paths);
    tar_free(c->archive);
    free(c->root);
    free(c);
}

size_t cases_count(const cases *c) {
    return c->count;
}
const test_case *cases_at(const cases *c, size_t i) {
    return &c->list[i];
}

bool cases_has(const cases *c, const test_case *one, const char *name) {
    char *path = joined(one->folder, name);
    bool found = path && bsearch(&path, c->paths, c->n, sizeof path, by_text);
    free(path);
    return found;
}

/* Where a file lies: in the archive (*path NULL), or on disk (*path malloc'ed). */
static hst_status locate(const cases *c, const char *folder, const char *name, const tar_file **file, char **path,
                         hst_error *err) {
    char *below = joined(folder, name);
    *path = NULL;
    *file = NULL;
    if (below && c->archive)
        *file = tar_find(c->archive, below);
    else if (below)
        *path = path_join(c->root, below);
    free(below);
    if (!below || (!c->archive && !*path)) return no_memory(err);
    if (*file || *path) return HST_STATUS_OK;
    return error_set(err, HST_STATUS_NOT_FOUND, c->root, "'%s' has no file '%s%s'", c->root, folder, name);
}

hst_status cases_value(const cases *c, const test_case *one, const char *name, hst_dtype as, hst_tensor **out,
                       hst_error *err) {
    const tar_file *file;
    char *path;
    HST_TRY(locate(c, one->folder, name, &file, &path, err));
    hst_status status = path ? hst_tensor_read_onnx(path, as, NULL, out, NULL, err)
                             : hst_tensor_read_onnx_memory(file->data, file->size, as, NULL, out, NULL, err);
    free(path);
    return status;
}

hst_status cases_text(const cases *c, const test_case *one, const char *name, char **text, hst_error *err) {
    const tar_file *file;
    char *path;
    size_t size;
    HST_TRY(locate(c, one->folder, name, &file, &path, err));
    hst_status status = HST_STATUS_OK;
    if (path) {
        status = file_read(path, TEXT_MOST, text, &size, err);
    } else {
        *text = strndup((const char *)file->data, file->size < TEXT_MOST ? file->size : TEXT_MOST);
        if (!*text) status = no_memory(err);
    }
    free(path);
    return status;
}

static hst_status find_external(void *user, const char *name, const void **data, size_t *size, hst_error *err) {
    const cases *c = user;
    const tar_file *file;
    char *path;
    HST_TRY(locate(c, c->loading->folder, name, &file, &path, err));
    *data = file->data;
    *size = file->size;
    return HST_STATUS_OK;
}

hst_status cases_model(const cases *c, const test_case *one, hst_model_options *options, hst_model **out,
                       hst_error *err) {
    const tar_file *file;
    char *path;
    HST_TRY(locate(c, "", one->model, &file, &path, err));
    if (path) {
        hst_status status = hst_model_load(path, options, out, err);
        free(path);
        return status;
    }
    cases reading = *c;
    reading.loading = one;
    options->external = find_external;
    options->external_user = &reading;
    return hst_model_load_memory_borrow(file->data, file->size, options, out, err);
}
