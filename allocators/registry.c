/* Allocators by name: what programs registered, and the built-in ones.
 *
 *     "limit:max=16m,parent=(arena:block=64k)"
 *      name  option   option: a text of the same kind
 *
 * It lies here and not in runtime/, since it knows every allocator: runtime/ must not. The built-in
 * factories are a constant table over public create calls, so nothing has to run before main, and a
 * program that never opens an allocator by name does not link them.
 *
 * An allocator whose text names a parent owns it: its destroy is replaced by one that ends the
 * parent after it. What belongs to whom stands in the registry, since an allocator's struct has no
 * room for it.
 *
 *   REG-1  a name stands in the table once, and never goes
 *   REG-2  an owned parent is destroyed after its child, once, whichever way that is destroyed
 *
 * Threads: any. The lock is never held while a factory or a destroy runs.
 */
#include "runtime/registry.h"

#include "allocators/registry_text.h"
#include "goo/allocators.h"
#include "runtime/check.h"
#include "runtime/fork.h"
#include "runtime/globals.h"
#include "runtime/system.h"

#include <errno.h>
#include <string.h>

static void registry_lock(void) {
    gooi_lock_take(&gooi_registry.lock);
}

static void registry_unlock(void) {
    gooi_lock_give(&gooi_registry.lock);
}

/* --- options --- */

enum { REGISTRY_OPTIONS_MAX = 6, REGISTRY_PARENTS_MAX = 2, REGISTRY_DEPTH_MAX = 16 };

typedef enum RegistryKind { REGISTRY_SIZE, REGISTRY_SWITCH, REGISTRY_HOST } RegistryKind;

/* One that a built-in allocator knows. */
typedef struct RegistryOption {
    const char *name; /* NULL: the end */
    RegistryKind kind;
    bool required; /* but for a host's set, where there is one */
} RegistryOption;

/* What a built-in factory is given: its options and its parents, in the order of its table. */
typedef struct RegistryArguments {
    size_t values[REGISTRY_OPTIONS_MAX]; /* 0: not given */
    bool given[REGISTRY_OPTIONS_MAX];
    bool has_host;
    GooHost host;                                /* BALANCED: not given */
    GooAllocator *parents[REGISTRY_PARENTS_MAX]; /* NULL: not given */
} RegistryArguments;

typedef struct RegistryBuiltin {
    const char *name;
    GooAllocator *(*create)(const RegistryArguments *arguments);
    const char *parents[REGISTRY_PARENTS_MAX]; /* the options that name them */
    RegistryOption options[REGISTRY_OPTIONS_MAX];
} RegistryBuiltin;

static GooAllocator *registry_open(GooiText text, unsigned depth);

static bool registry_parse_host(GooiText text, size_t *out_host) {
    static const char *const names[] = {"small", "balanced", "large"};
    for (size_t i = 0; i < GOOI_COUNT(names); i++) {
        if (gooi_text_is(text, names[i])) {
            *out_host = i;
            return true;
        }
    }
    return false;
}

static bool registry_parse(RegistryKind kind, GooiText text, size_t *out_value) {
    bool on;
    switch (kind) {
    case REGISTRY_SWITCH:
        if (!gooi_text_to_bool(text, &on)) {
            return gooi_open_refuse(text, "is neither yes nor no");
        }
        *out_value = on;
        return true;
    case REGISTRY_HOST:
        return registry_parse_host(text, out_value) || gooi_open_refuse(text, "is no host");
    case REGISTRY_SIZE:
        break;
    }
    return gooi_text_to_size(text, out_value) || gooi_open_refuse(text, "is no size");
}

