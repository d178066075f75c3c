/* goo/gc.h: the collected heap of a language runtime.
 *
 * Choose it when objects refer to each other freely and nobody knows who should free them: the heap
 * of an interpreter or VM. Choose an arena, a region or a pool (goo/allocators.h) where lifetimes
 * are known: they are cheaper. Plain buffers that hang on collected objects are owned blocks
 * (goo_gc_owned_alloc): their bytes drive collections, and they go when their object does.
 *
 * One GooGcHeap is one isolate: its objects refer to no other heap's. A thread that touches the
 * heap has a GooGcMutator. Objects never move. Object arguments of a call are kept alive during it.
 * A *slot* holds a value under the heap's encoding and is 8 bytes on every target; a *pointer* is a
 * plain C pointer whatever the encoding. With the default encoding they are the same.
 *
 *     static const uint64_t cell_pointers[] = {1u << 1};
 *     static const GooGcType cell_type = {.name = "cell", .size = sizeof(Cell),
 *         .layout = GOO_GC_LAYOUT_BITMAP, .flags = GOO_GC_TYPE_BITMAP_POINTERS,
 *         .bitmap = cell_pointers, .bitmap_words = 1};
 *     GooGcHeap *heap = goo_gc_heap_create(NULL);
 *     GooGcMutator *m = goo_gc_attach(heap);
 *     Cell *list = NULL; // typedef struct Cell { const GooGcType *type; struct Cell *next; } Cell;
 *     goo_gc_root_add_pointer(heap, &list);
 *     Cell *cell = goo_gc_alloc(m, &cell_type, 0);
 *     goo_gc_write_pointer(m, cell, &cell->next, list);
 *     list = cell;
 *     goo_gc_heap_destroy(heap);
 *
 * The whole program is examples/embed.c.
 *
 * Which objects are found alive: those reachable from root slots and pointers, root callbacks,
 * precise frames, pushed temporaries, handles, and, with `scan_stacks`, from any word on the stack
 * or in a register of an attached thread that points to or into an object.
 *
 * A collection can run inside any call that says "may collect", and in no other.
 *
 * In this version collections stop the world. `generational` and `concurrent` answer NULL with
 * ENOTSUP.
 *
 * Threads, unless a call says otherwise. A call that takes a GooGcMutator: the thread that it
 * belongs to; from another one it is an error where it can report one, else a panic. A call that
 * takes a GooGcHeap: any thread, attached or not; it waits while a collection runs. Several threads
 * may use one heap; what they do to one object at a time is theirs to order. After fork the child's
 * one thread goes on; the others are detached there. Cost, unless it says otherwise: O(1).
 *
 * A thread may be attached to several heaps. It stands still in all of them while it waits in one:
 * a call that may collect or that waits in one heap (attach, the end of a blocking region) is a
 * safepoint of all. Callbacks run with their heap's lock: one that waits for another heap can wait
 * for ever.
 *
 * A panic handler that leaves a callback of a collection by longjmp leaves the heap in the middle
 * of it, and so does a thread that ends there: the heap is lost and can't be destroyed; other
 * threads that call it panic, a second later at most.
 */
#ifndef GOO_GC_H
#define GOO_GC_H

#include "goo/core/types.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct GooGcHeap GooGcHeap;
typedef struct GooGcMutator GooGcMutator;
typedef struct GooGcVisitor GooGcVisitor;

/* How a heap's values refer to objects. All zero: slots are plain pointers. Otherwise a slot v
 * refers to an object iff (v & tag_mask) == tag_value and (v & address_mask) != 0, and the object's
 * address is v & address_mask. */
typedef struct GooGcValueEncoding {
    uint64_t tag_mask, tag_value, address_mask;
} GooGcValueEncoding;

/* Encodings ready-made, as initializers. NAN_BOX: the upper 16 bits equal those of `tag`, the lower
 * 48 are the address. LOW_TAG: the lowest `bits` bits equal `tag`, the rest is the address. */
#define GOO_GC_ENCODING_POINTER                                                                    \
    { 0, 0, 0 }
#define GOO_GC_ENCODING_LOW_TAG(bits, tag)                                                         \
    { ((uint64_t)1 << (bits)) - 1, (uint64_t)(tag), ~(((uint64_t)1 << (bits)) - 1) }
#define GOO_GC_ENCODING_NAN_BOX(tag)                                                               \
    { (uint64_t)0xffff << 48, (uint64_t)(tag) & ((uint64_t)0xffff << 48), ((uint64_t)1 << 48) - 1 }

