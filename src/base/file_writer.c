/* Writing a file so that it appears whole or not at all: bytes go to "<path>.<random>.tmp", commit syncs and renames.
 * A path that is a device or FIFO (/dev/stdout, /dev/null) cannot be replaced by a rename and is written to directly.
 */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define BUFFER_SIZE ((size_t)64 << 10)

struct file_writer {
    int fd;
    bool failed, direct;
    uint64_t position; /* bytes given to file_writer_write */
    size_t buffered;
    char *path, *temporary; /* temporary NULL where direct, and after commit */
    unsigned char buffer[BUFFER_SIZE];
};

/* Names differ by process, moment and count; O_EXCL decides. mkstemp would give mode 0600 whatever the umask. */
static int open_temporary(const char *path, mode_t mode, char **name) {
    static atomic_uint count;
    size_t size = strlen(path) + 64;
    char *text = malloc(size);
    if (!text) {
        errno = ENOMEM;
        return -1;
    }
    for (int attempt = 0; attempt < 100; attempt++) {
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        snprintf(text, size, "%s.%x-%lx-%x.tmp", path, (unsigned)getpid(), (unsigned long)now.tv_nsec & 0xffffff,
                 atomic_fetch_add(&count, 1));
        int fd = open(text, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
        if (fd >= 0) {
            *name = text;
            return fd;
        }
        if (errno != EEXIST) break;
    }
    int why = errno;
    free(text);
    errno = why;
    return -1;
}

hst_status file_writer_open(const char *path, file_writer **out, hst_error *err) {
    *out = NULL;
    struct stat st;
    bool exists = stat(path, &st) == 0;
    if (exists && S_ISDIR(st.st_mode)) {
        return error_set(err, HST_STATUS_IO, path, "cannot write '%s': it is a folder", path);
    }
    file_writer *w = malloc(sizeof *w);
    if (!w) return error_no_memory(err, sizeof *w, "a file writer");
    memset(w, 0, offsetof(file_writer, buffer));
    w->fd = -1;
    w->path = strdup(path);
    if (!w->path) {
        file_writer_free(w);
        return error_no_memory(err, strlen(path) + 1, "a path");
    }
    w->direct = exists && !S_ISREG(st.st_mode);
    w->fd = w->direct ? open(path, O_WRONLY | O_CLOEXEC) : open_temporary(path, 0666, &w->temporary);
    if (w->fd < 0) {
        int why = errno;
        file_writer_free(w);
        return error_set(err, why == ENOMEM ? HST_STATUS_NO_MEMORY : HST_STATUS_IO, path, "cannot write '%s': %s", path,
                         strerror(why));
    }
    if (exists && !w->direct) (void)!fchmod(w->fd, st.st_mode & 0777); /* the new file is as open as the old one was */
    *out = w;
    return HST_STATUS_OK;
}

static hst_status write_all(file_writer *w, const unsigned char *data, size_t size, hst_error *err) {
    while (size > 0) {
        ssize_t n = write(w->fd, data, size);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) {
            int why = n < 0 ? errno : EIO;
            w->failed = true;
            return error_set(err, HST_STATUS_IO, w->path, "cannot write '%s' (%llu bytes so far): %s%s", w->path,
                             (unsigned long long)w->position, strerror(why),
                             w->direct ? "" : "; what was there before is unchanged");
        }
        data += n;
        size -= (size_t)n;
    }
    return HST_STATUS_OK;
}

static hst_status flush(file_writer *w, hst_error *err) {
    size_t n = w->buffered;
    w->buffered = 0;
    return write_all(w, w->buffer, n, err);
}

static hst_status check_usable(file_writer *w, hst_error *err) {
    if (!w->failed && w->fd >= 0) return HST_STATUS_OK;
    return error_set(err, HST_STATUS_IO, w->path, "'%s' cannot be written: an earlier write failed or it was committed",
                     w->path);
}

hst_status file_writer_write(file_writer *w, const void *data, size_t size, hst_error *err) {
    HST_TRY(check_usable(w, err));
    if (size >= BUFFER_SIZE - w->buffered) HST_TRY(flush(w, err));
    if (size >= BUFFER_SIZE) {
        HST_TRY(write_all(w, data, size, err));
    } else if (size > 0) {
        memcpy(w->buffer + w->buffered, data, size);
        w->buffered += size;
    }
    w->position += size;
    return HST_STATUS_OK;
}

uint64_t file_writer_position(const file_writer *w) {
    return w->position;
}

static void sync_folder(const char *path) {
    char *folder = path_folder_of(path);
    int fd = folder ? open(folder, O_RDONLY | O_CLOEXEC | O_DIRECTORY) : -1;
    if (fd >= 0) {
        (void)!fsync(fd); /* some file systems cannot sync a folder; the rename is done either way */
        close(fd);
    }
    free(folder);
}

hst_status file_writer_commit(file_writer *w, hst_error *err) {
    HST_TRY(check_usable(w, err));
    HST_TRY(flush(w, err));
    bool bad = fsync(w->fd) != 0 && !(w->direct && (errno == EINVAL || errno == EROFS || errno == ENOTSUP));
    int why = errno;
    if (close(w->fd) != 0 && !bad) {
        bad = true;
        why = errno;
    }
    w->fd = -1;
    if (!bad && w->temporary && rename(w->temporary, w->path) != 0) {
        bad = true;
        why = errno;
    }
    if (bad) {
        w->failed = true;
        return error_set(err, HST_STATUS_IO, w->path, "cannot write '%s': %s", w->path, strerror(why));
    }
    free(w->temporary);
    w->temporary = NULL;
    if (!w->direct) sync_folder(w->path);
    return HST_STATUS_OK;
}

void file_writer_free(file_writer *w) {
    if (!w) return;
    if (w->fd >= 0) close(w->fd);
    if (w->temporary) {
        unlink(w->temporary);
        free(w->temporary);
    }
    free(w->path);
    free(w);
}
