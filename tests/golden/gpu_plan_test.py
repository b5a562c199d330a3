#!/usr/bin/env python3
"""A plan for GPUs as a user meets it, executed on the emulated CUDA device: plan, execute, resume, profile, compare.

Usage: gpu_plan_test.py --moesaic PROGRAM --executor PROGRAM   (the executor that is built with the emulated device)
The times that it measures mean nothing.
"""
import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile

MODEL = {"kind": "moesaic.model/1", "name": "tiny", "family": "gpt_moe", "source": "for a test", "layers": 2, "hidden": 32,
         "heads": 2, "vocabulary": 256, "experts": 4, "top_k": 2, "intermediate": 48, "moe_layers": "all",
         "weight_dtype": "bf16"}
WORKLOAD = {"kind": "moesaic.workload/1", "name": "short", "phase": "training", "global_batch": 4, "sequence_length": 16,
            "compute_dtype": "bf16", "optimizer": {"learning_rate": 0.001}, "seed": 1}
# Relative, of the first loss, and as much again for every later step: bf16 on the device against f32 on the CPU, as
# tests/emulated_cuda/training_test.cpp says why.
LOSS_BOUND = 1e-4

# The emulated device has no library's kernels, and says so wherever something is computed in bf16.
SLOW_PATHS = ["built without CUTLASS: experts' products are a loop over cuBLASLt",
              "built without cuDNN: attention runs on plain kernels"]


def run(*command, code=0):
    result = subprocess.run(command, capture_output=True, text=True, timeout=250, check=False)
    if result.returncode != code:
        sys.exit(f"{' '.join(command)}\nexit code {result.returncode}, expected {code}\n{result.stdout}{result.stderr}")
    return result.stdout + result.stderr


def result(file):
    with open(file, encoding="utf-8") as stream:
        return json.load(stream)


def losses(file):
    return result(file)["loss"]


def warnings(text):
    tag = "moesaic: warning: "
    return [line.removeprefix(tag) for line in text.splitlines() if line.startswith(tag)]


def expect(condition, what):
    if not condition:
        sys.exit(what)


def write_json(file, document):
    with open(file, "w", encoding="utf-8") as stream:
        json.dump(document, stream)


def train_on_cpu(moesaic):
    """The losses of the same training in f32, planned for this machine's cores."""
    write_json("f32_model.json", {**MODEL, "weight_dtype": "f32"})
    write_json("f32_workload.json", {**WORKLOAD, "compute_dtype": "f32"})
    run(moesaic, "plan", "--model", "f32_model.json", "--workload", "f32_workload.json", "--cluster", "cpu-2core",
        "--ranks", "2", "--effort", "4", "-o", "cpu.json")
    text = run(moesaic, "execute", "cpu.json", "--launcher", "local", "--steps", "4", "-o", "cpu_result.json")
    expect("on 2 CPU ranks" in text, f"not executed on CPUs: {text}")
    return losses("cpu_result.json")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--moesaic", required=True)
    parser.add_argument("--executor", required=True)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        os.mkdir("bin")
        moesaic = shutil.copy(options.moesaic, "bin/moesaic")  # it starts the executor beside it
        executor = shutil.copy(options.executor, "bin/moesaic-executor")
        for name, document in (("model.json", MODEL), ("workload.json", WORKLOAD)):
            write_json(name, document)
        plan = ("plan", "--model", "model.json", "--workload", "workload.json", "--ranks", "2", "--effort", "4")
        run(moesaic, *plan, "--cluster", "h200-1x8", "-o", "plan.json")

        # What the device goes without is listed, and a script can make a failure of it.
        listed = json.loads(run(executor, "devices"))["devices"]
        expect([(gpu["name"], gpu["slow_paths"]) for gpu in listed] == [("emulated", SLOW_PATHS)], f"devices: {listed}")
        refused = run(executor, "devices", "--require-fast-paths", code=3)
        expect(refused.splitlines()[-1] == "@error 3 " + "; ".join(SLOW_PATHS), f"not refused for that: {refused}")

        # Ranks as threads and as processes exchange through host memory, in the same order of sums.
        text = run(moesaic, "execute", "plan.json", "--launcher", "local", "--steps", "4", "-o", "local.json")
        expect("on 2 GPU ranks" in text, f"not executed on GPUs: {text}")
        expect(warnings(text) == SLOW_PATHS, f"threads do not say what is slow: {text}")
        text = run(moesaic, "execute", "plan.json", "--launcher", "tcp", "--steps", "4", "-o", "tcp.json")
        expect(warnings(text) == SLOW_PATHS, f"processes do not say what is slow, or more than once: {text}")
        expect(losses("tcp.json") == losses("local.json"), "processes train otherwise than threads")
        expect(losses("local.json")[-1] < losses("local.json")[0], "the loss does not fall")
        for step, (found, truth) in enumerate(zip(losses("local.json"), train_on_cpu(moesaic), strict=True)):
            expect(abs(found / truth - 1) <= LOSS_BOUND * (step + 1), f"step {step}: {found}, in f32 on CPUs {truth}")

        # The device as its maker calls it. Its work is not the cores', so no rank's time there says how disturbed it was.
        for file in ("local.json", "tcp.json"):
            expect(result(file)["processors"] == [{"name": "emulated", "ranks": 2}], "another device is named")
            expect(result(file)["slow_paths"] == SLOW_PATHS, "the result does not say what was slow")
            expect(result(file)["disturbance"]["by_step"] == [], "steps of a GPU are called disturbed")

        # A checkpoint holds the f32 master weights, so a run that is continued does not notice.
        run(moesaic, "execute", "plan.json", "--launcher", "local", "--steps", "2", "--checkpoint", "run")
        run(moesaic, "execute", "plan.json", "--launcher", "local", "--steps", "4", "--checkpoint", "run", "--resume",
            "-o", "resumed.json")
        expect(losses("resumed.json") == losses("local.json")[2:], "a resumed run goes on otherwise")

        # Three steps to a comparison: profile there, plan and simulate anywhere, execute there.
        text = run(moesaic, "profile", "--for", "plan.json", "--launcher", "local", "--budget", "10", "-o", "machine")
        expect(warnings(text) == SLOW_PATHS, f"the profile does not say what is slow: {text}")
        measured_on = result("machine/profile.json")["machine"]
        expect(measured_on.endswith("; ".join(["", *SLOW_PATHS])), f"the profile is of '{measured_on}'")
        run(moesaic, "validate", "machine/profile.json", "machine/cluster.json")
        run(moesaic, *plan, "--cluster", "machine", "--profile", "machine", "-o", "measured.json")
        expect("measured" in run(moesaic, "simulate", "measured.json"), "the profile prices nothing")
        run(moesaic, "execute", "measured.json", "--launcher", "local", "--steps", "2", "-o", "result.json")
        run(moesaic, "compare", "measured.json", "result.json")

        # NCCL wants a GPU for every rank.
        refused = run(moesaic, "execute", "plan.json", "--launcher", "local", "--communicator", "nccl", code=2)
        expect("nccl" in refused.lower(), f"no word of NCCL: {refused}")
    print("planned, executed, resumed, profiled and compared")


if __name__ == "__main__":
    main()
