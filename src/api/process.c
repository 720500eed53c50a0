/* What belongs to the process: version, names, log, clock, threads. */
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
