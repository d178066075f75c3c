"""Scripts that are better made than kept: those at a limit (limits.py), which are long, and those
whose bytes an editor or a version control system might change."""

import os

import caches
import case as cases
import limits
from limits import repeat
from wanted import compile_error, printing, runtime_error, some_end


def byte_sources():
    unexpected = "Unexpected character."
    yield "empty", "", printing()
    yield "only_newlines", "\n\n\n", printing()
    yield "only_blanks", " \t \r ", printing()
    yield "tabs", "\tprint\t1\t+\t2\t;\t", printing("3")
    yield "crlf", "print 1;\r\nprint\r\n2;\r\nprint \"a\r\nb\";\r\n-nil;\r\n", runtime_error(
        "Operand must be a number.", "[line 6] in script", out="1\n2\na\r\nb\n")
    yield "carriage_returns_only", "print 1;\rprint 2;\r-nil;", runtime_error(
        "Operand must be a number.", "[line 1] in script", out="1\n2\n")
    yield "byte_order_mark", b"\xef\xbb\xbfprint 1;\n", compile_error(1, None, unexpected)
    yield "vertical_tab_is_no_blank", "print\v1;\n", compile_error(1, None, unexpected)
    yield "control_character", "print 1; \x01\n", compile_error(1, None, unexpected)
    yield "control_characters_in_string", "print \"\x01\x1b\x7f\" == \"\x01\x1b\x7f\";", \
        printing("true")
    yield "latin1_in_string", b"print \"caf\xe9\" == \"caf\xe9\";\n", printing("true")
    yield "latin1_in_comment", b"// caf\xe9 \xff\xfe\nprint 1;\n", printing("1")


def end_sources():
    """Sources that end in the middle of something, without a newline."""
    yield "after_statement", "print 1;", printing("1")
    yield "after_comment_slashes", "print 1; //", printing("1")
    yield "after_number", "print 12", compile_error(1, "end", "Expect ';' after value.")
    yield "after_dot", "print 1.", compile_error(1, "end", "Expect property name after '.'.")
    yield "after_name", "var abc", compile_error(
        1, "end", "Expect ';' after variable declaration.")
    yield "after_keyword", "class", compile_error(1, "end", "Expect class name.")
    yield "after_part_of_keyword", "f", compile_error(1, "end", "Expect ';' after expression.")
    yield "after_slash", "print 8 /", compile_error(1, "end", "Expect expression.")
    yield "after_bang", "print !", compile_error(1, "end", "Expect expression.")
    yield "after_less", "class A <", compile_error(1, "end", "Expect superclass name.")
    yield "after_quote", "print 1; \"", compile_error(1, None, "Unterminated string.")
    yield "after_quote_and_newlines", "\"\n\n\n", compile_error(4, None, "Unterminated string.")


def size_sources():
    yield "long_sum", "print %s;" % " + ".join(["1"] * 200), printing("200")
    yield "long_string", "print \"%s\" == \"%s\";" % ("x" * 100000, "x" * 100000), printing("true")
    yield "long_name", "var %s = 7; print %s;" % ("n" * 70000, "n" * 70000), printing("7")
    yield "long_comment", "//%s\nprint 1;" % ("x" * 200000), printing("1")
    yield "many_lines", "\n" * 70000 + "-nil;", runtime_error(
        "Operand must be a number.", "[line 70001] in script")
    yield "huge_number", "print %s;" % ("1" * 400), printing("inf")
    yield "tiny_number", "print 0.%s1;" % ("0" * 400), printing("0")
    yield "many_digits", "print 0.%s == 0.1;" % ("1" + "0" * 400), printing("true")
    yield "many_globals", repeat("fun g#() { return #; }", 120) + " print g119();", printing("119")
    yield "many_methods", "class C { %s }\nprint C().m99();" % repeat("m#() { return #; }", 100), \
        printing("99")
    yield "deep_parentheses", "print %s1%s;" % ("(" * 1000, ")" * 1000), printing("1")
    yield "deep_blocks", "%s print 1; %s" % ("{" * 1000, "}" * 1000), printing("1")
    yield "deep_unary", "print %s1;" % ("-" * 1001), printing("-1")
    yield "deep_functions", "%s print 1; %s" % (
        repeat("fun f#() {", 40), " ".join("} f%d();" % i for i in range(39, -1, -1))), \
        printing("1")


def open_sources():
    """What the language does not say; the answer may be a result or an error, but no crash."""
    yield "nul_byte", b"print 1;\0print 2;\n", some_end(0, 65)
    yield "deep_operands", "nil%s%s;" % ("==(nil" * 20000, ")" * 20000), some_end(0, 65, 70)
    for name, opening, token, closing in (
            ("parentheses", "(", "(", ")"), ("unary", "!", "!", ""), ("blocks", "{", "{", "}"),
            ("functions", "fun f() {", "fun", "}"), ("classes", "class C { m() {", "class", "}}")):
        yield "deepest_" + name, "%s nil; %s" % (opening * 100000, closing * 100000), \
            compile_error(1, token, "Too much nesting.")
    yield "deepest_branches", "if (1) " * 100000 + "1;", some_end(0, 65)


def make_case(scratch, folder, name, source, wanted):
    path = os.path.join(scratch, "%s-%s.lox" % (folder, name))
    data = source if isinstance(source, bytes) else source.encode()
    with open(path, "wb") as file:
        file.write(data)
    return cases.Case("%s/%s" % (folder, name), [path], wanted.expectation(source),
                      needs_goo=folder == "open", stress=wanted.stress)


def cases_in(scratch):
    groups = (("limit", limits.sources), ("cache", caches.sources), ("bytes", byte_sources),
              ("end", end_sources), ("size", size_sources), ("open", open_sources))
    return [make_case(scratch, folder, name, source, wanted)
            for folder, sources in groups for name, source, wanted in sources()]
