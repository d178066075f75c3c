/* Contexts: writers and readers over files and memory, short writes, errors, lines, formats. */
#include "goo/runtime/context.h"
#include "goo/runtime/memory.h"
#include "tests/harness.h"
#include "tests/unit/mock.h"

#include <errno.h>
#include <stdio.h>

/* Takes at most `step` bytes at a time, and `room` in all. */
typedef struct Slow {
    char bytes[2048];
    size_t length, step, room;
} Slow;

static size_t slow_write(void *ctx, const void *bytes, size_t size) {
    Slow *slow = ctx;
    size = size < slow->step ? size : slow->step;
    size = size < slow->room - slow->length ? size : slow->room - slow->length;
    memcpy(slow->bytes + slow->length, bytes, size);
    slow->length += size;
    return size;
}

GOO_TEST(context, short_writes_are_made_up_for) {
    Slow slow = {.step = 3, .room = 2048};
    GooAllocContext c = {.out = {&slow, slow_write}};
    CHECK_EQ(goo_context_write(&c, "hello world", 11), GOO_OK);
    CHECK_EQ(slow.length, 11);
    CHECK_EQ(memcmp(slow.bytes, "hello world", 11), 0);
    CHECK_EQ(goo_context_write(&c, NULL, 0), GOO_OK);
    slow.room = 15;
    CHECK_EQ(goo_context_write(&c, "overflow", 8), GOO_ERR_IO);
    CHECK_EQ(goo_context_printf(&c, "%d", 1), GOO_ERR_IO);
}

GOO_TEST(context, printf_short_and_long) {
    Mock mock;
    Slow slow = {.step = 100, .room = 2048};
    GooAllocContext c = {.allocator = mock_init(&mock), .out = {&slow, slow_write}};
    CHECK_EQ(goo_context_printf(&c, "%s-%05d", "abc", 42), 9);
    CHECK_EQ(memcmp(slow.bytes, "abc-00042", 9), 0);
    CHECK_EQ(mock.allocs, 0);
    CHECK_EQ(goo_context_printf(&c, "%1000d|", 7), 1001);
    CHECK_EQ(slow.length, 1010);
    CHECK_EQ(slow.bytes[1008], '7');
    CHECK_EQ(slow.bytes[1009], '|');
    CHECK_EQ(mock.allocs, 1);
    CHECK_EQ(mock.live, 0);
    mock.failures = 1;
    CHECK_EQ(goo_context_printf(&c, "%600d", 7), GOO_ERR_NO_MEMORY);
    CHECK_EQ(slow.length, 1010);
    CHECK_EQ(goo_context_printf(&c, "%s", ""), 0);
}

GOO_TEST(context, no_writer_no_reader) {
    GooAllocContext c = {0};
    CHECK_EQ(goo_context_write(&c, "x", 1), GOO_ERR_UNSUPPORTED);
    CHECK_EQ(goo_context_printf(&c, "x"), GOO_ERR_UNSUPPORTED);
    CHECK_EQ(goo_context_read_char(&c), -1);
    c.out = goo_writer_file(NULL);
    c.in = goo_reader_file(NULL);
    CHECK_EQ(goo_context_write(&c, "x", 1), GOO_ERR_UNSUPPORTED);
    CHECK_PTR_EQ(goo_context_read_line(&c, NULL).data, NULL);
    c.out = goo_writer_null();
    CHECK_EQ(goo_context_printf(&c, "%d", 12345), 5);
}

GOO_TEST(context, files) {
    FILE *file = tmpfile();
    CHECK(file != NULL);
    GooAllocContext c = {.out = goo_writer_file(file), .in = goo_reader_file(file)};
    CHECK_EQ(goo_context_printf(&c, "one\n\ntwo %d", 2), 10);
    rewind(file);
    CHECK_EQ(goo_context_read_char(&c), 'o');
    GooBuffer line = goo_context_read_line(&c, NULL);
    CHECK_STR_EQ(line.data, "ne");
    CHECK_EQ(line.length, 2);
    goo_buffer_free(&line);
    line = goo_context_read_line(&c, NULL);
    CHECK(line.data != NULL);
    CHECK_EQ(line.length, 0);
    goo_buffer_free(&line);
    line = goo_context_read_line(&c, NULL);
    CHECK_STR_EQ(line.data, "two 2"); /* without a newline at the end */
    goo_buffer_free(&line);
    errno = 5;
    CHECK_PTR_EQ(goo_context_read_line(&c, NULL).data, NULL);
    CHECK_EQ(errno, 0);
    CHECK_EQ(goo_context_read_char(&c), -1);
    fclose(file);
    FILE *full = fopen("/dev/full", "w");
    if (full != NULL) {
        setvbuf(full, NULL, _IONBF, 0);
        c.out = goo_writer_file(full);
        CHECK_EQ(goo_context_write(&c, "x", 1), GOO_ERR_IO);
        fclose(full);
    }
}

