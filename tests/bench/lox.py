#!/usr/bin/env python3
"""Times Lox programs on our runtime and on others, side by side.

    lox.py LOX_BINARY [--peer NAME=BINARY]... [--rounds 5] [--json FILE] [--quick]
           [--any-output] [PATH...]

The environment variable GOO_LOX_PEER names one more (BINARY or NAME=BINARY), if set. A peer called
lua runs the same programs in Lua (lua/NAME.lua); where one is missing it is left out.
Each round runs every binary once, A B A B, so that a slow minute of the machine meets all of them;
a round of warm-up comes first. A figure is user plus system time of the process; a ratio is the
median of the rounds' ratios, ours to the peer's: below 1 we are faster. Peak memory is the
process's resident high-water mark. Programs print a checksum: one that differs from the peer's or
from the one recorded in the program (`// out: …`) is an error, but for --any-output, which is for
programs that print how long they took. A peer that fails is left out, and the exit code is 1.

The table goes to standard output, progress to standard error.
"""

import argparse
import ctypes
import json
import math
import os
import platform
import re
import signal
import statistics
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
PROGRAMS = os.path.join(ROOT, "examples", "lox", "scripts", "bench")

LUA_PROGRAMS = os.path.join(HERE, "lua")

PTRACE_CONT, PTRACE_SEIZE = 7, 0x4206
PTRACE_O_TRACEEXIT, PTRACE_EVENT_EXIT = 0x40, 6


class Failure(Exception):
    """`name`: of the binary that failed."""

    def __init__(self, name, text):
        super().__init__(text)
        self.name = name


# --- one run ---

def ptrace(request, pid, data):
    """True if the request was granted; never on systems that don't have it."""
    try:
        call = ctypes.CDLL(None, use_errno=True).ptrace
    except (OSError, AttributeError):
        return False
    call.restype = ctypes.c_long
    call.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    return call(request, pid, None, data) == 0


def high_water_mark(pid):
    """Of a process that stands at its exit, in KiB."""
    with open("/proc/%d/status" % pid, encoding="ascii", errors="replace") as status:
        return int(re.search(r"VmHWM:\s*(\d+)", status.read()).group(1))


def start(command, output):
    """Starts a process; it waits in `go` until it may run."""
    wait, go = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(go)
            os.read(wait, 1)
            os.dup2(output, 1)
            os.execv(command[0], command)
        finally:
            os._exit(127)
    os.close(wait)
    return pid, go


def finish(pid, traced):
    """(exit status, resource usage, peak KiB).

    What wait4 calls the peak includes this interpreter, as it was when the process was started. So
    the process is stopped at its exit, where it can be allowed, and its own mark is read.
    """
    peak = None
    while True:
        _, status, usage = os.wait4(pid, 0)
        if not os.WIFSTOPPED(status):
            if peak is None:
                peak = usage.ru_maxrss // (1024 if sys.platform == "darwin" else 1)
            return status, usage, peak
        is_event = traced and status >> 16 == PTRACE_EVENT_EXIT
        if is_event:
            peak = high_water_mark(pid)
        ptrace(PTRACE_CONT, pid, 0 if is_event else os.WSTOPSIG(status))


def run(name, binary, program):
    """{"seconds", "peak_kib", "exact_peak", "output"} of one run."""
    with tempfile.TemporaryFile() as output:
        pid, go = start([binary, program], output.fileno())
        traced = ptrace(PTRACE_SEIZE, pid, PTRACE_O_TRACEEXIT)
        os.write(go, b"x")
        os.close(go)
        try:
            status, usage, peak = finish(pid, traced)
        except KeyboardInterrupt:
            os.kill(pid, signal.SIGKILL)
            raise
        output.seek(0)
        text = output.read().decode("utf-8", "replace")
    if status != 0:
        raise Failure(name, "%s %s: exit status %d"
                      % (binary, program, os.waitstatus_to_exitcode(status)))
    return {"seconds": usage.ru_utime + usage.ru_stime, "peak_kib": peak, "exact_peak": traced,
            "output": text}


# --- one program on all binaries ---

class Program:
    """A script; its first line says which group it belongs to: `// Allocation: …`."""

    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            text = file.read()
        self.path = path
        self.name = os.path.splitext(os.path.basename(path))[0]
        group = re.match(r"//\s*(\w+):", text)
        self.group = group.group(1).lower() if group else "other"
        recorded = re.findall(r"// out: (.*)$", text, re.MULTILINE)
        self.output = "".join(line + "\n" for line in recorded) or None

    def path_for(self, name):
        """The same program in the language of that binary."""
        return os.path.join(LUA_PROGRAMS, self.name + ".lua") if name == "lua" else self.path


