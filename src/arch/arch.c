/* Finding the architecture of a checkpoint by its config.json, and building. */
#include "arch/arch.h"

#include <string.h>

#include "base/json.h"
#include "base/text_buffer.h"

/* By its whole name, or by what stands behind the family's, which the default "<Family>Model" tells. */
static const char *find_class(const arch *a, const char *name) {
    size_t family = strlen(a->architectures[0]) - strlen("Model");
    for (const char *const *p = a->architectures; *p; p++) {
        if (strcmp(*p, name) == 0 || strcmp(*p + family, name) == 0) return *p;
    }
    return NULL;
}

static const arch *find_type(const char *model_type) {
    for (int i = 0; i < arch_list_count; i++) {
        if (strcmp(arch_list[i]->model_type, model_type) == 0) return arch_list[i];
    }
    return NULL;
}

static hst_status unsupported_type(const checkpoint *c, const char *what, hst_error *err) {
    text_buffer list = {0};
    for (int i = 0; i < arch_list_count; i++) {
        text_buffer_format(&list, i ? ", %s" : "%s", arch_list[i]->model_type);
    }
    hst_status status = error_set(err, HST_STATUS_UNSUPPORTED, checkpoint_config_path(c),
                                  "%s: %s; checkpoints of these model types are built: %s (others run from ONNX)",
                                  checkpoint_config_path(c), what, list.data ? list.data : "none");
    text_buffer_free(&list);
    return status;
}

static hst_status unsupported_class(const checkpoint *c, const arch *a, const char *name, hst_error *err) {
    text_buffer list = {0};
    for (const char *const *p = a->architectures; *p; p++) {
        text_buffer_format(&list, p == a->architectures ? "%s" : ", %s", *p);
    }
    hst_status status = error_set(err, HST_STATUS_UNSUPPORTED, checkpoint_config_path(c),
                                  "%s: the architecture '%.80s' of model type '%s' is not built; there are %s",
                                  checkpoint_config_path(c), name, a->model_type, list.data ? list.data : "none");
    text_buffer_free(&list);
    return status;
}

/* Which arch and which of its classes; `architectures` may be absent: then the default. Configs of before 2020 have no
 * model_type: the class tells it. */
static hst_status choose(const checkpoint *c, const char *wanted, const arch **out, const char **class_name,
                         hst_error *err) {
    const json_t *config = checkpoint_config(c);
    const char *type = NULL, *name = NULL;
    HST_TRY(json_member_string(config, checkpoint_config_path(c), "model_type", NULL, &type, err));
    const json_t *classes = json_object_get(config, "architectures");
    if (json_array_size(classes) > 0) name = json_string_value(json_array_get(classes, 0));
    const arch *a = type ? find_type(type) : NULL;
    for (int i = 0; i < arch_list_count && !type && !a && name; i++) {
        if (find_class(arch_list[i], name)) a = arch_list[i];
    }
    if (!a) {
        char what[160] = "'model_type' is missing";
        if (type) {
            strcpy(what, "the model type '");
            strncat(what, type, 80);
            strcat(what, "' is not built");
        }
        return unsupported_type(c, what, err);
    }
    *out = a;
    if (wanted) name = wanted;
    *class_name = name ? find_class(a, name) : a->architectures[0];
    return *class_name ? HST_STATUS_OK : unsupported_class(c, a, name, err);
}

static void release_checkpoint(void *c) {
    checkpoint_free(c);
}

static hst_status check_checkpoint(const void *c, hst_error *err) {
    return checkpoint_check(c, err);
}

static void unload_checkpoint(const void *c, const void *data, size_t size) {
    checkpoint_unload(c, data, size);
}

hst_status arch_build(checkpoint *c, const hst_allocator *a, model **out, hst_error *err) {
    return arch_build_as(c, NULL, a, out, err);
}

hst_status arch_build_as(checkpoint *c, const char *architecture, const hst_allocator *a, model **out, hst_error *err) {
    const arch *chosen = NULL;
    const char *class_name = NULL;
    *out = NULL;
    HST_TRY(choose(c, architecture, &chosen, &class_name, err));
    model *m = model_new(a);
    if (!m) return error_no_memory(err, sizeof *m, "a model");
    const model_kept files = {checkpoint_retain(c), release_checkpoint, check_checkpoint, unload_checkpoint};
    hst_status status = model_keep_file(m, files, err);
    if (status == HST_STATUS_OK) {
        m->ir_version = 8; /* the lowest of opset 18 */
        m->producer_name = "hasten";
        status = model_add_metadata(m, "hasten.architecture", class_name, err);
    }
    if (status == HST_STATUS_OK) status = chosen->build(c, class_name, m, err);
    if (status != HST_STATUS_OK) {
        model_free(m);
        return status;
    }
    *out = m;
    return HST_STATUS_OK;
}
