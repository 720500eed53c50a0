/* Filling in hst_error. */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Names come from hostile files: a control byte must not reach a terminal through an error. */
static void copy_printable(char *to, size_t size, const char *from) {
    size_t n = 0;
    for (; from && from[n] && n + 1 < size; n++) {
        unsigned char c = (unsigned char)from[n];
        to[n] = (c < 0x20 || c == 0x7f) ? '?' : (char)c;
    }
    to[n] = '\0';
}

hst_status error_set(hst_error *err, hst_status code, const char *object, const char *format, ...) {
    if (!err) return code;
    char message[sizeof err->message];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    err->code = code;
    copy_printable(err->object, sizeof err->object, object);
    copy_printable(err->message, sizeof err->message, message);
    return code;
}

hst_status error_no_memory(hst_error *err, size_t size, const char *what) {
    return error_set(err, HST_STATUS_NO_MEMORY, NULL, "cannot allocate %zu bytes for %s", size, what);
}

hst_status error_prefix(hst_error *err, hst_status code, const char *format, ...) {
    if (!err) return code;
    char message[sizeof err->message];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(message, sizeof message, format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= sizeof message) return code;
    snprintf(message + n, sizeof message - (size_t)n, ": %.*s", (int)(sizeof message - (size_t)n - 3), err->message);
    copy_printable(err->message, sizeof err->message, message);
    return code;
}

const char *status_name(hst_status status) {
    static const char *const names[] = {"OK",           "INVALID_ARGUMENT", "NO_MEMORY", "BUDGET",   "IO",
                                        "NOT_FOUND",    "BAD_FORMAT",       "UNSUPPORTED", "BAD_SHAPE", "BUSY",
                                        "CANCELLED",    "DEADLINE",         "INTERNAL"};
    return (unsigned)status < sizeof names / sizeof *names ? names[status] : "UNKNOWN";
}
