/* Particles that are born and die: objects of one size that come and go, from a pool.
 *
 *     particles [--frames N] [--seed N] [--most N]
 *
 * A fountain throws sparks, a spark that dies in the air bursts into embers, and what reaches the
 * ground is gone. Thousands are born and die, in no order; the pool hands each place out again, so
 * after the first frames nothing is asked of its parent any more. The loops use the inline forms,
 * goo_pool_take and goo_pool_give: a few instructions each. The pool has a most (--most): when all
 * objects are out a birth is refused, and the show goes on.
 *
 * Everything is computed in whole numbers, so a seed gives the same checksum on every machine.
 */
#include <goo/allocators/pool_inline.h>
#include <goo/goo.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { UNIT = 1024 /* of length */, GRAVITY = 12, EMBERS = 4, EXIT_MISUSE = 64 };

typedef enum Kind { SPARK, EMBER } Kind;

typedef struct Particle {
    struct Particle *next;
    int32_t x, y, speed_x, speed_y; /* in units, and units a frame */
    int32_t frames_left;
    Kind kind;
} Particle;

typedef struct World {
    GooAllocator *pool;
    Particle *particles; /* all that live */
    uint64_t random;
    size_t alive, most_alive, births, deaths, refused;
} World;

/* A number from low to high, both included: xorshift64*, from Vigna's "An experimental exploration
 * of Marsaglia's xorshift generators, scrambled" (2016). */
static int32_t world_random(World *w, int32_t low, int32_t high) {
    w->random ^= w->random >> 12;
    w->random ^= w->random << 25;
    w->random ^= w->random >> 27;
    uint64_t bits = (w->random * 0x2545f4914f6cdd1du) >> 40;
    return low + (int32_t)(bits % (uint64_t)(high - low + 1));
}

static void world_add(World *w, Particle *particle) {
    particle->next = w->particles;
    w->particles = particle;
}

static void world_birth(World *w, Kind kind, int32_t x, int32_t y) {
    Particle *particle = goo_pool_take(w->pool);
    if (particle == NULL) {
        w->refused++;
        return;
    }
    int32_t force = kind == SPARK ? 3 : 1;
    *particle = (Particle){
        .x = x,
        .y = y,
        .speed_x = world_random(w, -100, 100) * force,
        .speed_y = world_random(w, 0, 200) * force,
        .frames_left = world_random(w, 10, 60),
        .kind = kind,
    };
    world_add(w, particle);
    w->births++;
    w->alive++;
}

/* A spark that dies above the ground bursts into embers. */
static void world_death(World *w, Particle *particle) {
    Particle dead = *particle;
    goo_pool_give(w->pool, particle); /* the first ember takes its place */
    w->deaths++;
    w->alive--;
    for (int i = 0; dead.kind == SPARK && dead.y > 0 && i < EMBERS; i++) {
        world_birth(w, EMBER, dead.x, dead.y);
    }
}

static void world_move(World *w) {
    Particle *rest = w->particles;
    w->particles = NULL;
    while (rest != NULL) {
        Particle *particle = rest;
        rest = particle->next;
        particle->x += particle->speed_x;
        particle->y += particle->speed_y;
        particle->speed_y -= GRAVITY;
        particle->frames_left--;
        if (particle->y > 0 && particle->frames_left > 0) {
            world_add(w, particle);
        } else {
            world_death(w, particle);
        }
    }
}

/* One frame: the fountain throws a number of sparks that swells and ebbs, then all move. */
static void world_frame(World *w, uint64_t frame) {
    uint64_t phase = frame % 100;
    uint64_t sparks = phase < 50 ? phase : 100 - phase;
    for (uint64_t i = 0; i < sparks; i++) {
        world_birth(w, SPARK, 0, UNIT);
    }
    world_move(w);
    if (w->most_alive < w->alive) {
        w->most_alive = w->alive;
    }
}

/* FNV-1a over where the particles are. */
static uint64_t world_checksum(const World *w) {
    uint64_t sum = 0xcbf29ce484222325u;
    for (const Particle *particle = w->particles; particle != NULL; particle = particle->next) {
        sum = (sum ^ (uint32_t)particle->x) * 0x100000001b3u;
        sum = (sum ^ (uint32_t)particle->y) * 0x100000001b3u;
    }
    return sum;
}

static void world_report(const World *w, uint64_t frame) {
    size_t free_objects, objects;
    goo_pool_get_stats(w->pool, &free_objects, &objects);
    printf("%7llu %8zu %8zu %8zu %8zu %8zu  %016llx\n", (unsigned long long)frame, w->alive,
           w->births, w->deaths, objects, free_objects, (unsigned long long)world_checksum(w));
}

/* --- the program --- */

typedef struct Options {
    uint64_t frames, seed, most;
} Options;

static const char usage[] =
    "Usage: particles [--frames N] [--seed N] [--most N]\n"
    "  --frames N   how many frames to compute (300)\n"
    "  --seed N     what chance begins with, at least 1 (1)\n"
    "  --most N     how many particles may live at once; 0: no limit (3000)\n";

/* A whole number of decimal digits. */
static bool parse_number(const char *text, uint64_t *out) {
    char *end;
    errno = 0;
    *out = strtoull(text, &end, 10);
    return text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0;
}

static bool parse_options(Options *options, char **arguments) {
    for (; *arguments != NULL; arguments += 2) {
        uint64_t *value = strcmp(arguments[0], "--frames") == 0 ? &options->frames
                          : strcmp(arguments[0], "--seed") == 0 ? &options->seed
                          : strcmp(arguments[0], "--most") == 0 ? &options->most
                                                                : NULL;
        if (value == NULL) {
            fprintf(stderr, "particles: there is no option '%s' (see --help)\n", arguments[0]);
            return false;
        }
        if (arguments[1] == NULL || !parse_number(arguments[1], value)) {
            fprintf(stderr, "particles: %s needs a number\n", arguments[0]);
            return false;
        }
    }
    if (options->seed == 0 || options->most > SIZE_MAX) {
        fprintf(stderr, "particles: a number is out of its range\n");
        return false;
    }
    return true;
}

static void run(World *world, const Options *options) {
    printf("  frame    alive   births   deaths  objects     free  checksum\n");
    uint64_t step = options->frames < 6 ? 1 : options->frames / 6;
    for (uint64_t frame = 1; frame <= options->frames; frame++) {
        world_frame(world, frame);
        if (frame % step == 0) {
            world_report(world, frame);
        }
    }
    printf("at most %zu lived at once; %zu births were refused\n", world->most_alive,
           world->refused);
    while (world->particles != NULL) {
        Particle *particle = world->particles;
        world->particles = particle->next;
        goo_pool_give(world->pool, particle);
    }
    printf("all given back, and %zu KiB of memory too\n", goo_pool_trim(world->pool) / 1024);
}

int main(int argc, char **argv) {
    Options options = {.frames = 300, .seed = 1, .most = 3000};
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        fputs(usage, stdout);
        return 0;
    }
    if (!parse_options(&options, argv + 1)) {
        return EXIT_MISUSE;
    }
    GooPoolOptions pool_options = {
        .object_size = sizeof(Particle),
        .alignment = _Alignof(Particle),
        .objects_per_block = 1000,
        .max_objects = (size_t)options.most,
    };
    World world = {.random = options.seed};
    world.pool = goo_pool_allocator_create_with(NULL, &pool_options);
    if (world.pool == NULL) {
        fprintf(stderr, "particles: out of memory\n");
        return 1;
    }
    run(&world, &options);
    goo_allocator_destroy(world.pool);
    return 0;
}
