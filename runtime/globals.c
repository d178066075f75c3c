/* The definitions of what globals.h declares; nothing here does anything.
 *
 * The system allocator's struct is here because its statistics and strategy change; its functions
 * are constants from runtime/system.c. tests/tidy.py fails on a writable object in any other file,
 * but for the OS handles in runtime/platform/.
 */
#include "runtime/globals.h"

#include "runtime/blocks.h"
#include "runtime/callbacks.h"
#include "runtime/check.h"
#include "runtime/config.h"
#include "runtime/counters.h"
#include "runtime/kernels/kernels.h"
#include "runtime/pages.h"
#include "runtime/policy.h"
#include "runtime/registry.h"
#include "runtime/system.h"

GooiHooks gooi_hooks;
GooiAttachment *gooi_attachments = NULL;
atomic_flag gooi_attachments_lock = ATOMIC_FLAG_INIT;
_Atomic uint32_t gooi_heap_count = 0;
GooGcHeap *gooi_heaps = NULL;
atomic_flag gooi_heaps_lock = ATOMIC_FLAG_INIT;
bool gooi_fork_registered = false;
GooiMarkTeam *gooi_mark_team = NULL;
GOOI_THREAD_LOCAL const GooGcHeap *gooi_helped_heap = NULL;
_Atomic size_t gooi_heaps_accounted = 0;
_Atomic size_t gooi_heaps_external = 0;

GooAllocator gooi_system_allocator = {
    .alloc = gooi_system_alloc,
    .realloc = gooi_system_realloc,
    .free = gooi_system_free,
    .resize = gooi_system_resize,
    .name = "system",
    .capabilities = GOOI_SYSTEM_CAPABILITIES,
};

_Atomic(GooAllocator *) gooi_default_allocator = &gooi_system_allocator;
_Atomic(GooOutOfMemFn) gooi_out_of_mem_handler;
_Atomic(GooiPanicFn) gooi_panic_handler = gooi_policy_default_panic;
GOOI_THREAD_LOCAL GooAllocator *gooi_thread_allocator = NULL;
GooiInit gooi_init = {.lock = ATOMIC_FLAG_INIT};
_Atomic uint32_t gooi_watch = 0;

GOOI_THREAD_LOCAL GooGcMutator *gooi_thread_mutators = NULL;
GOOI_THREAD_LOCAL GooiShard *gooi_shard = NULL;
_Atomic(GooiShard *) gooi_shards = NULL;
GooiShard gooi_common_shard;
size_t gooi_shard_count = 0;
GooiTotals gooi_totals[GOOI_SLOT_COUNT];
_Atomic size_t gooi_counters_batch = GOOI_BATCH_MIN;
atomic_flag gooi_stats_lock = ATOMIC_FLAG_INIT;

GooiCallback gooi_callbacks[GOOI_CALLBACK_COUNT];
atomic_flag gooi_callbacks_lock = ATOMIC_FLAG_INIT;
GOOI_THREAD_LOCAL int gooi_callback_running = 0;

GooiBlocks gooi_blocks;
GOOI_THREAD_LOCAL GooiSite gooi_site = {NULL, 0};
GOOI_THREAD_LOCAL GooiDebugSeat gooi_debug_seat = {0, NULL};
_Atomic size_t gooi_limit_max = 0;
_Atomic size_t gooi_limit_used = 0;
GOOI_THREAD_LOCAL GooiPending *gooi_pending = NULL;
GOOI_THREAD_LOCAL size_t gooi_hidden = 0;
GooiPages gooi_pages = {.lock = ATOMIC_FLAG_INIT};
_Atomic bool gooi_fork_prepared = false;
atomic_flag gooi_fork_list_lock = ATOMIC_FLAG_INIT;
GooiForkLock *gooi_fork_list = NULL;
GooiRegistry gooi_registry = {.lock = ATOMIC_FLAG_INIT};
GOOI_THREAD_LOCAL char gooi_open_error[GOOI_OPEN_ERROR_SIZE] = "";
GooiClaims gooi_claims = {.lock = ATOMIC_FLAG_INIT};

_Atomic uint64_t gooi_check_key = 0;
GOOI_THREAD_LOCAL GooiScratch gooi_scratch = {NULL, NULL, NULL};

const GooiKernels *gooi_kernels = &gooi_kernels_scalar_table;
GooiKernels gooi_kernels_table;
