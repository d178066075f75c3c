/* The front door: allocate, grow and free through any allocator, with sizes at free.
 *
 * Choose these calls for everything that is freed by hand and whose size the program knows. Choose
 * goo_memory.h where the size is not known at free, and goo/gc.h for objects that nobody frees.
 *
 *     size_t count = 10;
 *     int *numbers = GOO_NEW_ARRAY(NULL, int, count);
 *     if (numbers == NULL) { return GOO_ERR_NO_MEMORY; }
 *     GOO_DELETE_ARRAY(NULL, numbers, count);
 *
 * What holds for every call here, unless it says otherwise:
 * - Sizes are bytes. An alignment is a power of two; 0 means GOO_DEFAULT_ALIGNMENT; another value
 *   is EINVAL. Blocks have at least the alignment that was asked for. Contents are indeterminate
 *   unless zeroed memory was asked for.
 * - `a` NULL, and calls without an allocator, mean this thread's allocator: the default allocator
 *   unless the thread set its own.
 * - Fails: NULL with errno ENOMEM (also when a size does not fit), EINVAL or ENOTSUP; old blocks
 *   and their contents are as they were. The allocator's strategy may panic, retry or collect
 *   first. Size 0 gives NULL, leaves errno alone and is no failure.
 * - Owner: the caller, who gives a block back to the same allocator with the size and the alignment
 *   that it was allocated, or last reallocated, with.
 * - Threads: any for a thread-safe allocator (the system allocator is one), else its owner.
 * - Cost: one flag test above the allocator's own while nothing watches it. Whether it can lock or
 *   enter the OS is the allocator's business; with strategy GC it may collect.
 */
#ifndef GOO_MEMORY_MODERN_H
#define GOO_MEMORY_MODERN_H

#include "goo/core/types.h"

GOO_BEGIN_DECLS

/* --- start and end --- */

/* What goo_memory_init_with sets up, for the whole process, until the matching cleanup. Zero means:
 * as goo_memory_init does.
 *
 * All but the default allocator are about the allocators at the bottom: system, page and a
 * program's own. What arenas, pools and decorators ask of them is included; what they hand out is
 * not seen a second time. enable_leak_detection, enable_safety, never_unmap and retain_metadata
 * keep a table of all live blocks, which costs some 50 ns a call and locks: they are for tests and
 * for finding bugs. */
typedef struct GooMemoryConfig {
    bool enable_leak_detection; /* goo_memory_check_leaks names every live block */
    bool enable_tracking;       /* goo_memory_set_tracking(true) */
    /* A free, realloc or resize with a wrong size, alignment or allocator, of a block that was
     * freed, or of what is no block at all panics. Initialise before the first allocation: a block
     * from before is not known, and freeing it is reported as a foreign pointer. */
    bool enable_safety;
    /* Freed blocks are never given out again: they are filled with 0xdf, and their whole pages
     * become inaccessible. A write to the rest, which is all of a block smaller than a page, panics
     * later: every free looks at some of these blocks, so at one of the next frees (some hundreds,
     * more the more blocks there are), or at goo_memory_check_leaks, or at cleanup, which gives
     * them back. Reading the rest shows 0xdf and is not noticed, unless AddressSanitizer or
     * valgrind watches; the debug allocator's
     * own never_unmap catches both at once. */
    bool never_unmap;
    bool retain_metadata; /* a double free tells where and on which thread it was freed first */
    /* How many bytes may be live at once; beyond that requests fail with ENOMEM. Collected heaps
     * count with what they hold, garbage and tables included; one that is refused collects, as at
     * a limit of its own. Blocks from before are not counted, and freeing them makes room. 0 =
     * none */
    size_t limit_bytes;
    GooAllocator *default_allocator; /* NULL = leave it as it is, at first system */
} GooMemoryConfig;

/* Begins a use of the library. Init and cleanup nest, and every other call works before init too,
 * so this is needed only to pair a configuration with its end.
 * Returns: true. Threads: any. Cost: constant. */
GOO_API bool goo_memory_init(void);

/* Begins a use of the library with a configuration. The outermost init decides; a nested one may
 * repeat what is set or leave members zero. `config` NULL: as goo_memory_init.
 * Fails: GOO_ERR_BUSY for a nested init that asks for what the outermost did not;
 * GOO_ERR_INVALID_ARGUMENT for an allocator without its functions. Nothing has changed then, and no
 * cleanup is due. Threads: any; others see what is watched soon. Cost: constant. */
