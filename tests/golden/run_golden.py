#!/usr/bin/env python3
"""Runs one golden file: commands and the output that they must print.

    # a comment
    $ moesaic validate wrong.json       a command; it runs under bash, stdout and stderr together
    wrong.json: at /layers: ...         an expected line; `...` stands for any text, alone on a line for any lines
    ? 2                                 the expected exit code, 0 where nothing is said

Every file runs in a temporary folder of its own; a command sees the files of the ones before it. MOESAIC_SOURCE_DIR
names the source tree. An expected line that begins with `$ `, `? ` or `#` is written with a backslash before it.
Usage: run_golden.py --moesaic PROGRAM FILE | run_golden.py --self-test
"""
import argparse
import difflib
import os
import re
import subprocess
import sys
import tempfile

LIMIT_S = 240  # a command that hangs must fail with its name, before ctest ends the whole file at 300 s


class Case:
    """One command with its expected lines and exit code; line is its place in the file, for the report."""

    def __init__(self, command, line):
        self.command, self.line, self.expected, self.exit_code = command, line, [], 0


def parse(text):
    cases = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("$ "):
            cases.append(Case(line[2:], number))
        elif line.startswith("#"):
            continue
        elif not cases:
            if line.strip():
                raise ValueError(f"line {number}: expected a `$ command` line before any output")
        elif line.startswith("? "):
            cases[-1].exit_code = int(line[2:])
        else:
            cases[-1].expected.append(line[1:] if line.startswith("\\") else line)
    for case in cases:
        while case.expected and not case.expected[-1].strip():
            case.expected.pop()  # blank lines that only separate commands
    if not cases:
        raise ValueError("holds no `$ command` line")
    return cases


def matches(expected, actual):
    """Whether the lines actual are those expected, where `...` is any text and a line `...` is any number of lines."""
    pattern = ""
    for line in expected:
        if line.strip() == "...":
            pattern += r"(?:.*\n)*?"
        else:
            pattern += ".*?".join(re.escape(part) for part in line.rstrip().split("...")) + r"[ \t]*\n"
    return re.fullmatch(pattern, "".join(line + "\n" for line in actual)) is not None


def run(case, folder, environment):
    """The complaints about one case, empty when it does what its file says."""
    try:
        done = subprocess.run(["bash", "-c", case.command], cwd=folder, env=environment, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=LIMIT_S, check=False)
    except subprocess.TimeoutExpired:
        return [f"no end after {LIMIT_S} s"]
    actual = done.stdout.decode(errors="replace").rstrip("\n").splitlines()
    complaints = []
    if done.returncode != case.exit_code:
        complaints.append(f"exit code {done.returncode}, expected {case.exit_code}")
    if not matches(case.expected, actual):
        complaints += difflib.unified_diff(case.expected, actual, "expected", "actual", lineterm="")
    elif complaints:
        complaints += actual
    return complaints


def run_text(text, environment):
    """The complaints about all cases of a golden file."""
    complaints = []
    with tempfile.TemporaryDirectory(prefix="golden-") as folder:
        for case in parse(text):
            found = run(case, folder, environment)
            if found:
                complaints += [f"line {case.line}: $ {case.command}"] + ["  " + line for line in found]
    return complaints


# golden text -> whether it must pass
SELF_TESTS = {
    "$ echo one; echo two\none\ntwo\n": True,
    "# why\n$ echo one >file\n$ cat file\none\n\n$ true\n": True,
    "$ echo one; exit 3\none\n? 3\n": True,
    "$ echo 'took 12 ms at 3 GB/s'\ntook ... ms at ... GB/s\n": True,
    "$ seq 5\n1\n...\n5\n": True,
    "$ seq 5\n...\n": True,
    "$ echo '$ x'\n\\$ x\n": True,
    "$ echo a.b\na.b\n": True,
    "$ echo oops >&2\noops\n": True,
    "$ echo one\ntwo\n": False,
    "$ echo one\n": False,
    "$ true\none\n": False,
    "$ echo axb\na.b\n": False,
    "$ echo one; echo two\none\n": False,
    "$ seq 5\n1\n...\n6\n": False,
    "$ echo 'took 12 s'\ntook ... ms\n": False,
    "$ echo one; exit 3\none\n": False,
    "$ echo one\none\n? 2\n": False,
    "$ no-such-program-here\n": False,
}


def self_test():
    wrong = [text for text, passes in SELF_TESTS.items() if passes != (not run_text(text, dict(os.environ)))]
    for text in wrong:
        print(f"should {'pass' if SELF_TESTS[text] else 'fail'}, but does not:\n{text}")
    for text in ("", "output before any command\n"):
        try:
            parse(text)
            wrong.append(text)
            print(f"should be refused, but is not:\n{text}")
        except ValueError:
            pass
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--moesaic", help="the program that `moesaic` means")
    parser.add_argument("--self-test", action="store_true", help="prove that the runner can pass and fail")
    parser.add_argument("file", nargs="?")
    options = parser.parse_args()
    if options.self_test:
        return 1 if self_test() else 0
    if not options.moesaic or not options.file:
        parser.error("--moesaic and FILE are needed")
    program_folder = os.path.dirname(os.path.abspath(options.moesaic))
    environment = dict(os.environ, PATH=program_folder + os.pathsep + os.environ["PATH"], LC_ALL="C.UTF-8",
                       OMP_WAIT_POLICY="passive")
    environment.setdefault("MOESAIC_SOURCE_DIR",
                           os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
    with open(options.file, encoding="utf-8") as stream:
        complaints = run_text(stream.read(), environment)
    for complaint in complaints:
        print(complaint)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
