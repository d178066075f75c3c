/* A streaming codec: bytes in, fewer bytes out, or the reverse; zlib and zstd look the same here.
 *
 * Both libraries allocate through hooks that their caller gives them. Here the hooks lead to Goo's
 * legacy API: a hook's free is told no size, and a legacy block remembers its own. It comes from
 * the thread's allocator, so whoever begins a codec says by that what its memory is.
 */
#ifndef COMPRESS_CODEC_H
#define COMPRESS_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum CodecStatus {
    CODEC_MORE, /* it wants more input, or more room for output */
    CODEC_END,  /* all is out */
    CODEC_NO_MEMORY,
    CODEC_CORRUPT /* the input is nothing that it made */
} CodecStatus;

/* Bytes that are still to be read, or room that is still to be filled. */
typedef struct CodecBytes {
    uint8_t *at;
    size_t left;
} CodecBytes;

typedef struct Codec {
    const char *name;
    int level_usual, level_max; /* from 1; how hard it tries */
    /* Begins to compress, or to expand again. NULL: out of memory. */
    void *(*begin)(bool expand, int level);
    /* Reads some of `in`, fills some of `out`, and moves both on. `last`: no more input comes. */
    CodecStatus (*step)(void *state, CodecBytes *in, CodecBytes *out, bool last);
    void (*end)(void *state); /* NULL does nothing */
} Codec;

extern const Codec zlib_codec, zstd_codec;

#endif
