/* What the debug allocator says: one line for the panic handler, all the rest for a file.
 *
 * A line names the call, the pointer, the sizes and the site of the allocation; a file also gets
 * the stacks, symbolised here and not before. Leaks are copied under the lock and told without it,
 * so that a callback may allocate, free, or report again (DEBUG-3).
 *
 * Threads: any, without the lock.
 */
#include "allocators/debug.h"

#include "goo/runtime/memory.h"
#include "runtime/check.h"
#include "runtime/platform/platform.h"
#include "runtime/system.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { REPORT_PLACE_SIZE = 128 };

/* --- lines --- */

typedef struct ReportLine {
    char *text;
    size_t used;
} ReportLine;

GOOI_PRINTF(2, 3) static void report_add(ReportLine *line, const char *format, ...) {
    size_t room = DEBUG_LINE_SIZE - line->used;
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line->text + line->used, room, format, arguments);
    va_end(arguments);
    if (length > 0) {
        line->used += (size_t)length < room ? (size_t)length : room - 1;
    }
}

/* The first frame that is not the library's own front door, as far as names tell. */
static const char *report_function(const DebugStack *stack, char *out) {
    for (size_t i = 0; stack != NULL && i < stack->depth; i++) {
        if (gooi_platform_symbol(stack->frames[i], out, REPORT_PLACE_SIZE) &&
            strncmp(out, "goo_", 4) != 0) {
            return out;
        }
    }
    return NULL;
}

/* " verb at file:line", or the function, or nothing. */
static void report_place(ReportLine *line, const char *what, GooiSite site,
                         const DebugStack *stack) {
    char name[REPORT_PLACE_SIZE];
    if (site.file != NULL) {
        report_add(line, "; %s at %s:%d", what, site.file, site.line);
    } else if (report_function(stack, name) != NULL) {
        report_add(line, "; %s in %s", what, name);
    }
}

static void report_what(ReportLine *line, const DebugFault *f) {
    const DebugRecord *r = &f->record;
    size_t alignment = (size_t)1 << r->alignment_log2;
    switch (f->kind) {
    case DEBUG_DOUBLE_FREE:
        report_add(line, "was freed before (double free), %zu bytes", r->size);
        break;
    case DEBUG_FOREIGN:
        report_add(line, "is no block of this allocator (foreign pointer), %zu bytes", f->size);
        break;
    case DEBUG_WRONG_SIZE:
        report_add(line, "has %zu bytes, not %zu (wrong size)", r->size, f->size);
        break;
    case DEBUG_WRONG_ALIGNMENT:
        report_add(line, "of %zu bytes is aligned to %zu, not %zu (wrong alignment)", r->size,
                   alignment, f->alignment);
        break;
    case DEBUG_OVERRUN:
        report_add(line, "of %zu bytes was written at offset %td, behind its end (overrun)",
                   r->size, f->offset);
        break;
    case DEBUG_UNDERRUN:
        report_add(line, "of %zu bytes was written at offset %td, before its begin (underrun)",
                   r->size, f->offset);
        break;
    case DEBUG_USE_AFTER_FREE:
        report_add(line,
                   "of %zu bytes was written at offset %td after it was freed (use after free)",
                   r->size, f->offset);
        break;
    case DEBUG_FAULT_NONE:
        break;
    }
}

void gooi_debug_describe(const DebugAllocator *d, const DebugFault *f, char *text) {
    ReportLine line = {text, 0};
    report_add(&line, "%s: %p ", f->call, f->ptr);
    report_what(&line, f);
    report_add(&line, ", debug allocator '%s'", d->name);
    if (f->site.file != NULL) {
        report_add(&line, ", at %s:%d", f->site.file, f->site.line);
    }
    if (f->kind != DEBUG_FOREIGN) {
        report_place(&line, "allocated", f->record.site, f->record.stack);
        if (f->record.state != DEBUG_LIVE) {
            report_place(&line, "freed", f->record.free_site, f->record.free_stack);
        }
    }
}

/* --- files --- */

