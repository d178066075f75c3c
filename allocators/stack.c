/* The stack allocator: a cursor over one piece of memory, and in front of each block what was there
 * before it.
 *
 *     | Stack | header | block | pad | header | block | free |
 *                  ▲──────previous───────┘ ▲ top       ▲ cursor
 *
 *   STACK-1  top is the header of the last block, which ends at or below the cursor; NULL: none
 *   STACK-2  a header's `start` is where the cursor was before its block
 *   STACK-3  `counted` and `counted_bytes` are what the front door counts as live
 *
 * Threads: one at a time.
 */
#include "goo/allocators/stack.h"

#include "allocators/impl.h"

#include <errno.h>
#include <string.h>

typedef struct StackHeader {
    struct StackHeader *previous;
    uint8_t *start;
} StackHeader;

typedef struct Stack {
    GooiExtendedAllocator head;
    uint8_t *base, *cursor, *end;
    StackHeader *top;
    size_t counted, counted_bytes;
    GooAllocator *parent;
    size_t allocated_size; /* the struct and its memory */
} Stack;

static inline StackHeader *stack_header(void *ptr) {
    return (StackHeader *)(void *)((uint8_t *)ptr - sizeof(StackHeader));
}

static void stack_count(Stack *stack, size_t count, size_t bytes) {
    if (gooi_memory_watched(&stack->head.allocator)) {
        stack->counted += count;
        stack->counted_bytes += bytes;
    }
}

static void *stack_alloc(void *ctx, size_t size, size_t alignment, GooAllocOptions options) {
    Stack *stack = ctx;
    size_t asked = size;
    gooi_round_to_pages(&size, &alignment, options);
    alignment = alignment < _Alignof(StackHeader) ? _Alignof(StackHeader) : alignment;
    uintptr_t cursor = (uintptr_t)stack->cursor;
    size_t skip = sizeof(StackHeader) + (-(cursor + sizeof(StackHeader)) & (alignment - 1));
    size_t room = (size_t)(stack->end - stack->cursor);
    if (skip > room || size > room - skip) {
        errno = ENOMEM;
        return NULL;
    }
    uint8_t *p = stack->cursor + skip;
    *stack_header(p) = (StackHeader){stack->top, stack->cursor};
    stack->top = stack_header(p);
    stack->cursor = p + size;
    if ((options & GOO_ALLOC_ZERO) != 0) {
        memset(p, 0, size);
    }
    if ((options & GOOI_ALLOC_COUNTED) != 0) {
        stack->counted++;
        stack->counted_bytes += asked;
    }
    return p;
}

static void stack_free(void *ctx, void *ptr, size_t size, size_t alignment) {
    (void)alignment;
    Stack *stack = ctx;
    GOO_REQUIRE(stack->top != NULL && (void *)(stack->top + 1) == ptr,
                "stack: free of %p, %zu bytes, which is not the last block (%p is)", ptr, size,
                stack->top != NULL ? (void *)(stack->top + 1) : NULL);
    GOO_REQUIRE(size <= (size_t)(stack->cursor - (uint8_t *)ptr),
                "stack: free of %p with %zu bytes; it has %zu", ptr, size,
                (size_t)(stack->cursor - (uint8_t *)ptr));
    stack->cursor = stack->top->start;
    stack->top = stack->top->previous;
    stack_count(stack, (size_t)-1, -size);
}

/* The block has `room` bytes from now on, of which `new_size` were asked for. */
static bool stack_resize_to(Stack *stack, void *ptr, size_t old_size, size_t new_size,
                            size_t room) {
    if (stack_header(ptr) == stack->top) {
        if (room > (size_t)(stack->end - (uint8_t *)ptr)) {
            return false;
        }
        stack->cursor = (uint8_t *)ptr + room;
    } else if (new_size > old_size) {
        return false;
    }
    stack_count(stack, 0, new_size - old_size);
    return true;
}

static bool stack_resize(void *ctx, void *ptr, size_t old_size, size_t new_size, size_t alignment) {
    (void)alignment;
    return stack_resize_to(ctx, ptr, old_size, new_size, new_size);
}

static void *stack_realloc(void *ctx, void *ptr, size_t old_size, size_t new_size, size_t alignment,
                           GooAllocOptions options) {
    Stack *stack = ctx;
    size_t room = new_size;
    gooi_round_to_pages(&room, &alignment, options);
    if (!stack_resize_to(stack, ptr, old_size, new_size, room)) {
        errno = stack_header(ptr) == stack->top ? ENOMEM : EINVAL;
        return NULL;
    }
    if (new_size > old_size && (options & GOO_ALLOC_ZERO) != 0) {
        memset((uint8_t *)ptr + old_size, 0, new_size - old_size);
    }
    return ptr;
}

static bool stack_owns(GooAllocator *a, const void *ptr) {
    const Stack *stack = (const Stack *)(const void *)a;
    return (uintptr_t)ptr - (uintptr_t)stack->base <
           (uintptr_t)stack->cursor - (uintptr_t)stack->base;
}

static void stack_reset(GooAllocator *a) {
    Stack *stack = (Stack *)(void *)a;
    size_t bytes = stack->counted_bytes, count = stack->counted;
    gooi_claims_lost_all(a);
    stack->cursor = stack->base;
    stack->top = NULL;
    stack->counted = stack->counted_bytes = 0;
    gooi_settle_all(a, bytes, count);
}

static void stack_destroy(void *self) {
    Stack *stack = self;
    gooi_claims_lost_all(&stack->head.allocator);
    goo_memory_free_with(stack->parent, stack, stack->allocated_size);
}

static const GooiAllocatorOps stack_ops = {.reset = stack_reset, .owns = stack_owns};

GooAllocator *goo_stack_allocator_create(GooAllocator *parent, size_t capacity) {
    size_t base = gooi_align_up(sizeof(Stack), GOO_DEFAULT_ALIGNMENT);
    size_t size;
    if (capacity == 0) {
        errno = EINVAL;
        return NULL;
    }
    if (gooi_add_overflows(capacity, base, &size)) {
        errno = ENOMEM;
        return NULL;
    }
    parent = gooi_parent(parent);
    Stack *stack = goo_memory_alloc_with(parent, size);
    if (stack == NULL) {
        return NULL;
    }
    uint8_t *memory = (uint8_t *)stack + base;
    *stack = (Stack){
        .base = memory,
        .cursor = memory,
        .end = memory + capacity,
        .parent = parent,
        .allocated_size = size,
    };
    stack->head.ops = &stack_ops;
    stack->head.allocator = (GooAllocator){
        .alloc = stack_alloc,
        .realloc = stack_realloc,
        .free = stack_free,
        .destroy = stack_destroy,
        .context = stack,
        .resize = stack_resize,
        .name = "stack",
        .capabilities = GOO_ALLOCATOR_FREES | GOO_ALLOCATOR_RESIZES | GOO_ALLOCATOR_RESETS |
                        GOO_ALLOCATOR_OWNS | GOOI_ALLOCATOR_EXTENDED | GOOI_ALLOCATOR_PAGES |
                        GOOI_ALLOCATOR_DIRECT,
    };
    return &stack->head.allocator;
}
