/* Any bytes through the JSON reader: every value read by its own kind's function, then the whole skipped. */
#include <stddef.h>
#include <stdint.h>

#include "base/json_stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static hst_status walk(json_stream *s, int depth) {
    json_string text;
    int64_t n;
    double f;
    bool flag, more;
    switch (json_peek(s)) {
    case JSON_STRING:
        return json_read_string(s, &text);
    case JSON_BOOL:
        return json_read_bool(s, &flag);
    case JSON_NULL:
        return json_read_null(s, &flag);
    case JSON_NUMBER:
        return json_read_s64(s, &n) == HST_STATUS_OK ? HST_STATUS_OK : json_read_f64(s, &f);
    case JSON_OBJECT:
        HST_TRY(json_enter_object(s));
        break;
    case JSON_ARRAY:
        HST_TRY(json_enter_array(s));
        break;
    default:
        return json_skip(s);
    }
    bool object = s->is_object[(s->depth - 1) / 64] >> ((s->depth - 1) % 64) & 1;
    for (;;) {
        HST_TRY(object ? json_next_key(s, &text, &more) : json_next_element(s, &more));
        if (!more) return HST_STATUS_OK;
        HST_TRY(walk(s, depth + 1));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    hst_error err;
    json_stream s;
    json_stream_init(&s, data, size, "fuzz", NULL, &err);
    json_mark start = json_here(&s);
    hst_status walked = walk(&s, 0);
    if (walked == HST_STATUS_OK) walked = json_finish(&s);
    json_go_to(&s, &start);
    hst_status skipped = json_skip(&s);
    if (skipped == HST_STATUS_OK) skipped = json_finish(&s);
    if (walked == HST_STATUS_OK && skipped != HST_STATUS_OK) __builtin_trap();
    json_stream_free(&s);
    return 0;
}
