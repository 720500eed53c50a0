/* Conversions against numpy and ml_dtypes (tests/tensor/convert_cases.h), and against each other over all codes. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "tensor/convert.h"
#include "tensor/convert_cases.h"

static size_t from_hex(const char *hex, uint8_t *to) {
    size_t n = strlen(hex) / 2;
    for (size_t i = 0; i < n; i++) {
        char two[3] = {hex[2 * i], hex[2 * i + 1], 0};
        to[i] = (uint8_t)strtoul(two, NULL, 16);
    }
    return n;
}

/* As the script does it: the elements as f64 or s64; NaN payloads and signs are exempt. */
static uint64_t hash(hst_dtype d, const uint8_t *a, int n) {
    uint64_t h = 0xcbf29ce484222325u, bits;
    for (int i = 0; i < n; i++) {
        double x;
        int64_t s;
        if (dtype_is_float(d)) {
            convert_to_f64(d, a, i, &x, 1);
            memcpy(&bits, &x, 8);
            if (isnan(x)) bits = 0x7ff8000000000000u;
        } else {
            convert_to_s64(d, a, i, &s, 1);
            bits = (uint64_t)s;
        }
        h = (h ^ bits) * 0x100000001b3u;
    }
    return h;
}

static void test_cases(void **state) {
    (void)state;
    int bad = 0;
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        const struct convert_case *c = &cases[k];
        uint8_t in[1024], got[1024];
        size_t bytes;
        from_hex(c->in, in);
        memset(got, 0xa5, sizeof got);
        assert_true(convert_array(c->from, in, c->to, got, c->n, c->saturate));
        assert_true(dtype_bytes(c->to, (size_t)c->n, &bytes));
        assert_int_equal(got[bytes], 0xa5);
        if (hash(c->to, got, c->n) == c->out) continue;
        print_error("%s -> %s, saturate %d\n", dtype_name(c->from), dtype_name(c->to), c->saturate);
        bad++;
    }
    assert_int_equal(bad, 0);
}

/* f16_to_f32 and f32_to_f16 are written twice (bits, and the generic one): they must agree. */
static void test_f16_all(void **state) {
    (void)state;
    for (uint32_t h = 0; h < 0x10000; h++) {
        float f = f16_to_f32((uint16_t)h);
        if (isnan(f)) continue;
        assert_int_equal(f32_to_f16(f), h);
        assert_int_equal(f64_to_f16(f), h);
        float b = bf16_to_f32((uint16_t)h);
        if (!isnan(b)) assert_int_equal(f64_to_bf16(b), h);
    }
    for (uint64_t u = 0; u <= 0xffffffffu; u += 4093) {
        float f;
        memcpy(&f, &(uint32_t){(uint32_t)u}, 4);
        if (isnan(f)) continue;
        assert_int_equal(f32_to_f16(f), f64_to_f16(f));
        assert_int_equal(f32_to_bf16(f), f64_to_bf16(f));
    }
}

static void test_f8_round_trip(void **state) {
    (void)state;
    static const hst_dtype kinds[] = {HST_DTYPE_F8E4M3FN, HST_DTYPE_F8E4M3FNUZ, HST_DTYPE_F8E5M2,
                                      HST_DTYPE_F8E5M2FNUZ, HST_DTYPE_F4E2M1,   HST_DTYPE_F8E8M0};
    for (int k = 0; k < 6; k++)
        for (int c = 0; c < (kinds[k] == HST_DTYPE_F4E2M1 ? 16 : 256); c++) {
            double x = f8_to_f64((uint8_t)c, kinds[k]);
            if (isnan(x)) {
                assert_true(isnan(f8_to_f64(f64_to_f8(x, kinds[k], true), kinds[k])));
                continue;
            }
            if (!isinf(x)) assert_int_equal(f64_to_f8(x, kinds[k], true), c);
            assert_int_equal(f64_to_f8(x, kinds[k], false), c);
        }
}

static void test_f8e8m0(void **state) {
    (void)state;
    assert_int_equal(f64_to_f8e8m0(1.0, true, F8E8M0_UP), 127);
    assert_int_equal(f64_to_f8e8m0(1.01, true, F8E8M0_UP), 128);
    assert_int_equal(f64_to_f8e8m0(1.99, true, F8E8M0_DOWN), 127);
    assert_int_equal(f64_to_f8e8m0(1.5, true, F8E8M0_NEAREST), 128);
    assert_int_equal(f64_to_f8e8m0(1.49, true, F8E8M0_NEAREST), 127);
    assert_int_equal(f64_to_f8e8m0(0, true, F8E8M0_UP), 0);
    assert_int_equal(f64_to_f8e8m0(0, false, F8E8M0_NEAREST), 0xff);
    assert_int_equal(f64_to_f8e8m0((double)INFINITY, true, F8E8M0_UP), 0xfe);
    assert_int_equal(f64_to_f8e8m0(1e300, false, F8E8M0_UP), 0xff);
    assert_int_equal(f64_to_f8e8m0((double)NAN, true, F8E8M0_UP), 0xff);
}

/* Elements in the middle of packed arrays leave their neighbours alone; unaligned arrays are read and written. */
static void test_parts(void **state) {
    (void)state;
    uint8_t packed[4] = {0x21, 0x43, 0x65, 0x87};
    int64_t three[3], v[3] = {-1, 2, -8};
    convert_to_s64(HST_DTYPE_S4, packed, 5, three, 3);
    assert_int_equal(three[0], 6);
    assert_int_equal(three[1], 7);
    assert_int_equal(three[2], -8);
    convert_from_s64(HST_DTYPE_S4, v, packed, 3, 3);
    assert_int_equal(packed[1], 0xf3);
    assert_int_equal(packed[2], 0x82);
    assert_int_equal(packed[3], 0x87);
    uint8_t bytes[17] = {0};
    convert_from_f32(HST_DTYPE_F32, (float[]){1, -2}, bytes + 1, 1, 2);
    double wide[2];
    convert_to_f64(HST_DTYPE_F32, bytes + 1, 1, wide, 2);
    assert_true(wide[0] == 1 && wide[1] == -2);
    assert_false(convert_array(HST_DTYPE_STRING, bytes, HST_DTYPE_F32, bytes, 1, true));
    assert_false(convert_array(HST_DTYPE_F32, bytes, HST_DTYPE_C64, bytes, 1, true));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),  cmocka_unit_test(test_f16_all), cmocka_unit_test(test_f8_round_trip),
        cmocka_unit_test(test_f8e8m0), cmocka_unit_test(test_parts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
