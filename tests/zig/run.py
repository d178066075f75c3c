#!/usr/bin/env python3
"""Runs what needs Zig: the package's tests, the translated headers, compile errors, the example.

    run.py PART --zig ZIG --root ROOT --library LIBGOO.a --cache DIR
    run.py PART --missing

PART is `package` (builds bridge/ with its build.zig and runs the tests), `headers` (every public
header through translate-c, whole), `errors` (types that the heap can't describe do not compile, and
the message names the field) or `example` (examples/zig, as its recorded session does). --missing
says that there is no Zig: one skipped result. Prints TAP.
"""

import argparse
import os
import re
import subprocess
import sys

# Macros that are sugar over a function or a constant: nothing is lost with them.
SUGAR = {"GOO_SIZEOF_", "GOO_ALLOC", "GOO_FREE", "GOO_GC_ENCODING_POINTER",
         "GOO_GC_ENCODING_LOW_TAG", "GOO_GC_ENCODING_NAN_BOX"}
# Not for Zig: they say so.
HIDDEN = ("goo/scope_macros.h", "_inline.h", "gc/inline.h")


def run(command, folder=None, environment=None):
    result = subprocess.run(command, cwd=folder, env=environment, stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return result.returncode, result.stdout.decode("utf-8", "replace")


class Results:
    """TAP, with the plan at the end."""

    def __init__(self):
        self.count = self.failed = 0

    def add(self, name, complaint):
        self.count += 1
        self.failed += bool(complaint)
        print(f"{'not ok' if complaint else 'ok'} {self.count} - zig::{name}", flush=True)
        for line in complaint.splitlines()[:25]:
            print("# " + line)

    def end(self):
        print(f"1..{self.count}", flush=True)
        return 1 if self.failed or self.count == 0 else 0


def environment(options):
    cache = os.path.join(options.cache, "zig-cache")
    chosen = dict(os.environ)
    chosen.setdefault("ZIG_GLOBAL_CACHE_DIR", os.path.join(options.cache, "zig-global-cache"))
    return dict(chosen, ZIG_LOCAL_CACHE_DIR=cache)


def build(options, step, *more):
    """Builds one step of bridge/build.zig; the folder with its programs, and a complaint."""
    out = os.path.join(options.cache, "zig-out")
    command = [options.zig, "build", "-p", out, "-Dgoo-library=" + options.library, *more, step]
    status, said = run(command, os.path.join(options.root, "bridge"), environment(options))
    return os.path.join(out, "bin"), said if status != 0 else ""


def show(name, complaint):
    """A build that failed is a failed result."""
    results = Results()
    results.add(name, complaint)
    return results.end()


def package(options):
    """Debug is Zig's own code generator, ReleaseSafe is LLVM's: both keep checks on."""
    results = Results()
    for mode in ("Debug", "ReleaseSafe"):
        folder, complaint = build(options, "install-tests", "-Doptimize=" + mode)
        if complaint:
            results.add(f"the package's tests compile, {mode}", complaint)
            continue
        status, said = run([os.path.join(folder, "goo-zig-tests")])
        plan = re.search(r"^1\.\.(\d+)$", said, re.M)
        seen = re.findall(r"^(not )?ok \d+ - zig::(.*)$", said, re.M)
        for bad, name in seen:
            results.add(f"{mode}: {name}", said if bad else "")
        if plan is None or int(plan.group(1)) != len(seen) or (status != 0) != any(
                bad for bad, _ in seen):
            results.add(f"{mode}: {len(seen)} results, exit status {status}", said[-2000:])
    return results.end()


def headers_below(folder):
    for parent, below, files in os.walk(folder):
        below.sort()
        for name in sorted(files):
            path = os.path.relpath(os.path.join(parent, name), folder)
            if name.endswith(".h"):
                yield path


def without_comments(path):
    with open(path, encoding="utf-8") as file:
        text = re.sub(r"/\*.*?\*/|//[^\n]*", " ", file.read(), flags=re.S)
    return re.sub(r"^[ \t]*#(?:\\\n|[^\n])*", " ", text, flags=re.M)


def lost(header, code, translated):
    """What of a header is not in its translation, or came through maimed."""
    for name in re.findall(r"^GOO_API\b[^;{(]*?\b(goo_\w+)\s*\(", code, re.M):
        if not re.search(rf"pub extern fn {name}\(", translated):
            yield f"{header}: function {name}"
    for name in re.findall(r"\bstruct (Goo\w+)\s*\{", code):
        if not re.search(rf"pub const struct_{name} = extern struct", translated):
            yield f"{header}: struct {name} is not whole"
    for body in re.findall(r"\benum(?: \w+)?\s*\{(.*?)\}", code, re.S):
        for name in re.findall(r"\b(GOO_\w+)\b(?=\s*[=,}]|\s*$)", body):
            if not re.search(rf"pub const {name}: c_", translated):
                yield f"{header}: constant {name}"
    if re.search(r"\bvolatile\b", code):
        yield f"{header}: volatile would be dropped silently"
    if re.search(r"\b(_Atomic|_Generic|__attribute__)\b", code):
        yield f"{header}: what no translator takes"


def maimed(translated):
    for line in translated.splitlines():
        broken = re.match(r"pub const (GOO_\w+|Goo\w+|goo_\w+) = @compileError", line)
        if broken and broken.group(1) not in SUGAR:
            yield line
        if re.search(r"warning:|demoted", line) and re.search(r"[Gg]oo|GOO", line):
            yield line


def headers(options):
    results = Results()
    include = os.path.join(options.root, "include")
    for header in headers_below(include):
        command = [options.zig, "translate-c", "-lc", "-I" + include, os.path.join(include, header)]
        status, said = run(command, environment=environment(options))
        complaint = [said] if status != 0 else list(maimed(said))
        if not header.endswith(HIDDEN):
            complaint += lost(header, without_comments(os.path.join(include, header)), said)
        results.add(f"{header} through translate-c", "\n".join(complaint))
    return results.end()


PRELUDE = """const goo = @import("goo.zig");
const Node = struct { next: ?*Node };
"""
# Declarations, the type to create, and what the message must name.
WRONG = {
    "a union without a tag": ("const T = struct { at: union { n: u64, p: *Node } };", "T.at.p"),
    "an extern union in a nested struct": (
        "const U = extern union { n: u64, p: ?*Node };\nconst T = struct { in: struct { u: U } };",
        "T.in.u.p"),
    "a vector of pointers": ("const T = struct { lanes: @Vector(2, *Node) };", "T.lanes"),
    "a volatile pointer": ("const T = struct { a: [2]*volatile u32 };", "T.a[]"),
    "a union whose tag is never 0": (
        "const T = struct { u: union(enum(u8)) { p: *Node = 1, n: u64 = 2 } };", "T.u.p"),
    "a trace function of another shape": (
        "const U = union { n: u64, p: *Node, pub fn trace(_: *U) void {} };\n"
        "const T = struct { u: U };", "T.u.p"),
    "a type at run time": ("const T = struct { kind: type };", "T.kind"),
    "too much alignment": ("const T = struct { line: u64 align(64) };", "T"),
    "a pointer that is not aligned": (
        "const T = extern struct { a: u32 align(1), p: ?*Node align(1) };", "T.p"),
}
RIGHT = "const T = struct { next: *Node, u: union(enum) { n: u64, p: *Node } };"


def compile_type(options, declaration):
    """What the compiler says to a program that creates a T."""
    folder = os.path.join(options.cache, "zig-errors")
    os.makedirs(folder, exist_ok=True)
    for name in os.listdir(os.path.join(options.root, "bridge")):
        if name.endswith((".zig", ".h")):
            link = os.path.join(folder, name)
            if not os.path.lexists(link):
                os.symlink(os.path.join(options.root, "bridge", name), link)
    with open(os.path.join(folder, "client.zig"), "w", encoding="utf-8") as file:
        file.write(PRELUDE + declaration + """
export fn client(heap: *goo.Heap) bool {
    const made = heap.create(T) catch return false;
    return @intFromPtr(made) != 0;
}
""")
    include = os.path.join(options.root, "include")
    translated = os.path.join(folder, "goo_c.zig")
    if not os.path.exists(translated):
        status, said = run([options.zig, "translate-c", "-lc", "-I" + include,
                            os.path.join(folder, "goo_headers.h")],
                           environment=environment(options))
        if status != 0:
            return said
        with open(translated, "w", encoding="utf-8") as file:
            file.write(said)
    return run([options.zig, "build-obj", "-fno-emit-bin", "-lc", "--dep", "goo_c",
                "-Mroot=" + os.path.join(folder, "client.zig"), "-lc", "-Mgoo_c=" + translated],
               folder, environment(options))[1]


def errors(options):
    results = Results()
    results.add("a type of describable fields compiles", compile_type(options, RIGHT))
    for name, (declaration, field) in WRONG.items():
        said = compile_type(options, declaration)
        named = re.search(rf"can't describe client\.{re.escape(field)}:", said)
        results.add(f"{name} does not compile", "" if named else said or "it compiled")
    return results.end()


def example(options):
    folder, complaint = build(options, "zig_vm")
    if complaint:
        return show("the example compiles", complaint)
    session = os.path.join(options.root, "examples", "zig", "zig_vm.expected")
    command = [sys.executable, os.path.join(options.root, "tests", "example.py"),
               os.path.join(folder, "zig_vm"), session]
    return subprocess.run(command, check=False).returncode


def main():
    parts = {"package": package, "headers": headers, "errors": errors, "example": example}
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=parts)
    parser.add_argument("--zig", default="zig")
    parser.add_argument("--root")
    parser.add_argument("--library")
    parser.add_argument("--cache")
    parser.add_argument("--missing", action="store_true")
    options = parser.parse_args()
    if options.missing:
        print(f"1..1\nok 1 - zig::{options.part} # SKIP no Zig 0.16")
        return 0
    options.library = os.path.abspath(options.library)
    return parts[options.part](options)


if __name__ == "__main__":
    sys.exit(main())
