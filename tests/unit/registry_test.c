/* Allocators by name: built-in ones, a program's own, nested parents, and what is refused. */
#include "goo/allocators.h"
#include "goo/runtime/memory.h"
#include "goo/runtime/stats.h"
#include "tests/harness.h"
#include "tests/unit/mock.h"

#include <errno.h>

static void use_and_destroy(const char *text, const char *name) {
    GooAllocator *a = goo_allocator_open(text);
    CHECK_MSG(a != NULL, "%s can't be opened", text);
    CHECK_STR_EQ(a->name, name);
    void *p = goo_memory_alloc_with(a, 48);
    CHECK(p != NULL);
    memset(p, 1, 48);
    goo_memory_free_with(a, p, 48);
    goo_allocator_destroy(a);
}

GOO_TEST(registry, built_in_allocators) {
    use_and_destroy("system", "system");
    use_and_destroy("page", "page");
    use_and_destroy("page:", "page");
    use_and_destroy("arena:block=64k", "arena");
    use_and_destroy("arena:block=4k,max=1m,keep=yes,parent=page", "arena");
    use_and_destroy("pool:size=48,block=10,shared=no", "pool");
    use_and_destroy("tracking", "tracking");
    use_and_destroy("limit:max=16m,parent=system", "limit");
    use_and_destroy("failing:at=0", "failing");
    use_and_destroy("region:block=8k,large=yes", "region");
    use_and_destroy("scoped:parent=system", "scoped");
    use_and_destroy("debug:stack=8,quarantine=4k,sample=1,history=yes", "debug");
    use_and_destroy("stack:size=4k", "stack");
    use_and_destroy("fallback:first=(arena:max=64k,block=4k),second=system", "fallback");
}

GOO_TEST(registry, options_arrive) {
    GooAllocator *a = goo_allocator_open("limit:max=1k");
    CHECK(a != NULL);
    CHECK_PTR_EQ(goo_memory_alloc_with(a, 1025), NULL);
    void *p = goo_memory_alloc_with(a, 1024);
    CHECK(p != NULL);
    goo_memory_free_with(a, p, 1024);
    goo_allocator_destroy(a);
    a = goo_allocator_open("failing:at=2");
    p = goo_memory_alloc_with(a, 8);
    CHECK(p != NULL);
    CHECK_PTR_EQ(goo_memory_alloc_with(a, 8), NULL);
    goo_memory_free_with(a, p, 8);
    goo_allocator_destroy(a);
    a = goo_allocator_open("pool:size=64,max=1");
    p = goo_memory_alloc_with(a, 64);
    CHECK(p != NULL);
    CHECK_PTR_EQ(goo_memory_alloc_with(a, 64), NULL);
    goo_memory_free_with(a, p, 64);
    goo_allocator_destroy(a);
}

/* --- a program's own --- */

static size_t destroyed;

static void own_destroy(void *self) {
    destroyed++;
    free(self);
}

static char last_options[100];

static GooAllocator *own_factory(const char *options, void *user) {
    strncpy(last_options, options, sizeof last_options - 1);
    if (strcmp(options, "bad") == 0) {
        errno = EINVAL;
        return NULL;
    }
    Mock *mock = malloc(sizeof *mock);
    mock_init(mock)->destroy = own_destroy;
    mock->allocator.name = user;
    return &mock->allocator;
}

GOO_TEST(registry, a_programs_own) {
    static char label[] = "mine";
    CHECK_EQ(goo_allocator_register("own", own_factory, label), GOO_OK);
    CHECK_EQ(goo_allocator_register("own", own_factory, label), GOO_ERR_BUSY);
    destroyed = 0;
    use_and_destroy("own:x=1,y=(2,3)", "mine");
    CHECK_STR_EQ(last_options, "x=1,y=(2,3)");
    CHECK_EQ(destroyed, 1);
    use_and_destroy("own", "mine");
    CHECK_STR_EQ(last_options, "");
    errno = 0;
    CHECK_PTR_EQ(goo_allocator_open("own:bad"), NULL);
    CHECK_EQ(errno, EINVAL);
}

