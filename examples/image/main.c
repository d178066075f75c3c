/* An image pipeline over regions: what a stage needs on the way goes when the stage ends.
 *
 *     image [--input IN.ppm] [--output OUT.ppm] [--stages blur,edges,half,double] [--limit BYTES]
 *
 * One region is the memory of everything. The pipeline begins depth 1 in it for its pictures, and
 * each stage (stages.c) a depth of its own for scratch; nothing is freed singly, and after the end
 * of depth 1 nothing is left. Without an input a picture is made up. All arithmetic is in whole
 * numbers, so results are the same on every machine.
 */
#include "picture.h"
#include "stages.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { EXIT_MISUSE = 64, REGION_SIZE = 1 << 18 };

typedef struct Options {
    const char *input, *output, *stages;
    size_t limit;
} Options;

static const char usage[] =
    "Usage: image [--input IN.ppm] [--output OUT.ppm] [--stages LIST] [--limit BYTES]\n"
    "  --input IN.ppm    the picture to begin with (one is made up)\n"
    "  --output OUT.ppm  where to write the result (nowhere)\n"
    "  --stages LIST     of blur, edges, half and double (blur,half,edges,double)\n"
    "  --limit BYTES     the most memory that may be used at once (no limit)\n";

static bool parse_options(Options *options, char **arguments) {
    for (; *arguments != NULL; arguments += 2) {
        const char *name = arguments[0], *value = arguments[1];
        char *end = "";
        if (value == NULL) {
            fprintf(stderr, "image: %s: see --help\n", name);
            return false;
        }
        if (strcmp(name, "--input") == 0) {
            options->input = value;
        } else if (strcmp(name, "--output") == 0) {
            options->output = value;
        } else if (strcmp(name, "--stages") == 0) {
            options->stages = value;
        } else if (strcmp(name, "--limit") == 0) {
            options->limit = strtoull(value, &end, 10);
            end = *value >= '0' && *value <= '9' ? end : "no number";
        } else {
            fprintf(stderr, "image: there is no option '%s' (see --help)\n", name);
            return false;
        }
        if (*end != '\0' || *value == '\0') {
            fprintf(stderr, "image: %s: '%s' is no value for it\n", name, value);
            return false;
        }
    }
    return true;
}

static void report(const char *what, size_t length, Image image) {
    printf("%-7.*s %5zu x %-5zu  %08x\n", (int)length, what, image.width, image.height,
           (unsigned)image_checksum(image));
}

static Image first_picture(GooAllocator *region, const char *path) {
    if (path == NULL) {
        Image image = image_made_up(region);
        if (image.pixels == NULL) {
            fprintf(stderr, "image: out of memory\n");
        }
        return image;
    }
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        fprintf(stderr, "image: %s: %s\n", path, strerror(errno));
        return no_image;
    }
    Image image = image_read(region, file);
    fclose(file);
    return image;
}

static bool save(Image image, const char *path) {
    FILE *file = fopen(path, "wb");
    bool good = file != NULL && image_write(image, file);
    if (!good) {
        fprintf(stderr, "image: %s: %s\n", path, strerror(errno));
    }
    if (file != NULL) {
        fclose(file);
    }
    return good;
}

/* The next name of a list separated by commas; its length may be 0. */
static const char *next_name(const char **list, size_t *out_length) {
    const char *name = *list;
    *out_length = strcspn(name, ",");
    *list += *out_length + (name[*out_length] == ',');
    return name;
}

static bool are_stages(const char *list) {
    while (*list != '\0') {
        size_t length;
        const char *name = next_name(&list, &length);
        if (stage_of(name, length) == NULL) {
            fprintf(stderr, "image: there is no stage '%.*s' (see --help)\n", (int)length, name);
            return false;
        }
    }
    return true;
}

/* Runs all stages, at the pipeline's depth. False: it said what was wrong. */
static bool run_stages(GooAllocator *region, const Options *options) {
    Image image = first_picture(region, options->input);
    if (image.pixels == NULL) {
        return false;
    }
    report("input", 5, image);
    for (const char *list = options->stages; *list != '\0';) {
        size_t length;
        const char *name = next_name(&list, &length);
        image = stage_of(name, length)->run(region, image);
        if (image.pixels == NULL) {
            fprintf(stderr, "image: %.*s: out of memory\n", (int)length, name);
            return false;
        }
        report(name, length, image);
    }
    return options->output == NULL || save(image, options->output);
}

/* system, counted, limited, and the region on top. */
static bool run(const Options *options) {
    GooAllocator *counted = goo_tracking_allocator_create(NULL);
    GooAllocator *limited = goo_limit_allocator_create(counted, options->limit);
    GooRegionOptions region_options = {.region_size = REGION_SIZE, .allow_large = true};
    GooAllocator *region = NULL;
    if (counted != NULL && limited != NULL) {
        region = goo_region_allocator_create_with(limited, &region_options);
    }
    bool good = false;
    if (region == NULL || goo_region_begin(region) != GOO_OK) {
        fprintf(stderr, "image: out of memory\n");
    } else {
        good = run_stages(region, options);
        goo_region_end(region);
        GooAllocStats stats = goo_get_alloc_stats(counted);
        printf("memory: %zu KiB at most, in %zu allocations\n", stats.max_bytes_allocated / 1024,
               stats.total_allocations);
    }
    goo_allocator_destroy(region);
    goo_allocator_destroy(limited);
    goo_allocator_destroy(counted);
    return good;
}

int main(int argc, char **argv) {
    Options options = {NULL, NULL, "blur,half,edges,double", SIZE_MAX};
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        fputs(usage, stdout);
        return 0;
    }
    if (!parse_options(&options, argv + 1) || !are_stages(options.stages)) {
        return EXIT_MISUSE;
    }
    return run(&options) ? 0 : 1;
}
