/* The definitions of what globals.h declares; nothing here does anything.
 *
 * The system allocator's struct is here because its statistics and strategy change; its functions
 * are constants from runtime/system.c. tests/tidy.py fails on a writable object in any other file,
 * but for the OS handles in runtime/platform/.
 */
#include "runtime/globals.h"

#include "runtime/check.h"
#include "runtime/kernels/kernels.h"
#include "runtime/policy.h"
#include "runtime/system.h"

GooiHooks gooi_hooks;
GooiAttachment *gooi_attachments = NULL;
atomic_flag gooi_attachments_lock = ATOMIC_FLAG_INIT;
_Atomic uint32_t gooi_heap_count = 0;

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
_Atomic uint64_t gooi_check_key = 0;
GOOI_THREAD_LOCAL GooiScratch gooi_scratch = {NULL, NULL, NULL};

const GooiKernels *gooi_kernels = &gooi_kernels_scalar_table;
GooiKernels gooi_kernels_table;
