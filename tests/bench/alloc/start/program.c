/* A program that allocates one block and ends, for the workload `start`.
 *
 *     program malloc|nothing [peak]               built as it is
 *     program system|legacy|arena|pool [peak]     built over Goo, with START_GOO
 *
 * With "peak" it then writes the most resident memory that it had, in KiB, without the C library's
 * streams, which allocate. Exit status: 0, or 1 when there was no memory or no such way.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PROGRAM_SIZE = 64 };

/* As a program does that fills in what it allocated. */
static bool program_use(void *ptr) {
    if (ptr == NULL) {
        return false;
    }
    memset(ptr, 1, PROGRAM_SIZE);
    __asm__ volatile("" : : "r"(ptr) : "memory");
    return true;
}

#ifdef START_GOO

#include "goo/allocators.h"
#include "goo/runtime/memory.h"
#include "goo_memory.h"

static GooAllocator *program_open(const char *way) {
    return strcmp(way, "system") == 0  ? goo_system_allocator_create()
           : strcmp(way, "arena") == 0 ? goo_arena_allocator_create(0)
           : strcmp(way, "pool") == 0  ? goo_pool_allocator_create(PROGRAM_SIZE, 0)
                                       : NULL;
}

static bool program_run(const char *way) {
    if (strcmp(way, "legacy") == 0) {
        void *ptr = goo_alloc(PROGRAM_SIZE);
        bool good = program_use(ptr);
        goo_free(ptr);
        return good;
    }
    GooAllocator *a = program_open(way);
    if (a == NULL) {
        return false;
    }
    void *ptr = goo_memory_alloc_with(a, PROGRAM_SIZE);
    bool good = program_use(ptr);
    goo_memory_free_with(a, ptr, PROGRAM_SIZE);
    goo_allocator_destroy(a);
    return good;
}

#else

static bool program_run(const char *way) {
    if (strcmp(way, "nothing") == 0) {
        return true;
    }
    void *ptr = malloc(PROGRAM_SIZE);
    bool good = program_use(ptr) && strcmp(way, "malloc") == 0;
    free(ptr);
    return good;
}

#endif

/* The number in "VmHWM:     1234 kB". */
static bool program_write_peak(void) {
    char text[4096];
    int file = open("/proc/self/status", O_RDONLY);
    ssize_t length = file < 0 ? -1 : read(file, text, sizeof text - 1);
    if (length < 0) {
        return false;
    }
    close(file);
    text[length] = '\0';
    const char *line = strstr(text, "VmHWM:");
    if (line == NULL) {
        return false;
    }
    line += strcspn(line, "0123456789");
    size_t digits = strspn(line, "0123456789");
    return write(STDOUT_FILENO, line, digits) == (ssize_t)digits &&
           write(STDOUT_FILENO, "\n", 1) == 1;
}

int main(int argc, char **argv) {
    bool good = argc > 1 && program_run(argv[1]) && (argc == 2 || program_write_peak());
    return good ? 0 : 1;
}
