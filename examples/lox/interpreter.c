/* interpreter.c: the loop that runs bytecode.
 *
 * One function, on purpose: the instruction pointer, the stack pointer, the frame's slots and its
 * sites live in registers from one instruction to the next. Each instruction jumps to the next by
 * itself where the compiler has labels as values, else through one switch.
 *
 * What the paths rely on:
 * - Numbers are tested by their result. Anything but a number is a NaN to the processor (LOX-2):
 *   an arithmetic result that is not a NaN, and a comparison that is not unordered, had two numbers
 *   as operands. The rest goes to the slow path, which looks at the tags.
 * - A property or method is found by comparing word 1 of the receiver with the shape in the site
 *   (LOX-6).
 * - SYNC before anything that can collect, raise an error or look at the stack (LOX-9).
 */
#include "class.h"
#include "error.h"
#include "goo/gc/inline.h"
#include "print.h"
#include "property.h"
#include "upvalue.h"

#if defined(__GNUC__) || defined(__clang__)
#ifndef LOX_COMPUTED_GOTO
#define LOX_COMPUTED_GOTO 1
#endif
#pragma GCC diagnostic ignored "-Wpedantic"
#define NEVER_INLINE __attribute__((noinline))
#define LIKELY(x) __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)
#else
#define LOX_COMPUTED_GOTO 0
#define NEVER_INLINE
#define LIKELY(x) (x)
#define UNLIKELY(x) (x)
#endif

/* The types whose objects the loop makes: here, so that the inline allocation is folded. */
static const uint64_t interpreter_word_1[] = {UINT64_C(1) << 1};
static const uint64_t interpreter_words_1_2[] = {UINT64_C(3) << 1};

const GooGcType lox_instance_type = {.name = "instance",
                                     .size = sizeof(LoxInstance),
                                     .layout = GOO_GC_LAYOUT_ARRAY,
                                     .flags = GOO_GC_TYPE_BITMAP_POINTERS,
                                     .bitmap = interpreter_word_1,
                                     .bitmap_words = 1,
                                     .array_offset = offsetof(LoxInstance, slots)};

const GooGcType lox_closure_type = {.name = "closure",
                                    .size = sizeof(LoxClosure),
                                    .layout = GOO_GC_LAYOUT_ARRAY,
                                    .flags =
                                        GOO_GC_TYPE_BITMAP_POINTERS | GOO_GC_TYPE_ARRAY_POINTERS,
                                    .bitmap = interpreter_word_1,
                                    .bitmap_words = 1,
                                    .array_offset = offsetof(LoxClosure, upvalues)};

const GooGcType lox_bound_method_type = {.name = "bound method",
                                         .size = sizeof(LoxBoundMethod),
                                         .layout = GOO_GC_LAYOUT_BITMAP,
                                         .bitmap = interpreter_words_1_2,
                                         .bitmap_words = 1};

/* Fills a closure that is on top of the stack from the operands at `ip`. */
static NEVER_INLINE bool interpreter_fill_closure(Vm *vm, LoxClosure *closure, const uint8_t *ip) {
    for (int i = 0; i < closure->function->upvalue_count; i++) {
        uint8_t is_local = ip[2 * i], index = ip[2 * i + 1];
        LoxUpvalue *upvalue = is_local != 0 ? upvalue_capture(vm, vm->frame->slots + index)
                                            : vm->frame->closure->upvalues[index];
        if (upvalue == NULL) {
            return error_out_of_memory(vm);
        }
        goo_gc_write_pointer(vm->mutator, closure, &closure->upvalues[i], upvalue);
    }
    return true;
}

/* a b -> a + b, where at least one is no number or the sum is a NaN. */
static NEVER_INLINE bool interpreter_add(Vm *vm) {
    Value a = vm->sp[-2], b = vm->sp[-1];
    if (value_is_string(a) && value_is_string(b)) {
        LoxString *string = string_concatenate(vm, value_as_string(a), value_as_string(b));
        if (string == NULL) {
            return error_out_of_memory(vm);
        }
        vm->sp[-2] = value_from_object(string);
    } else if (value_is_number(a) && value_is_number(b)) {
        vm->sp[-2] = value_from_number(value_as_number(a) + value_as_number(b));
    } else {
        return error_raise(vm, "Operands must be two numbers or two strings.");
    }
    vm->sp--;
    return true;
}