GOO_TEST(registry, parents_end_after_their_children_and_when_opening_fails) {
    goo_allocator_register("parent-1", own_factory, NULL);
    destroyed = 0;
    GooAllocator *a =
        goo_allocator_open("limit:max=1m,parent=(arena:block=4k,parent=(parent-1:deep))");
    CHECK(a != NULL);
    CHECK_STR_EQ(last_options, "deep");
    void *p = goo_memory_alloc_with(a, 100);
    CHECK(p != NULL);
    a->destroy(a); /* as good as goo_allocator_destroy */
    CHECK_EQ(destroyed, 1);
    static const char *const bad[] = {
        "limit:parent=parent-1,max=x",
        "limit:parent=parent-1,color=red",
        "limit:parent=parent-1",
        "limit:max=1,parent=parent-1,parent=parent-1",
        "arena:parent=parent-1,block=5,block=6",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        errno = 0;
        CHECK_PTR_EQ(goo_allocator_open(bad[i]), NULL);
        CHECK_EQ(errno, EINVAL);
        CHECK_EQ(destroyed, 2 + i);
    }
}

GOO_TEST(registry, what_is_refused) {
    static const char *const bad[] = {
        "",
        ":",
        "nothing",
        "nothing:x=1",
        "arena:block",
        "arena:block=",
        "arena:block=-1",
        "arena:block=1x",
        "arena:block=k",
        "arena:block=99999999999999999999",
        "arena:keep=perhaps",
        "arena:colour=1",
        "pool",
        "stack",
        "limit",
        "system:parent=system",
        "arena:parent=nothing",
        "arena:parent=(system",
        "arena:parent=system)",
        "arena:,",
        "limit:max=20000000000g",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        errno = 0;
        CHECK_MSG(goo_allocator_open(bad[i]) == NULL, "\"%s\" was opened", bad[i]);
        CHECK_MSG(errno == EINVAL, "\"%s\": errno %d", bad[i], errno);
    }
    CHECK_PTR_EQ(goo_allocator_open(NULL), NULL);
    char deep[512] = "";
    for (int i = 0; i < 30; i++) {
        strcat(deep, "tracking:parent=");
    }
    strcat(deep, "system");
    errno = 0;
    CHECK_PTR_EQ(goo_allocator_open(deep), NULL);
    CHECK_EQ(errno, EINVAL);
    CHECK_EQ(goo_allocator_register("arena", own_factory, NULL), GOO_ERR_BUSY);
    CHECK_EQ(goo_allocator_register("", own_factory, NULL), GOO_ERR_INVALID_ARGUMENT);
    CHECK_EQ(goo_allocator_register("a:b", own_factory, NULL), GOO_ERR_INVALID_ARGUMENT);
    CHECK_EQ(goo_allocator_register("a b", own_factory, NULL), GOO_ERR_INVALID_ARGUMENT);
    CHECK_EQ(goo_allocator_register("ok", NULL, NULL), GOO_ERR_INVALID_ARGUMENT);
    CHECK_EQ(goo_allocator_register(NULL, own_factory, NULL), GOO_ERR_INVALID_ARGUMENT);
    CHECK_EQ(goo_allocator_register("a23456789012345678901234567890123", own_factory, NULL),
             GOO_ERR_INVALID_ARGUMENT);
}

