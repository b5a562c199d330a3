#!/usr/bin/env python3
"""Whole training steps of a plan's model in torch: bf16 or f32 as the plan stores it, fused AdamW with master weights.

The same mathematics, initial values and batches as docs/training_model.md; one rank, whatever the plan's layout. Twice:
`eager`, and `compiled` by torch.compile; the faster one counts. On a GPU no timed step should wait for it, but for f32, whose
grouped products need the row counts on the host; a variant with a call that does is timed all the same, and named.
Exit code 1: no variant ran, one waited, or with --expect one has other losses (losses.py).
Usage: torch_step.py --plan plan.json --corpus text [--steps 30] [--expect result.json] [--device cpu]
"""
import copy
import gc
import json
import math
import statistics
import sys

import layer_case as case

import torch
from gpt_moe import GptMoe
from losses import Expected
from routed_rows import grouped_kernel_takes
from training_case import batches

VARIANTS = ("eager", "compiled")
WARM_UP = 2  # steps that may wait for the device: they compile, and libraries make their handles and memory


class Update:
    """Fused AdamW on f32 master weights; weights in bf16 are rounded copies of them."""

    def __init__(self, network, dtype, optimizer):
        self.weights = list(network.parameters())
        self.rounded = dtype != torch.float32
        self.masters = self.weights
        if self.rounded:
            self.masters = [weight.detach().clone() for weight in self.weights]
            for weight, master in zip(self.weights, self.masters):
                master.grad = torch.empty_like(master)
                weight.data = weight.data.to(dtype)
        groups = [{"params": [m for m in self.masters if m.dim() > 1], "weight_decay": optimizer["weight_decay"]},
                  {"params": [m for m in self.masters if m.dim() == 1], "weight_decay": 0.0}]  # norms
        self.adamw = torch.optim.AdamW(groups, lr=optimizer["learning_rate"], eps=optimizer["epsilon"],
                                       betas=(optimizer["beta1"], optimizer["beta2"]), fused=True)

    @torch.no_grad()
    def step(self):
        if self.rounded:
            torch._foreach_copy_([master.grad for master in self.masters], [weight.grad for weight in self.weights])
        self.adamw.step()
        if self.rounded:
            torch._foreach_copy_(self.weights, self.masters)
        for weight in self.weights:
            weight.grad = None


def dtype_of(plan):
    return torch.bfloat16 if plan["documents"]["workload"]["compute_dtype"] == "bf16" else torch.float32


def draw(arguments, plan):
    """The network with its initial values, on the host; drawing takes longer than some trainings."""
    workload = plan["documents"]["workload"]
    return GptMoe(plan["documents"]["model"], workload["sequence_length"], workload.get("seed", 0), dtype_of(plan),
                  arguments.device)


def train(arguments, plan, corpus, drawn, variant, may_wait=False):
    """-> losses, seconds of each step. Nothing is read from the device before the last step has been appended."""
    workload, dtype = plan["documents"]["workload"], dtype_of(plan)
    device, parts = arguments.device, plan["layout"]["micro_batches"]
    network = copy.deepcopy(drawn).to(device)
    update = Update(network, dtype, workload["optimizer"])
    if variant == "compiled":
        network.compile_parts()
    inputs, losses = batches(corpus, workload, arguments.steps, device), []

    def one_step(tokens):
        total = 0.0
        for part in tokens.chunk(parts):
            loss = network(part) / parts
            loss.backward()
            total = total + loss.detach()
        update.step()
        losses.append(total)

    may_wait = may_wait or not grouped_kernel_takes(dtype, device)
    clock = case.Clock(arguments)
    for step, tokens in enumerate(inputs):
        with case.no_waiting(arguments, allowed=step < WARM_UP or may_wait):
            one_step(tokens)
        clock.mark()
    losses = torch.stack(losses).tolist()
    return [loss if math.isfinite(loss) else None for loss in losses], clock.seconds()


def train_and_note_waiting(*what):
    """-> losses, seconds, and why a step waits for the device, or None."""
    try:
        return *train(*what), None
    except RuntimeError as error:
        if not case.says_that_it_waits(error):
            raise
        why = str(error)[:300]
    return *train(*what, may_wait=True), why


def measure(arguments, plan, corpus, drawn, variant):
    """One variant's figures, or {"failed": reason}: what torch cannot compile is a finding, not an end."""
    if arguments.device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    try:
        losses, seconds, waits = train_and_note_waiting(arguments, plan, corpus, drawn, variant)
    except Exception as error:
        return {"failed": f"{type(error).__name__}: {error}"[:500]}
    finally:
        gc.collect()
        torch.compiler.reset()
    workload = plan["documents"]["workload"]
    median = statistics.median(seconds[len(seconds) // 3 :])  # the first steps make kernels and memory pools
    found = {"loss": losses, "median_step_seconds": median,
             "tokens_per_second": workload["global_batch"] * workload["sequence_length"] / median}
    if waits:
        found["waits"] = waits
    if arguments.device == "cuda":
        found["peak_bytes"] = torch.cuda.max_memory_allocated()
        torch.cuda.empty_cache()
    return found


def add_options(parser):
    parser.add_argument("--plan", required=True)
    parser.add_argument("--corpus", required=True)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=VARIANTS)
    parser.add_argument("--expect", help="a result of moesaic-executor execute, to compare losses with")


def report(arguments, found, expected):
    """Prints what is known so far as one line: the last whole one counts, should the program be ended. -> problems"""
    ran = {variant: figures for variant, figures in found.items() if "failed" not in figures}
    problems = [] if ran else [f"{variant}: {figures['failed']}" for variant, figures in found.items()]
    for variant, figures in ran.items():
        if "waits" in figures:
            problems.append(f"{variant} waits for the device: {figures['waits']}")
        if expected:
            figures["loss_differences"] = expected.differences(figures["loss"])
            figures["loss_deviation"] = max(map(abs, filter(None, figures["loss_differences"])), default=0.0)
            problems += [f"{variant}: {problem}" for problem in expected.problems(figures["loss"])]
    fastest = min(ran, key=lambda variant: ran[variant]["median_step_seconds"], default=None)
    case.print_document("torch_step", arguments, [], plan=arguments.plan.split("/")[-1], steps=arguments.steps,
                        fastest=fastest, variants=found, problems=problems, **(ran[fastest] if ran else {}))
    return problems


def main():
    arguments = case.parse(__doc__.splitlines()[0], add_options)
    with open(arguments.plan, encoding="utf-8") as stream:
        plan = json.load(stream)
    with open(arguments.corpus, "rb") as stream:
        corpus = torch.frombuffer(bytearray(stream.read()), dtype=torch.uint8)
    expected = arguments.expect and Expected(arguments.expect, arguments.steps,
                                             plan["documents"]["workload"]["compute_dtype"])
    torch.backends.cuda.matmul.allow_tf32 = False
    found = {}
    with case.fastest_attention(arguments):
        drawn = draw(arguments, plan)
        for variant in arguments.variants:
            found[variant] = measure(arguments, plan, corpus, drawn, variant)
            problems = report(arguments, found, expected)
    if problems:
        sys.exit("torch_step: " + "\n".join(problems))


if __name__ == "__main__":
    main()
