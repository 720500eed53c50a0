/* A 64-bit checksum against damage (not against forgers): four lanes of 8-byte words, fed in pieces of any size. The
 * result depends on the bytes alone, not on how they were cut into pieces. */
#ifndef BASE_CHECKSUM_H
#define BASE_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

typedef struct checksum {
    uint64_t lane[4], total;
    unsigned char rest[32]; /* total % 32 bytes that wait for more */
} checksum;

void checksum_begin(checksum *c);
void checksum_add(checksum *c, const void *data, size_t size);
uint64_t checksum_end(const checksum *c);
uint64_t checksum_of(const void *data, size_t size);

#endif
