#!/usr/bin/env python3
"""Runs an example program and compares what it prints with what is recorded.

    example.py PROGRAM EXPECTED_FILE

A '#' in the recorded text stands for any number. Prints TAP.
"""

import os
import re
import subprocess
import sys


def main():
    program, expected_path = sys.argv[1:3]
    with open(expected_path, encoding="utf-8") as file:
        expected = file.read()
    pattern = re.escape(expected).replace(re.escape("#"), r"[0-9]+")
    result = subprocess.run([program], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                            timeout=60)
    good = result.returncode == 0 and re.fullmatch(pattern, result.stdout) is not None
    print("1..1")
    print(f"{'ok' if good else 'not ok'} 1 - examples::{os.path.basename(program)}")
    if not good:
        print(f"# exit status {result.returncode}, and this output:")
        for line in result.stdout.splitlines():
            print("# | " + line)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