static bool registry_take_option(const RegistryBuiltin *builtin, GooiText name,
                                 GooiText value, RegistryArguments *arguments, unsigned depth) {
    for (size_t i = 0; i < REGISTRY_PARENTS_MAX && builtin->parents[i] != NULL; i++) {
        if (gooi_text_is(name, builtin->parents[i])) {
            if (arguments->parents[i] != NULL) {
                return gooi_open_refuse(name, "is given twice");
            }
            arguments->parents[i] = registry_open(value, depth + 1);
            return arguments->parents[i] != NULL;
        }
    }
    for (size_t i = 0; i < REGISTRY_OPTIONS_MAX && builtin->options[i].name != NULL; i++) {
        if (gooi_text_is(name, builtin->options[i].name)) {
            RegistryKind kind = builtin->options[i].kind;
            if (arguments->given[i]) {
                return gooi_open_refuse(name, "is given twice");
            }
            arguments->given[i] = true;
            bool good = registry_parse(kind, value, &arguments->values[i]);
            if (good && kind == REGISTRY_HOST) {
                arguments->has_host = true;
                arguments->host = (GooHost)arguments->values[i];
            }
            return good;
        }
    }
    return gooi_open_refuse(name, "is no option of this allocator");
}

/* False with errno; parents may have been made all the same. */
static bool registry_take_options(const RegistryBuiltin *builtin, GooiText options,
                                  RegistryArguments *arguments, unsigned depth) {
    while (options.length != 0) {
        GooiText option, name;
        if (!gooi_text_split(&options, ',', &option) || !gooi_text_split(&option, '=', &name)) {
            return gooi_open_refuse(option, "has parentheses that don't match");
        }
        if (!registry_take_option(builtin, name, option, arguments, depth)) {
            return false;
        }
    }
    for (size_t i = 0; i < REGISTRY_OPTIONS_MAX; i++) {
        if (builtin->options[i].required && !arguments->given[i]) {
            return gooi_open_refuse(gooi_text(builtin->options[i].name), "is missing");
        }
    }
    return true;
}

/* --- who owns parents --- */

typedef struct GooiRegistryOwned {
    struct GooiRegistryOwned *next;
    GooAllocator *child;
    GooAllocator *parents[REGISTRY_PARENTS_MAX];
    GooDestroyFn destroy; /* the child's own */
} RegistryOwned;

static void registry_destroy_all(GooAllocator *const *parents) {
    int saved_errno = errno;
    for (size_t i = 0; i < REGISTRY_PARENTS_MAX; i++) {
        goo_allocator_destroy(parents[i]);
    }
    errno = saved_errno;
}

static void registry_destroy(void *self) {
    registry_lock();
    RegistryOwned **link = &gooi_registry.owned;
    while (*link != NULL && (*link)->child != self) {
        link = &(*link)->next;
    }
    RegistryOwned *owned = *link;
    if (owned != NULL) {
        *link = owned->next;
    }
    registry_unlock();
    GOO_REQUIRE(owned != NULL, "destroy: %p is no allocator that was opened by name", self);
    owned->destroy(self);
    registry_destroy_all(owned->parents); /* REG-2 */
    gooi_system_free(NULL, owned, sizeof *owned, GOO_DEFAULT_ALIGNMENT);
}

/* The child from now on ends its parents, if it has any. False: no memory. */
static bool registry_own(GooAllocator *child, const RegistryArguments *arguments) {
    if (arguments->parents[0] == NULL && arguments->parents[1] == NULL) {
        return true;
    }
    RegistryOwned *owned =
        gooi_system_alloc(NULL, sizeof *owned, GOO_DEFAULT_ALIGNMENT, GOO_ALLOC_DEFAULT);
    if (owned == NULL) {
        return false;
    }
    *owned = (RegistryOwned){.child = child, .destroy = child->destroy};
    memcpy(owned->parents, arguments->parents, sizeof owned->parents);
    child->destroy = registry_destroy;
    registry_lock();
    owned->next = gooi_registry.owned;
    gooi_registry.owned = owned;
    registry_unlock();
    return true;
}

/* --- the built-in ones --- */

