/* JSON documents by jansson, see json.h. */
#include "base/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

/* jansson's own limit (2,048) is a compile-time one; this one is ours and does not depend on how it was built. */
static bool too_deep(const char *text, size_t size, size_t *at) {
    int depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < size; i++) {
        char c = text[i];
        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            if (++depth > JSON_DEPTH_MOST) {
                *at = i;
                return true;
            }
        } else if (c == '}' || c == ']') {
            depth--;
        }
    }
    return false;
}

hst_status json_doc_parse(const char *name, const char *text, size_t size, json_t **out, hst_error *err) {
    json_error_t where;
    size_t at;
    *out = NULL;
    const char *nul = size ? memchr(text, 0, size) : NULL; /* jansson skips one after a number */
    if (nul) return error_set(err, HST_STATUS_BAD_FORMAT, name, "%s, byte %zu: a NUL byte", name, (size_t)(nul - text));
    if (too_deep(text, size, &at)) {
        return error_set(err, HST_STATUS_BAD_FORMAT, name,
                         "%s, byte %zu: more than %d arrays and objects inside each other", name, at, JSON_DEPTH_MOST);
    }
    json_t *v = json_loadb(text, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &where);
    /* Integers beyond 64 bits (model_max_length is often 1e30 written out) are kept as reals, then. */
    if (!v && json_error_code(&where) == json_error_numeric_overflow) {
        v = json_loadb(text, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, &where);
    }
    if (!v && json_error_code(&where) == json_error_out_of_memory) return error_no_memory(err, size, name);
    if (!v) {
        return error_set(err, HST_STATUS_BAD_FORMAT, name, "%s, line %d, column %d: %s", name, where.line, where.column,
                         where.text);
    }
    *out = v;
    return HST_STATUS_OK;
}

hst_status json_doc_read(const char *path, size_t most, json_t **out, hst_error *err) {
    char *text = NULL;
    size_t size = 0;
    *out = NULL;
    HST_TRY(file_read(path, most, &text, &size, err));
    hst_status status = json_doc_parse(path, text, size, out, err);
    free(text);
    return status;
}

const char *json_kind(const json_t *v) {
    if (!v) return "nothing";
    switch (json_typeof(v)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "an array";
    case JSON_STRING:
        return "a string";
    case JSON_INTEGER:
        return "an integer";
    case JSON_REAL:
        return "a real number";
    case JSON_TRUE:
        return "true";
    case JSON_FALSE:
        return "false";
    case JSON_NULL:
        return "null";
    }
    return "something";
}

static hst_status wrong_type(const char *file, const char *key, const json_t *v, const char *wanted, hst_error *err) {
    return error_set(err, HST_STATUS_BAD_FORMAT, file, "%s: '%s' is %s; expected %s", file, key, json_kind(v), wanted);
}

static const json_t *member(const json_t *object, const char *key) {
    const json_t *v = json_object_get(object, key);
    return json_is_null(v) ? NULL : v;
}

hst_status json_member_s64(const json_t *object, const char *file, const char *key, int64_t otherwise, int64_t low,
                           int64_t high, int64_t *out, hst_error *err) {
    const json_t *v = member(object, key);
    int64_t i = otherwise;
    if (json_is_integer(v)) {
        i = json_integer_value(v);
    } else if (json_is_real(v)) {
        double d = json_real_value(v);
        if (d != floor(d) || fabs(d) > 9007199254740992.0) {
            return error_set(err, HST_STATUS_BAD_FORMAT, file, "%s: '%s' is %g; expected an integer from %lld to %lld",
                             file, key, d, (long long)low, (long long)high);
        }
        i = (int64_t)d;
    } else if (v) {
        return wrong_type(file, key, v, "an integer", err);
    }
    if (v && (i < low || i > high)) {
        return error_set(err, HST_STATUS_BAD_FORMAT, file, "%s: '%s' is %lld; expected an integer from %lld to %lld",
                         file, key, (long long)i, (long long)low, (long long)high);
    }
    *out = i;
    return HST_STATUS_OK;
}

hst_status json_member_f64(const json_t *object, const char *file, const char *key, double otherwise, double low,
                           double high, double *out, hst_error *err) {
    const json_t *v = member(object, key);
    if (v && !json_is_number(v)) return wrong_type(file, key, v, "a number", err);
    double d = v ? json_number_value(v) : otherwise;
    if (v && !(d >= low && d <= high)) {
        return error_set(err, HST_STATUS_BAD_FORMAT, file, "%s: '%s' is %g; expected a number from %g to %g", file, key,
                         d, low, high);
    }
    *out = d;
    return HST_STATUS_OK;
}

hst_status json_member_bool(const json_t *object, const char *file, const char *key, bool otherwise, bool *out,
                            hst_error *err) {
    const json_t *v = member(object, key);
    if (v && !json_is_boolean(v)) return wrong_type(file, key, v, "true or false", err);
    *out = v ? json_is_true(v) : otherwise;
    return HST_STATUS_OK;
}

hst_status json_member_string(const json_t *object, const char *file, const char *key, const char *otherwise,
                              const char **out, hst_error *err) {
    const json_t *v = member(object, key);
    if (v && !json_is_string(v)) return wrong_type(file, key, v, "a string", err);
    *out = v ? json_string_value(v) : otherwise;
    return HST_STATUS_OK;
}
