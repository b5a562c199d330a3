#!/usr/bin/env python3
"""Kills a training on two ranks with SIGKILL at random instants and resumes it, again and again until it is complete.

No step that CURRENT named may be lost, and the final checkpoint must be, byte for byte, that of a run that nobody
killed. Every second kill takes all processes at one instant, the others one rank, of which mpirun then ends the rest.
Usage: kill_test.py --moesaic PROGRAM [--kills N] [--seed S]
"""
import argparse
import glob
import hashlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid

STEPS = 24
MODEL = {"kind": "moesaic.model/1", "name": "kill-test", "family": "gpt_moe", "layers": 2, "hidden": 32, "heads": 2,
         "vocabulary": 256, "experts": 4, "top_k": 2, "intermediate": 64, "moe_layers": "all", "weight_dtype": "f32"}
WORKLOAD = {"kind": "moesaic.workload/1", "name": "kill-test", "phase": "training", "global_batch": 4,
            "sequence_length": 16, "compute_dtype": "f32", "seed": 1}
MPIRUN = ["mpirun", "--allow-run-as-root", "--oversubscribe", "--bind-to", "none", "--mca", "pml", "ob1", "--mca",
          "btl", "self,vader,tcp", "--mca", "mpi_yield_when_idle", "1", "-np", "2"]
END_S = 60  # until a job that was told to end, or has nothing to wait for, must be gone


class Lost(Exception):
    pass


class Job:
    """One start of the training, and all processes that descend from it, found by a marker in their environment."""

    def __init__(self, command, folder):
        self.marker = f"MOESAIC_KILL_TEST={uuid.uuid4().hex}"
        name, value = self.marker.split("=")
        environment = dict(os.environ, OMP_NUM_THREADS="1", OMP_WAIT_POLICY="passive", TMPDIR=folder, **{name: value})
        self.process = subprocess.Popen(command, cwd=folder, env=environment, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
        self.lines = []
        self.listener = threading.Thread(target=lambda: self.lines.extend(self.process.stdout))
        self.listener.start()

    def processes(self):
        """(pid, name) of those that live."""
        found = []
        for entry in glob.glob("/proc/[0-9]*"):
            try:
                with open(entry + "/environ", "rb") as stream:
                    if self.marker.encode() in stream.read().split(b"\0"):
                        with open(entry + "/comm", encoding="utf-8") as names:
                            found.append((int(entry.split("/")[-1]), names.read().strip()))
            except OSError:  # gone meanwhile, a zombie, or another user's
                continue
        return found

    def kill(self, one_rank):
        """False when there was nothing left to kill."""
        living = self.processes()
        ranks = [pid for pid, name in living if name == "moesaic-executo"]  # the kernel keeps 15 characters
        for pid in [random.choice(ranks)] if one_rank and ranks else [pid for pid, _ in living]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        return bool(living)

    def end(self):
        """Waits until nothing of the job is left; what it said."""
        self.process.wait(timeout=END_S)
        limit = time.monotonic() + END_S
        while self.processes():
            if time.monotonic() > limit:
                raise Lost(f"processes are left: {self.processes()}")
            time.sleep(0.01)
        self.listener.join()
        return "".join(self.lines)


class Training:
    def __init__(self, moesaic, folder):
        self.folder = folder
        self.executor = os.path.join(os.path.dirname(moesaic), "moesaic-executor")
        for name, document in (("model.json", MODEL), ("workload.json", WORKLOAD)):
            with open(os.path.join(folder, name), "w", encoding="utf-8") as stream:
                json.dump(document, stream)
        with open(os.path.join(folder, "corpus.txt"), "w", encoding="utf-8") as stream:
            stream.write("a quick brown fox jumps over the lazy dog\n" * 50)
        subprocess.run([moesaic, "plan", "--model", "model.json", "--cluster", "cpu-2core", "--workload",
                        "workload.json", "--effort", "1", "-o", "plan.json"], cwd=folder, check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def start(self, checkpoints):
        # The memory that ranks share would stay in /dev/shm when they are killed.
        return Job([*MPIRUN, "--mca", "btl_vader_backing_directory", self.folder, self.executor, "execute", "--plan", "plan.json", "--steps", str(STEPS), "--result",
                    "result.json", "--corpus", "corpus.txt", "--checkpoint", checkpoints, "--checkpoint-every", "1",
                    "--resume", "--transport", "mpi"], self.folder)

    def committed(self, checkpoints):
        """The step that CURRENT names; 0 before the first."""
        try:
            with open(os.path.join(self.folder, checkpoints, "CURRENT"), "rb") as stream:
                return int(re.match(rb"step-(\d+)\.manifest", stream.read()).group(1))
        except FileNotFoundError:
            return 0

    def content(self, checkpoints):
        """SHA-256 over manifest and shards of the final step, in order of their names."""
        digest = hashlib.sha256()
        names = sorted(glob.glob(os.path.join(self.folder, checkpoints, f"step-{STEPS:09d}.*")))
        for name in names:
            with open(name, "rb") as stream:
                digest.update(os.path.basename(name).encode() + b"\0" + stream.read())
        if len(names) != 3:
            raise Lost(f"the final checkpoint is {names}")
        return digest.hexdigest()


def check_start(text, committed):
    """No job trains a step again that was committed when it started. That it leaves none out the final content says."""
    first = re.search(r"^@progress (\d+) ", text, re.M)
    if first and int(first.group(1)) <= committed:
        raise Lost(f"step {committed} was committed, the resumed run began with {first.group(1)}:\n{text}")
    if "@error" in text and "Killed" not in text and "signal" not in text:
        raise Lost(text)


def run_with_kills(training, checkpoints, kills, span):
    """One training, killed at most so many times; how many it were and how many jobs committed something."""
    done = advanced = 0
    while True:
        before = training.committed(checkpoints)
        job = training.start(checkpoints)
        if done < kills:
            try:
                job.process.wait(timeout=random.uniform(0, 0.7 * span))
            except subprocess.TimeoutExpired:
                seen = training.committed(checkpoints)
                done += job.kill(one_rank=done % 2 == 1)
                check_start(job.end(), before)
                after = training.committed(checkpoints)
                if after < seen or seen < before:
                    raise Lost(f"committed: {before} at the start, {seen} before the kill, {after} after it")
                advanced += after > before
                continue
        text = job.end()
        check_start(text, before)
        if job.process.returncode != 0:
            raise Lost(f"exit code {job.process.returncode}: {text}")
        return done, advanced


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--moesaic", required=True, help="the program; moesaic-executor stands beside it")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    random.seed(options.seed)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="kill-test-") as folder:
        training = Training(os.path.abspath(options.moesaic), folder)
        started = time.monotonic()
        job = training.start("undisturbed")
        text = job.end()
        span = time.monotonic() - started
        check_start(text, 0)
        if job.process.returncode != 0:
            print(f"the undisturbed run ended with {job.process.returncode}: {text}")
            return 1
        expected = training.content("undisturbed")
        kills = advanced = runs = 0
        try:
            while kills < options.kills:
                done, moved = run_with_kills(training, f"killed-{runs}", options.kills - kills, span)
                kills, advanced, runs = kills + done, advanced + moved, runs + 1
                if training.content(f"killed-{runs - 1}") != expected:
                    raise Lost("the final parameters differ from those of the undisturbed run")
        except Lost as lost:
            print(f"after {kills} kills in complete runs: {lost}")
            return 1
    print(f"{kills} kills in {runs} runs, {advanced} of them after new commits; 0 committed steps lost, the same final "
          f"checkpoint each time (SHA-256 {expected[:16]}); {time.monotonic() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
