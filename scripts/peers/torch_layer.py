#!/usr/bin/env python3
"""One MoE layer in torch, bf16, forward and backward: router, sort, grouped products, weighted sum; and compiled.

Experts have two matrices and GELU, as in executor/cuda. `dense` is one feed-forward network over as many rows: what the
layer costs without routing. A peer with a pass that waits for the device is timed all the same, and named; exit code 1.
Usage: torch_layer.py [--device cpu --tiny]
"""
import sys

import layer_case as case

import torch
import torch.nn.functional as F
from routed_rows import Route, grouped_products, permute, unpermute


class Layer:
    def __init__(self, arguments, shape):
        tokens, hidden, intermediate, experts, self.top_k = shape
        self.z = case.leaf(arguments, tokens, hidden, scale=1.0)
        self.residual = case.random_rows(arguments, tokens, hidden)
        self.router = case.leaf(arguments, experts, hidden)
        self.up = case.leaf(arguments, experts, intermediate, hidden)
        self.down = case.leaf(arguments, experts, hidden, intermediate)

    def forward(self):
        route = Route(F.linear(self.z, self.router).float(), self.top_k)
        rows = grouped_products(permute(self.z, route), self.up, route.ends)
        rows = grouped_products(F.gelu(rows), self.down, route.ends)
        return unpermute(rows, route, self.residual)


class Dense:
    def __init__(self, arguments, shape):
        tokens, hidden, intermediate, _, top_k = shape
        self.x = case.leaf(arguments, tokens * top_k, hidden, scale=1.0)
        self.up, self.down = case.leaf(arguments, intermediate, hidden), case.leaf(arguments, hidden, intermediate)

    def forward(self):
        return F.linear(F.gelu(F.linear(self.x, self.up)), self.down)


def main():
    arguments = case.parse(__doc__.splitlines()[0])
    rows, failed, problems = [], {}, []
    for name, shape in case.shapes(arguments).items():
        tokens, hidden, intermediate, _, top_k = shape
        layer, gradient = Layer(arguments, shape), case.random_rows(arguments, tokens, hidden)
        peers = {
            "torch": case.BothPasses(layer.forward, gradient),
            "torch compiled": case.BothPasses(torch.compile(layer.forward, dynamic=False), gradient),
            "torch dense": case.BothPasses(Dense(arguments, shape).forward,
                                           case.random_rows(arguments, tokens * top_k, hidden)),
        }
        case.without(peers, "torch compiled", failed, name)
        waits = {peer: passes.waits(arguments) for peer, passes in peers.items()}
        problems += [f"{name}, {peer} waits for the device: {why}" for peer, why in waits.items() if why]
        flops = 2 * 2 * tokens * top_k * hidden * intermediate
        rows += case.layer_rows(arguments, name, shape, peers, flops,
                                "two matrices per expert, GELU; the router's product is not counted")
        case.print_document("torch_layer", arguments, rows, failed=failed, problems=problems)
    if problems:
        sys.exit("torch_layer: " + "\n".join(problems))


if __name__ == "__main__":
    main()
