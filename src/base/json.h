/* JSON documents of configuration size, by jansson: loaded with limits and good positions, read with typed getters that
 * check ranges. Duplicate keys, text after the value and invalid UTF-8 are refused. (Large files: base/json_stream.h.)
 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <jansson.h>

#include "base/error.h"

#define JSON_DEPTH_MOST  128                /* arrays and objects inside each other */
#define JSON_CONFIG_MOST ((size_t)64 << 20) /* a configuration or index file */

/* Parses `size` bytes; `name` is the file (or what the text is) for messages: "config.json, line 3, column 14: …".
 * Ownership: json_decref(*out). */
hst_status json_doc_parse(const char *name, const char *text, size_t size, json_t **out, hst_error *err);
/* The same from a file of at most `most` bytes. */
hst_status json_doc_read(const char *path, size_t most, json_t **out, hst_error *err);

/* Typed getters of an object's member. Absent or null: `otherwise`. Another type, or a number outside [low, high]:
 * BAD_FORMAT that names file, key, what is there and what is allowed. An integer may be written as 3.0. */
hst_status json_member_s64(const json_t *object, const char *file, const char *key, int64_t otherwise, int64_t low,
                           int64_t high, int64_t *out, hst_error *err);
hst_status json_member_f64(const json_t *object, const char *file, const char *key, double otherwise, double low,
                           double high, double *out, hst_error *err);
hst_status json_member_bool(const json_t *object, const char *file, const char *key, bool otherwise, bool *out,
                            hst_error *err);
/* The string lives as long as the object. */
hst_status json_member_string(const json_t *object, const char *file, const char *key, const char *otherwise,
                              const char **out, hst_error *err);

const char *json_kind(const json_t *v); /* "a string", "an integer", "nothing" for NULL … */

#endif
