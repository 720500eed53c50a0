/* How much memory this process may still use. */
#ifndef EXEC_BUDGET_H
#define EXEC_BUDGET_H

#include <stdint.h>

/* The least of what the machine has available and what the cgroups (v1 or v2) leave, page cache that nobody uses being
 * free; UINT64_MAX where nothing is known. */
uint64_t budget_available(void);
/* The same with /proc and /sys/fs/cgroup at other places: for tests. */
uint64_t budget_available_at(const char *proc, const char *cgroups);

#endif