/* When the next collection is due, in bytes of heap and external memory together.
 * PROPORTIONAL: at live * growth_factor, never below initial_bytes.
 * FIXED: at initial_bytes, or at live plus an eighth of it where that is more.
 * ADAPTIVE: the square-root rule of MemBalancer: live plus the square root of (seconds that a
 * collection takes * bytes allocated a second * a constant), which heaps of the same growth_factor
 * share, so that memory goes where it saves the most time; never below initial_bytes. Measures
 * time, so the sequence of collections is not the same in every run; with the others it is, without
 * stack scanning and decay, but for one thing: how far the mark stack grows beyond 64 KiB depends
 * on the order of marking, which follows time, and what it grew by counts near a hard limit. */
typedef enum GooGcSizing {
    GOO_GC_SIZING_PROPORTIONAL,
    GOO_GC_SIZING_FIXED,
    GOO_GC_SIZING_ADAPTIVE
} GooGcSizing;

typedef enum GooGcCollection { GOO_GC_MINOR, GOO_GC_FULL } GooGcCollection;

typedef struct GooGcType GooGcType;

typedef struct GooGcOptions {
    size_t initial_bytes;    /* default 4 MiB: no collection below this */
    size_t soft_limit_bytes; /* 0: none. Above it collections come more often: after every eighth of
                                the live bytes */
    size_t hard_limit_bytes; /* 0: none. Heap, metadata and external bytes together never exceed
                                it: allocation collects, then fails. Of n requests in a row that
                                fail because nearly everything lives, about log2(n) collect */
    size_t spare_bytes;      /* default 256 KiB, an eighth of the hard limit at most: kept back of
                                it until a request fails, then usable, so that error paths can
                                allocate; kept back again once a collection finds room */
    bool container;          /* false. true: what the process's control group allows (Linux, version
                                1 or 2; read when the heap is created), less an eighth, is a soft
                                limit for all heaps that ask for it and others' bytes together */
    uint32_t decay_ms;       /* default 10,000: blocks and pages that were empty for so long go back
                                to the OS, looked for when an allocation takes a new block, after a
                                collection, and in goo_gc_step, which an idle program calls now and
                                then. 0: only goo_gc_release, and no clock decides anything */
    size_t reserve_bytes;    /* 0: chosen. Address space to reserve, or less where that can't be
                                had; the heap can't outgrow it */
    GooGcSizing sizing;      /* PROPORTIONAL */
    double growth_factor;    /* 2.0; more than 1, at most 1,000 */
    bool scan_stacks;        /* false: scan attached threads' stacks and registers */
    bool generational;       /* false; true is not in this version */
    bool concurrent;         /* false; true is not in this version */
    uint32_t marker_threads; /* 0: one for each core that the process may use, at most 8; never
                                more than that. Above 1, trace callbacks run on several threads at a
                                time */
    GooGcValueEncoding encoding; /* plain pointers */
    void (*trace_embedder)(void *object, GooGcVisitor *v, void *user); /* traces the objects of
                                goo_gc_alloc_embedder, as GooGcType.trace would */
    void *user;               /* handed to trace_embedder */
    const GooGcType *embedder_layout; /* NULL. Instead of trace_embedder, without a call for each
                                object: all lie as this type says, which word 0 does not hold.
                                BITMAP or ARRAY; no finalize, and no trace_embedder beside it;
                                `size` is what the bitmap describes,
                                array_offset where there is an array, or more, and smaller objects
                                are refused. Lives as long as the heap */
    uint32_t stress_interval; /* 0; else collect at every n-th allocation: finds missing roots */
    bool verify;              /* false: check the heap before and after every collection; panic if
                                 corrupt: a missing root, a type that can't be, is told by name */
    bool poison;              /* false: fill freed memory with 0xDB at once; what goes back to the
                                 OS reads zero instead */
} GooGcOptions;

/* What stands behind each member above. Threads: any. */
GOO_API GooGcOptions goo_gc_default_options(void);

/* Reads "stress=1,verify,poison,hard=512M,growth=1.5" into `options`: words stress=N verify poison
 * initial=SIZE soft=SIZE hard=SIZE spare=SIZE container decay=MS reserve=SIZE growth=FACTOR
 * sizing=proportional|fixed|adaptive scan_stacks generational concurrent markers=N; a size may end
 * in K, M or G; a flag may be given =0 or =1. Members that the text does not name stay as they are.
 * Programs pass getenv("GOO_GC"); the library reads no environment. NULL and "" are fine.
 * Fails: GOO_ERR_INVALID_ARGUMENT, nothing changed. Threads: any. */
