/* The log callback: the library's only way to say something that is not an error. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "hasten.h"

typedef enum log_level { LOG_ERROR = 0, LOG_WARNING, LOG_INFO, LOG_DEBUG } log_level;

/* Set once for the process (atomically); NULL: silence. `message` has no newline. */
typedef void (*log_callback)(void *user, log_level level, const char *message);
void log_set(log_callback callback, void *user, log_level most);
bool log_enabled(log_level level);
void log_write(log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
