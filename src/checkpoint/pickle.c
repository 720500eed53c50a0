/* The unpickler's machine: a stack of values, marks, a memo, and one switch over the opcodes on the list. */
#include "checkpoint/pickle.h"

#include <string.h>

typedef struct machine {
    arena *arena;
    const char *path;
    const unsigned char *data;
    size_t size, at; /* `at`: next byte */
    pickle_items stack, memo;
    size_t *marks; /* heights of the stack */
    size_t n_marks, marks_capacity;
    pickle_storages *storages;
    bool no_memory;
    const char *why; /* set by what failed */
} machine;

static bool fail(machine *m, const char *why) {
    if (!m->why) m->why = why;
    return false;
}

static bool no_memory(machine *m) {
    m->no_memory = true;
    return false;
}

bool pickle_append(arena *a, pickle_items *items, pickle_value *v) {
    if (items->count == items->capacity) {
        size_t capacity = items->capacity ? items->capacity * 2 : 8;
        pickle_value **at = ARENA_ARRAY(a, pickle_value *, capacity);
        if (!at) return false;
        if (items->count) memcpy(at, items->at, items->count * sizeof *at);
        items->at = at;
        items->capacity = capacity;
    }
    items->at[items->count++] = v;
    return true;
}

const pickle_value *pickle_get(const pickle_value *dict, const char *key) {
    size_t n = strlen(key);
    if (dict->kind != PICKLE_DICT) return NULL;
    for (size_t i = dict->as.items.count; i >= 2; i -= 2) {
        const pickle_value *k = dict->as.items.at[i - 2];
        if (k->kind == PICKLE_STRING && k->as.s.size == n && memcmp(k->as.s.data, key, n) == 0) {
            return dict->as.items.at[i - 1];
        }
    }
    return NULL;
}

/* ---- reading the stream ---- */

static const unsigned char *take(machine *m, uint64_t n) {
    if (n > m->size - m->at) {
        fail(m, "the pickle was cut");
        return NULL;
    }
    const unsigned char *p = m->data + m->at;
    m->at += (size_t)n;
    return p;
}

/* A little-endian number of `bytes` bytes. */
static bool take_number(machine *m, int bytes, uint64_t *out) {
    const unsigned char *p = take(m, (uint64_t)bytes);
    if (!p) return false;
    uint64_t x = 0;
    for (int i = bytes; i-- > 0;) x = x << 8 | p[i];
    *out = x;
    return true;
}

static bool take_line(machine *m, const char **text, size_t *size) {
    const unsigned char *p = m->data + m->at, *end = memchr(p, '\n', m->size - m->at);
    if (!end) return fail(m, "the pickle was cut");
    *text = (const char *)p;
    *size = (size_t)(end - p);
    m->at += *size + 1;
    return true;
}

/* ---- the stack ---- */

static pickle_value *new_value(machine *m, pickle_kind kind) {
    pickle_value *v = ARENA_NEW(m->arena, pickle_value);
    if (!v)
        m->no_memory = true;
    else
        v->kind = kind;
    return v;
}

static bool push(machine *m, pickle_value *v) {
    if (!v) return false;
    return pickle_append(m->arena, &m->stack, v) || no_memory(m);
}

static size_t floor_of(const machine *m) {
    return m->n_marks ? m->marks[m->n_marks - 1] : 0;
}

static pickle_value *pop(machine *m) {
    if (m->stack.count <= floor_of(m)) {
        fail(m, "the stack is empty");
        return NULL;
    }
    return m->stack.at[--m->stack.count];
}

static pickle_value *top(machine *m, pickle_kind kind) {
    if (m->stack.count <= floor_of(m)) {
        fail(m, "the stack is empty");
        return NULL;
    }
    pickle_value *v = m->stack.at[m->stack.count - 1];
    if (v->kind == kind) return v;
    fail(m, kind == PICKLE_DICT ? "a dict is needed here" : "a list is needed here");
    return NULL;
}

static bool push_mark(machine *m) {
    if (m->n_marks == m->marks_capacity) {
        size_t capacity = m->marks_capacity ? m->marks_capacity * 2 : 16;
        size_t *marks = ARENA_ARRAY(m->arena, size_t, capacity);
        if (!marks) return no_memory(m);
        if (m->n_marks) memcpy(marks, m->marks, m->n_marks * sizeof *marks);
        m->marks = marks;
        m->marks_capacity = capacity;
    }
    m->marks[m->n_marks++] = m->stack.count;
    return true;
}

