/* source.h: whole files and lines as text with a NUL behind it. */
#ifndef LOX_SOURCE_H
#define LOX_SOURCE_H

#include <stdio.h>

#include "memory.h"

typedef enum SourceStatus {
    SOURCE_OK,
    SOURCE_NOT_OPENED,
    SOURCE_NOT_READ,
    SOURCE_NO_MEMORY
} SourceStatus;

/* Both put a NUL at the end, which the length counts; `text` is left free of memory on failure. */
SourceStatus source_read_file(Vm *vm, const char *path, TextBuffer *text);
/* Appends one line, its end included. NOT_READ at the end of the file. */
SourceStatus source_read_line(Vm *vm, FILE *file, TextBuffer *text);

#endif
