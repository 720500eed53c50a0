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

#define PATH_MOST 1400

static uint64_t machine_available(const char *proc) {
    char path[PATH_MOST], line[128];
    snprintf(path, sizeof path, "%s/meminfo", proc);
    FILE *f = fopen(path, "re");
    if (!f) return UINT64_MAX;
    unsigned long long kib;
    uint64_t bytes = UINT64_MAX;
    while (fgets(line, sizeof line, f))
        if (sscanf(line, "MemAvailable: %llu kB", &kib) == 1) bytes = kib > UINT64_MAX / 1024 ? UINT64_MAX : kib * 1024;
    fclose(f);
    return bytes;
}

/* Page cache that the kernel would give up first: it counts as use of the group that read the files. */
static uint64_t unused_cache(const char *folder, const char *field) {
    char path[PATH_MOST + 16], line[128];
    unsigned long long bytes = 0;
    const size_t n = strlen(field);
    snprintf(path, sizeof path, "%s/memory.stat", folder);
    FILE *f = fopen(path, "re");
    if (!f) return 0;
    while (fgets(line, sizeof line, f))
        if (strncmp(line, field, n) == 0 && line[n] == ' ' && sscanf(line + n, "%llu", &bytes) != 1) bytes = 0;
    fclose(f);
    return bytes;
}

typedef struct version {
    const char *root, *limit, *used, *cache;
} version;

/* One cgroup: limit less use. */
static void consider(const char *cgroups, const version *v, const char *group, uint64_t *least) {
    char folder[PATH_MOST], path[PATH_MOST + 64];
    uint64_t most, now = 0;
    snprintf(folder, sizeof folder, "%s%s%s", cgroups, v->root, group);
    snprintf(path, sizeof path, "%s/%s", folder, v->limit);
    if (!read_number(path, &most)) return;
    snprintf(path, sizeof path, "%s/%s", folder, v->used);
    read_number(path, &now);
    const uint64_t cache = unused_cache(folder, v->cache);
    now -= cache < now ? cache : now;
    uint64_t left = most > now ? most - now : 0;
    if (left < *least) *least = left;
}

/* The group and all that enclose it. */
static void consider_all(const char *cgroups, const version *v, char *group, uint64_t *least) {
    for (;;) {
        consider(cgroups, v, group, least);
        char *slash = strrchr(group, '/');
        if (!slash) return;
        *slash = '\0';
    }
}

uint64_t budget_available_at(const char *proc, const char *cgroups) {
    static const version v1 = {"/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"},
                         v2 = {"", "memory.max", "memory.current", "inactive_file"};
    uint64_t least = machine_available(proc);
    char path[PATH_MOST], line[1024];
    snprintf(path, sizeof path, "%s/self/cgroup", proc);
    FILE *f = fopen(path, "re");
    if (!f) return least;
    while (fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = '\0';
        char *controllers = strchr(line, ':'), *group = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!group) continue;
        *group++ = '\0';
        if (controllers[1] == '\0')
            consider_all(cgroups, &v2, group, &least);
        else if (strcmp(controllers + 1, "memory") == 0)
            consider_all(cgroups, &v1, group, &least);
    }
    fclose(f);
    return least;
}

uint64_t budget_available(void) {
    return budget_available_at("/proc", "/sys/fs/cgroup");
}
