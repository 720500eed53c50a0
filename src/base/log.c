/* The log callback of the process. The triple (callback, user, level) changes under a mutex; the level alone is also
 * kept in an atomic, so that a message nobody wants costs one load. The callback is called outside the mutex: it may
 * log. */
#include "base/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static log_callback current;
static void *current_user;
static atomic_int most_level = -1; /* -1: silence */

void log_set(log_callback callback, void *user, log_level most) {
    pthread_mutex_lock(&lock);
    current = callback;
    current_user = user;
    atomic_store(&most_level, callback ? (int)most : -1);
    pthread_mutex_unlock(&lock);
}

bool log_enabled(log_level level) {
    return (int)level <= atomic_load_explicit(&most_level, memory_order_relaxed);
}

void log_write(log_level level, const char *format, ...) {
    if (!log_enabled(level)) return;
    char message[1024];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(message, sizeof message, format, args);
    va_end(args);
    if (n < 0) return;
    /* Names come from hostile files: no control byte reaches a terminal, no newline forges a second message. */
    for (char *c = message; *c; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f) *c = *c == '\n' || *c == '\t' ? ' ' : '?';
    }
    pthread_mutex_lock(&lock);
    log_callback callback = current;
    void *user = current_user;
    pthread_mutex_unlock(&lock);
    if (callback) callback(user, level, message);
}
