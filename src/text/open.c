/* Opening a tokenizer by path: which files there are, and mapping them. */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/text_buffer.h"
#include "text/load.h"

typedef struct folder_files {
    file_map *tokenizer, *vocab, *config, *special_tokens_map, *added_tokens;
} folder_files;

static void free_files(folder_files *f) {
    file_map_free(f->tokenizer);
    file_map_free(f->vocab);
    file_map_free(f->config);
    file_map_free(f->special_tokens_map);
    file_map_free(f->added_tokens);
}

/* Maps <folder>/<name>; a file that is not there leaves *out NULL. */
static hst_status map_beside(const char *folder, const char *name, const hst_allocator *a, file_map **out,
                             hst_error *err) {
    char *path = path_join(folder, name);
    hst_status status = HST_STATUS_OK;
    if (!path) return error_no_memory(err, strlen(folder), "a path");
    if (file_exists(path)) status = file_map_open(path, false, a, out, err);
    free(path);
    return status;
}

static hst_status map_folder(const char *folder, const hst_allocator *a, folder_files *f, hst_error *err) {
    if (!f->tokenizer && !f->vocab) HST_TRY(map_beside(folder, "tokenizer.json", a, &f->tokenizer, err));
    if (!f->tokenizer && !f->vocab) HST_TRY(map_beside(folder, "vocab.txt", a, &f->vocab, err));
    if (!f->tokenizer && !f->vocab)
        return error_set(err, HST_STATUS_NOT_FOUND, folder,
                         "no tokenizer: neither tokenizer.json nor vocab.txt is there");
    HST_TRY(map_beside(folder, "tokenizer_config.json", a, &f->config, err));
    if (f->tokenizer) return HST_STATUS_OK;
    HST_TRY(map_beside(folder, "special_tokens_map.json", a, &f->special_tokens_map, err));
    return map_beside(folder, "added_tokens.json", a, &f->added_tokens, err);
}

static hst_status map_path(const char *path, const hst_allocator *a, folder_files *f, hst_error *err) {
    if (file_is_folder(path)) return map_folder(path, a, f, err);
    const bool beside = text_ends_with(path, ".onnx") || text_ends_with(path, ".safetensors");
    char *folder = beside ? path_model_folder(path) : path_folder_of(path);
    hst_status status = HST_STATUS_OK;
    if (!folder) return error_no_memory(err, strlen(path), "a path");
    if (!beside)
        status = file_map_open(path, false, a, text_ends_with(path, ".json") ? &f->tokenizer : &f->vocab, err);
    if (status == HST_STATUS_OK) status = map_folder(folder, a, f, err);
    free(folder);
    return status;
}

static hst_status load(const folder_files *f, const hst_allocator *a, tokenizer **out, hst_error *err) {
    const char *config = f->config ? (const char *)f->config->data : NULL;
    size_t config_size = f->config ? f->config->size : 0;
    if (f->tokenizer)
        return tokenizer_from_memory(f->tokenizer->data, f->tokenizer->size, config, config_size, f->tokenizer->path, a,
                                     out, err);
    bert_files b = {.vocab = (const char *)f->vocab->data,
                    .vocab_size = f->vocab->size,
                    .config = config,
                    .config_size = config_size};
    if (f->special_tokens_map) {
        b.special_tokens_map = (const char *)f->special_tokens_map->data;
        b.special_tokens_map_size = f->special_tokens_map->size;
    }
    if (f->added_tokens) {
        b.added_tokens = (const char *)f->added_tokens->data;
        b.added_tokens_size = f->added_tokens->size;
    }
    return tokenizer_from_bert_files(&b, f->vocab->path, a, out, err);
}

static hst_status open_sections(const char *path, const hst_allocator *a, tokenizer **out, hst_error *err) {
    section_file *file;
    HST_TRY(section_file_open(path, false, a, &file, err));
    hst_status status = tokenizer_from_sections(file, a, out, err); /* keeps a reference of its own */
    section_file_free(file);
    return status;
}

hst_status tokenizer_open(const char *path, const hst_allocator *a, tokenizer **out, hst_error *err) {
    folder_files f = {NULL, NULL, NULL, NULL, NULL};
    *out = NULL;
    if (!path || !*path) return error_set(err, HST_STATUS_INVALID_ARGUMENT, "path", "no path was given");
    if (section_file_is(path)) return open_sections(path, a, out, err);
    hst_status status = map_path(path, a, &f, err);
    if (status == HST_STATUS_OK) status = load(&f, a, out, err);
    free_files(&f);
    return status;
}

hst_status tokenizer_pack(const char *path, const hst_allocator *a, tokenizer_packed *out, hst_error *err) {
    folder_files f = {NULL, NULL, NULL, NULL, NULL};
    tokenizer *t = NULL;
    memset(out, 0, sizeof *out);
    hst_status status = map_path(path, a, &f, err);
    if (status == HST_STATUS_OK) status = load(&f, a, &t, err);
    if (status == HST_STATUS_OK) status = vocab_pack(&t->vocab, &out->vocab, &out->vocab_size, err);
    if (status == HST_STATUS_OK && f.tokenizer)
        status = tokenizer_json_without_vocab(f.tokenizer->data, f.tokenizer->size, f.tokenizer->path, &out->json,
                                              &out->json_size, err);
    if (status != HST_STATUS_OK) tokenizer_packed_free(out);
    tokenizer_free(t);
    free_files(&f);
    return status;
}
