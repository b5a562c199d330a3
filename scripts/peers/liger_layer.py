#!/usr/bin/env python3
"""One MoE layer with Liger's fused experts (Triton), bf16, forward and backward.

Its experts are gated (SwiGLU, three matrices), so a third of its operations has no counterpart in executor/cuda: compare
operations per second, not seconds.
Usage: PYTHONPATH=folder/with/liger_kernel liger_layer.py     (no CPU: Triton)
"""
import layer_case as case

import torch
import torch.nn.functional as F

try:
    from liger_kernel.ops.fused_moe import LigerFusedMoEFunction
except ImportError as missing:
    case.say_absent(f"liger-kernel: {missing}")


class Layer:
    def __init__(self, arguments, shape):
        tokens, hidden, intermediate, experts, self.top_k = shape
        self.z = case.leaf(arguments, tokens, hidden, scale=1.0)
        self.residual = case.random_rows(arguments, tokens, hidden)
        self.router = case.leaf(arguments, experts, hidden)
        self.gate_up = case.leaf(arguments, experts, 2 * intermediate, hidden)
        self.down = case.leaf(arguments, experts, hidden, intermediate)

    def forward(self):
        probabilities = F.linear(self.z, self.router).float().softmax(-1)
        weights, chosen = probabilities.topk(self.top_k)
        weights = (weights / weights.sum(-1, keepdim=True)).to(self.z.dtype)
        return self.residual + LigerFusedMoEFunction.apply(self.z, self.gate_up, self.down, chosen.to(torch.int32),
                                                           weights)


def main():
    arguments = case.parse(__doc__.splitlines()[0])
    if arguments.device == "cpu":
        case.say_absent("liger-kernel: Triton needs a GPU")
    rows, waits = [], {}
    for name, shape in case.shapes(arguments).items():
        tokens, hidden, intermediate, _, top_k = shape
        passes = case.BothPasses(Layer(arguments, shape).forward, case.random_rows(arguments, tokens, hidden))
        waits[name] = passes.waits(arguments)
        rows += case.layer_rows(arguments, name, shape, {"liger": passes},
                                2 * 3 * tokens * top_k * hidden * intermediate,
                                "three matrices per expert, SwiGLU; the router's product is not counted")
    case.print_document("liger_layer", arguments, rows, waits_for_the_device=waits)


if __name__ == "__main__":
    main()
