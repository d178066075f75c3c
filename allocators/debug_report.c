/* What the debug allocator says: one line for the panic handler, all the rest for a file.
 *
 * A line names the call, the pointer, the sizes and the site of the allocation; a file also gets
 * the stacks, symbolised here and not before. Leaks are copied under the lock and told without it,
 * so that a callback may allocate, free, or report again (DEBUG-3).
 *
 * Threads: any, without the lock.
 */
#include "allocators/debug_guard.h"

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

static void report_find(const DebugAllocator *d, DebugOrigin origin, DebugPlace *out) {
    gooi_debug_origin_tell(&d->origins, origin, d->options.stack_depth, out);
}

/* The first frame that is not the library's own front door, as far as names tell. */
static const char *report_function(const DebugPlace *place, char *out) {
    for (size_t i = 0; i < place->depth; i++) {
        if (place->frames[i] != NULL &&
            gooi_platform_symbol(place->frames[i], out, REPORT_PLACE_SIZE) &&
            strncmp(out, "goo_", 4) != 0) {
            return out;
        }
    }
    return NULL;
}

/* " verb at file:line", or the function, or nothing. */
static void report_place(ReportLine *line, const char *what, const DebugPlace *place) {
    char name[REPORT_PLACE_SIZE];
    if (place->site.file != NULL) {
        report_add(line, "; %s at %s:%d", what, place->site.file, place->site.line);
    } else if (report_function(place, name) != NULL) {
        report_add(line, "; %s in %s", what, name);
    }
}

static void report_what(ReportLine *line, const DebugFault *f) {
    const DebugRecord *r = &f->record;
    size_t size = gooi_debug_size(r);
    size_t alignment = gooi_debug_alignment(r);
    switch (f->kind) {
    case DEBUG_DOUBLE_FREE:
        report_add(line, "was freed before (double free), %zu bytes", size);
        break;
    case DEBUG_FOREIGN:
        report_add(line, "is no block of this allocator (foreign pointer), %zu bytes", f->size);
        break;
    case DEBUG_WRONG_SIZE:
        report_add(line, "has %zu bytes, not %zu (wrong size)", size, f->size);
        break;
    case DEBUG_WRONG_ALIGNMENT:
        report_add(line, "of %zu bytes is aligned to %zu, not %zu (wrong alignment)", size,
                   alignment, f->alignment);
        break;
    case DEBUG_OVERRUN:
        report_add(line, "of %zu bytes was written at offset %td, behind its end (overrun)", size,
                   f->offset);
        break;
    case DEBUG_UNDERRUN:
        report_add(line, "of %zu bytes was written at offset %td, before its begin (underrun)",
                   size, f->offset);
        break;
    case DEBUG_USE_AFTER_FREE:
        report_add(line,
                   "of %zu bytes was written at offset %td after it was freed (use after free)",
                   size, f->offset);
        break;
    case DEBUG_FAULT_NONE:
        break;
    }
}

/* What a fault's places are, in words. */
typedef struct ReportPlaces {
    DebugPlace now, allocated, freed;
} ReportPlaces;

static void report_describe(const DebugAllocator *d, const DebugFault *f, char *text,
                            ReportPlaces *out) {
    report_find(d, f->origin, &out->now);
    report_find(d, f->record.origin, &out->allocated);
    bool live = gooi_debug_state(&f->record) == DEBUG_LIVE;
    report_find(d, live ? 0 : f->record.free_origin, &out->freed);
    ReportLine line = {text, 0};
    report_add(&line, "%s: %p ", f->call, f->ptr);
    report_what(&line, f);
    report_add(&line, ", debug allocator '%s'", d->name);
    if (out->now.site.file != NULL) {
        report_add(&line, ", at %s:%d", out->now.site.file, out->now.site.line);
    }
    if (f->kind != DEBUG_FOREIGN) {
        report_place(&line, "allocated", &out->allocated);
        if (!live) {
            report_place(&line, "freed", &out->freed);
        }
    }
}

/* --- files --- */

static void report_stack(FILE *out, const char *what, const DebugPlace *place) {
    if (place->depth != 0) {
        fprintf(out, "    %s:\n", what);
    }
    for (size_t i = 0; i < place->depth; i++) {
        char name[REPORT_PLACE_SIZE];
        bool known = gooi_platform_symbol(place->frames[i], name, sizeof name);
        fprintf(out, "        %p %s\n", place->frames[i], known ? name : "?");
    }
}

void gooi_debug_raise(DebugAllocator *d, const DebugFault *fault) {
    char line[DEBUG_LINE_SIZE];
    ReportPlaces places;
    report_describe(d, fault, line, &places);
    FILE *out = d->options.report;
    if (out != NULL) {
        fprintf(out, "%s\n", line);
        report_stack(out, "now", &places.now);
        report_stack(out, "allocated", &places.allocated);
        report_stack(out, "freed", &places.freed);
        fflush(out);
    }
    gooi_site = (GooiSite){NULL, 0}; /* the handler may leave this call for good */
    gooi_panic("%s", line);
}

/* --- all blocks --- */

