#!/usr/bin/env python3
"""Runs an example program as a recorded session does, and compares what it prints.

    example.py PROGRAM SESSION_FILE
    example.py --left-out NAME PACKAGE...      what this build lacked: the test is skipped
    example.py --skip NAME WHY                 it can't be run in this build

A session is what a terminal shows, standard output and standard error together:

    $ program --option                 a command, run by the shell in an empty folder of its own
    what it prints
    $ program --wrong                  the next one, in the same folder
    program: there is no option '--wrong'
    [exit 64]                          its exit status where that is not 0

A '#' in the recorded text stands for any number, and '0x#' for any address. A source file is named
as from the repository's root, whatever the compiler was told. Each command is a result; prints TAP.
"""

import os
import re
import subprocess
import sys
import tempfile

TIMEOUT = 100


def commands(text):
    """The commands of a session, each with what is recorded of it."""
    if not text.startswith("$ "):
        raise ValueError("a session begins with a command: '$ program'")
    for part in re.split(r"^\$ ", text, flags=re.M)[1:]:
        command, _, recorded = part.partition("\n")
        yield command, recorded


def pattern(recorded):
    escaped = re.escape(recorded).replace(re.escape("0x#"), "0x[0-9a-f]+")
    return escaped.replace(re.escape("#"), "[0-9]+")


def run(command, program, folder):
    """What a command prints and how it exits, as a session records it."""
    path = os.path.dirname(os.path.abspath(program)) + os.pathsep + os.environ["PATH"]
    result = subprocess.run(["sh", "-c", command], env=dict(os.environ, PATH=path), cwd=folder,
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, timeout=TIMEOUT)
    printed = result.stdout.decode("utf-8", "replace")
    if printed and not printed.endswith("\n"):
        printed += "\n[no newline at the end]\n"
    if result.returncode != 0:
        printed += f"[exit {result.returncode}]\n"
    return re.sub(r"[^\s:]*/examples/", "examples/", printed)


def skip(name, why):
    print("1..1")
    print(f"ok 1 - examples::{name} # SKIP {why}")
    return 0


def main():
    if sys.argv[1] == "--left-out":
        return skip(sys.argv[2], "not built, missing: " + ", ".join(sys.argv[3:]))
    if sys.argv[1] == "--skip":
        return skip(sys.argv[2], sys.argv[3])
    program, session = sys.argv[1:3]
    with open(session, encoding="utf-8") as file:
        planned = list(commands(file.read()))
    failed = 0
    print(f"1..{len(planned)}")
    with tempfile.TemporaryDirectory() as folder:
        for number, (command, recorded) in enumerate(planned, 1):
            try:
                printed = run(command, program, folder)
            except subprocess.TimeoutExpired:
                printed = f"[not finished after {TIMEOUT} s]\n"
            good = re.fullmatch(pattern(recorded), printed) is not None
            failed += not good
            print(f"{'ok' if good else 'not ok'} {number} - examples::{command.replace('#', '')}")
            if not good:
                print("# printed:")
                print("".join(f"# | {line}\n" for line in printed.splitlines()), end="")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