static GooAllocator *registry_system(const RegistryArguments *arguments) {
    (void)arguments;
    return goo_system_allocator_create();
}

static GooAllocator *registry_page(const RegistryArguments *arguments) {
    (void)arguments;
    return goo_page_allocator_create();
}

/* What the text gives, or else what its host's set says, or else `nothing`. */
static size_t registry_value(const RegistryArguments *arguments, size_t i, size_t of_host,
                             size_t nothing) {
    if (arguments->given[i]) {
        return arguments->values[i];
    }
    return arguments->has_host ? of_host : nothing;
}

static GooAllocator *registry_arena(const RegistryArguments *g) {
    GooArenaOptions host = goo_host_options(g->host).arena;
    GooArenaOptions options = {
        .block_size = registry_value(g, 0, host.block_size, 0),
        .max_bytes = registry_value(g, 1, host.max_bytes, 0),
        .keep_last_block = registry_value(g, 2, host.keep_last_block, false) != 0,
    };
    return goo_arena_allocator_create_with(g->parents[0], &options);
}

static GooAllocator *registry_pool(const RegistryArguments *g) {
    GooPoolOptions host = goo_host_pool_options(g->host, g->values[0]);
    GooPoolOptions options = {.object_size = g->values[0],
                              .alignment = g->values[1],
                              .objects_per_block = registry_value(g, 2, host.objects_per_block, 0),
                              .max_objects = registry_value(g, 3, host.max_objects, 0),
                              .thread_safe = g->values[4] != 0};
    return goo_pool_allocator_create_with(g->parents[0], &options);
}

static GooAllocator *registry_region(const RegistryArguments *g) {
    GooRegionOptions host = goo_host_options(g->host).region;
    GooRegionOptions options = {
        .region_size = registry_value(g, 0, host.region_size, 0),
        .allow_large = registry_value(g, 1, host.allow_large, false) != 0,
    };
    return goo_region_allocator_create_with(g->parents[0], &options);
}

static GooAllocator *registry_scoped(const RegistryArguments *arguments) {
    return goo_scoped_allocator_create(arguments->parents[0]);
}

static GooAllocator *registry_stack(const RegistryArguments *arguments) {
    size_t size = registry_value(arguments, 0, goo_host_options(arguments->host).stack_capacity, 0);
    return goo_stack_allocator_create(arguments->parents[0], size);
}

static GooAllocator *registry_fixed(const RegistryArguments *arguments) {
    return gooi_registry_open_fixed(arguments->parents[0], arguments->values[0]);
}

static GooAllocator *registry_buffers(const RegistryArguments *arguments) {
    GooHostOptions host = goo_host_options(arguments->host);
    return gooi_registry_open_buffers(arguments->parents[0],
                                      registry_value(arguments, 0, host.buffer_size, 0),
                                      registry_value(arguments, 1, host.buffer_count, 0));
}

static GooAllocator *registry_fallback(const RegistryArguments *arguments) {
    return goo_fallback_allocator_create(arguments->parents[0], arguments->parents[1]);
}

static GooAllocator *registry_tracking(const RegistryArguments *arguments) {
    return goo_tracking_allocator_create(arguments->parents[0]);
}

static GooAllocator *registry_limit(const RegistryArguments *arguments) {
    return goo_limit_allocator_create(arguments->parents[0], arguments->values[0]);
}

static GooAllocator *registry_failing(const RegistryArguments *arguments) {
    return goo_failing_allocator_create(arguments->parents[0], arguments->values[0]);
}

static GooAllocator *registry_debug(const RegistryArguments *g) {
    GooDebugOptions host = goo_host_options(g->host).debug;
    size_t sample = registry_value(g, 2, host.sample_every, 0);
    GooDebugOptions options = {
        .stack_depth = registry_value(g, 0, host.stack_depth, 0),
        .quarantine_bytes = registry_value(g, 1, host.quarantine_bytes, 0),
        .sample_every = sample < UINT32_MAX ? (uint32_t)sample : UINT32_MAX,
        .never_unmap = g->values[3] != 0,
        .retain_metadata = g->values[4] != 0,
    };
    return goo_debug_allocator_create(g->parents[0], &options);
}

