/* Unicode normal forms over a text in work. */
#ifndef TEXT_FORMS_H
#define TEXT_FORMS_H

#include "text/work.h"

/* Replaces w->line by its normal form: NFD, NFKD (compatible), NFC or NFKC (compose). */
hst_status forms_normalize(text_work *w, bool compatible, bool compose, hst_error *err);

#endif