GOO_API GooStatus goo_memory_init_with(const GooMemoryConfig *config);

/* Ends a use of the library. The outermost one takes back what the outermost init set up: the
 * default allocator is what it was, limit, table and, unless it was on before, tracking are off;
 * and the calling thread's scratch memory is freed. Blocks and allocators live on. Without an init
 * it does nothing. Panics if never_unmap was on and a freed block was written. Threads: any. Cost:
 * constant, and freeing the scratch and the table. */
GOO_API void goo_memory_cleanup(void);

/* --- this thread's allocator --- */

/* Allocates `size` bytes. */
GOO_API void *goo_memory_alloc(size_t size);
/* Allocates `size` bytes that read zero. */
GOO_API void *goo_memory_alloc_zeroed(size_t size);
/* Makes a block `new_size` bytes long, moving it if need be; its first bytes stay. `ptr` NULL
 * allocates; `new_size` 0 frees and gives NULL. EINVAL if `old_size` is 0 and `ptr` is not NULL. */
GOO_API void *goo_memory_realloc(void *ptr, size_t old_size, size_t new_size);
/* Frees a block of `size` bytes; NULL does nothing. */
GOO_API void goo_memory_free(void *ptr, size_t size);
/* Makes a block longer or shorter without moving it. Returns whether it did; false changes nothing,
 * and is no failure that is counted or that a strategy sees. False with EINVAL for a block or size
 * that is none. */
GOO_API bool goo_memory_resize(void *ptr, size_t old_size, size_t new_size);
/* Allocates `size` bytes at a multiple of `alignment`; free it with goo_memory_free_aligned. */
GOO_API void *goo_memory_alloc_aligned(size_t size, size_t alignment);
GOO_API void goo_memory_free_aligned(void *ptr, size_t size, size_t alignment);

/* --- an allocator by name --- */

GOO_API void *goo_memory_alloc_with(GooAllocator *a, size_t size);
GOO_API void *goo_memory_alloc_zeroed_with(GooAllocator *a, size_t size);
GOO_API void *goo_memory_realloc_with(GooAllocator *a, void *ptr, size_t old_size, size_t new_size);
GOO_API void goo_memory_free_with(GooAllocator *a, void *ptr, size_t size);

/* The first and the last of these, with the place in the program that asks, for messages: behind
 * GOO_ALLOC and GOO_FREE. `file` stays valid as long as the block; NULL: not known. */
GOO_API void *goo_memory_alloc_at(GooAllocator *a, size_t size, const char *file, int line);
GOO_API void goo_memory_free_at(GooAllocator *a, void *ptr, size_t size, const char *file,
                                int line);

/* --- the full forms --- */

/* Allocates with an alignment and options (GOO_ALLOC_*, or'ed). A block with GOO_ALLOC_PAGE is
 * freed with the size and the alignment that were asked for, not the rounded ones. An allocator
 * written by hand sees a page's alignment and whole pages, when it allocates and when it frees;
 * while such blocks live, frees look them up. */
GOO_API void *goo_memory_alloc_options(GooAllocator *a, size_t size, size_t alignment,
                                       GooAllocOptions options);
/* As goo_memory_realloc. GOO_ALLOC_ZERO zeroes what was added. */
GOO_API void *goo_memory_realloc_options(GooAllocator *a, void *ptr, size_t old_size,
                                         size_t new_size, size_t alignment,
                                         GooAllocOptions options);
/* As goo_memory_resize. */
GOO_API bool goo_memory_resize_options(GooAllocator *a, void *ptr, size_t old_size, size_t new_size,
                                       size_t alignment);
GOO_API void goo_memory_free_options(GooAllocator *a, void *ptr, size_t size, size_t alignment);
/* Allocates `count` elements of `element_size` bytes with the default alignment. ENOMEM if the
 * product does not fit. Free it with the product. */
GOO_API void *goo_memory_alloc_array(GooAllocator *a, size_t count, size_t element_size,
                                     GooAllocOptions options);
/* Allocates a copy of a string, its final 0 included: strlen(text) + 1 bytes. EINVAL for NULL. */
GOO_API char *goo_memory_strdup_with(GooAllocator *a, const char *text);
/* Allocates a copy of `size` bytes. EINVAL for NULL with a size above 0. */
GOO_API void *goo_memory_dup_with(GooAllocator *a, const void *src, size_t size);

/* --- which allocator --- */

