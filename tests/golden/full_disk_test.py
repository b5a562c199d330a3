#!/usr/bin/env python3
"""Writes every output of the program onto a disk that is full: an error, the old file as it was, and nothing else.
Checkpoints onto a disk that becomes full at 20 different bytes: training ends with an error that names the file, and
goes on from where it was when there is room again.

The disk is a tmpfs in a mount namespace of its own; where the kernel refuses that the test is skipped (77).
Usage: full_disk_test.py --moesaic PROGRAM
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
import unittest

SKIPPED = 77
MOESAIC = "moesaic"
TINY = ["--model", "gpt-moe-tiny", "--cluster", "cpu-2core", "--workload", "cpu-demo", "--effort", "1"]
MODEL = {"kind": "moesaic.model/1", "name": "small", "family": "gpt_moe", "layers": 2, "hidden": 32, "heads": 2,
         "vocabulary": 256, "experts": 4, "top_k": 2, "intermediate": 64, "moe_layers": "all", "weight_dtype": "f32"}
WORKLOAD = {"kind": "moesaic.workload/1", "name": "small", "phase": "training", "global_batch": 4,
            "sequence_length": 16, "compute_dtype": "f32", "seed": 1}


class Disk(unittest.TestCase):
    SIZE = "64k"

    def setUp(self):
        holder = tempfile.TemporaryDirectory(prefix="full-disk-")
        self.addCleanup(holder.cleanup)
        self.folder = holder.name
        self.disk = os.path.join(self.folder, "disk")
        os.mkdir(self.disk)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={self.SIZE}", "tmpfs", self.disk], check=True)
        self.addCleanup(subprocess.run, ["umount", "--lazy", self.disk], check=True)

    def run_program(self, *arguments, **environment):
        return subprocess.run([MOESAIC, *arguments], cwd=self.folder, env=dict(os.environ, **environment), text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)


class FullDisk(Disk):
    def setUp(self):
        super().setUp()
        self.assertEqual(self.run_program("plan", *TINY, "-o", "plan.json").returncode, 0)

    def fill(self):
        """An old output, and no block left beside it."""
        for name in os.listdir(self.disk):
            os.remove(os.path.join(self.disk, name))
        with open(os.path.join(self.disk, "old"), "w", encoding="utf-8") as stream:
            stream.write("as it was")
        with open(os.path.join(self.disk, "filling"), "wb", buffering=0) as stream:
            try:
                while True:
                    stream.write(bytes(4096))
            except OSError:
                pass

    def check_refused(self, done):
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("cannot be written: No space left on device; what was there is unchanged", done.stderr)
        self.assertEqual(sorted(os.listdir(self.disk)), ["filling", "old"])
        with open(os.path.join(self.disk, "old"), encoding="utf-8") as stream:
            self.assertEqual(stream.read(), "as it was")

    def test_outputs(self):
        execute = ["execute", "plan.json", "--launcher", "local", "--steps", "1"]
        for command in (["plan", *TINY, "-o"], ["simulate", "plan.json", "--trace"],
                        ["simulate", "plan.json", "--report"], ["simulate", "plan.json", "--timeline"],
                        ["compare", "plan.json", "plan.json", "--report"], [*execute, "-o"], [*execute, "--trace"],
                        [*execute, "--report"]):
            with self.subTest(command):
                self.fill()
                self.check_refused(self.run_program(*command, "disk/old"))

    def test_temporary_folder(self):
        self.fill()
        done = self.run_program("execute", "plan.json", "--launcher", "local", "--steps", "1", "-o", "result.json",
                                TMPDIR=self.disk)
        self.check_refused(done)
        self.assertFalse(os.path.exists(os.path.join(self.folder, "result.json")))

    def test_half_a_file_fits(self):
        """The disk takes the first blocks of a trace, not all of it."""
        done = self.run_program("simulate", "plan.json", "--trace", "disk/trace.json")
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertEqual(os.listdir(self.disk), [])


class Checkpoints(Disk):
    """A checkpoint of this model takes some 610 kB; two are there, and 0 to 760 kB are left for the third."""
    SIZE = "4m"
    LEVELS, LEVEL_BYTES = 20, 40_000

    def setUp(self):
        super().setUp()
        for name, document in (("model.json", MODEL), ("workload.json", WORKLOAD)):
            with open(os.path.join(self.folder, name), "w", encoding="utf-8") as stream:
                json.dump(document, stream)
        self.assertEqual(self.run_program("plan", "--model", "model.json", "--workload", "workload.json", "--cluster",
                                          "cpu-2core", "--effort", "1", "-o", "plan.json").returncode, 0)

    def train(self, steps, *arguments):
        return self.run_program("execute", "plan.json", "--launcher", "local", "--steps", str(steps), "--json",
                                *arguments)

    def fill_but(self, level, free):
        status = os.statvfs(self.disk)
        with open(os.path.join(self.disk, "filling"), "wb") as stream:
            stream.write(bytes(max(0, status.f_bavail * status.f_bsize - free)))
        self.assertLess(os.statvfs(self.disk).f_bavail * status.f_bsize, free + 8192, level)

    def test_at_every_level(self):
        expected = json.loads(self.train(6).stdout)["loss"]
        codes = []
        for level in range(self.LEVELS):
            with self.subTest(level):
                folder = f"disk/{level}"
                saving = ["--checkpoint", folder, "--checkpoint-every", "1"]
                self.assertEqual(self.train(2, *saving).returncode, 0)
                self.fill_but(level, level * self.LEVEL_BYTES)
                full = self.train(3, *saving, "--resume")
                codes.append(full.returncode)
                if full.returncode != 0:
                    self.assertEqual(full.returncode, 3, full.stderr)
                    self.assertRegex(full.stderr, rf"{folder}/.*: No space left on device; the one of step 2 is complete")
                os.remove(os.path.join(self.disk, "filling"))
                rest = self.train(6, *saving, "--resume")
                self.assertEqual(rest.returncode, 0, rest.stderr)
                result = json.loads(rest.stdout)
                self.assertEqual(result["first_step"], 2 if full.returncode else 3)
                self.assertEqual(result["rejected_checkpoint_files"], [])
                self.assertEqual(result["loss"], expected[result["first_step"]:])
                subprocess.run(["rm", "-r", os.path.join(self.disk, str(level))], check=True)
        self.assertEqual((codes[0], codes[-1]), (3, 0))


def main():
    global MOESAIC
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--moesaic", required=True, help="the program")
    options = parser.parse_args()
    MOESAIC = os.path.abspath(options.moesaic)
    if os.environ.get("MOESAIC_OWN_MOUNTS") != "1":
        alone = ["unshare", "--mount", "--map-root-user"]
        may = subprocess.run([*alone, "mount", "-t", "tmpfs", "tmpfs", "/mnt"], stderr=subprocess.PIPE, text=True, check=False)
        if may.returncode != 0:
            print("skipped: this system grants no mount namespace:", may.stderr.strip())
            return SKIPPED
        return subprocess.run([*alone, sys.executable, __file__, "--moesaic", MOESAIC],
                              env=dict(os.environ, MOESAIC_OWN_MOUNTS="1"), check=False).returncode
    return 0 if unittest.main(argv=[sys.argv[0], "--verbose"], exit=False).result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
