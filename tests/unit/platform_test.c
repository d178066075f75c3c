/* The OS contract of runtime/platform/platform.h, on whatever system this runs. Uses private
 * headers. */
#include "runtime/bits.h"
#include "runtime/platform/platform.h"
#include "tests/harness.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

enum { MIB = 1024 * 1024 };

static bool all_zero(const uint8_t *bytes, size_t size) {
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] != 0) {
            return false;
        }
    }
    return true;
}

GOO_TEST(platform, page_size_is_a_power_of_two) {
    CHECK(gooi_is_power_of_two(gooi_platform_page_size()));
    CHECK(gooi_platform_page_size() >= 4096);
}

GOO_TEST(platform, reserve_honours_every_alignment) {
    for (size_t alignment = gooi_platform_page_size(); alignment <= 64 * MIB; alignment *= 2) {
        void *p = gooi_platform_reserve(MIB, alignment);
        CHECK(p != NULL);
        CHECK_EQ((uintptr_t)p % alignment, 0);
        CHECK(gooi_platform_commit(p, MIB));
        memset(p, 0xa5, MIB); /* the whole range is ours */
        gooi_platform_release(p, MIB);
    }
}

GOO_TEST(platform, reserving_costs_no_memory) {
    size_t size = (size_t)64 << 30;
    if (sizeof(void *) < 8) {
        SKIP("address space is too small to show it");
    }
    void *p = gooi_platform_reserve(size, 4 * MIB);
    CHECK_MSG(p != NULL, "64 GiB of address space refused");
    gooi_platform_release(p, size);
}

GOO_TEST(platform, reserve_refuses_what_does_not_fit) {
    size_t page_size = gooi_platform_page_size();
    CHECK_PTR_EQ(gooi_platform_reserve(SIZE_MAX & ~(page_size - 1), page_size), NULL);
    CHECK_PTR_EQ(gooi_platform_reserve(SIZE_MAX & ~(page_size - 1), 4 * MIB), NULL);
}

GOO_TEST(platform, contents_follow_the_three_states) {
    uint8_t *p = gooi_platform_reserve(MIB, MIB);
    CHECK(p != NULL && gooi_platform_commit(p, MIB));
    CHECK(all_zero(p, MIB));
    memset(p, 0x5a, MIB);
    if (gooi_platform_discard(p, MIB / 2)) {
        CHECK(all_zero(p, MIB / 2));
    }
    CHECK_EQ(p[MIB / 2], 0x5a);
    CHECK(gooi_platform_decommit(p, MIB));
    CHECK(gooi_platform_commit(p, MIB));
    CHECK(all_zero(p, MIB));
    gooi_platform_release(p, MIB);
}

GOO_TEST(platform, hints_change_neither_contents_nor_errno) {
    uint8_t *p = gooi_platform_reserve(4 * MIB, 2 * MIB);
    CHECK(p != NULL && gooi_platform_commit(p, 4 * MIB));
    p[5] = 9;
    errno = EDOM;
    gooi_platform_advise_huge(p, 4 * MIB);
    gooi_platform_populate(p, 4 * MIB);
    CHECK_EQ(errno, EDOM);
    CHECK_EQ(p[5], 9);
    CHECK(all_zero(p + 6, 4 * MIB - 6));
    gooi_platform_release(p, 4 * MIB);
}

GOO_TEST(platform, protection_can_be_taken_and_given) {
    uint8_t *p = gooi_platform_reserve(MIB, gooi_platform_page_size());
    CHECK(p != NULL && gooi_platform_commit(p, MIB));
    p[0] = 1;
    CHECK(gooi_platform_protect(p, MIB, false));
    CHECK(gooi_platform_protect(p, MIB, true));
    CHECK_EQ(p[0], 1);
    gooi_platform_release(p, MIB);
}

