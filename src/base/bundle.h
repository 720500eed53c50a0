/* The small files beside a model, by name: those of a folder, or the ones that an engine file carries ("files/<name>").
 * For what is read once when something is opened. */
#ifndef BASE_BUNDLE_H
#define BASE_BUNDLE_H

#include "base/section_file.h"

#define BUNDLE_PREFIX "files/" /* of the sections that are such files */

typedef struct bundle bundle;
struct json_t; /* jansson's: base/json.h cannot stand beside base/json_stream.h */

/* `path`: a folder, or an engine file. Ownership: bundle_free. */
hst_status bundle_open(const char *path, bundle **out, hst_error *err);
void bundle_free(bundle *b);
bool bundle_has(const bundle *b, const char *name);
/* The file's text, malloc'ed, a NUL behind it; NULL where there is no such file. At most JSON_CONFIG_MOST bytes. */
hst_status bundle_text(const bundle *b, const char *name, char **text, size_t *size, hst_error *err);
/* The same as a JSON document. Ownership: json_decref(*out). */
hst_status bundle_json(const bundle *b, const char *name, struct json_t **out, hst_error *err);
/* The same of a file that the file `from` of the bundle names: it may lie inside the folder only (file_resolve_inside),
 * and must be there. */
hst_status bundle_text_named(const bundle *b, const char *from, const char *name, char **text, size_t *size,
                             hst_error *err);
hst_status bundle_json_named(const bundle *b, const char *from, const char *name, struct json_t **out, hst_error *err);

#endif
