/* How functions fail: hst_status up, hst_error filled in where the failure was seen, HST_TRY to pass it on. */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include "hasten.h"

/* Leaves the enclosing function with the status of `expr` unless it is HST_STATUS_OK. Where something has to be freed,
 * write `if ((status = expr) != HST_STATUS_OK) goto fail;` instead. */
#define HST_TRY(expr)                                                                                                  \
    do {                                                                                                               \
        hst_status hst_try_status = (expr);                                                                            \
        if (hst_try_status != HST_STATUS_OK) return hst_try_status;                                                    \
    } while (0)

/* Fills `err` (may be NULL) and returns `code`. `object` names the file, node, tensor or option (NULL: none; bytes that
 * are not printable ASCII or UTF-8 are shown as '?'). The message is printf-formatted. */
hst_status error_set(hst_error *err, hst_status code, const char *object, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* error_set for NO_MEMORY: "cannot allocate <size> bytes for <what>". */
hst_status error_no_memory(hst_error *err, size_t size, const char *what);

/* Puts "<prefix>: " (printf-formatted) before the message that `err` already carries, and returns its code. Does not
 * touch a NULL err: the code to return is passed. */
hst_status error_prefix(hst_error *err, hst_status code, const char *format, ...) __attribute__((format(printf, 3, 4)));

const char *status_name(hst_status status); /* "NO_MEMORY" … */

#endif
