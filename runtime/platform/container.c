/* How much memory the container allows that this process runs in: control groups, versions 1 and 2.
 *
 * /proc/self/cgroup names the process's group in each hierarchy; the group and every one above it
 * may have a limit, the least of which holds:
 *
 *   0::/a/b            version 2: sys/fs/cgroup/a/b/memory.max and memory.high, and so on upwards
 *   7:memory:/a/b      version 1: sys/fs/cgroup/memory/a/b/memory.limit_in_bytes, and so on
 *
 * Inside a container the named path may lie outside of what is mounted: folders that are not there
 * are passed over on the way up to the mount's root, which is the container's own group. Plain C:
 * where there are no such files there is no limit.
 *
 * Threads: any. Left out: mounts in unusual places.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/platform/platform.h"

#define GOOI_CONTAINER_PATH 1024
#define GOOI_CONTAINER_NONE ((uint64_t)1 << 60) /* version 1 writes about 2^63 for no limit */

/* The number that the file holds; UINT64_MAX for "max", for no number and for no file. */
static uint64_t container_read(const char *path) {
    char text[64];
    uint64_t limit = UINT64_MAX;
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        return UINT64_MAX;
    }
    if (fgets(text, sizeof text, file) != NULL && text[0] >= '0' && text[0] <= '9') {
        limit = strtoull(text, NULL, 10);
    }
    fclose(file);
    return limit < GOOI_CONTAINER_NONE ? limit : UINT64_MAX;
}

/* The least limit of the group and those above it. `group` begins with a slash; it is cut shorter
 * from step to step. */
static uint64_t container_least(const char *mount, char *group, const char *const *files) {
    char path[GOOI_CONTAINER_PATH * 3];
    uint64_t least = UINT64_MAX;
    for (;;) {
        for (size_t i = 0; files[i] != NULL; i++) {
            snprintf(path, sizeof path, "%s%s/%s", mount, group, files[i]);
            uint64_t limit = container_read(path);
            least = limit < least ? limit : least;
        }
        char *slash = strrchr(group, '/');
        if (slash == NULL) {
            return least;
        }
        *slash = '\0';
    }
}

/* Whether a version 1 line's controllers, "cpu,memory", have memory among them. */
static bool container_has_memory(const char *controllers, const char *end) {
    while (controllers < end) {
        size_t length = strcspn(controllers, ",:");
        if (length == 6 && memcmp(controllers, "memory", 6) == 0) {
            return true;
        }
        controllers += length + 1;
    }
    return false;
}

/* The limit by one line, "number:controllers:group". */
static uint64_t container_line(const char *root, char *line) {
    static const char *const files_1[] = {"memory.limit_in_bytes", NULL};
    static const char *const files_2[] = {"memory.max", "memory.high", NULL};
    char mount[GOOI_CONTAINER_PATH + 32];
    line[strcspn(line, "\n")] = '\0';
    char *controllers = strchr(line, ':');
    char *group = controllers != NULL ? strchr(controllers + 1, ':') : NULL;
    if (group == NULL || group[1] != '/') {
        return UINT64_MAX;
    }
    if (controllers + 1 == group) {
        snprintf(mount, sizeof mount, "%s/sys/fs/cgroup", root);
        return container_least(mount, group + 1, files_2);
    }
    if (container_has_memory(controllers + 1, group)) {
        snprintf(mount, sizeof mount, "%s/sys/fs/cgroup/memory", root);
        return container_least(mount, group + 1, files_1);
    }
    return UINT64_MAX;
}

uint64_t gooi_platform_container_memory(const char *root) {
    char path[GOOI_CONTAINER_PATH + 32], line[GOOI_CONTAINER_PATH];
    uint64_t least = UINT64_MAX;
    int saved_errno = errno;
    if (strlen(root) >= GOOI_CONTAINER_PATH) {
        return 0;
    }
    snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
    FILE *file = fopen(path, "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        uint64_t limit = container_line(root, line);
        least = limit < least ? limit : least;
    }
    if (file != NULL) {
        fclose(file);
    }
    errno = saved_errno;
    return least != UINT64_MAX ? least : 0;
}
