#!/usr/bin/env python3
"""Ends the program in the middle of its work: what it leaves must be the right exit code, whole files and no process.

Every command runs with a marker in its environment, by which /proc shows what is left of it, and with a TMPDIR of its
own. A signal is sent when the progress line says that the work is under way, not after a time. The limits are those
that the program promises, times LOAD for a busy machine.
Usage: interrupts_test.py --moesaic PROGRAM [NAME...]
"""
import argparse
import glob
import json
import os
import pty
import select
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import uuid

LOAD = 4  # a machine with every core taken by others
START_S = 120  # until the work is under way
MOESAIC = "moesaic"


class Job:
    """A command with a terminal for its standard error, and all processes that descend from it."""

    def __init__(self, folder, *arguments):
        self.marker = f"MOESAIC_INTERRUPT_TEST={uuid.uuid4().hex}"
        self.temporary = os.path.join(folder, "tmp")
        os.makedirs(self.temporary, exist_ok=True)
        name, value = self.marker.split("=")
        environment = dict(os.environ, TMPDIR=self.temporary, LC_ALL="C.UTF-8", TERM="dumb", **{name: value})
        self.terminal, slave = pty.openpty()
        self.process = subprocess.Popen([MOESAIC, *arguments], cwd=folder, env=environment, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=slave)
        os.close(slave)
        self.text = ""

    def listen(self, seconds):
        """Reads what the program says for so long; False when it has closed its end."""
        if not select.select([self.terminal], [], [], seconds)[0]:
            return True
        try:
            self.text += os.read(self.terminal, 65536).decode(errors="replace")
            return True
        except OSError:  # the end of a terminal
            return False

    def wait_for(self, what, condition):
        end = time.monotonic() + START_S
        while not condition():
            if not self.listen(0.01) or self.process.poll() is not None or time.monotonic() > end:
                raise AssertionError(f"never came to '{what}'; it said: {self.text}")

    def wait_for_text(self, text):
        self.wait_for(text, lambda: text in self.text)

    def exit_code(self, seconds):
        """The exit code; None when the command still runs after so long."""
        end = time.monotonic() + seconds * LOAD
        while self.process.poll() is None and time.monotonic() < end:
            self.listen(0.05)
        while select.select([self.terminal], [], [], 0)[0] and self.listen(0):
            pass
        return self.process.returncode

    def processes(self):
        """(pid, name) of every living process of the job."""
        found = []
        for folder in glob.glob("/proc/[0-9]*"):
            try:
                with open(folder + "/environ", "rb") as stream:
                    if self.marker.encode() not in stream.read().split(b"\0"):
                        continue
                with open(folder + "/comm", encoding="utf-8") as stream:
                    found.append((int(folder.split("/")[-1]), stream.read().strip()))
            except OSError:  # gone meanwhile, a zombie, or another user's
                continue
        return found

    def ranks(self):
        return [pid for pid, name in self.processes() if name == "moesaic-executo"]  # the kernel keeps 15 characters

    def left_after(self, seconds):
        """The processes that are left when that many seconds have passed, or sooner when none is."""
        end = time.monotonic() + seconds * LOAD
        while self.processes() and time.monotonic() < end:
            time.sleep(0.05)
        return self.processes()

    def close(self):
        for pid, _ in self.processes():
            os.kill(pid, signal.SIGKILL)
        self.process.wait()
        os.close(self.terminal)


