/* The stages: pictures from pictures, with scratch that none of them has to free.
 *
 *     depth 1        the pipeline: the pictures between the stages, and the result
 *       depth 2      a stage: planes that only it needs; edges keeps a blurred picture here
 *         depth 3    a stage that works for a stage: blur within edges
 *
 * A stage allocates its result first, at its caller's depth, and then begins a depth of its own for
 * scratch. Whichever way it leaves, the end of that depth takes the scratch along, and the memory
 * is the next stage's.
 */
#include "stages.h"

#include <stdlib.h>
#include <string.h>

enum { BLUR_RADIUS = 2 };

/* A coordinate moved by an offset, but not over the edge. */
static size_t moved(size_t at, int offset, size_t count) {
    ptrdiff_t to = (ptrdiff_t)at + offset;
    return to < 0 ? 0 : (size_t)to < count ? (size_t)to : count - 1;
}

/* Makes each pixel the mean of those around it in a direction: (1, 0) or (0, 1). */
static void blur_along(Image from, Image to, int step_x, int step_y) {
    for (size_t y = 0; y < from.height; y++) {
        for (size_t x = 0; x < from.width; x++) {
            unsigned sum[3] = {0, 0, 0};
            for (int i = -BLUR_RADIUS; i <= BLUR_RADIUS; i++) {
                const uint8_t *pixel = image_at(from, moved(x, i * step_x, from.width),
                                                moved(y, i * step_y, from.height));
                for (int channel = 0; channel < 3; channel++) {
                    sum[channel] += pixel[channel];
                }
            }
            for (int channel = 0; channel < 3; channel++) {
                image_at(to, x, y)[channel] = (uint8_t)(sum[channel] / (2 * BLUR_RADIUS + 1));
            }
        }
    }
}

/* A box blur: along the rows into scratch, and from there along the columns. */
static Image blur(GooAllocator *region, Image in) {
    Image out = image_new(region, in.width, in.height);
    if (out.pixels == NULL || goo_region_begin(region) != GOO_OK) {
        return no_image;
    }
    Image rows = image_new(region, in.width, in.height);
    if (rows.pixels != NULL) {
        blur_along(in, rows, 1, 0);
        blur_along(rows, out, 0, 1);
    }
    goo_region_end(region);
    return rows.pixels != NULL ? out : no_image;
}

/* How bright each pixel is, one byte each. Weights: ITU-R BT.601. */
static uint8_t *brightness(GooAllocator *region, Image in) {
    uint8_t *plane = goo_memory_alloc_with(region, in.width * in.height);
    for (size_t i = 0; plane != NULL && i < in.width * in.height; i++) {
        const uint8_t *pixel = in.pixels + i * 3;
        plane[i] = (uint8_t)((299u * pixel[0] + 587u * pixel[1] + 114u * pixel[2]) / 1000);
    }
    return plane;
}

/* How much the brightness changes around a pixel: Sobel's two operators. */
static uint8_t slope(const uint8_t *plane, Image in, size_t x, size_t y) {
    static const int weight[3] = {1, 2, 1};
    int across = 0, down = 0;
    for (int i = -1; i <= 1; i++) {
        size_t row = moved(y, i, in.height) * in.width;
        size_t column = moved(x, i, in.width);
        across += weight[i + 1] *
                  (plane[row + moved(x, 1, in.width)] - plane[row + moved(x, -1, in.width)]);
        down += weight[i + 1] * (plane[moved(y, 1, in.height) * in.width + column] -
                                 plane[moved(y, -1, in.height) * in.width + column]);
    }
    int steepness = abs(across) + abs(down);
    return (uint8_t)(steepness < 255 ? steepness : 255);
}

/* Edges, bright on black. What they are looked for in is a blurred picture, at this depth. */
static Image edges(GooAllocator *region, Image in) {
    Image out = image_new(region, in.width, in.height);
    if (out.pixels == NULL || goo_region_begin(region) != GOO_OK) {
        return no_image;
    }
    Image soft = blur(region, in);
    uint8_t *plane = soft.pixels != NULL ? brightness(region, soft) : NULL;
    for (size_t y = 0; plane != NULL && y < in.height; y++) {
        for (size_t x = 0; x < in.width; x++) {
            memset(image_at(out, x, y), slope(plane, in, x, y), 3);
        }
    }
    goo_region_end(region);
    return plane != NULL ? out : no_image;
}

/* Half as wide and high: the mean of each four pixels. */
static Image half(GooAllocator *region, Image in) {
    Image out = image_new(region, (in.width + 1) / 2, (in.height + 1) / 2);
    for (size_t y = 0; out.pixels != NULL && y < out.height; y++) {
        for (size_t x = 0; x < out.width; x++) {
            size_t right = moved(x * 2, 1, in.width), below = moved(y * 2, 1, in.height);
            for (size_t channel = 0; channel < 3; channel++) {
                unsigned sum =
                    image_at(in, x * 2, y * 2)[channel] + image_at(in, right, y * 2)[channel] +
                    image_at(in, x * 2, below)[channel] + image_at(in, right, below)[channel];
                image_at(out, x, y)[channel] = (uint8_t)(sum / 4);
            }
        }
    }
    return out;
}

/* Twice as wide and high: each pixel four times. */
static Image twice(GooAllocator *region, Image in) {
    Image out = image_new(region, in.width * 2, in.height * 2);
    for (size_t y = 0; out.pixels != NULL && y < out.height; y++) {
        for (size_t x = 0; x < out.width; x++) {
            memcpy(image_at(out, x, y), image_at(in, x / 2, y / 2), 3);
        }
    }
    return out;
}

static const Stage stages[] = {{"blur", blur}, {"edges", edges}, {"half", half}, {"double", twice}};

const Stage *stage_of(const char *name, size_t length) {
    for (size_t i = 0; i < sizeof stages / sizeof stages[0]; i++) {
        if (strlen(stages[i].name) == length && memcmp(stages[i].name, name, length) == 0) {
            return &stages[i];
        }
    }
    return NULL;
}
