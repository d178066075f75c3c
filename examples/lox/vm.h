/* vm.h: one Lox virtual machine. Everything it has hangs on this struct; two of them share nothing.
 *
 *     stack   | script | locals … temporaries | callee | arguments, locals … |  …  ^ sp
 *             ^ frames[0].slots               ^ frames[1].slots
 *
 * LOX-9   `sp` and `frame` are true whenever something outside the interpreter loop runs; inside
 *         the loop both live in registers. Slots from `sp` on hold nothing.
 * LOX-10  64 frames, as in the book. Each may use 256 slots; a function that needs more is called
 *         on a slow path that checks the end of the stack, so no push ever needs a check.
 *
 * Thread rule: a VM belongs to the thread that created it.
 */
#ifndef LOX_VM_H
#define LOX_VM_H

#include "goo/gc.h"
#include "goo/gc/intern.h"
#include "memory.h"
#include "object.h"
#include "table.h"
#include "value.h"

enum {
    VM_FRAMES_MAX = 64,
    VM_FRAME_SLOTS = 256,
    VM_STACK_RESERVE = 4096, /* for functions that need more */
    VM_STACK_SIZE = VM_FRAMES_MAX * VM_FRAME_SLOTS + VM_STACK_RESERVE,
    VM_LOOKUPS = 256
};

typedef struct CallFrame {
    const uint8_t *ip; /* of the next instruction, while another frame runs */
    Value *slots;
    LoxClosure *closure;
    Site *sites; /* closure->function->sites */
} CallFrame;

/* A global variable. Never moves and is never freed before the VM, so that code can refer to it. */
typedef struct Global {
    Value value; /* VALUE_UNDEFINED until a definition has run */
    LoxString *name;
    struct Global *next;
} Global;

/* What a name is in instances of a shape, for sites that see more shapes than they can remember. */
typedef struct Lookup {
    const LoxShape *shape;
    const LoxString *name;
    uintptr_t location; /* property.h */
} Lookup;

typedef struct Compiler Compiler;

struct Vm {
    Value *sp;
    CallFrame *frame;          /* NULL: no code is running */
    LoxUpvalue *open_upvalues; /* highest slot first */
    GooGcMutator *mutator;
    GooGcHeap *heap;
    GooAllocator *allocator;
    GooGcInternTable *strings;
    LoxString *init_name;
    Compiler *compiler; /* NULL: nothing is being compiled */
    Table global_index; /* name to Global, as a bare address */
    Global *globals;
    TextBuffer scratch; /* string.c */
    bool disassemble;
    bool is_prompt;                /* scripts follow each other, and an error is not the end */
    size_t soft_limit, hard_limit; /* of the heap, as the user wants them; 0: none */
    Value *stack;
    CallFrame frames[VM_FRAMES_MAX];
    LoxString *characters[256]; /* strings of one byte, made on demand */
    unsigned lookup_count;
    Lookup lookups[VM_LOOKUPS]; /* not traced: forgotten at each collection */
};

typedef enum InterpretResult {
    INTERPRET_OK,
    INTERPRET_COMPILE_ERROR,
    INTERPRET_RUNTIME_ERROR
} InterpretResult;

/* `options` is what the heap is made with; its encoding is set here. NULL when memory is short, or
 * with errno ENOTSUP when the heap does not offer a mode. */
Vm *vm_create(const GooGcOptions *options);
void vm_destroy(Vm *vm);

/* Compiles and runs a script, which ends with a NUL at source[length] (an earlier one ends it
 * there). Errors are told on standard error; the VM stays usable after each. */
InterpretResult vm_interpret(Vm *vm, const char *source);

/* The global of that name, made if need be; NULL when memory is short. `name` must be rooted. */
Global *vm_global(Vm *vm, LoxString *name);

/* roots.c: visits everything that the VM refers to. */
void roots_trace(GooGcVisitor *visitor, void *vm);

/* interpreter.c: runs the frame that has been entered until the script ends. */
InterpretResult interpreter_run(Vm *vm);

#endif
