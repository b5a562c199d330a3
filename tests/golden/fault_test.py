#!/usr/bin/env python3
"""Kills and stops ranks of a training job: the job must end or go on, soon, and name the rank.

Kills come at random instants; at which point one struck is read from what the survivor was waiting for. --trials asks
for a measurement of more kills and prints seconds from kill to exit by point.
Usage: fault_test.py --moesaic PROGRAM [--trials N] [--seed N] [NAME...]
"""
import argparse
import json
import os
import random
import re
import signal
import statistics
import sys
import time
import unittest

import interrupts_test
from interrupts_test import LOAD

END_S = 5  # from the death of a rank to the end of the job
TRIALS = 12
SEED = 1


def point_of(text):
    """The part of the step in which the survivor waited."""
    match = re.search(r"waiting for it in '(.*?)'", text)
    if not match:
        return "not known"
    for word, point in [("counts", "counts exchange"), ("dispatch", "all-to-all"), ("combine", "all-to-all"),
                        ("reduce", "gradient all-reduce"), ("losses", "gradient all-reduce"), ("step", "optimizer")]:
        if word in match[1]:
            return point
    return match[1]


class Faults(unittest.TestCase):
    setUp = interrupts_test.Interrupts.setUp
    path = interrupts_test.Interrupts.path
    start = interrupts_test.Interrupts.start
    prepare = interrupts_test.Interrupts.prepare
    check_clean = interrupts_test.Interrupts.check_clean

    def prepare_ranks(self, ranks):
        """A plan for so many ranks of this machine, whatever its number of cores."""
        self.prepare("--model", "gpt-moe-tiny", "--cluster", "cpu-2core", "--workload", "cpu-demo")
        if ranks != 2:
            with open(self.path("plan.json"), encoding="utf-8") as stream:
                cluster = json.load(stream)["documents"]["cluster"]
            cluster["nodes"]["devices_per_node"] = ranks
            with open(self.path("cluster.json"), "w", encoding="utf-8") as stream:
                json.dump(cluster, stream)
            self.prepare("--model", "gpt-moe-tiny", "--cluster", "cluster.json", "--workload", "cpu-demo")

    def start_execute(self, *arguments):
        return self.start("execute", "plan.json", "--steps", "1000000", "-o", "result.json", *arguments)

    def rank_of(self, pid):
        with open(f"/proc/{pid}/environ", "rb") as stream:
            words = dict(word.split(b"=", 1) for word in stream.read().split(b"\0") if b"=" in word)
        return int(words.get(b"MOESAIC_RANK") or words[b"OMPI_COMM_WORLD_RANK"])

    def pid_of(self, job, rank):
        return next(pid for pid in job.ranks() if self.rank_of(pid) == rank)

    def check_ended(self, job, seconds):
        code = job.exit_code(seconds)
        self.assertEqual(code, 3, job.text)
        self.assertFalse(os.path.exists(self.path("result.json")))
        self.check_clean(job)

    def kill_once(self, chance, at_init):
        """(seconds from kill to exit, point)"""
        job = self.start_execute()
        if at_init:
            job.wait_for("ranks", lambda: len(job.ranks()) == 2)
            time.sleep(chance.uniform(0, 0.3))
        else:
            job.wait_for_text("steps trained")
            time.sleep(chance.uniform(0, 0.3))
        rank = chance.randrange(2)
        started = "steps trained" in job.text
        os.kill(self.pid_of(job, rank), signal.SIGKILL)
        begin = time.monotonic()
        self.check_ended(job, END_S)
        seconds = time.monotonic() - begin
        if started:
            self.assertRegex(job.text, rf"moesaic: rank {rank} died \(signal 9, Killed\)")
        else:  # mpirun itself may lock up then, before it says who
            self.assertRegex(job.text, rf"moesaic: (rank {rank} died \(signal 9, Killed\)|every rank has ended)")
        return seconds, point_of(job.text) if started else "init"

    def test_a_dead_rank_ends_the_job(self):
        self.prepare_ranks(2)
        chance = random.Random(SEED)
        seconds = {}
        for trial in range(TRIALS):
            took, point = self.kill_once(chance, at_init=trial % 4 == 0)
            seconds.setdefault(point, []).append(took)
        for point, all_took in sorted(seconds.items()):
            print(f"{point}: {len(all_took)} kills, median {statistics.median(all_took):.2f} s, "
                  f"worst {max(all_took):.2f} s", file=sys.stderr)
        self.assertGreater(len(set(seconds) - {"init", "not known"}), 0)

    def test_a_dead_process_of_threads_ends_the_job(self):
        self.prepare_ranks(2)
        job = self.start_execute("--launcher", "local")
        job.wait_for_text("steps trained")
        os.kill(job.ranks()[0], signal.SIGKILL)
        self.check_ended(job, END_S)
        self.assertIn("moesaic: the executor died (Killed)", job.text)

    def test_a_dead_rank_of_a_tcp_job_ends_it(self):
        self.prepare_ranks(4)
        for rank in (0, 2):
            with self.subTest(rank=rank):
                job = self.start_execute("--launcher", "tcp")
                job.wait_for_text("steps trained")
                os.kill(self.pid_of(job, rank), signal.SIGKILL)
                self.check_ended(job, END_S)
                self.assertRegex(job.text, rf"moesaic: rank {rank} died \(signal 9, Killed\)")

    def test_a_rank_that_dies_before_it_has_joined_ends_a_tcp_job(self):
        self.prepare_ranks(2)
        job = self.start_execute("--launcher", "tcp")
        job.wait_for("ranks", lambda: len(job.ranks()) == 2)
        os.kill(self.pid_of(job, 1), signal.SIGKILL)
        self.check_ended(job, END_S)
        self.assertRegex(job.text, r"moesaic: rank 1 died \(signal 9, Killed\)")

    def test_a_launcher_that_outlives_its_ranks_is_ended(self):
        self.prepare_ranks(2)
        with open(self.path("launcher.py"), "w", encoding="utf-8") as stream:
            stream.write("import subprocess, time\nsubprocess.run(['sleep', '1'])\ntime.sleep(1000)\n")
        job = self.start_execute("--launcher", f"{sys.executable} launcher.py")
        self.check_ended(job, 1 + END_S)
        self.assertIn("moesaic: every rank has ended, at least one before its time, but the launcher has not", job.text)

    def test_a_stopped_rank_is_named_and_goes_on(self):
        self.prepare_ranks(2)
        job = self.start_execute("--stall-warning", "1")
        job.wait_for_text("steps trained")
        for rank in (1, 0):
            with self.subTest(rank=rank):
                job.text = ""
                pid = self.pid_of(job, rank)
                os.kill(pid, signal.SIGSTOP)
                begin = time.monotonic()
                job.wait_for_text("has not answered")
                self.assertLess(time.monotonic() - begin, 2 * LOAD)
                self.assertRegex(job.text, rf"moesaic: warning: rank {rank} has not answered for 1\.[0-4] s; "
                                           rf"rank {1 - rank} waits for it in '.+'")
                os.kill(pid, signal.SIGCONT)
                job.wait_for_text("every rank answers again")
                job.text = ""
                job.wait_for_text("steps trained")
        self.assertNotIn("not answered", job.text)

    def test_a_rank_that_is_stopped_too_long_ends_the_job(self):
        self.prepare_ranks(2)
        for launcher in ([], ["--launcher", "tcp"]):
            with self.subTest(launcher=launcher):
                job = self.start_execute("--stall-warning", "0", "--stall-timeout", "2", *launcher)
                job.wait_for_text("steps trained")
                os.kill(self.pid_of(job, 1), signal.SIGSTOP)
                self.check_ended(job, 2 + END_S)
                self.assertRegex(job.text, r"moesaic: rank 1 has not answered for 2\.\d s; rank 0 waits for it in '.+'; "
                                           r"the job has been ended \(--stall-timeout\)")

    def test_only_the_silent_rank_of_four_is_named(self):
        """The other three soon wait for one another as well; the one that does not say so is where it began."""
        self.prepare_ranks(4)
        job = self.start_execute("--stall-warning", "1", "--stall-timeout", "4")
        job.wait_for_text("steps trained")
        os.kill(self.pid_of(job, 2), signal.SIGSTOP)
        self.check_ended(job, 4 + END_S)
        self.assertRegex(job.text, r"moesaic: rank 2 has not answered for 4\.\d s; .*\(--stall-timeout\)")

    def test_a_job_that_was_stopped_as_a_whole_has_no_silent_rank(self):
        self.prepare_ranks(2)
        job = self.start_execute("--stall-warning", "1", "--stall-timeout", "2")
        job.wait_for_text("steps trained")
        ranks = job.ranks()
        for pid in ranks:
            os.kill(pid, signal.SIGSTOP)
        time.sleep(3)
        for pid in ranks:
            os.kill(pid, signal.SIGCONT)
        job.text = ""
        job.wait_for_text("steps trained")
        self.assertNotIn("not answered", job.text)


def main():
    global TRIALS, SEED
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--moesaic", required=True, help="the program")
    parser.add_argument("--trials", type=int, default=TRIALS, help="kills in test_a_dead_rank_ends_the_job")
    parser.add_argument("--seed", type=int, default=SEED, help="of the instants and ranks")
    parser.add_argument("names", nargs="*", help="tests to run, for example Faults.test_a_dead_rank_ends_the_job")
    options = parser.parse_args()
    TRIALS, SEED = options.trials, options.seed
    interrupts_test.MOESAIC = os.path.abspath(options.moesaic)
    unittest.main(argv=[sys.argv[0], "--verbose", *options.names])


if __name__ == "__main__":
    main()
