/* The bytes of section_file.h's header and table; for base/section_*.c alone. Little-endian, as every machine that
 * hasten runs on. */
#ifndef BASE_SECTION_FORMAT_H
#define BASE_SECTION_FORMAT_H

#include <stdint.h>

#include "base/section_file.h"

#define SECTION_MAGIC      "\x89HST\r\n\x1a\n"
#define SECTION_COUNT_MOST 256
#define SECTION_ALIGN      64
#define SECTION_ALIGN_LARGE                                                                                            \
    ((uint64_t)2 << 20) /* of sections that are at least so large: pages of 2 MiB may hold them */

typedef struct section_head {
    char magic[8];
    uint32_t version, count;
    uint64_t size;
    unsigned char zero[32];
    uint64_t checksum;
} section_head;

typedef struct section_entry {
    char name[SECTION_NAME_MOST + 1];
    uint64_t offset, size, checksum;
    uint32_t flags, zero;
} section_entry;

_Static_assert(sizeof(section_head) == 64 && sizeof(section_entry) == 128, "the format");

#endif