GOO_TEST(platform, heap_usable_size_covers_what_was_asked_for) {
    void *p = malloc(100);
    size_t usable = gooi_platform_heap_usable_size(p);
    CHECK(usable == 0 || usable >= 100);
    free(p);
}

GOO_TEST(platform, machine_facts_are_plausible) {
    uint64_t memory = gooi_platform_physical_memory();
    CHECK(memory == 0 || memory >= 16 * (uint64_t)MIB);
    CHECK(gooi_platform_core_count() >= 1);
    uint64_t before = gooi_platform_time_ns();
    CHECK(gooi_platform_time_ns() >= before);
}

GOO_TEST(platform, random_numbers_differ) {
    uint64_t first = gooi_platform_random();
    CHECK(gooi_platform_random() != first || gooi_platform_random() != first);
}

typedef struct ThreadFacts {
    uintptr_t id;
    const void *low, *high;
    bool local_is_inside, known;
    int exits;
} ThreadFacts;

static void *thread_collect_facts(void *arg) {
    ThreadFacts *facts = arg;
    int local = 0;
    facts->id = gooi_platform_thread_id();
    facts->known = gooi_platform_stack_bounds(&facts->low, &facts->high);
    facts->local_is_inside =
        (const void *)&local >= facts->low && (const void *)&local < facts->high;
    return NULL;
}

GOO_TEST(platform, each_thread_has_its_id_and_its_stack) {
    ThreadFacts here, there = {0};
    thread_collect_facts(&here);
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, thread_collect_facts, &there), 0);
    pthread_join(thread, NULL);
    CHECK(here.id != 0 && there.id != 0 && here.id != there.id);
    CHECK(here.known && there.known);
    CHECK(GOO_TEST_ADDRESS_SANITIZER || (here.local_is_inside && there.local_is_inside));
    CHECK(here.low != there.low);
}

static void thread_count_exit(void *arg) {
    ((ThreadFacts *)arg)->exits++;
}

static void thread_count_wrong_exit(void *arg) {
    ((ThreadFacts *)arg)->exits += 100;
}

static void *thread_register_twice(void *arg) {
    gooi_platform_on_thread_exit(thread_count_wrong_exit, arg);
    gooi_platform_on_thread_exit(thread_count_exit, arg);
    return NULL;
}

GOO_TEST(platform, the_last_exit_function_runs_once) {
    ThreadFacts facts = {0};
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, thread_register_twice, &facts), 0);
    pthread_join(thread, NULL);
    CHECK_EQ(facts.exits, 1);
}

/* --- registers --- */

typedef struct Search {
    uintptr_t wanted;
    bool found, low_is_inside;
} Search;

__attribute__((no_sanitize_address)) static void search_stack(const void *stack_pointer,
                                                              void *arg) {
    Search *search = arg;
    const void *low, *high;
    if (!gooi_platform_stack_bounds(&low, &high)) {
        return;
    }
    search->low_is_inside = stack_pointer > low && stack_pointer < high;
    const uintptr_t *word =
        (const uintptr_t *)((uintptr_t)stack_pointer & ~(sizeof(uintptr_t) - 1));
    for (; (const void *)(word + 1) <= high; word++) {
        search->found |= *word == ~search->wanted;
    }
}

/* Holds a value in a register across the call: it is made before and used after, and its complement
 * is all that memory holds of it. */
__attribute__((noinline)) static uintptr_t hold_in_register(Search *search) {
    register uintptr_t held = ~search->wanted;
    __asm__ volatile("" : "+r"(held));
    gooi_platform_with_spilled_registers(search_stack, search);
    __asm__ volatile("" : "+r"(held));
    return held;
}

GOO_TEST(platform, values_in_registers_are_found_on_the_stack) {
    Search search = {.wanted = (uintptr_t)UINT64_C(0x1badb002deadfa11)};
    CHECK_EQ(hold_in_register(&search), ~search.wanted);
    CHECK(search.low_is_inside);
    CHECK(search.found);
}
