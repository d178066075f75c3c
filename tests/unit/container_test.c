/* What a container allows, read from folders that look like one. Private header: platform.h. */
#define _DEFAULT_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/platform/platform.h"
#include "tests/harness.h"

enum { CREATED_MAX = 64 };
static char container_root[] = "/tmp/goo-container-XXXXXX";
static char created[CREATED_MAX][512];
static size_t created_count;

static void container_begin(void) {
    memcpy(container_root + sizeof container_root - 7, "XXXXXX", 6);
    CHECK(mkdtemp(container_root) != NULL);
    created_count = 0;
}

static void container_end(void) {
    while (created_count > 0) {
        CHECK_EQ(remove(created[--created_count]), 0);
    }
    CHECK_EQ(rmdir(container_root), 0);
}

/* A file of the container, and the folders that it lies in. */
static void container_file(const char *path, const char *text) {
    for (const char *p = path; *p != '\0'; p++) {
        if (*p == '/') {
            char *folder = created[created_count];
            snprintf(folder, sizeof *created, "%s/%.*s", container_root, (int)(p - path), path);
            created_count += mkdir(folder, 0700) == 0;
        }
    }
    CHECK(created_count < CREATED_MAX);
    char *name = created[created_count];
    snprintf(name, sizeof *created, "%s/%s", container_root, path);
    created_count += access(name, F_OK) != 0;
    FILE *file = fopen(name, "w");
    CHECK(file != NULL && fputs(text, file) >= 0 && fclose(file) == 0);
}

static void check_limit(uint64_t bytes) {
    CHECK_EQ(gooi_platform_container_memory(container_root), bytes);
}

GOO_TEST(container, no_files_no_limit) {
    container_begin();
    check_limit(0);
    CHECK_EQ(gooi_platform_container_memory("/no/such/folder"), 0);
    container_file("proc/self/cgroup", "");
    check_limit(0);
    container_file("proc/self/cgroup", "nonsense\n::\n:\n0::\n3:memory\n0::no-slash\n");
    check_limit(0);
    container_end();
}

GOO_TEST(container, version_2) {
    container_begin();
    container_file("proc/self/cgroup", "0::/a/b\n");
    check_limit(0);
    container_file("sys/fs/cgroup/a/b/memory.max", "max\n");
    check_limit(0);
    container_file("sys/fs/cgroup/a/memory.max", "300000000\n"); /* a group above */
    check_limit(300000000);
    container_file("sys/fs/cgroup/a/b/memory.max", "500000000\n");
    check_limit(300000000);
    container_file("sys/fs/cgroup/a/b/memory.high", "200000000\n");
    check_limit(200000000);
    container_file("sys/fs/cgroup/memory.max", "100000000\n"); /* of a container's own root */
    check_limit(100000000);
    container_file("sys/fs/cgroup/memory.max", "");
    container_file("sys/fs/cgroup/a/memory.max", "-5\n");
    container_file("sys/fs/cgroup/a/b/memory.high", "99999999999999999999999\n");
    check_limit(500000000);
    container_end();
}

/* The path is the host's, what is mounted is the container's. */
GOO_TEST(container, version_2_seen_from_inside) {
    container_begin();
    container_file("proc/self/cgroup", "0::/../../docker/0123456789abcdef\n");
    container_file("sys/fs/cgroup/memory.max", "1073741824\n");
    check_limit(1073741824);
    container_end();
}

GOO_TEST(container, version_1) {
    container_begin();
    container_file("proc/self/cgroup",
                   "9:cpu,cpuacct:/c\n7:blkio,memory:/m/n\n1:name=systemd:/s\n0::/\n");
    container_file("sys/fs/cgroup/memory/m/n/memory.limit_in_bytes", "9223372036854771712\n");
    check_limit(0);
    container_file("sys/fs/cgroup/memory/memory.limit_in_bytes", "700000000\n");
    check_limit(700000000);
    container_file("sys/fs/cgroup/memory/m/memory.limit_in_bytes", "600000000\n");
    check_limit(600000000);
    container_file("sys/fs/cgroup/memory.max", "50000000\n"); /* both: the lesser one holds */
    check_limit(50000000);
    container_end();
}

GOO_TEST(container, long_lines) {
    char line[4000] = "0::";
    container_begin();
    memset(line + 3, '/', 3900);
    line[3903] = '\n';
    container_file("proc/self/cgroup", line);
    container_file("sys/fs/cgroup/memory.max", "12345678\n");
    CHECK(gooi_platform_container_memory(container_root) <= 12345678);
    memset(line, 'x', sizeof line - 1);
    CHECK_EQ(gooi_platform_container_memory(line), 0);
    container_end();
}
