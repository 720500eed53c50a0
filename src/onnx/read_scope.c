/* Names while a graph is read: single assignment, use before definition, capture from outer graphs, shadowing. */
#include <stdio.h>
#include <string.h>

#include "onnx/reader.h"

entry *scope_add(reader *r, scope *s, proto_slice name) {
    void **item = names_add(&s->entries, name);
    if (!item) return NULL;
    if (!*item) *item = ARENA_NEW(r->scratch, entry);
    return *item;
}

static entry *find(const scope *s, proto_slice name) {
    void **item = names_find(&s->entries, name);
    return item ? *item : NULL;
}

/* The value is named after all names of the file are known. */
static hst_status name_later(reader *r, value *v, const char *prefix, proto_slice name) {
    pending_name *p = ARENA_NEW(r->scratch, pending_name);
    size_t n = strlen(prefix);
    char *hint = p ? arena_alloc_aligned(r->scratch, n + name.size + 1, 1) : NULL;
    if (!hint) return read_no_memory(r, "a name");
    memcpy(hint, prefix, n);
    memcpy(hint + n, name.data, name.size);
    p->value = v;
    p->hint = hint;
    *r->pending_tail = p;
    r->pending_tail = &p->next;
    return HST_STATUS_OK;
}

hst_status scope_name_copy(reader *r, value *v, proto_slice name) {
    return name_later(r, v, "", name);
}

static hst_status give_name(reader *r, const scope *s, const context *c, value *v, proto_slice name) {
    if (memchr(name.data, 0, name.size)) return read_bad(r, NULL, "a value's name contains a NUL byte");
    bool shadows = false;
    for (const scope *o = s->outer; o && !shadows; o = o->outer) shadows = find(o, name) != NULL;
    if (c->function || shadows) return name_later(r, v, c->prefix, name);
    v->name = arena_copy_string(r->model->arena, (const char *)name.data, name.size);
    if (!v->name || !names_add(&r->taken, name)) return read_no_memory(r, "a value's name");
    return HST_STATUS_OK;
}

static hst_status new_value(reader *r, const scope *s, const context *c, graph *g, proto_slice name, value **out) {
    *out = graph_add_value(g, "");
    return *out ? give_name(r, s, c, *out, name) : read_no_memory(r, "a value");
}

/* A name that was looked up outside may not be defined here afterwards: which one was meant would be anybody's guess.
 */
static hst_status mark_captured(reader *r, scope *s, const scope *until, proto_slice name, value *v) {
    for (; s != until; s = s->outer) {
        entry *e = scope_add(r, s, name);
        if (!e) return read_no_memory(r, "a captured name");
        *e = (entry){ENTRY_CAPTURED, v, NULL};
    }
    return HST_STATUS_OK;
}

hst_status scope_use(reader *r, scope *s, const context *c, graph *g, proto_slice name, const char *user, value **out) {
    entry *e = find(s, name);
    *out = NULL;
    if (e) {
        *out = e->value;
        if (e->state != ENTRY_DEFINED && e->state != ENTRY_CAPTURED) s->unsorted = true;
        return HST_STATUS_OK;
    }
    for (scope *o = s->outer; o; o = o->outer) {
        e = find(o, name);
        if (!e) continue;
        if (e->state != ENTRY_DEFINED && e->state != ENTRY_CAPTURED)
            return read_bad(r, NULL, "%s uses '%.*s' of an outer graph before any node there has produced it", user,
                            slice_shown(name), (const char *)name.data);
        *out = e->value;
        return mark_captured(r, s, o, name, e->value);
    }
    value *v = NULL;
    e = scope_add(r, s, name);
    if (!e) return read_no_memory(r, "a name");
    HST_TRY(new_value(r, s, c, g, name, &v));
    const char *label = arena_copy_string(r->scratch, user, strlen(user));
    if (!label) return read_no_memory(r, "a name");
    *e = (entry){ENTRY_WANTED, v, label};
    s->unsorted = true;
    *out = v;
    return HST_STATUS_OK;
}

