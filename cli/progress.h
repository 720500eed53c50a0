/* A progress bar on standard error: only on a terminal, and only when it takes a while. */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include "hasten.h"

typedef struct progress {
    bool on;
    uint64_t begin_ns, drawn_ns;
    bool drawn;
} progress;

/* `on` false: never draws. */
void progress_begin(progress *p, bool on);
/* `share` of the work is done, 0 … 1 (negative: not known), `texts` are answered. */
void progress_show(progress *p, double share, size_t texts);
/* Takes the bar off the screen, so that something else can be printed. */
void progress_clear(progress *p);

#endif
