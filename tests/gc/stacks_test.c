/* Stacks scanned for roots: the thread's own, what only registers hold, and fibers.
 *
 * Public headers only.
 */
#define _XOPEN_SOURCE 700

#include <stdlib.h>
#include <ucontext.h>

#include "tests/gc/roots_fixture.h"

/* A panic left it in the midst of something: given up, and not forgotten. */
static GooGcMutator *volatile stacks_given_up;

/* --- the thread's own stack --- */

enum { STACKS_HELD = 200 };

/* Volatile, so that the pointers stay on the stack; every other one is an interior one. */
static __attribute__((noinline)) int stacks_hold_on_stack(RootsFixture *f) {
    char *volatile held[STACKS_HELD];
    for (size_t i = 0; i < STACKS_HELD; i++) {
        held[i] = (char *)mortal_new(f->m, &f->deaths) + (i % 2 == 0 ? 0 : 9);
    }
    roots_collect(f);
    int deaths = f->deaths;
    for (size_t i = 0; i < STACKS_HELD; i++) {
        CHECK(goo_gc_base_of(f->heap, held[i]) == (void *)(held[i] - (i % 2 == 0 ? 0 : 9)));
        held[i] = NULL;
    }
    return deaths;
}

static __attribute__((noinline)) void stacks_clear_stack(void) {
    char *zeros[4 * STACKS_HELD];
    memset(zeros, 0, sizeof zeros);
    __asm__ volatile("" : : "r"(zeros) : "memory");
}

GOO_TEST(gc_stacks, scanned_stack) {
    RootsFixture f;
    roots_begin(&f, "scan_stacks,verify");
    CHECK_EQ(stacks_hold_on_stack(&f), 0);
    stacks_clear_stack();
    roots_collect(&f);
    /* A stray copy may keep a few. */
    CHECK_MSG(f.deaths > STACKS_HELD * 9 / 10, "%d of %d died", f.deaths, STACKS_HELD);
    goo_gc_heap_destroy(f.heap);
    CHECK_EQ(f.deaths, STACKS_HELD);
}

/* Four pointers that live in registers across the calls: the loop keeps them out of memory where
 * the compiler can. Under stress a missed register is a poisoned object. */
static __attribute__((noinline)) uint64_t stacks_use_registers(GooGcMutator *m, int rounds) {
    register Pair *a = pair_new(m, NULL, NULL, 1);
    register Pair *b = pair_new(m, NULL, NULL, 2);
    register Pair *c = pair_new(m, NULL, NULL, 3);
    register Pair *d = pair_new(m, NULL, NULL, 4);
    uint64_t sum = 0;
    for (int i = 0; i < rounds; i++) {
        a = pair_new(m, a, NULL, a->value + 1);
        b = pair_new(m, NULL, NULL, b->value + 1);
        c = pair_new(m, NULL, NULL, c->value + 1);
        d = pair_new(m, NULL, NULL, d->value + 1);
        sum += a->first->value + b->value + c->value + d->value;
        a->first = NULL;
    }
    return sum;
}

GOO_TEST(gc_stacks, registers) {
    RootsFixture f;
    roots_begin(&f, "scan_stacks,stress=1,poison");
    enum { ROUNDS = 300 };
    uint64_t expected = 0;
    for (uint64_t i = 0; i < ROUNDS; i++) {
        expected += (1 + i) + (3 + i) + (4 + i) + (5 + i);
    }
    CHECK_EQ(stacks_use_registers(f.m, ROUNDS), expected);
    goo_gc_heap_destroy(f.heap);
}

#if defined(__x86_64__)
/* One pointer in each callee-saved register and nowhere else, by force. */
static __attribute__((noinline)) int stacks_only_in_registers(RootsFixture *f) {
    uintptr_t hidden[4]; /* complemented, so that they are no pointers */
    for (size_t i = 0; i < 4; i++) {
        hidden[i] = ~(uintptr_t)mortal_new(f->m, &f->deaths);
    }
    stacks_clear_stack();
    register uintptr_t r12 __asm__("r12") = ~hidden[0];
    register uintptr_t r13 __asm__("r13") = ~hidden[1];
    register uintptr_t r14 __asm__("r14") = ~hidden[2];
    register uintptr_t r15 __asm__("r15") = ~hidden[3];
    __asm__ volatile("" : "+r"(r12), "+r"(r13), "+r"(r14), "+r"(r15));
    goo_gc_collect(f->m, GOO_GC_FULL);
    __asm__ volatile("" : "+r"(r12), "+r"(r13), "+r"(r14), "+r"(r15));
    return f->deaths;
}

