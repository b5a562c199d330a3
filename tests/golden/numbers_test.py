#!/usr/bin/env python3
"""Feeds nan, inf, negative and absurd numbers to every numeric option of every verb of both programs, as their --help
lists them: each must end with exit code 2 and name the option. It starts no work."""
import argparse
import re
import subprocess
import sys
import unittest

PROGRAMS = []
WRONG = ["nan", "inf", "-inf", "-1", "1e300", "1e999", ""]
NUMERIC = re.compile(r"^\s+(?:-\w,\s*)?(--[\w-]+)\s+(INT|UINT|FLOAT|TIME)\b", re.M)
VERBS = re.compile(r"^(?:SUBCOMMANDS|Subcommands):\n((?: +\S.*\n)+)", re.M)


def run(command):
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)


def commands_of(command):
    """The command and, below it, those of its verbs, each as a list of words."""
    found = VERBS.search(run([*command, "--help"]).stdout)
    names = re.findall(r"^  (\w+)\s", found[1], re.M) if found else []
    return [command, *(below for name in names for below in commands_of([*command, name]))]


class EveryNumericOption(unittest.TestCase):
    def test_refuses_what_is_no_sensible_number(self):
        options = [(command, option) for program in PROGRAMS for command in commands_of([program])
                   for option, _ in NUMERIC.findall(run([*command, "--help"]).stdout)]
        # profile, plan, execute and the executor's three verbs have some; a walk that finds none would prove nothing.
        self.assertGreaterEqual(len({tuple(command) for command, _ in options}), 6, options)
        for command, option in options:
            for value in WRONG:
                with self.subTest(command=command, option=option, value=value):
                    done = run([*command, f"{option}={value}"])
                    self.assertEqual(done.returncode, 2, done.stderr)
                    self.assertIn(option, done.stderr)

    def test_durations_have_one_syntax(self):
        """A good time passes, and what is complained about is what is missing: the output, the plan, the folder."""
        for program, verb, option in [(0, "profile", "--budget"), (0, "plan", "--budget"), (0, "execute", "--stall-timeout"),
                                      (1, "profile", "--budget"), (1, "execute", "--stall-warning")]:
            for value in ["30", "30s", "2min", "500ms", "0.5 h"]:
                with self.subTest(program=program, verb=verb, option=option, value=value):
                    done = run([PROGRAMS[program], verb, f"{option}={value}"])
                    self.assertEqual(done.returncode, 2, done.stderr)
                    self.assertIn("required", done.stderr)
                    self.assertNotIn(option + ":", done.stderr)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--moesaic", required=True)
    parser.add_argument("--executor", required=True)
    arguments = parser.parse_args()
    PROGRAMS = [arguments.moesaic, arguments.executor]
    unittest.main(argv=sys.argv[:1])
