/* Every 8-bit linear layer and row quantiser that this processor runs, bit for bit against the contract; the packer. */
#include "gemm_s8_check.h"
#include "kernels/kernels.h"

static void families(void **state) {
    (void)state;
    int seen = 0;
    for (int i = 0; i < kernel_list_count; i++) {
        const kernel *k = kernel_list[i];
        if (k->slot != offsetof(kernels, gemm_s8) || !cpu_has(k->isa)) continue;
        const gemm_s8_family *f = ((gemm_s8_fn)k->fn)();
        assert_string_equal(f->name, k->name);
        s8_check_family(f, k->isa != CPU_SCALAR);
        seen++;
    }
    assert_true(seen > 0);
}

static void quantisers(void **state) {
    (void)state;
    int seen = 0;
    for (int i = 0; i < kernel_list_count; i++) {
        const kernel *k = kernel_list[i];
        if (k->slot != offsetof(kernels, gemm_s8_quantize) || !cpu_has(k->isa)) continue;
        s8_check_quantize((gemm_s8_quantize_fn *)k->fn);
        seen++;
    }
    assert_true(seen > 0);
}

/* Both layouts of a matrix give the same panels, and the error is what it is said to be. */
static void packing(void **state) {
    enum { K = 70, N = 21 };
    static float w[K][N], t[N][K];
    const size_t bytes = (size_t)(gemm_s8_panels(N) * gemm_s8_panel_bytes(K));
    int8_t *a = malloc(bytes), *b = malloc(bytes);
    float sa[32], sb[32];
    double norm, norm_t, lost = 0, square = 0;
    uint64_t seed = 9;
    (void)state;
    for (int i = 0; i < K; i++)
        for (int j = 0; j < N; j++) w[i][j] = t[j][i] = guarded_float(&seed) * (j == 7 ? 0.01f : 1);
    const double e = gemm_s8_pack(&w[0][0], N, 1, K, N, 0, 2, a, sa, &norm);
    assert_true(e == gemm_s8_pack(&t[0][0], 1, K, K, N, 0, 2, b, sb, &norm_t));
    assert_true(norm == norm_t);
    assert_memory_equal(a, b, bytes);
    assert_memory_equal(sa, sb, N * sizeof *sa);
    for (int i = 0; i < K; i++)
        for (int j = 0; j < N; j++) {
            const double d = (double)w[i][j] - (double)sa[j] * gemm_s8_weight(a, gemm_s8_blocks(K), i, j);
            assert_true(fabs(d) <= 0.5001 * (double)sa[j]);
            lost += d * d;
            square += (double)w[i][j] * (double)w[i][j];
        }
    assert_true(fabs(lost - e) < 1e-4 * lost && fabs(square - norm) < 1e-4 * square);
    assert_true(e < 3e-4 * norm);
    w[69][3] = INFINITY;
    assert_true(isnan(gemm_s8_pack(&w[0][0], N, 1, K, N, 0, 2, a, sa, &norm)));
    free(a);
    free(b);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(families), cmocka_unit_test(quantisers),
                                       cmocka_unit_test(packing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
