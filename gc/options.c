/* The heap's options: the defaults, and their text form "stress=1,verify,hard=512M,growth=1.5".
 *
 * A word list is parsed into a copy, which replaces the caller's options only when every word was
 * understood.
 */
#include <string.h>

#include "gc/heap.h"
#include "runtime/bits.h"

GooGcOptions goo_gc_default_options(void) {
    return (GooGcOptions){.initial_bytes = (size_t)4 << 20,
                          .sizing = GOO_GC_SIZING_PROPORTIONAL,
                          .growth_factor = 2.0,
                          .spare_bytes = (size_t)256 << 10,
                          .decay_ms = 10000};
}

/* --- values --- */

static bool options_parse_number(const char *text, uint64_t *out_number, const char **out_rest) {
    uint64_t number = 0;
    const char *p = text;
    for (; *p >= '0' && *p <= '9'; p++) {
        uint64_t digit = (uint64_t)(*p - '0');
        if (number > (UINT64_MAX - digit) / 10) {
            return false;
        }
        number = number * 10 + digit;
    }
    *out_number = number;
    *out_rest = p;
    return p != text;
}

static bool options_parse_size(const char *text, size_t *out_size) {
    uint64_t number;
    const char *rest;
    if (!options_parse_number(text, &number, &rest)) {
        return false;
    }
    unsigned shift = 0;
    switch (*rest) {
    case 'k': case 'K': shift = 10; break;
    case 'm': case 'M': shift = 20; break;
    case 'g': case 'G': shift = 30; break;
    default: break;
    }
    rest += shift != 0;
    if (*rest != '\0' || number > (uint64_t)(SIZE_MAX >> shift)) {
        return false;
    }
    *out_size = (size_t)number << shift;
    return true;
}

static bool options_parse_count(const char *text, uint32_t *out_count) {
    uint64_t number;
    const char *rest;
    if (!options_parse_number(text, &number, &rest) || *rest != '\0' || number > UINT32_MAX) {
        return false;
    }
    *out_count = (uint32_t)number;
    return true;
}

/* A flag stands alone, or is =0 or =1. */
static bool options_parse_flag(const char *text, bool *out_flag) {
    if (text != NULL && strcmp(text, "0") != 0 && strcmp(text, "1") != 0) {
        return false;
    }
    *out_flag = text == NULL || text[0] == '1';
    return true;
}

/* Digits, and perhaps a point and more digits, whatever the locale. */
static bool options_parse_factor(const char *text, double *out_factor) {
    uint64_t whole;
    const char *rest;
    if (!options_parse_number(text, &whole, &rest)) {
        return false;
    }
    double factor = (double)whole, digit_value = 0.1;
    if (*rest == '.') {
        for (rest++; *rest >= '0' && *rest <= '9'; rest++, digit_value /= 10) {
            factor += (double)(*rest - '0') * digit_value;
        }
    }
    if (*rest != '\0' || !(factor > 1.0) || !(factor <= GOOI_GROWTH_MAX)) {
        return false;
    }
    *out_factor = factor;
    return true;
}

static bool options_parse_sizing(const char *text, GooGcSizing *out_sizing) {
    static const char *const names[] = {"proportional", "fixed", "adaptive"};
    for (size_t i = 0; i < GOOI_COUNT(names); i++) {
        if (strcmp(text, names[i]) == 0) {
            *out_sizing = (GooGcSizing)i;
            return true;
        }
    }
    return false;
}

/* --- words --- */

typedef enum OptionKind {
    OPTION_SIZE,
    OPTION_COUNT,
    OPTION_FLAG,
    OPTION_FACTOR,
    OPTION_SIZING
} OptionKind;

typedef struct Option {
    const char *name;
    OptionKind kind;
    size_t offset;
} Option;

static const Option options_known[] = {
    {"stress", OPTION_COUNT, offsetof(GooGcOptions, stress_interval)},
    {"verify", OPTION_FLAG, offsetof(GooGcOptions, verify)},
    {"poison", OPTION_FLAG, offsetof(GooGcOptions, poison)},
    {"initial", OPTION_SIZE, offsetof(GooGcOptions, initial_bytes)},
    {"soft", OPTION_SIZE, offsetof(GooGcOptions, soft_limit_bytes)},
    {"hard", OPTION_SIZE, offsetof(GooGcOptions, hard_limit_bytes)},
    {"spare", OPTION_SIZE, offsetof(GooGcOptions, spare_bytes)},
    {"reserve", OPTION_SIZE, offsetof(GooGcOptions, reserve_bytes)},
    {"growth", OPTION_FACTOR, offsetof(GooGcOptions, growth_factor)},
    {"sizing", OPTION_SIZING, offsetof(GooGcOptions, sizing)},
    {"container", OPTION_FLAG, offsetof(GooGcOptions, container)},
    {"decay", OPTION_COUNT, offsetof(GooGcOptions, decay_ms)},
    {"scan_stacks", OPTION_FLAG, offsetof(GooGcOptions, scan_stacks)},
    {"generational", OPTION_FLAG, offsetof(GooGcOptions, generational)},
    {"concurrent", OPTION_FLAG, offsetof(GooGcOptions, concurrent)},
    {"markers", OPTION_COUNT, offsetof(GooGcOptions, marker_threads)},
};

/* `value` is NULL for a word without '='; only flags may stand so. */
static bool options_apply(GooGcOptions *options, const Option *option, const char *value) {
    void *member = (char *)options + option->offset;
    if (option->kind == OPTION_FLAG) {
        return options_parse_flag(value, member);
    }
    if (value == NULL) {
        return false;
    }
    switch (option->kind) {
    case OPTION_SIZE: return options_parse_size(value, member);
    case OPTION_COUNT: return options_parse_count(value, member);
    case OPTION_FACTOR: return options_parse_factor(value, member);
    case OPTION_SIZING: return options_parse_sizing(value, member);
    default: return false;
    }
}

static bool options_parse_word(GooGcOptions *options, char *word) {
    char *value = strchr(word, '=');
    if (value != NULL) {
        *value++ = '\0';
    }
    for (size_t i = 0; i < GOOI_COUNT(options_known); i++) {
        if (strcmp(word, options_known[i].name) == 0) {
            return options_apply(options, &options_known[i], value);
        }
    }
    return false;
}

GooStatus goo_gc_options_parse(GooGcOptions *options, const char *text) {
    if (options == NULL) {
        return GOO_ERR_INVALID_ARGUMENT;
    }
    GooGcOptions parsed = *options;
    char word[64];
    while (text != NULL && *text != '\0') {
        size_t length = strcspn(text, ",");
        if (length >= sizeof word) {
            return GOO_ERR_INVALID_ARGUMENT;
        }
        memcpy(word, text, length);
        word[length] = '\0';
        if (!options_parse_word(&parsed, word)) {
            return GOO_ERR_INVALID_ARGUMENT;
        }
        text += length;
        text += *text == ',';
    }
    *options = parsed;
    return GOO_OK;
}
