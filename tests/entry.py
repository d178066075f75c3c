#!/usr/bin/env python3
"""Tests the entry point `goo` without building anything: misuse, help, and missing packages.

    entry.py PATH_OF_GOO

The script is copied into a folder of its own, with a PATH that holds only the tools that every
Debian system has; compilers, meson and the rest are then missing. `id` and `apt-get` are stand-ins
that play root or another user, and record what was to be installed. Prints TAP.
"""

import os
import shutil
import subprocess
import sys
import tempfile

BASIC_TOOLS = ("sh", "dirname", "basename", "cat", "tr", "head", "find", "mkdir", "touch", "mv",
               "grep", "env")
TEST_PACKAGES = ("libcriterion-dev", "zlib1g-dev", "libzstd-dev", "liblua5.4-dev")
PACKAGES = ("gcc", "libc6-dev", "meson", "ninja-build", "python3", "pkg-config", "libxxhash-dev")


class Room:
    """A folder with the script alone and a PATH of stand-ins."""

    def __init__(self, folder, script, user_id, apt):
        self.tools = os.path.join(folder, "tools")
        os.mkdir(self.tools)
        for tool in BASIC_TOOLS:
            os.symlink(shutil.which(tool), os.path.join(self.tools, tool))
        self.script = os.path.join(folder, "goo")
        shutil.copy(script, self.script)
        self.record = os.path.join(folder, "record")
        self.tool("id", f"echo {user_id}")
        if apt:
            self.tool("apt-get", f'echo "$@" >>{self.record}; echo "said by apt-get"; {apt}')

    def tool(self, name, body):
        path = os.path.join(self.tools, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"#!/bin/sh\n{body}\n")
        os.chmod(path, 0o755)

    def run(self, *arguments):
        return subprocess.run([self.script, *arguments], env={"PATH": self.tools}, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)

    def recorded(self):
        if not os.path.exists(self.record):
            return ""
        with open(self.record, encoding="utf-8") as file:
            return file.read()


def expect(condition, text):
    if not condition:
        raise AssertionError(text)


def help_goes_to_standard_output(room):
    result = room.run("--help")
    expect(result.returncode == 0 and "Usage: ./goo VERB" in result.stdout, result)
    expect(result.stderr == "", result)
    result = room.run("bench", "--help")
    expect(result.returncode == 0 and result.stderr == "", result)
    expect("\n  lox " in result.stdout, result)


def misuse_is_64_and_silent_on_standard_output(room):
    for arguments in ([], ["frobnicate"], ["run"], ["test", "a", "b"], ["bench"], ["bench", "no"],
                      ["format", "--wrong"], ["check", "x"], ["setup", "x"], ["build", "x"]):
        result = room.run(*arguments)
        expect(result.returncode == 64 and result.stdout == "" and result.stderr, (arguments, result))


def others_than_root_are_told_what_is_missing(room):
    for verb in (["run", "x.lox"], ["repl"], ["test"], ["build"], ["setup"]):
        result = room.run(*verb)
        expect(result.returncode == 1 and result.stdout == "", (verb, result))
        expect("apt-get install" in result.stderr, (verb, result))
        for package in PACKAGES:
            expect(f" {package}" in result.stderr, (verb, package, result))
        for package in TEST_PACKAGES:
            expect((f" {package}" in result.stderr) == (verb[0] in ("test", "setup")),
                   (verb, package, result))
    expect(room.recorded() == "", room.recorded())


def without_apt_get_packages_are_named(room):
    result = room.run("run", "x.lox")
    expect(result.returncode == 1 and "missing: gcc" in result.stderr, result)


def root_updates_and_installs(room):
    result = room.run("run", "x.lox")
    lines = room.recorded().splitlines()
    expect(lines[0].startswith("update"), lines)
    expect(lines[1].startswith("install") and "libxxhash-dev" in lines[1], lines)
    for package in TEST_PACKAGES:
        expect(package not in lines[1], lines)
    expect("said by apt-get" in result.stderr and result.stdout == "", result)
    expect(result.returncode == 1 and "still missing" in result.stderr, result)


def tests_install_what_they_need(room):
    result = room.run("test")
    lines = room.recorded().splitlines()
    for package in PACKAGES + TEST_PACKAGES:
        expect(f" {package}" in lines[1], (package, lines, result))


def a_failed_installation_is_said(room):
    result = room.run("test")
    expect(result.returncode == 1 and "could not install" in result.stderr, result)


def every_part_of_check_runs_and_is_reported(room):
    result = room.run("check")
    expect(result.returncode == 1 and result.stdout == "", result)
    for part in ("tests", "clang", "deep checks", "thread sanitizer", "valgrind", "instructions",
                 "shellcheck"):
        expect(f"goo: check: {part}\n" in result.stderr, (part, result))
    for tool in ("clang", "valgrind", "shellcheck"):
        expect(f"{tool} is not installed: skipped" in result.stderr, (tool, result))
    expect("check failed: tests, deep checks, thread sanitizer\n" in result.stderr, result)


CASES = (
    (help_goes_to_standard_output, 1000, None),
    (misuse_is_64_and_silent_on_standard_output, 1000, None),
    (others_than_root_are_told_what_is_missing, 1000, "exit 0"),
    (without_apt_get_packages_are_named, 0, None),
    (root_updates_and_installs, 0, "exit 0"),
    (tests_install_what_they_need, 0, "exit 0"),
    (a_failed_installation_is_said, 0, "exit 100"),
    (every_part_of_check_runs_and_is_reported, 1000, None),
)


def main():
    script = sys.argv[1]
    failed = 0
    print(f"1..{len(CASES)}")
    for number, (case, user_id, apt) in enumerate(CASES, 1):
        complaint = None
        with tempfile.TemporaryDirectory() as folder:
            try:
                case(Room(folder, script, user_id, apt))
            except (AssertionError, OSError, IndexError, subprocess.SubprocessError) as error:
                complaint = str(error)
        failed += complaint is not None
        print(f"{'ok' if complaint is None else 'not ok'} {number} - entry::{case.__name__}")
        if complaint is not None:
            print("# " + complaint)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
