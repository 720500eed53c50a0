/* Drawing the progress bar. */
#include "progress.h"

#include <stdio.h>

#define FIRST_NS UINT64_C(500000000) /* before this nobody is waiting */
#define EACH_NS  UINT64_C(100000000)
#define WIDTH    30

void progress_begin(progress *p, bool on) {
    *p = (progress){.on = on, .begin_ns = hst_clock_ns()};
}

void progress_show(progress *p, double share, size_t texts) {
    uint64_t now = hst_clock_ns();
    if (!p->on || now - p->begin_ns < FIRST_NS || now - p->drawn_ns < EACH_NS) return;
    p->drawn_ns = now;
    p->drawn = true;
    double seconds = (double)(now - p->begin_ns) / 1e9;
    fputs("\r\033[K", stderr);
    if (share >= 0) {
        int full = (int)(share * WIDTH);
        fputc('[', stderr);
        for (int i = 0; i < WIDTH; i++) fputc(i < full ? '#' : '.', stderr);
        fprintf(stderr, "] %3d %%  ", (int)(share * 100));
    }
    fprintf(stderr, "%zu texts, %.0f/s", texts, (double)texts / seconds);
    if (share > 0.01) fprintf(stderr, ", %.0f s left", seconds / share - seconds);
    fflush(stderr);
}

void progress_clear(progress *p) {
    if (p->drawn) fputs("\r\033[K", stderr);
    p->drawn = false;
}
