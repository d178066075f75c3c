/* Streaming compression by zlib or zstd, all of whose memory is Goo's.
 *
 *     compress [--codec zlib|zstd] [--level N] [--limit BYTES] [INPUT [OUTPUT]]
 *
 *     INPUT ─▶ buffer ─▶ codec ─▶ buffer ─▶ OUTPUT        and back, to see that nothing was lost
 *
 * The two buffers are borrowed from a buffer pool, and what the libraries allocate comes through
 * their hooks (codec.h). All of it is counted, and lies in one budget: a tracking allocator over a
 * limit. When --limit is too low the library finds no memory, wherever it is at that moment, and
 * says so; the counts at the end show that nothing was leaked on the way out.
 */
#include "codec.h"

#include <goo/goo.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { BUFFER_SIZE = 64 * 1024, EXIT_MISUSE = 64 };

typedef struct Options {
    const Codec *codec;
    int level; /* 0: the codec's usual one */
    size_t limit;
    const char *input, *output; /* NULL: text that is made up; a temporary file */
} Options;

/* --- a stream --- */

/* How many bytes went through a place, and their FNV-1a sum. */
typedef struct Count {
    uint64_t bytes, sum;
} Count;

static const Count no_bytes = {0, 0xcbf29ce484222325u};

static void count_bytes(Count *count, const uint8_t *bytes, size_t size) {
    count->bytes += size;
    for (size_t i = 0; i < size; i++) {
        count->sum = (count->sum ^ bytes[i]) * 0x100000001b3u;
    }
}

typedef struct Stream {
    const Codec *codec;
    void *state;
    FILE *from, *to; /* `to` NULL: what comes out is counted only */
    uint8_t *in_buffer, *out_buffer;
    Count in, out;
} Stream;

/* Has the codec read all of its input so far. NULL, or what is wrong. */
static const char *stream_drain(Stream *s, CodecBytes in, bool last, CodecStatus *status) {
    size_t filled;
    do {
        CodecBytes out = {s->out_buffer, BUFFER_SIZE};
        *status = s->codec->step(s->state, &in, &out, last);
        filled = BUFFER_SIZE - out.left;
        count_bytes(&s->out, s->out_buffer, filled);
        if (s->to != NULL && fwrite(s->out_buffer, 1, filled, s->to) != filled) {
            return strerror(errno);
        }
    } while (*status == CODEC_MORE && (in.left != 0 || filled == BUFFER_SIZE));
    return NULL;
}

/* All of `from` through the codec. */
static const char *stream_run(Stream *s) {
    CodecStatus status = CODEC_MORE;
    bool last = false;
    while (status == CODEC_MORE && !last) {
        size_t size = fread(s->in_buffer, 1, BUFFER_SIZE, s->from);
        last = size < BUFFER_SIZE;
        if (ferror(s->from)) {
            return strerror(errno);
        }
        count_bytes(&s->in, s->in_buffer, size);
        const char *wrong = stream_drain(s, (CodecBytes){s->in_buffer, size}, last, &status);
        if (wrong != NULL) {
            return wrong;
        }
    }
    return status == CODEC_END         ? NULL
           : status == CODEC_NO_MEMORY ? "out of memory"
                                       : "the compressed bytes are damaged";
}

/* The same, from start to end: borrows buffers, begins the codec, and ends both again. */
static const char *stream_through(Stream *s, GooBufferPool *buffers, bool expand, int level) {
    s->in = s->out = no_bytes;
    s->in_buffer = goo_buffer_pool_acquire(buffers);
    s->out_buffer = goo_buffer_pool_acquire(buffers);
    s->state = s->codec->begin(expand, level);
    const char *wrong = s->state != NULL ? stream_run(s) : "out of memory";
    s->codec->end(s->state);
    goo_buffer_pool_release(buffers, s->out_buffer);
    goo_buffer_pool_release(buffers, s->in_buffer);
    return wrong;
}

/* --- the program --- */

static bool complain(const Options *o, const char *when, const char *what) {
    fprintf(stderr, "compress: %s, %s: %s\n", o->codec->name, when, what);
    return false;
}

/* Compresses into `packed`, and expands that to compare. */
static bool round_trip(const Options *o, GooBufferPool *buffers, FILE *input, FILE *packed) {
    Stream there = {.codec = o->codec, .from = input, .to = packed};
    Stream back = {.codec = o->codec, .from = packed};
    int level = o->level != 0 ? o->level : o->codec->level_usual;
    const char *wrong = stream_through(&there, buffers, false, level);
    if (wrong == NULL && fflush(packed) != 0) {
        wrong = strerror(errno);
    }
    if (wrong != NULL) {
        return complain(o, "compressing", wrong);
    }
    rewind(packed);
    wrong = stream_through(&back, buffers, true, 0);
    if (wrong != NULL) {
        return complain(o, "expanding", wrong);
    }
    if (back.out.bytes != there.in.bytes || back.out.sum != there.in.sum) {
        return complain(o, "expanding", "this is not what was compressed");
    }
    printf("%s, level %d: %llu bytes became %llu (%.1f %%), and the same again\n", o->codec->name,
           level, (unsigned long long)there.in.bytes, (unsigned long long)there.out.bytes,
           there.in.bytes == 0 ? 100.0 : 100.0 * (double)there.out.bytes / (double)there.in.bytes);
    return true;
}

