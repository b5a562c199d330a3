#!/usr/bin/env python3
"""Chrome traces of simulations and trainings, read back: slices that do not overlap, arrows with both ends in slices,
operations and bytes, and the ranks that were asked for.
Usage: trace_test.py --moesaic PROGRAM
"""
import argparse
import bisect
import collections
import json
import os
import subprocess
import sys
import tempfile
import unittest

MOESAIC = ""
TINY = ["--model", "gpt-moe-tiny", "--cluster", "cpu-2core", "--workload", "cpu-demo", "--effort", "2"]
CASES = {  # arguments of `plan`, decisions, whether this machine can train it
    "pipeline": (TINY, {"layout": {"pp": 2, "micro_batches": 4}}, True),
    "host_experts": (TINY, {"layout": {"ep": 2}, "expert_storage": {"home": "host"}, "prefetch": {"experts": 1}}, True),
    "two_nodes": (["--model", "semoe-26.8b", "--cluster", "a100-80g-2x8", "--workload", "semoe-training-16",
                   "--routing", "zipf-1.2", "--effort", "1"],
                  {"layout": {"ep": 16}, "dispatch": {"all_to_all": "hierarchical_2d"}}, False),
}
WORK = {"flops", "memory_bytes", "intra_node_bytes", "inter_node_bytes", "moved_bytes"}


class Traces(unittest.TestCase):
    def setUp(self):
        self.scratch = tempfile.TemporaryDirectory(prefix="trace-")
        self.addCleanup(self.scratch.cleanup)

    def run_program(self, *arguments):
        done = subprocess.run([MOESAIC, *arguments], cwd=self.scratch.name, text=True, capture_output=True, check=False)
        self.assertEqual(done.returncode, 0, f"{arguments}\n{done.stderr}")

    def plan(self, arguments, decisions):
        preset = {"kind": "moesaic.preset/1", "name": "traced", "note": "decisions of a test", **decisions}
        with open(os.path.join(self.scratch.name, "preset.json"), "w", encoding="utf-8") as stream:
            json.dump(preset, stream)
        self.run_program("plan", *arguments, "--preset", "preset.json", "-o", "plan.json")

    def events(self, *arguments):
        self.run_program(*arguments, "--trace", "trace.json")
        with open(os.path.join(self.scratch.name, "trace.json"), encoding="utf-8") as stream:
            return json.load(stream)["traceEvents"]

    def check(self, events):
        by_phase = collections.defaultdict(list)
        for event in events:
            by_phase[event["ph"]].append(event)
        self.assertEqual(set(by_phase), {"M", "X", "s", "f", "C"})
        slices = self.slices_of(by_phase["X"])
        self.check_arrows(by_phase["s"], by_phase["f"], slices)
        named = {event["pid"] for event in by_phase["M"] if event["name"] == "process_name"}
        self.assertEqual({event["pid"] for event in events}, named)
        for event in by_phase["X"]:
            self.assertTrue(all(event["args"][key] > 0 for key in WORK & set(event["args"])), event)
        self.assertTrue(any("flops" in event["args"] for event in by_phase["X"]))

    def slices_of(self, events):
        """By process and thread, (start, end) in nanoseconds, ascending; none begins before another has ended."""
        slices = collections.defaultdict(list)
        for event in events:
            start = round(1000 * event["ts"])
            slices[event["pid"], event["tid"]].append((start, start + round(1000 * event["dur"])))
        for place, on_thread in slices.items():
            on_thread.sort()
            for (_, end), (start, after) in zip(on_thread, on_thread[1:]):
                self.assertLessEqual(end, start, place)
                self.assertLessEqual(start, after, place)
        return slices

    def check_arrows(self, starts, ends, slices):
        self.assertEqual([event["id"] for event in starts], list(range(len(starts))))
        self.assertEqual([event["id"] for event in ends], list(range(len(starts))))
        for start, end in zip(starts, ends):
            self.assertEqual(start["name"], end["name"])
            self.assertLessEqual(start["ts"], end["ts"])
            self.assertEqual(end["bp"], "e")
            self.assertEqual(start["pid"] == end["pid"], start["name"] == "dependency")
            for event, behind_start in ((start, 1), (end, 0)):  # the slice that an arrow begins in is open by then
                time = round(1000 * event["ts"])
                self.assertTrue(holds(slices[event["pid"], event["tid"]], time, behind_start), event)
        self.assertEqual({event["name"] for event in starts}, {"dependency", "arrival"})

    def test_of_simulations(self):
        for name, (arguments, decisions, _) in CASES.items():
            with self.subTest(name):
                self.plan(arguments, decisions)
                self.check(self.events("simulate", "plan.json"))

    def test_of_trainings(self):
        for name, (arguments, decisions, trained) in CASES.items():
            if trained:
                with self.subTest(name):
                    self.plan(arguments, decisions)
                    self.check(self.events("execute", "plan.json", "--launcher", "local", "--steps", "3"))

    def test_of_some_ranks(self):
        """The same slices and samples; of the arrows those between the ranks."""
        arguments, decisions, _ = CASES["two_nodes"]
        self.plan(arguments, decisions)
        everything = self.events("simulate", "plan.json")
        some = self.events("simulate", "plan.json", "--trace-ranks", "7-8,0")
        ranks = {0, 7, 8}
        self.check(some)
        self.assertEqual([event for event in everything if event["ph"] in "MXC" and event["pid"] in ranks],
                         [event for event in some if event["ph"] in "MXC"])
        arrows = collections.defaultdict(list)
        for event in everything:
            if event["ph"] in "sf":
                arrows[event["id"]].append(event)
        inside = [arrow for arrow in arrows.values() if {event["pid"] for event in arrow} <= ranks]
        found = [event for event in some if event["ph"] in "sf"]
        self.assertEqual([without_id(event) for arrow in inside for event in arrow], [without_id(event) for event in found])

    def test_counts_work(self):
        """The experts of all ranks multiply as many rows as all tokens have choices: 12 H F operations a row and step,
        forward and backward, of a GELU expert (two matrices, three products of each, two operations a product)."""
        arguments, decisions, _ = CASES["pipeline"]
        self.plan(arguments, decisions)
        with open(os.path.join(self.scratch.name, "plan.json"), encoding="utf-8") as stream:
            documents = json.load(stream)["documents"]
        model, workload = documents["model"], documents["workload"]
        layers = len(model["moe_layers"])
        rows = workload["global_batch"] * workload["sequence_length"] * model["top_k"] * layers
        flops = sum(event["args"].get("flops", 0) for event in self.events("simulate", "plan.json")
                    if event.get("cat", "").startswith("experts"))
        self.assertEqual(flops, 12 * rows * model["hidden"] * model["expert_intermediate"])


def holds(slices, time, behind_start):
    at = bisect.bisect_right(slices, (time, float("inf"))) - 1
    return at >= 0 and slices[at][0] + behind_start <= time < slices[at][1]


def without_id(event):
    return {key: value for key, value in event.items() if key != "id"}


def main():
    global MOESAIC
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--moesaic", required=True)
    options, rest = parser.parse_known_args()
    MOESAIC = os.path.abspath(options.moesaic)
    unittest.main(argv=[sys.argv[0], *rest])


if __name__ == "__main__":
    main()