GOO_API GooStatus goo_gc_options_parse(GooGcOptions *options, const char *text);

/* Creates a heap. `options` NULL means the defaults; copied.
 * Fails: NULL with errno EINVAL (an option out of range), ENOTSUP (a mode that this version lacks)
 * or ENOMEM. Owner: the caller, until goo_gc_heap_destroy. Threads: any. */
GOO_API GooGcHeap *goo_gc_heap_create(const GooGcOptions *options);

/* Ends a heap: runs the `finalize` of every object that has one, frees owned blocks, detaches
 * allocators, gives all memory back. Visits no other object. NULL does nothing. While another
 * thread is attached it is a panic. Cost: objects with finalize, owned blocks, slabs. */
GOO_API void goo_gc_heap_destroy(GooGcHeap *heap);

/* Attaches the calling thread: makes it one of the heap's mutators. Attaching again on the same
 * thread gives the same mutator and must be detached as often. Waits while a collection runs. A
 * thread that ends while attached is detached; its frames and temporaries end with it.
 * Fails: NULL with errno EINVAL (NULL, or called inside a collection), ENOMEM, ENOTSUP (with
 * scan_stacks, the thread's stack can't be found). Owner: the heap; valid until the last detach.
 * Threads: any. Cost: a lock; some microseconds the first time. */
GOO_API GooGcMutator *goo_gc_attach(GooGcHeap *heap);
/* Threads: the mutator's. */
GOO_API void goo_gc_detach(GooGcMutator *m);
GOO_API GooGcHeap *goo_gc_heap_of(GooGcMutator *m);

/* A place where the thread can stop for a collection: its own, if one is due, or another thread's.
 * An attached thread must come to one now and then, allocate, or be in a blocking region: until it
 * does no other thread can collect. One that has not after 100 ms is named by the event
 * GOO_GC_EVENT_LATE_THREAD. May collect. Cost, inline, with nothing to do: two loads and tests. */
GOO_API void goo_gc_safepoint(GooGcMutator *m);

/* Brackets a stretch in which the thread touches no object and calls nothing of the heap: a system
 * call, a wait for a lock that an attached thread may hold. Collections go on without it; what its
 * frames, stack and registers held at the beginning stays alive; the end waits for a collection
 * that is running. An allocation or a safepoint inside is a panic; goo_gc_collect is GOO_ERR_BUSY.
 * Nest. Cost: a lock at each end. */
GOO_API void goo_gc_blocking_begin(GooGcMutator *m);
GOO_API void goo_gc_blocking_end(GooGcMutator *m);

/* Adds the words of [low, high) to what is scanned conservatively: a fiber's stack. With
 * `scan_stacks` a collection on a stack that is neither the thread's own nor known here is a panic;
 * while a fiber runs, of the thread's own stack only what was added is scanned. Fails:
 * GOO_ERR_INVALID_ARGUMENT (empty, misaligned to pointers, or `low` known already or not at all; in
 * a blocking region or a callback; from another thread), GOO_ERR_NO_MEMORY. */
GOO_API GooStatus goo_gc_add_stack(GooGcMutator *m, const void *low, const void *high);
GOO_API GooStatus goo_gc_remove_stack(GooGcMutator *m, const void *low);

/* --- types --- */

/* What of a typed object is traced. Word 0 of the object is the type itself and is never a slot.
 * LEAF: nothing. BITMAP: the words that the bitmap names. ARRAY: those, and everything from
 * array_offset to the end of the object. TRACE: what the callback visits. CONSERVATIVE: every
 * aligned word may be a pointer to or into an object. */
typedef enum GooGcLayout {
    GOO_GC_LAYOUT_LEAF,
    GOO_GC_LAYOUT_BITMAP,
    GOO_GC_LAYOUT_ARRAY,
    GOO_GC_LAYOUT_TRACE,
    GOO_GC_LAYOUT_CONSERVATIVE
} GooGcLayout;

/* Flags: the words that the bitmap names, or the array's elements, are plain pointers whatever the
 * heap's encoding; without the flag they are slots. */
enum { GOO_GC_TYPE_BITMAP_POINTERS = 1, GOO_GC_TYPE_ARRAY_POINTERS = 2 };

/* Constant while any of its objects is alive, and in the same place. What it says is believed, and
 * checked by verify only. */
