#!/usr/bin/env python3
"""What must not change while the code is rearranged: plans, simulations, report pages and losses of varied problems.

Each case is planned, simulated and, where this machine can, trained for three steps on the CPU; what comes out is compared
with frozen/CASE.json. A change of a result is then a decision: `--renew` writes the files again, and the difference is read.
Numbers may differ by 1e-9 of their size, for the C library's logarithms have variants by processor; what was trained by
TRAINED, for products have, too. `--exact` allows nothing: for two builds on one machine.
Usage: frozen_test.py --moesaic PROGRAM [--exact | --renew] [--folder FOLDER] [CASE...]
"""
import argparse
import hashlib
import json
import math
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
DOCUMENTS = os.path.join(HERE, "../../experiments/11_gpu_fidelity/documents")
TINY = ["--model", "gpt-moe-tiny", "--cluster", "cpu-2core", "--workload", "cpu-demo"]
STEPS = 3
TRAINED = (1e-6, 1e-3)  # tolerance in f32 and in bf16, relative: instruction sets differ by 3e-9 and 5e-5


def tiny(**decisions):
    """gpt-moe-tiny on two CPU ranks with fixed decisions; it is also trained."""
    return {"plan": [*TINY, "--effort", "4"], "preset": decisions, "train": True}


def planned(model, cluster, workload, *more):
    return {"plan": ["--model", model, "--cluster", cluster, "--workload", workload, *more]}


CASES = {
    "tiny_searched": {"plan": [*TINY, "--routing", "gpt-moe-tiny-recorded", "--effort", "30"], "train": True},
    "tiny_pipeline": tiny(layout={"pp": 2, "micro_batches": 4}),
    "tiny_tensor_parallel": tiny(layout={"tp": 2}),
    "tiny_chunks_padded": tiny(layout={"ep": 2}, dispatch={"kind": "padded", "capacity_factor": 1.25, "chunks": 2}),
    "tiny_zero3_prefetch": tiny(layout={"zero": 3}, prefetch={"dense": 1}, gradient_bucket_bytes="1 MB"),
    "tiny_host_experts": tiny(layout={"ep": 2}, expert_storage={"home": "host"}, prefetch={"experts": 1}),
    "tiny_storage_experts": tiny(layout={"ep": 2}, expert_storage={"home": "storage"}),
    "tiny_tied_columns": tiny(embedding="column_partition", layout={"zero": 1}),
    "tiny_slices_recompute": tiny(layout={"ep": 1, "expert_slices": 2, "recompute": "full"}),
    "tiny_hierarchical": tiny(layout={"ep": 2, "micro_batches": 2}, dispatch={"all_to_all": "hierarchical_2d"}),
    "ufo_teams": {**planned("ufo-tiny", "cpu-2core", "ufo-16-8-4-4", "--effort", "4"), "train": True},
    "tiny_bf16": {"plan": ["--model", f"{DOCUMENTS}/gpt-moe-tiny-bf16.json", "--cluster", "cpu-2core", "--workload",
                           f"{DOCUMENTS}/short-bf16.json", "--effort", "4"], "train": True},
    "small_32": planned("gpt-moe-small", "a100-80g-4x8", "semoe-training-32", "--effort", "12"),
    "mixtral_megatron": planned("mixtral-8x7b", "a100-80g-8x8", "semoe-training-64", "--preset", "megatron", "--effort", "2"),
    "semoe_207b": planned("semoe-207.2b", "a100-80g-2x8", "semoe-training-16", "--preset", "semoe", "--effort", "2"),
    "embedding_partition": {**planned("semoe-embedding-4096", "a100-80g-1x8", "semoe-training-8", "--effort", "6"),
                            "preset": {"embedding": "column_partition"}},
    "olmoe_skewed": planned("olmoe-1b-7b", "h200-1x8", "semoe-training-8", "--routing", "zipf-1.2", "--effort", "6"),
    "qwen3_prefill": planned("qwen3-30b-a3b", "h200-1x8", "prefill-8x2048", "--effort", "4"),
    "deepseek_decode": planned("deepseek-v3", "h200-1x8", "decode-128x2048", "--effort", "4"),
    "gpt_oss_decode": planned("gpt-oss-120b", "h200-1x8", "decode-128x2048", "--effort", "4"),
}

# ---- What is kept of a result ---------------------------------------------------------------------------------------


SHORT = 4  # a list of so few elements is kept as it is


def digest(value):
    """Long lists become their length and sums of their numbers, the second by place, or the hash of their words."""
    if isinstance(value, dict):
        return {key: digest(part) for key, part in value.items()}
    if not isinstance(value, list):
        return value
    return [digest(part) for part in value] if len(value) <= SHORT else digest_long(value)


def digest_long(values):
    kinds = {}
    for value in values:
        kinds.setdefault(kind_of(value), []).append(value)
    return {"length": len(values), **{kind: SUMMARY[kind](parts) for kind, parts in sorted(kinds.items())}}


def kind_of(value):
    if isinstance(value, (dict, list)):
        return "objects" if isinstance(value, dict) else "lists"
    return "numbers" if isinstance(value, (int, float)) and not isinstance(value, bool) else "words"


def columns(objects):
    """One long list per key, so that tasks and events are compared key by key."""
    keys = sorted({key for part in objects for key in part})
    return {key: digest_long([part[key] for part in objects if key in part]) for key in keys}


