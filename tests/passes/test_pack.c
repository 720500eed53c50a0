/* Weights are laid out for their kernel once: shared ones once for all, what others read stays as it is, and the
 * unpacked ones are given back. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#include "convert/optimize.h"
#include "ops/interp.h"
#include "ops/matmul.h"
#include "passes/pass.h"
#include "tensor/convert.h"

enum { K = 5, N = 37 };

static model *begin(void) {
    model *m = model_new(NULL);
    assert_non_null(m);
    assert_int_equal(model_import_opset(m, "", 18, NULL), HST_STATUS_OK);
    return m;
}

static value *input(model *m, const char *name, int columns) {
    value *x = graph_add_value(m->main, name);
    x->type = type_make(HST_DTYPE_F32, 2, (dim[]){3, columns});
    assert_int_equal(graph_add_input(m->main, x, NULL), HST_STATUS_OK);
    return x;
}

static value *weight(model *m, const char *name, int rows, int columns) {
    hst_tensor *t;
    assert_int_equal(tensor_new(HST_DTYPE_F32, 2, (int64_t[]){rows, columns}, NULL, &t, NULL), HST_STATUS_OK);
    for (int64_t i = 0; i < rows * columns; i++) ((float *)t->data)[i] = (float)(i % 23) - 11.5f;
    assert_int_equal(model_own_tensor(m, t, NULL), HST_STATUS_OK);
    return graph_add_initializer(m->main, name, t);
}

static value *node_of(model *m, const char *op, value *a, value *b) {
    value *y = graph_add_value(m->main, "");
    assert_non_null(graph_add_node(m->main, "", op, "", (value *[]){a, b}, b ? 2 : 1, &y, 1));
    return y;
}

static void output(model *m, value *v, const char *name) {
    v->name = name;
    assert_int_equal(graph_add_output(m->main, v, NULL), HST_STATUS_OK);
}

static void run(model *m, hst_tensor **out) {
    hst_tensor *x;
    hst_error err = {0};
    const type *t = &m->main->inputs[0]->type;
    assert_int_equal(tensor_new(HST_DTYPE_F32, 2, t->dim, NULL, &x, NULL), HST_STATUS_OK);
    for (int64_t i = 0; i < tensor_count(x); i++) ((float *)x->data)[i] = (float)i * 0.25f - 1;
    const hst_tensor *in[1] = {x};
    assert_int_equal(ops_resolve(m->main, &err), HST_STATUS_OK);
    if (interp_run(m->main, in, out, NULL, &err) != HST_STATUS_OK) fail_msg("%s", err.message);
    tensor_free(x);
}

/* Answers before and after are the same bits: the products are. */
static void optimise(model *m) {
    hst_tensor *before[4] = {0}, *after[4] = {0};
    hst_error err = {0};
    run(m, before);
    if (optimize_model(m, OPTIMIZE_ALL, NULL, &err) != HST_STATUS_OK) fail_msg("%s", err.message);
    if (graph_check(m->main, &err) != HST_STATUS_OK) fail_msg("%s", err.message);
    run(m, after);
    for (int i = 0; i < m->main->n_outputs; i++) {
        assert_int_equal(before[i]->bytes, after[i]->bytes);
        assert_memory_equal(before[i]->data, after[i]->data, before[i]->bytes);
        tensor_free(before[i]);
        tensor_free(after[i]);
    }
}

static int packed_weights(const model *m) {
    int n = 0;
    for (int i = 0; i < m->main->n_initializers; i++) n += m->main->initializers[i]->type.rank == 3;
    return n;
}

static void a_weight_is_packed_and_the_unpacked_one_freed(void **state) {
    (void)state;
    model *m = begin();
    output(m, node_of(m, "MatMul", input(m, "x", K), weight(m, "w", K, N)), "y");
    optimise(m);
    const node *n = m->main->first;
    assert_int_equal(node_int(n, "columns", 0), N);
    assert_string_equal(n->in[1]->name, "w");
    assert_int_equal(n->in[1]->constant->dim[1], K);
    assert_int_equal(n->in[1]->constant->dim[2], kernels_get()->gemm_f32()->nr);
    assert_int_equal(m->n_tensors, 1);
    hst_tensor *back;
    assert_int_equal(matmul_unpack(n->in[1]->constant, N, NULL, &back, NULL), HST_STATUS_OK);
    for (int64_t i = 0; i < K * N; i++) assert_true(((float *)back->data)[i] == (float)(i % 23) - 11.5f);
    tensor_free(back);
    model_free(m);
}

