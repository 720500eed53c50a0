/* The log callback: the library's only way to say something that is not an error. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "hasten.h"

typedef hst_log_level log_level;
#define LOG_ERROR HST_LOG_ERROR
#define LOG_WARNING HST_LOG_WARNING
#define LOG_INFO HST_LOG_INFO
#define LOG_DEBUG HST_LOG_DEBUG

/* Set once for the process (atomically); NULL: silence. `message` has no newline. */
typedef hst_log_callback log_callback;
void log_set(log_callback callback, void *user, log_level most);
bool log_enabled(log_level level);
void log_write(log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
