/* hst_model_export_onnx. */
#include "api/api.h"
#include "convert/export.h"

hst_status hst_model_export_onnx(const hst_model *model, const char *path, const hst_export_options *options,
                                 hst_error *err) {
    hst_export_options o;
    HST_TRY(options_read(&o, sizeof o, options, "hst_export_options", err));
    if (!model || !path || !*path)
        return error_set(err, HST_STATUS_INVALID_ARGUMENT, NULL, "an export needs a model and a path");
    if (o.dtype != HST_DTYPE_NONE && o.dtype != HST_DTYPE_F32 && o.dtype != HST_DTYPE_F16)
        return error_set(err, HST_STATUS_INVALID_ARGUMENT, path,
                         "weights cannot be exported as %s: f32, f16 or as they are", hst_dtype_name(o.dtype));
    export_options e = {.opset = o.opset, .dtype = o.dtype, .external_beyond = o.external_beyond};
    return export_onnx(model->model, path, &e, err);
}