GOO_TEST(registry, fixed_buffers_and_buffer_pools) {
    use_and_destroy("fixed:size=4k", "fixed");
    use_and_destroy("fixed:size=4k,parent=page", "fixed");
    use_and_destroy("buffer_pool:size=4k,count=3", "buffer_pool");
    use_and_destroy("fallback:first=(fixed:size=100),second=system", "fallback");
    GooAllocator *a = goo_allocator_open("fixed:size=1k,parent=(limit:max=2k)");
    CHECK_PTR_EQ(goo_memory_alloc_with(a, 1025), NULL);
    void *p = goo_memory_alloc_with(a, 1024);
    CHECK(p != NULL && goo_allocator_owns(a, p));
    CHECK(goo_allocator_reset(a));
    CHECK_PTR_EQ(goo_memory_alloc_with(a, 1024), p);
    goo_allocator_destroy(a);
    errno = 0;
    CHECK_PTR_EQ(goo_allocator_open("fixed:size=1k,parent=(limit:max=1k)"), NULL);
    CHECK_EQ(errno, ENOMEM);
    a = goo_allocator_open("buffer_pool:size=100,count=2,parent=(tracking:parent=system)");
    uint8_t *one = goo_memory_alloc_zeroed_with(a, 100), *two = goo_memory_alloc_with(a, 1);
    CHECK(one != NULL && two != NULL && goo_memory_is_zero(one, 100));
    errno = 0;
    CHECK_PTR_EQ(goo_memory_alloc_with(a, 1), NULL);
    CHECK_EQ(errno, ENOMEM);
    errno = 0;
    CHECK_PTR_EQ(goo_memory_realloc_with(a, two, 1, 101), NULL);
    CHECK_EQ(errno, EINVAL);
    CHECK_PTR_EQ(goo_memory_realloc_with(a, two, 1, 50), two);
    goo_memory_free_with(a, two, 50);
    CHECK_PANICS(goo_memory_free_with(a, one + 16, 50), "no buffer that is out");
    goo_memory_free_with(a, one, 100);
    goo_allocator_destroy(a);
}

/* An allocator that owns its parent is still what it is. */
GOO_TEST(registry, calls_of_their_own_work_on_opened_allocators) {
    GooAllocator *a = goo_allocator_open("arena:block=4k,parent=page");
    GooArenaMark mark = goo_arena_mark(a);
    CHECK(goo_memory_alloc_with(a, 100) != NULL);
    goo_arena_rewind(a, mark);
    goo_arena_reset(a, GOO_ARENA_FREE_ALL);
    goo_allocator_destroy(a);
    a = goo_allocator_open("pool:size=16,parent=page");
    CHECK(goo_memory_alloc_with(a, 16) != NULL);
    CHECK_EQ(goo_pool_trim(a), 0);
    goo_allocator_destroy(a);
    a = goo_allocator_open("region:parent=page");
    CHECK_EQ(goo_region_begin(a), GOO_OK);
    CHECK_EQ(goo_region_end(a), GOO_OK);
    goo_allocator_destroy(a);
    a = goo_allocator_open("scoped:parent=page");
    goo_scope_unwind(a, goo_scope_mark(a));
    goo_allocator_destroy(a);
    a = goo_allocator_open("limit:max=10,parent=system");
    CHECK_EQ(goo_limit_used(a), 0);
    goo_allocator_destroy(a);
    a = goo_allocator_open("debug:parent=system");
    CHECK_EQ(goo_debug_live_count(a), 0);
    goo_allocator_destroy(a);
}

/* A factory may open and register others. */
static GooAllocator *nesting_factory(const char *options, void *user) {
    (void)user;
    goo_allocator_register("from-within", own_factory, NULL);
    return goo_allocator_open(options);
}

GOO_TEST(registry, factories_may_call_back) {
    CHECK_EQ(goo_allocator_register("nesting", nesting_factory, NULL), GOO_OK);
    use_and_destroy("nesting:arena:block=4k,parent=page", "arena");
    use_and_destroy("nesting:nesting:limit:max=1k", "limit");
    use_and_destroy("limit:max=1k,parent=(nesting:pool:size=48)", "limit");
    CHECK_EQ(goo_allocator_register("from-within", own_factory, NULL), GOO_ERR_BUSY);
    use_and_destroy("tracking:parent=from-within", "tracking");
    errno = 0;
    CHECK_PTR_EQ(goo_allocator_open("nesting:nothing"), NULL);
    CHECK_EQ(errno, EINVAL);
}

/* --- what was wrong; options for factories --- */

