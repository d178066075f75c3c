/* Lua within a budget: a script that asks for too much gets an error, not the host's memory.
 *
 *     lua_host [--limit BYTES] [SCRIPT.lua [ARGUMENTS]]
 *
 * Lua asks for all of its memory through one function, which the host hands to lua_newstate. Here
 * that is goo_memory_realloc_with, for Lua's rules are Goo's: no block means a new one, no size a
 * free, and the old size is always told. It leads to an allocator that counts, over a limit.
 *
 * When the limit refuses, Lua collects its garbage and asks again; if that fails too, it raises
 * "not enough memory". The script may catch that with pcall; what the failed call held is garbage
 * then, and the state goes on. Scripts see their budget as memory.used(), memory.limit() and
 * memory.refused().
 */
#include <goo/goo.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { EXIT_MISUSE = 64 };

static const char builtin_script[] =
    "local function report(what, ...)\n"
    "    print(what, ...)\n"
    "    collectgarbage()\n"
    "    assert(memory.used() < memory.limit() / 2, 'what failed is still held')\n"
    "end\n"
    "local function hoard(make)\n"
    "    local pieces = {}\n"
    "    for i = 1, math.huge do\n"
    "        pieces[i] = make(i)\n"
    "    end\n"
    "end\n"
    "report('strings', pcall(hoard, function(i) return ('x'):rep(1000) .. i end))\n"
    "report('tables', pcall(hoard, function(i) return {i, {i}} end))\n"
    "report('closures', pcall(hoard, function(i) return function() return i end end))\n"
    "report('one large string', pcall(string.rep, 'x', 1 << 30))\n"
    "local function deep(n) return n + deep(n + 1) end\n"
    "report('recursion', pcall(deep, 1))\n"
    "report('a coroutine', coroutine.resume(coroutine.create(hoard), function() return {} end))\n"
    "local primes = {}\n"
    "for n = 2, 2000 do\n"
    "    local prime = true\n"
    "    for _, p in ipairs(primes) do\n"
    "        if n % p == 0 then prime = false break end\n"
    "    end\n"
    "    if prime then primes[#primes + 1] = n end\n"
    "end\n"
    "report('and on it goes', #primes .. ' primes below 2000')\n"
    "assert(memory.refused() > 6)\n";

typedef struct Host {
    GooAllocator *limited, *counted;
    size_t limit;
    char **arguments; /* the script's name and its arguments; NULL at the end */
} Host;

/* Lua passes the kind of object as the old size of a block that is not yet there. */
static void *host_memory(void *counted, void *ptr, size_t old_size, size_t new_size) {
    return goo_memory_realloc_with(counted, ptr, ptr != NULL ? old_size : 0, new_size);
}

/* --- what scripts see --- */

static Host *host_of(lua_State *lua) {
    return lua_touserdata(lua, lua_upvalueindex(1));
}

static int host_used(lua_State *lua) {
    lua_pushinteger(lua, (lua_Integer)goo_limit_used(host_of(lua)->limited));
    return 1;
}

static int host_limit(lua_State *lua) {
    lua_pushinteger(lua, (lua_Integer)host_of(lua)->limit);
    return 1;
}

static int host_refused(lua_State *lua) {
    size_t refused = goo_get_alloc_stats(host_of(lua)->counted).failed_allocations;
    lua_pushinteger(lua, (lua_Integer)refused);
    return 1;
}

static void host_open(lua_State *lua, Host *host) {
    static const luaL_Reg functions[] = {
        {"used", host_used}, {"limit", host_limit}, {"refused", host_refused}, {NULL, NULL}};
    luaL_openlibs(lua);
    luaL_newlibtable(lua, functions);
    lua_pushlightuserdata(lua, host);
    luaL_setfuncs(lua, functions, 1);
    lua_setglobal(lua, "memory");
}

/* --- the run --- */