GOO_TEST(gc_stacks, callee_saved_registers) {
    RootsFixture f;
    roots_begin(&f, "scan_stacks");
    CHECK_EQ(stacks_only_in_registers(&f), 0);
    goo_gc_heap_destroy(f.heap);
    CHECK_EQ(f.deaths, 4);
}
#endif

/* --- fibers --- */

enum { STACKS_FIBER_SIZE = 256 << 10 };
static ucontext_t stacks_main_context, stacks_fiber_context;
static RootsFixture *stacks_fiber_fixture;
static uint64_t stacks_fiber_sum;

/* Runs under stress, with everything it holds on the fiber's stack and in registers. */
static void stacks_fiber_body(void) {
    GooGcMutator *m = stacks_fiber_fixture->m;
    Pair *held = pair_new(m, NULL, NULL, 1000);
    stacks_fiber_sum += stacks_use_registers(m, 20);
    swapcontext(&stacks_fiber_context, &stacks_main_context); /* suspended: collections elsewhere */
    stacks_fiber_sum += held->value + stacks_use_registers(m, 20);
}

static void stacks_run_fiber(const char *text) {
    RootsFixture f;
    roots_begin(&f, text);
    uint64_t *stack = malloc(STACKS_FIBER_SIZE);
    CHECK(stack != NULL);
    CHECK_EQ(getcontext(&stacks_fiber_context), 0);
    stacks_fiber_context.uc_stack.ss_sp = stack;
    stacks_fiber_context.uc_stack.ss_size = STACKS_FIBER_SIZE;
    stacks_fiber_context.uc_link = &stacks_main_context;
    makecontext(&stacks_fiber_context, stacks_fiber_body, 0);
    CHECK_EQ(goo_gc_add_stack(f.m, stack, stack + STACKS_FIBER_SIZE / sizeof *stack), GOO_OK);
    stacks_fiber_fixture = &f;
    stacks_fiber_sum = 0;
    void *kept = mortal_new(f.m, &f.deaths);
    CHECK_EQ(goo_gc_root_add_pointer(f.heap, &kept), GOO_OK);
    CHECK_EQ(swapcontext(&stacks_main_context, &stacks_fiber_context), 0);
    roots_expect(&f, 0);
    CHECK_EQ(swapcontext(&stacks_main_context, &stacks_fiber_context), 0);
    uint64_t expected = 1000;
    for (uint64_t i = 0; i < 20; i++) {
        expected += 2 * ((1 + i) + (3 + i) + (4 + i) + (5 + i));
    }
    CHECK_EQ(stacks_fiber_sum, expected);
    goo_gc_heap_destroy(f.heap);
    free(stack);
}

GOO_TEST(gc_stacks, fibers) {
    stacks_run_fiber("scan_stacks,stress=1,poison");
    stacks_run_fiber("stress=1,poison"); /* precise, but for the fiber */
}

/* A collection on a stack that nobody told of can't be sound, and says so. */
static void stacks_stray_body(void) {
    collect(stacks_fiber_fixture->m);
}

GOO_TEST(gc_stacks, stack_that_was_not_added) {
    RootsFixture f;
    if (GOO_TEST_ADDRESS_SANITIZER) {
        SKIP("the sanitizer can't follow a jump from one stack to another");
    }
    roots_begin(&f, "scan_stacks");
    void *stack = malloc(STACKS_FIBER_SIZE);
    CHECK_EQ(getcontext(&stacks_fiber_context), 0);
    stacks_fiber_context.uc_stack.ss_sp = stack;
    stacks_fiber_context.uc_stack.ss_size = STACKS_FIBER_SIZE;
    stacks_fiber_context.uc_link = &stacks_main_context;
    makecontext(&stacks_fiber_context, stacks_stray_body, 0);
    stacks_fiber_fixture = &f;
    CHECK_PANICS(swapcontext(&stacks_main_context, &stacks_fiber_context), "was not added");
    stacks_given_up = f.m;
    free(stack);
}
