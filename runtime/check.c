/* What happens when a check fails: one line of text goes to the panic handler.
 *
 * The line is built in a buffer on the stack, because a check may fail while an allocator is in the
 * middle of its work. A handler that wants to go on leaves by longjmp; one that returns ends the
 * process, so that nothing continues on broken ground.
 *
 * Threads: any. The handler itself lies in globals.c.
 */
#include "runtime/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { CHECK_MESSAGE_CAPACITY = 512 };

void gooi_panic(const char *format, ...) {
    char message[CHECK_MESSAGE_CAPACITY];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    GooiPanicFn handler = atomic_load_explicit(&gooi_panic_handler, memory_order_acquire);
    gooi_pending_abandon();
    handler(message);
    abort();
}
