/* Small things about files: paths, what a path is, reading a small file whole. Maps are in file_map.c, names inside
 * other files in file_resolve.c, writing in file_writer.c. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/file_open.h"

bool file_exists(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

bool file_is_folder(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

char *path_join(const char *folder, const char *name) {
    size_t a = strlen(folder), b = strlen(name), size;
    bool slash = a > 0 && folder[a - 1] != '/';
    if (!size_add(a, b, &size) || !size_add(size, 2, &size)) return NULL;
    char *path = malloc(size);
    if (!path) return NULL;
    memcpy(path, folder, a);
    if (slash) path[a++] = '/';
    memcpy(path + a, name, b + 1);
    return path;
}

char *path_folder_of(const char *path) {
    const char *slash = strrchr(path, '/');
    if (!slash) return strdup(".");
    if (slash == path) return strdup("/");
    return strndup(path, (size_t)(slash - path));
}

char *path_model_folder(const char *path) {
    static const char *const files[] = {"tokenizer.json", "vocab.txt", "config.json"};
    char *folder = file_is_folder(path) ? strdup(path) : path_folder_of(path);
    for (size_t i = 0; folder && i < sizeof files / sizeof *files; i++) {
        char *file = path_join(folder, files[i]);
        const bool there = file && file_exists(file);
        free(file);
        if (there) return folder;
    }
    const char *slash = folder ? strrchr(folder, '/') : NULL;
    if (!folder || strcmp(slash ? slash + 1 : folder, "onnx") != 0) return folder;
    char *above = slash ? path_folder_of(folder) : strdup(".");
    free(folder);
    return above;
}

static const char *kind_of(mode_t mode) {
    if (S_ISDIR(mode)) return "a folder";
    if (S_ISFIFO(mode)) return "a FIFO";
    if (S_ISSOCK(mode)) return "a socket";
    return "a device";
}

hst_status file_open_regular(const char *path, int *fd, size_t *size, hst_error *err) {
    struct stat st;
    /* Asked before opening too: opening a device can have an effect. */
    if (stat(path, &st) != 0) {
        hst_status code = errno == ENOENT || errno == ENOTDIR ? HST_STATUS_NOT_FOUND : HST_STATUS_IO;
        return error_set(err, code, path, "cannot open '%s': %s", path, strerror(errno));
    }
    *fd = -1;
    if (S_ISREG(st.st_mode)) {
        *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        if (*fd < 0 || fstat(*fd, &st) != 0) {
            int why = errno;
            if (*fd >= 0) close(*fd);
            return error_set(err, HST_STATUS_IO, path, "cannot open '%s': %s", path, strerror(why));
        }
    }
    if (!S_ISREG(st.st_mode)) {
        if (*fd >= 0) close(*fd);
        return error_set(err, HST_STATUS_IO, path, "'%s' is %s, not a regular file", path, kind_of(st.st_mode));
    }
    if (st.st_size < 0 || (uintmax_t)st.st_size > PTRDIFF_MAX) {
        close(*fd);
        return error_set(err, HST_STATUS_IO, path, "'%s' is too large for this machine's address space", path);
    }
    *size = (size_t)st.st_size;
    return HST_STATUS_OK;
}

hst_status file_read_bytes(int fd, const char *path, void *to, size_t size, hst_error *err) {
    size_t done = 0;
    while (done < size) {
        ssize_t n = read(fd, (char *)to + done, size - done);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return error_set(err, HST_STATUS_IO, path, "cannot read '%s': %s", path, strerror(errno));
        if (n == 0) {
            return error_set(err, HST_STATUS_IO, path, "'%s' ended at byte %zu of %zu while it was read", path, done,
                             size);
        }
        done += (size_t)n;
    }
    return HST_STATUS_OK;
}

hst_status file_read(const char *path, size_t most, char **out, size_t *size, hst_error *err) {
    int fd = -1;
    size_t n = 0;
    *out = NULL;
    HST_TRY(file_open_regular(path, &fd, &n, err));
    hst_status status = HST_STATUS_OK;
    char *text = NULL;
    if (n > most) {
        status = error_set(err, HST_STATUS_BUDGET, path, "'%s' has %zu bytes; at most %zu are read", path, n, most);
        goto done;
    }
    text = malloc(n + 1);
    if (!text) {
        status = error_no_memory(err, n + 1, path);
        goto done;
    }
    status = file_read_bytes(fd, path, text, n, err);
    if (status != HST_STATUS_OK) goto done;
    text[n] = '\0';
    *out = text;
    *size = n;
    text = NULL;
done:
    free(text);
    close(fd);
    return status;
}
