/* An allocator that counts what is alive and refuses what would pass a limit: it is asked before anything is allocated.
 * It lives until its owner has closed it, which ends the limit, and the last of its blocks is freed; from any thread.
 */
#ifndef BASE_METER_H
#define BASE_METER_H

#include "base/memory.h"

typedef struct meter meter;

/* `a` NULL: libc. NULL: no memory. The limit begins at 0. Ownership: meter_close (NULL is allowed). */
meter *meter_new(const hst_allocator *a);
void meter_close(meter *m);
/* Lives as long as the meter; copies of it as long as their blocks. */
const hst_allocator *meter_allocator(const meter *m);
/* Bytes that may be alive from now on. */
void meter_limit(meter *m, size_t most);
size_t meter_live(const meter *m);
/* The most that was alive since this was last asked. */
size_t meter_peak(meter *m);
/* Asked before something is refused, from the thread that allocates: gives back memory that it only keeps, and says how
 * many bytes; so many more may then be alive. */
void meter_on_limit(meter *m, size_t (*relieve)(void *user), void *user);
/* Whether something was refused since this was last asked, for the limit and not for want of memory. */
bool meter_refused(meter *m);

#endif
