/* The processor as probed: consistent levels, HST_CPU, counts within the affinity mask. */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/cpu.h"

static void test_levels(void **state) {
    (void)state;
    assert_true(cpu_has(CPU_SCALAR));
    assert_true(cpu_has(cpu_level()));
    for (int isa = cpu_level() + 1; isa < 64; isa++) assert_false(cpu_has((cpu_isa)isa));
    if (cpu_has(CPU_AVX512)) assert_true(cpu_has(CPU_AVX2));
    if (cpu_has(CPU_AVX512VNNI)) assert_true(cpu_has(CPU_AVX512));
    if (cpu_has(CPU_AMX)) assert_true(cpu_has(CPU_AVX512VNNI));
    if (cpu_has(CPU_DOTPROD)) assert_true(cpu_has(CPU_NEON));
    assert_string_equal(cpu_isa_name(CPU_AVX2), "avx2");
    assert_string_equal(cpu_isa_name((cpu_isa)63), "?");
    assert_non_null(cpu_model_name());
}

/* Runs this program again with HST_CPU set; it exits with the level that it then sees. */
static int level_under(const char *hst_cpu) {
    pid_t child = fork();
    if (child == 0) {
        setenv("HST_CPU", hst_cpu, 1);
        execl("/proc/self/exe", "test_cpu", "--level", (char *)NULL);
        _exit(255);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_override(void **state) {
    (void)state;
    int full = level_under("");
    assert_int_equal(level_under("scalar"), CPU_SCALAR);
    assert_int_equal(level_under("nonsense"), full);
    assert_int_equal(level_under(full >= CPU_NEON ? "avx2" : "neon"), full); /* not of this machine */
    if (full >= CPU_AVX2 && full < CPU_NEON) assert_int_equal(level_under("avx2"), CPU_AVX2);
}

/* Whether /proc/cpuinfo has a flag. */
static bool processor_says(const char *flag) {
    static char line[16384];
    bool found = false;
    FILE *f = fopen("/proc/cpuinfo", "re");
    while (f && !found && fgets(line, sizeof line, f))
        if (strncmp(line, "flags", 5) == 0)
            for (char *word = strtok(line, " \t\n"); word && !found; word = strtok(NULL, " \t\n"))
                found = strcmp(word, flag) == 0;
    if (f) fclose(f);
    return found;
}

/* AMX is used only where it was asked for, and asking changes nothing where it is not. */
static void test_on_request(void **state) {
    (void)state;
    const int full = level_under(""), asked = level_under("amx");
    assert_int_not_equal(full, CPU_AMX);
    if (processor_says("amx_tile") && processor_says("amx_int8"))
        assert_true(asked == CPU_AMX || asked == full); /* the kernel may refuse its tiles */
    else
        assert_int_equal(asked, full);
    for (int isa = 0; isa < 64; isa++) assert_int_equal(cpu_on_request((cpu_isa)isa), isa == CPU_AMX);
    assert_string_equal(cpu_isa_name(CPU_AMX), "amx");
}

static void test_counts(void **state) {
    (void)state;
    cpu_set_t set, one;
    int n = cpu_count();
    assert_true(n >= 1);
    assert_int_equal(sched_getaffinity(0, sizeof set, &set), 0);
    assert_true(n <= CPU_COUNT(&set));
    CPU_ZERO(&one);
    for (int k = 0; k < CPU_SETSIZE; k++)
        if (CPU_ISSET(k, &set)) {
            CPU_SET(k, &one);
            break;
        }
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    assert_int_equal(cpu_count(), 1);
    assert_int_equal(sched_setaffinity(0, sizeof set, &set), 0);
    assert_int_equal(cpu_count(), n);
    assert_int_equal(cpu_cache(0), 0);
    assert_int_equal(cpu_cache(4), 0);
    if (cpu_cache(1) && cpu_cache(2)) assert_true(cpu_cache(1) <= cpu_cache(2));
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "--level") == 0) return cpu_level();
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_levels), cmocka_unit_test(test_override),
                                       cmocka_unit_test(test_on_request), cmocka_unit_test(test_counts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
