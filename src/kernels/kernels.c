/* Choosing kernels: of those that can run here, the highest ISA and rank of each slot. */
#include "kernels/kernels.h"

#include <pthread.h>
#include <string.h>

static kernels chosen;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void choose(void) {
    const kernel *best[sizeof(kernels) / sizeof(kernel_fn)] = {0};
    for (int i = 0; i < kernel_list_count; i++) {
        const kernel *k = kernel_list[i];
        size_t at = k->slot / sizeof(kernel_fn);
        if (!cpu_has(k->isa)) continue;
        const kernel *b = best[at];
        if (b && (b->isa > k->isa || (b->isa == k->isa && b->rank >= k->rank))) continue;
        best[at] = k;
        memcpy((char *)&chosen + k->slot, &k->fn, sizeof k->fn);
    }
}

const kernels *kernels_get(void) {
    pthread_once(&once, choose);
    return &chosen;
}

const kernel *kernels_chosen(size_t slot) {
    const char *table = (const char *)kernels_get();
    for (int i = 0; i < kernel_list_count; i++)
        if (kernel_list[i]->slot == slot && memcmp(table + slot, &kernel_list[i]->fn, sizeof(kernel_fn)) == 0)
            return kernel_list[i];
    return kernel_list[0]; /* never: every slot has a reference */
}

const kernel *kernels_better(const char *name) {
    const kernel *own = NULL, *best = NULL;
    for (int i = 0; i < kernel_list_count && !own; i++)
        if (strcmp(kernel_list[i]->name, name) == 0) own = kernel_list[i];
    for (int i = 0; i < kernel_list_count && own; i++) {
        const kernel *k = kernel_list[i];
        if (k->slot != own->slot || cpu_has(k->isa) || cpu_on_request(k->isa)) continue;
        if (k->isa > (best ? best->isa : own->isa)) best = k;
    }
    return best;
}