def progress(text):
    """Shows what runs: on a terminal in one line that is overwritten, else not at all."""
    if sys.stderr.isatty():
        print("\r%-70s\r%s" % ("", text), end="", file=sys.stderr, flush=True)


def report_line(**entry):
    """Tells `./goo bench` something, such as how far this is (bench.h)."""
    rows = os.environ.get("GOO_BENCH_ROWS")
    if rows:
        with open(rows, "a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")


def measure(program, binaries, rounds, warm_up, any_output):
    """{binary's name: [run of each round]}"""
    if not sys.stderr.isatty():
        print("%s …" % program.name, file=sys.stderr, flush=True)
    runs = {name: [] for name in binaries}
    expected = program.output
    for number in range(-1 if warm_up else 0, rounds):
        for name, binary in binaries.items():
            progress("%s: %s, %s" % (program.name, "warm-up" if number < 0 else
                                     "round %d of %d" % (number + 1, rounds), name))
            result = run(name, binary, program.path_for(name))
            if expected is None:
                expected = result["output"]
            if result["output"] != expected and not any_output:
                raise Failure(name, "%s on %s printed %r, not %r" % (
                    program.name, name, result["output"][:80], expected[:80]))
            if number >= 0:
                runs[name].append(result)
    progress("")
    return runs


def summary(runs):
    seconds = [result["seconds"] for result in runs]
    return {"median": statistics.median(seconds), "min": min(seconds), "max": max(seconds),
            "seconds": seconds, "peak_mib": max(result["peak_kib"] for result in runs) / 1024,
            "exact_peak": all(result["exact_peak"] for result in runs)}


def compared(ours, theirs):
    ratios = [a["seconds"] / max(b["seconds"], 1e-6) for a, b in zip(ours, theirs)]
    peak = max(r["peak_kib"] for r in ours) / max(r["peak_kib"] for r in theirs)
    return {"ratio": statistics.median(ratios), "ratio_min": min(ratios), "ratio_max": max(ratios),
            "peak_ratio": peak}


def geometric_mean(numbers):
    return math.exp(sum(math.log(number) for number in numbers) / len(numbers))


# --- the report ---

def cpu_name():
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as info:
            found = re.search(r"model name\s*:\s*(.*)", info.read())
        return found.group(1) if found else platform.machine()
    except OSError:
        return platform.processor() or platform.machine()


def facts(options, binaries):
    return {"cpu": cpu_name(), "cpus": os.cpu_count(), "system": platform.platform(),
            "load_average": list(os.getloadavg()), "rounds": options.rounds,
            "warm_up": not options.quick, "binaries": binaries}


def print_header(head, out):
    print("cpu     %s, %d online" % (head["cpu"], head["cpus"]), file=out)
    print("system  %s" % head["system"], file=out)
    print("load    %.2f %.2f %.2f at the start" % tuple(head["load_average"]), file=out)
    print("runs    %d rounds, interleaved%s" % (
        head["rounds"], ", after one of warm-up" if head["warm_up"] else ", no warm-up"), file=out)
    for name, binary in head["binaries"].items():
        print("%-7s %s" % (name, binary), file=out)


def cell(one):
    return "%7.3f (%.3f–%.3f)" % (one["median"], one["min"], one["max"])


def print_row(name, row, peers, out):
    text = "%-17s %s %7.1f" % (name, cell(row["lox"]), row["lox"]["peak_mib"])
    for peer in peers:
        text += "  | %s %7.1f  %6.3f %6.2f" % (cell(row[peer]), row[peer]["peak_mib"],
                                              row["against"][peer]["ratio"],
                                              row["against"][peer]["peak_ratio"])
    print(text, file=out, flush=True)


def print_group(name, rows, peers, out):
    print("\n%-17s %-23s %7s" % (name, "lox: s (min–max)", "MiB")
          + "".join("  | %-23s %7s  %6s %6s" % (peer + ": s (min–max)", "MiB", "time", "memory")
                    for peer in peers), file=out)
    for program, row in rows.items():
        print_row(program, row, peers, out)
    if peers:
        means = "".join("  | %32s %6.3f %6.2f" % (
            "", geometric_mean([row["against"][peer]["ratio"] for row in rows.values()]),
            geometric_mean([row["against"][peer]["peak_ratio"] for row in rows.values()]))
                        for peer in peers)
        print("%-17s %31s" % ("geometric mean", "") + means, file=out)