SUMMARY = {
    "numbers": lambda values: [math.fsum(values), math.fsum((i + 1) * x for i, x in enumerate(values))],
    "words": lambda values: hashlib.sha256(json.dumps(values).encode()).hexdigest(),
    "objects": columns,
    "lists": lambda values: digest_long([len(part) for part in values] + [x for part in values for x in part]),
}


def without(document, *keys):
    return {key: value for key, value in document.items() if key not in keys}


def read_json(path):
    with open(path, encoding="utf-8") as stream:
        return json.load(stream)


class Program:
    def __init__(self, path, folder):
        self.path, self.folder = os.path.abspath(path), folder

    def run(self, *arguments):
        done = subprocess.run([self.path, *arguments], cwd=self.folder, text=True, capture_output=True, check=False)
        if done.returncode != 0:
            sys.exit(f"moesaic {' '.join(arguments)}: exit code {done.returncode}\n{done.stderr}")
        return done.stdout

    def file(self, name):
        return os.path.join(self.folder, name)


def results_of(program, case):
    arguments = list(case["plan"])
    if case.get("preset"):
        preset = {"kind": "moesaic.preset/1", "name": "fixed", "note": "decisions of a frozen case", **case["preset"]}
        with open(program.file("preset.json"), "w", encoding="utf-8") as stream:
            json.dump(preset, stream)
        arguments += ["--preset", "preset.json"]
    program.run("plan", *arguments, "-o", "plan.json")
    simulated = json.loads(program.run("simulate", "plan.json", "--json", "--trace", "trace.json", "--report", "report.html"))
    with open(program.file("report.html"), encoding="utf-8") as stream:
        page = re.search(r'<script type="application/json" id="data">(.*?)</script>', stream.read(), re.S)[1]
    results = {
        "plan": digest(without(read_json(program.file("plan.json")), "documents")),
        "simulation": digest(without(simulated, "wall_seconds", "engine")),
        "trace": digest(read_json(program.file("trace.json"))["traceEvents"]),
        "report": digest(json.loads(page)),
    }
    if case.get("train"):
        program.run("execute", "plan.json", "--launcher", "local", "--steps", str(STEPS), "-o", "result.json")
        trained = read_json(program.file("result.json"))
        results["trained"] = {key: trained[key] for key in ("loss", "skipped_steps", "plan_hash") if key in trained}
    return results


# ---- Comparison -----------------------------------------------------------------------------------------------------


def tolerance_of(name, path):
    return TRAINED[name.endswith("bf16")] if path.startswith("/trained/") else 1e-9


def differences(expected, actual, path, tolerance):
    """Lines "path: expected, found"."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        return [line for key in sorted({*expected, *actual})
                for line in differences(expected.get(key), actual.get(key), f"{path}/{key}", tolerance)]
    if isinstance(expected, list) and isinstance(actual, list) and len(expected) == len(actual):
        return [line for i, (a, b) in enumerate(zip(expected, actual)) for line in differences(a, b, f"{path}/{i}", tolerance)]
    numbers = all(isinstance(x, (int, float)) and not isinstance(x, bool) for x in (expected, actual))
    if expected == actual or (numbers and abs(expected - actual) <= tolerance(path) * max(abs(expected), abs(actual))):
        return []
    return [f"{path}: {json.dumps(expected)}, found {json.dumps(actual)}"]


def check(program, name, options):
    file = os.path.join(options.folder, name + ".json")
    actual = results_of(program, CASES[name])
    if options.renew:
        with open(file, "w", encoding="utf-8") as stream:
            stream.write(re.sub(r"\s*\n\s*(?=[-0-9\]])", " ", json.dumps(actual, indent=1)) + "\n")
        return []
    tolerance = (lambda path: 0.0) if options.exact else (lambda path: tolerance_of(name, path))
    return [f"{name}{line}" for line in differences(read_json(file), json.loads(json.dumps(actual)), "", tolerance)]


def self_test():
    """A changed number, word, order or length is seen; what lies within the tolerance is not."""
    long = [float(i) for i in range(20)]
    swapped = long[:3] + [4.0, 3.0] + long[5:]
    cases = [({"a": 1.0}, {"a": 1.0 + 1e-12}, 0), ({"a": 1.0}, {"a": 1.001}, 1), ({"a": "x"}, {"a": "y"}, 1), ({"a": 1}, {}, 1),
             (digest(long), digest(swapped), 1), (digest([str(x) for x in long]), digest([str(x) for x in swapped]), 1),
             (digest(long), digest(long[:-1]), 3), (digest([{"t": x} for x in long]), digest([{"t": x} for x in swapped]), 1),
             (digest([None, *long]), digest([None, *swapped]), 1)]
    for expected, actual, count in cases:
        found = differences(expected, actual, "", lambda path: 1e-9)
        if len(found) != count:
            sys.exit(f"self-test: {count} differences expected, found {found}")
    print("ok")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--moesaic", help="the program")
    parser.add_argument("--folder", default=os.path.join(HERE, "frozen"))
    parser.add_argument("--exact", action="store_true")
    parser.add_argument("--renew", action="store_true")
    parser.add_argument("--self-test", action="store_true")
    parser.add_argument("names", nargs="*", metavar="CASE", help=", ".join(CASES))
    options = parser.parse_args()
    if options.self_test:
        return self_test()
    os.makedirs(options.folder, exist_ok=True)
    lines = []
    for name in options.names or CASES:
        with tempfile.TemporaryDirectory() as folder:
            lines += check(Program(options.moesaic, folder), name, options)
    if lines:
        sys.exit("\n".join(lines))


if __name__ == "__main__":
    main()
