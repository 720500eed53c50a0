/* Constant 8-bit weights for the exact integer product: ops/packed_s16.h. */
#include "ops/packed_s16.h"

void packed_s16_free(void *packed, const hst_allocator *a) {
    packed_s16 *p = packed;
    if (p->data) memory_free(a, p->data, p->bytes);
    memory_free(a, p, sizeof *p);
}

static hst_status zeros_new(const node *n, const hst_tensor *b, const hst_tensor *zero, int64_t columns,
                            const hst_allocator *a, int32_t **out, int64_t *count, hst_error *err) {
    *count = zero ? tensor_count(zero) : 1;
    if (*count != 1 && *count != columns)
        return node_error(n, err, HST_STATUS_BAD_SHAPE, "%lld zero points for %lld columns", (long long)*count,
                          (long long)columns);
    if (zero && zero->dtype != b->dtype)
        return node_error(n, err, HST_STATUS_BAD_SHAPE, "zero point is %s, the matrix %s", dtype_name(zero->dtype),
                          dtype_name(b->dtype));
    *out = memory_alloc(a, (size_t)*count * sizeof **out, 16);
    if (!*out) return error_no_memory(err, (size_t)*count * sizeof **out, "zero points");
    for (int64_t i = 0; i < *count; i++) (*out)[i] = zero ? (int32_t)tensor_get_s64(zero, i) : 0;
    return HST_STATUS_OK;
}

hst_status packed_s16_new(const node *n, const hst_tensor *b, const hst_tensor *zero, bool transposed,
                          const hst_allocator *a, packed_s16 **out, hst_error *err) {
    int64_t k = b->dim[transposed], columns = b->dim[!transposed], count;
    int32_t *zeros = NULL;
    size_t bytes;
    *out = NULL;
    if (!gemm_s16_size_b(k, columns, &bytes))
        return node_error(n, err, HST_STATUS_NO_MEMORY, "a matrix of %lld x %lld is too large", (long long)k,
                          (long long)columns);
    HST_TRY(zeros_new(n, b, zero, columns, a, &zeros, &count, err));
    packed_s16 *p = memory_alloc(a, sizeof *p, 16);
    if (p) *p = (packed_s16){memory_alloc(a, bytes, MEMORY_ALIGN), bytes};
    if (p && p->data) {
        gemm_s16_source s = {b->data,  b->dtype == HST_DTYPE_S8, transposed ? 1 : columns, transposed ? k : 1, zeros,
                             count > 1};
        gemm_s16_pack_b(&s, k, columns, p->data);
        *out = p;
    } else if (p) {
        packed_s16_free(p, a);
    }
    memory_free(a, zeros, (size_t)count * sizeof *zeros);
    return *out ? HST_STATUS_OK : error_no_memory(err, bytes, "packed weights");
}
