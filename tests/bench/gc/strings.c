/* String interning: lines of text, built word by word by concatenation as scripts do, each step a
 * new string; the last `size` lines stay, in a table that makes equal lines one. Most memory holds
 * no references.
 */
#include "tests/bench/gc/side.h"
#include "tests/bench/gc/workload.h"

typedef struct String {
    uint64_t hash;
    uint64_t length;
    char text[];
} String;

typedef struct Entry {
    struct Entry *next;
    String *line;
    uint64_t uses;
} Entry;

enum { WORDS = 500, LINE_WORDS_LEAST = 4, LINE_WORDS_MORE = 8, TURNOVER = 12 };

static String *string_new(size_t length) {
    String *string = side_leaf(sizeof *string + length);
    string->length = length;
    return string;
}

/* By words, and the rest by bytes: what counts here is memory, not hashing. */
static void string_settle(String *string) {
    uint64_t hash = string->length, word;
    const char *text = string->text;
    size_t left = string->length;
    for (; left >= sizeof word; left -= sizeof word, text += sizeof word) {
        memcpy(&word, text, sizeof word);
        hash = (hash ^ word) * UINT64_C(0x9E3779B97F4A7C15);
        hash ^= hash >> 29;
    }
    for (; left > 0; left--) {
        hash = (hash ^ (unsigned char)*text++) * UINT64_C(1099511628211);
    }
    string->hash = hash ^ hash >> 32;
}

static String *string_join(const String *a, const String *b) {
    String *joined = string_new(a->length + b->length);
    memcpy(joined->text, a->text, a->length);
    memcpy(joined->text + a->length, b->text, b->length);
    return joined;
}

static String *word_make(uint64_t *random) {
    size_t length = 2 + workload_random(random) % 8;
    String *word = string_new(length + 1);
    for (size_t i = 0; i < length; i++) {
        word->text[i] = (char)('a' + workload_random(random) % 26);
    }
    word->text[length] = ' ';
    return word;
}

/* Words near the beginning of the list are chosen more often. */
static String *word_choose(const SideArray *words, uint64_t *random) {
    uint64_t a = workload_random(random) % WORDS, b = workload_random(random) % WORDS;
    return words->items[a * b / WORDS];
}

static String *line_make(const SideArray *words, uint64_t *random) {
    String *line = word_choose(words, random);
    size_t count = LINE_WORDS_LEAST + workload_random(random) % LINE_WORDS_MORE;
    for (size_t i = 1; i < count; i++) {
        String *before = line;
        line = string_join(before, word_choose(words, random));
        if (i > 1) {
            side_free(before); /* the first is a word */
        }
    }
    string_settle(line);
    return line;
}

static bool string_equals(const String *a, const String *b) {
    return a->hash == b->hash && a->length == b->length && memcmp(a->text, b->text, a->length) == 0;
}

/* The entry of a line, a new one if there is none. */
static Entry *table_intern(SideArray *table, size_t size, String *line) {
    void **bucket = &table->items[line->hash % size];
    for (Entry *entry = *bucket; entry != NULL; entry = entry->next) {
        if (string_equals(entry->line, line)) {
            entry->uses++;
            side_free(line);
            return entry;
        }
    }
    Entry *entry = side_node(sizeof *entry);
    side_link(entry, &entry->next, *bucket);
    side_link(entry, &entry->line, line);
    entry->uses = 1;
    side_link(table, bucket, entry);
    return entry;
}

static void table_drop(SideArray *table, size_t size, Entry *gone) {
    if (--gone->uses > 0) {
        return;
    }
    void **bucket = &table->items[gone->line->hash % size];
    Entry *before = *bucket;
    if (before == gone) {
        side_link(table, bucket, gone->next);
    } else {
        while (before->next != gone) {
            before = before->next;
        }
        side_link(before, &before->next, gone->next);
    }
    side_free(gone->line);
    side_free(gone);
}

static void strings_free(SideArray *words, SideArray *table, SideArray *last, size_t size) {
    for (size_t i = 0; SIDE_FREES && i < size; i++) {
        table_drop(table, size, last->items[i]);
    }
    for (size_t i = 0; SIDE_FREES && i < WORDS; i++) {
        side_free(words->items[i]);
    }
    side_free(words);
    side_free(table);
    side_free(last);
}

static uint64_t strings_run(size_t size) {
    uint64_t random = 88172645463325252u, sum = 0;
    SideArray *words = side_array(WORDS), *table = side_array(size), *last = side_array(size);
    for (size_t i = 0; i < WORDS; i++) {
        side_link(words, &words->items[i], word_make(&random));
    }
    for (size_t i = 0; i < TURNOVER * size; i++) {
        void **place = &last->items[i % size];
        if (*place != NULL) {
            table_drop(table, size, *place);
        }
        side_link(last, place, table_intern(table, size, line_make(words, &random)));
        const Entry *entry = *place;
        sum = sum * 31 + entry->line->hash + entry->uses;
    }
    strings_free(words, table, last, size);
    return sum;
}

static size_t strings_live(size_t size) {
    return size * (2 * sizeof(void *) + 32 + 72);
}

const Workload workload_strings = {"strings", 2, strings_live, strings_run};
