/* Texts for `hasten run`: from the command line or a stream of lines, JSON Lines or CSV. */
#ifndef CLI_TEXTS_H
#define CLI_TEXTS_H

#include <stdio.h>

#include "hasten.h"

typedef enum texts_format { TEXTS_AUTO, TEXTS_LINES, TEXTS_JSONL, TEXTS_CSV } texts_format;

typedef struct texts_reader {
    FILE *from;
    const char *name; /* of the stream, for messages */
    texts_format format;
    const char *column; /* JSON key or CSV column of the text; NULL: "text", "sentence" or (CSV) the first */
    uint64_t bytes;     /* read so far */
    /* private */
    size_t line_number;
    int text_column, pair_column;
    char *line;
    size_t line_capacity;
} texts_reader;

/* A chunk: n texts; pairs is NULL where none has a second text. Reused from call to call. */
typedef struct texts_chunk {
    size_t n, capacity;
    hst_string *texts, *pairs;
    bool any_pair;
} texts_chunk;

/* Reads up to `most` texts; 0 at the end. Errors: BAD_FORMAT names the line. */
hst_status texts_read(texts_reader *r, texts_chunk *c, size_t most, hst_error *err);
void texts_reader_free(texts_reader *r);
void texts_chunk_free(texts_chunk *c);

#endif