#define REGISTRY_NONE                                                                              \
    { NULL, REGISTRY_SIZE, false }
#define REGISTRY_NUMBER(name)                                                                      \
    { name, REGISTRY_SIZE, false }
#define REGISTRY_NEEDED(name)                                                                      \
    { name, REGISTRY_SIZE, true }
#define REGISTRY_YES_NO(name)                                                                      \
    { name, REGISTRY_SWITCH, false }
#define REGISTRY_OF_HOST                                                                           \
    { "host", REGISTRY_HOST, false }
static const RegistryBuiltin registry_builtins[] = {
    {"system", registry_system, {NULL}, {REGISTRY_NONE}},
    {"page", registry_page, {NULL}, {REGISTRY_NONE}},
    {"arena",
     registry_arena,
     {"parent"},
     {REGISTRY_NUMBER("block"), REGISTRY_NUMBER("max"), REGISTRY_YES_NO("keep"), REGISTRY_OF_HOST}},
    {"pool",
     registry_pool,
     {"parent"},
     {REGISTRY_NEEDED("size"), REGISTRY_NUMBER("align"), REGISTRY_NUMBER("block"),
      REGISTRY_NUMBER("max"), REGISTRY_YES_NO("shared"), REGISTRY_OF_HOST}},
    {"region",
     registry_region,
     {"parent"},
     {REGISTRY_NUMBER("block"), REGISTRY_YES_NO("large"), REGISTRY_OF_HOST}},
    {"scoped", registry_scoped, {"parent"}, {REGISTRY_NONE}},
    {"stack", registry_stack, {"parent"}, {REGISTRY_NUMBER("size"), REGISTRY_OF_HOST}},
    {"fixed", registry_fixed, {"parent"}, {REGISTRY_NEEDED("size")}},
    {"buffer_pool",
     registry_buffers,
     {"parent"},
     {REGISTRY_NUMBER("size"), REGISTRY_NUMBER("count"), REGISTRY_OF_HOST}},
    {"fallback", registry_fallback, {"first", "second"}, {REGISTRY_NONE}},
    {"tracking", registry_tracking, {"parent"}, {REGISTRY_NONE}},
    {"limit", registry_limit, {"parent"}, {REGISTRY_NEEDED("max")}},
    {"debug",
     registry_debug,
     {"parent"},
     {REGISTRY_NUMBER("stack"), REGISTRY_NUMBER("quarantine"), REGISTRY_NUMBER("sample"),
      REGISTRY_YES_NO("keep"), REGISTRY_YES_NO("history"), REGISTRY_OF_HOST}},
    {"failing", registry_failing, {"parent"}, {REGISTRY_NUMBER("at")}},
};

static const RegistryBuiltin *registry_find_builtin(GooiText name) {
    for (size_t i = 0; i < GOOI_COUNT(registry_builtins); i++) {
        if (gooi_text_is(name, registry_builtins[i].name)) {
            return &registry_builtins[i];
        }
    }
    return NULL;
}

static GooAllocator *registry_open_builtin(const RegistryBuiltin *builtin, GooiText options,
                                           unsigned depth) {
    RegistryArguments arguments = {.host = GOO_HOST_BALANCED};
    GooAllocator *a = NULL;
    if (registry_take_options(builtin, options, &arguments, depth)) {
        a = builtin->create(&arguments);
        if (a == NULL) {
            gooi_open_note(gooi_text(builtin->name), errno == ENOMEM
                                                         ? "could not be made: out of memory"
                                                         : "can't be made of these options");
        }
    }
    if (a != NULL && !registry_own(a, &arguments)) {
        goo_allocator_destroy(a);
        a = NULL;
        errno = ENOMEM;
        gooi_open_note(gooi_text(builtin->name), "could not be made: out of memory");
    }
    if (a == NULL) {
        registry_destroy_all(arguments.parents);
    }
    return a;
}

