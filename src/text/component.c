/* Reading the polymorphic parts of a tokenizer.json: objects told apart by their "type", and sequences of them. */
#include "text/pipeline.h"

#include <stdio.h>
#include <string.h>

hst_status component_unsupported(load_context *c, const char *role, const char *type) {
    return error_set(c->err, HST_STATUS_UNSUPPORTED, c->json->name, "%s of type '%s' is not supported", role, type);
}

hst_status component_enter(load_context *c, const char *role, char *type, size_t type_size) {
    json_string key, value;
    bool more;
    type[0] = '\0';
    HST_TRY(json_enter_object(c->json));
    json_mark members = json_here(c->json);
    for (;;) {
        HST_TRY(json_next_key(c->json, &key, &more));
        if (!more) break;
        if (json_string_is(&key, "type")) {
            HST_TRY(json_read_string(c->json, &value));
            snprintf(type, type_size, "%.*s", (int)(value.size < type_size ? value.size : type_size - 1), value.data);
        } else {
            HST_TRY(json_skip(c->json));
        }
    }
    (void)role;
    json_go_to(c->json, &members);
    return HST_STATUS_OK;
}

hst_status component_parse(load_context *c, const char *role, const component_kind *const *kinds, component *out) {
    char type[64];
    bool null;
    *out = (component){NULL, NULL};
    HST_TRY(json_read_null(c->json, &null));
    if (null) return HST_STATUS_OK;
    HST_TRY(component_enter(c, role, type, sizeof type));
    for (; *kinds; kinds++) {
        if (strcmp((*kinds)->type, type) != 0) continue;
        void *config = NULL;
        HST_TRY((*kinds)->parse(c, &config));
        *out = (component){*kinds, config};
        return HST_STATUS_OK;
    }
    return component_unsupported(c, role, type);
}

hst_status component_string(load_context *c, hst_string *out) {
    json_string text;
    HST_TRY(json_read_string(c->json, &text));
    const char *copy = arena_copy_string(c->arena, text.data, text.size);
    if (!copy) return error_no_memory(c->err, text.size, "a tokenizer");
    *out = (hst_string){copy, text.size};
    return HST_STATUS_OK;
}

hst_status component_size(load_context *c, size_t most, size_t *out) {
    int64_t n;
    HST_TRY(json_read_s64(c->json, &n));
    if (n < 0 || (uint64_t)n > most) return json_fail(c->json, "%lld is not in 0 … %zu", (long long)n, most);
    *out = (size_t)n;
    return HST_STATUS_OK;
}

hst_status component_parse_nothing(load_context *c, void **config) {
    json_string key;
    for (bool more = true; more;) {
        HST_TRY(json_next_key(c->json, &key, &more));
        if (more) HST_TRY(json_skip(c->json));
    }
    *config = NULL;
    return HST_STATUS_OK;
}

/* Reads an array of parts into the arena; its length is not known before, so it is read twice. */
static hst_status parse_parts(load_context *c, const char *role, const component_kind *const *kinds,
                              component_sequence *out) {
    bool more;
    size_t n = 0;
    HST_TRY(json_enter_array(c->json));
    json_mark begin = json_here(c->json);
    for (;; n++) {
        HST_TRY(json_next_element(c->json, &more));
        if (!more) break;
        HST_TRY(json_skip(c->json));
    }
    json_go_to(c->json, &begin);
    component *parts = ARENA_ARRAY(c->arena, component, n);
    if (!parts) return error_no_memory(c->err, n * sizeof *parts, "a tokenizer");
    for (size_t i = 0; i < n; i++) {
        HST_TRY(json_next_element(c->json, &more));
        HST_TRY(component_parse(c, role, kinds, &parts[i]));
    }
    *out = (component_sequence){n, parts};
    return json_next_element(c->json, &more);
}

hst_status component_sequence_parse(load_context *c, const char *role, const char *key,
                                    const component_kind *const *kinds, void **config) {
    component_sequence *s = ARENA_NEW(c->arena, component_sequence);
    json_string name;
    bool more;
    if (!s) return error_no_memory(c->err, sizeof *s, "a tokenizer");
    for (;;) {
        HST_TRY(json_next_key(c->json, &name, &more));
        if (!more) break;
        if (json_string_is(&name, key)) {
            HST_TRY(parse_parts(c, role, kinds, s));
        } else {
            HST_TRY(json_skip(c->json));
        }
    }
    *config = s;
    return HST_STATUS_OK;
}

hst_status component_sequence_apply(const void *config, text_work *w, hst_error *err) {
    const component_sequence *s = config;
    for (size_t i = 0; i < s->count; i++)
        if (s->parts[i].kind) HST_TRY(s->parts[i].kind->apply(s->parts[i].config, w, err));
    return HST_STATUS_OK;
}