/* The allocator of every thread that has not set its own; never NULL. Threads: any. */
GOO_API GooAllocator *goo_get_default_allocator(void);
/* Sets it; NULL means the system allocator. Its functions must be set. It must be thread-safe if
 * more than one thread allocates by default, and outlive its being the default. Threads: any. */
GOO_API void goo_set_default_allocator(GooAllocator *a);
/* The calling thread's allocator; never NULL. */
GOO_API GooAllocator *goo_get_thread_allocator(void);
/* Sets it; NULL means the default, whatever that is at each call. */
GOO_API void goo_set_thread_allocator(GooAllocator *a);

/* Ends an allocator through its own `destroy` and frees what it still holds, as far as it knows
 * that (its header says). NULL does nothing; so does an allocator without `destroy`. If it was the
 * default, or the calling thread's, the system allocator is the default again, or the default the
 * thread's. Threads: its owner, when nobody uses it any more. */
GOO_API void goo_allocator_destroy(GooAllocator *a);
/* Frees all that it gave at once, for allocators with GOO_ALLOCATOR_RESETS. False: it can't, and
 * nothing changed. Threads: its owner. */
GOO_API bool goo_allocator_reset(GooAllocator *a);
/* Whether the address lies in memory that it gave, for allocators with GOO_ALLOCATOR_OWNS; false
 * for others. Threads: as for the allocator. */
GOO_API bool goo_allocator_owns(GooAllocator *a, const void *ptr);

/* --- allocators by name --- */

/* Makes an allocator from the options behind its name: "" when there are none. `user`: what was
 * registered with it. NULL with errno: EINVAL for options that it does not know.
 * goo_allocator_parse_options reads them. */
typedef GooAllocator *(*GooAllocatorFactory)(const char *options, void *user);

/* Registers an allocator's name for goo_allocator_open: 1 to 31 letters, digits, '_' or '-'.
 * Fails: GOO_ERR_INVALID_ARGUMENT for another name or no factory; GOO_ERR_BUSY for a name that is
 * taken, a built-in one included; GOO_ERR_LIMIT beyond 64 names.
 * Owner: `user` stays the caller's, for as long as the process lives. Threads: any. */
GOO_API GooStatus goo_allocator_register(const char *name, GooAllocatorFactory factory, void *user);

/* Makes an allocator from text: a name, and after ':' its options, name=value and separated by
 * commas. Numbers may end in k, m or g; switches are yes or no. The value of `parent` is such a
 * text itself, in parentheses if it has options; without it the parent is the calling thread's
 * allocator. What is not given is as in the allocator's own options.
 *
 *     system   page   scoped:parent   tracking:parent   fallback:first,second
 *     arena:block,max,keep,host,parent      region:block,large,host,parent
 *     stack:size,host,parent      failing:at,parent      buffer_pool:size,count,host,parent
 *     pool:size,align,block,max,shared,host,parent     fixed:size,parent     limit:max,parent
 *     debug:stack,quarantine,sample,keep,history,host,parent      (keep: never_unmap)
 *
 * `host` is small, balanced or large: what is not given then is as in goo_host_options.
 *
 *     goo_allocator_open("limit:max=16m,parent=system")
 *     goo_allocator_open("pool:size=48,parent=(arena:block=64k,parent=page)")
 *
 * Returns: an allocator that the caller destroys; its destruction ends the parents that its text
 * named. NULL with EINVAL for a name, option or value that is not known, one that is given twice
 * and one that is missing (pool and fixed: size; limit: max; without a host also stack: size,
 * buffer_pool: size and count); ENOMEM. goo_allocator_open_error says what was wrong.
 * Threads: any. Cost: that of creating it. */
GOO_API GooAllocator *goo_allocator_open(const char *text);

/* What was wrong with the text of this thread's last goo_allocator_open, in a few words that quote
 * the part: "'64q' is no size"; "" when it succeeded. Kept until the thread's next open.
 * Threads: any; each sees its own. Cost: constant. */
GOO_API const char *goo_allocator_open_error(void);

/* One option that a factory knows, and where its value goes. */
typedef enum GooOptionKind {
    GOO_OPTION_SIZE,   /* size_t: digits, perhaps with k, m or g behind them */
    GOO_OPTION_SWITCH, /* bool: yes, no, true, false, 1, 0 */
    GOO_OPTION_TEXT    /* char[text_size]: anything, terminated; the text of a parent, say, for
                          goo_allocator_open, which takes the parentheses */
} GooOptionKind;
typedef struct GooOption {
    const char *name;
    GooOptionKind kind;
    void *value;      /* stays as it is where the option is not given */
    size_t text_size; /* of TEXT: bytes, the final 0 included */
} GooOption;