struct GooGcType {
    const char *name;      /* for reports */
    size_t size;           /* of an object, bytes, with its header; what size 0 means in an alloc */
    GooGcLayout layout;
    uint32_t flags;
    const uint64_t *bitmap; /* bit i: word i of the object, 8 bytes (pointer-sized where plain) */
    size_t bitmap_words;    /* length of `bitmap` in uint64_t */
    size_t array_offset;    /* bytes, a multiple of the word; up to the object's end, which is its
                               size rounded up to 16 (the surplus reads zero) */
    void (*trace)(void *object, GooGcVisitor *v);
    void (*finalize)(void *object, void *user); /* called once, after the object died and before the
                               collecting call returns; may read the object and free what it owns;
                               touches no other object of the heap and allocates nothing on it */
    void *user; /* handed to finalize */
};

/* --- allocation: may collect; memory is 16-aligned and zero ---
 *
 * Each returns a new object, alive only as long as it is reachable, or NULL: with errno ENOMEM when
 * the heap is full even after a collection (the heap's listener hears of it first; the heap stays
 * usable), EINVAL for a typed object without a size, and with errno untouched for size 0 of the
 * others. Cost: a bump of a cursor; now and then a sweep of 64 KiB, or a collection. */

/* Word 0 is `type`, the rest zero. `size` 0 means type->size. Another size must cover every word
 * that the type's bitmap names, and array_offset; verify checks it. */
GOO_API void *goo_gc_alloc(GooGcMutator *m, const GooGcType *type, size_t size);
/* No header, never scanned. */
GOO_API void *goo_gc_alloc_leaf(GooGcMutator *m, size_t size);
/* No header; every aligned word may be a pointer to or into an object. */
GOO_API void *goo_gc_alloc_conservative(GooGcMutator *m, size_t size);
/* No header; traced by options.trace_embedder or as options.embedder_layout says. EINVAL when there
 * is neither, or when `size` is less than the layout's. */
GOO_API void *goo_gc_alloc_embedder(GooGcMutator *m, size_t size);
/* A leaf of `new_size` bytes with the content of `ptr`, which is dropped. In place where the
 * rounded size allows. `ptr` NULL allocates; new_size 0 returns NULL. On failure `ptr` stays. */
GOO_API void *goo_gc_realloc_leaf(GooGcMutator *m, void *ptr, size_t new_size);

/* The type of a typed object. Threads: any that may read the object. */
GOO_API const GooGcType *goo_gc_type_of(const void *object);
/* An object's size in bytes, rounded up to 16; 0 for an address that is no live object's start. */
GOO_API size_t goo_gc_size_of(GooGcHeap *heap, const void *object);
/* The live object that `address` points to or into, or NULL. Any address is fine. Inside a finalize
 * the dying objects still answer here and above. */
GOO_API void *goo_gc_base_of(GooGcHeap *heap, const void *address);

/* --- tracing: inside trace callbacks and root callbacks only --- */
GOO_API void goo_gc_visit(GooGcVisitor *v, void *slot);
GOO_API void goo_gc_visit_range(GooGcVisitor *v, void *slots, size_t count);
/* `pointer` is the address of a plain pointer, `pointers` of `count` of them; NULLs are fine. */
GOO_API void goo_gc_visit_pointer(GooGcVisitor *v, void *pointer);
GOO_API void goo_gc_visit_pointers(GooGcVisitor *v, void *pointers, size_t count);
/* Every aligned word of [low, high) that points to or into an object keeps it alive. */
GOO_API void goo_gc_visit_conservative(GooGcVisitor *v, const void *low, const void *high);

/* --- stores --- */

/* Stores `value` into `slot`, a slot of `object` (or of memory that its trace callback visits).
 * Every store into an object needs this, or goo_gc_barrier after it, whatever modes are on, except
 * stores into a new object before the next allocation or safepoint after its own. */
GOO_API void goo_gc_write(GooGcMutator *m, void *object, void *slot, uint64_t value);
/* The same for a plain pointer; `pointer` is its address. */
GOO_API void goo_gc_write_pointer(GooGcMutator *m, void *object, void *pointer, void *value);
/* After raw stores into `object`, before the next allocation or safepoint. */
GOO_API void goo_gc_barrier(GooGcMutator *m, void *object);
/* object->field = value, for a plain pointer field. */
#define GOO_GC_SET(m, object, field, value)                                                        \
    goo_gc_write_pointer((m), (object), (void *)&(object)->field, (void *)(value))

/* --- roots --- */