GOO_TEST(context, growing_buffers) {
    Mock mock;
    GooBuffer b = goo_buffer_create(mock_init(&mock), 0, 1, 0);
    GooAllocContext c = {.out = goo_writer_buffer(&b)};
    for (int i = 0; i < 500; i++) {
        CHECK_EQ(goo_context_printf(&c, "%04d", i), 4);
    }
    CHECK_EQ(b.length, 2000);
    CHECK_EQ(memcmp(goo_buffer_at(&b, 1996), "0499", 4), 0);
    goo_buffer_clear(&b);
    CHECK_EQ(goo_context_write(&c, "again", 5), GOO_OK);
    CHECK_EQ(b.length, 5);
    mock.failures = 2;
    char block[20000] = {0};
    CHECK_EQ(goo_context_write(&c, block, sizeof block), GOO_ERR_IO);
    CHECK_EQ(b.length, 5);
    goo_buffer_free(&b);
    CHECK_EQ(mock.live, 0);
    GooBuffer wide = goo_buffer_create(NULL, 0, 4, 0);
    c.out = goo_writer_buffer(&wide);
    CHECK_EQ(goo_context_write(&c, "wide", 4), GOO_ERR_IO);
    goo_buffer_free(&wide);
}

GOO_TEST(context, reading_memory) {
    char text[] = "ab\ncd";
    GooBuffer view = goo_buffer_wrap(text, 5, 1);
    GooAllocContext c = {.in = goo_reader_memory(&view)};
    CHECK_EQ(goo_context_read_char(&c), 'a');
    CHECK_EQ(view.length, 4);
    GooBuffer line = goo_context_read_line(&c, NULL);
    CHECK_STR_EQ(line.data, "b");
    goo_buffer_free(&line);
    GooBuffer owned = goo_buffer_create(NULL, 2, 1, 0);
    memcpy(owned.data, "\xff\n", 2);
    for (int i = 0; i < 2; i++) { /* it stays as it is and can be read again */
        c.in = goo_reader_memory(&owned);
        CHECK_EQ(goo_context_read_char(&c), 0xff);
        CHECK_EQ(goo_context_read_char(&c), '\n');
        CHECK_EQ(goo_context_read_char(&c), -1);
        CHECK_EQ(owned.length, 2);
    }
    goo_buffer_free(&owned);
}

static void *refuse_realloc(void *ctx, void *ptr, size_t old_size, size_t new_size,
                            size_t alignment, GooAllocOptions options) {
    (void)ctx, (void)ptr, (void)old_size, (void)new_size, (void)alignment, (void)options;
    errno = ENOMEM;
    return NULL;
}

GOO_TEST(context, lines_of_any_length_and_failure) {
    Mock mock;
    GooAllocator *scope = mock_init(&mock);
    enum { LONG = 5000 };
    static char text[LONG + 1];
    memset(text, 'x', LONG);
    text[LONG] = '\n';
    GooBuffer view = goo_buffer_wrap(text, LONG + 1, 1);
    GooAllocContext c = {.in = goo_reader_memory(&view)};
    GooBuffer line = goo_context_read_line(&c, scope);
    CHECK_EQ(line.length, LONG);
    CHECK_PTR_EQ(line.owner, scope);
    CHECK_EQ(((char *)line.data)[LONG], '\0');
    goo_buffer_free(&line);
    /* Fails when it begins, and when it grows: the roomy request and then the exact one. */
    view = goo_buffer_wrap(text, LONG + 1, 1);
    mock.failures = 1;
    errno = 0;
    CHECK_PTR_EQ(goo_context_read_line(&c, scope).data, NULL);
    CHECK_EQ(errno, ENOMEM);
    view = goo_buffer_wrap(text, LONG + 1, 1);
    scope->realloc = refuse_realloc;
    errno = 0;
    CHECK_PTR_EQ(goo_context_read_line(&c, scope).data, NULL);
    CHECK_EQ(errno, ENOMEM);
    CHECK_EQ(mock.live, 0);
}

GOO_TEST(context, format_into_a_scope) {
    Mock mock;
    GooAllocator *scope = mock_init(&mock);
    GooAllocContext c = {0};
    GooBuffer text = goo_context_format(&c, scope, "%d %s", 17, "goo");
    CHECK_STR_EQ(text.data, "17 goo");
    CHECK_EQ(text.length, 6);
    CHECK_PTR_EQ(text.owner, scope);
    goo_buffer_free(&text);
    text = goo_context_format(&c, scope, "%s", "");
    CHECK(text.data != NULL);
    CHECK_EQ(text.length, 0);
    goo_buffer_free(&text);
    mock.failures = 1;
    errno = 0;
    CHECK_PTR_EQ(goo_context_format(&c, scope, "%d", 1).data, NULL);
    CHECK_EQ(errno, ENOMEM);
    CHECK_EQ(mock.live, 0);
}

GOO_TEST(context, allocation) {
    Mock own, scope;
    GooAllocContext c = {.allocator = mock_init(&own)};
    mock_init(&scope);
    void *p = goo_context_alloc(&c, 10);
    void *q = goo_context_alloc_deferred(&c, &scope.allocator, 20);
    CHECK_EQ(own.live, 1);
    CHECK_EQ(scope.live, 1);
    goo_memory_free_with(&own.allocator, p, 10);
    goo_memory_free_with(&scope.allocator, q, 20);
}
