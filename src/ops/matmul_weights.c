/* Weights in panels: packing, unpacking, borrowing. See ops/matmul.h. */
#include <math.h>
#include <string.h>

#include "base/checked.h"
#include "ops/matmul.h"
#include "tensor/convert.h"

gemm_f32_operand matmul_operand(const hst_tensor *b, bool transposed, int64_t k, int64_t n) {
    const bool columns = transposed || n == 1; /* one column stands as a row of the transposed */
    return (gemm_f32_operand){b->data, b->dtype, columns ? 1 : n, columns ? k : 1};
}

/* ---- packed tensors ---- */

/* [panels, k, nr] of B[k,n]; the size is checked where the tensor is made. */
static void packed_dims(const gemm_f32_family *f, int64_t k, int64_t n, int64_t *dim) {
    dim[0] = n / f->nr + (n % f->nr != 0);
    dim[1] = k;
    dim[2] = f->nr;
}

bool matmul_is_packed(int rank, const int64_t *dim, int64_t n) {
    return rank == 3 && dim[0] >= 0 && dim[1] >= 0 && dim[2] > 0 && n >= 0 && dim[0] == n / dim[2] + (n % dim[2] != 0);
}

enum { HALF_ROWS = 64 }; /* rows of a panel that are narrowed at once */

/* Panels of f16 or bf16 from any operand; false where a finite element became infinite. */
static bool pack_half(const gemm_f32_family *f, const gemm_f32_operand *b, int64_t k, int64_t n, hst_dtype d,
                      uint16_t *to) {
    float wide[HALF_ROWS * GEMM_F32_NR_MAX];
    const uint16_t infinity = d == HST_DTYPE_F16 ? 0x7c00 : 0x7f80;
    for (int64_t p = 0; p < gemm_f32_panels(f, n); p++)
        for (int64_t i = 0; i < k; i += HALF_ROWS) {
            const int64_t rows = k - i < HALF_ROWS ? k - i : HALF_ROWS, count = rows * f->nr;
            gemm_f32_operand part = *b;
            part.data = (const char *)b->data + i * b->row * (b->dtype == HST_DTYPE_F32 ? 4 : 2);
            gemm_f32_pack(f, &part, rows, n, p, p + 1, wide);
            convert_from_f32(d, wide, to, 0, count);
            for (int64_t j = 0; j < count; j++)
                if ((to[j] & 0x7fff) == infinity && isfinite(wide[j])) return false;
            to += count;
        }
    return true;
}

hst_status matmul_pack(const hst_tensor *b, bool transposed, hst_dtype stored, const hst_allocator *a, hst_tensor **out,
                       hst_error *err) {
    const int64_t k = b->dim[transposed], n = b->dim[!transposed];
    const gemm_f32_family *f = kernels_get()->gemm_f32();
    const gemm_f32_operand from = matmul_operand(b, transposed, k, n);
    int64_t dim[3];
    packed_dims(f, k, n, dim);
    if (stored == HST_DTYPE_F16 || stored == HST_DTYPE_BF16) {
        HST_TRY(tensor_new(stored, 3, dim, a, out, err));
        if (pack_half(f, &from, k, n, stored, (*out)->data)) return HST_STATUS_OK;
        tensor_free(*out);
    }
    HST_TRY(tensor_new(HST_DTYPE_F32, 3, dim, a, out, err));
    gemm_f32_pack(f, &from, k, n, 0, dim[0], (*out)->data);
    return HST_STATUS_OK;
}

hst_status matmul_unpack(const hst_tensor *packed, int64_t n, const hst_allocator *a, hst_tensor **out,
                         hst_error *err) {
    const int64_t k = packed->dim[1], nr = packed->dim[2];
    const size_t size = (size_t)dtype_bits(packed->dtype) / 8;
    HST_TRY(tensor_new(packed->dtype, 2, (int64_t[]){k, n}, a, out, err));
    const char *from = packed->data;
    char *to = (*out)->data;
    for (int64_t at = 0; at < n; at += nr) {
        const int64_t some = n - at < nr ? n - at : nr;
        for (int64_t i = 0; i < k; i++, from += (size_t)nr * size)
            memcpy(to + (size_t)(i * n + at) * size, from, (size_t)some * size);
    }
    return HST_STATUS_OK;
}

/* ---- bind states ---- */

hst_status matmul_weights_new(const hst_tensor *b, bool transposed, const hst_allocator *a, matmul_weights **out,
                              hst_error *err) {
    const int64_t k = b->dim[transposed], n = b->dim[!transposed];
    const gemm_f32_family *f = kernels_get()->gemm_f32();
    int64_t dim[3];
    size_t bytes;
    packed_dims(f, k, n, dim);
    if (shape_bytes(HST_DTYPE_F32, 3, dim, &bytes, NULL) != HST_STATUS_OK)
        return error_no_memory(err, SIZE_MAX, "packed weights");
    matmul_weights *w = memory_alloc(a, sizeof *w, MEMORY_ALIGN);
    void *data = memory_alloc(a, bytes, MEMORY_ALIGN);
    if (!w || !data) {
        memory_free(a, w, sizeof *w);
        memory_free(a, data, bytes);
        return error_no_memory(err, bytes, "packed weights");
    }
    const gemm_f32_operand from = matmul_operand(b, transposed, k, n);
    gemm_f32_pack(f, &from, k, n, 0, dim[0], data);
    *w = (matmul_weights){f, k, n, HST_DTYPE_F32, data, bytes, data};
    *out = w;
    return HST_STATUS_OK;
}

hst_status matmul_weights_borrow(const hst_tensor *packed, int64_t n, const hst_allocator *a, matmul_weights **out,
                                 hst_error *err) {
    const gemm_f32_family *f = kernels_get()->gemm_f32();
    *out = NULL;
    if (!matmul_is_f32(packed->dtype) || !matmul_is_packed(packed->rank, packed->dim, n)) return HST_STATUS_OK;
    if (packed->dim[2] != f->nr || (uintptr_t)packed->data % MEMORY_ALIGN) return HST_STATUS_OK;
    matmul_weights *w = memory_alloc(a, sizeof *w, MEMORY_ALIGN);
    if (!w) return error_no_memory(err, sizeof *w, "packed weights");
    *w = (matmul_weights){.family = f, .k = packed->dim[1], .n = n, .dtype = packed->dtype, .data = packed->data};
    *out = w;
    return HST_STATUS_OK;
}

void matmul_weights_free(void *weights, const hst_allocator *a) {
    matmul_weights *w = weights;
    if (!w) return;
    memory_free(a, w->own, w->bytes);
    memory_free(a, w, sizeof *w);
}
