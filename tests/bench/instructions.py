#!/usr/bin/env python3
"""Counts the instructions of the fast paths and compares them with those that are kept.

    instructions.py PROGRAM [--update] [--kept FILE] [CASE...]

A noisy machine blurs times, not counts. PROGRAM (instructions/count.c, and the library with it, built
with NVALGRIND: else paths tell valgrind what they do, which no other run does) runs one path N times under
valgrind's callgrind; two runs that differ in N give what a turn costs, and the empty loop is taken
off. instructions.txt keeps a line for each path, with the compiler and the C library that it was
counted with: another compiler makes other code, so with another one nothing is compared, which is
said. The exit code is 1 when a path takes more instructions than are kept; one that takes fewer is
a line to keep: --update counts anew and writes the file.
"""

import argparse
import os
import platform
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
KEPT = os.path.join(HERE, "instructions.txt")
FEW, MANY = 20000, 60000

# More than this share, and more than this many instructions, is a regression. Shares of rare work
# (a new block, a refill) move a count by parts of one instruction.
ALLOWED_SHARE, ALLOWED_COUNT = 0.01, 0.3


def run(command):
    result = subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if result.returncode != 0:
        sys.exit(f"instructions.py: {' '.join(command)}: exit status {result.returncode}\n"
                 + result.stderr[-2000:])
    return result


def collected(program, case, count):
    """Instructions of the whole process."""
    said = run(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", program, case,
                str(count)]).stderr
    return int(re.search(r"Collected\s*:\s*(\d+)", said).group(1))


def per_turn(program, case):
    return (collected(program, case, MANY) - collected(program, case, FEW)) / (MANY - FEW)


def count_all(program, wanted):
    """{case: instructions}"""
    cases = [case for case in run([program]).stdout.splitlines() if case != "empty"]
    loop = per_turn(program, "empty")
    found = {}
    for case in cases:
        if not wanted or case in wanted:
            # A batch's inner loop is as long as the empty one.
            found[case] = max(per_turn(program, case) - loop, 0.0)
    return found


def tools(program):
    """What the counts depend on beside our code."""
    with open(program, "rb") as file:
        comments = set(re.findall(rb"GCC: \([^)\0]*\) [0-9.]+|clang version [0-9.]+", file.read()))
    # The compiler that made our files is named beside the one that made the C library's.
    compiler = b", ".join(sorted(comments)).decode() or "unknown compiler"
    return f"{compiler}; {' '.join(platform.libc_ver())}; {platform.machine()}"


def read_kept(path):
    """(tools, {case: instructions})"""
    made_with, kept = None, {}
    with open(path, encoding="utf-8") as file:
        for line in file:
            if line.startswith("with: "):
                made_with = line[len("with: "):].strip()
            elif line.strip() and not line.startswith("#"):
                count, case = line.split(None, 1)
                kept[case.strip()] = float(count)
    return made_with, kept


def write_kept(path, made_with, counts):
    with open(path, "w", encoding="utf-8") as file:
        file.write("# Instructions of a turn of each fast path; tests/bench/instructions.py says "
                   "more.\n# Written by: ./goo bench instructions --update\n"
                   f"with: {made_with}\n")
        for case, count in counts.items():
            file.write(f"{count:8.2f}  {case}\n")


def compare(kept, counts, is_all=False):
    """Prints a line for each; True when none takes more, and of all none that is kept is gone."""
    gone = [case for case in kept if is_all and case not in counts]
    for case in gone:
        print(f"         {kept[case]:8.2f}  {case}: NOT COUNTED")
    good = not gone
    for case, count in counts.items():
        before = kept.get(case)
        if before is None:
            print(f"{count:8.2f}           {case}: not kept yet")
            continue
        more = count - before
        allowed = max(before * ALLOWED_SHARE, ALLOWED_COUNT)
        verdict = "MORE" if more > allowed else "fewer" if more < -allowed else "same"
        good &= verdict != "MORE"
        print(f"{count:8.2f} {before:8.2f}  {case}: {verdict}")
    return good


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--update", action="store_true")
    parser.add_argument("--kept", default=KEPT, help="another file than instructions.txt")
    parser.add_argument("cases", nargs="*", metavar="CASE")
    options = parser.parse_intermixed_args()
    made_with = tools(options.program)
    if options.update:
        write_kept(options.kept, made_with, count_all(options.program, []))
        return 0
    kept_with, kept = read_kept(options.kept)
    if kept_with != made_with:
        print(f"skipped: instructions are kept for {kept_with}, this is {made_with}")
        return 0
    print("     now     kept  instructions of a turn")
    if compare(kept, count_all(options.program, options.cases), not options.cases):
        return 0
    print("A fast path takes more instructions than are kept, or was not counted. If that is "
          "meant, keep the new count: ./goo bench instructions --update")
    return 1


if __name__ == "__main__":
    sys.exit(main())
