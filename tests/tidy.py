#!/usr/bin/env python3
"""Checks what a compiler does not: that the rooms of the house stay apart.

    tidy.py [--library LIBGOO.so] [--archive LIBGOO.a] [--tap]

Reads the sources of the repository that it lies in, and, where given, the symbols of a built
library. Each rule is one result; a breach is one line that names file, line and what is wrong.
Exit code: 0 when no rule is broken. Rules:

    includes     an include points to its own layer or below, never up or sideways
    rooms        malloc, output, exit, signals and the environment only where they belong
    opening      every file opens with a comment that says its job
    readme       the example in README.md is examples/embed.c, word for word
    faults       the cases that tests/README.md names for known faults exist
    layout       no line over 100 columns, no tabs, no trailing blanks, no TODO without an issue
    exported     the library exports goo_* and nothing else
    declared     every public function is defined, and every exported one is declared
    globals      writable objects stand in runtime/globals.c only
"""

import argparse
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LIBRARY_FOLDERS = ("runtime", "allocators", "gc", "bridge")
SOURCE_FOLDERS = LIBRARY_FOLDERS + ("include", "examples", "tests")

# What may stand only in some files: pattern, what it is, where it may.
ROOMS = (
    (r"\b(?:malloc|calloc|realloc|free|aligned_alloc|posix_memalign|strdup|strndup)\s*\(",
     "the C heap", ("runtime/system.c", "runtime/platform/")),
    (r"\b(?:printf|puts|putchar|perror|stdout|stderr|STDERR_FILENO|STDOUT_FILENO)\b",
     "output on its own account", ("runtime/platform/",)),
    (r"\b(?:exit|_exit|_Exit|abort|quick_exit|atexit)\s*\(",
     "ending the process", ("runtime/check.c", "runtime/platform/")),
    (r"\b(?:getenv|secure_getenv|signal|sigaction)\s*\(",
     "the environment or signals", ("runtime/platform/",)),
)


def sources(folders, endings=(".c", ".h")):
    for folder in folders:
        for parent, below, files in os.walk(os.path.join(ROOT, folder)):
            below.sort()
            for name in sorted(files):
                if name.endswith(endings):
                    yield os.path.relpath(os.path.join(parent, name), ROOT)


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


def without_comments(text):
    """The code alone: comments and strings blanked out, line numbers kept."""
    pattern = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
    return pattern.sub(lambda match: re.sub(r"[^\n]", " ", match.group()), text)


def numbered(pattern, text):
    """The matches of a pattern, each with its line number."""
    for match in re.finditer(pattern, text, re.M):
        yield text.count("\n", 0, match.start()) + 1, match


# --- layers ---

def layer(path):
    """The layer of a private file, or None where the rule says nothing (tests)."""
    if path in ("runtime/base.h", "runtime/bits.h") or path.startswith("runtime/check."):
        return 0
    if path.startswith("runtime/platform/") or path.startswith("runtime/cpu."):
        return 1
    if path.startswith("runtime/kernels/"):
        return 2
    if path.startswith("runtime/"):
        return 3
    if path.startswith(("allocators/", "gc/")):
        return 4
    return None


SHARED_BY_ALLOCATORS = ("allocators/impl.h", "allocators/decorate.h", "allocators/claims.h")


def room(path):
    """allocators/debug.c, debug_table.c and debug.h are one room."""
    return re.split(r"[_.]", path)[0]


def include_breach(path, target):
    """Why `path` must not include `target`, or None."""
    public = target.startswith("goo/") or target == "goo_memory.h"
    if path.startswith("include/"):
        return None if public else "a public header includes a private one"
    if path.startswith(("examples/", "bridge/")):
        private = layer(target) is not None or target.startswith("tests/")
        return "examples and bridge use public headers only" if private else None
    if public:
        return "layer 0 needs the C standard library only" if layer(path) == 0 else None
    below = layer(target)
    if below is None:
        return "no private header of the library" if not target.startswith("tests/") else \
            "the library includes a test"
    if below > layer(path):
        return f"points up, from layer {layer(path)} to {below}"
    if below == 4 and target not in SHARED_BY_ALLOCATORS and room(path) != room(target) and \
            (path.startswith("allocators/") or target.startswith("allocators/")):
        return "points sideways: an allocator's file includes what allocators share, and its own"
    return None


def check_includes():
    for path in sources(LIBRARY_FOLDERS + ("include", "examples")):
        for line, match in numbered(r'^\s*#\s*include\s+"([^"]+)"', read(path)):
            reason = include_breach(path, match.group(1))
            if reason:
                yield f'{path}:{line}: "{match.group(1)}" {reason}'


# --- text ---

def check_rooms():
    for path in sources(LIBRARY_FOLDERS):
        code = without_comments(read(path))
        for pattern, what, rooms in ROOMS:
            if path.startswith(rooms):
                continue
            for line, match in numbered(r"(?<![.>\w])" + pattern, code):
                yield f"{path}:{line}: {match.group().strip()}: {what} belongs to " + \
                    " and ".join(rooms)


