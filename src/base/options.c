/* options_read. */
#include "base/options.h"

#include <string.h>

hst_status options_read(void *to, size_t size, const void *from, const char *name, hst_error *err) {
    size_t given;
    memset(to, 0, size);
    if (!from) {
        memcpy(to, &size, sizeof size);
        return HST_STATUS_OK;
    }
    memcpy(&given, from, sizeof given);
    if (given < sizeof given || given > 65536)
        return error_set(err, HST_STATUS_INVALID_ARGUMENT, name, "%s.size is %zu: set it with HST_INIT(%s)", name,
                         given, name);
    for (size_t i = size; i < given; i++)
        if (((const unsigned char *)from)[i])
            return error_set(err, HST_STATUS_INVALID_ARGUMENT, name,
                             "%s has a field at byte %zu that this library, version %s, does not know", name, i,
                             HASTEN_VERSION);
    memcpy(to, from, given < size ? given : size);
    memcpy(to, &size, sizeof size);
    return HST_STATUS_OK;
}