static void report_frames(FILE *out, const char *what, void *const *frames, size_t depth) {
    if (depth != 0) {
        fprintf(out, "    %s:\n", what);
    }
    for (size_t i = 0; i < depth; i++) {
        char name[REPORT_PLACE_SIZE];
        bool known = gooi_platform_symbol(frames[i], name, sizeof name);
        fprintf(out, "        %p %s\n", frames[i], known ? name : "?");
    }
}

static void report_stack(FILE *out, const char *what, const DebugStack *stack) {
    if (stack != NULL) {
        report_frames(out, what, stack->frames, stack->depth);
    }
}

void gooi_debug_raise(DebugAllocator *d, const DebugFault *fault, const DebugHere *here) {
    char line[DEBUG_LINE_SIZE];
    gooi_debug_describe(d, fault, line);
    FILE *out = d->options.report;
    if (out != NULL) {
        fprintf(out, "%s\n", line);
        report_frames(out, "now", here != NULL ? here->frames : NULL,
                      here != NULL ? here->depth : 0);
        report_stack(out, "allocated", fault->record.stack);
        report_stack(out, "freed", fault->record.free_stack);
        fflush(out);
    }
    gooi_site = (GooiSite){NULL, 0}; /* the handler may leave this call for good */
    gooi_panic("%s", line);
}

/* --- all blocks --- */

typedef struct ReportCopy {
    DebugRecord *records;
    size_t count, bytes;
} ReportCopy;

static int report_compare(const void *a, const void *b) {
    const DebugRecord *x = a;
    const DebugRecord *y = b;
    return x->ptr < y->ptr ? -1 : x->ptr > y->ptr;
}

/* The records that a test wants, by address. False: no memory. */
static bool report_copy(DebugAllocator *d, bool (*wanted)(DebugAllocator *, const DebugRecord *),
                        ReportCopy *out) {
    *out = (ReportCopy){NULL, 0, 0};
    gooi_debug_lock(d);
    size_t most = d->table.count;
    size_t size = (most + 1) * sizeof(DebugRecord);
    out->records = gooi_system_alloc(NULL, size, GOO_DEFAULT_ALIGNMENT, GOO_ALLOC_DEFAULT);
    for (size_t i = 0; out->records != NULL && i < d->table.capacity; i++) {
        const DebugRecord *record = d->table.slots[i].record;
        if (record != NULL && wanted(d, record)) {
            out->records[out->count++] = *record;
            out->bytes += record->size;
        }
    }
    gooi_debug_unlock(d);
    if (out->count != 0) {
        qsort(out->records, out->count, sizeof(DebugRecord), report_compare);
    }
    return out->records != NULL;
}

static void report_drop(ReportCopy *copy) {
    gooi_system_free(NULL, copy->records, 0, GOO_DEFAULT_ALIGNMENT);
}

static bool report_is_live(DebugAllocator *d, const DebugRecord *record) {
    return record->state == DEBUG_LIVE && gooi_debug_is_held(d, record);
}

static bool report_is_damaged(DebugAllocator *d, const DebugRecord *record) {
    return gooi_debug_is_held(d, record) && gooi_debug_damage(d, record).kind != DEBUG_FAULT_NONE;
}

static void report_leak(FILE *out, const DebugRecord *record) {
    char text[DEBUG_LINE_SIZE] = "";
    ReportLine line = {text, 0};
    report_add(&line, "  %p: %zu bytes", (void *)record->ptr, record->size);
    report_place(&line, "allocated", record->site, record->stack);
    fprintf(out, "%s\n", text);
    report_stack(out, "allocated", record->stack);
}

static void report_call_back(const DebugAllocator *d, const DebugRecord *record) {
    const DebugStack *stack = record->stack;
    GooLeak leak = {
        .ptr = record->ptr,
        .size = record->size,
        .file = record->site.file,
        .line = record->site.line,
        .stack = stack != NULL ? stack->frames : NULL,
        .stack_depth = stack != NULL ? stack->depth : 0,
    };
    d->options.on_leak(&leak, d->options.user);
}

