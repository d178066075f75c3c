#!/usr/bin/env python3
"""Runs benchmarks one after the other and collects their figures; `./goo bench` calls it.

    bench.py --programs "NAME=PROGRAM..." [--quick] [--json FILE] [--html FILE]
             [--peer FILE]... [other options and names, for a single benchmark]
    bench.py --from FILE [--html FILE]

Each benchmark prints its own table, which goes through to standard output, and appends rows to a
file (bench.h). From its lines comes the time left, on standard error, and what is printed at the
end: each workload beside its best peer, fitted growth, what collection costs beside an oracle that
frees by hand, peers that are absent. --json keeps all of it, --html makes a page of it (report.py);
--from makes the page of a recorded run.

What can't be done is said before anything runs: a file that can't be written, an option that
nobody takes. A run without a figure writes no file; one that is interrupted neither, and it ends
what it started.

Exit code: 0; 1 when a benchmark failed; 64 when the command line is wrong.
"""

import argparse
import contextlib
import datetime
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

import figures
import report

HERE = os.path.dirname(os.path.abspath(__file__))
MISUSED = 64 # the exit code of a wrong command line

# Seconds that they take on an idle machine, in full and --quick: for the first estimate.
TYPICAL = {"alloc": (300, 35), "gc": (700, 20), "pause": (60, 2), "mark": (60, 8), "sweep": (40, 10),
           "bridge": (30, 5), "lox": (90, 12), "memory": (60, 15), "fresh": (10, 2),
           "bomb": (60, 10), "sizes": (45, 10)}

# Peers by the word that their rows carry, and how each takes part.
PEERS = {"glibc": "the C library", "mimalloc": "Debian: libmimalloc2.0",
         "jemalloc": "Debian: libjemalloc2", "tcmalloc": "Debian: libtcmalloc-minimal4",
         "snmalloc": "--peer LIBRARY", "rpmalloc": "--peer LIBRARY", "Boehm": "Debian: libgc-dev",
         "Whippet": "GOO_BENCH_WHIPPET=CHECKOUT, see tests/bench/README.md",
         "Lua": "Debian: lua5.4", "clox": "--peer clox=PROGRAM, the book's Lox"}
PEERS_OF = {"alloc": ("glibc", "mimalloc", "jemalloc", "tcmalloc", "snmalloc", "rpmalloc"),
            "gc": ("Boehm", "mimalloc", "Whippet"), "pause": ("Boehm",), "lox": ("Lua", "clox")}


# --- the time left ---

class Clock:
    """What is under way, how far it is, and how long the rest may take."""

    def __init__(self, names, quick):
        self.typical = {name: TYPICAL.get(name, (60, 10))[quick] for name in names}
        self.waiting = list(names)
        self.name, self.began, self.share, self.pace = "", 0.0, 0.0, 1.0
        self.lock, self.shown = threading.Lock(), 0

    def begin(self, name):
        self.waiting.remove(name)
        self.name, self.began, self.share = name, time.monotonic(), 0.0

    def left(self):
        """Seconds: of this benchmark by its own pace, of the others by what is typical for them and
        how this machine compares so far."""
        spent = time.monotonic() - self.began
        if self.share > 0:
            own = spent * (1 - self.share) / self.share
            self.pace = (spent + own) / self.typical[self.name]
        else:
            own = max(self.typical[self.name] * self.pace - spent, 1)
        return own + sum(self.typical[name] for name in self.waiting) * self.pace

    def text(self):
        left = self.left()
        left = f"{left / 60:.0f} min" if left >= 90 else f"{left:.0f} s"
        return f"{self.name}: {self.share:.0%} done, about {left} left"

    def show(self):
        if sys.stderr.isatty():
            print(f"\r\033[K{self.text()}", end="", file=sys.stderr, flush=True)
        elif time.monotonic() - self.shown >= 20:
            self.shown = time.monotonic()
            print(f"bench: {self.text()}", file=sys.stderr, flush=True)

    def hide(self):
        if sys.stderr.isatty():
            print("\r\033[K", end="", file=sys.stderr, flush=True)


