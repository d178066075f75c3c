"""The command line, the REPL, and running out of memory: cases that are no single script.

Each is a Case with its arguments and its standard input. Exact text is expected where the language
or the options fix it, patterns where a wording is free.
"""

import json
import os
import re

import case as cases

TRACE = re.compile(r"\[line \d+\] in (script|\w+\(\))")


class Scratch:
    """Scripts written to a folder; gives their paths."""

    def __init__(self, folder):
        self.folder = folder

    def script(self, name, text):
        path = os.path.join(self.folder, "cli-" + name + ".lox")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path


def has(stream, *patterns):
    """A check that `stream` ("out" or "err") contains each pattern."""
    def check(result):
        text = getattr(result, stream)
        shown = text[:2000].replace("\n", "\n# ")
        return ["std%s has no /%s/:\n# %s" % (stream, pattern, shown)
                for pattern in patterns if not re.search(pattern, text, re.MULTILINE)]
    return check


def all_of(*checks):
    return lambda result: [complaint for check in checks for complaint in check(result)]


def out_of_memory(result):
    """The message, and a trace that ends in the script."""
    lines = cases.text_lines(result.err)
    if len(lines) < 2 or lines[0] != "Out of memory.":
        return ["stderr does not begin with the message and a trace: %r" % result.err[:500]]
    wrong = [line for line in lines[1:] if not TRACE.fullmatch(line)]
    if wrong or not lines[-1].endswith("in script"):
        return ["not a trace: %r" % lines[:70]]
    return []


def make(name, args, exit_code=0, out="", err="", check=None, stdin="", needs_goo=True,
         stress=None, takes_gc=True, environment=None, output="-"):
    """`out` and `err` are exact; None leaves them to `check`."""
    expectation = cases.Expectation(None if out is None else cases.exact(out),
                                    None if err is None else cases.exact(err), exit_code, check)
    return cases.Case(name, args, expectation, stdin.encode(), needs_goo, stress,
                      takes_gc=takes_gc, environment=environment, output=output)


def usage_cases(scratch):
    hello = scratch.script("hello", "print \"hello\";\n")
    usage = has("err", r"(?i)usage|--help")
    yield make("cli/script", [hello], out="hello\n", needs_goo=False)
    yield make("cli/missing_file", ["no/such/file.lox"], 74, needs_goo=False,
               err="Could not open file \"no/such/file.lox\".\n")
    yield make("cli/folder_for_a_file", [scratch.folder], 74,
               err="Could not read file \"%s\".\n" % scratch.folder)
    yield make("cli/two_files", [hello, hello], 64, err=None, check=usage, needs_goo=False)
    yield make("cli/unknown_option", ["--no-such-option", hello], 64, err=None,
               check=has("err", r"--no-such-option"))
    yield make("cli/unknown_short_option", ["-x", hello], 64, err=None, check=has("err", r"-x"))
    yield make("cli/help", ["--help"], 0, out=None, check=has(
        "out", r"(?i)usage", r"--gc-stats", r"--gc\b", r"--heap-limit", r"--disassemble",
        r"--snapshot FILE", r"--why NAME", r"--markers N", r"--help"))
    yield make("cli/help_wins", ["--help", hello], 0, out=None, check=has("out", r"(?i)usage"))
    yield make("cli/gc_options", ["--gc", "verify,poison", hello], out="hello\n", takes_gc=False)
    yield make("cli/gc_stress", ["--gc", "stress=1", hello], out="hello\n", takes_gc=False)
    yield make("cli/gc_all", ["--gc", "stress=3,verify,poison", hello], out="hello\n",
               takes_gc=False)
    for label, text in (("word", "nonsense"), ("number", "stress=x"), ("negative", "stress=-1"),
                        ("unit", "stress=1k"), ("rest", "verify,nonsense"),
                        ("no_value", "stress="), ("value", "verify=2")):
        yield make("cli/gc_bad_" + label, ["--gc", text, hello], 64, err=None, takes_gc=False,
                   check=has("err", re.escape(text.split(",")[-1]) + r"|--gc"))
    yield make("cli/gc_without_text", ["--gc"], 64, err=None, check=has("err", "--gc"),
               takes_gc=False)
    for size in ("64M", "65536K", "1G", "67108864"):
        yield make("cli/heap_limit_" + size, ["--heap-limit", size, hello], out="hello\n")
    for label, text in (("word", "lots"), ("negative", "-8M"), ("zero", "0"), ("unit", "8Q"),
                        ("rest", "8M8"), ("huge", "99999999999999999999G"), ("empty", "")):
        yield make("cli/heap_limit_bad_" + label, ["--heap-limit", text, hello], 64, err=None,
                   check=has("err", "--heap-limit" + ("|" + re.escape(text) if text else "")))
    yield make("cli/environment", [hello], out="hello\n", takes_gc=False,
               environment={"GOO_GC": "stress=1,verify"})
    yield make("cli/environment_bad", [hello], 64, err=None, takes_gc=False,
               environment={"GOO_GC": "nonsense"}, check=has("err", "GOO_GC"))
    yield make("cli/option_after_environment", ["--gc", "hard=64M", hello], out="hello\n",
               takes_gc=False, environment={"GOO_GC": "hard=4K"})
    yield make("cli/gc_after_equals_sign", ["--gc=stress=1,verify", hello], out="hello\n",
               takes_gc=False)
    yield make("cli/heap_limit_after_equals_sign", ["--heap-limit=64M", hello], out="hello\n")
    yield make("cli/options_after_file", [hello, "--heap-limit", "64M"], out="hello\n")
    yield make("cli/end_of_options", ["--", hello], out="hello\n")
    yield make("cli/file_behind_end_of_options", ["--", "--help"], 74,
               err="Could not open file \"--help\".\n")
    yield make("cli/version", ["--version"], out=None, check=has("out", r"\d+\.\d+"))
    yield make("cli/heap_limit_without_size", ["--heap-limit"], 64, err=None,
               check=has("err", "--heap-limit"))


