/* See c_locale.h. */
#include "base/c_locale.h"

#include <stdatomic.h>
#include <stdlib.h>

locale_t c_locale(void) {
    static _Atomic(locale_t) shared;
    locale_t c = atomic_load(&shared);
    if (c) return c;
    const locale_t mine = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (!mine || atomic_compare_exchange_strong(&shared, &c, mine)) return mine;
    freelocale(mine);
    return c;
}

locale_t c_locale_begin(void) {
    const locale_t c = c_locale();
    return c ? uselocale(c) : (locale_t)0;
}

void c_locale_end(locale_t before) {
    if (before) uselocale(before);
}

double c_locale_strtod(const char *text, char **end) {
    const locale_t c = c_locale();
    return c ? strtod_l(text, end, c) : strtod(text, end);
}
