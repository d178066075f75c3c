/* A picture in memory and as a file. */
#ifndef IMAGE_PICTURE_H
#define IMAGE_PICTURE_H

#include <goo/goo.h>

enum { SIDE_MAX = 16384 };

/* Rows of pixels from the top, three bytes each: red, green, blue. */
typedef struct Image {
    size_t width, height;
    uint8_t *pixels; /* NULL: none could be made */
} Image;

static const Image no_image = {0, 0, NULL};

/* A picture whose pixels are to be written, at the region's depth; no_image: out of memory. */
Image image_new(GooAllocator *region, size_t width, size_t height);

static inline uint8_t *image_at(Image image, size_t x, size_t y) {
    return image.pixels + (y * image.width + x) * 3;
}

/* A picture of a ball above a chequered plane. */
Image image_made_up(GooAllocator *region);

/* Reads a binary PPM file of 8 bits a colour. no_image: it says on standard error what is wrong. */
Image image_read(GooAllocator *region, FILE *file);

/* Writes such a file. False: errno tells why. */
bool image_write(Image image, FILE *file);

/* A number that differs when pixels do: FNV-1a. */
uint32_t image_checksum(Image image);

#endif