INSPECTED = """class N { init(next) { this.next = next; } }
var head; for (var i = 0; i < 5; i = i + 1) head = N(head);
var last = head.next.next;
var items = List(); append(items, "te" + "xt"); var word = "tex" + "t"; var number = 3;
class K { m() { return 1; } } var bound = K().m;
fun keep(x) { fun f() { return x; } return f; } var closure = keep(bound);
"""


def snapshot_of(path, *classes):
    """A check that `path` is a snapshot with so many objects of each class."""
    def check(result):
        with open(path, encoding="utf-8") as file:
            data = json.load(file)
        names = [data["strings"][name] for name in data["nodes"][1::7]]
        return ["%d objects called %s, not %d" % (names.count(name), name, count)
                for name, count in classes if names.count(name) != count]
    return check


def inspect_cases(scratch):
    script = scratch.script("inspected", INSPECTED)

    def why(name, *lines):
        text = re.sub(r"0x\w+", "0x#", "\n".join(lines)) + "\n"
        check = lambda result: [] if re.sub(r"0x[0-9a-f]+", "0x#", result.err) == text else [
            "not %r but %r" % (text, result.err)]
        return make("cli/why_" + name, ["--why", name, script], err=None, check=check)

    yield why("last", "last: N instance 0x1", "  global variable 'last'",
              "  and 3 steps from global variable 'head'", "    N instance .next",
              "    N instance .next", "    N instance")
    yield why("head", "head: N instance 0x1", "  global variable 'head'", "  and nothing else")
    yield why("word", "word: text 0x1", "  global variable 'word'",
              "  and 2 steps from global variable 'items'", "    list of 1 …", "    string text")
    yield why("items", "items: list of 1 0x1", "  global variable 'items'", "  and nothing else")
    yield why("bound", "bound: <fn m> 0x1", "  global variable 'bound'",
              "  and 3 steps from global variable 'closure'", "    <fn f> +16",
              "    upvalue of the VM +16", "    <fn m>")
    yield why("number", "number: 3", "  in the variable itself")
    many = scratch.script("many", "class N { init(next) { this.next = next; } }\nvar head;\n"
                          "var first = N(nil); head = first;\n"
                          "for (var i = 0; i < 1000; i = i + 1) head = N(head);\n")
    yield make("cli/why_long", ["--why", "first", many], err=None, check=has(
        "err", r"^  and 1001 steps from global variable 'head'\n(    N instance \.next\n){8}"
        r"    … 985 more …\n(    N instance \.next\n){7}    N instance\n\Z"))
    yield make("cli/why_unknown", ["--why=nobody", script], 64,
               err="lox: no global variable is called 'nobody'\n")
    yield make("cli/why_without_name", ["--why"], 64, err=None, check=has("err", "--why"))
    path = os.path.join(scratch.folder, "cli.heapsnapshot")
    yield make("cli/snapshot", ["--snapshot", path, script],
               check=snapshot_of(path, ("N", 5), ("K", 1), ("list", 1), ("bound method", 1),
                                 ("class", 2), ("(root callbacks)", 1)))
    failed = os.path.join(scratch.folder, "failed.heapsnapshot")
    yield make("cli/snapshot_after_error",
               ["--snapshot=" + failed, scratch.script("failing", "class A {} var a = A(); nil();")],
               70, err="Can only call functions and classes.\n[line 1] in script\n",
               check=snapshot_of(failed, ("A", 1)))
    yield make("cli/snapshot_of_no_file", ["--snapshot", "/no/such/folder/x", script], 74,
               err=None, check=has("err", r"could not open \"/no/such/folder/x\""))
    if os.path.exists("/dev/full"):
        yield make("cli/snapshot_does_not_fit", ["--snapshot", "/dev/full", script], 74, err=None,
                   check=has("err", "could not write the snapshot"))
    for count in ("1", "2", "8"):
        yield make("cli/markers_" + count, ["--markers", count, script])
    for count in ("0", "9", "two", "1x", ""):
        yield make("cli/markers_bad_" + (count or "empty"), ["--markers", count, script], 64,
                   err=None, check=has("err", "markers"))


