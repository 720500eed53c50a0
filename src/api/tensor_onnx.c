/* hst_tensor_read_onnx and hst_tensor_write_onnx. */
#include "api/api.h"
#include "onnx/value_io.h"

static hst_status need(const void *p, const char *what, hst_error *err) {
    return p ? HST_STATUS_OK : error_set(err, HST_STATUS_INVALID_ARGUMENT, what, "%s is NULL", what);
}

static hst_status check_as(hst_dtype as, hst_error *err) {
    if (as == HST_DTYPE_NONE || as == HST_DTYPE_SEQUENCE || as == HST_DTYPE_MAP || as == HST_DTYPE_OPTIONAL)
        return HST_STATUS_OK;
    return error_set(err, HST_STATUS_INVALID_ARGUMENT, "as", "'as' is %d (%s), not NONE, SEQUENCE, MAP or OPTIONAL",
                     (int)as, dtype_name(as));
}

hst_status hst_tensor_read_onnx(const char *path, hst_dtype as, const hst_allocator *a, hst_tensor **out, char **name,
                                hst_error *err) {
    HST_TRY(need(path, "path", err));
    HST_TRY(need(out, "out", err));
    HST_TRY(check_as(as, err));
    return value_read_file(path, as, a, out, name, err);
}

hst_status hst_tensor_read_onnx_memory(const void *data, size_t size, hst_dtype as, const hst_allocator *a,
                                       hst_tensor **out, char **name, hst_error *err) {
    if (size) HST_TRY(need(data, "data", err));
    HST_TRY(need(out, "out", err));
    HST_TRY(check_as(as, err));
    return value_read(data, size, NULL, as, a, out, name, err);
}

hst_status hst_tensor_write_onnx(const hst_tensor *t, hst_dtype as, const char *name, const char *path,
                                 hst_error *err) {
    HST_TRY(need(t, "t", err));
    HST_TRY(need(path, "path", err));
    HST_TRY(check_as(as, err));
    return value_write_file(t, as, name, path, err);
}

hst_status hst_tensor_write_onnx_memory(const hst_tensor *t, hst_dtype as, const char *name, char **data, size_t *size,
                                        hst_error *err) {
    void *made = NULL;
    HST_TRY(need(t, "t", err));
    HST_TRY(need(data, "data", err));
    HST_TRY(need(size, "size", err));
    HST_TRY(check_as(as, err));
    HST_TRY(value_write(t, as, name, &made, size, err));
    *data = made;
    return HST_STATUS_OK;
}