/* Pushes the script as a function, and behind it its arguments; they stand in `arg` too. */
static int host_load(lua_State *lua, char **arguments) {
    const char *name = arguments[0];
    int status = name == NULL ? luaL_loadbuffer(lua, builtin_script, sizeof builtin_script - 1,
                                                "=built-in script")
                              : luaL_loadfile(lua, strcmp(name, "-") == 0 ? NULL : name);
    if (status != LUA_OK) {
        lua_error(lua);
    }
    int count = 0;
    lua_newtable(lua);
    for (; name != NULL && arguments[count] != NULL; count++) {
        lua_pushstring(lua, arguments[count]);
        lua_rawseti(lua, -2, count);
    }
    luaL_checkstack(lua, count, "too many arguments");
    lua_pushvalue(lua, -1);
    lua_setglobal(lua, "arg");
    int table = lua_gettop(lua);
    for (int i = 1; i < count; i++) {
        lua_rawgeti(lua, table, i);
    }
    lua_remove(lua, table);
    return count > 1 ? count - 1 : 0;
}

/* Adds where an error arose. Lua does not call this when memory is what is missing. */
static int host_traceback(lua_State *lua) {
    luaL_traceback(lua, lua, luaL_tolstring(lua, 1, NULL), 1);
    return 1;
}

/* Everything that may raise an error, opening the libraries included. */
static int host_main(lua_State *lua) {
    Host *host = lua_touserdata(lua, 1);
    host_open(lua, host);
    lua_pushcfunction(lua, host_traceback);
    int handler = lua_gettop(lua);
    int count = host_load(lua, host->arguments);
    if (lua_pcall(lua, count, 0, handler) != LUA_OK) {
        lua_error(lua);
    }
    return 0;
}

static bool host_complain(const char *message) {
    fflush(stdout);
    fprintf(stderr, "lua_host: %s\n", message);
    return false;
}

static bool host_run(Host *host) {
    lua_State *lua = lua_newstate(host_memory, host->counted);
    if (lua == NULL) {
        return host_complain("not enough memory for a state");
    }
    lua_pushcfunction(lua, host_main);
    lua_pushlightuserdata(lua, host);
    bool good = lua_pcall(lua, 1, 0, 0) == LUA_OK;
    if (!good) {
        const char *message = lua_tostring(lua, -1);
        host_complain(message != NULL ? message : "an error without a message");
    }
    lua_close(lua);
    return good;
}

static void host_report(const Host *host) {
    GooAllocStats stats = goo_get_alloc_stats(host->counted);
    printf("memory: %zu allocations, %zu refused, at most %zu of %zu bytes at once, %zu left\n",
           stats.total_allocations, stats.failed_allocations, stats.max_bytes_allocated,
           host->limit, stats.bytes_allocated);
}

/* --- the program --- */

static const char usage[] =
    "Usage: lua_host [--limit BYTES] [SCRIPT.lua [ARGUMENTS]]\n"
    "  --limit BYTES  the most memory that the script may have at once (1000000)\n"
    "  SCRIPT.lua     what to run, '-' for standard input (a script that asks for too much)\n";

static bool parse_arguments(Host *host, char **arguments) {
    for (; *arguments != NULL && strncmp(*arguments, "--", 2) == 0; arguments++) {
        if (strcmp(*arguments, "--limit") != 0) {
            fprintf(stderr, "lua_host: there is no option '%s' (see --help)\n", *arguments);
            return false;
        }
        const char *value = *++arguments != NULL ? *arguments : "";
        char *end;
        errno = 0;
        host->limit = strtoull(value, &end, 10);
        if (value[0] < '0' || value[0] > '9' || *end != '\0' || errno != 0) {
            fprintf(stderr, "lua_host: --limit needs a number of bytes (see --help)\n");
            return false;
        }
    }
    host->arguments = arguments;
    return true;
}

int main(int argc, char **argv) {
    Host host = {.limit = 1000000};
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        fputs(usage, stdout);
        return 0;
    }
    if (!parse_arguments(&host, argv + 1)) {
        return EXIT_MISUSE;
    }
    host.limited = goo_limit_allocator_create(NULL, host.limit);
    host.counted = goo_tracking_allocator_create(host.limited);
    bool good = false;
    if (host.limited == NULL || host.counted == NULL) {
        host_complain("not enough memory");
    } else {
        good = host_run(&host);
        host_report(&host);
    }
    goo_allocator_destroy(host.counted);
    goo_allocator_destroy(host.limited);
    return good ? 0 : 1;
}
