#!/usr/bin/env python3
"""Runs the tests of one or more build folders and sums what they say.

    run.py [--name TEXT] [--suite SUITE] [--valgrind] LABEL=BUILD_DIR...

The tests are those that meson.build defines; each prints TAP, and each of its results counts. A
program that ends before its plan is fulfilled, with a bad exit status without a failed result, or
not in time, adds a failure. --name runs only programs whose name contains TEXT. --valgrind runs C
programs under valgrind. The last line is `N passed, N failed`, with `, N skipped` when some were.
Exit code: 0 when something passed and nothing failed, 1 else, 2 when nothing matches.
"""

import argparse
import concurrent.futures
import json
import os
import re
import subprocess
import sys
import time

VALGRIND = ["valgrind", "--quiet", "--error-exitcode=99", "--leak-check=full",
            "--errors-for-leak-kinds=definite", "--trace-children=no"]
DETAIL_LINES = 60

SANITIZER_OPTIONS = {
    "ASAN_OPTIONS": "abort_on_error=0:detect_leaks=1:strict_string_checks=1:allocator_may_return_null=1",
    "TSAN_OPTIONS": "allocator_may_return_null=1",
    "UBSAN_OPTIONS": "print_stacktrace=1",
}


class Outcome:
    """What one program said."""

    def __init__(self, label, name):
        self.label, self.name = label, name
        self.passed = self.failed = self.skipped = 0
        self.details = []
        self.seconds = 0.0

    def fail(self, *lines):
        self.failed += 1
        self.details += lines


def read_tap(outcome, text, status):
    planned = None
    failing = False
    for line in text.splitlines():
        plan = re.match(r"1\.\.(\d+)", line)
        result = re.match(r"(not )?ok\b[ \d]*-? ?(.*)", line)
        if plan:
            planned = int(plan.group(1))
        elif result:
            failing = False
            if re.search(r"# SKIP", line, re.I) and not result.group(1):
                outcome.skipped += 1
            elif result.group(1):
                failing = True
                outcome.fail("FAILED " + result.group(2))
            else:
                outcome.passed += 1
        elif failing and line.strip():
            outcome.details.append("    " + line)
    seen = outcome.passed + outcome.failed + outcome.skipped
    tail = ["    " + line for line in text.splitlines()[-DETAIL_LINES:]]
    if planned is None or seen == 0:
        outcome.fail(f"no result, exit status {status}", *tail)
    elif seen != planned:
        outcome.fail(f"{seen} results where {planned} were planned, exit status {status}", *tail)
    elif status != 0 and outcome.failed == 0:
        outcome.fail(f"exit status {status} although every result was good", *tail)


def run_test(label, build, test, options):
    outcome = Outcome(label, test["name"])
    command = test["cmd"]
    environment = dict(os.environ, **SANITIZER_OPTIONS)
    if options.valgrind:
        command = VALGRIND + command
        environment["GOO_TEST_VALGRIND"] = "1"
    environment.pop("GOO_GC", None)
    environment.update(test.get("env") or {})
    began = time.monotonic()
    try:
        result = subprocess.run(command, cwd=test["workdir"] or build, env=environment,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                stdin=subprocess.DEVNULL, timeout=test["timeout"] or None)
        read_tap(outcome, result.stdout.decode("utf-8", "replace"), result.returncode)
    except subprocess.TimeoutExpired as expired:
        said = (expired.stdout or b"").decode("utf-8", "replace").splitlines()[-DETAIL_LINES:]
        outcome.fail(f"not finished after {test['timeout']} s", *["    " + line for line in said])
    except OSError as error:
        outcome.fail(f"can't be run: {error}")
    outcome.seconds = time.monotonic() - began
    return outcome


def tests_of(build, options):
    text = subprocess.run(["meson", "introspect", "--tests", build], check=True, text=True,
                          stdout=subprocess.PIPE).stdout
    for test in json.loads(text):
        suites = [suite.split(":")[-1] for suite in test["suite"]]
        if options.name and options.name not in test["name"]:
            continue
        if options.suite and options.suite not in suites:
            continue
        yield test


def show(outcome):
    counts = f"{outcome.passed} passed"
    if outcome.failed:
        counts += f", {outcome.failed} FAILED"
    if outcome.skipped:
        counts += f", {outcome.skipped} skipped"
    print(f"{outcome.label:9} {outcome.name:24} {counts}  ({outcome.seconds:.1f} s)", flush=True)
    for line in outcome.details:
        print("    " + line, flush=True)


def run_all(work, options):
    """Small programs side by side, then those that fill the machine by themselves."""
    outcomes = []
    together = [entry for entry in work if entry[2].get("is_parallel", True)]
    alone = [entry for entry in work if not entry[2].get("is_parallel", True)]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        running = [pool.submit(run_test, *entry, options) for entry in together]
        for future in concurrent.futures.as_completed(running):
            outcomes.append(future.result())
            show(outcomes[-1])
    for entry in alone:
        outcomes.append(run_test(*entry, options))
        show(outcomes[-1])
    return outcomes


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--name", help="only programs whose name contains this")
    parser.add_argument("--suite", help="only this suite")
    parser.add_argument("--valgrind", action="store_true")
    parser.add_argument("builds", nargs="+", metavar="LABEL=BUILD_DIR")
    options = parser.parse_args()

    work = []
    for entry in options.builds:
        label, _, build = entry.partition("=")
        work += [(label, build, test) for test in tests_of(build, options)]
    if not work:
        print(f"no test program's name contains '{options.name}'", file=sys.stderr)
        print("0 passed, 0 failed")
        return 2
    outcomes = run_all(work, options)
    passed = sum(outcome.passed for outcome in outcomes)
    failed = sum(outcome.failed for outcome in outcomes)
    skipped = sum(outcome.skipped for outcome in outcomes)
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 0 if passed and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
