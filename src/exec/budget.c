/* Reads /proc/meminfo and the memory files of this process's cgroup and its parents. */
#include "exec/budget.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool read_number(const char *path, uint64_t *out) {
    FILE *f = fopen(path, "re");
    if (!f) return false;
    unsigned long long x;
    bool ok = fscanf(f, "%llu", &x) == 1; /* "max" is no number: no limit */
    fclose(f);
    if (ok) *out = x;
    return ok;
}

static uint64_t machine_available(void) {
    FILE *f = fopen("/proc/meminfo", "re");
    if (!f) return UINT64_MAX;
    char line[128];
    unsigned long long kib;
    uint64_t bytes = UINT64_MAX;
    while (fgets(line, sizeof line, f))
        if (sscanf(line, "MemAvailable: %llu kB", &kib) == 1) bytes = kib > UINT64_MAX / 1024 ? UINT64_MAX : kib * 1024;
    fclose(f);
    return bytes;
}

/* One cgroup: limit less use. */
static void consider(const char *root, const char *group, const char *limit, const char *used, uint64_t *least) {
    char path[1200];
    uint64_t most, now = 0;
    snprintf(path, sizeof path, "%s%s/%s", root, group, limit);
    if (!read_number(path, &most)) return;
    snprintf(path, sizeof path, "%s%s/%s", root, group, used);
    read_number(path, &now);
    uint64_t left = most > now ? most - now : 0;
    if (left < *least) *least = left;
}

/* The group and all that enclose it. */
static void consider_all(const char *root, char *group, const char *limit, const char *used, uint64_t *least) {
    for (;;) {
        consider(root, group, limit, used, least);
        char *slash = strrchr(group, '/');
        if (!slash) return;
        *slash = '\0';
    }
}

uint64_t budget_available(void) {
    uint64_t least = machine_available();
    FILE *f = fopen("/proc/self/cgroup", "re");
    if (!f) return least;
    char line[1024];
    while (fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = '\0';
        char *controllers = strchr(line, ':'), *group = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!group) continue;
        *group++ = '\0';
        if (controllers[1] == '\0')
            consider_all("/sys/fs/cgroup", group, "memory.max", "memory.current", &least);
        else if (strcmp(controllers + 1, "memory") == 0)
            consider_all("/sys/fs/cgroup/memory", group, "memory.limit_in_bytes", "memory.usage_in_bytes", &least);
    }
    fclose(f);
    return least;
}