hst_status scope_define(reader *r, scope *s, const context *c, graph *g, proto_slice name, bool finished, value **out) {
    entry *e = find(s, name);
    if (e && (e->state == ENTRY_DEFINED || e->state == ENTRY_MAKING))
        return read_bad(r, NULL, "'%.*s' is defined twice (a graph must be in single static assignment form)",
                        slice_shown(name), (const char *)name.data);
    if (e && e->state == ENTRY_CAPTURED)
        return read_bad(r, NULL, "'%.*s' is used from an outer graph and then defined again in an inner one",
                        slice_shown(name), (const char *)name.data);
    if (e) {
        *out = e->value;
    } else {
        e = scope_add(r, s, name);
        if (!e) return read_no_memory(r, "a name");
        HST_TRY(new_value(r, s, c, g, name, out));
        e->value = *out;
    }
    e->state = finished ? ENTRY_DEFINED : ENTRY_MAKING;
    return HST_STATUS_OK;
}

hst_status scope_define_initializer(reader *r, scope *s, const context *c, graph *g, proto_slice name,
                                    const hst_tensor *t, value **out) {
    if (find(s, name))
        return read_bad(r, NULL, "initializer '%.*s' is given twice", slice_shown(name), (const char *)name.data);
    entry *e = scope_add(r, s, name);
    *out = graph_add_initializer(g, "", t);
    if (!e || !*out) return read_no_memory(r, "an initializer");
    *e = (entry){ENTRY_DEFINED, *out, NULL};
    return give_name(r, s, c, *out, name);
}

void scope_finish(scope *s, proto_slice name) {
    entry *e = find(s, name);
    if (e) e->state = ENTRY_DEFINED;
}

hst_status scope_close(reader *r, const scope *s, const char *what) {
    for (size_t i = 0; i < s->entries.capacity; i++) {
        const entry *e = s->entries.slots[i].item;
        proto_slice name = s->entries.slots[i].name;
        if (!name.data || !e) continue;
        if (e->state == ENTRY_WANTED)
            return read_bad(r, NULL, "%s: '%.*s' is used by %s, but no node, input or initializer defines it", what,
                            slice_shown(name), (const char *)name.data, e->wanted ? e->wanted : "a node");
        if (e->state == ENTRY_BOUND)
            return read_bad(r, NULL, "%s: nothing in its body produces its output '%.*s'", what, slice_shown(name),
                            (const char *)name.data);
    }
    return HST_STATUS_OK;
}

/* Inlined and shadowing values: the wished name, or the first free of name_2, name_3 … The item of `taken` counts how
 * far a name has been tried, so that a thousand calls of one function do not cost a million probes. */
static hst_status name_value(reader *r, value *v, const char *hint) {
    proto_slice wish = {(const unsigned char *)hint, strlen(hint)};
    void **known = names_find(&r->taken, wish);
    if (!known) {
        v->name = arena_copy_string(r->model->arena, hint, wish.size);
        return v->name && names_add(&r->taken, wish) ? HST_STATUS_OK : read_no_memory(r, "a value's name");
    }
    uintptr_t k = (uintptr_t)*known;
    char *name = arena_alloc_aligned(r->model->arena, wish.size + 24, 1);
    if (!name) return read_no_memory(r, "a value's name");
    for (k = k ? k : 2;; k++) {
        snprintf(name, wish.size + 24, "%s_%zu", hint, (size_t)k);
        proto_slice n = {(const unsigned char *)name, strlen(name)};
        if (names_find(&r->taken, n)) continue;
        v->name = name;
        *known = (void *)(k + 1);
        return names_add(&r->taken, n) ? HST_STATUS_OK : read_no_memory(r, "a value's name");
    }
}

hst_status read_pending_names(reader *r) {
    for (const pending_name *p = r->pending; p; p = p->next) HST_TRY(name_value(r, p->value, p->hint));
    return HST_STATUS_OK;
}