# --- one benchmark ---

def lines_of(path, run, bench):
    """Takes new lines of the rows' file into the run; yields the share that is done."""
    with open(path, "rb") as file:
        while True:
            line = file.readline()
            if not line.endswith(b"\n"):
                yield None
                file.seek(-len(line), os.SEEK_CUR)
                continue
            entry = json.loads(line)
            if "of" in entry:
                yield entry["done"] / entry["of"]
            elif "present" in entry:
                run["present"].add(entry["present"])
            elif "absent" in entry:
                run["absent"][entry["absent"]] = entry["why"]
            elif "machine" in entry:
                run["machine"].update(entry["machine"])
            elif "series" in entry:
                run["series"].append({"bench": bench, **entry})
            else:
                run["rows"].append({"bench": bench, **entry})


def watch(lines, clock):
    """Reads what is there now."""
    with clock.lock:
        for share in lines:
            if share is None:
                break
            clock.share = share
        clock.show()


class Interruption:
    """A signal ends the driver: at once, or when a program that is being started is known."""
    is_held, number = False, None

    @classmethod
    def came(cls, number, _frame):
        cls.number = number
        if not cls.is_held:
            sys.exit(128 + number)

    @classmethod
    @contextlib.contextmanager
    def held(cls):
        cls.is_held = True
        try:
            yield
        finally:
            cls.is_held = False
        if cls.number is not None:
            sys.exit(128 + cls.number)


def end_program(program):
    """With what it started, which is in its process group."""
    if program.poll() is None:
        os.killpg(program.pid, signal.SIGTERM)
        program.wait()


def run_program(name, command, run, clock):
    """Passes on what it prints; its exit status."""
    with tempfile.NamedTemporaryFile(suffix=".rows") as rows:
        environment = dict(os.environ, GOO_BENCH_ROWS=rows.name)
        lines, ended = lines_of(rows.name, run, name), threading.Event()
        program = None

        def watcher():
            while not ended.wait(1):
                watch(lines, clock)

        thread = threading.Thread(target=watcher, daemon=True)
        thread.start()
        try:
            with Interruption.held():
                program = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE,
                                           text=True, start_new_session=True)
            for line in program.stdout:
                with clock.lock:
                    clock.hide()
                    print(line, end="", flush=True)
            status = program.wait()
        finally:
            if program is not None:
                end_program(program)
            ended.set()
            thread.join()
        watch(lines, clock)
        clock.hide()
    return status


def lox_rows(found):
    """The figures of lox.py as rows."""
    for programs in found["groups"].values():
        for program, row in programs.items():
            for subject, one in row.items():
                if subject == "against":
                    continue
                entry = {"bench": "lox", "workload": program, "unit": "s", "more_is_better": False,
                         "subject": "goo lox" if subject == "lox" else subject,
                         "role": "goo" if subject == "lox" else "peer", "median": one["median"],
                         "least": one["min"], "most": one["max"], "n": len(one["seconds"]),
                         "peak_bytes": one["peak_mib"] * (1 << 20)}
                yield entry


def take_lox(path, run):
    """Also the machine, where no other benchmark named it."""
    with open(path, encoding="utf-8") as file:
        found = json.load(file)
    run["rows"] += lox_rows(found)
    run["machine"].setdefault("cpu", found["facts"]["cpu"])
    run["machine"].setdefault("load", " ".join(f"{load:.2f}" for load in
                                               found["facts"]["load_average"]))


def is_library(path):
    return ".so" in os.path.basename(path) or path.endswith(".dylib")