def exit_code_cases(scratch):
    yield make("cli/exit_compile_error", [scratch.script("65", "print;\n")], 65, needs_goo=False,
               err="[line 1] Error at ';': Expect expression.\n")
    if os.path.exists("/dev/full"):
        hello = scratch.script("lost", "print \"hello\";\n")
        yield make("cli/exit_lost_output", [hello], 74, out=None, err=None, output="/dev/full",
                   check=has("err", r"output"))
    yield make("cli/exit_runtime_error", [scratch.script("70", "print 1; nil();\n")], 70,
               out="1\n", needs_goo=False,
               err="Can only call functions and classes.\n[line 1] in script\n")


REPORT_SCRIPT = """
class Node { init(next) { this.next = next; } }
fun work() { var n; for (var i = 0; i < 300000; i = i + 1) n = Node(nil); return n; }
print work();
"""


def same_collections():
    """A check of two runs: collections and bytes are the same, times are not looked at."""
    seen = []

    def check(result):
        seen.append([re.sub(r"[\d.]+ ms", "", line) for line in result.err.split("\n")
                     if re.match(r"collections|live|heap|allocated", line)])
        return [] if len(seen[-1]) == 4 and seen[-1] == seen[0] else [
            "not the same as in the other run: %r, %r" % (seen[0], seen[-1])]
    return check


def report_cases(scratch):
    work = scratch.script("work", REPORT_SCRIPT)
    table = has("err", r"(?i)collections\s+[1-9]", r"(?i)pause", r"(?i)bytes|[KMG]i?B", r"\d",
                r"^pauses from +to +count$", r"^ +[\d.]+ ms +[\d.]+ ms +\d+  #+$")
    yield make("cli/gc_stats", ["--gc-stats", work], out="Node instance\n", err=None, check=table,
               stress=1000)
    again, again_of_work = same_collections(), same_collections()
    for run in ("first", "second"):
        yield make("cli/same_collections_" + run, [
            "--gc-stats", "--markers", "1", "--gc", "decay=0", "examples/lox/scripts/tour.lox"],
                   out=None, err=None, check=again, takes_gc=False)
        yield make("cli/same_collections_of_work_" + run, [
            "--gc-stats", "--markers", "1", "--gc", "decay=0", work],
                   out=None, err=None, check=again_of_work, takes_gc=False)
    fails = scratch.script("fails", "print 1;\nnil();\n")
    yield make("cli/gc_stats_after_error", ["--gc-stats", fails], 70, out="1\n", err=None,
               check=has("err", r"(?i)collections\s+\d", r"^Can only call functions and classes\.$",
                         r"^\[line 2\] in script$"))
    yield make("cli/disassemble", ["--disassemble", work], out=None, err=None, stress=1000,
               check=disassembly)


