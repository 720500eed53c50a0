/* What this machine can do: how fast threads multiply and add in f32, and how fast they read memory. Nothing can run
 * faster than  max(multiply-adds / flops * 2, weight bytes / read bandwidth). */
#ifndef CLI_MACHINE_H
#define CLI_MACHINE_H

#include <jansson.h>

#include "hasten.h"

/* The machine's speed drifts where others use it too: `best` is the peak, `median` what it gave in those seconds. */
typedef struct machine_rate {
    double best, median; /* a second; 0: could not be measured */
} machine_rate;

/* f32 operations (an FMA is two), in independent chains that stay in registers. About `seconds` are spent. */
machine_rate machine_flops(int threads, double seconds);
/* Bytes read from memory, each thread its own part of a block far larger than the caches. */
machine_rate machine_bandwidth(int threads, double seconds);
/* Processor, ISA, caches, and both rates for 1, 2, 4 … and all threads, as a JSON object (NULL: no memory). */
json_t *machine_report(double seconds);
void machine_print(const json_t *report);

#endif