def command_of(name, options, lox_json):
    if name == "lox":
        command = [sys.executable, os.path.join(HERE, "lox.py"), options.programs[name], "--json",
                   lox_json]
        peers = [peer for peer in options.peer if not is_library(peer)]
        lua = shutil.which("lua5.4")
        peers += [f"lua={lua}"] if lua else []
    else:
        command = [options.programs[name]]
        peers = [peer for peer in options.peer if is_library(peer) and name == "alloc"]
    for peer in peers:
        command += ["--peer", peer]
    return command + (["--quick"] if options.quick else []) + options.rest


def run_all(options):
    run = {"format": 1, "date": datetime.datetime.now().isoformat(timespec="minutes"),
           "quick": options.quick, "machine": {"system": platform.platform(),
                                               "cpus": os.cpu_count()},
           "benches": [], "rows": [], "series": [], "absent": {},
           "present": set()}
    clock = Clock(options.programs, options.quick)
    for name in options.programs:
        clock.begin(name)
        if len(options.programs) > 1:
            print(f"\n=== {name} ===", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            lox_json = os.path.join(folder, "lox.json")
            status = run_program(name, command_of(name, options, lox_json), run, clock)
            if os.path.exists(lox_json):
                take_lox(lox_json, run)
        run["benches"].append({"name": name, "seconds": round(time.monotonic() - clock.began, 1),
                               "good": status == 0})
        options.misused |= status == MISUSED
    run["absent"].update(absent_peers(run))
    del run["present"]
    return run


def absent_peers(run):
    """{peer: how it takes part}: those of the benchmarks that ran, with no row of theirs, nor a word
    that they were there."""
    subjects = " ".join([row["subject"] for row in run["rows"]] + list(run["present"])).lower()
    wanted = {peer for bench in run["benches"] for peer in PEERS_OF.get(bench["name"], ())}
    return {peer: how for peer, how in PEERS.items()
            if peer in wanted and peer.lower() not in subjects}


# --- what follows ---

def print_ratios(run):
    print("\nbeside the best peer (times as long: below 1 is faster)")
    for group in figures.groups(run["rows"]).values():
        best = figures.best_peer(group)
        ours = [row for row in group if row["role"] == "goo"]
        if best is None or not ours or group[0]["bench"] == "memory":
            continue # memory's own table has it, 16 sizes of each operation
        print(f"  {group[0]['bench']}: {figures.group_title(group[0])}; {best['subject']} "
              f"{figures.value_text(best['median'], best['unit'])}")
        for row in ours:
            print(f"    {row['subject']:32} {figures.value_text(row['median'], row['unit']):>16}"
                  f"  {figures.times_as_long(row, best):6.2f}{figures.more_memory_text(row, best)}")


def print_growth(run):
    found = figures.growth(run["rows"])
    if found:
        print("\ngrowth: the whole cost as size to the power of")
    for one in found:
        heap = f", heap {one.heap:g} × live" if one.heap else ""
        print(f"  {one.exponent:5.2f}  {one.bench}: {one.workload}{heap}; {one.subject} "
              f"({len(one.sizes)} sizes)")


def print_costs(run):
    """A line for each program and collector, and then their means: what each heap costs."""
    found = figures.collection_costs(run["rows"])
    if found:
        print("\nwhat collection costs: times as long as an oracle that frees by hand, by the size "
              "of the heap")
    lines, means = {}, figures.mean_costs(found)
    if means:
        print("(means: of how many programs, and in brackets Goo's of the same)")
    for one in found:
        key = (f"{one.workload}, {figures.size_text(one.size, one.size_unit)}", one.subject,
               one.oracle, one.unit)
        lines.setdefault(key, {})[one.heap] = f"{one.by_oracle:.2f}"
    for one in means:
        key = ("geometric mean", one.subject, one.oracle, one.unit)
        lines.setdefault(key, {})[one.heap] = figures.mean_text(one)
    for (workload, subject, oracle, unit), heaps in lines.items():
        by_heap = "  ".join(f"{heap:g} ×: {text}" for heap, text in sorted(heaps.items()))
        print(f"  {workload:28} {subject:24} {by_heap}   (1 is {oracle}; {unit})")


def print_summary(run):
    print_ratios(run)
    print_growth(run)
    print_costs(run)
    for peer, how in run["absent"].items():
        print(f"absent: {peer} ({how})")
    for bench in run["benches"]:
        if not bench["good"]:
            print(f"FAILED: {bench['name']}")
    sys.stdout.flush()


# --- the command line ---

class Parser(argparse.ArgumentParser):
    def error(self, message):
        self.print_usage(sys.stderr)
        self.exit(MISUSED, f"bench: {message}\n")


def parse_options(arguments):
    parser = Parser(usage="./goo bench NAME|all [--quick] [--json FILE] [--html FILE] "
                    "[--peer FILE]... [options of NAME]", allow_abbrev=False)
    parser.add_argument("--programs", default="", help=argparse.SUPPRESS)
    parser.add_argument("--from", dest="recorded", metavar="FILE", help="a run written by --json")
    parser.add_argument("--quick", action="store_true", help="a look, not a figure")
    parser.add_argument("--json", metavar="FILE", help="writes all figures there")
    parser.add_argument("--html", metavar="FILE", help="writes a page of them there")
    parser.add_argument("--peer", metavar="FILE", action="append", default=[],
                        help="a library to preload for alloc, NAME=PROGRAM for lox")
    options, unknown = parser.parse_known_args(arguments)
    options.rest, options.misused = unknown, False
    options.programs = dict(pair.split("=", 1) for pair in options.programs.split("\n") if pair)
    if options.rest and len(options.programs) != 1:
        parser.error(f"not understood: {' '.join(options.rest)}")
    if not options.recorded and not options.programs:
        parser.error("nothing to run")
    if options.recorded and (options.programs or options.quick or options.peer):
        parser.error("--from runs nothing: it takes --html and --json")
    for peer in options.peer:
        if ("alloc" if is_library(peer) else "lox") not in options.programs and options.programs:
            parser.error(f"nobody takes --peer {peer}: alloc takes a library, lox NAME=PROGRAM")
    for path in filter(None, (options.json, options.html)):
        if not can_be_written(path):
            parser.error(f"{path} can't be written")
    return options


def can_be_written(path):
    """Without making the file, which a run that fails would leave empty."""
    folder = os.path.dirname(os.path.abspath(path))
    if os.path.exists(path):
        return not os.path.isdir(path) and os.access(path, os.W_OK)
    return os.path.isdir(folder) and os.access(folder, os.W_OK)


def read_recorded(path):
    """A run that --json wrote; None, and it is said, where it is none."""
    try:
        with open(path, encoding="utf-8") as file:
            run = json.load(file)
        missing = {"machine", "date", "quick", "benches", "rows", "series", "absent"} - set(run)
        if not missing:
            return run
        why = "not what --json wrote"
    except (OSError, ValueError, TypeError) as error:
        why = str(error)
    print(f"bench: {path}: {why}", file=sys.stderr)
    return None


def json_text(run):
    """A row on each line, so that two runs can be compared line by line."""
    parts = []
    for key, value in run.items():
        if key in ("rows", "series") and value:
            lines = ",\n  ".join(json.dumps(row, ensure_ascii=False) for row in value)
            parts.append(f'"{key}": [\n  {lines}\n ]')
        else:
            parts.append(f'"{key}": {json.dumps(value, ensure_ascii=False)}')
    return "{" + ",\n ".join(parts) + "}\n"


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def main(arguments):
    options = parse_options(arguments)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, Interruption.came)
    run = read_recorded(options.recorded) if options.recorded else run_all(options)
    if run is None:
        return 1
    if not run["rows"] and not options.recorded:
        print("bench: no figures: nothing is written", file=sys.stderr)
        return MISUSED if options.misused else 1
    print_summary(run)
    if options.json:
        write(options.json, json_text(run))
    if options.html:
        write(options.html, report.page(run))
    return 0 if options.recorded or all(bench["good"] for bench in run["benches"]) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
