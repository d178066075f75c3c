/* zstd behind Codec: its hooks are a ZSTD_customMem, which its stable interface leaves out. */
#define ZSTD_STATIC_LINKING_ONLY
#include "codec.h"

#include <goo_memory.h>
#include <zstd.h>
#include <zstd_errors.h>

/* One of the two is there. */
typedef struct ZstdState {
    ZSTD_CCtx *compressor;
    ZSTD_DCtx *expander;
} ZstdState;

static void *zstd_hook_alloc(void *opaque, size_t size) {
    (void)opaque;
    return goo_alloc(size);
}

static void zstd_hook_free(void *opaque, void *block) {
    (void)opaque;
    goo_free(block);
}

static void zstd_end(void *context) {
    ZstdState *state = context;
    if (state != NULL) {
        ZSTD_freeCCtx(state->compressor);
        ZSTD_freeDCtx(state->expander);
        goo_free(state);
    }
}

static void *zstd_begin(bool expand, int level) {
    const ZSTD_customMem hooks = {zstd_hook_alloc, zstd_hook_free, NULL};
    ZstdState *state = goo_alloc_zero(sizeof *state);
    if (state == NULL) {
        return NULL;
    }
    bool good;
    if (expand) {
        state->expander = ZSTD_createDCtx_advanced(hooks);
        good = state->expander != NULL;
    } else {
        state->compressor = ZSTD_createCCtx_advanced(hooks);
        good = state->compressor != NULL && !ZSTD_isError(ZSTD_CCtx_setParameter(
                                                state->compressor, ZSTD_c_compressionLevel, level));
    }
    if (!good) {
        zstd_end(state);
        return NULL;
    }
    return state;
}

/* zstd allocates its tables with the first bytes, so a step may be what finds no memory. */
static CodecStatus zstd_step(void *context, CodecBytes *in, CodecBytes *out, bool last) {
    ZstdState *state = context;
    ZSTD_inBuffer input = {in->at, in->left, 0};
    ZSTD_outBuffer output = {out->at, out->left, 0};
    bool compress = state->compressor != NULL;
    size_t rest = compress ? ZSTD_compressStream2(state->compressor, &output, &input,
                                                  last ? ZSTD_e_end : ZSTD_e_continue)
                           : ZSTD_decompressStream(state->expander, &output, &input);
    *in = (CodecBytes){in->at + input.pos, in->left - input.pos};
    *out = (CodecBytes){out->at + output.pos, out->left - output.pos};
    if (ZSTD_isError(rest)) {
        return ZSTD_getErrorCode(rest) == ZSTD_error_memory_allocation ? CODEC_NO_MEMORY
                                                                       : CODEC_CORRUPT;
    }
    return rest == 0 && (last || !compress) ? CODEC_END : CODEC_MORE;
}

const Codec zstd_codec = {"zstd", 3, 22, zstd_begin, zstd_step, zstd_end};
