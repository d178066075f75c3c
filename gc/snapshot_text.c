/* Text on its way to a snapshot's file: numbers, rows and JSON strings through one buffer. */
#include <string.h>

#include "gc/snapshot.h"

#define GOOI_NUMBER_MAX 20 /* digits of 2^64 */

void gooi_snapshot_flush(GooiSnapshotText *t) {
    if (t->used != 0 && !t->failed && fwrite(t->buffer, 1, t->used, t->out) != t->used) {
        t->failed = true;
    }
    t->used = 0;
}

static char *text_room(GooiSnapshotText *t, size_t size) {
    if (GOOI_SNAPSHOT_BUFFER - t->used < size) {
        gooi_snapshot_flush(t);
    }
    return t->buffer + t->used;
}

static void text_put_bytes(GooiSnapshotText *t, const char *bytes, size_t size) {
    memcpy(text_room(t, size), bytes, size);
    t->used += size;
}

void gooi_snapshot_put(GooiSnapshotText *t, const char *text) {
    text_put_bytes(t, text, strlen(text));
}

static char *text_write_number(char *at, uint64_t number) {
    char digits[GOOI_NUMBER_MAX];
    size_t count = 0;
    do {
        digits[count++] = (char)('0' + number % 10);
        number /= 10;
    } while (number != 0);
    while (count != 0) {
        *at++ = digits[--count];
    }
    return at;
}

void gooi_snapshot_put_number(GooiSnapshotText *t, uint64_t number) {
    char *at = text_room(t, GOOI_NUMBER_MAX);
    t->used += (size_t)(text_write_number(at, number) - at);
}

void gooi_snapshot_put_row(GooiSnapshotText *t, const uint64_t *numbers, size_t count,
                           bool is_first) {
    char *start = text_room(t, (GOOI_NUMBER_MAX + 1) * count + 2), *at = start;
    for (size_t i = 0; i < count; i++) {
        if (i != 0 || !is_first) {
            *at++ = ',';
        }
        at = text_write_number(at, numbers[i]);
    }
    *at++ = '\n';
    t->used += (size_t)(at - start);
}

/* --- strings --- */

/* The length of the UTF-8 sequence of a character beyond ASCII; 0: it is none. */
static size_t text_utf8_length(const unsigned char *s) {
    size_t length = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
    if (s[0] < 0xc2 || s[0] > 0xf4) {
        return 0;
    }
    for (size_t i = 1; i < length; i++) { /* a NUL ends it here too */
        if ((s[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    bool too_long = (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xf0 && s[1] < 0x90);
    bool beyond = (s[0] == 0xed && s[1] >= 0xa0) || (s[0] == 0xf4 && s[1] >= 0x90);
    return too_long || beyond ? 0 : length;
}

/* One character; its length in `text`. */
static size_t text_put_character(GooiSnapshotText *t, const char *text) {
    static const char hex[] = "0123456789abcdef";
    unsigned char c = (unsigned char)*text;
    size_t length = c < 0x80 ? 1 : text_utf8_length((const unsigned char *)text);
    if (c == '"' || c == '\\') {
        char escaped[] = {'\\', (char)c};
        text_put_bytes(t, escaped, sizeof escaped);
    } else if (c < 0x20 || c == 0x7f || length == 0) {
        char escaped[] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
        text_put_bytes(t, escaped, sizeof escaped);
        length = 1;
    } else {
        text_put_bytes(t, text, length);
    }
    return length;
}

void gooi_snapshot_put_string(GooiSnapshotText *t, const char *text) {
    gooi_snapshot_put(t, "\"");
    while (*text != '\0') {
        text += text_put_character(t, text);
    }
    gooi_snapshot_put(t, "\"");
}
