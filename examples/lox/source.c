/* source.c: reading text. Files are read to their end, whatever they say their size is, so that
 * pipes and devices work too. */
#include "source.h"

#include <string.h>

static SourceStatus source_read_all(Vm *vm, FILE *file, TextBuffer *text) {
    char block[4096];
    size_t size = 0;
    while ((size = fread(block, 1, sizeof block, file)) > 0) {
        if (!text_append(vm, text, block, size)) {
            return SOURCE_NO_MEMORY;
        }
    }
    if (ferror(file)) {
        return SOURCE_NOT_READ;
    }
    return text_append(vm, text, "", 1) ? SOURCE_OK : SOURCE_NO_MEMORY;
}

SourceStatus source_read_file(Vm *vm, const char *path, TextBuffer *text) {
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return SOURCE_NOT_OPENED;
    }
    SourceStatus status = source_read_all(vm, file, text);
    (void)fclose(file);
    if (status != SOURCE_OK) {
        text_free(vm, text);
    }
    return status;
}

/* The NUL of the text so far is overwritten. */
SourceStatus source_read_line(Vm *vm, FILE *file, TextBuffer *text) {
    char block[256];
    text->length -= text->length > 0;
    bool any = false, ended = false;
    while (!ended && fgets(block, sizeof block, file) != NULL) {
        any = true;
        size_t size = strlen(block);
        ended = size > 0 && block[size - 1] == '\n';
        if (!text_append(vm, text, block, size)) {
            text_free(vm, text);
            return SOURCE_NO_MEMORY;
        }
    }
    if (!text_append(vm, text, "", 1)) {
        text_free(vm, text);
        return SOURCE_NO_MEMORY;
    }
    return any ? SOURCE_OK : SOURCE_NOT_READ;
}
