"""Sources that meet a limit of the language's virtual machine, and ones that pass it by one.

A limit follows from the code that the compiler makes: operands of one byte, jumps of two, a fixed
number of frames. `sources()` yields (name, source, Wanted).
"""

from wanted import compile_error, compile_error_in, printing, runtime_error

FRAMES = 64          # calls deep, the script's own frame among them
CONSTANTS = 256      # a function's constants; every mention of a global's or property's name is one
LOCALS = 256         # a function's slots; the first holds the function called
UPVALUES = 256       # captured variables of a function
ARGUMENTS = 255
JUMP = 65535         # bytes


def repeat(template, count, separator=" "):
    """`template` for 0 … count - 1 in the place of its #."""
    return separator.join(template.replace("#", str(i)) for i in range(count))


def filler(size):
    """Statements of `size` bytes of code without constants: `nil;` has two bytes, `!nil;` three."""
    odd = size % 2
    twos = (size - 3 * odd) // 2
    lines = ["nil; " * 50] * (twos // 50) + ["nil; " * (twos % 50), "!nil; " * odd]
    return "\n".join(lines)


def constant_sources():
    message = "Too many constants in one chunk."
    yield "constants_full", repeat("#.5;", CONSTANTS - 1) + " print 0.25;", printing("0.25")
    yield "constants_over", repeat("#.5;", CONSTANTS + 1), compile_error(1, "256.5", message)
    yield "constants_of_names_full", "var a; " + repeat("a;", CONSTANTS - 1), printing()
    yield "constants_of_names_over", "var a; " + repeat("a;", CONSTANTS), \
        compile_error(1, "a", message)
    yield "constants_of_strings_over", repeat('"s";', CONSTANTS + 1), \
        compile_error(1, '"s"', message)
    yield "constants_of_properties_over", "var o;" + "o" + repeat(".p", CONSTANTS, "") + ";", \
        compile_error(1, "p", message)
    each = repeat("#;", CONSTANTS)
    yield "constants_per_function", \
        "fun f() { %s }\nfun g() { %s }\nprint \"separate\";\n" % (each, each), printing("separate")


def local_sources():
    most = LOCALS - 1

    def function(count):
        return "fun f() {\n%s\nreturn v%d;\n}\nprint f();\n" % (
            repeat("var v#=nil;", count, "\n"), count - 1)

    yield "locals_full", function(most), printing("nil")
    yield "locals_over", function(LOCALS), compile_error(
        LOCALS + 1, "v%d" % most, "Too many local variables in function.")
    yield "locals_in_script_full", "{\n%s\nprint v%d;\n}\n" % (
        repeat("var v#;", most), most - 1), printing("nil")
    yield "locals_in_script_over", "{ %s }\n" % repeat("var v#;", LOCALS), compile_error(
        1, "v%d" % most, "Too many local variables in function.")
    yield "locals_reused", "{ %s }\n{ %s print w%d; }\n" % (
        repeat("var v#;", most), repeat("var w#;", most), most - 1), printing("nil")
    yield "locals_with_parameters_over", "fun f(a, b) { %s }\n" % repeat("var v#;", LOCALS - 2), \
        compile_error(1, "v%d" % (LOCALS - 3), "Too many local variables in function.")


def upvalue_sources():
    def captured(count):
        """A function that captures `count` variables of the five functions around it."""
        text, names = "", []
        for level in range(5):
            here = ["l%dv%d" % (level, i) for i in range(min(64, count - len(names)))]
            text += "fun f%d() {\n%s\n" % (level, " ".join("var %s=true;" % name for name in here))
            names += here
        text += "fun inner() { return\n%s; }\nprint inner();\n" % "\nand ".join(names)
        return text + "} f4(); } f3(); } f2(); } f1(); }\nf0();\n"

    yield "upvalues_full", captured(UPVALUES), printing("true")
    yield "upvalues_over", captured(UPVALUES + 1), compile_error(
        12 + UPVALUES, "l4v0", "Too many closure variables in function.")


def argument_sources():
    over = repeat("nil", ARGUMENTS + 1, ",")
    message = "Can't have more than 255 arguments."
    yield "arguments_over", "fun f() {}\nf(%s);\n" % over, compile_error(2, "nil", message)
    yield "arguments_of_method_over", "var o;\no.m(%s);\n" % over, compile_error(2, "nil", message)
    yield "arguments_of_super_over", \
        "class A {}\nclass B < A { m() { super.m(%s); } }\n" % over, \
        compile_error(2, "nil", message)
    yield "arguments_full", "fun f(a) {}\nf(%s);\n" % repeat("nil", ARGUMENTS, ","), \
        runtime_error("Expected 1 arguments but got 255.", "[line 2] in script")

    message = "Can't have more than 255 parameters."
    full, over = repeat("p#", ARGUMENTS, ","), repeat("p#", ARGUMENTS + 1, ",")
    yield "parameters_full", "fun f(%s) { return p254; }\nprint f(%s);\n" % (
        full, repeat("nil", ARGUMENTS - 1, ",") + ",\"last\""), printing("last")
    yield "parameters_over", "fun f(%s) {}\n" % over, compile_error(1, "p255", message)
    yield "method_parameters_full", \
        "class C { m(%s) { return p254; } }\nprint C().m(%s, true);\n" % (
            full, repeat("nil", ARGUMENTS - 1, ",")), printing("true")
    yield "method_parameters_over", "class C { m(%s) {} }\n" % over, \
        compile_error(1, "p255", message)


def jump_sources():
    """The comments count the bytes beside the filler that a jump has to cross."""
    def skipped_branch(jump):    # pop, …, jump over the else (3)
        return "if (false) {\n%s\n}\n" % filler(jump - 4)

    def skipped_else(jump):      # pop, …
        return "if (true) print \"taken\"; else {\n%s\n}\n" % filler(jump - 1)

    def loop(jump):              # condition, conditional jump (3), pop, …, loop (3)
        return "while (false) {\n%s\n}\n" % filler(jump - 8)

    def for_ever(jump):          # …, loop (3)
        return "for (;;) {\n%s\n}\n" % filler(jump - 3)

    def operand(word, jump):     # pop, !nil, …: each == nil has two bytes
        pairs, odd = divmod(jump - 2, 2)
        return "nil %s (%snil\n%s);\n" % (word, "!" * odd, "\n".join(
            ["== nil " * 50] * (pairs // 50) + ["== nil " * (pairs % 50)]))

    forward, back = "Too much code to jump over.", "Loop body too large."
    yield "jump_over_branch_full", skipped_branch(JUMP) + "print \"end\";", printing("end")
    yield "jump_over_branch_over", skipped_branch(JUMP + 1), compile_error_in("}", forward)
    yield "jump_over_else_full", skipped_else(JUMP), printing("taken")
    yield "jump_over_else_over", skipped_else(JUMP + 1), compile_error_in("}", forward)
    yield "jump_over_and_full", operand("and", JUMP), printing()
    yield "jump_over_and_over", operand("and", JUMP + 1), compile_error_in(")", forward)
    yield "jump_over_or_full", operand("or", JUMP), printing()
    yield "jump_over_or_over", operand("or", JUMP + 1), compile_error_in(")", forward)
    yield "loop_full", loop(JUMP) + "print \"end\";", printing("end")
    yield "loop_over", loop(JUMP + 1), compile_error_in("}", back)
    yield "loop_of_for_over", for_ever(JUMP + 1), compile_error_in("}", back)
    yield "loop_of_for_full", "fun f() { %s }\n" % for_ever(JUMP), printing()


def frame_sources():
    message = "Stack overflow."
    yield "frames_full", (
        "fun deep(n) { if (n == 1) return \"bottom\"; return deep(n - 1); }\nprint deep(%d);\n"
        % (FRAMES - 1)), printing("bottom")
    yield "frames_over", "fun deep(n) { return deep(n + 1); }\ndeep(0);\n", runtime_error(
        message, *["[line 1] in deep()"] * (FRAMES - 1), "[line 2] in script")
    calls = ["[line 2] in a()", "[line 5] in b()"] * FRAMES
    yield "frames_over_by_two_functions", "fun a() {\n  b();\n}\nfun b() {\n  a();\n}\na();\n", \
        runtime_error(message, *reversed(calls[:FRAMES - 1]), "[line 7] in script")
    yield "frames_over_by_method", "class C { m() { this.m(); } }\nC().m();\n", runtime_error(
        message, *["[line 1] in m()"] * (FRAMES - 1), "[line 2] in script")
    yield "frames_over_by_initializer", "class C { init() { C(); } }\nC();\n", runtime_error(
        message, *["[line 1] in init()"] * (FRAMES - 1), "[line 2] in script")
    yield "frames_over_by_super", (
        "class A { m() { this.n(); } }\n"
        "class B < A { n() { super.m(); } }\nB().m();\n"), runtime_error(
            message, *(["[line 1] in m()", "[line 2] in n()"] * FRAMES)[:FRAMES - 1],
            "[line 3] in script")
    yield "wrong_arity_before_frames", (
        "fun deep(n) { if (n == 1) deep(); else deep(n - 1); }\ndeep(%d);\n" % (FRAMES - 1)), \
        runtime_error("Expected 1 arguments but got 0.",
                      *["[line 1] in deep()"] * (FRAMES - 1), "[line 2] in script")


def sources():
    for group in (constant_sources, local_sources, upvalue_sources, argument_sources,
                  jump_sources, frame_sources):
        yield from group()
