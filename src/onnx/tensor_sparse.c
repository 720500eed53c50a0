/* SparseTensorProto to a dense tensor: values [NNZ] at indices [NNZ] (row-major positions) or [NNZ, rank]. */
#include <inttypes.h>
#include <string.h>

#include "base/checked.h"
#include "onnx/fields.h"
#include "onnx/tensor_proto.h"

static hst_status bad(hst_error *err, const char *text) {
    return error_set(err, HST_STATUS_BAD_FORMAT, NULL, "sparse tensor: %s", text);
}

/* Row-major position of entry k; -1 where it lies outside. */
static int64_t position(const hst_tensor *indices, int64_t k, int rank, const int64_t *dim, int64_t count) {
    const char *at = indices->data;
    int64_t x, p = 0;
    if (indices->rank == 1) {
        memcpy(&x, at + k * 8, 8);
        return x >= 0 && x < count ? x : -1;
    }
    for (int d = 0; d < rank; d++) {
        memcpy(&x, at + (k * rank + d) * 8, 8);
        if (x < 0 || x >= dim[d]) return -1;
        p = p * dim[d] + x;
    }
    return p;
}

static hst_status scatter(const hst_tensor *values, const hst_tensor *indices, hst_tensor *dense, hst_error *err) {
    size_t size = (size_t)dtype_bits(values->dtype) / 8;
    int64_t last = -1, count = tensor_count(dense), n = tensor_count(values);
    for (int64_t k = 0; k < n; k++) {
        int64_t p = position(indices, k, dense->rank, dense->dim, count);
        if (p <= last)
            return error_set(err, HST_STATUS_BAD_FORMAT, NULL,
                             "sparse tensor: index %" PRId64 " is out of range or not in rising order", k);
        memcpy((char *)dense->data + (size_t)p * size, (const char *)values->data + (size_t)k * size, size);
        last = p;
    }
    return HST_STATUS_OK;
}

static hst_status check(const hst_tensor *values, const hst_tensor *indices, int rank, hst_error *err) {
    if (!values || !indices) return bad(err, "needs values and indices");
    if (dtype_bits(values->dtype) < 8)
        return error_set(err, HST_STATUS_UNSUPPORTED, NULL, "sparse tensor of type %s", dtype_name(values->dtype));
    if (indices->dtype != HST_DTYPE_S64) return bad(err, "indices must be int64");
    if (values->rank != 1) return bad(err, "values must have one dimension");
    int64_t n = values->dim[0];
    bool linear = indices->rank == 1 && indices->dim[0] == n;
    bool full = indices->rank == 2 && indices->dim[0] == n && indices->dim[1] == rank;
    return linear || full ? HST_STATUS_OK : bad(err, "indices do not have one entry for each value");
}

hst_status tensor_proto_dense(proto_reader p, tensor_source *source, size_t most, hst_tensor **out, proto_slice *name,
                              extra_builder *rest, hst_error *err) {
    hst_tensor *values = NULL, *indices = NULL, *dense = NULL;
    int64_t dim[HST_RANK_MAX];
    int rank = 0;
    proto_field f;
    hst_status status = HST_STATUS_OK;
    *out = NULL;
    while (status == HST_STATUS_OK && proto_next(&p, &f)) {
        proto_reader t;
        if (f.number == SPARSE_VALUES || f.number == SPARSE_INDICES) {
            bool is_values = f.number == SPARSE_VALUES;
            hst_tensor **to = is_values ? &values : &indices;
            status = *to ? bad(err, "has values or indices twice") : proto_enter(&p, &f, "SparseTensorProto", &t, err);
            if (status == HST_STATUS_OK)
                status = tensor_proto_read(t, source, to, is_values ? name : NULL, is_values ? rest : NULL, err);
        } else if (f.number == SPARSE_DIMS) {
            proto_list list;
            uint64_t v;
            status = proto_list_open(&p, &f, PROTO_VARINT, "SparseTensorProto.dims", &list, err);
            if (status == HST_STATUS_OK && list.count > HST_RANK_MAX - rank)
                status = error_set(err, HST_STATUS_UNSUPPORTED, NULL, "sparse tensor: more than %d dimensions",
                                   HST_RANK_MAX);
            while (status == HST_STATUS_OK && proto_list_next(&list, &v)) dim[rank++] = (int64_t)v;
        }
    }
    size_t size = 0;
    if (status == HST_STATUS_OK) status = proto_end(&p, "SparseTensorProto", err);
    if (status == HST_STATUS_OK) status = check(values, indices, rank, err);
    if (status == HST_STATUS_OK) status = shape_bytes(values->dtype, rank, dim, &size, err);
    if (status == HST_STATUS_OK && size > most)
        status = error_set(err, HST_STATUS_UNSUPPORTED, NULL,
                           "sparse tensor: %zu bytes as a dense one, more than the limit of %zu", size, most);
    if (status == HST_STATUS_OK) status = tensor_new(values->dtype, rank, dim, source->allocator, &dense, err);
    if (status == HST_STATUS_OK) source->copied += size;
    if (status == HST_STATUS_OK) status = scatter(values, indices, dense, err);
    tensor_free(values);
    tensor_free(indices);
    if (status == HST_STATUS_OK)
        *out = dense;
    else
        tensor_free(dense);
    return status;
}