/* Takes the values above the last mark off the stack; they stay readable at *at until the next push. */
static bool pop_mark(machine *m, pickle_value ***at, size_t *count) {
    if (m->n_marks == 0) return fail(m, "there is no mark");
    size_t height = m->marks[--m->n_marks];
    *at = height ? m->stack.at + height : m->stack.at; /* NULL before the first push */
    *count = m->stack.count - height;
    m->stack.count = height;
    return true;
}

static bool push_int(machine *m, int64_t i) {
    pickle_value *v = new_value(m, PICKLE_INT);
    if (v) v->as.i = i;
    return push(m, v);
}

static bool push_bool(machine *m, bool b) {
    pickle_value *v = new_value(m, PICKLE_BOOL);
    if (v) v->as.b = b;
    return push(m, v);
}

static bool push_long(machine *m) {
    uint64_t n = 0;
    if (!take_number(m, 1, &n)) return false;
    if (n > 8) return fail(m, "an integer beyond 64 bits");
    const unsigned char *p = take(m, n);
    if (!p) return false;
    uint64_t x = n && p[n - 1] & 0x80 ? ~(uint64_t)0 : 0; /* two's complement */
    for (uint64_t i = n; i-- > 0;) x = x << 8 | p[i];
    return push_int(m, (int64_t)x);
}

static bool push_float(machine *m) {
    const unsigned char *p = take(m, 8);
    pickle_value *v = p ? new_value(m, PICKLE_FLOAT) : NULL;
    if (!v) return false;
    uint64_t bits = 0;
    for (int i = 0; i < 8; i++) bits = bits << 8 | p[i];
    memcpy(&v->as.f, &bits, 8);
    return push(m, v);
}

static bool push_string(machine *m, int bytes) {
    uint64_t n = 0;
    const unsigned char *p = take_number(m, bytes, &n) ? take(m, n) : NULL;
    pickle_value *v = p ? new_value(m, PICKLE_STRING) : NULL;
    if (!v) return false;
    v->as.s.data = (const char *)p;
    v->as.s.size = (size_t)n;
    return push(m, v);
}

static bool push_tuple(machine *m, pickle_value *const *at, size_t count) {
    pickle_value *v = new_value(m, PICKLE_TUPLE);
    if (!v) return false;
    for (size_t i = 0; i < count; i++) {
        if (!pickle_append(m->arena, &v->as.items, at[i])) return no_memory(m);
    }
    return push(m, v);
}

static bool push_small_tuple(machine *m, int count) {
    pickle_value *item[3];
    for (int i = count; i-- > 0;) {
        if (!(item[i] = pop(m))) return false;
    }
    return push_tuple(m, item, (size_t)count);
}

static bool push_global(machine *m, const char *module, size_t module_size, const char *name, size_t name_size) {
    int global = pickle_global(module, module_size, name, name_size);
    if (global < 0) {
        size_t most = 60;
        char *text = arena_alloc(m->arena, 256);
        if (!text) return no_memory(m);
        char *p = text;
        memcpy(p, "it asks for '", 13), p += 13;
        size_t n = module_size < most ? module_size : most;
        memcpy(p, module, n), p += n;
        *p++ = '.';
        n = name_size < most ? name_size : most;
        memcpy(p, name, n), p += n;
        memcpy(p, "', which weights do not need", 29);
        return fail(m, text);
    }
    pickle_value *v = new_value(m, PICKLE_GLOBAL);
    if (v) v->as.global = global;
    return push(m, v);
}

/* ---- opcodes that build ---- */

static bool op_global(machine *m) {
    const char *module, *name;
    size_t module_size, name_size;
    return take_line(m, &module, &module_size) && take_line(m, &name, &name_size) &&
           push_global(m, module, module_size, name, name_size);
}

static bool op_stack_global(machine *m) {
    const pickle_value *name = pop(m), *module = name ? pop(m) : NULL;
    if (!module) return false;
    if (module->kind != PICKLE_STRING || name->kind != PICKLE_STRING) return fail(m, "a global without a name");
    return push_global(m, module->as.s.data, module->as.s.size, name->as.s.data, name->as.s.size);
}

