/* The three tiers of checks and the way to the panic handler. Uses private headers. */
#include "runtime/check.h"
#include "tests/harness.h"

GOO_TEST(check, panic_message_is_formatted) {
    CHECK_PANICS(gooi_panic("block %d of %s", 7, "nine"), "block 7 of nine");
}

GOO_TEST(check, a_long_message_is_cut_off_and_ends) {
    char text[2000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    CHECK_PANICS(gooi_panic("%s", text), "xxxx");
    CHECK(strlen(goo_test_panic_message()) < 600);
}

GOO_TEST(check, a_condition_that_holds_says_nothing) {
    GOO_REQUIRE(1 + 1 == 2, "unreachable");
    GOO_ASSERT(1 + 1 == 2, "unreachable");
    GOO_DEEP(1 + 1 == 2, "unreachable");
}

GOO_TEST(check, require_is_on_at_every_level) {
    CHECK_PANICS(GOO_REQUIRE(1 + 1 == 3, "size %zu", (size_t)5), "size 5");
}

GOO_TEST(check, assert_and_deep_follow_the_build_option) {
    bool evaluated = false;
    if (GOO_CHECK_LEVEL >= 2) {
        CHECK_PANICS(GOO_ASSERT(evaluated, "invariant"), "invariant");
    } else {
        GOO_ASSERT((evaluated = true) && false, "off: not even evaluated");
        CHECK(!evaluated);
    }
    if (GOO_CHECK_LEVEL >= 3) {
        CHECK_PANICS(GOO_DEEP(evaluated, "structure"), "structure");
    } else {
        GOO_DEEP((evaluated = true) && false, "off: not even evaluated");
        CHECK(!evaluated);
    }
}
