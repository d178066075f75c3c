#!/usr/bin/env python3
"""Runs changed programs on two Lox implementations and shows where they differ.

    differential.py LOX_BINARY ORACLE_BINARY [--count N] [--seed N] [--gc TEXT] [PATH...]

Each program is one or two of the conformance scripts (those that need nothing of ours) with a few
words dropped, doubled, exchanged or replaced. Most no longer make sense: what counts is that both
say the same about them, on both streams and with the same exit code. A program that runs too long
on either is left out. The same seed makes the same programs.

Exit code 1 if any differed; each such program is printed, and kept in DIR if one is given.
"""

import argparse
import concurrent.futures
import os
import random
import re
import sys
import tempfile

import case as cases

HERE = os.path.dirname(os.path.abspath(__file__))
WORD = re.compile(r"\"[^\"]*\"|//[^\n]*|\d+(?:\.\d+)?|\w+|[!=<>]=|\s+|.", re.DOTALL)
SPARE_WORDS = ("and class else false fun for if nil or print return super this true var while "
               "( ) { } ; , . - + / * ! != = == > >= < <= \" # 0 1 2.5 \"s\" a b f C init m x "
               "a.b f() this.x super.m() = 1; {} return; print a; -1 nil; (1)").split(" ")
OPERATORS = "+ - * / < > <= >= == != and or".split(" ")
VALUES = "nil true false 0 1 2.5 \"s\"".split(" ")
KEYWORDS = set("and class else false for fun if nil or print return super this true var "
               "while".split())
# Names that only our runtime knows: the other one would find them undefined.
NATIVES = set("readFile len charAt substring ord chr parseNumber toString List append get set pop "
              "insert remove".split())
# What an implementation may word or decide as it likes.
OPEN = re.compile(r"Too much nesting|-?nan")


def words_of(text):
    words = [word for word in WORD.findall(text) if not word.startswith("//")]
    return [word + "_" if word in NATIVES else word for word in words]


def corpus(paths):
    """The words of each script that the plain language covers, without its comments. Left out is
    what asks for the time, since it would print it, and what takes long under stress."""
    found = []
    for path in paths:
        with open(path, "rb") as file:
            text = cases.decode(file.read())
        if not re.search(r"// (needs|stress): |\bclock\b", text):
            found.append(words_of(text))
    return found


def is_name(word):
    return (word[0].isalpha() or word[0] == "_") and word not in KEYWORDS


def same_kind(words, i, choose):
    """A word that may stand where word i stands."""
    word = words[i]
    if is_name(word):
        return choose.choice([other for other in words if is_name(other)])
    if word in OPERATORS:
        return choose.choice(OPERATORS)
    if word in ("nil", "true", "false") or word[0] == '"' or word[0].isdigit():
        return choose.choice(VALUES + [other for other in words if is_name(other)])
    return word


def change(words, choose):
    """One random edit, in place: mostly one that leaves a program a program."""
    places = [i for i, word in enumerate(words) if not word.isspace()]
    if not places:
        return
    i = choose.choice(places)
    kind = choose.randrange(20)
    if kind == 0:
        del words[i]
    elif kind == 1:
        words.insert(i, words[i] + " ")
    elif kind == 2:
        j = choose.choice(places)
        words[i], words[j] = words[j], words[i]
    elif kind == 3:
        words[i] = choose.choice(SPARE_WORDS)
    elif kind == 4:
        words.insert(i, " " + choose.choice(SPARE_WORDS) + " ")
    elif kind == 5:
        words[i] = words[choose.choice(places)]
    else:
        words[i] = same_kind(words, i, choose)


def program(scripts, seed):
    """The program of a seed."""
    choose = random.Random(seed)
    words = list(choose.choice(scripts))
    if choose.random() < 0.3:
        words += list(choose.choice(scripts))
    for _ in range(1 if choose.random() < 0.5 else choose.randrange(2, 8)):
        change(words, choose)
    return "".join(words)


def compare(options, scripts, seed):
    """(source, None if both agree, else a list of complaints); "slow" for one that ran too long."""
    source = program(scripts, seed)
    with tempfile.NamedTemporaryFile("w", suffix=".lox", encoding="utf-8",
                                     errors="surrogateescape") as file:
        file.write(source)
        file.flush()
        gc = ["--gc", options.gc] if options.gc else []
        theirs = cases.run([options.oracle, file.name], b"", HERE, options.timeout)
        if theirs.timed_out or theirs.exit_code < 0:
            return source, "slow"
        ours = cases.run([options.binary] + gc + [file.name], b"", HERE, 20 * options.timeout)
    if ours.timed_out:
        return source, ["ours timed out, the other took %.2f s" % theirs.seconds]
    if OPEN.search(ours.err + ours.out + theirs.out):
        return source, None
    expectation = cases.Expectation(cases.exact(theirs.out), cases.exact(theirs.err),
                                    theirs.exit_code)
    return source, cases.complaints(expectation, ours) or None


def show(options, seed, source, found):
    print("seed %d differs:" % seed)
    for line in found[:40]:
        print("  " + line)
    print("  --- the program ---\n%s\n" % source, flush=True)
    if options.keep:
        with open(os.path.join(options.keep, "seed-%d.lox" % seed), "w", encoding="utf-8") as file:
            file.write(source)


def parse_options(arguments):
    parser = argparse.ArgumentParser(description="Compares two Lox implementations.")
    parser.add_argument("binary", metavar="LOX_BINARY")
    parser.add_argument("oracle", metavar="ORACLE_BINARY")
    parser.add_argument("--count", metavar="N", type=int, default=1000)
    parser.add_argument("--seed", metavar="N", type=int, default=1, help="of the first program")
    parser.add_argument("--gc", metavar="TEXT", help="heap settings for LOX_BINARY")
    parser.add_argument("--keep", metavar="DIR", help="keeps the programs that differ")
    parser.add_argument("--jobs", metavar="N", type=int, default=os.cpu_count())
    parser.add_argument("--timeout", metavar="S", type=float, default=1)
    parser.add_argument("paths", metavar="PATH", nargs="*", help="scripts to change")
    options = parser.parse_intermixed_args(arguments)
    options.binary = os.path.abspath(options.binary)
    options.oracle = os.path.abspath(options.oracle)
    if not options.paths:
        options.paths = sorted(os.path.join(parent, file) for parent, _, files in os.walk(HERE)
                               for file in files if file.endswith(".lox"))
    return options


def main(arguments):
    options = parse_options(arguments)
    scripts = corpus(options.paths)
    seeds = range(options.seed, options.seed + options.count)
    different = slow = 0
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        results = pool.map(lambda seed: compare(options, scripts, seed), seeds)
        for seed, (source, found) in zip(seeds, results):
            if found == "slow":
                slow += 1
            elif found:
                different += 1
                show(options, seed, source, found)
    print("%d programs, %d differ, %d left out" % (options.count, different, slow))
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
