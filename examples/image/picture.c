/* Pictures: made up, read from PPM files, and written to them. What is read is checked before it is
 * believed: a head that promises more pixels than the file has is an error, not a crash. */
#include "picture.h"

#include <string.h>

Image image_new(GooAllocator *region, size_t width, size_t height) {
    uint8_t *pixels = goo_memory_alloc_array(region, width * height, 3, GOO_ALLOC_DEFAULT);
    return pixels != NULL ? (Image){width, height, pixels} : no_image;
}

Image image_made_up(GooAllocator *region) {
    Image image = image_new(region, 320, 240);
    for (size_t y = 0; image.pixels != NULL && y < image.height; y++) {
        for (size_t x = 0; x < image.width; x++) {
            uint8_t *pixel = image_at(image, x, y);
            int right = (int)x - 160, below = (int)y - 100, near = (int)y - 120;
            int distance = right * right + below * below;
            bool dark = near > 0 && ((right * 8 / near + 64) + 900 / near) % 2 == 0;
            memset(pixel, near < 20 ? (int)(90 + y / 2) : dark ? 40 : 220, 3);
            if (distance < 80 * 80) {
                pixel[0] = (uint8_t)(255 - distance / 30);
                pixel[1] = (uint8_t)(120 - distance / 80);
                pixel[2] = 30;
            }
        }
    }
    return image;
}

/* A number of a PPM file's head, with blanks and comments before it; 0: there is none. */
static size_t read_number(FILE *file) {
    int c = getc(file);
    while (c == '#' || c == ' ' || c == '\t' || c == '\r' || c == '\n') {
        while (c == '#' && (c = getc(file)) != '\n' && c != EOF) {
            c = '#';
        }
        c = getc(file);
    }
    size_t number = 0;
    for (; c >= '0' && c <= '9' && number <= SIDE_MAX; c = getc(file)) {
        number = number * 10 + (size_t)(c - '0');
    }
    return number; /* the blank behind it is taken too */
}

Image image_read(GooAllocator *region, FILE *file) {
    bool good = getc(file) == 'P' && getc(file) == '6';
    size_t width = read_number(file), height = read_number(file), most = read_number(file);
    if (!good || width - 1 >= SIDE_MAX || height - 1 >= SIDE_MAX || most != 255) {
        fprintf(stderr, "image: the input is no binary PPM picture of 8 bits a colour\n");
        return no_image;
    }
    Image image = image_new(region, width, height);
    if (image.pixels == NULL) {
        fprintf(stderr, "image: out of memory\n");
    } else if (fread(image.pixels, 3, width * height, file) != width * height) {
        fprintf(stderr, "image: the input ends too early\n");
        return no_image;
    }
    return image;
}

bool image_write(Image image, FILE *file) {
    size_t count = image.width * image.height;
    return fprintf(file, "P6\n%zu %zu\n255\n", image.width, image.height) > 0 &&
           fwrite(image.pixels, 3, count, file) == count && fflush(file) == 0;
}

uint32_t image_checksum(Image image) {
    uint32_t sum = 0x811c9dc5u;
    for (size_t i = 0; i < image.width * image.height * 3; i++) {
        sum = (sum ^ image.pixels[i]) * 0x01000193u;
    }
    return sum;
}
