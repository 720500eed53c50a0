/* One mutex guards the two free lists; it is held for a few instructions. */
#include "exec/outputs.h"

#include <pthread.h>
#include <string.h>

#include "base/checked.h"

typedef struct out_buffer {
    tensor_buffer base; /* base.owner is the outputs */
    struct out_buffer *next;
    size_t capacity;
    uint64_t used; /* number of the run that last took it */
} out_buffer;

typedef struct out_handle {
    struct out_handle *next;
} out_handle;

#define HEAD         ((sizeof(out_buffer) + MEMORY_ALIGN - 1) / MEMORY_ALIGN * MEMORY_ALIGN)
#define HANDLES_MOST 256 /* free ones that are kept */

struct outputs {
    hst_allocator allocator, handles;
    pthread_mutex_t lock;
    out_buffer *free_buffers;
    out_handle *free_handles;
    int n_free_handles;
    size_t references; /* the session, and every buffer and handle in a caller's hand */
    size_t free, keep; /* bytes of free_buffers, and how many there may be */
    uint64_t run;
    bool closed;
};

static void destroy(outputs *o) {
    pthread_mutex_destroy(&o->lock);
    hst_allocator a = o->allocator;
    memory_free(&a, o, sizeof *o);
}

/* Ends a locked part that dropped a reference. */
static void unlock_drop(outputs *o) {
    bool last = --o->references == 0;
    pthread_mutex_unlock(&o->lock);
    if (last) destroy(o);
}

/* Every block from here holds a reference, whatever it is used for; those of a handle's size are recycled. */
static void *handle_alloc(void *user, size_t size, size_t align) {
    outputs *o = user;
    out_handle *h = NULL;
    pthread_mutex_lock(&o->lock);
    if (size == sizeof(hst_tensor) && align <= 16 && o->free_handles) {
        h = o->free_handles;
        o->free_handles = h->next;
        o->n_free_handles--;
    } else {
        h = memory_alloc(&o->allocator, size, align);
    }
    if (h) o->references++;
    pthread_mutex_unlock(&o->lock);
    return h;
}

static void handle_free(void *user, void *memory, size_t size) {
    outputs *o = user;
    pthread_mutex_lock(&o->lock);
    if (size == sizeof(hst_tensor) && !o->closed && o->n_free_handles < HANDLES_MOST) {
        out_handle *h = memory;
        h->next = o->free_handles;
        o->free_handles = h;
        o->n_free_handles++;
    } else {
        memory_free(&o->allocator, memory, size);
    }
    unlock_drop(o);
}

static size_t size_of(const out_buffer *b) {
    return HEAD + b->capacity;
}

static void free_buffer(const outputs *o, out_buffer *b) {
    memory_free(&o->allocator, b, size_of(b));
}

static void buffer_release(tensor_buffer *base) {
    out_buffer *b = (out_buffer *)base;
    outputs *o = base->owner;
    pthread_mutex_lock(&o->lock);
    if (o->closed || o->free > o->keep || size_of(b) > o->keep - o->free) {
        free_buffer(o, b);
    } else {
        o->free += size_of(b);
        b->next = o->free_buffers;
        o->free_buffers = b;
    }
    unlock_drop(o);
}

outputs *outputs_new(const hst_allocator *a) {
    if (!a) a = allocator_default();
    outputs *o = memory_alloc(a, sizeof *o, 16);
    if (!o) return NULL;
    memset(o, 0, sizeof *o);
    o->allocator = *a;
    o->handles = (hst_allocator){o, handle_alloc, handle_free};
    o->references = 1;
    if (pthread_mutex_init(&o->lock, NULL) != 0) {
        memory_free(a, o, sizeof *o);
        return NULL;
    }
    return o;
}

static void free_handles(outputs *o) {
    while (o->free_handles) {
        out_handle *h = o->free_handles;
        o->free_handles = h->next;
        memory_free(&o->allocator, h, sizeof(hst_tensor));
    }
    o->n_free_handles = 0;
}

/* Sizes are rounded up to eighths of a power of two, so that a buffer fits the next, slightly different, shape. */
static bool size_class(size_t size, size_t *out) {
    size_t step = MEMORY_ALIGN;
    while (size / step >= 16) step *= 2;
    return size_align(size ? size : 1, step, out);
}

bool outputs_need(size_t size, size_t *need) {
    return size_class(size, need) && size_add(*need, HEAD, need);
}

/* The smallest free one that is not twice too large. */
static out_buffer *take_free(outputs *o, size_t want) {
    out_buffer **best = NULL;
    for (out_buffer **at = &o->free_buffers; *at; at = &(*at)->next)
        if ((*at)->capacity >= want && (*at)->capacity / 2 <= want && (!best || (*at)->capacity < (*best)->capacity))
            best = at;
    if (!best) return NULL;
    out_buffer *b = *best;
    *best = b->next;
    o->free -= size_of(b);
    return b;
}

tensor_buffer *outputs_take(outputs *o, size_t size, bool make) {
    size_t need;
    if (!outputs_need(size, &need)) return NULL;
    pthread_mutex_lock(&o->lock);
    out_buffer *b = take_free(o, need - HEAD);
    if (!b && make && (b = memory_alloc(&o->allocator, need, MEMORY_ALIGN))) b->capacity = need - HEAD;
    if (b) {
        b->used = o->run;
        b->next = NULL;
        b->base = (tensor_buffer){.references = 1,
                                  .release = buffer_release,
                                  .owner = o,
                                  .allocator = o->allocator,
                                  .size = b->capacity,
                                  .data = (char *)b + HEAD};
        o->references++;
    }
    pthread_mutex_unlock(&o->lock);
    return b ? &b->base : NULL;
}

size_t outputs_size(const tensor_buffer *b) {
    return HEAD + b->size;
}

const hst_allocator *outputs_handles(outputs *o) {
    return &o->handles;
}

/* Frees what the last `runs` runs did not take. The lock is held. */
static size_t give_back(outputs *o, uint64_t runs) {
    size_t bytes = 0;
    for (out_buffer **at = &o->free_buffers; *at;) {
        out_buffer *b = *at;
        if (o->run - b->used < runs) {
            at = &b->next;
            continue;
        }
        *at = b->next;
        bytes += size_of(b);
        free_buffer(o, b);
    }
    o->free -= bytes;
    return bytes;
}

/* In one go: what another thread drops before it lies free, what it drops after it is freed at once. */
void outputs_close(outputs *o) {
    if (!o) return;
    pthread_mutex_lock(&o->lock);
    o->closed = true;
    give_back(o, 0);
    free_handles(o);
    unlock_drop(o);
}

void outputs_age(outputs *o) {
    pthread_mutex_lock(&o->lock);
    o->run++;
    give_back(o, OUTPUTS_KEEP_RUNS + 1);
    pthread_mutex_unlock(&o->lock);
}

size_t outputs_trim(outputs *o) {
    pthread_mutex_lock(&o->lock);
    const size_t bytes = give_back(o, 0);
    free_handles(o);
    pthread_mutex_unlock(&o->lock);
    return bytes;
}

size_t outputs_free(outputs *o) {
    pthread_mutex_lock(&o->lock);
    const size_t bytes = o->free;
    pthread_mutex_unlock(&o->lock);
    return bytes;
}

size_t outputs_keep(outputs *o, size_t most) {
    pthread_mutex_lock(&o->lock);
    const size_t bytes = o->free;
    o->keep = most;
    pthread_mutex_unlock(&o->lock);
    return bytes;
}
