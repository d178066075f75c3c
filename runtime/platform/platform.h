/* The OS contract: everything the library asks of an operating system. A port is one new file
 * that defines these functions; meson.build chooses it.
 *
 * Rules, stated once. Sizes and addresses are multiples of gooi_platform_page_size unless it says
 * otherwise. No call prints, allocates through the library, or leaves errno changed on success.
 * Address space has three states: reserved (touching it faults), committed (reads zero until
 * written), and decommitted (reserved or committed again, contents lost). A failure is reported by
 * the return value and changes nothing. Threads: any, for disjoint address ranges.
 *
 *   reserve ──commit──▶ committed ──decommit──▶ reserved      release ends all of it
 *                          └──────discard──────▶ committed, reads zero again, memory given back
 *
 * Windows: VirtualAlloc MEM_RESERVE/MEM_COMMIT/MEM_DECOMMIT. WebAssembly: reserve commits as well
 * (memory.grow) and commit, decommit and advise succeed without doing anything.
 */
#ifndef GOO_PLATFORM_PLATFORM_H
#define GOO_PLATFORM_PLATFORM_H

#include "runtime/base.h"

/* --- memory --- */
size_t gooi_platform_page_size(void);

/* Address space of `size` bytes aligned to `alignment` (a power of two, any multiple of the page
 * size), or NULL. Costs no memory and is not counted against overcommit. */
void *gooi_platform_reserve(size_t size, size_t alignment);
void gooi_platform_release(void *base, size_t size);

/* Makes a reserved range readable and writable; its contents are zero. False: out of memory. */
bool gooi_platform_commit(void *base, size_t size);
bool gooi_platform_decommit(void *base, size_t size);

/* Gives the memory behind a committed range back; it stays accessible and reads zero. False where
 * that can't be promised; the contents are then unspecified and the caller must zero the range. */
bool gooi_platform_discard(void *base, size_t size);

/* Asks that the range be backed by huge pages from now on. A hint. */
void gooi_platform_advise_huge(void *base, size_t size);

/* Takes the page faults of a committed range now, in one call. A hint. */
void gooi_platform_populate(void *base, size_t size);

/* Makes committed pages inaccessible, or accessible again: guard pages. */
bool gooi_platform_protect(void *base, size_t size, bool accessible);

/* How many bytes of a block from malloc may be used: at least what was asked for; 0 where unknown.
 * Any pointer that malloc and its relatives gave. */
size_t gooi_platform_heap_usable_size(void *ptr);

/* Bytes of physical memory, 0 where unknown. */
uint64_t gooi_platform_physical_memory(void);

/* Bytes of memory that the container allows that this process runs in, 0 where there is no limit or
 * it is unknown. `root` stands before every path that is read: "", or a test's folder. The same for
 * every OS: container.c. */
uint64_t gooi_platform_container_memory(const char *root);

/* --- time --- */
uint64_t gooi_platform_time_ns(void); /* monotonic */

/* --- threads --- */
unsigned gooi_platform_core_count(void); /* that this process may use; at least 1 */

/* A number that differs between live threads and is not 0. */
uintptr_t gooi_platform_thread_id(void);

/* Whether the process has no other thread, so that a lock that no one else can want may be left
 * out. False where unknown. */
bool gooi_platform_single_threaded(void);

/* Lets another thread run, if one wants to. */
void gooi_platform_yield(void);

/* The calling thread's stack: [*out_low, *out_high). False where unknown. Stacks grow down. */
bool gooi_platform_stack_bounds(const void **out_low, const void **out_high);

/* One function on the stack: where it goes on, and its stack pointer at that time. */
typedef struct GooiPlatformFrame {
    uintptr_t return_address, stack_pointer;
} GooiPlatformFrame;

/* The calling thread's frames by the unwinder's tables, innermost first, this call's own included;
 * at most `capacity`. Slow: microseconds. */
size_t gooi_platform_backtrace(GooiPlatformFrame *frames, size_t capacity);

/* A return address in words, as far as they are known: "function+0x12 (module+0x1234)", cut off at
 * `size`. False: nothing is known. */
bool gooi_platform_symbol(const void *return_address, char *out, size_t size);

/* Enters the debugger; without one the process ends. */
void gooi_platform_break(void);

/* Spills the callee-saved registers to the stack and calls fn(stack pointer, arg): every word that
 * any register or frame of the caller holds lies between that pointer and the stack's high end. */
void gooi_platform_with_spilled_registers(void (*fn)(const void *stack_pointer, void *arg),
                                          void *arg);

/* Has fn(arg) called when the calling thread ends, on that thread, after its own code. One pair per
 * thread: a second call replaces the first. Not called when the process exits. False: no memory. */
bool gooi_platform_on_thread_exit(void (*fn)(void *arg), void *arg);

/* A lock and a condition to wait for under it. Both are plain memory that init makes ready; none is
 * moved afterwards. A mutex is locked once by a thread. */
typedef struct GooiPlatformMutex {
    uint64_t opaque[8];
} GooiPlatformMutex;
typedef struct GooiPlatformCondition {
    uint64_t opaque[8];
} GooiPlatformCondition;
void gooi_platform_mutex_init(GooiPlatformMutex *m);
void gooi_platform_mutex_deinit(GooiPlatformMutex *m);
void gooi_platform_mutex_lock(GooiPlatformMutex *m);
bool gooi_platform_mutex_try_lock(GooiPlatformMutex *m); /* false: it is taken */
void gooi_platform_mutex_unlock(GooiPlatformMutex *m);
void gooi_platform_condition_init(GooiPlatformCondition *c);
void gooi_platform_condition_deinit(GooiPlatformCondition *c);

/* Waits until somebody broadcasts, or now and then without a reason; unlocks `m` meanwhile. */
void gooi_platform_condition_wait(GooiPlatformCondition *c, GooiPlatformMutex *m);

/* The same, for `ns` nanoseconds at most. False: the time is over. */
bool gooi_platform_condition_wait_for(GooiPlatformCondition *c, GooiPlatformMutex *m, uint64_t ns);
void gooi_platform_condition_broadcast(GooiPlatformCondition *c);

/* Starts a thread that takes no signals. False: the system has none to give. */
typedef struct GooiPlatformThread {
    uint64_t opaque[2];
} GooiPlatformThread;
bool gooi_platform_thread_start(GooiPlatformThread *out, void (*fn)(void *arg), void *arg);
void gooi_platform_thread_join(GooiPlatformThread *thread);

/* Has functions called on the thread that forks: before, and after in the parent and in the child.
 * False: no memory. Nothing to do where there is no fork. */
bool gooi_platform_at_fork(void (*before)(void), void (*in_parent)(void), void (*in_child)(void));

/* --- entropy and exit --- */
/* A number that an attacker can't predict, for hash seeds and check words. */
uint64_t gooi_platform_random(void);
GOOI_NORETURN void gooi_platform_abort(void);

/* Writes a message where a developer sees it (standard error). Only the default panic handler. */
void gooi_platform_log(const char *message);

#endif
