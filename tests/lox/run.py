#!/usr/bin/env python3
"""Runs the Lox conformance set, and the example scripts whose output is recorded.

    run.py LOX_BINARY [--gc TEXT] [--filter S] [--jobs N] [--timeout S] [--scripts DIR] [PATH...]
    run.py --oracle BINARY [same options] [PATH...]

Prints TAP. Exit code: 0 all passed, 1 something failed, 2 no test was found or the call was wrong.
With PATHs (files or folders of .lox scripts) only those run; without, every category folder here,
the generated scripts (generated.py), the command line (cli.py) and the example scripts.
--oracle runs another Lox implementation on every case that the plain language covers: it proves
that the expectations are those of the book.
"""

import argparse
import concurrent.futures
import os
import re
import sys
import tempfile

import case as cases
import cli
import generated

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))


def read_text(path):
    with open(path, "rb") as file:
        return cases.decode(file.read())


def script_case(name, path):
    """A case from a script; NAME.expected beside it, if there, is its standard output."""
    recorded = os.path.splitext(path)[0] + ".expected"
    out = read_text(recorded) if os.path.exists(recorded) else None
    return cases.case_from_source(name, os.path.relpath(path, ROOT), read_text(path), out)


def scripts_below(folder):
    for parent, folders, files in os.walk(folder):
        folders.sort()
        for file in sorted(files):
            if file.endswith(".lox"):
                yield os.path.join(parent, file)


def conformance_cases():
    return [script_case(os.path.relpath(path, HERE), path) for path in scripts_below(HERE)]


def recorded_cases(folder):
    """The scripts directly in `folder`. One without a recorded output fails."""
    found = []
    for file in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
        path = os.path.join(folder, file)
        if file.endswith(".lox"):
            found.append(script_case("scripts/" + file, path))
    return found


def path_cases(paths):
    found = []
    for path in paths:
        full = os.path.abspath(path)
        files = scripts_below(full) if os.path.isdir(full) else [full]
        found.extend(script_case(os.path.relpath(file, ROOT), file) for file in files)
    return found


def with_stress(text, stress):
    """`text` with the case's own stress interval, if it asks for stress and the case has one."""
    return re.sub(r"\bstress=\d+", "stress=%d" % stress, text) if stress else text


def reason_to_skip(case, options):
    if options.oracle and case.needs_goo:
        return "needs goo"
    if case.skip_stress and re.search(r"\bstress=[1-9]", options.gc or ""):
        return case.skip_stress
    return None


def run_case(case, options):
    """(complaints, reason it was skipped)"""
    reason = reason_to_skip(case, options)
    if reason:
        return [], reason
    command = [options.binary]
    if options.gc and case.takes_gc and not options.oracle:
        command += ["--gc", with_stress(options.gc, case.stress)]
    result = cases.run(command + case.args, case.stdin, ROOT, options.timeout,
                       case.environment, case.output)
    return cases.complaints(case.expectation, result), None


def parse_options(arguments):
    parser = argparse.ArgumentParser(description="Runs the Lox conformance set; prints TAP.")
    parser.add_argument("--oracle", metavar="BINARY", help="another Lox to check the cases with")
    parser.add_argument("--gc", metavar="TEXT", help="handed to the binary, as in stress=1,verify")
    parser.add_argument("--filter", metavar="S", default="", help="only names that contain S")
    parser.add_argument("--jobs", metavar="N", type=int, default=os.cpu_count())
    parser.add_argument("--timeout", metavar="S", type=float, default=60, help="seconds a case")
    parser.add_argument("--scripts", metavar="DIR",
                        default=os.path.join(ROOT, "examples", "lox", "scripts"))
    parser.add_argument("words", metavar="LOX_BINARY|PATH", nargs="*")
    options = parser.parse_intermixed_args(arguments)
    if options.oracle is None and not options.words:
        parser.error("which LOX_BINARY?")
    binary = options.oracle or options.words.pop(0)
    options.binary = os.path.abspath(binary)
    if not os.access(options.binary, os.X_OK):
        parser.error("%s can't be run" % binary)
    return options


def collect(options, scratch):
    if options.words:
        found = path_cases(options.words)
    else:
        found = (conformance_cases() + generated.cases_in(scratch) + cli.cases_in(scratch)
                 + recorded_cases(options.scripts))
    return [case for case in found if options.filter in case.name]


def report(number, case, found, skipped):
    """Prints one TAP result; True unless it failed."""
    suffix = " # SKIP " + skipped if skipped else ""
    print("%s %d - %s%s" % ("not ok" if found else "ok", number, case.name, suffix))
    for line in found[:120]:
        print("# " + line)
    if len(found) > 120:
        print("# … %d lines more" % (len(found) - 120))
    sys.stdout.flush()
    return not found


def main(arguments):
    options = parse_options(arguments)
    with tempfile.TemporaryDirectory(prefix="lox-tests-") as scratch:
        todo = collect(options, scratch)
        if not todo:
            print("no test found", file=sys.stderr)
            return 2
        print("1..%d" % len(todo))
        failures = skips = 0
        with concurrent.futures.ThreadPoolExecutor(max(1, options.jobs)) as pool:
            results = pool.map(lambda case: run_case(case, options), todo)
            for number, (case, (found, skipped)) in enumerate(zip(todo, results), 1):
                failures += not report(number, case, found, skipped)
                skips += skipped is not None
        print("# %d passed, %d failed, %d skipped"
              % (len(todo) - failures - skips, failures, skips))
        return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
