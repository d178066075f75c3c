"""One Lox test case: what to run, what to expect, and how the two are compared.

A case is a command line for a Lox binary and an Expectation. The expectation of a script stands
in the script itself, as comments (README.md lists them):

    print 1 + 2; // out: 3
    // err: Operand must be a number.
    // exit: 70

Lines are compared one by one and in order, standard output and standard error apart. Whatever a
case expects, a signal, a timeout or a sanitizer's report is a failure.
"""

import difflib
import os
import re
import subprocess
import time

DIRECTIVE = re.compile(r"//\s*(out~|out|err~|err|exit|stress|needs):(?: (.*))?$")

SANITIZER = re.compile(
    r"(ERROR|WARNING): (Address|Leak|Memory|Thread|UndefinedBehavior)Sanitizer"
    r"|^\S+:\d+:\d+: runtime error:"
    r"|SUMMARY: \w+Sanitizer", re.MULTILINE)


class Line:
    """One expected line: its exact text, or a pattern that the whole line must match."""

    def __init__(self, text, is_pattern=False):
        self.text = text
        self.pattern = re.compile(text) if is_pattern else None

    def accepts(self, line):
        return self.pattern.fullmatch(line) is not None if self.pattern else line == self.text


class Expectation:
    """`out` and `err` are lists of Line, or None where the text does not matter; `check`, if
    given, gets the whole Result and returns a list of complaints. An `exit_code` of None is any."""

    def __init__(self, out=None, err=None, exit_code=0, check=None):
        self.out = out
        self.err = err
        self.exit_code = exit_code
        self.check = check


class Case:
    """`args` follow the binary. `stress` replaces the 1 of `stress=1`; `skip_stress` is a reason
    not to run under stress at all. `needs_goo` marks what another Lox can't do. `output` is a file
    for standard output, which is then not compared."""

    def __init__(self, name, args, expectation, stdin=b"", needs_goo=False, stress=None,
                 skip_stress=None, takes_gc=True, environment=None,
                 output="-"):
        self.name = name
        self.args = args
        self.expectation = expectation
        self.stdin = stdin
        self.needs_goo = needs_goo
        self.stress = stress
        self.skip_stress = skip_stress
        self.takes_gc = takes_gc
        self.environment = environment or {}
        self.output = output


class Result:
    def __init__(self, exit_code, out, err, seconds, timed_out):
        self.exit_code = exit_code
        self.out = out
        self.err = err
        self.seconds = seconds
        self.timed_out = timed_out


def text_lines(text):
    """Lines without their newlines; a last line that lacks its newline says so."""
    if text == "":
        return []
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    else:
        lines[-1] += "\\ no newline at the end"
    return lines


def exact(text):
    return [Line(line) for line in text_lines(text)]


def decode(data):
    return data.decode("utf-8", "backslashreplace")


def read_directives(source):
    """The (kind, text) pairs of a script, in order."""
    found = []
    for line in source.split("\n"):
        match = DIRECTIVE.search(line)
        if match:
            found.append((match.group(1), match.group(2) or ""))
    return found


def case_from_source(name, path, source, recorded_out=None):
    """A case for a script file. `recorded_out` is the content of NAME.expected, if there is one."""
    out, err = [], []
    case = Case(name, [path], Expectation(out, err))
    for kind, text in read_directives(source):
        if kind in ("out", "out~"):
            out.append(Line(text, kind == "out~"))
        elif kind in ("err", "err~"):
            err.append(Line(text, kind == "err~"))
        elif kind == "exit":
            case.expectation.exit_code = int(text)
        elif kind == "needs":
            if text != "goo":
                raise ValueError("%s: 'needs: goo' is the only need there is" % name)
            case.needs_goo = True
        elif text.startswith("skip"):
            case.skip_stress = text[len("skip"):].strip()
            if not case.skip_stress:
                raise ValueError("%s: 'stress: skip' wants a reason" % name)
        else:
            case.stress = int(text)
    if recorded_out is not None:
        case.expectation.out = exact(recorded_out)
    return case


def run(command, stdin, cwd, timeout, environment=None, output="-"):
    began = time.monotonic()
    stdout = subprocess.PIPE if output == "-" else os.open(output, os.O_WRONLY)
    try:
        done = subprocess.run(command, input=stdin, stdout=stdout, stderr=subprocess.PIPE,
                              cwd=cwd, timeout=timeout, check=False,
                              env={**os.environ, **(environment or {})})
    except subprocess.TimeoutExpired as stopped:
        return Result(None, decode(stopped.stdout or b""), decode(stopped.stderr or b""),
                      time.monotonic() - began, True)
    finally:
        if output != "-":
            os.close(stdout)
    return Result(done.returncode, decode(done.stdout or b""), decode(done.stderr),
                  time.monotonic() - began, False)


def stream_diff(label, expected, actual_text):
    """Complaints about one stream: a unified diff, or nothing."""
    if expected is None:
        return []
    actual = text_lines(actual_text)
    if len(actual) == len(expected) and all(e.accepts(a) for e, a in zip(expected, actual)):
        return []
    wanted = [actual[i] if i < len(actual) and e.accepts(actual[i]) else e.text
              for i, e in enumerate(expected)]
    return list(difflib.unified_diff(wanted, actual, label + " expected", label + " got",
                                     lineterm="", n=2))


def complaints(expectation, result):
    """Why `result` is not what was expected; empty when it is."""
    found = []
    if result.timed_out:
        found.append("timed out after %.1f s" % result.seconds)
    elif result.exit_code < 0:
        found.append("ended by signal %d" % -result.exit_code)
    elif expectation.exit_code not in (None, result.exit_code):
        found.append("exit %d, expected %d" % (result.exit_code, expectation.exit_code))
    if SANITIZER.search(result.err):
        found.append("a sanitizer reported:")
        found.extend(result.err.split("\n")[:60])
        return found
    found.extend(stream_diff("stdout", expectation.out, result.out))
    found.extend(stream_diff("stderr", expectation.err, result.err))
    if expectation.check is not None and not result.timed_out:
        found.extend(expectation.check(result))
    return found
