/* compiler.h: source text to a function, in one pass. What the compiler's parts share.
 *
 *     parser.c       tokens, errors, recovery, compile()
 *     expressions.c  operator precedence and what each token means in an expression
 *     statements.c   statements and declarations
 *     scope.c        locals, upvalues, the chain of functions being compiled
 *     emit.c         bytes, constants, jumps, and how high the stack gets
 *     fuse.c         common instruction sequences, once a function is complete
 *
 * LOX-11  Functions under construction are roots through the chain of scopes. A constant is made
 *         only after its place has been reserved, and stored before anything else can collect.
 * LOX-12  When memory runs out or nesting goes too deep, the compilation is abandoned: the parser
 *         sees nothing but the end of the source, so that every loop ends, and reports nothing.
 */
#ifndef LOX_COMPILER_H
#define LOX_COMPILER_H

#include "object.h"
#include "opcodes.h"
#include "scanner.h"
#include "vm.h"

enum {
    COMPILER_LOCALS_MAX = 256,
    COMPILER_UPVALUES_MAX = 256,
    COMPILER_ARGUMENTS_MAX = 255,
    COMPILER_NESTING_MAX = 4096, /* bounds the C stack that a script can make us use */
    COMPILER_NO_DEPTH = -1,
    COMPILER_NOT_FOUND = -1
};

typedef enum FunctionKind {
    FUNCTION_PLAIN,
    FUNCTION_INITIALIZER,
    FUNCTION_METHOD,
    FUNCTION_SCRIPT
} FunctionKind;

typedef struct Local {
    const char *name;
    int length;
    int depth; /* of its block; COMPILER_NO_DEPTH until its initializer has been compiled */
    bool is_captured;
} Local;

typedef struct UpvaluePlace {
    uint8_t index;
    bool is_local;
} UpvaluePlace;

/* One function being compiled. */
typedef struct FunctionScope {
    struct FunctionScope *enclosing;
    LoxFunction *function;
    FunctionKind kind;
    int block_depth;
    int stack_height; /* values in the frame at this point of the code */
    uint32_t local_count, local_capacity;
    Local *locals;
    uint32_t upvalue_capacity; /* the count is the function's */
    UpvaluePlace *upvalues;
} FunctionScope;

/* One class body being compiled. */
typedef struct ClassScope {
    struct ClassScope *enclosing;
    bool has_superclass;
} ClassScope;

struct Compiler {
    Vm *vm;
    Scanner scanner;
    Token current, previous;
    FunctionScope *scope;
    ClassScope *class_scope;
    int nesting;
    bool had_error, is_panicking, is_abandoned, is_out_of_memory;
};

/* A jump whose distance is not known yet. */
typedef struct Jump {
    uint32_t operand; /* offset of its two bytes */
    int stack_height; /* where it starts, and so where it lands */
} Jump;

/* Compiles a script. INTERPRET_COMPILE_ERROR after errors in it, INTERPRET_RUNTIME_ERROR when
 * memory ran out; both have been told on standard error. */
InterpretResult compile(Vm *vm, const char *source, LoxFunction **out_function);

/* parser.c */
void parser_error_at(Compiler *c, const Token *token, const char *message);
void parser_error(Compiler *c, const char *message); /* at the previous token */
void parser_error_at_current(Compiler *c, const char *message);
void parser_out_of_memory(Compiler *c);
void parser_advance(Compiler *c);
void parser_consume(Compiler *c, TokenKind kind, const char *message);
bool parser_check(const Compiler *c, TokenKind kind);
bool parser_match(Compiler *c, TokenKind kind);
void parser_synchronize(Compiler *c);
/* Brackets a level of recursion; false, and an error, when there are too many. */
bool parser_nest(Compiler *c);
void parser_unnest(Compiler *c);

/* expressions.c */
void expression(Compiler *c);
void expression_named_variable(Compiler *c, Token name, bool can_assign);
Token expression_synthetic_token(const char *text);

/* statements.c */
void statement_declaration(Compiler *c);

/* scope.c */
/* False, with nothing begun, when memory is short. */
bool scope_begin_function(Compiler *c, FunctionKind kind);
void scope_end_function(Compiler *c); /* emits the return and drops the scope */
void scope_free_all(Compiler *c);
void scope_begin_block(Compiler *c);
void scope_end_block(Compiler *c);
void scope_add_local(Compiler *c, const Token *name);
void scope_declare_variable(Compiler *c); /* the previous token, unless it is a global */
void scope_mark_initialized(Compiler *c);
int scope_resolve_local(Compiler *c, FunctionScope *scope, const Token *name);
int scope_resolve_upvalue(Compiler *c, FunctionScope *scope, const Token *name);
bool scope_same_name(const Token *a, const Token *b);

/* emit.c */
void emit_byte(Compiler *c, uint8_t byte);
void emit(Compiler *c, Opcode opcode);
void emit_adjust_height(Compiler *c, int effect);
void emit_operand(Compiler *c, Opcode opcode, uint8_t operand);
void emit_call(Compiler *c, int argument_count);
void emit_invoke(Compiler *c, Opcode opcode, uint8_t name, int argument_count);
void emit_return(Compiler *c);
uint8_t emit_make_constant(Compiler *c, Value value); /* `value` must be rooted or no object */
uint8_t emit_make_string(Compiler *c, const char *bytes, int length);
uint8_t emit_make_name(Compiler *c, const Token *name);
Jump emit_jump(Compiler *c, Opcode opcode);
void emit_land(Compiler *c, Jump jump);
uint32_t emit_here(const Compiler *c);
void emit_loop(Compiler *c, uint32_t start);
/* Makes the site of a global refer to it. */
void emit_bind_global(Compiler *c, uint8_t site);

/* fuse.c */
void fuse(LoxFunction *function);

/* disassemble.c */
void disassemble(const LoxFunction *function);

#endif
