/* inspect.c: snapshots for DevTools, and why a global's value is alive.
 *
 *     $ lox --why last FILE
 *     last: N instance 0x7f2d40a03c10
 *       global variable 'last'
 *       and 3 steps from global variable 'head'
 *         N instance .next
 *         N instance .next
 *         N instance
 *
 * The variable itself would always be the shortest path, so it is set to nil while the heap is
 * asked for the other one.
 */
#include "inspect.h"

#include <errno.h>
#include <string.h>

#include "class.h"
#include "goo/gc/inspect.h"
#include "print.h"

/* --- snapshots --- */

static const char *inspect_name(const void *object, const GooGcType *type, void *user) {
    (void)user;
    if (type != &lox_instance_type) {
        return NULL;
    }
    const LoxInstance *instance = object;
    return instance->shape->klass->name->bytes;
}

bool inspect_write_snapshot(Vm *vm, const char *path) {
    GooGcNamer namer = {inspect_name, NULL};
    FILE *file = fopen(path, "w");
    if (file == NULL) {
        fprintf(stderr, "lox: could not open \"%s\": %s\n", path, strerror(errno));
        return false;
    }
    goo_gc_set_namer(vm->heap, &namer);
    GooStatus status = goo_gc_write_snapshot(vm->heap, file);
    goo_gc_set_namer(vm->heap, NULL);
    if (fclose(file) != 0 && status == GOO_OK) {
        status = GOO_ERR_IO;
    }
    if (status != GOO_OK) {
        fprintf(stderr, "lox: could not write the snapshot to \"%s\": %s\n", path,
                goo_status_message(status));
    }
    return status == GOO_OK;
}

/* --- why is it alive? --- */

enum { INSPECT_STEPS = 8 }; /* shown at each end of a long path */

typedef struct InspectPath {
    Vm *vm;
    FILE *out;
    size_t length; /* known before its steps are shown */
    size_t shown;
} InspectPath;

static Global *inspect_global(Vm *vm, const char *name) {
    for (Global *global = vm->globals; global != NULL; global = global->next) {
        if (strcmp(global->name->bytes, name) == 0 && global->value != VALUE_UNDEFINED) {
            return global;
        }
    }
    return NULL;
}

/* What of the VM's own roots refers to the object. */
static void inspect_print_root(const InspectPath *path, const GooGcPathStep *step) {
    for (const Global *global = path->vm->globals; global != NULL; global = global->next) {
        if (global->value == value_from_object(step->object)) {
            fprintf(path->out, "global variable '%s'", global->name->bytes);
            return;
        }
        if (step->object == global->name) {
            fprintf(path->out, "the name of a global variable");
            return;
        }
    }
    fprintf(path->out, strcmp(step->root_kind, "callback") == 0 ? "the VM" : "a %s",
            step->root_kind);
}

static void inspect_print_object(FILE *out, void *object, const GooGcType *type) {
    if (type == &lox_shape_type || type == &lox_upvalue_type || type == &lox_overflow_type) {
        fprintf(out, "%s of the VM", type->name);
        return;
    }
    if (type == &lox_string_type) {
        fprintf(out, "string ");
    } else if (type == &lox_list_type) { /* its items would be a text without end */
        fprintf(out, "list of %u", ((const LoxList *)object)->count);
        return;
    }
    PrintTarget target = {.file = out};
    print_value(&target, value_from_object(object));
}

/* Which field of an instance lies at the offset; NULL: none of its own slots. */
static const char *inspect_field(const LoxInstance *instance, size_t offset) {
    for (const LoxShape *shape = instance->shape; shape != NULL; shape = shape->parent) {
        if (shape->name != NULL && !shape->is_dictionary && shape->last_offset == offset) {
            return shape->name->bytes;
        }
    }
    return NULL;
}

static void inspect_print_place(FILE *out, const GooGcPathStep *step) {
    const char *field = step->type == &lox_instance_type ? inspect_field(step->object, step->offset)
                                                         : NULL;
    if (field != NULL) {
        fprintf(out, " .%s", field);
    } else if (step->offset == GOO_GC_OFFSET_OUTSIDE) {
        fprintf(out, " …");
    } else {
        fprintf(out, " +%zu", step->offset);
    }
}

static void inspect_step(const GooGcPathStep *step, void *user) {
    InspectPath *path = user;
    if (step->root_kind != NULL) {
        fprintf(path->out, "  and %zu step%s from ", path->length, path->length == 1 ? "" : "s");
        inspect_print_root(path, step);
        fprintf(path->out, "\n");
    }
    size_t index = path->shown++, left = path->length - path->shown;
    if (index >= INSPECT_STEPS && left >= INSPECT_STEPS) {
        if (index == INSPECT_STEPS) {
            fprintf(path->out, "    … %zu more …\n", left + 1 - INSPECT_STEPS);
        }
        return;
    }
    fprintf(path->out, "    ");
    inspect_print_object(path->out, step->object, step->type);
    if (left != 0) {
        inspect_print_place(path->out, step);
    }
    fprintf(path->out, "\n");
}

/* Paths other than by the variable. */
static void inspect_print_paths(Vm *vm, Global *global, void *object, FILE *out) {
    Value value = global->value;
    global->value = VALUE_NIL;
    InspectPath path = {.vm = vm, .out = out};
    errno = 0;
    path.length = goo_gc_why_alive(vm->heap, object, NULL, NULL);
    if (path.length != 0) {
        goo_gc_why_alive(vm->heap, object, inspect_step, &path);
    } else if (errno == 0) {
        fprintf(out, "  and nothing else\n");
    } else {
        fprintf(out, "  (not looked further: %s)\n", strerror(errno));
    }
    global->value = value;
}

bool inspect_why_alive(Vm *vm, const char *name, FILE *out) {
    Global *global = inspect_global(vm, name);
    if (global == NULL) {
        fprintf(stderr, "lox: no global variable is called '%s'\n", name);
        return false;
    }
    PrintTarget target = {.file = out};
    fprintf(out, "%s: ", name);
    if (value_is_a(global->value, &lox_list_type)) {
        inspect_print_object(out, value_as_object(global->value), &lox_list_type);
    } else {
        print_value(&target, global->value);
    }
    if (!value_is_object(global->value)) {
        fprintf(out, "\n  in the variable itself\n");
        return true;
    }
    void *object = value_as_object(global->value);
    fprintf(out, " %p\n  global variable '%s'\n", object, name);
    inspect_print_paths(vm, global, object, out);
    return true;
}