def measure_with_peers(program, options, binaries):
    """The same, without a peer that fails: it is taken out of `binaries`, which is said."""
    while True:
        try:
            return measure(program, binaries, options.rounds, not options.quick,
                           options.any_output)
        except Failure as failure:
            if failure.name == "lox":
                raise
            print("lox.py: %s is left out: %s" % (failure.name, failure), file=sys.stderr)
            del binaries[failure.name]


def measure_all(options, binaries):
    """{group: {program: row}}, of the binaries that got through all programs."""
    groups = {}
    for number, program in enumerate(options.programs):
        runs = measure_with_peers(program, options, binaries)
        report_line(done=(number + 1) / len(options.programs), of=1)
        row = {name: summary(results) for name, results in runs.items()}
        row["against"] = {peer: compared(runs["lox"], runs[peer]) for peer in runs if peer != "lox"}
        groups.setdefault(program.group, {})[program.name] = row
    for row in [row for rows in groups.values() for row in rows.values()]:
        for gone in set(row["against"]) - set(binaries):
            del row[gone], row["against"][gone]
    return groups


# --- the command line ---

def peer_of(text):
    name, _, binary = text.rpartition("=")
    return name or os.path.basename(binary), binary


def parse_options(arguments):
    parser = argparse.ArgumentParser(description="Times Lox programs side by side.")
    parser.add_argument("binary", metavar="LOX_BINARY")
    parser.add_argument("--peer", metavar="NAME=BINARY", action="append", default=[])
    parser.add_argument("--rounds", metavar="N", type=int, default=5)
    parser.add_argument("--json", metavar="FILE", help="writes all figures there")
    parser.add_argument("--quick", action="store_true", help="one round, no warm-up")
    parser.add_argument("--any-output", action="store_true", help="don't compare what they print")
    parser.add_argument("paths", metavar="PATH", nargs="*", help="programs, or folders of them")
    options = parser.parse_intermixed_args(arguments)
    if options.quick:
        options.rounds = 1
    if options.rounds < 1:
        parser.error("--rounds must be at least 1")
    if os.environ.get("GOO_LOX_PEER"):
        options.peer.append(os.environ["GOO_LOX_PEER"])
    if not os.access(options.binary, os.X_OK):
        parser.error("%s can't be run" % options.binary)
    options.binaries = {"lox": options.binary}
    for text in options.peer:
        name, binary = peer_of(text)
        if name in options.binaries:
            parser.error("two binaries are called %s" % name)
        if os.access(binary, os.X_OK) and not os.path.isdir(binary):
            options.binaries[name] = binary
        else:
            print("absent: %s, %s can't be run" % (name, binary))
            report_line(absent=name, why="%s can't be run" % binary)
    for name, binary in options.binaries.items():
        options.binaries[name] = os.path.abspath(binary)
    options.programs = [Program(path) for path in program_paths(options.paths or [PROGRAMS])]
    if not options.programs:
        parser.error("no program found")
    if not all(os.path.exists(program.path_for("lua")) for program in options.programs):
        if options.binaries.pop("lua", None):
            print("lua is left out: not every program is in lua/", file=sys.stderr)
    return options


def program_paths(paths):
    for path in paths:
        if os.path.isdir(path):
            yield from (os.path.join(path, file) for file in sorted(os.listdir(path))
                        if file.endswith(".lox"))
        else:
            yield path


def main(arguments):
    options = parse_options(arguments)
    head = facts(options, options.binaries)
    print_header(head, sys.stdout)
    asked = len(options.binaries)
    try:
        groups = measure_all(options, options.binaries)
    except Failure as failure:
        print("lox.py: %s" % failure, file=sys.stderr)
        return 1
    peers = [name for name in options.binaries if name != "lox"]
    for name, rows in groups.items():
        print_group(name, rows, peers, sys.stdout)
    if not all(row[name]["exact_peak"] for rows in groups.values() for row in rows.values()
               for name in options.binaries):
        print("\nPeak memory is an upper bound: it includes this program's own, before each start.")
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump({"facts": head, "groups": groups}, file, indent=1)
    return 0 if len(options.binaries) == asked else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
