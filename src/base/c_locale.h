/* The "C" locale: numbers in files are written with a point, whatever locale the process runs under. */
#ifndef BASE_C_LOCALE_H
#define BASE_C_LOCALE_H

#include <locale.h>

/* Made on first use and kept; 0 where the system has no memory for it: then the process's locale is what there is. */
locale_t c_locale(void);
/* From here to c_locale_end, this thread reads and writes numbers as in the C locale. */
locale_t c_locale_begin(void);
void c_locale_end(locale_t before);
/* strtod of the C locale. */
double c_locale_strtod(const char *text, char **end);

#endif
