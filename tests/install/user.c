/* A program that knows of hasten only what is installed. Also compiled as C++. */
#include <hasten.h>
#include <stdio.h>

int main(int argc, char **argv) {
    hst_model_options options = HST_INIT(hst_model_options);
    hst_model *model = NULL;
    hst_error err;
    options.flags = HST_MODEL_GRAPH_ONLY;
    printf("hasten %s, %d threads\n", hst_version(), hst_threads_get());
    if (argc < 2 || hst_abi_version() != HST_ABI_VERSION) return 2;
    if (hst_model_load(argv[1], &options, &model, &err) != HST_STATUS_OK) {
        printf("%s: %s\n", hst_status_name(err.code), err.message);
        return 1;
    }
    for (size_t i = 0; i < hst_model_input_count(model); i++) printf("input %s\n", hst_model_input(model, i)->name);
    hst_model_free(model);
    return 0;
}
