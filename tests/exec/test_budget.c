/* What is left of memory, as /proc and the cgroups tell it: made-up ones of both versions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "exec/budget.h"

static char top[64];

static void put(const char *name, const char *text) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", top, name);
    for (char *slash = path + strlen(top) + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = 0;
        mkdir(path, 0700);
        *slash = '/';
    }
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static uint64_t left(void) {
    char proc[96], groups[96];
    snprintf(proc, sizeof proc, "%s/proc", top);
    snprintf(groups, sizeof groups, "%s/sys", top);
    return budget_available_at(proc, groups);
}

static int begin(void **state) {
    (void)state;
    strcpy(top, "/tmp/hasten_budget_XXXXXX");
    return mkdtemp(top) ? 0 : -1;
}

static int end(void **state) {
    (void)state;
    char command[96];
    snprintf(command, sizeof command, "rm -r '%s'", top);
    return system(command);
}

static void test_machine(void **state) {
    (void)state;
    assert_true(left() == UINT64_MAX);
    put("proc/meminfo", "MemTotal: 900 kB\nMemAvailable:   100 kB\n");
    assert_int_equal(left(), 102400);
}

static void test_second_version(void **state) {
    (void)state;
    put("proc/meminfo", "MemAvailable: 1000000 kB\n");
    put("proc/self/cgroup", "0::/a/b\n");
    put("sys/a/b/memory.max", "max\n");
    put("sys/a/b/memory.current", "5\n");
    assert_int_equal(left(), 1024000000);
    put("sys/a/memory.max", "5000\n"); /* the one around it */
    put("sys/a/memory.current", "3000\n");
    assert_int_equal(left(), 2000);
    put("sys/a/memory.stat", "anon 100\ninactive_file 2500\nactive_file 400\n");
    assert_int_equal(left(), 4500);
    put("sys/a/b/memory.max", "10\n");
    put("sys/a/b/memory.current", "30\n");
    assert_int_equal(left(), 0);
}

static void test_first_version(void **state) {
    (void)state;
    put("proc/meminfo", "MemAvailable: 1000000 kB\n");
    put("proc/self/cgroup", "12:cpu,cpuacct:/a\n5:memory:/docker/x\n");
    put("sys/memory/docker/x/memory.limit_in_bytes", "7000\n");
    put("sys/memory/docker/x/memory.usage_in_bytes", "6000\n");
    assert_int_equal(left(), 1000);
    put("sys/memory/docker/x/memory.stat", "inactive_file 1\ntotal_inactive_file 9000\n");
    assert_int_equal(left(), 7000);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(test_machine, begin, end),
                                       cmocka_unit_test_setup_teardown(test_second_version, begin, end),
                                       cmocka_unit_test_setup_teardown(test_first_version, begin, end)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
