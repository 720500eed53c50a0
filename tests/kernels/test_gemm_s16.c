/* The exact integer product: every tile that this CPU can run, and the driver, against sums written out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "guarded.h"
#include "kernels/kernels.h"

static int32_t byte_of(const gemm_s16_source *s, int64_t at) {
    return s->is_signed ? (int8_t)s->data[at] : s->data[at];
}

static int32_t sum_of(const gemm_s16_source *a, const gemm_s16_source *b, int64_t i, int64_t j, int64_t k) {
    uint32_t sum = 0;
    for (int64_t p = 0; p < k; p++) {
        int32_t x = byte_of(a, i * a->row_step + p * a->column_step) - a->zero[i * a->zero_step];
        int32_t y = byte_of(b, p * b->row_step + j * b->column_step) - b->zero[j * b->zero_step];
        sum += (uint32_t)(x * y);
    }
    return (int32_t)sum;
}

typedef struct sink {
    int32_t *y;
    int64_t n;
} sink;

static void store(void *arg, const int32_t *c, int64_t row, int64_t rows, int64_t column, int64_t columns) {
    const sink *to = arg;
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns; j++) to->y[(row + i) * to->n + column + j] = c[i * GEMM_S16_NR + j];
}

typedef struct shape {
    int64_t m, n, k;
    bool signed_a, signed_b, transposed_a, transposed_b, rows, columns; /* rows, columns: a zero point each */
} shape;

static void check(const shape *s) {
    uint64_t seed = (uint64_t)(s->m * 7919 + s->n * 104729 + s->k);
    guarded a = guarded_new((size_t)(s->m * s->k)), b = guarded_new((size_t)(s->k * s->n));
    guarded za = guarded_new((size_t)(s->rows ? s->m : 1) * 4), zb = guarded_new((size_t)(s->columns ? s->n : 1) * 4);
    size_t size_a, size_b;
    for (int64_t i = 0; i < s->m * s->k; i++) ((uint8_t *)a.data)[i] = (uint8_t)guarded_random(&seed);
    for (int64_t i = 0; i < s->k * s->n; i++) ((uint8_t *)b.data)[i] = (uint8_t)guarded_random(&seed);
    for (int64_t i = 0; i < (s->rows ? s->m : 1); i++)
        ((int32_t *)za.data)[i] = (int32_t)(guarded_random(&seed) % 256) - (s->signed_a ? 128 : 0);
    for (int64_t i = 0; i < (s->columns ? s->n : 1); i++)
        ((int32_t *)zb.data)[i] = (int32_t)(guarded_random(&seed) % 256) - (s->signed_b ? 128 : 0);
    gemm_s16_source left = {a.data,  s->signed_a, s->transposed_a ? 1 : s->k, s->transposed_a ? s->m : 1,
                            za.data, s->rows};
    gemm_s16_source right = {b.data,  s->signed_b, s->transposed_b ? 1 : s->n, s->transposed_b ? s->k : 1,
                             zb.data, s->columns};
    assert_true(gemm_s16_size_a(s->m, s->k, &size_a));
    assert_true(gemm_s16_size_b(s->k, s->n, &size_b));
    guarded wide = guarded_new(size_a), packed = guarded_new(size_b), y = guarded_new((size_t)(s->m * s->n) * 4);
    memset(wide.data, 0xff, size_a); /* what is not written must not be read */
    memset(packed.data, 0xff, size_b);
    gemm_s16_widen_a(&left, s->m, s->k, wide.data);
    gemm_s16_pack_b(&right, s->k, s->n, packed.data);
    sink to = {y.data, s->n};
    gemm_s16(team_default(), s->m, s->n, s->k, wide.data, packed.data, store, &to);
    for (int64_t i = 0; i < s->m; i++)
        for (int64_t j = 0; j < s->n; j++)
            assert_int_equal(((int32_t *)y.data)[i * s->n + j], sum_of(&left, &right, i, j, s->k));
    guarded *all[] = {&a, &b, &za, &zb, &wide, &packed, &y};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) guarded_free(all[i]);
}

static void test_driver(void **state) {
    static const int64_t size[] = {0, 1, 2, 3, 15, 16, 17, 33, 50};
    (void)state;
    for (int m = 0; m < 9; m++)
        for (int n = 0; n < 9; n++)
            for (int k = 0; k < 9; k++) {
                unsigned bits = (unsigned)(m * 81 + n * 9 + k);
                check(
                    &(shape){size[m], size[n], size[k], bits & 1, bits & 2, bits & 4, bits & 8, bits & 16, bits & 32});
            }
    check(&(shape){130, 70, 129, .signed_b = true}); /* several threads, by panels */
    check(&(shape){500, 20, 64, .rows = true});      /* by rows */
}

/* All tiles against the first, on the largest operands: nothing saturates, and sums wrap alike. */
static void test_tiles(void **state) {
    enum { ROWS = 13, PAIRS = 37 };
    static int16_t a[ROWS * 2 * PAIRS], b[2 * PAIRS * GEMM_S16_NR];
    static int32_t want[ROWS * GEMM_S16_NR];
    uint64_t seed = 5;
    int tiles = 0;
    (void)state;
    for (size_t i = 0; i < sizeof a / sizeof *a; i++) a[i] = guarded_random(&seed) & 1 ? 255 : -255;
    for (size_t i = 0; i < sizeof b / sizeof *b; i++) b[i] = (int16_t)((int)(guarded_random(&seed) % 511) - 255);
    for (int i = 0; i < ROWS; i++)
        for (int j = 0; j < GEMM_S16_NR; j++) {
            want[i * GEMM_S16_NR + j] = 0;
            for (int p = 0; p < 2 * PAIRS; p++)
                want[i * GEMM_S16_NR + j] += a[i * 2 * PAIRS + p] * b[p / 2 * 2 * GEMM_S16_NR + 2 * j + p % 2];
        }
    for (int t = 0; t < kernel_list_count; t++) {
        if (kernel_list[t]->slot != offsetof(kernels, gemm_s16_tile) || !cpu_has(kernel_list[t]->isa)) continue;
        for (int64_t rows = 0; rows <= ROWS; rows++) {
            guarded c = guarded_new((size_t)rows * GEMM_S16_NR * 4);
            ((gemm_s16_tile_fn *)kernel_list[t]->fn)(rows, PAIRS, a, b, c.data);
            assert_memory_equal(c.data, want, (size_t)rows * GEMM_S16_NR * 4);
            guarded_free(&c);
        }
        tiles++;
    }
    assert_true(tiles >= 1);
}

static void test_sizes(void **state) {
    size_t bytes;
    (void)state;
    assert_false(gemm_s16_size_b(INT64_MAX, INT64_MAX, &bytes));
    assert_false(gemm_s16_size_a(INT64_MAX, 2, &bytes));
    assert_true(gemm_s16_size_a(INT64_MAX, 0, &bytes) && bytes == 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_driver), cmocka_unit_test(test_tiles),
                                       cmocka_unit_test(test_sizes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