static NEVER_INLINE bool interpreter_need_numbers(Vm *vm) {
    return (value_is_number(vm->sp[-2]) && value_is_number(vm->sp[-1])) ||
           error_raise(vm, "Operands must be numbers.");
}

static NEVER_INLINE void interpreter_print(Vm *vm) {
    PrintTarget target = {.file = stdout};
    print_value(&target, vm->sp[-1]);
    (void)putc('\n', stdout);
    vm->sp--;
}

static NEVER_INLINE bool interpreter_inherit(Vm *vm) {
    if (!value_is_a(vm->sp[-2], &lox_class_type)) {
        return error_raise(vm, "Superclass must be a class.");
    }
    if (!class_inherit(value_as_object(vm->sp[-1]), value_as_object(vm->sp[-2]))) {
        return error_out_of_memory(vm);
    }
    vm->sp--;
    return true;
}

static NEVER_INLINE bool interpreter_undefined_variable(Vm *vm, const Site *site) {
    return error_raise(vm, "Undefined variable '%s'.", value_as_string(site->constant)->bytes);
}

static inline Value *interpreter_slot_at(LoxInstance *instance, uintptr_t offset) {
    return (Value *)(void *)((char *)instance + offset);
}

InterpretResult interpreter_run(Vm *vm) {
    GooGcMutator *const mutator = vm->mutator;
    CallFrame *frame = vm->frame;
    const uint8_t *ip = frame->ip;
    Value *sp = vm->sp;
    Value *slots = frame->slots;
    Site *sites = frame->sites;
    LoxClosure *closure = NULL; /* the callee, on its way into a frame */
    int argument_count = 0;

#define SYNC() (frame->ip = ip, vm->frame = frame, vm->sp = sp)
#define FAIL_IF(condition)                                                                         \
    do {                                                                                           \
        if (UNLIKELY(condition)) {                                                                 \
            return INTERPRET_RUNTIME_ERROR;                                                        \
        }                                                                                          \
    } while (0)
#define READ_OFFSET(at) ((uint32_t)((at)[0] << 8 | (at)[1]))

#if LOX_COMPUTED_GOTO
    static const void *const labels[OPCODE_COUNT] = {
#define LABEL_ADDRESS(name, operands, effect) [OP_##name] = &&label_##name,
#define LABEL_FUSED_ADDRESS(name, first) [OP_##name] = &&label_##name,
        LOX_OPCODES(LABEL_ADDRESS) LOX_FUSED_OPCODES(LABEL_FUSED_ADDRESS)
#undef LABEL_ADDRESS
#undef LABEL_FUSED_ADDRESS
    };
#define CASE(name) label_##name
#define NEXT() goto *labels[*ip++]
    NEXT();
#else
#define CASE(name) case OP_##name
#define NEXT() goto next
next:
    switch (*ip++) {
    default: /* the compiler emits nothing else */
        return INTERPRET_RUNTIME_ERROR;
#endif

    CASE(CONSTANT) : {
        *sp++ = sites[*ip++].constant;
        NEXT();
    }
    CASE(NIL) : {
        *sp++ = VALUE_NIL;
        NEXT();
    }
    CASE(TRUE) : {
        *sp++ = VALUE_TRUE;
        NEXT();
    }
    CASE(FALSE) : {
        *sp++ = VALUE_FALSE;
        NEXT();
    }
    CASE(POP) : {
        sp--;
        NEXT();
    }
    CASE(GET_LOCAL) : {
        *sp++ = slots[*ip++];
        NEXT();
    }
    CASE(SET_LOCAL) : {
        slots[*ip++] = sp[-1];
        NEXT();
    }
    CASE(SET_LOCAL_POP) : {
        slots[*ip] = *--sp;
        ip += 2;
        NEXT();
    }

    CASE(GET_GLOBAL) : {
        const Site *site = &sites[*ip++];
        Value value = ((const Global *)site->word0)->value;
        if (UNLIKELY(value == VALUE_UNDEFINED)) {
            SYNC();
            FAIL_IF(!interpreter_undefined_variable(vm, site));
        }
        *sp++ = value;
        NEXT();
    }
    CASE(DEFINE_GLOBAL) : {
        ((Global *)sites[*ip++].word0)->value = *--sp;
        NEXT();
    }
    CASE(SET_GLOBAL) : {
        const Site *site = &sites[*ip++];
        Global *global = (Global *)site->word0;
        if (UNLIKELY(global->value == VALUE_UNDEFINED)) {
            SYNC();
            FAIL_IF(!interpreter_undefined_variable(vm, site));
        }
        global->value = sp[-1];
        NEXT();
    }
    CASE(SET_GLOBAL_POP) : {
        const Site *site = &sites[*ip++];
        Global *global = (Global *)site->word0;
        if (UNLIKELY(global->value == VALUE_UNDEFINED)) {
            SYNC();
            FAIL_IF(!interpreter_undefined_variable(vm, site));
        }
        global->value = *--sp;
        ip++;
        NEXT();
    }

    CASE(GET_UPVALUE) : {
        *sp++ = *frame->closure->upvalues[*ip++]->location;
        NEXT();
    }
    CASE(SET_UPVALUE) : {
        LoxUpvalue *upvalue = frame->closure->upvalues[*ip++];
        if (upvalue->location == &upvalue->closed) {
            goo_gc_write(mutator, upvalue, &upvalue->closed, sp[-1]);
        } else {
            *upvalue->location = sp[-1];
        }
        NEXT();
    }

    CASE(GET_PROPERTY) : {
        Site *site = &sites[*ip++];
        Value receiver = sp[-1];
        if (LIKELY(value_is_object(receiver))) {
            LoxInstance *instance = value_as_object(receiver);
            if (LIKELY(instance->shape == site->key0)) {
                sp[-1] = *interpreter_slot_at(instance, site->word0);
                NEXT();
            }
            if (instance->shape == site->key1 &&
                (site->word1 & LOCATION_TAG_MASK) == LOCATION_INLINE) {
                sp[-1] = *interpreter_slot_at(instance, site->word1 >> LOCATION_SHIFT);
                NEXT();
            }
        }
        SYNC();
        FAIL_IF(!property_get(vm, site));
        NEXT();
    }
    CASE(GET_LOCAL_PROPERTY) : {
        Value receiver = slots[ip[0]];
        const Site *site = &sites[ip[2]];
        if (LIKELY(value_is_object(receiver))) {
            LoxInstance *instance = value_as_object(receiver);
            if (LIKELY(instance->shape == site->key0)) {
                *sp++ = *interpreter_slot_at(instance, site->word0);
                ip += 3;
                NEXT();
            }
        }
        *sp++ = receiver;
        ip++;
        NEXT();
    }
    /* Stores where the site knows the shape, before or after the addition of the field; then takes
     * `popped` values from the stack and goes on `skipped` bytes further. Falls out elsewhere. */
#define SET_PROPERTY_BY_SITE(site, popped, skipped)                                                \
    do {                                                                                           \
        Value receiver = sp[-2], value = sp[-1];                                                   \
        if (LIKELY(value_is_object(receiver))) {                                                   \
            LoxInstance *instance = value_as_object(receiver);                                     \
            const LoxShape *shape = instance->shape;                                               \
            uintptr_t offset = (site)->word0;                                                      \
            bool adds =                                                                            \
                shape == (site)->key1 && ((site)->word1 & LOCATION_TAG_MASK) == LOCATION_SHAPE;    \
            if (adds) {                                                                            \
                LoxShape *after = (LoxShape *)(site)->word1;                                       \
                GOO_GC_SET(mutator, instance, shape, after);                                       \
                offset = after->last_offset;                                                       \
            }                                                                                      \
            if (adds || shape == (site)->key0) {                                                   \
                goo_gc_write(mutator, instance, interpreter_slot_at(instance, offset), value);     \
                sp -= (popped);                                                                    \
                if ((popped) == 1) {                                                               \
                    sp[-1] = value;                                                                \
                }                                                                                  \
                ip += (skipped);                                                                   \
                NEXT();                                                                            \
            }                                                                                      \
        }                                                                                          \
    } while (0)
    CASE(SET_PROPERTY) : {
        Site *site = &sites[*ip++];
        SET_PROPERTY_BY_SITE(site, 1, 0);
        SYNC();
        FAIL_IF(!property_set(vm, site));
        sp = vm->sp;
        NEXT();
    }
    CASE(SET_PROPERTY_POP) : {
        Site *site = &sites[*ip++];
        SET_PROPERTY_BY_SITE(site, 2, 1);
        SYNC();
        FAIL_IF(!property_set(vm, site));
        sp = vm->sp;
        NEXT();
    }
#undef SET_PROPERTY_BY_SITE
    CASE(GET_SUPER) : {
        Site *site = &sites[*ip++];
        SYNC();
        FAIL_IF(!property_get_super(vm, site));
        sp = vm->sp;
        NEXT();
    }

    CASE(EQUAL) : {
        sp--;
        sp[-1] = value_from_bool(value_equals(sp[-1], sp[0]));
        NEXT();
    }
    CASE(GREATER) : {
        double a = value_as_number(sp[-2]), b = value_as_number(sp[-1]);
        if (a > b) {
            sp--;
            sp[-1] = VALUE_TRUE;
            NEXT();
        }
        if (UNLIKELY(!(a <= b))) {
            SYNC();
            FAIL_IF(!interpreter_need_numbers(vm));
        }
        sp--;
        sp[-1] = VALUE_FALSE;
        NEXT();
    }
    CASE(LESS) : {
        double a = value_as_number(sp[-2]), b = value_as_number(sp[-1]);
        if (a < b) {
            sp--;
            sp[-1] = VALUE_TRUE;
            NEXT();
        }
        if (UNLIKELY(!(a >= b))) {
            SYNC();
            FAIL_IF(!interpreter_need_numbers(vm));
        }
        sp--;
        sp[-1] = VALUE_FALSE;
        NEXT();
    }

    CASE(ADD) : {
        double sum = value_as_number(sp[-2]) + value_as_number(sp[-1]);
        if (LIKELY(sum == sum)) {
            sp--;
            sp[-1] = value_from_number(sum);
            NEXT();
        }
        SYNC();
        FAIL_IF(!interpreter_add(vm));
        sp = vm->sp;
        NEXT();
    }
    CASE(CONSTANT_ADD) : {
        Value constant = sites[ip[0]].constant;
        double sum = value_as_number(sp[-1]) + value_as_number(constant);
        if (LIKELY(sum == sum)) {
            sp[-1] = value_from_number(sum);
            ip += 2;
            NEXT();
        }
        *sp++ = constant;
        ip++;
        NEXT();
    }
    CASE(CONSTANT_SUBTRACT) : {
        Value constant = sites[ip[0]].constant;
        double difference = value_as_number(sp[-1]) - value_as_number(constant);
        if (LIKELY(difference == difference)) {
            sp[-1] = value_from_number(difference);
            ip += 2;
            NEXT();
        }
        *sp++ = constant;
        ip++;
        NEXT();
    }
#define ARITHMETIC(operator)                                                                       \
    do {                                                                                           \
        double result = value_as_number(sp[-2]) operator value_as_number(sp[-1]);                  \
        if (UNLIKELY(result != result)) {                                                          \
            SYNC();                                                                                \
            FAIL_IF(!interpreter_need_numbers(vm));                                                \
        }                                                                                          \
        sp--;                                                                                      \
        sp[-1] = value_from_number(result);                                                        \
        NEXT();                                                                                    \
    } while (0)
    CASE(SUBTRACT) : {
        ARITHMETIC(-);
    }
    CASE(MULTIPLY) : {
        ARITHMETIC(*);
    }
    CASE(DIVIDE) : {
        ARITHMETIC(/);
    }
#undef ARITHMETIC

    CASE(NOT) : {
        sp[-1] = value_from_bool(value_is_falsey(sp[-1]));
        NEXT();
    }
    CASE(NEGATE) : {
        if (UNLIKELY(!value_is_number(sp[-1]))) {
            SYNC();
            FAIL_IF(!error_raise(vm, "Operand must be a number."));
        }
        sp[-1] = value_from_number(-value_as_number(sp[-1]));
        NEXT();
    }
    CASE(PRINT) : {
        SYNC();
        interpreter_print(vm);
        sp = vm->sp;
        NEXT();
    }

    CASE(JUMP) : {
        ip += 2 + READ_OFFSET(ip);
        NEXT();
    }
    CASE(JUMP_IF_FALSE) : {
        ip += 2 + (value_is_falsey(sp[-1]) ? READ_OFFSET(ip) : 0);
        NEXT();
    }
    CASE(JUMP_IF_FALSE_POP) : {
        if (value_is_falsey(sp[-1])) {
            ip += 2 + READ_OFFSET(ip);
            NEXT();
        }
        sp--;
        ip += 3;
        NEXT();
    }
    CASE(LOOP) : {
        ip -= READ_OFFSET(ip) - 2;
        NEXT();
    }

    /* A condition. True: on behind the POP, with nothing pushed. False: false is pushed, and the
     * jump is taken, to a POP or to whatever wants the value. ip is behind the comparison. */
#define CONDITION_TRUE()                                                                           \
    do {                                                                                           \
        sp -= 2;                                                                                   \
        ip += 4;                                                                                   \
        NEXT();                                                                                    \
    } while (0)
#define CONDITION_FALSE()                                                                          \
    do {                                                                                           \
        sp--;                                                                                      \
        sp[-1] = VALUE_FALSE;                                                                      \
        ip += 3 + READ_OFFSET(ip + 1);                                                             \
        NEXT();                                                                                    \
    } while (0)

    CASE(LESS_JUMP) : {
        double a = value_as_number(sp[-2]), b = value_as_number(sp[-1]);
        if (a < b) {
            CONDITION_TRUE();
        }
        if (UNLIKELY(!(a >= b))) {
            SYNC();
            FAIL_IF(!interpreter_need_numbers(vm));
        }
        CONDITION_FALSE();
    }
    CASE(GREATER_JUMP) : {
        double a = value_as_number(sp[-2]), b = value_as_number(sp[-1]);
        if (a > b) {
            CONDITION_TRUE();
        }
        if (UNLIKELY(!(a <= b))) {
            SYNC();
            FAIL_IF(!interpreter_need_numbers(vm));
        }
        CONDITION_FALSE();
    }
    CASE(EQUAL_JUMP) : {
        if (value_equals(sp[-2], sp[-1])) {
            CONDITION_TRUE();
        }
        CONDITION_FALSE();
    }
#undef CONDITION_TRUE
#undef CONDITION_FALSE

    CASE(CALL) : {
        argument_count = *ip++;
        Value callee = sp[-1 - argument_count];
        if (LIKELY(value_is_object(callee))) {
            LoxObject *object = value_as_object(callee);
            if (LIKELY(object->type == &lox_closure_type)) {
                closure = (LoxClosure *)(void *)object;
                goto enter;
            }
            if (object->type == &lox_class_type) {
                LoxClass *klass = (LoxClass *)(void *)object;
                if (LIKELY(klass->root != NULL &&
                           (klass->initializer != NULL || argument_count == 0))) {
                    SYNC();
                    LoxInstance *instance =
                        goo_gc_alloc(mutator, &lox_instance_type, klass->instance_size);
                    if (UNLIKELY(instance == NULL)) {
                        FAIL_IF(!error_out_of_memory(vm));
                    }
                    instance->shape = klass->root;
                    sp[-1 - argument_count] = value_from_object(instance);
                    closure = klass->initializer;
                    if (closure == NULL) {
                        NEXT();
                    }
                    goto enter;
                }
            }
        }
        SYNC();
        switch (call_value(vm, argument_count, &closure)) {
        case CALL_FAILED:
            return INTERPRET_RUNTIME_ERROR;
        case CALL_ENTER:
            goto enter;
        case CALL_DONE:
            break;
        }
        sp = vm->sp;
        NEXT();
    }
    CASE(INVOKE) : {
        Site *site = &sites[ip[0]];
        argument_count = ip[1];
        ip += 2;
        Value receiver = sp[-1 - argument_count];
        if (LIKELY(value_is_object(receiver))) {
            const LoxShape *shape = ((LoxInstance *)value_as_object(receiver))->shape;
            if (LIKELY(shape == site->key0)) {
                closure = (LoxClosure *)site->word0;
                goto enter;
            }
            if (shape == site->key1) {
                closure = (LoxClosure *)site->word1;
                goto enter;
            }
        }
        SYNC();
        switch (property_invoke(vm, site, argument_count, &closure)) {
        case CALL_FAILED:
            return INTERPRET_RUNTIME_ERROR;
        case CALL_ENTER:
            goto enter;
        case CALL_DONE:
            break;
        }
        sp = vm->sp;
        NEXT();
    }
    CASE(SUPER_INVOKE) : {
        Site *site = &sites[ip[0]];
        argument_count = ip[1];
        ip += 2;
        LoxClass *superclass = value_as_object(*--sp);
        closure = (LoxClosure *)site->word0;
        if (UNLIKELY(superclass != site->key0)) {
            SYNC();
            closure = property_find_super(vm, site, superclass);
            FAIL_IF(closure == NULL);
        }
        goto enter;
    }

enter : {
    const LoxFunction *function = closure->function;
    if (UNLIKELY(argument_count != function->call_arity ||
                 frame == &vm->frames[VM_FRAMES_MAX - 1])) {
        SYNC();
        FAIL_IF(!call_may_enter(vm, closure, argument_count));
    }
    frame->ip = ip;
    frame++;
    frame->closure = closure;
    frame->slots = slots = sp - argument_count - 1;
    frame->sites = sites = function->sites;
    ip = function->code;
    NEXT();
}

    CASE(CLOSURE) : {
        LoxFunction *function = value_as_object(sites[*ip++].constant);
        SYNC();
        size_t size = sizeof *closure + (size_t)function->upvalue_count * sizeof(LoxUpvalue *);
        closure = goo_gc_alloc(mutator, &lox_closure_type, size);
        if (UNLIKELY(closure == NULL)) {
            FAIL_IF(!error_out_of_memory(vm));
        }
        closure->function = function;
        *sp++ = value_from_object(closure);
        vm->sp = sp;
        FAIL_IF(!interpreter_fill_closure(vm, closure, ip));
        ip += 2 * function->upvalue_count;
        NEXT();
    }
    CASE(CLOSE_UPVALUE) : {
        upvalue_close(vm, sp - 1);
        sp--;
        NEXT();
    }
    CASE(RETURN) : {
        Value result = sp[-1];
        if (UNLIKELY(vm->open_upvalues != NULL)) {
            upvalue_close(vm, slots);
        }
        if (UNLIKELY(frame == vm->frames)) {
            vm->frame = NULL;
            vm->sp = vm->stack;
            return INTERPRET_OK;
        }
        slots[0] = result;
        sp = slots + 1;
        frame--;
        ip = frame->ip;
        slots = frame->slots;
        sites = frame->sites;
        NEXT();
    }

    CASE(CLASS) : {
        const Site *site = &sites[*ip++];
        SYNC();
        LoxClass *klass = class_new(vm, value_as_string(site->constant));
        if (UNLIKELY(klass == NULL)) {
            FAIL_IF(!error_out_of_memory(vm));
        }
        *sp++ = value_from_object(klass);
        NEXT();
    }
    CASE(INHERIT) : {
        SYNC();
        FAIL_IF(!interpreter_inherit(vm));
        sp = vm->sp;
        NEXT();
    }
    CASE(METHOD) : {
        LoxString *name = value_as_string(sites[*ip++].constant);
        SYNC();
        if (!class_define_method(value_as_object(sp[-2]), name, value_as_object(sp[-1]))) {
            FAIL_IF(!error_out_of_memory(vm));
        }
        sp--;
        NEXT();
    }

#if !LOX_COMPUTED_GOTO
}
#endif
}
