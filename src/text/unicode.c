/* Lower case from the generated table; decomposition and composition through utf8proc. */
#include "text/unicode.h"

#include <utf8proc.h>

int unicode_lower(uint32_t cp, uint32_t out[2]) {
    out[0] = cp;
    if (cp < 0x80) {
        if (cp >= 'A' && cp <= 'Z') out[0] = cp + 32;
        return 1;
    }
    if (!(unicode_class(cp) & UNICODE_CASED)) return 1;
    if (cp == 0x130) { /* I with dot above: the only one that grows */
        out[0] = 0x69;
        out[1] = 0x307;
        return 2;
    }
    int low = 0, high = unicode_lower_count;
    while (low < high) {
        int middle = (low + high) / 2;
        if (unicode_lower_pairs[middle][0] < cp) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low < unicode_lower_count && unicode_lower_pairs[low][0] == cp) out[0] = unicode_lower_pairs[low][1];
    return 1;
}

int unicode_decompose(uint32_t cp, bool compatible, uint32_t out[UNICODE_DECOMPOSE_MAX]) {
    utf8proc_int32_t found[UNICODE_DECOMPOSE_MAX];
    int boundary = 0;
    out[0] = cp;
    if (cp < 0x80 || !(unicode_class(cp) & UNICODE_NORM)) return 1;
    utf8proc_option_t options = UTF8PROC_DECOMPOSE | (compatible ? UTF8PROC_COMPAT : 0);
    utf8proc_ssize_t n =
        utf8proc_decompose_char((utf8proc_int32_t)cp, found, UNICODE_DECOMPOSE_MAX, options, &boundary);
    if (n < 1 || n > UNICODE_DECOMPOSE_MAX) return 1;
    for (int i = 0; i < (int)n; i++) out[i] = (uint32_t)found[i];
    return (int)n;
}

int unicode_combining_class(uint32_t cp) {
    if (cp < 0x300 || !(unicode_class(cp) & UNICODE_NORM)) return 0;
    return (int)utf8proc_get_property((utf8proc_int32_t)cp)->combining_class;
}

uint32_t unicode_compose(uint32_t first, uint32_t second) {
    if (second < 0x300 || first > 0x10ffff || second > 0x10ffff) return 0;
    utf8proc_int32_t pair[3] = {(utf8proc_int32_t)first, (utf8proc_int32_t)second, 0};
    if (utf8proc_normalize_utf32(pair, 2, UTF8PROC_COMPOSE | UTF8PROC_STABLE) != 1) return 0;
    return unicode_class((uint32_t)pair[0]) & UNICODE_NORM ? (uint32_t)pair[0] : 0;
}