static bool op_reduce(machine *m) {
    const pickle_value *args = pop(m), *callee = args ? pop(m) : NULL;
    if (!callee) return false;
    if (callee->kind != PICKLE_GLOBAL || args->kind != PICKLE_TUPLE) return fail(m, "REDUCE of what is no global");
    pickle_value *v = pickle_reduce(m->arena, callee->as.global, args, &m->why);
    if (!v && !m->why) return no_memory(m);
    return push(m, v);
}

static bool op_persistent(machine *m) {
    const pickle_value *id = pop(m);
    if (!id) return false;
    pickle_value *v = pickle_persistent(m->arena, id, &m->why);
    if (!v) return m->why ? false : no_memory(m);
    pickle_storages *s = m->storages;
    if (s->count == s->capacity) {
        size_t capacity = s->capacity ? s->capacity * 2 : 64;
        const pickle_storage **at = ARENA_ARRAY(m->arena, const pickle_storage *, capacity);
        if (!at) return no_memory(m);
        if (s->count) memcpy(at, s->at, s->count * sizeof *at);
        s->at = at;
        s->capacity = capacity;
    }
    s->at[s->count++] = &v->as.storage;
    return push(m, v);
}

/* The state of an OrderedDict (its _metadata) says nothing about weights: dropped. */
static bool op_build(machine *m) {
    const pickle_value *state = pop(m);
    if (!state || !top(m, PICKLE_DICT)) return false;
    if (state->kind != PICKLE_DICT && state->kind != PICKLE_NONE) return fail(m, "BUILD with a state that is no dict");
    return true;
}

static bool set_items(machine *m, pickle_value *const *at, size_t count) {
    pickle_value *dict = top(m, PICKLE_DICT);
    if (!dict) return false;
    if (count % 2) return fail(m, "a key without a value");
    for (size_t i = 0; i < count; i++) {
        if (!pickle_append(m->arena, &dict->as.items, at[i])) return no_memory(m);
    }
    return true;
}

static bool append_items(machine *m, pickle_value *const *at, size_t count) {
    pickle_value *list = top(m, PICKLE_LIST);
    if (!list) return false;
    for (size_t i = 0; i < count; i++) {
        if (!pickle_append(m->arena, &list->as.items, at[i])) return no_memory(m);
    }
    return true;
}

static bool op_set_item(machine *m) {
    pickle_value *pair[2];
    if (!(pair[1] = pop(m)) || !(pair[0] = pop(m))) return false;
    return set_items(m, pair, 2);
}

/* ---- the memo ---- */

static bool memo_put(machine *m, uint64_t index) {
    if (m->stack.count <= floor_of(m)) return fail(m, "the stack is empty");
    if (index >= m->size) return fail(m, "a memo number that no writer reaches");
    while (m->memo.count <= index) {
        if (!pickle_append(m->arena, &m->memo, NULL)) return no_memory(m);
    }
    m->memo.at[index] = m->stack.at[m->stack.count - 1];
    return true;
}

static bool memo_get(machine *m, uint64_t index) {
    if (index >= m->memo.count || !m->memo.at[index]) return fail(m, "a memo number that was never set");
    return push(m, m->memo.at[index]);
}

static bool op_memo(machine *m, int bytes, bool put) {
    uint64_t index = 0;
    if (!take_number(m, bytes, &index)) return false;
    return put ? memo_put(m, index) : memo_get(m, index);
}

static bool op_number(machine *m, int bytes) {
    uint64_t x = 0;
    if (!take_number(m, bytes, &x)) return false;
    return push_int(m, bytes == 4 ? (int64_t)(int32_t)(uint32_t)x : (int64_t)x);
}

static bool op_marked(machine *m, char code) {
    pickle_value **at;
    size_t count;
    if (!pop_mark(m, &at, &count)) return false;
    switch (code) {
    case 't':
        return push_tuple(m, at, count);
    case 'e':
        return append_items(m, at, count);
    case 'u':
        return set_items(m, at, count);
    default:
        return true; /* '1': POP_MARK */
    }
}