/* What was found of each block: faults, whose kind is NONE for leaks. */
typedef struct ReportCopy {
    DebugFault *faults;
    size_t count, bytes;
} ReportCopy;

static int report_compare(const void *a, const void *b) {
    const DebugFault *x = a;
    const DebugFault *y = b;
    return x->record.ptr < y->record.ptr ? -1 : x->record.ptr > y->record.ptr;
}

/* The blocks that a test wants, by address. False: no memory. */
static bool report_copy(DebugAllocator *d, bool (*wanted)(const DebugRecord *, const DebugFault *),
                        ReportCopy *out) {
    *out = (ReportCopy){NULL, 0, 0};
    bool locked = gooi_debug_lock(d);
    size_t size = (d->records.count + 1) * sizeof(DebugFault);
    out->faults = gooi_system_alloc(NULL, size, GOO_DEFAULT_ALIGNMENT, GOO_ALLOC_DEFAULT);
    for (uint32_t i = 1; out->faults != NULL && i < d->records.limit; i++) {
        const DebugRecord *record = &d->records.all[i];
        if (record->shape == 0 || !gooi_debug_is_held(d, record)) {
            continue;
        }
        DebugFault fault = gooi_debug_damage(d, record);
        if (wanted(record, &fault)) {
            out->faults[out->count++] = fault;
            out->bytes += gooi_debug_size(record);
        }
    }
    gooi_debug_unlock(d, locked);
    if (out->count != 0) {
        qsort(out->faults, out->count, sizeof(DebugFault), report_compare);
    }
    return out->faults != NULL;
}

static void report_drop(ReportCopy *copy) {
    gooi_system_free(NULL, copy->faults, 0, GOO_DEFAULT_ALIGNMENT);
}

static bool report_is_live(const DebugRecord *record, const DebugFault *fault) {
    (void)fault;
    return gooi_debug_state(record) == DEBUG_LIVE;
}

static bool report_is_damaged(const DebugRecord *record, const DebugFault *fault) {
    (void)record;
    return fault->kind != DEBUG_FAULT_NONE;
}

static void report_leak(FILE *out, const DebugRecord *record, const DebugPlace *place) {
    char text[DEBUG_LINE_SIZE] = "";
    ReportLine line = {text, 0};
    report_add(&line, "  %p: %zu bytes", (void *)record->ptr, gooi_debug_size(record));
    report_place(&line, "allocated", place);
    fprintf(out, "%s\n", text);
    report_stack(out, "allocated", place);
}

static void report_call_back(const DebugAllocator *d, const DebugRecord *record,
                             const DebugPlace *place) {
    GooLeak leak = {
        .ptr = record->ptr,
        .size = gooi_debug_size(record),
        .file = place->site.file,
        .line = place->site.line,
        .stack = place->depth != 0 ? place->frames : NULL,
        .stack_depth = place->depth,
    };
    d->options.on_leak(&leak, d->options.user);
}

/* The line of GOO_LEAK_PANIC. */
static void report_leak_line(const DebugAllocator *d, const ReportCopy *leaks, char *text) {
    const DebugRecord *first = &leaks->faults[0].record;
    DebugPlace place;
    report_find(d, first->origin, &place);
    ReportLine line = {text, 0};
    report_add(&line,
               "debug allocator '%s': %zu blocks of %zu bytes leaked; the first: %p, %zu bytes",
               d->name, leaks->count, leaks->bytes, (void *)first->ptr, gooi_debug_size(first));
    report_place(&line, "allocated", &place);
}

/* Leaks as the leak mode says, but for the panic: its line is in `line`, "" if none is due. */
static size_t report_leaks(DebugAllocator *d, FILE *report, char *line) {
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
        const DebugRecord *record = &leaks.faults[i].record;
        DebugPlace place;
        report_find(d, record->origin, &place);
        if (report != NULL) {
            report_leak(report, record, &place);
        }
        if (d->options.leak_mode == GOO_LEAK_CALLBACK) {
            report_call_back(d, record, &place);
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
        ReportPlaces places;
        damaged.faults[i].call = call;
        report_describe(d, &damaged.faults[i], line, &places);
        if (report != NULL) {
            fprintf(report, "%s\n", line);
            report_stack(report, "allocated", &places.allocated);
            report_stack(report, "freed", &places.freed);
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
    bool locked = gooi_debug_lock(d);
    size_t count = d->live_count;
    gooi_debug_unlock(d, locked);
    return count;
}

size_t goo_debug_report(GooAllocator *debug, FILE *report) {
    DebugAllocator *d = report_allocator(debug, __func__);
    report = report != NULL ? report : d->options.report;
    char leak_line[DEBUG_LINE_SIZE];
    char damage_line[DEBUG_LINE_SIZE];
    size_t count = report_leaks(d, report, leak_line);
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
    report_leaks(d, d->options.report, line);
    report_damage(d, d->options.report, "goo_allocator_destroy", damage_line);
    if (damage_line[0] != '\0') {
        memcpy(line, damage_line, DEBUG_LINE_SIZE);
    }
}
