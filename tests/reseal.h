/* Engine files that were changed, with right checksums again: what a forger, not an accident, would make. */
#ifndef TESTS_RESEAL_H
#define TESTS_RESEAL_H

#include <string.h>

#include "base/checked.h"
#include "base/checksum.h"
#include "base/section_format.h"

/* Makes length, count and checksums of an image right; sections that lie outside of it stay as they are. */
static inline void reseal(unsigned char *image, size_t size) {
    section_head head;
    if (size < sizeof head) return;
    memcpy(&head, image, sizeof head);
    section_entry *table = (section_entry *)(void *)(image + sizeof head);
    head.size = size;
    if (head.count > (size - sizeof head) / sizeof *table)
        head.count = (uint32_t)((size - sizeof head) / sizeof *table);
    for (uint32_t i = 0; i < head.count; i++)
        if (range_inside(table[i].offset, table[i].size, size))
            table[i].checksum = checksum_of(image + table[i].offset, (size_t)table[i].size);
    head.checksum = 0;
    checksum c;
    checksum_begin(&c);
    checksum_add(&c, &head, sizeof head);
    checksum_add(&c, table, head.count * sizeof *table);
    head.checksum = checksum_end(&c);
    memcpy(image, &head, sizeof head);
}

#endif
