/* The text of allocators by name: its parts, and what is wrong with it. Private.
 *
 * Threads: any; each has its own message.
 */
#ifndef GOO_ALLOCATORS_REGISTRY_TEXT_H
#define GOO_ALLOCATORS_REGISTRY_TEXT_H

#include "runtime/base.h"
#include "runtime/globals.h"

#include <string.h>

/* A part of an allocator's text; not terminated. */
typedef struct GooiText {
    const char *start;
    size_t length;
} GooiText;

static inline GooiText gooi_text(const char *text) {
    return (GooiText){text, strlen(text)};
}

static inline bool gooi_text_is(GooiText text, const char *word) {
    return strlen(word) == text.length && memcmp(text.start, word, text.length) == 0;
}

/* Whether it can be an allocator's name. */
bool gooi_text_is_name(GooiText text);

/* Takes the text up to a separator that stands in no parentheses, and the separator. False: the
 * parentheses don't match; *out_part is what was looked at. */
bool gooi_text_split(GooiText *rest, char separator, GooiText *out_part);

/* A number of bytes or things, perhaps with k, m or g behind it. */
bool gooi_text_to_size(GooiText text, size_t *out_size);
bool gooi_text_to_bool(GooiText text, bool *out_value);

/* Says what goo_allocator_open_error is to say, unless something was said since the open began. */
void gooi_open_note(GooiText where, const char *what);

/* The same, with errno EINVAL. Returns false. */
bool gooi_open_refuse(GooiText where, const char *what);

#endif
