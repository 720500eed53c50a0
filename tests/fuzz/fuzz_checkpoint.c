/* A whole checkpoint, changed: 4 bytes that say how long config.json is, its text, then a weight file (safetensors or
 * torch). What can be built is optimised and run (sessions.h). The mutator changes numbers in the texts (sizes of the
 * config, shapes and places of safetensors), bytes of either, or what a torch file's pickle says. */
#include <ctype.h>
#include <stdlib.h>

#include "fuzz/built.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);
/* libFuzzer's own changes of bytes; NULL where a corpus is replayed. */
__attribute__((weak)) size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);

#define LENGTH sizeof(uint32_t)

/* Bytes of config.json; the input is as long as it says. */
static size_t config_size(const uint8_t *data, size_t size) {
    uint32_t n;
    if (size < LENGTH) return 0;
    memcpy(&n, data, LENGTH);
    return n < size - LENGTH ? n : size - LENGTH;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < LENGTH) return 0;
    const size_t n = config_size(data, size), rest = size - LENGTH - n;
    void *weights = NULL; /* as aligned as a file map is */
    if (posix_memalign(&weights, 64, rest ? rest : 1) != 0) return 0;
    if (rest) memcpy(weights, data + LENGTH + n, rest);
    build_and_run((const char *)data + LENGTH, n, weights, rest, hash_bytes(size, data, size));
    free(weights);
    return 0;
}

/* ---- the mutator ---- */

/* Another number in place of one in text [from, from + n): its bytes more or fewer. */
static size_t change_number(uint8_t *data, size_t size, size_t max_size, size_t from, size_t *n, uint64_t *random) {
    char text[24];
    size_t at = n && *n ? from + (size_t)(dice_roll(random) % *n) : from;
    while (at < from + *n && !isdigit(data[at])) at++;
    size_t end = at;
    while (end < from + *n && isdigit(data[end])) end++;
    if (at == end) return size;
    const int64_t now = strtoll((const char *)memcpy(text, data + at, end - at < 20 ? end - at : 20), NULL, 10);
    const int written = snprintf(text, sizeof text, "%lld", (long long)dice_s64(random, now));
    const size_t more = (size_t)written, less = end - at;
    if (size - less + more > max_size) return size;
    memmove(data + at + more, data + end, size - end);
    memcpy(data + at, text, more);
    *n = *n - less + more;
    return size - less + more;
}

static size_t change_config(uint8_t *data, size_t size, size_t max_size, uint64_t *random) {
    size_t n = config_size(data, size);
    size = change_number(data, size, max_size, LENGTH, &n, random);
    const uint32_t length = (uint32_t)n;
    memcpy(data, &length, LENGTH);
    return size;
}

/* The JSON in front of a safetensors file, whose length stands before it. */
static size_t change_header(uint8_t *data, size_t size, size_t max_size, uint64_t *random) {
    const size_t at = LENGTH + config_size(data, size);
    uint64_t length;
    if (size - at < sizeof length) return size;
    memcpy(&length, data + at, sizeof length);
    if (length > size - at - sizeof length) return size;
    size_t n = (size_t)length;
    size = change_number(data, size, max_size, at + sizeof length, &n, random);
    length = n;
    memcpy(data + at, &length, sizeof length);
    return size;
}

static void change_byte(uint8_t *data, size_t from, size_t n, uint64_t *random) {
    if (n) data[from + (size_t)(dice_roll(random) % n)] = (uint8_t)dice_roll(random);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed) {
    uint64_t random = seed;
    if (size <= LENGTH) return size;
    const size_t n = config_size(data, size);
    switch (dice_below(&random, 6)) {
    case 0:
    case 1:
        return change_config(data, size, max_size, &random);
    case 2:
    case 3:
        return change_header(data, size, max_size, &random);
    case 4:
        change_byte(data, LENGTH, n, &random);
        change_byte(data, LENGTH + n, size - LENGTH - n, &random);
        return size;
    default:
        return LLVMFuzzerMutate ? LLVMFuzzerMutate(data, size, max_size) : size - size / 3;
    }
}
