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
