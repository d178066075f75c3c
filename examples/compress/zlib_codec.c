/* zlib behind Codec: its hooks are zalloc and zfree in the stream that each call is given. */
#include "codec.h"

#include <goo_memory.h>
#include <zlib.h>

typedef struct ZlibState {
    z_stream stream;
    bool expand;
} ZlibState;

/* A product of two 32-bit numbers may be too large for size_t, where that has 32 bits itself. */
static voidpf zlib_hook_alloc(voidpf opaque, uInt items, uInt size) {
    (void)opaque;
    return size != 0 && items > SIZE_MAX / size ? NULL : goo_alloc((size_t)items * size);
}

static void zlib_hook_free(voidpf opaque, voidpf block) {
    (void)opaque;
    goo_free(block);
}

static void *zlib_begin(bool expand, int level) {
    ZlibState *state = goo_alloc_zero(sizeof *state);
    if (state == NULL) {
        return NULL;
    }
    state->expand = expand;
    state->stream.zalloc = zlib_hook_alloc;
    state->stream.zfree = zlib_hook_free;
    int result = expand ? inflateInit(&state->stream) : deflateInit(&state->stream, level);
    if (result != Z_OK) {
        goo_free(state);
        return NULL;
    }
    return state;
}

static CodecStatus zlib_step(void *context, CodecBytes *in, CodecBytes *out, bool last) {
    ZlibState *state = context;
    z_stream *stream = &state->stream;
    stream->next_in = in->at;
    stream->avail_in = (uInt)in->left;
    stream->next_out = out->at;
    stream->avail_out = (uInt)out->left;
    int result =
        state->expand ? inflate(stream, Z_NO_FLUSH) : deflate(stream, last ? Z_FINISH : Z_NO_FLUSH);
    *in = (CodecBytes){stream->next_in, stream->avail_in};
    *out = (CodecBytes){stream->next_out, stream->avail_out};
    switch (result) {
    case Z_OK:
    case Z_BUF_ERROR: /* nothing to do with what it was given: no fault */
        return CODEC_MORE;
    case Z_STREAM_END:
        return CODEC_END;
    case Z_MEM_ERROR:
        return CODEC_NO_MEMORY;
    default:
        return CODEC_CORRUPT;
    }
}

static void zlib_end(void *context) {
    ZlibState *state = context;
    if (state != NULL) {
        (void)(state->expand ? inflateEnd(&state->stream) : deflateEnd(&state->stream));
        goo_free(state);
    }
}

const Codec zlib_codec = {"zlib", 6, 9, zlib_begin, zlib_step, zlib_end};