static bool op_pop(machine *m) {
    if (m->n_marks && m->stack.count == m->marks[m->n_marks - 1]) {
        m->n_marks--;
        return true;
    }
    return pop(m) != NULL;
}

static bool op_dup(machine *m) {
    if (m->stack.count <= floor_of(m)) return fail(m, "the stack is empty");
    return push(m, m->stack.at[m->stack.count - 1]);
}

static bool op_append(machine *m) {
    pickle_value *item = pop(m);
    return item && append_items(m, &item, 1);
}

/* One opcode; the names are those of Python's pickle.py. */
static bool step(machine *m, unsigned char code) {
    uint64_t ignored;
    switch (code) {
    case 0x80:
        return take_number(m, 1, &ignored) && (ignored <= 5 || fail(m, "a newer pickle protocol")); /* PROTO */
    case 0x95:
        return take_number(m, 8, &ignored); /* FRAME */
    case '(':
        return push_mark(m);
    case '0':
        return op_pop(m);
    case '2':
        return op_dup(m);
    case 'N':
        return push(m, new_value(m, PICKLE_NONE));
    case 0x88:
        return push_bool(m, true);
    case 0x89:
        return push_bool(m, false);
    case 'J':
        return op_number(m, 4);
    case 'K':
        return op_number(m, 1);
    case 'M':
        return op_number(m, 2);
    case 0x8a:
        return push_long(m);
    case 'G':
        return push_float(m);
    case 'X':
        return push_string(m, 4); /* BINUNICODE */
    case 0x8c:
        return push_string(m, 1); /* SHORT_BINUNICODE */
    case 0x8d:
        return push_string(m, 8); /* BINUNICODE8 */
    case 'T':
        return push_string(m, 4); /* BINSTRING, Python 2 */
    case 'U':
        return push_string(m, 1); /* SHORT_BINSTRING */
    case 'B':
        return push_string(m, 4); /* BINBYTES */
    case 'C':
        return push_string(m, 1); /* SHORT_BINBYTES */
    case ')':
        return push_tuple(m, NULL, 0);
    case 0x85:
        return push_small_tuple(m, 1);
    case 0x86:
        return push_small_tuple(m, 2);
    case 0x87:
        return push_small_tuple(m, 3);
    case ']':
        return push(m, new_value(m, PICKLE_LIST));
    case '}':
        return push(m, new_value(m, PICKLE_DICT));
    case 't': /* TUPLE */
    case 'e': /* APPENDS */
    case 'u': /* SETITEMS */
    case '1':
        return op_marked(m, (char)code);
    case 'a':
        return op_append(m);
    case 's':
        return op_set_item(m);
    case 'q':
        return op_memo(m, 1, true);
    case 'r':
        return op_memo(m, 4, true);
    case 'h':
        return op_memo(m, 1, false);
    case 'j':
        return op_memo(m, 4, false);
    case 0x94:
        return memo_put(m, m->memo.count); /* MEMOIZE */
    case 'c':
        return op_global(m);
    case 0x93:
        return op_stack_global(m);
    case 'R':
        return op_reduce(m);
    case 'b':
        return op_build(m);
    case 'Q':
        return op_persistent(m);
    default:
        return fail(m, "that opcode is not on the list of what weights need");
    }
}

hst_status pickle_load(arena *a, const char *path, const unsigned char *data, size_t size, pickle_storages *storages,
                       pickle_value **out, size_t *used, hst_error *err) {
    machine m = {.arena = a, .path = path, .data = data, .size = size, .storages = storages};
    for (;;) {
        size_t place = m.at;
        const unsigned char *code = take(&m, 1);
        if (code && *code == '.') {
            *out = pop(&m);
            if (*out && (m.stack.count || m.n_marks)) fail(&m, "it stops with values left on the stack");
            if (*out && !m.why) {
                *used = m.at;
                return HST_STATUS_OK;
            }
        } else if (code && step(&m, *code)) {
            continue;
        }
        if (m.no_memory) return error_no_memory(err, arena_used(a), "the pickle of a torch file");
        return error_set(err, HST_STATUS_BAD_FORMAT, path, "'%s': pickle byte %zu (opcode 0x%02x): %s", path, place,
                         code ? *code : 0u, m.why ? m.why : "damaged");
    }
}
