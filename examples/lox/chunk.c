/* chunk.c: writing, sealing, tracing and freeing a function's arrays. */
#include "chunk.h"

#include "object.h"
#include "vm.h"

bool chunk_write(LoxFunction *function, uint8_t byte, int line) {
    void *code = function->code;
    if (!memory_reserve(function->vm, &code, &function->code_capacity,
                        (size_t)function->code_count + 1, 1, UINT32_MAX)) {
        return false;
    }
    function->code = code;
    uint32_t runs = function->line_count;
    if (runs == 0 || function->lines[runs - 1].line != line) {
        void *lines = function->lines;
        if (!memory_reserve(function->vm, &lines, &function->line_capacity, (size_t)runs + 1,
                            sizeof(LineRun), UINT32_MAX)) {
            return false;
        }
        function->lines = lines;
        function->lines[function->line_count++] =
            (LineRun){.start = function->code_count, .line = line};
    }
    function->code[function->code_count++] = byte;
    return true;
}

bool chunk_reserve_site(LoxFunction *function) {
    void *sites = function->sites;
    bool ok = memory_reserve(function->vm, &sites, &function->site_capacity,
                             (size_t)function->site_count + 1, sizeof(Site), CHUNK_SITES_MAX);
    function->sites = sites;
    return ok;
}

uint8_t chunk_add_site(LoxFunction *function, Value constant) {
    function->sites[function->site_count] = (Site){.constant = constant};
    goo_gc_barrier(function->vm->mutator, function);
    return (uint8_t)function->site_count++;
}

void chunk_seal(LoxFunction *function) {
    void *code = function->code, *sites = function->sites, *lines = function->lines;
    memory_trim(function->vm, &code, &function->code_capacity, function->code_count, 1);
    function->code = code;
    memory_trim(function->vm, &sites, &function->site_capacity, function->site_count, sizeof(Site));
    function->sites = sites;
    memory_trim(function->vm, &lines, &function->line_capacity, function->line_count,
                sizeof(LineRun));
    function->lines = lines;
}

void chunk_free(LoxFunction *function) {
    Vm *vm = function->vm;
    memory_free(vm, function->code, function->code_capacity);
    memory_free(vm, function->sites, function->site_capacity * sizeof(Site));
    memory_free(vm, function->lines, function->line_capacity * sizeof(LineRun));
}

void chunk_trace(LoxFunction *function, GooGcVisitor *visitor) {
    for (uint32_t i = 0; i < function->site_count; i++) {
        Site *site = &function->sites[i];
        goo_gc_visit(visitor, &site->constant);
        goo_gc_visit_pointer(visitor, &site->key0);
        goo_gc_visit_pointer(visitor, &site->key1);
    }
}

int chunk_line_at(const LoxFunction *function, size_t offset) {
    uint32_t low = 0, high = function->line_count;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (function->lines[middle].start <= offset) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return high == 0 ? 0 : function->lines[low].line;
}