def disassembly(result):
    text = result.out + result.err
    return ["no sign of %s in: %s" % (pattern, text[:2000].replace("\n", "\n# "))
            for pattern in (r"\bwork\b", r"\binit\b", r"(?i)return", r"(?i)set_property",
                            r"(?i)constant", r"(?i)loop", r"(?i)jump_if_false", r"300000|3e\+05")
            if not re.search(pattern, text)]


def repl_cases(scratch):
    def typed(name, lines, out, err="", **more):
        more.setdefault("needs_goo", False)
        return make("repl/" + name, [], out=out, err=err, stdin=lines, **more)

    yield typed("nothing", "", "> \n")
    yield typed("values", "print 1 + 2;\nprint \"a\" + \"b\";\n", "> 3\n> ab\n> \n")
    yield typed("no_newline_at_end", "print 1;\nprint 2;", "> 1\n> 2\n> \n")
    yield typed("empty_lines_and_comments", "\n// nothing\n   \nprint 1;\n", "> > > > 1\n> \n")
    yield typed("several_statements", "var a = 1; { var b = 2; print a + b; } print a;\n",
                  "> 3\n1\n> \n")
    yield typed("names_stay", (
        "var a = 1;\nfun f(x) { return a + x; }\nclass C { m() { return f(10); } }\n"
        "class D < C { m() { return super.m() + 100; } }\nprint D().m();\na = 5;\n"
        "print D().m();\n"),
                  "> > > > > 111\n> > 115\n> \n")
    yield typed("closures_stay", (
        "fun make() { var n = 0; fun f() { n = n + 1; return n; } return f; }\nvar f = make();\n"
        "print f();\nprint f();\n"), "> > > 1\n> 2\n> \n")
    yield typed("after_compile_error", "var a = 7;\nprint a +;\nprint a;\n", "> > > 7\n> \n",
                  "[line 1] Error at ';': Expect expression.\n")
    yield typed("open_brace_goes_on", "{\nprint 1;\n}\nprint 2;\n", "> . . 1\n> 2\n> \n",
                  needs_goo=True)
    yield typed("open_parenthesis_goes_on", "print (1 +\n2\n);\nprint 3;\n",
                  "> . . 3\n> 3\n> \n", needs_goo=True)
    yield typed("empty_line_gives_up", "fun f() {\n\nprint 2;\n", "> . > 2\n> \n",
                  err=None, needs_goo=True, check=has(
                      "err", r"\A\[line \d\] Error at end: Expect '}' after block\.\n\Z"))
    yield typed("end_while_open", "print 1;\nfun f() {\n", "> 1\n> . > \n", err=None,
                  needs_goo=True, check=has(
                      "err", r"\A\[line \d\] Error at end: Expect '}' after block\.\n\Z"))
    yield typed("lines_of_an_error", "fun f() {\n\treturn\n  -nil;\n}\nf();\n",
                  "> . . . > > \n", "Operand must be a number.\n[line 3] in f()\n"
                  "[line 1] in script\n", needs_goo=True)
    yield typed("nothing_of_a_bad_line_runs", "print 1; print;\nprint 2;\n", "> > 2\n> \n",
                  "[line 1] Error at ';': Expect expression.\n")
    yield typed("after_runtime_error", "var a = 7;\nprint 1; nil(); print 2;\nprint a;\n",
                  "> > 1\n> 7\n> \n",
                  "Can only call functions and classes.\n[line 1] in script\n")
    yield typed("after_error_in_calls", (
        "fun f(x) { return g(x); }\nfun g(x) { return -x; }\nf(\"a\");\nprint f(1);\n"
        "f(nil);\nprint f(2);\n"), "> > > > -1\n> > -2\n> \n",
                  "Operand must be a number.\n[line 1] in g()\n[line 1] in f()\n"
                  "[line 1] in script\n" * 2)
    yield typed("failed_set_defines_nothing", "a = 1;\nprint a;\nvar a = 2;\nprint a;\n",
                  "> > > > 2\n> \n", "Undefined variable 'a'.\n[line 1] in script\n" * 2)
    deep = "Stack overflow.\n" + "[line 1] in deep()\n" * 63 + "[line 1] in script\n"
    yield typed("after_stack_overflow", (
        "fun deep() { deep(); }\ndeep();\nprint 1;\ndeep();\nprint 2;\n"),
                  "> > > 1\n> > 2\n> \n", deep * 2)
    yield typed("half_made_class", (
        "class A { m() { return 1; } }\nvar B = 0;\nclass C < B { m() { return 2; } }\n"
        "print A().m();\nclass C < A {}\nprint C().m();\n"), "> > > > 1\n> > 1\n> \n",
                  "Superclass must be a class.\n[line 1] in script\n")
    yield typed("closure_that_outlives_an_error", (
        "var keep; class P { init(v) { this.v = v; } }\n"
        "{ var x; var y; var a = P(\"kept\"); fun f() { return a; } keep = f; nil(); }\n"
        "{ var p = P(1); var q = P(2); var r = P(3); print r.v; nil(); }\n"
        "for (var i = 0; i < 3000; i = i + 1) { P(i); }\n"
        "var z = keep(); print z.v;\n"), "> > > 3\n> > kept\n> \n",
                  "Can only call functions and classes.\n[line 1] in script\n" * 2,
                  needs_goo=True)
    yield typed("long_line", "print \"%s\" == \"%s\"; print 1;\n" % ("x" * 5000, "x" * 5000),
                  "> true\n1\n> \n", needs_goo=True)
    yield typed("many_lines", "var n = 0;\n" + "n = n + 1;\n" * 2000 + "print n;\n",
                  "> " * 2002 + "2000\n> \n", stress=7)


