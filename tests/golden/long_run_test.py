#!/usr/bin/env python3
"""A training of many steps: its memory does not grow with them, its losses are streamed, its result is a sample; and what a
kill leaves of the stream goes on.
Usage: long_run_test.py --moesaic PROGRAM [--steps N]
"""
import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import unittest

MOESAIC = ""
STEPS = 3000
KEPT = 512  # StepHistory::kKept
MODEL = {"kind": "moesaic.model/1", "name": "long", "family": "gpt_moe", "layers": 2, "hidden": 8, "heads": 1,
         "vocabulary": 256, "experts": 2, "top_k": 1, "intermediate": 8, "moe_layers": "all", "weight_dtype": "f32"}
WORKLOAD = {"kind": "moesaic.workload/1", "name": "long", "phase": "training", "global_batch": 2,
            "sequence_length": 4, "compute_dtype": "f32", "seed": 1}
# With all task times a rank would hold 100 tasks * 24 bytes and more of each step: 5 MB and more of 2 * 1,000 steps.
MOST_GROWTH_BYTES = 2_000_000


class LongRun(unittest.TestCase):
    def setUp(self):
        self.scratch = tempfile.TemporaryDirectory(prefix="long-run-")
        self.addCleanup(self.scratch.cleanup)
        for name, document in (("model.json", MODEL), ("workload.json", WORKLOAD)):
            with open(self.file(name), "w", encoding="utf-8") as stream:
                json.dump(document, stream)
        self.run_program("plan", "--model", "model.json", "--cluster", "cpu-2core", "--workload", "workload.json",
                         "--effort", "1", "-o", "plan.json")

    def file(self, name):
        return os.path.join(self.scratch.name, name)

    def run_program(self, *arguments):
        done = subprocess.run([MOESAIC, *arguments], cwd=self.scratch.name, text=True, capture_output=True, check=False)
        self.assertEqual(done.returncode, 0, f"{arguments}\n{done.stderr}")
        return done.stdout

    def result(self, name):
        with open(self.file(name), encoding="utf-8") as stream:
            return json.load(stream)

    def losses(self, name):
        with open(self.file(name), encoding="utf-8") as stream:
            steps = [json.loads(line) for line in stream]
        self.assertEqual([step["step"] for step in steps], list(range(1, len(steps) + 1)))
        return [step["loss"] for step in steps]

    def resident(self, steps):
        """Bytes that the process of all ranks holds in its last step, and before what it gathers: at most."""
        command = [os.path.join(os.path.dirname(MOESAIC), "moesaic-executor"), "execute", "--plan", "plan.json", "--steps",
                   str(steps), "--transport", "local", "--result", "result.json"]
        most = 0
        with subprocess.Popen(command, cwd=self.scratch.name, stderr=subprocess.PIPE, text=True) as process:
            for line in process.stderr:
                done = re.match(r"@progress (\d+) ", line)
                if done and int(done[1]) % 100 == 0 and int(done[1]) < steps:
                    with open(f"/proc/{process.pid}/statm", encoding="ascii") as stream:
                        most = max(most, int(stream.read().split()[1]) * os.sysconf("SC_PAGE_SIZE"))
        self.assertEqual(process.returncode, 0)
        return most

    def test_memory_does_not_grow(self):
        short, long = self.resident(1000), self.resident(STEPS)
        print(f"resident after 1,000 steps {short / 1e6:.1f} MB, after {STEPS:,} steps {long / 1e6:.1f} MB")
        self.assertLess(long - short, MOST_GROWTH_BYTES)

    def test_result_is_a_sample_of_the_stream(self):
        text = self.run_program("execute", "plan.json", "--launcher", "local", "--steps", "700", "-o", "result.json")
        self.assertIn("median of 512 of 700", text)
        self.assertIn(self.file("result.steps.jsonl"), text)
        losses, result = self.losses("result.steps.jsonl"), self.result("result.json")
        sample = result["sample"]
        self.assertEqual((len(losses), result["steps"], sample["stream"]), (700, 700, "result.steps.jsonl"))
        self.assertEqual((sample["steps"][0], sample["steps"][-1], len(sample["steps"])), (1, 700, KEPT))
        self.assertEqual(result["loss"], [losses[step - 1] for step in sample["steps"]])
        self.assertIn(f"{losses[-1]:.4f} at step 700", text)
        for series in (result["cross_entropy"], result["all_step_seconds"], result["disturbance"]["by_step"],
                       result["routing"]["counts"]):
            self.assertEqual(len(series), KEPT)
        self.assertEqual({row[2] for row in sample["task_statistics"]}, {700})
        self.assertEqual(len(sample["task_statistics"]), result["tasks"])
        self.assertIn("result, fine", self.run_program("validate", "result.json"))
        self.run_program("compare", "plan.json", "result.json")

    def test_short_runs_have_no_stream(self):
        self.run_program("execute", "plan.json", "--launcher", "local", "--steps", str(KEPT), "-o", "result.json")
        self.assertNotIn("sample", self.result("result.json"))
        self.assertEqual(len(self.result("result.json")["loss"]), KEPT)
        self.assertFalse(os.path.exists(self.file("result.steps.jsonl")))

    def test_stream_survives_a_kill(self):
        """Killed behind step 300, resumed from a checkpoint before it: the losses are those of a run that nobody killed."""
        arguments = ["execute", "plan.json", "--launcher", "local", "--steps", "600"]
        self.run_program(*arguments, "-o", "whole.json")
        command = [MOESAIC, *arguments, "--checkpoint", "saved", "--checkpoint-every", "70", "-o", "killed.json"]
        process = subprocess.Popen(command, cwd=self.scratch.name, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while process.poll() is None and self.streamed("killed.steps.jsonl") < 300:
            time.sleep(0.001)
        process.kill()
        process.wait()
        self.assertFalse(os.path.exists(self.file("killed.json")))
        self.run_program(*command[1:], "--resume")
        self.assertGreater(self.result("killed.json")["first_step"], 0)
        self.assertEqual(self.losses("killed.steps.jsonl"), self.losses("whole.steps.jsonl"))

    def streamed(self, name):
        try:
            with open(self.file(name), encoding="utf-8") as stream:
                return sum(1 for _ in stream)
        except FileNotFoundError:
            return 0


def main():
    global MOESAIC, STEPS
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--moesaic", required=True, help="the program; moesaic-executor stands beside it")
    parser.add_argument("--steps", type=int, default=STEPS)
    options, rest = parser.parse_known_args()
    MOESAIC, STEPS = os.path.abspath(options.moesaic), options.steps
    unittest.main(argv=[sys.argv[0], *rest])


if __name__ == "__main__":
    main()
