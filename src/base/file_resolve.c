/* Names of files that stand inside other files (external data, shards). Such a name comes from whoever made the model,
 * so it may lead only to a regular file of the model's own folder, or of the hub-cache repository that the folder is
 * in:
 *
 *     models--org--name/snapshots/<rev>/model.onnx       -> ../../blobs/<hash>
 *
 * What is given back is the real path, free of symlinks, so that it cannot lead elsewhere when it is opened. */
#include "base/file.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static hst_status refuse(hst_error *err, const char *base, const char *name, const char *why) {
    return error_set(err, HST_STATUS_BAD_FORMAT, base, "'%s' names the file '%s': %s", base, name, why);
}

/* Lexical rules; `name` is NUL-terminated and holds `size` bytes. */
static hst_status check_name(const char *base, const char *name, size_t size, hst_error *err) {
    if (size == 0) return refuse(err, base, name, "an empty name");
    if (strlen(name) != size) return refuse(err, base, name, "the name holds a NUL byte");
    if (name[0] == '/') return refuse(err, base, name, "absolute paths are not followed");
    for (const char *p = name; *p;) {
        size_t n = strcspn(p, "/");
        if (n == 2 && p[0] == '.' && p[1] == '.') return refuse(err, base, name, "'..' is not followed");
        p += n;
        while (*p == '/') p++;
    }
    return HST_STATUS_OK;
}

/* True where `path` (real) lies strictly below `folder` (real). */
static bool is_below(const char *path, const char *folder) {
    size_t n = strlen(folder);
    if (n == 1 && folder[0] == '/') return path[1] != '\0';
    return strncmp(path, folder, n) == 0 && path[n] == '/';
}

/* The hub-cache repository around `folder` (real): what stands before the last "/snapshots/<rev>" that has a folder
 * "blobs" beside it. NULL where there is none (or no memory: then fewer paths are allowed, not more). */
static char *hub_repository(const char *folder) {
    static const char marker[] = "/snapshots/";
    char *found = NULL;
    for (const char *p = strstr(folder, marker); p; p = strstr(p + 1, marker)) {
        if (p == folder || p[sizeof marker - 1] == '\0') continue;
        char *root = strndup(folder, (size_t)(p - folder));
        char *blobs = root ? path_join(root, "blobs") : NULL;
        if (blobs && file_is_folder(blobs)) {
            free(found);
            found = root;
            root = NULL;
        }
        free(root);
        free(blobs);
    }
    return found;
}

static hst_status check_target(const char *base, const char *name, const char *folder, const char *target,
                               hst_error *err) {
    struct stat st, base_st;
    if (!is_below(target, folder)) {
        char *repository = hub_repository(folder);
        bool inside = repository && is_below(target, repository);
        free(repository);
        if (!inside) return refuse(err, base, name, "it leads out of the model's folder");
    }
    if (stat(target, &st) != 0) {
        return error_set(err, HST_STATUS_IO, base, "cannot open '%s': %s", target, strerror(errno));
    }
    if (!S_ISREG(st.st_mode)) return refuse(err, base, name, "it is not a regular file");
    if (stat(base, &base_st) == 0 && st.st_dev == base_st.st_dev && st.st_ino == base_st.st_ino) {
        return refuse(err, base, name, "that is this file itself");
    }
    return HST_STATUS_OK;
}

hst_status file_resolve_inside(const char *base_path, const char *name, size_t size, char **out, hst_error *err) {
    *out = NULL;
    if (size >= PATH_MAX) {
        return error_set(err, HST_STATUS_BAD_FORMAT, base_path,
                         "'%s' names a file by %zu bytes; a path has less than %d", base_path, size, PATH_MAX);
    }
    hst_status status = HST_STATUS_OK;
    char *text = strndup(name ? name : "", name ? size : 0), *folder = NULL, *real_folder = NULL, *joined = NULL,
         *target = NULL;
    if (!text) return error_no_memory(err, size, "a path");
    if ((status = check_name(base_path, text, size, err)) != HST_STATUS_OK) goto done;
    folder = path_folder_of(base_path);
    joined = folder ? path_join(folder, text) : NULL;
    if (!joined) {
        status = error_no_memory(err, size, "a path");
        goto done;
    }
    real_folder = realpath(folder, NULL);
    target = real_folder ? realpath(joined, NULL) : NULL;
    if (!target) {
        int why = errno;
        hst_status code = why == ENOMEM                     ? HST_STATUS_NO_MEMORY
                          : why == ENOENT || why == ENOTDIR ? HST_STATUS_NOT_FOUND
                                                            : HST_STATUS_IO;
        status = error_set(err, code, base_path, "'%s' names the file '%s': %s", base_path, text, strerror(why));
        goto done;
    }
    if ((status = check_target(base_path, text, real_folder, target, err)) != HST_STATUS_OK) goto done;
    *out = target;
    target = NULL;
done:
    free(text);
    free(folder);
    free(real_folder);
    free(joined);
    free(target);
    return status;
}
