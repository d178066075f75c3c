#!/usr/bin/env python3
"""Tests the driver of the benchmarks, bench.py, and lox.py, over programs made up here.

    driver_test.py

A benchmark is a shell script that writes the rows that bench.h would, crashes, or waits; a Lox is
one that prints a number. What is tested is what a user meets: wrong command lines are refused
before anything runs, files are kept from runs that fail, peers that are absent or crash cost
nobody else, and an interrupted run leaves nothing running. Nothing is timed. Prints TAP.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))

ROW = {"workload": "w", "subject": "goo", "role": "goo", "unit": "ns", "median": 2.0, "least": 1.0,
       "most": 3.0, "n": 5, "more_is_better": False}
PEER = dict(ROW, subject="rival", role="peer", median=1.0)


def expect(condition, *what):
    if not condition:
        raise AssertionError(what)


def script(folder, name, text):
    path = os.path.join(folder, name)
    with open(path, "w", encoding="utf-8") as file:
        file.write("#!/bin/sh\n" + text + "\n")
    os.chmod(path, 0o755)
    return path


def row_script(folder, *entries, then=""):
    lines = "\n".join(json.dumps(entry) for entry in entries)
    return script(folder, "rows", f"cat >>\"$GOO_BENCH_ROWS\" <<'END'\n{lines}\nEND\n{then}")


def drive(*arguments, program=None, name="gc"):
    programs = ["--programs", f"{name}={program}"] if program else []
    return subprocess.run([sys.executable, os.path.join(HERE, "bench.py"), *programs, *arguments],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


# --- the driver ---

def a_wrong_command_line_runs_nothing(folder):
    ran, kept = os.path.join(folder, "ran"), os.path.join(folder, "kept.json")
    program = script(folder, "toucher", f"touch {ran}")
    for wrong in (["--html", os.path.join(folder, "none", "x.html")], ["--json", folder],
                  ["--json"], ["--peer", "libx.so"], ["--peer", "clox=/bin/true"]):
        result = drive(*wrong, program=program)
        expect(result.returncode == 64 and "bench: " in result.stderr, wrong, result)
    for wrong in (["--from", kept, "--quick"], ["--from", kept, "--peer", "libx.so"], []):
        expect(drive(*wrong).returncode == 64, wrong)
    expect(not os.path.exists(ran), "nothing ran")


def a_run_without_figures_writes_no_file(folder):
    kept = os.path.join(folder, "kept.json")
    with open(kept, "w", encoding="utf-8") as file:
        file.write("an earlier run")
    for status, wanted in ((64, 64), (1, 1)):
        result = drive("--json", kept, program=script(folder, "failing", f"exit {status}"))
        expect(result.returncode == wanted and "absent" not in result.stdout, result)
    expect(read(kept) == "an earlier run", read(kept))


def figures_before_a_crash_are_kept(folder):
    kept = os.path.join(folder, "kept.json")
    result = drive("--json", kept, program=row_script(folder, ROW, PEER, then="kill -SEGV $$"))
    expect(result.returncode == 1 and "FAILED: gc" in result.stdout, result)
    expect(len(json.loads(read(kept))["rows"]) == 2, read(kept))
    again = drive("--from", kept, "--html", kept + ".html")
    expect(again.returncode == 0 and "gc 0 s FAILED" in read(kept + ".html"), again)


def a_named_peer_that_is_absent_is_kept_as_absent(folder):
    kept = os.path.join(folder, "kept.json")
    absent = {"absent": "/none/libx.so", "why": "can't be preloaded"}
    result = drive("--json", kept, program=row_script(folder, absent, ROW, PEER))
    expect("absent: /none/libx.so (can't be preloaded)" in result.stdout, result)
    expect(json.loads(read(kept))["absent"]["/none/libx.so"] == "can't be preloaded", read(kept))


def more_memory_is_said_beside_the_ratio(folder):
    rows = [dict(ROW, peak_bytes=3e6), dict(PEER, peak_bytes=2e6)]
    result = drive(program=row_script(folder, *rows))
    expect("2.00  with 1.50 × its memory" in result.stdout, result)


def what_is_no_run_is_refused(folder):
    for text in ("", "{}", "[]", "7"):
        path = os.path.join(folder, "odd.json")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        result = drive("--from", path)
        expect(result.returncode == 1 and "Traceback" not in result.stderr, text, result)
    expect("No such file" in drive("--from", os.path.join(folder, "none")).stderr, "said")


def is_running(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def an_interrupted_run_leaves_nothing_running(folder):
    pids = os.path.join(folder, "pids")
    program = script(folder, "waiting", f"sleep 300 &\necho $$ $! >{pids}.new\n"
                                        f"mv {pids}.new {pids}\nwait")
    for number in (signal.SIGINT, signal.SIGTERM):
        driver = subprocess.Popen([sys.executable, os.path.join(HERE, "bench.py"), "--programs",
                                   f"gc={program}"], stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True)
        patience = time.monotonic() + 30
        while not os.path.exists(pids) and time.monotonic() < patience:
            time.sleep(0.05)
        started = read(pids).split()
        os.remove(pids)
        driver.send_signal(number)
        said = driver.communicate(timeout=30)[1]
        expect(driver.returncode == 128 + number and "Traceback" not in said, said)
        while any(map(is_running, started)) and time.monotonic() < patience:
            time.sleep(0.05)
        expect(len(started) == 2 and not any(map(is_running, started)), started)


# --- Lox ---

def a_lox_peer_that_crashes_or_is_absent_costs_nobody_else(folder):
    kept = os.path.join(folder, "kept.json")
    lox = script(folder, "lox", "echo 1")
    good, bad = script(folder, "good", "echo 1"), script(folder, "bad", "kill -SEGV $$")
    for name in ("a", "b"):
        with open(os.path.join(folder, name + ".lox"), "w", encoding="utf-8") as file:
            file.write("// Made: up\n// out: 1\n")
    peers = ["--peer", f"good={good}", "--peer", f"bad={bad}", "--peer", "gone=/none/gone"]
    result = drive("--json", kept, *peers, folder, program=lox, name="lox")
    run = json.loads(read(kept))
    subjects = {row["subject"] for row in run["rows"]} - {"lua"}
    expect(result.returncode == 1 and subjects == {"goo lox", "good"}, result, subjects)
    expect("bad is left out" in result.stderr and "exit status -11" in result.stderr, result)
    expect(run["absent"]["gone"] == "/none/gone can't be run", run["absent"])
    expect(run["machine"]["cpu"] and run["machine"]["load"], run["machine"])


CASES = (a_wrong_command_line_runs_nothing, a_run_without_figures_writes_no_file,
         figures_before_a_crash_are_kept, a_named_peer_that_is_absent_is_kept_as_absent,
         more_memory_is_said_beside_the_ratio, what_is_no_run_is_refused,
         an_interrupted_run_leaves_nothing_running,
         a_lox_peer_that_crashes_or_is_absent_costs_nobody_else)


def main():
    failed = 0
    print(f"1..{len(CASES)}")
    for number, case in enumerate(CASES, 1):
        name = f"{number} - bench_driver::{case.__name__}"
        try:
            with tempfile.TemporaryDirectory() as folder:
                case(folder)
            print(f"ok {name}")
        except (AssertionError, OSError, KeyError, ValueError,
                subprocess.SubprocessError) as error:
            failed += 1
            print(f"not ok {name}\n# {str(error)[:2000]}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
