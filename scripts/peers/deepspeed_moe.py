#!/usr/bin/env python3
"""DeepSpeed on one device: its MoE layer, forward and backward; and steps with ZeRO-Offload (states in host memory).

Its experts have a capacity: choices beyond 1.25 times the mean are dropped, and empty places are computed. Operations
count the choices alone, as for the others. The offloaded model is a stack of feed-forward networks: bytes, not routing,
decide its time, and `peak_bytes` says what stays on the device.
Usage: PYTHONPATH=folder/with/deepspeed deepspeed_moe.py [--device cpu --tiny]
"""
import os
import statistics
import sys

import layer_case as case

import torch
import torch.nn.functional as F

# DeepSpeed talks on stdout; the document goes there alone.
document_out, sys.stdout = sys.stdout, sys.stderr
os.environ.update({"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1"})
os.environ.setdefault("MASTER_PORT", "29511")

try:
    import deepspeed
    from deepspeed.moe.layer import MoE
except ImportError as missing:
    sys.stdout = document_out
    case.say_absent(f"deepspeed: {missing}")

CAPACITY = 1.25
OFFLOADED = (24, 2048, 8192, 8192)  # layers, hidden, intermediate, tokens: 0.8 G parameters, 13 GB of states
OFFLOADED_TINY = (2, 64, 128, 32)


class FeedForward(torch.nn.Module):
    def __init__(self, hidden, intermediate):
        super().__init__()
        self.up = torch.nn.Linear(hidden, intermediate, bias=False)
        self.down = torch.nn.Linear(intermediate, hidden, bias=False)

    def forward(self, x):
        return self.down(F.gelu(self.up(x)))


class Stack(torch.nn.Module):
    def __init__(self, layers, hidden, intermediate):
        super().__init__()
        self.layers = torch.nn.ModuleList(FeedForward(hidden, intermediate) for _ in range(layers))

    def forward(self, x):
        for layer in self.layers:
            x = x + layer(x)
        return x.float().square().mean()


def moe_layer(arguments, name, shape):
    tokens, hidden, intermediate, experts, top_k = shape
    layer = MoE(hidden, FeedForward(hidden, intermediate), num_experts=experts, k=top_k, capacity_factor=CAPACITY,
                use_rts=False, top2_2nd_expert_sampling=False)
    layer.set_deepspeed_parallelism()
    layer = layer.to(arguments.device, torch.bfloat16)
    z = case.leaf(arguments, 1, tokens, hidden, scale=1.0)
    passes = case.BothPasses(lambda: layer(z)[0], case.random_rows(arguments, 1, tokens, hidden))
    return case.layer_rows(arguments, name, shape, {"deepspeed": passes},
                           2 * 2 * tokens * top_k * hidden * intermediate,
                           f"two matrices per expert, GELU; chosen rows alone, capacity {CAPACITY}")


def zero_offload(arguments):
    layers, hidden, intermediate, tokens = OFFLOADED_TINY if arguments.tiny else OFFLOADED
    pinned = {"device": "cpu", "pin_memory": arguments.device == "cuda"}
    config = {"train_batch_size": 1, "bf16": {"enabled": True},
              "zero_optimization": {"stage": 3, "offload_optimizer": pinned, "offload_param": pinned}}
    model, optimizer = Stack(layers, hidden, intermediate), None
    if arguments.tiny:  # DeepSpeed's own optimizer for CPUs is compiled at its first use, which takes minutes
        config["zero_force_ds_cpu_optimizer"] = False
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    else:
        config["optimizer"] = {"type": "AdamW", "params": {"lr": 1e-3, "betas": [0.9, 0.95], "weight_decay": 0.1}}
    engine, *_ = deepspeed.initialize(model=model, optimizer=optimizer, config=config)
    x = case.random_rows(arguments, tokens, hidden)

    def step():
        engine.backward(engine(x))
        engine.step()

    seconds = [case.seconds_of(arguments, step) for _ in range(3 + max(3, arguments.rounds // 4))][3:]
    row = {"what": "ZeRO-3 with parameters and optimizer in host memory", "peer": "deepspeed", "layers": layers,
           "hidden": hidden, "intermediate": intermediate, "tokens": tokens,
           "parameters": layers * 2 * hidden * intermediate, "seconds": statistics.median(seconds)}
    row["tokens_per_second"] = tokens / row["seconds"]
    if arguments.device == "cuda":
        row["peak_bytes"] = torch.cuda.max_memory_allocated()
    return [row]


def main():
    arguments = case.parse(__doc__.splitlines()[0])
    deepspeed.init_distributed("nccl" if arguments.device == "cuda" else "gloo")
    rows, failed = [], {}
    work = [(name, lambda name=name, shape=shape: moe_layer(arguments, name, shape))
            for name, shape in case.shapes(arguments).items()]
    for name, measure in [*work, ("zero_offload", lambda: zero_offload(arguments))]:
        try:
            rows += measure()
        except Exception as error:  # a peer that runs out of memory or lacks a compiler is a finding, not an end
            failed[name] = f"{type(error).__name__}: {error}"[:300]
        if arguments.device == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
    sys.stdout = document_out
    if not rows:
        sys.exit(f"nothing could be measured: {failed}")
    case.print_document("deepspeed_moe", arguments, rows, deepspeed=deepspeed.__version__, failed=failed)


if __name__ == "__main__":
    main()