class Interrupts(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory(prefix="interrupts-")
        self.addCleanup(holder.cleanup)
        self.folder = holder.name

    def path(self, name):
        return os.path.join(self.folder, name)

    def start(self, *arguments):
        job = Job(self.folder, *arguments)
        self.addCleanup(job.close)
        return job

    def prepare(self, *arguments):
        subprocess.run([MOESAIC, "plan", "-o", "plan.json", "--effort", "1", *arguments], cwd=self.folder, check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def prepare_tiny(self):
        self.prepare("--model", "gpt-moe-tiny", "--cluster", "cpu-2core", "--workload", "cpu-demo")

    def start_plan(self):
        if os.path.exists(self.path("plan.json")):
            os.remove(self.path("plan.json"))
        return self.start("plan", "--model", "semoe-104.1b", "--cluster", "a100-80g-8x8", "--workload",
                          "semoe-training-64", "--effort", "1000000", "-o", "plan.json")

    def check_clean(self, job, folder_may_stay=False):
        self.assertEqual(job.left_after(5), [])
        if not folder_may_stay:
            self.assertEqual(glob.glob(job.temporary + "/moesaic-*"), [])
        self.assertEqual(glob.glob(self.folder + "/*.tmp*"), [])

    def check_interrupted(self, job, number):
        job.process.send_signal(number)
        self.assertEqual(job.exit_code(3), 130, job.text)
        self.check_clean(job)

    def test_plan_writes_the_best_so_far(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(number.name):
                job = self.start_plan()
                job.wait_for_text("plans evaluated")
                self.check_interrupted(job, number)
                with open(self.path("plan.json"), encoding="utf-8") as stream:
                    self.assertIs(json.load(stream)["interrupted"], True)
                subprocess.run([MOESAIC, "validate", self.path("plan.json")], check=True, stdout=subprocess.DEVNULL)

    def test_plan_without_any_price_writes_nothing(self):
        job = self.start_plan()
        job.wait_for("a worker", lambda: len(job.processes()) > 1)
        self.check_interrupted(job, signal.SIGINT)
        self.assertIn("interrupted", job.text)
        self.assertFalse(os.path.exists(self.path("plan.json")))

    def test_plan_killed_leaves_no_worker(self):
        job = self.start_plan()
        job.wait_for("a worker", lambda: len(job.processes()) > 1)
        job.process.kill()
        self.assertEqual(job.exit_code(1), -signal.SIGKILL)
        self.check_clean(job)

    def test_simulate(self):
        self.prepare("--model", "deepseek-v3", "--cluster", "a100-80g-16x8", "--workload", "decode-128x2048")
        job = self.start("simulate", "plan.json", "--trace", "trace.json", "--report", "report.html")
        job.wait_for("a worker", lambda: len(job.processes()) > 1)
        self.check_interrupted(job, signal.SIGINT)
        self.assertEqual(sorted(os.listdir(self.folder)), ["plan.json", "tmp"])

    def start_execute(self, *arguments):
        self.prepare_tiny()
        job = self.start("execute", "plan.json", "--steps", "1000000", "-o", "result.json", *arguments)
        job.wait_for_text("steps trained")
        return job

    def test_execute(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            for launcher in ([], ["--launcher", "local"], ["--launcher", "tcp"]):
                with self.subTest(number.name, launcher=launcher):
                    job = self.start_execute(*launcher)
                    self.check_interrupted(job, number)
                    self.assertFalse(os.path.exists(self.path("result.json")))

    def test_execute_names_the_rank_that_died(self):
        job = self.start_execute()
        self.assertEqual(len(job.ranks()), 2)
        os.kill(job.ranks()[-1], signal.SIGKILL)
        self.assertEqual(job.exit_code(5), 3, job.text)
        self.assertRegex(job.text, r"moesaic: rank [01] died \(signal 9, Killed\)")
        self.check_clean(job)

    def test_execute_whose_threads_died(self):
        job = self.start_execute("--launcher", "local")
        os.kill(job.ranks()[0], signal.SIGKILL)
        self.assertEqual(job.exit_code(5), 3, job.text)
        self.assertIn("moesaic: the executor died (Killed)", job.text)
        self.check_clean(job)

    def test_execute_killed_leaves_no_rank(self):
        for launcher in ([], ["--launcher", "local"], ["--launcher", "tcp"]):
            with self.subTest(launcher=launcher):
                job = self.start_execute(*launcher)
                job.process.kill()
                self.assertEqual(job.exit_code(1), -signal.SIGKILL)
                self.check_clean(job, folder_may_stay=True)  # nobody is left who could remove it

    def test_profile(self):
        for launcher in ([], ["--launcher", "local"]):
            with self.subTest(launcher=launcher):
                job = self.start("profile", "-o", "machine", "--budget", "600", *launcher)
                job.wait_for("ranks", lambda: len(job.ranks()) == (1 if launcher else 2))
                self.check_interrupted(job, signal.SIGINT)
                self.assertFalse(os.path.exists(self.path("machine")))


def main():
    global MOESAIC
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--moesaic", required=True, help="the program")
    parser.add_argument("names", nargs="*", help="tests to run, for example Interrupts.test_plan; default: all")
    options = parser.parse_args()
    MOESAIC = os.path.abspath(options.moesaic)
    unittest.main(argv=[sys.argv[0], "--verbose", *options.names])


if __name__ == "__main__":
    main()