def check_opening():
    for path in sources(SOURCE_FOLDERS):
        match = re.match(r"/\*(.*?)\*/", read(path), re.S)
        if not match or len(match.group(1).split()) < 3:
            yield f"{path}:1: opens without a comment that says its job"


def check_readme():
    if read("examples/embed.c").strip() not in read("README.md"):
        yield "README.md: its example is not the text of examples/embed.c"


def check_layout():
    for path in sources(SOURCE_FOLDERS):
        for number, text in enumerate(read(path).split("\n"), 1):
            if len(text) > 100:
                yield f"{path}:{number}: {len(text)} columns"
            if "\t" in text:
                yield f"{path}:{number}: a tab"
            if text != text.rstrip():
                yield f"{path}:{number}: blanks at the end"
            if re.search(r"\b(?:TODO|FIXME|XXX)\b(?! #\d)", text):
                yield f"{path}:{number}: unfinished work without an issue number"


# --- symbols ---

def run_nm(*arguments):
    return subprocess.run(("nm",) + arguments, check=True, text=True,
                          stdout=subprocess.PIPE).stdout


def exported_symbols(library):
    lines = run_nm("-D", "--defined-only", library).splitlines()
    return {line.split()[-1].split("@")[0] for line in lines}


def declared_functions():
    """Public functions: name -> where it is declared."""
    found = {}
    for path in sources(("include",)):
        code = without_comments(read(path))
        for line, match in numbered(r"^GOO_API\b[^;{(]*?\b(\w+)\s*\(", code):
            found.setdefault(match.group(1), f"{path}:{line}")
    return found


def check_exported(library):
    for name in sorted(exported_symbols(library)):
        if not name.startswith("goo_"):
            yield f"{name} is exported; only goo_* may be"


def check_declared(library):
    declared = declared_functions()
    exported = exported_symbols(library)
    if not declared:
        yield "include/: no declaration with GOO_API was found"
    for name in sorted(set(declared) - exported):
        yield f"{declared[name]}: {name} is declared and not defined"
    for name in sorted(exported - set(declared)):
        if name.startswith("goo_"):
            yield f"{name} is exported, and no public header declares it with GOO_API"


def check_faults():
    """suite::case is a GOO_TEST, conformance::case a function of the suite, lox/... a script."""
    known = set()
    for path in sources(("tests",), (".c",)):
        text = read(path)
        known.update("::".join(pair) for pair in
                     re.findall(r"^GOO_TEST\((\w+),\s*(\w+)\)", text, re.M))
        known.update("conformance::" + name for name in
                     re.findall(r"^void conformance_(\w+)\(", text, re.M))
    named = re.findall(r"`(\w+::\w+|lox/[\w/.]+)`", read("tests/README.md"))
    for name in named:
        is_there = os.path.exists(os.path.join(ROOT, "tests", name)) or name in known
        if not is_there and name != "conformance::X":
            yield f"tests/README.md: there is no {name}"
    if len(named) < 50:
        yield "tests/README.md: the table of faults is gone"


def check_globals(archive):
    """Objects in writable sections, by the archive's symbol tables. Relocated constants are not."""
    member = "?"
    objects = 0
    for line in run_nm("-f", "sysv", "--defined-only", archive).splitlines():
        heading = re.match(r"Symbols from .*\[(.*)\]:", line)
        if heading:
            member = heading.group(1)
            continue
        fields = [field.strip() for field in line.split("|")]
        if len(fields) < 7 or fields[3] not in ("OBJECT", "TLS"):
            continue
        if fields[0].startswith(("__odr_asan", "__asan", "___asan")):
            continue  # a sanitizer's own
        objects += 1
        section = fields[6]
        writable = re.match(r"\.(data(?!\.rel\.ro)|bss|tdata|tbss)|\*COM\*", section)
        if writable and not re.search(r"runtime_globals\.c|platform_", member):
            yield f"{member}: {fields[0]} is writable ({section})"
    if objects == 0:
        yield f"{archive}: no object was found in its symbols"


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library", help="the shared library")
    parser.add_argument("--archive", help="the static library")
    parser.add_argument("--tap", action="store_true", help="results as TAP")
    options = parser.parse_args()

    rules = [("includes", check_includes()), ("rooms", check_rooms()),
             ("opening", check_opening()), ("readme", check_readme()), ("faults", check_faults()),
             ("layout", check_layout())]
    if options.library:
        rules += [("exported", check_exported(options.library)),
                  ("declared", check_declared(options.library))]
    if options.archive:
        rules += [("globals", check_globals(options.archive))]

    failed = 0
    if options.tap:
        print(f"1..{len(rules)}")
    for number, (name, breaches) in enumerate(rules, 1):
        breaches = list(breaches)
        failed += bool(breaches)
        if options.tap:
            print(f"{'not ok' if breaches else 'ok'} {number} - tidy::{name}")
        for breach in breaches:
            print(("# " if options.tap else f"{name}: ") + breach)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