GOO_TEST(registry, an_error_quotes_the_part_that_is_wrong) {
    static const struct {
        const char *text, *error;
    } cases[] = {
        {"limit:max=1m,parent=(arena:block=64q)", "'64q' is no size"},
        {"arena:colour=1", "'colour' is no option of this allocator"},
        {"tracking:parent=(limit:parent=system)", "'max' is missing"},
        {"pool:size=8,size=8", "'size' is given twice"},
        {"arena:parent=nothing", "'nothing' is no allocator's name"},
        {"arena:keep=perhaps", "'perhaps' is neither yes nor no"},
        {"arena:host=huge", "'huge' is no host"},
        {"arena:parent=(system", "'parent=(system' has parentheses that don't match"},
        {"fixed:size=1k,parent=(limit:max=1k)", "'fixed' could not be made: out of memory"},
        {"pool:size=0", "'pool' can't be made of these options"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        CHECK_PTR_EQ(goo_allocator_open(cases[i].text), NULL);
        CHECK_STR_EQ(goo_allocator_open_error(), cases[i].error);
    }
    goo_allocator_destroy(goo_allocator_open("system"));
    CHECK_STR_EQ(goo_allocator_open_error(), "");
    char long_text[400];
    memset(long_text, 'x', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = '\0';
    CHECK_PTR_EQ(goo_allocator_open(long_text), NULL);
    CHECK(strstr(goo_allocator_open_error(), "xxx' is no allocator's name") != NULL);
}

typedef struct Known {
    size_t block;
    bool huge;
    char parent[40];
} Known;

static Known known;

static GooAllocator *parsing_factory(const char *options, void *user) {
    (void)user;
    known = (Known){.block = 4096, .parent = "system"};
    GooOption table[] = {{"block", GOO_OPTION_SIZE, &known.block, 0},
                         {"huge", GOO_OPTION_SWITCH, &known.huge, 0},
                         {"parent", GOO_OPTION_TEXT, known.parent, sizeof known.parent}};
    if (goo_allocator_parse_options(options, table, 3) != GOO_OK) {
        return NULL;
    }
    return goo_allocator_open(known.parent);
}

GOO_TEST(registry, factories_read_options_as_built_in_ones_do) {
    CHECK_EQ(goo_allocator_register("parsing", parsing_factory, NULL), GOO_OK);
    use_and_destroy("parsing", "system");
    CHECK_EQ(known.block, 4096);
    use_and_destroy("parsing:block=64k,huge=yes,parent=(arena:block=4k,keep=no)", "arena");
    CHECK_EQ(known.block, 65536);
    CHECK(known.huge);
    CHECK_STR_EQ(known.parent, "(arena:block=4k,keep=no)");
    static const char *const bad[][2] = {
        {"parsing:block=1x", "'1x' is no size"},
        {"parsing:huge=maybe", "'maybe' is neither yes nor no"},
        {"parsing:size=1", "'size' is no option of this allocator"},
        {"parsing:parent=(a", "'parent=(a' has parentheses that don't match"},
        {"parsing:parent=0123456789012345678901234567890123456789",
         "'0123456789012345678901234567890123456789' is too long"},
        {"parsing:parent=(limit:max=z)", "'z' is no size"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        errno = 0;
        CHECK_PTR_EQ(goo_allocator_open(bad[i][0]), NULL);
        CHECK_EQ(errno, EINVAL);
        CHECK_STR_EQ(goo_allocator_open_error(), bad[i][1]);
    }
    CHECK_EQ(goo_allocator_parse_options(NULL, NULL, 0), GOO_ERR_INVALID_ARGUMENT);
}

/* The last one: it leaves no name. */
GOO_TEST(registry, names_end) {
    char name[16];
    GooStatus status = GOO_OK;
    for (int i = 0; i < 65 && status == GOO_OK; i++) {
        snprintf(name, sizeof name, "filler%d", i);
        status = goo_allocator_register(name, own_factory, NULL);
    }
    CHECK_EQ(status, GOO_ERR_LIMIT);
}
