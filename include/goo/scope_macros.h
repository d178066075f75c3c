/* goo/scope_macros.h: what ends by itself with the block that it stands in.
 *
 * Choose these in C code that is compiled by gcc or clang and has many ways out of a block; they
 * use the `cleanup` attribute, which is why they are apart from the other headers and not in
 * goo/goo.h.
 * Everything here can be written by hand with the calls of goo/gc.h and goo_memory.h.
 *
 *     List *list_of_two(GooGcMutator *m, void *a) {
 *         List *list = NULL;
 *         GOO_GC_FRAME(m, a, list);               // both are kept alive until the block ends
 *         list = list_new(m);
 *         if (!list_add(m, list, a)) return NULL; // the frame ends here too
 *         return list;
 *     }
 *
 *     GOO_SCOPED_BLOCK char *text = goo_strdup("freed with goo_free when the block ends");
 *
 * Threads: as the calls beneath.
 */
#ifndef GOO_SCOPE_MACROS_H
#define GOO_SCOPE_MACROS_H

#include "goo/gc.h"
#include "goo_memory.h"

#if !defined(__ARO_EMULATE__) && (defined(__GNUC__) || defined(__clang__))

#ifdef __cplusplus
extern "C" {
#endif

/* A frame and whose it is. */
typedef struct GooGcScopedFrame {
    GooGcFrame frame;
    GooGcMutator *mutator;
} GooGcScopedFrame;

static inline void goo_gc_scoped_frame_end(GooGcScopedFrame *scoped) {
    goo_gc_frame_end(scoped->mutator, &scoped->frame);
}

static inline void goo_scoped_block_end(void *variable) {
    goo_memory_cleanup_ptr((void **)variable);
}

#ifdef __cplusplus
}
#endif

#define GOO_SCOPE_JOIN_(a, b) a##b
#define GOO_SCOPE_JOIN(a, b) GOO_SCOPE_JOIN_(a, b)

/* The addresses of up to eight variables. */
#define GOO_SCOPE_AT_1(a) (void *)&(a)
#define GOO_SCOPE_AT_2(a, ...) (void *)&(a), GOO_SCOPE_AT_1(__VA_ARGS__)
#define GOO_SCOPE_AT_3(a, ...) (void *)&(a), GOO_SCOPE_AT_2(__VA_ARGS__)
#define GOO_SCOPE_AT_4(a, ...) (void *)&(a), GOO_SCOPE_AT_3(__VA_ARGS__)
#define GOO_SCOPE_AT_5(a, ...) (void *)&(a), GOO_SCOPE_AT_4(__VA_ARGS__)
#define GOO_SCOPE_AT_6(a, ...) (void *)&(a), GOO_SCOPE_AT_5(__VA_ARGS__)
#define GOO_SCOPE_AT_7(a, ...) (void *)&(a), GOO_SCOPE_AT_6(__VA_ARGS__)
#define GOO_SCOPE_AT_8(a, ...) (void *)&(a), GOO_SCOPE_AT_7(__VA_ARGS__)
#define GOO_SCOPE_PICK(a1, a2, a3, a4, a5, a6, a7, a8, at, ...) at
#define GOO_SCOPE_AT(...)                                                                          \
    GOO_SCOPE_PICK(__VA_ARGS__, GOO_SCOPE_AT_8, GOO_SCOPE_AT_7, GOO_SCOPE_AT_6, GOO_SCOPE_AT_5,    \
                   GOO_SCOPE_AT_4, GOO_SCOPE_AT_3, GOO_SCOPE_AT_2, GOO_SCOPE_AT_1, )               \
    (__VA_ARGS__)

/* Keeps what the named pointer variables (one to eight) refer to alive, whatever they are set to,
 * until the enclosing block ends. Each variable holds NULL or an object of m's heap by then. One
 * such line at most in a source line. */
#define GOO_GC_FRAME(m, ...)                                                                       \
    void *const GOO_SCOPE_JOIN(goo_locals_, __LINE__)[] = {GOO_SCOPE_AT(__VA_ARGS__)};             \
    __attribute__((cleanup(goo_gc_scoped_frame_end))) GooGcScopedFrame GOO_SCOPE_JOIN(             \
        goo_frame_, __LINE__);                                                                     \
    GOO_SCOPE_JOIN(goo_frame_, __LINE__).mutator = (m);                                            \
    goo_gc_frame_begin((m), &GOO_SCOPE_JOIN(goo_frame_, __LINE__).frame,                           \
                       GOO_SCOPE_JOIN(goo_locals_, __LINE__),                                      \
                       sizeof GOO_SCOPE_JOIN(goo_locals_, __LINE__) / sizeof(void *))

/* Before the declaration of a pointer to a legacy block (goo_alloc and its like): freed when the
 * enclosing block ends, unless it is NULL by then. */
#define GOO_SCOPED_BLOCK __attribute__((cleanup(goo_scoped_block_end)))

#endif
#endif