/* The line of GOO_LEAK_PANIC. */
static void report_leak_line(const DebugAllocator *d, const ReportCopy *leaks, char *text) {
    const DebugRecord *first = &leaks->records[0];
    ReportLine line = {text, 0};
    report_add(&line,
               "debug allocator '%s': %zu blocks of %zu bytes leaked; the first: %p, %zu bytes",
               d->name, leaks->count, leaks->bytes, (void *)first->ptr, first->size);
    report_place(&line, "allocated", first->site, first->stack);
}

size_t gooi_debug_leaks(DebugAllocator *d, FILE *report, char *line) {
    ReportCopy leaks;
    line[0] = '\0';
    if (!report_copy(d, report_is_live, &leaks)) {
        return goo_debug_live_count(&d->head.allocator);
    }
    if (report != NULL) {
        fprintf(report, "debug allocator '%s': %zu blocks of %zu bytes live\n", d->name,
                leaks.count, leaks.bytes);
    }
    for (size_t i = 0; i < leaks.count; i++) {
        if (report != NULL) {
            report_leak(report, &leaks.records[i]);
        }
        if (d->options.leak_mode == GOO_LEAK_CALLBACK) {
            report_call_back(d, &leaks.records[i]);
        }
    }
    if (report != NULL) {
        fflush(report);
    }
    if (leaks.count != 0 && d->options.leak_mode == GOO_LEAK_PANIC) {
        report_leak_line(d, &leaks, line);
    }
    if (leaks.count != 0 && d->options.leak_mode == GOO_LEAK_BREAK) {
        gooi_platform_break();
    }
    report_drop(&leaks);
    return leaks.count;
}

/* The line of the first damaged block is in `line`, "" if there is none. */
static size_t report_damage(DebugAllocator *d, FILE *report, const char *call, char *line) {
    ReportCopy damaged;
    line[0] = '\0';
    if (!report_copy(d, report_is_damaged, &damaged)) {
        return 0;
    }
    for (size_t i = damaged.count; i-- != 0;) {
        DebugFault fault = gooi_debug_damage(d, &damaged.records[i]);
        fault.call = call;
        gooi_debug_describe(d, &fault, line);
        if (report != NULL) {
            fprintf(report, "%s\n", line);
            report_stack(report, "allocated", fault.record.stack);
            report_stack(report, "freed", fault.record.free_stack);
        }
    }
    report_drop(&damaged);
    return damaged.count;
}

/* --- the calls --- */

static DebugAllocator *report_allocator(GooAllocator *a, const char *call) {
    GOO_REQUIRE(gooi_debug_is(a), "%s: %p is no debug allocator", call, (void *)a);
    return (DebugAllocator *)(void *)a;
}

size_t goo_debug_live_count(GooAllocator *debug) {
    DebugAllocator *d = report_allocator(debug, __func__);
    gooi_debug_lock(d);
    size_t count = d->live_count;
    gooi_debug_unlock(d);
    return count;
}

size_t goo_debug_report(GooAllocator *debug, FILE *report) {
    DebugAllocator *d = report_allocator(debug, __func__);
    report = report != NULL ? report : d->options.report;
    char leak_line[DEBUG_LINE_SIZE];
    char damage_line[DEBUG_LINE_SIZE];
    size_t count = gooi_debug_leaks(d, report, leak_line);
    report_damage(d, report, __func__, damage_line);
    if (damage_line[0] != '\0' || leak_line[0] != '\0') {
        gooi_panic("%s", damage_line[0] != '\0' ? damage_line : leak_line);
    }
    return count;
}

size_t goo_debug_check(GooAllocator *debug, FILE *report) {
    DebugAllocator *d = report_allocator(debug, __func__);
    char line[DEBUG_LINE_SIZE];
    return report_damage(d, report != NULL ? report : d->options.report, __func__, line);
}

void gooi_debug_final_report(DebugAllocator *d, char *line) {
    char damage_line[DEBUG_LINE_SIZE];
    gooi_debug_leaks(d, d->options.report, line);
    report_damage(d, d->options.report, "goo_allocator_destroy", damage_line);
    if (damage_line[0] != '\0') {
        memcpy(line, damage_line, DEBUG_LINE_SIZE);
    }
}