/* Every element rounded once; a number that f16 cannot hold keeps its matrix in f32, infinities and NaN do not. */
static void weights_are_stored_in_half(void **state) {
    (void)state;
    static const hst_dtype types[2] = {HST_DTYPE_F16, HST_DTYPE_BF16};
    for (int i = 0; i < 2; i++)
        for (int huge = 0; huge < 3; huge++) {
            model *m = begin();
            value *w = weight(m, "w", K, N);
            float *x = w->constant->data;
            const hst_dtype want = huge == 1 && i == 0 ? HST_DTYPE_F32 : types[i];
            for (int64_t k = 0; k < K * N; k++) x[k] = (float)k * 1.2345f + 0.001f;
            if (huge) x[K * N - 1] = huge == 1 ? 65521.0f : INFINITY;
            output(m, node_of(m, "MatMul", input(m, "x", K), w), "y");
            m->weights = types[i];
            assert_int_equal(optimize_model(m, OPTIMIZE_ALL, NULL, NULL), HST_STATUS_OK);
            const hst_tensor *packed = m->main->first->in[1]->constant;
            assert_int_equal(packed->dtype, want);
            hst_tensor *back;
            assert_int_equal(matmul_unpack(packed, N, NULL, &back, NULL), HST_STATUS_OK);
            for (int64_t k = 0; k < K * N; k++) {
                float from = (float)k * 1.2345f + 0.001f;
                if (huge && k == K * N - 1) from = huge == 1 ? 65521.0f : INFINITY;
                uint16_t half;
                float rounded = from;
                if (want != HST_DTYPE_F32) {
                    convert_from_f32(want, &from, &half, 0, 1);
                    convert_to_f32(want, &half, 0, &rounded, 1);
                }
                float got;
                convert_to_f32(want, back->data, k, &got, 1);
                assert_true(got == rounded);
            }
            tensor_free(back);
            model_free(m);
        }
}

static void shared_weights_are_packed_once(void **state) {
    (void)state;
    model *m = begin();
    value *w = weight(m, "w", K, K), *x = input(m, "x", K);
    for (int i = 0; i < 3; i++) x = node_of(m, "MatMul", x, w);
    value *turned = node_of(m, "Transpose", w, NULL); /* read in another way: packed for itself */
    output(m, node_of(m, "MatMul", x, turned), "y");
    optimise(m);
    assert_int_equal(packed_weights(m), 2);
    assert_int_equal(m->n_tensors, 2);
    assert_ptr_equal(m->main->first->in[1], m->main->first->next->in[1]);
    assert_ptr_equal(m->main->first->in[1], m->main->first->next->next->in[1]);
    model_free(m);
}

static void what_others_read_stays(void **state) {
    (void)state;
    model *m = begin();
    value *w = weight(m, "w", K, N), *x = input(m, "x", K);
    output(m, node_of(m, "MatMul", x, w), "y");
    output(m, w, "w");
    optimise(m);
    assert_int_equal(packed_weights(m), 1);
    assert_int_equal(m->n_tensors, 2);
    model_free(m);
}

static void a_default_stays(void **state) {
    (void)state;
    model *m = begin();
    value *x = input(m, "x", K), *w = weight(m, "w", K, N);
    assert_int_equal(graph_add_input(m->main, w, NULL), HST_STATUS_OK);
    output(m, node_of(m, "MatMul", x, w), "y");
    assert_int_equal(optimize_model(m, OPTIMIZE_ALL, NULL, NULL), HST_STATUS_OK);
    assert_int_equal(packed_weights(m), 0);
    model_free(m);
}

static void exact_levels_pack_nothing(void **state) {
    (void)state;
    for (int level = OPTIMIZE_NONE; level <= OPTIMIZE_EXACT; level++) {
        model *m = begin();
        output(m, node_of(m, "MatMul", input(m, "x", K), weight(m, "w", K, N)), "y");
        assert_int_equal(optimize_model(m, (optimize_level)level, NULL, NULL), HST_STATUS_OK);
        assert_int_equal(packed_weights(m), 0);
        assert_int_equal(m->n_tensors, 1);
        model_free(m);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_weight_is_packed_and_the_unpacked_one_freed),
        cmocka_unit_test(weights_are_stored_in_half),
        cmocka_unit_test(shared_weights_are_packed_once),
        cmocka_unit_test(what_others_read_stays),
        cmocka_unit_test(a_default_stays),
        cmocka_unit_test(exact_levels_pack_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