KEEP = "var head = nil;\nclass N { init(next) { this.next = next; } }\n"

HOARDERS = {
    "instances": KEEP + "print 1;\nfun hoard() {\n  while (true) head = N(head);\n}\nhoard();\n",
    "closures": ("var head;\nprint 1;\nfun link(next) { fun f() { return next; } return f; }\n"
                 "while (true) head = link(head);\n"),
    "bound_methods": (KEEP + "class M { init(v) { this.v = v; } m() {} }\nprint 1;\n"
                      "while (true) head = M(head).m;\n"),
    "strings": (KEEP + "var s = \"\";\nprint 1;\n"
                "while (true) {\n  s = s + \"0123456789\";\n  head = N(head); head.s = s;\n}\n"),
    "one_string": "var s = \"x\";\nprint 1;\nwhile (true)\n  s = s + s;\n",
    "fields": (KEEP + "print 1;\nwhile (true) {\n  var n = N(head); n.a = 1; n.b = 2; n.c = 3;\n"
               "  n.d = 4; n.e = 5; n.f = 6; n.g = 7; n.h = 8; n.i = 9; n.j = 10; head = n;\n}\n"),
    "classes": ("var head;\nprint 1;\nfun make(next) { class A { m() {} n() { return next; } }\n"
                "  class B < A { m() {} }\n  return B; }\nwhile (true) head = make(head);\n"),
    "in_initializer": ("class T { init(d) { this.pad = \"x\"; this.a = T; this.b = keep(this); }"
                       " }\n"
                       "var all; class L {}\nfun keep(t) { var l = L(); l.t = t; l.next = all;"
                       " all = l; return l; }\nprint 1;\nwhile (true) T(0);\n"),
}

LISTS = {
    "list": "var l = List();\nprint 1;\nwhile (true) append(l, 1);\n",
    "lists": ("var all = List();\nprint 1;\nwhile (true) {\n  var l = List();\n"
              "  for (var i = 0; i < 10; i = i + 1) append(l, i);\n  append(all, l);\n}\n"),
}