/* Within the budget: one pool of buffers serves both ways, the thread's allocator the codecs. */
static bool run_within(const Options *o, GooAllocator *budget, FILE *input, FILE *packed) {
    GooBufferPool *buffers = goo_buffer_pool_create(budget, BUFFER_SIZE, 2);
    if (buffers == NULL) {
        return complain(o, "beginning", "out of memory");
    }
    goo_set_thread_allocator(budget);
    bool good = round_trip(o, buffers, input, packed);
    goo_set_thread_allocator(NULL);
    goo_buffer_pool_destroy(buffers);
    return good;
}

static bool run(const Options *o, FILE *input, FILE *packed) {
    GooAllocator *budget = goo_limit_allocator_create(NULL, o->limit);
    GooAllocator *counted = budget != NULL ? goo_tracking_allocator_create(budget) : NULL;
    bool good = counted != NULL ? run_within(o, counted, input, packed)
                                : complain(o, "beginning", "out of memory");
    if (counted != NULL) {
        GooAllocStats stats = goo_get_alloc_stats(counted);
        printf("memory: %zu allocations, %zu refused, at most %zu bytes at once, %zu bytes left\n",
               stats.total_allocations, stats.failed_allocations, stats.max_bytes_allocated,
               stats.bytes_allocated);
    }
    goo_allocator_destroy(counted);
    goo_allocator_destroy(budget);
    return good;
}

/* A temporary file with a million bytes of words in no order. */
static FILE *made_up_input(void) {
    static const char *const words[] = {"arena", "block", "chunk", "free", "granule",
                                        "heap",  "mark",  "page",  "pool", "region",
                                        "scope", "span",  "sweep", "\n"};
    FILE *file = tmpfile();
    uint32_t random = 1;
    for (size_t bytes = 0; file != NULL && bytes < 1000000;) {
        random = random * 1664525 + 1013904223; /* Knuth's and Lewis's generator */
        int length = fprintf(file, "%s ", words[(random >> 16) % (sizeof words / sizeof words[0])]);
        bytes += length > 0 ? (size_t)length : 1;
    }
    if (file != NULL) {
        rewind(file);
    }
    return file;
}

static bool complain_of_file(const char *path) {
    fprintf(stderr, "compress: %s: %s\n", path != NULL ? path : "temporary file", strerror(errno));
    return false;
}

/* Opens the files, or says what can't be opened. */
static bool open_files(const Options *o, FILE **input, FILE **packed) {
    *input = o->input == NULL             ? made_up_input()
             : strcmp(o->input, "-") == 0 ? stdin
                                          : fopen(o->input, "rb");
    if (*input == NULL) {
        return complain_of_file(o->input);
    }
    *packed = o->output != NULL ? fopen(o->output, "w+b") : tmpfile();
    return *packed != NULL || complain_of_file(o->output);
}

static const char usage[] =
    "Usage: compress [--codec zlib|zstd] [--level N] [--limit BYTES] [INPUT [OUTPUT]]\n"
    "  --codec NAME   the library: zlib, or zstd (zstd)\n"
    "  --level N      how hard it tries: 1 to 9 for zlib (6), 1 to 22 for zstd (3)\n"
    "  --limit BYTES  the most memory that may be used at once (no limit)\n"
    "  INPUT          what to compress, '-' for standard input (text that is made up)\n"
    "  OUTPUT         where to write it (a temporary file)\n";

static bool misused(const char *what, const char *value) {
    fprintf(stderr, "compress: %s '%s' (see --help)\n", what, value);
    return false;
}

static bool parse_number(const char *text, size_t most, size_t *out) {
    char *end;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    *out = (size_t)number;
    return text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0 && number <= most;
}

static bool parse_option(Options *o, const char *name, const char *value) {
    size_t number;
    if (strcmp(name, "--codec") == 0) {
        o->codec = strcmp(value, "zlib") == 0   ? &zlib_codec
                   : strcmp(value, "zstd") == 0 ? &zstd_codec
                                                : NULL;
        return o->codec != NULL || misused("no codec:", value);
    }
    if (strcmp(name, "--limit") == 0) {
        return parse_number(value, SIZE_MAX, &o->limit) || misused("no number of bytes:", value);
    }
    if (strcmp(name, "--level") == 0) {
        bool good = parse_number(value, 22, &number) && number != 0;
        o->level = (int)number;
        return good || misused("no level:", value);
    }
    return misused("there is no option", name);
}

static bool parse_arguments(Options *o, char **arguments) {
    for (; *arguments != NULL; arguments++) {
        const char *argument = *arguments;
        if (argument[0] == '-' && argument[1] != '\0') {
            if (*++arguments == NULL) {
                return misused("no value for", argument);
            }
            if (!parse_option(o, argument, *arguments)) {
                return false;
            }
        } else if (o->input == NULL) {
            o->input = argument;
        } else if (o->output == NULL) {
            o->output = argument;
        } else {
            return misused("one file too many:", argument);
        }
    }
    if (o->output != NULL && strcmp(o->input, o->output) == 0) {
        return misused("this can't be input and output:", o->input);
    }
    return o->level <= o->codec->level_max || misused("too high a level for", o->codec->name);
}

int main(int argc, char **argv) {
    Options options = {.codec = &zstd_codec, .limit = SIZE_MAX};
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        fputs(usage, stdout);
        return 0;
    }
    if (!parse_arguments(&options, argv + 1)) {
        return EXIT_MISUSE;
    }
    FILE *input = NULL, *packed = NULL;
    bool good = open_files(&options, &input, &packed) && run(&options, input, packed);
    if (input != NULL) {
        fclose(input);
    }
    if (packed != NULL && fclose(packed) != 0 && good) {
        good = complain_of_file(options.output);
    }
    if (packed != NULL && !good && options.output != NULL) {
        remove(options.output); /* half a file is worse than none */
    }
    return good ? 0 : 1;
}