/* Reads the options that a factory was given: name=value, separated by commas, as they stand behind
 * the name of a built-in allocator. An option that is given twice counts as given last.
 *
 *     MyOptions my = {.block = 4096};
 *     GooOption known[] = {{"block", GOO_OPTION_SIZE, &my.block, 0},
 *                          {"huge", GOO_OPTION_SWITCH, &my.huge, 0}};
 *     if (goo_allocator_parse_options(options, known, 2) != GOO_OK) { return NULL; }
 *
 * Returns: GOO_OK. Fails: GOO_ERR_INVALID_ARGUMENT, with errno EINVAL, for an option that is not in
 * the table or a value that is none of its kind, of which goo_allocator_open_error tells; values
 * that came before may be stored. Threads: any. Cost: linear in text times table. */
GOO_API GooStatus goo_allocator_parse_options(const char *options, const GooOption *table,
                                              size_t count);

/* --- handlers --- */

/* Sets what strategy RETRY calls for allocators without an out_of_mem_fn; NULL: nothing. The
 * handler may free memory through any call, on the thread whose request failed. Threads: any. */
GOO_API void goo_set_out_of_mem_handler(GooOutOfMemFn fn);
/* Sets what is called, with one line of text, when a contract is broken or a request that must not
 * fail does. A handler may leave by longjmp; when it returns the process aborts. NULL restores the
 * first one, which writes the line to standard error. Threads: any. */
GOO_API void goo_set_panic_handler(void (*fn)(const char *message));

/* --- bytes --- */

/* Copies `size` bytes between blocks that do not overlap. Size 0 touches nothing, here and below.
 * Threads, for all of these: any. Cost: linear in size; never enters the OS. */
GOO_API void goo_memory_copy(void *dest, const void *src, size_t size);
/* Sets every byte to `value`. */
GOO_API void goo_memory_set(void *dest, uint8_t value, size_t size);
/* Compares bytes as memcmp does. Returns: below, equal to or above 0. */
GOO_API int goo_memory_compare(const void *a, const void *b, size_t size);
/* Whether all bytes are 0; true for size 0. */
GOO_API bool goo_memory_is_zero(const void *ptr, size_t size);
/* Fills `size` bytes with repetitions of a pattern, the last one cut off where `size` ends. The
 * pattern must not overlap `dest`; a pattern of size 0 changes nothing. */
GOO_API void goo_memory_fill(void *dest, const void *pattern, size_t pattern_size, size_t size);
/* The index of the first byte that differs, or `size` if none does. */
GOO_API size_t goo_memory_first_difference(const void *a, const void *b, size_t size);

GOO_END_DECLS

/* --- typed forms --- */

#if defined(__cplusplus)
#define GOO_ALIGNOF_(T) alignof(T)
#else
#define GOO_ALIGNOF_(T) _Alignof(T)
#endif

/* sizeof(T), and no compilation for a type that the default alignment does not suit. */
#define GOO_SIZEOF_(T)                                                                             \
    (sizeof(T) + 0 * sizeof(char[GOO_ALIGNOF_(T) <= GOO_DEFAULT_ALIGNMENT ? 1 : -1]))

/* goo_memory_alloc_with and goo_memory_free_with, which know where they were called. */
#define GOO_ALLOC(a, size) goo_memory_alloc_at((a), (size), __FILE__, __LINE__)
#define GOO_FREE(a, ptr, size) goo_memory_free_at((a), (ptr), (size), __FILE__, __LINE__)

/* A new T, or n of them; contents indeterminate. A NULL `a` is this thread's allocator. */
#define GOO_NEW(a, T) ((T *)goo_memory_alloc_with((a), GOO_SIZEOF_(T)))
#define GOO_NEW_ARRAY(a, T, n)                                                                     \
    ((T *)goo_memory_alloc_array((a), (n), GOO_SIZEOF_(T), GOO_ALLOC_DEFAULT))
/* Frees what they gave; `ptr` has the type of the element. */
#define GOO_DELETE(a, ptr) goo_memory_free_with((a), (ptr), sizeof *(ptr))
#define GOO_DELETE_ARRAY(a, ptr, n) goo_memory_free_with((a), (ptr), (n) * sizeof *(ptr))

#endif
