/* limits.c: keeping memory back for the prompt.
 *
 * What a script has left in globals can fill the heap up to its limit. Then not even `big = nil;`
 * would compile, and the prompt would be stuck. So while a script runs at a prompt, the limit is a
 * little lower than what the user allowed; reading and compiling have all of it.
 *
 * Where more than the lower limit is in use, a script may have half of what is left, and the next
 * one half of the rest: it takes many attempts to use up the last of it.
 */
#include "limits.h"

#include "goo/gc/inspect.h"

enum { LIMITS_RESERVE_SHARE = 4, LIMITS_RESERVE_MAX = 160 * 1024 };

static size_t limits_in_use(const Vm *vm) {
    GooGcStats stats = goo_gc_get_stats(vm->heap);
    return stats.heap_bytes + stats.metadata_bytes + stats.external_bytes;
}

void limits_for_compiling(Vm *vm) {
    if (vm->is_prompt && vm->hard_limit != 0) {
        (void)goo_gc_set_limits(vm->heap, vm->soft_limit, vm->hard_limit);
    }
}

void limits_for_running(Vm *vm) {
    if (!vm->is_prompt || vm->hard_limit == 0) {
        return;
    }
    size_t reserve = vm->hard_limit / LIMITS_RESERVE_SHARE;
    if (reserve > LIMITS_RESERVE_MAX) {
        reserve = LIMITS_RESERVE_MAX;
    }
    size_t limit = vm->hard_limit - reserve;
    if (goo_gc_set_limits(vm->heap, vm->soft_limit, limit) == GOO_OK) {
        return;
    }
    size_t used = limits_in_use(vm);
    if (used < vm->hard_limit) {
        (void)goo_gc_set_limits(vm->heap, vm->soft_limit, used + (vm->hard_limit - used) / 2);
    }
}