/* --- what programs registered --- */

/* Under the lock. */
static GooiRegistryEntry *registry_find_entry(GooiText name) {
    for (size_t i = 0; i < GOOI_REGISTRY_NAMES; i++) {
        if (gooi_text_is(name, gooi_registry.entries[i].name)) {
            return &gooi_registry.entries[i];
        }
    }
    return NULL;
}

GooStatus goo_allocator_register(const char *name, GooAllocatorFactory factory, void *user) {
    if (name == NULL || factory == NULL || !gooi_text_is_name(gooi_text(name))) {
        return GOO_ERR_INVALID_ARGUMENT;
    }
    if (registry_find_builtin(gooi_text(name)) != NULL) {
        return GOO_ERR_BUSY;
    }
    GooStatus status = GOO_OK;
    registry_lock();
    GooiRegistryEntry *entry = registry_find_entry((GooiText){"", 0});
    if (registry_find_entry(gooi_text(name)) != NULL) {
        status = GOO_ERR_BUSY;
    } else if (entry == NULL) {
        status = GOO_ERR_LIMIT;
    } else {
        memcpy(entry->name, name, strlen(name) + 1);
        entry->factory = factory;
        entry->user = user;
    }
    registry_unlock();
    return status;
}

/* Calls a factory of the program, which wants its options terminated. */
static GooAllocator *registry_open_entry(const GooiRegistryEntry *entry, GooiText options) {
    char *copy = gooi_system_alloc(NULL, options.length + 1, GOO_DEFAULT_ALIGNMENT, 0);
    if (copy == NULL) {
        return NULL;
    }
    memcpy(copy, options.start, options.length);
    copy[options.length] = '\0';
    GooAllocator *a = entry->factory(copy, entry->user);
    gooi_system_free(NULL, copy, options.length + 1, GOO_DEFAULT_ALIGNMENT);
    return a;
}

/* --- opening --- */

static GooAllocator *registry_open(GooiText text, unsigned depth) {
    if (text.length >= 2 && text.start[0] == '(' && text.start[text.length - 1] == ')') {
        text = (GooiText){text.start + 1, text.length - 2};
    }
    GooiText name, whole = text;
    if (depth > REGISTRY_DEPTH_MAX || !gooi_text_split(&text, ':', &name)) {
        gooi_open_refuse(whole, depth > REGISTRY_DEPTH_MAX ? "lies too deep"
                                                           : "has parentheses that don't match");
        return NULL;
    }
    const RegistryBuiltin *builtin = registry_find_builtin(name);
    if (builtin != NULL) {
        return registry_open_builtin(builtin, text, depth);
    }
    registry_lock();
    const GooiRegistryEntry *found = gooi_text_is_name(name) ? registry_find_entry(name) : NULL;
    GooiRegistryEntry entry = found != NULL ? *found : (GooiRegistryEntry){.factory = NULL};
    registry_unlock();
    if (found == NULL) {
        gooi_open_refuse(name, "is no allocator's name");
        return NULL;
    }
    GooAllocator *a = registry_open_entry(&entry, text);
    if (a == NULL) {
        gooi_open_note(whole, errno == ENOMEM ? "could not be made: out of memory"
                                              : "was refused by its factory");
    }
    return a;
}

GooAllocator *goo_allocator_open(const char *text) {
    gooi_open_error[0] = '\0';
    if (text == NULL) {
        gooi_open_refuse(gooi_text("NULL"), "is no text");
        return NULL;
    }
    GooAllocator *a = registry_open(gooi_text(text), 0);
    if (a != NULL) {
        gooi_open_error[0] = '\0';
    }
    return a;
}
