#!/usr/bin/env python3
"""Times one MoE layer: this executor, its matrix products alone in oneDNN, and torch, in turns on one machine.

It trains nothing and checks no values (tests do); torch is needed here only.
Usage: torch_moe_bench.py --program build/release/executor/benchmark/executor_moe_layer [--overhead PROGRAM] [--seconds 150] [-o FILE]
"""
import argparse
import datetime
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import time

import torch
import torch.nn.functional as F

# name: tokens, hidden, intermediate, experts, top_k
SHAPES = {
    "tiny": (1024, 128, 512, 8, 2),  # the layer of gpt-moe-tiny with the batch of cpu-demo
    "medium": (1024, 512, 1024, 8, 2),
    "many experts": (1024, 512, 256, 32, 4),
}
FEWEST_SLICES = 5


class Executor:
    """The program in its serving mode: it waits for requests without using a core."""

    def __init__(self, program, shape, dtype, threads):
        names = ("tokens", "hidden", "intermediate", "experts", "top-k")
        arguments = [f"--{name}={value}" for name, value in zip(names, shape)]
        self.process = subprocess.Popen([program, "--serve", f"--dtype={dtype}", f"--ranks={threads}", *arguments],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.instruction_set = self.process.stdout.readline().strip()

    def run(self, what, direction, runs):
        self.process.stdin.write(f"{what} {direction} {runs}\n")
        self.process.stdin.flush()
        seconds = [float(word) for word in self.process.stdout.readline().split()]
        if len(seconds) != runs:
            sys.exit("torch_moe_bench: the executor ended early")
        return seconds

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class TorchLayer:
    """residual + MoE(z). Tokens sorted by expert; then one pair of linears per expert, or grouped products.

    storage f32 with `autocast`: f32 weights and rows, bf16 products, as the executor does it. storage bf16: everything
    but the router in bf16, which moves half the bytes.
    """

    def __init__(self, shape, storage, grouped, autocast):
        tokens, hidden, intermediate, experts, self.top_k = shape
        self.grouped, self.autocast, self.experts = grouped, autocast, experts
        generator = torch.Generator().manual_seed(1)

        def leaf(*size, scale, dtype=storage):
            values = torch.randn(*size, generator=generator) * scale
            return values.to(dtype).requires_grad_()

        self.router = leaf(experts, hidden, scale=0.02, dtype=torch.float32)
        self.up = [leaf(intermediate, hidden, scale=0.02) for _ in range(experts)]
        self.down = [leaf(hidden, intermediate, scale=0.02) for _ in range(experts)]
        if grouped:
            self.up = torch.stack([w.detach() for w in self.up]).requires_grad_()
            self.down = torch.stack([w.detach() for w in self.down]).requires_grad_()
        self.z = leaf(tokens, hidden, scale=1.0)
        self.residual = leaf(tokens, hidden, scale=1.0).detach()
        self.output_gradient = leaf(tokens, hidden, scale=0.02).detach()

    def forward(self):
        probabilities = F.linear(self.z.float(), self.router).softmax(-1)
        weights, chosen = probabilities.topk(self.top_k)
        weights = (weights / weights.sum(-1, keepdim=True)).to(self.z.dtype)
        order = chosen.flatten().argsort(stable=True)
        tokens = order // self.top_k
        counts = torch.bincount(chosen.flatten(), minlength=self.experts)
        rows = self.z.index_select(0, tokens)
        if self.grouped:
            ends = counts.cumsum(0).to(torch.int32)
            hidden = F.gelu(torch._grouped_mm(rows, self.up.transpose(1, 2), offs=ends))
            out = torch._grouped_mm(hidden, self.down.transpose(1, 2), offs=ends)
        else:
            parts = rows.split(counts.tolist())
            out = torch.cat([F.linear(F.gelu(F.linear(part, up)), down)
                             for part, up, down in zip(parts, self.up, self.down)])
        out = out.to(self.z.dtype) * weights.flatten()[order].unsqueeze(1)
        return self.residual.index_add(0, tokens, out)

    def run(self, direction, runs):
        seconds = []
        for _ in range(runs):
            begin = time.perf_counter()
            with torch.autocast("cpu", torch.bfloat16, enabled=self.autocast):
                if direction == "forward":
                    with torch.no_grad():
                        self.forward()
                else:
                    out = self.forward()
            if direction == "training":  # gradients accumulate, as in the executor
                out.backward(self.output_gradient)
            seconds.append(time.perf_counter() - begin)
        return seconds


def torch_layers(shape, dtype):
    """Every way that this torch can compute the layer; the fastest counts."""
    layers = {}
    for grouped in (False, True):
        kind = "grouped" if grouped else "loop"
        if dtype == "f32":
            candidates = {kind: TorchLayer(shape, torch.float32, grouped, False)}
        else:
            candidates = {kind + ", all bf16": TorchLayer(shape, torch.bfloat16, grouped, False)}
            if not grouped:
                candidates[kind + ", autocast"] = TorchLayer(shape, torch.float32, grouped, True)
        for name, layer in candidates.items():
            try:
                layer.run("training", 1)
                layers["torch " + name] = layer
            except (AttributeError, NotImplementedError, RuntimeError) as error:
                print(f"torch {name} ({dtype}) cannot: {error}", file=sys.stderr)
    return layers


def measure(program, shape, dtype, threads, budget_s):
    """Medians over slices of the medians of runs inside a slice, per direction and contender. Slices take turns."""
    torch.set_num_threads(threads)
    executor = Executor(program, shape, dtype, threads)
    contenders = {"layer": lambda d, n: executor.run("layer", d, n), "products": lambda d, n: executor.run("raw", d, n)}
    contenders.update({name: layer.run for name, layer in torch_layers(shape, dtype).items()})
    result = {}
    for direction in ("forward", "training"):
        once = sum(run(direction, 2)[-1] for run in contenders.values())  # the first run makes kernels
        runs = max(1, min(5, int(budget_s / 2 / once / 9)))
        medians = {name: [] for name in contenders}
        end = time.monotonic() + budget_s / 2
        while time.monotonic() < end or len(medians["layer"]) < FEWEST_SLICES:
            for name, run in contenders.items():
                time.sleep(0.002)  # the threads of the one before fall asleep
                medians[name].append(statistics.median(run(direction, runs)))
        result[direction] = {"slices": len(medians["layer"]), "runs_per_slice": runs,
                             "seconds": {name: statistics.median(values) for name, values in medians.items()}}
    executor.close()
    return result


def measure_all(arguments):
    configurations = [(name, dtype, threads) for name in SHAPES for dtype in ("f32", "bf16") for threads in (1, 2)]
    rows = []
    for name, dtype, threads in configurations:
        measured = measure(arguments.program, SHAPES[name], dtype, threads, arguments.seconds / len(configurations))
        for direction, values in measured.items():
            seconds = values["seconds"]
            peers = {peer: s for peer, s in seconds.items() if peer.startswith("torch")}
            best = min(peers, key=peers.get)
            rows.append({"shape": name, "dtype": dtype, "threads": threads, "pass": direction, **values,
                         "ratio_to_products": seconds["products"] / seconds["layer"],
                         "fastest_torch": best, "ratio_to_torch": peers[best] / seconds["layer"]})
            print(f"{name:13} {dtype:5} {threads} thread(s) {direction:9} {seconds['layer'] * 1e3:8.2f} ms   "
                  f"of products {rows[-1]['ratio_to_products']:.2f}   against {best} {rows[-1]['ratio_to_torch']:.2f}",
                  flush=True)
    return rows


def machine(program):
    """As profiles name it: model, instruction set, cores."""
    executor = Executor(program, SHAPES["tiny"], "f32", 1)
    executor.close()
    with open("/proc/cpuinfo", encoding="utf-8") as stream:
        models = [line.split(":")[1].strip() for line in stream if line.startswith("model name")]
    return f"{models[0] if models else platform.processor()} with {executor.instruction_set}, {os.cpu_count()} cores"


def overhead(program):
    """Both lines of executor_task_overhead: {"chain of additions": us per task, ...}."""
    lines = subprocess.run([program], capture_output=True, text=True, check=True).stdout.splitlines()
    return {line[:20].strip(): line[20:].strip() for line in lines}


def markdown(result):
    head = "| shape | precision | threads | pass | layer ms | of its products | against torch | fastest torch | against autocast |\n" + "|---" * 9 + "|"

    def against_autocast(row):
        seconds = [s for name, s in row["seconds"].items() if name.endswith("autocast")]
        return f"{seconds[0] / row['seconds']['layer']:.2f}" if seconds else ""

    lines = [f"| {r['shape']} | {r['dtype']} | {r['threads']} | {r['pass']} | {r['seconds']['layer'] * 1e3:.2f} | "
             f"{r['ratio_to_products']:.2f} | {r['ratio_to_torch']:.2f} | {r['fastest_torch'][6:]} | {against_autocast(r)} |" for r in result["rows"]]
    tasks = [f"Overhead, {name}: {text}." for name, text in result.get("overhead", {}).items()]
    load = result["load_average_before"]
    return "\n".join([f"{result['machine']}; torch {result['torch']}; {result['date']}; commit {result['commit']}; "
                      f"load average before {load:.1f}.", "", head, *lines, "", *tasks])


def write_into(readme, text):
    with open(readme, encoding="utf-8") as stream:
        before, rest = stream.read().split("<!-- result: begin -->")
    after = rest.split("<!-- result: end -->")[1]
    with open(readme, "w", encoding="utf-8") as stream:
        stream.write(f"{before}<!-- result: begin -->\n{text}\n<!-- result: end -->{after}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", required=True, help="executor_moe_layer")
    parser.add_argument("--overhead", help="executor_task_overhead")
    parser.add_argument("--seconds", type=float, default=120, help="of measuring, about")
    parser.add_argument("-o", "--output", help="folder whose result.json and README.md are written")
    arguments = parser.parse_args()
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False).stdout
    result = {"kind": "moesaic.result/1", "experiment": "05_how_fast_is_the_cpu_moe_layer", "machine": machine(arguments.program),
              "torch": torch.__version__, "commit": commit.strip(), "command": " ".join(["scripts/torch_moe_bench.py", *sys.argv[1:]]),
              "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
              "load_average_before": os.getloadavg()[0], "shapes": {
                  name: dict(zip(("tokens", "hidden", "intermediate", "experts", "top_k"), shape)) for name, shape in SHAPES.items()}}
    if arguments.overhead:
        result["overhead"] = overhead(arguments.overhead)
    result["rows"] = measure_all(arguments)
    for key in ("ratio_to_products", "ratio_to_torch"):
        logs = [math.log(row[key]) for row in result["rows"]]
        result["geometric_mean_" + key] = math.exp(statistics.mean(logs))
        result["lowest_" + key] = min(row[key] for row in result["rows"])
    if arguments.output:
        with open(os.path.join(arguments.output, "result.json"), "w", encoding="utf-8") as stream:
            stream.write(json.dumps(result, indent=1) + "\n")
        write_into(os.path.join(arguments.output, "README.md"), markdown(result))


if __name__ == "__main__":
    main()