/* Registers the address of a slot or of a plain pointer; it is read at each collection until it is
 * removed. Fails: GOO_ERR_INVALID_ARGUMENT (NULL; or remove of what was not added),
 * GOO_ERR_NO_MEMORY, GOO_ERR_BUSY (in a trace or root callback). Cost: add O(1);
 * remove looks from the newest backwards, and moves the newest into the gap: O(1) where roots go in
 * the reverse order of their coming. */
GOO_API GooStatus goo_gc_root_add(GooGcHeap *heap, void *slot);
GOO_API GooStatus goo_gc_root_add_pointer(GooGcHeap *heap, void *pointer);
GOO_API GooStatus goo_gc_root_remove(GooGcHeap *heap, void *slot_or_pointer);
/* Registers a callback that visits roots of its own at each collection. It allocates nothing.
 * Fails as above. */
GOO_API GooStatus goo_gc_roots_add(GooGcHeap *heap, void (*trace)(GooGcVisitor *v, void *user),
                                   void *user);
GOO_API GooStatus goo_gc_roots_remove(GooGcHeap *heap, void (*trace)(GooGcVisitor *v, void *user),
                                      void *user);

/* A frame of local variables: locals[i] is the address of a plain pointer variable. Caller's
 * storage; frames end in the reverse order of their beginning, anything else is a panic. */
typedef struct GooGcFrame {
    struct GooGcFrame *previous;
    void *const *locals;
    size_t count;
} GooGcFrame;
GOO_API void goo_gc_frame_begin(GooGcMutator *m, GooGcFrame *frame, void *const *locals,
                                size_t count);
GOO_API void goo_gc_frame_end(GooGcMutator *m, GooGcFrame *frame);

/* Keeps an object alive until it is popped: temporaries during construction. NULL is fine. Never
 * collects, and never passes the hard limit: after an allocation that did not fail there is room
 * for as many pushes as there are temporaries, and for 64 at least; where there would not be, the
 * allocation fails. Whoever pushes more than that at the limit without allocating, where neither
 * the spare nor empty memory is left, is told by a panic: nothing could be kept safely. Pop of more
 * than was pushed is a panic. Cost: a test and a store. */
GOO_API void goo_gc_push(GooGcMutator *m, void *object);
GOO_API void goo_gc_pop(GooGcMutator *m, size_t count);

/* A name for an object that keeps it alive, for code that can't hold a root. bits 0: none;
 * what handle_new returns when it fails (errno ENOMEM) or for NULL. A stale handle gives NULL. */
typedef struct GooGcHandle {
    uint64_t bits;
} GooGcHandle;
GOO_API GooGcHandle goo_gc_handle_new(GooGcHeap *heap, void *object);
GOO_API void *goo_gc_handle_get(GooGcHeap *heap, GooGcHandle h);
GOO_API void goo_gc_handle_free(GooGcHeap *heap, GooGcHandle h);

/* --- collection --- */

/* Collects now, even while disabled. MINOR without generations is FULL. When it returns, every dead
 * object with a `finalize` has been finalized. Fails: GOO_ERR_BUSY inside a trace, a root callback,
 * a finalize or a blocking region. Cost: O(live) + 3 ms per GiB, the latter later and in pieces. */
GOO_API GooStatus goo_gc_collect(GooGcMutator *m, GooGcCollection kind);
/* Works on a cycle for about budget_us; true when a cycle ended. In this version a step is a whole
 * collection, if one is due. */
GOO_API bool goo_gc_step(GooGcMutator *m, uint32_t budget_us);
/* No collection by itself in between; allocation fails at the hard limit. Nest. */
GOO_API void goo_gc_disable(GooGcHeap *heap);
GOO_API void goo_gc_enable(GooGcHeap *heap);
/* 0: none. Other threads may use the heap meanwhile: when the call returns GOO_OK, and from then
 * on, not one accounted byte is above the limit. Fails: GOO_ERR_LIMIT, the old limits kept, when
 * the hard limit is below what is in use even after a full collection, or where none may run. May
 * collect. */
GOO_API GooStatus goo_gc_set_limits(GooGcHeap *heap, size_t soft_bytes, size_t hard_bytes);
/* Gives empty memory back to the OS now; the bytes given back. Cost: O(heap). */
GOO_API size_t goo_gc_release(GooGcHeap *heap);

/* --- allocator pressure: bytes outside the heap that hang on it --- */