def memory_cases(scratch):
    for name, text in list(HOARDERS.items()) + list(LISTS.items()):
        path = scratch.script("hoard-" + name, text)
        yield make("memory/" + name, ["--heap-limit", "8M", path], 70, out="1\n", err=None,
                   check=out_of_memory, stress=50000)
    path = scratch.script("hoard-small", HOARDERS["instances"])
    yield make("memory/smaller_limit", ["--heap-limit", "2M", path], 70, out="1\n", err=None,
               check=out_of_memory, stress=20000)
    trace = scratch.script("hoard-trace", KEEP + (
        "fun a() { b(); }\nfun b() { while (true) head = N(head); }\nprint 1;\na();\n"))
    yield make("memory/trace", ["--heap-limit", "8M", trace], 70, out="1\n", err=None,
               check=all_of(out_of_memory, has("err", r"\[line 4\] in b\(\)\n\[line 3\] in a\(\)\n"
                                               r"\[line 6\] in script\n\Z")), stress=50000)
    garbage = scratch.script("garbage", KEEP + (
        "for (var i = 0; i < 400000; i = i + 1) N(nil);\n"
        "var s; for (var i = 0; i < 2000; i = i + 1) { s = \"x\";\n"
        "  for (var j = 0; j < 12; j = j + 1) s = s + s; }\nprint \"done\";\n"))
    yield make("memory/garbage_fits", ["--heap-limit", "8M", garbage], out="done\n", stress=10000)
    lists = scratch.script("garbage-lists", (
        "for (var i = 0; i < 400; i = i + 1) {\n  var l = List();\n"
        "  for (var j = 0; j < 5000; j = j + 1) append(l, j);\n}\nprint \"done\";\n"))
    yield make("memory/garbage_lists_fit", ["--heap-limit", "8M", lists], out="done\n",
               stress=10000)
    hoard = KEEP.replace("\n", " ") + "\nfun hoard() { var h; while (true) h = N(h); }\n"
    yield make("memory/repl_goes_on", ["--heap-limit", "8M"], out="> > > > 1\n> > 2\n> \n",
               err=None, stress=50000, check=has("err", r"\AOut of memory\.\n(\[line 1\].*\n)+"
                                                 r"Out of memory\.\n(\[line 1\].*\n)+\Z"),
               stdin=hoard + "hoard();\nprint 1;\nhoard();\nprint 2;\n")
    yield make("memory/repl_full_of_globals", ["--heap-limit", "8M"], out=None, err=None,
               stress=50000, check=all_of(has("err", r"\AOut of memory\.\n"),
                                          has("out", r"\A> > > > (> )?7\n> \n\Z")),
               stdin=hoard + "while (true) head = N(head);\nhead = nil;\nprint 7;\n")
    endless = scratch.script("endless-file", "print 1;\nreadFile(\"/dev/zero\");\n")
    yield make("memory/endless_file", ["--heap-limit", "8M", endless], 70, out="1\n",
               err="Out of memory.\n[line 2] in script\n")
    text = scratch.script("long-text", (
        "var l = List();\nfor (var i = 0; i < 100000; i = i + 1) append(l, \"0123456789abcdef\");\n"
        "print len(l);\nvar all = List();\nwhile (true) {\n  append(l, nil);\n"
        "  append(all, toString(l));\n}\n"))
    yield make("memory/long_text", ["--heap-limit", "8M", text], 70, out="100000\n",
               err="Out of memory.\n[line 7] in script\n", stress=2000)
    text = scratch.script("shared-text", (
        "var a = List();\nappend(a, \"0123456789abcdef\");\nprint 1;\n"
        "for (var i = 0; i < 24; i = i + 1) {\n  var b = List();\n  append(b, a);\n"
        "  append(b, a);\n  a = b;\n}\nprint len(toString(a));\n"))
    yield make("memory/text_of_shared_lists", ["--heap-limit", "4M", text], 70, out="1\n",
               err="Out of memory.\n[line 10] in script\n", stress=2000)
    source = scratch.script("long-source", "//%s\nprint 1;\n" % ("x" * 3000000))
    yield make("memory/source_does_not_fit", ["--heap-limit", "2M", source], 74,
               err="Not enough memory to read \"%s\".\n" % source)
    yield make("memory/tiny_limit", ["--heap-limit", "1", source], 70, err=None,
               check=has("err", r"(?i)memory"))
    functions = "fun g() { " + "fun f() {} " * 200 + "}\n"
    big = scratch.script("big-source", ("{\n" + functions * 200 + "}\n"))
    yield make("memory/compiler", ["--heap-limit", "4M", big], None, out="", err=None,
               stress=5000, check=lambda result: (
                   [] if result.exit_code in (65, 70) and result.err
                   else ["exit %s, %r" % (result.exit_code, result.err[:300])]))


def cases_in(folder):
    scratch = Scratch(folder)
    groups = (usage_cases, inspect_cases, exit_code_cases, report_cases, repl_cases, memory_cases)
    return [case for group in groups
            for case in group(scratch)]
