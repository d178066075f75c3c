#!/usr/bin/env python3
"""Compiles every public header alone, and links a program that needs every public function.

    check.py --include DIR --library LIBGOO [--cc CC] [--cxx CXX]

A header must stand alone as C11 and as C++17 with every warning an error, so that it can be the
first include of any program. Without a C++ compiler those cases are skipped and say so. The program
holds the address of every function that a header declares with GOO_API and of every static inline
form, so an undefined one does not link. Prints TAP.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile

WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]


def headers_below(folder):
    for parent, below, files in os.walk(folder):
        below.sort()
        for name in sorted(files):
            if name.endswith(".h"):
                yield os.path.relpath(os.path.join(parent, name), folder)


def compile_text(command, suffix, text):
    """What the compiler says about a text; empty when it is content."""
    with tempfile.TemporaryDirectory() as folder:
        source = os.path.join(folder, "client" + suffix)
        with open(source, "w", encoding="utf-8") as file:
            file.write(text)
        output = os.path.join(folder, "client.out")
        result = subprocess.run(command + [source, "-o", output] + LATE, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        return result.stdout if result.returncode != 0 or result.stdout else ""


LATE = []


def public_functions(folder):
    pattern = re.compile(r"^(?:GOO_API|static inline)\b[^;{(=]*?\b(goo_\w+)\s*\(", re.M)
    names = set()
    for header in headers_below(folder):
        with open(os.path.join(folder, header), encoding="utf-8") as file:
            text = re.sub(r"/\*.*?\*/", "", file.read(), flags=re.S)
        names.update(pattern.findall(text))
    return sorted(names)


def client_text(folder):
    """A program that needs every function. Function pointers go through a union, not a cast."""
    lines = [f'#include "{header}"' for header in headers_below(folder)]
    names = public_functions(folder)
    lines += ["typedef void (*AnyFunction)(void);", "AnyFunction volatile functions[] = {"]
    lines += [f"    (AnyFunction)({name})," for name in names]
    lines += ["};", "int main(void) {", "    int missing = 0;",
              "    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {",
              "        missing += functions[i] == 0;", "    }", "    return missing;", "}", ""]
    return len(names), "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--include", required=True)
    parser.add_argument("--library", required=True)
    parser.add_argument("--cc", default="cc")
    parser.add_argument("--cxx", default="c++")
    parser.add_argument("--link-args", default="", help="more arguments for the linker")
    options = parser.parse_args()

    headers = list(headers_below(options.include))
    print(f"1..{2 * len(headers) + 1}", flush=True)
    number = failed = 0

    def report(name, complaint, skipped=None):
        nonlocal number, failed
        number += 1
        failed += bool(complaint)
        print(f"{'not ok' if complaint else 'ok'} {number} - headers::{name}" +
              (f" # SKIP {skipped}" if skipped else ""), flush=True)
        for line in complaint.splitlines()[:20]:
            print("# " + line)

    cc = options.cc.split() + ["-std=c11"] + WARNINGS + ["-I", options.include]
    cxx = options.cxx.split()
    cxx_missing = None if shutil.which(cxx[0]) else "no C++ compiler"
    cxx += ["-std=c++17"] + WARNINGS + ["-I", options.include]
    for header in headers:
        # Twice: the second include must be harmless.
        text = f'#include "{header}"\n#include "{header}"\nint goo_client_;\n'
        report(f"{header} as C11", compile_text(cc + ["-c"], ".c", text))
        complaint = "" if cxx_missing else compile_text(cxx + ["-c"], ".cpp", text)
        report(f"{header} as C++17", complaint, cxx_missing)

    count, text = client_text(options.include)
    LATE.extend([options.library, "-Wl,-rpath," + os.path.dirname(os.path.abspath(options.library))])
    LATE.extend(options.link_args.split())
    report(f"a program that needs all {count} functions links",
           compile_text(cc + ["-Wno-cast-function-type"], ".c", text)
           if count else "no public function was found")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