/* From now on `a`'s live bytes count as external: they bring collections forward and count against
 * the limits. Attach while `a` has no live blocks but owned ones, or bytes won't match. At the
 * hard limit `a`'s requests fail; with strategy GOO_ALLOC_STRATEGY_GC they collect first. An
 * allocator may be attached to several heaps. Detaching takes what it still counts away, except for
 * owned blocks, which count by themselves from then on. Blocks that pass through a tracking, limit
 * or failing allocator are its parent's: of such a chain attach one. An allocator that makes its
 * blocks out of its parent's (an arena, a pool, debug) counts apart from that: attach one of the
 * two, and own blocks of that one.
 * Fails: GOO_ERR_INVALID_ARGUMENT (NULL; attached already, itself or another of its chain; not
 * attached), GOO_ERR_NO_MEMORY. Threads: while no other thread uses `a`. */
GOO_API GooStatus goo_gc_attach_allocator(GooGcHeap *heap, GooAllocator *a);
GOO_API GooStatus goo_gc_detach_allocator(GooGcHeap *heap, GooAllocator *a);
/* Counts bytes that no allocator of Goo's made: a file map, a texture. Negative takes away; more
 * than was counted is a panic. Fails: GOO_ERR_LIMIT, and nothing counted, if even a full collection
 * leaves no room. May collect. */
GOO_API GooStatus goo_gc_adjust_external(GooGcHeap *heap, ptrdiff_t bytes);
/* 0 … 1: how much of the way to the next collection is used up; 1 = a collection is due. */
GOO_API double goo_gc_pressure(const GooGcHeap *heap);

/* Explicit blocks that live as long as an object of the heap, their owner. When the owner dies its
 * blocks are freed to their allocators, on the thread that collects, before that collection's call
 * returns, and after the owner's plain `finalize`, which still finds them. No finalizer is needed.
 * Their bytes count as external, once: by themselves, or with the attachment where the allocator,
 * or one that it passes its requests to, is attached to this heap. The allocator must outlive its
 * blocks, and be thread-safe where several threads use the heap. What it calls while blocks of dead
 * owners are freed may adjust and ask, but neither collects nor reaches the calls below.
 *
 * goo_gc_owned_alloc returns `size` bytes of `a` (NULL: the current allocator), aligned to
 * GOO_DEFAULT_ALIGNMENT, contents indeterminate. goo_gc_owned_realloc grows, shrinks or moves one;
 * contents up to the smaller size stay; `ptr` NULL allocates from the current allocator, new_size 0
 * frees and returns NULL.
 * Fails: NULL with errno EINVAL (`owner` is not the start of a living object of the heap), with
 * ENOMEM (the allocator, the hard limit or memory for the table, each after a collection; the
 * heap's listener hears of it), with errno untouched for size 0; a failed realloc leaves the block.
 * Not inside a finalize. A `ptr` that `owner` does not own is a panic; so it is while another call
 * is reallocating that block, on any thread, and nothing has changed then. Other blocks of the
 * owner may be used at the same time. May collect.
 * Cost: constant, the allocator's work apart; 36 to 72 bytes a block, counted as metadata. */
GOO_API void *goo_gc_owned_alloc(GooGcMutator *m, void *owner, GooAllocator *a, size_t size);
GOO_API void *goo_gc_owned_realloc(GooGcMutator *m, void *owner, void *ptr, size_t new_size);
/* Frees one early; NULL does nothing. A finalize may free its own object's. */
GOO_API void goo_gc_owned_free(GooGcMutator *m, void *owner, void *ptr);
/* Attributes bytes to an object that no allocator of Goo's made: a file map, a texture. They count
 * as external until it dies or they are taken away; more than was added is a panic.
 * Fails: GOO_ERR_INVALID_ARGUMENT (no owner), GOO_ERR_NO_MEMORY, GOO_ERR_LIMIT, and nothing
 * changed, if even a full collection leaves no room. May collect when bytes are added. */
GOO_API GooStatus goo_gc_owner_adjust(GooGcMutator *m, void *owner, ptrdiff_t bytes);
/* The bytes of an object's blocks and adjustments; 0 for what is no object. Cost: its blocks. */
GOO_API size_t goo_gc_owner_bytes(GooGcHeap *heap, const void *owner);

/* A GooAllocator whose blocks are collected objects: `layout` LEAF or CONSERVATIVE (others: NULL
 * with EINVAL). free does nothing, the collector does. Owner: the caller, its destroy forgets it;
 * the heap and the mutator must outlive it. Alignments above 16 are NULL with ENOTSUP. */
GOO_API GooAllocator *goo_gc_allocator(GooGcMutator *m, GooGcLayout layout);

#ifdef __cplusplus
}
#endif

#endif
