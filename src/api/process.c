/* What belongs to the process: version, names, log, clock, threads, option structs. */
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/team.h"

const char *hst_version(void) {
    return HASTEN_VERSION;
}
int hst_abi_version(void) {
    return HST_ABI_VERSION;
}

const char *hst_status_name(hst_status status) {
    return status >= HST_STATUS_OK && status <= HST_STATUS_INTERNAL ? status_name(status) : "UNKNOWN";
}

const char *hst_dtype_name(hst_dtype dtype) {
    return dtype_name(dtype);
}
hst_dtype hst_dtype_from_name(const char *name) {
    return name ? dtype_from_name(name) : HST_DTYPE_NONE;
}
int hst_dtype_bits(hst_dtype dtype) {
    return dtype_bits(dtype);
}

void hst_text_free(char *text) {
    free(text);
}

void hst_log_set(hst_log_callback callback, void *user, hst_log_level most) {
    log_set(callback, user, most);
}

uint64_t hst_clock_ns(void) {
    return clock_ns();
}

void hst_threads_set(int threads) {
    team_set_size(team_default(), threads < 0 ? 0 : threads);
}
int hst_threads_get(void) {
    return team_size(team_default());
}

void hst_cancel(int *flag) {
    if (flag) __atomic_store_n(flag, 1, __ATOMIC_RELAXED);
}

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
