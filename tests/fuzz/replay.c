/* Runs a fuzz target over every file of a corpus folder, and over each file cut short, or, where the target brings a
 * mutator of its own, changed by that: the plain test of a parser. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

__attribute__((weak)) int LLVMFuzzerInitialize(int *argc, char ***argv);
__attribute__((weak)) size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);

#define FILE_MOST ((size_t)1 << 20)
#define CHANGES   4 /* of each file by a mutator, always the same ones */

/* A copy of exact size on the heap, so that a sanitizer sees a read beyond it. */
static void feed(const uint8_t *data, size_t size) {
    uint8_t *copy = calloc(size ? size : 1, 1);
    if (!copy) exit(1);
    memcpy(copy, data, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

static int replay(const char *path) {
    FILE *f = fopen(path, "rb");
    if (!f) return 0;
    uint8_t *data = malloc(FILE_MOST);
    size_t size = data ? fread(data, 1, FILE_MOST, f) : 0;
    fclose(f);
    feed(data, size);
    if (LLVMFuzzerCustomMutator) {
        for (unsigned seed = 0; seed < CHANGES; seed++) {
            size = LLVMFuzzerCustomMutator(data, size, FILE_MOST, seed);
            feed(data, size);
        }
    } else {
        for (size_t cut = size / 2; cut; cut /= 2) feed(data, size - cut);
    }
    free(data);
    return 1;
}

int main(int argc, char **argv) {
    int count = 0;
    if (LLVMFuzzerInitialize) LLVMFuzzerInitialize(&argc, &argv);
    feed((const uint8_t *)"", 0);
    for (int i = 1; i < argc; i++) {
        DIR *folder = opendir(argv[i]);
        if (!folder) continue;
        for (struct dirent *e; (e = readdir(folder));) {
            char path[4096];
            if (e->d_name[0] == '.') continue;
            snprintf(path, sizeof path, "%s/%s", argv[i], e->d_name);
            count += replay(path);
        }
        closedir(folder);
    }
    printf("replayed %d files\n", count);
    return count ? 0 : 1; /* an empty corpus tests nothing */
}
