#!/usr/bin/env python3
"""One MoE layer in torch, bf16, forward and backward: router, sort, grouped products, weighted sum.

Experts have two matrices and GELU, as in executor/cuda. `dense` is one feed-forward network over as many rows: what the
layer costs without routing.
Usage: torch_layer.py [--device cpu --tiny]
"""
import layer_case as case

import torch
import torch.nn.functional as F


def grouped_products(rows, weights, ends):
    """[n, k] x [experts, out, k] -> [n, out]; rows of expert e end at ends[e]. A loop where torch has no other way."""
    if hasattr(torch, "_grouped_mm") and rows.is_cuda:
        return torch._grouped_mm(rows, weights.transpose(1, 2), offs=ends)
    begins = [0, *ends.tolist()]
    return torch.cat([rows[a:b] @ w.T for a, b, w in zip(begins, begins[1:], weights)])


class Layer:
    def __init__(self, arguments, shape):
        tokens, hidden, intermediate, experts, self.top_k = shape
        self.z = case.leaf(arguments, tokens, hidden, scale=1.0)
        self.residual = case.random_rows(arguments, tokens, hidden)
        self.router = case.leaf(arguments, experts, hidden)
        self.up = case.leaf(arguments, experts, intermediate, hidden)
        self.down = case.leaf(arguments, experts, hidden, intermediate)

    def forward(self):
        probabilities = F.linear(self.z, self.router).float().softmax(-1)
        weights, chosen = probabilities.topk(self.top_k)
        weights = weights / weights.sum(-1, keepdim=True)
        order = chosen.flatten().argsort(stable=True)
        tokens = order // self.top_k
        ends = torch.bincount(chosen.flatten(), minlength=self.router.shape[0]).cumsum(0).to(torch.int32)
        rows = self.z.index_select(0, tokens)
        out = grouped_products(F.gelu(grouped_products(rows, self.up, ends)), self.down, ends)
        out = out * weights.flatten()[order].unsqueeze(1).to(out.dtype)
        return self.residual.index_add(0, tokens, out)


class Dense:
    def __init__(self, arguments, shape):
        tokens, hidden, intermediate, _, top_k = shape
        self.x = case.leaf(arguments, tokens * top_k, hidden, scale=1.0)
        self.up, self.down = case.leaf(arguments, intermediate, hidden), case.leaf(arguments, hidden, intermediate)

    def forward(self):
        return F.linear(F.gelu(F.linear(self.x, self.up)), self.down)


def main():
    arguments = case.parse(__doc__.splitlines()[0])
    rows = []
    for name, shape in case.shapes(arguments).items():
        tokens, hidden, intermediate, _, top_k = shape
        peers = {
            "torch": case.BothPasses(Layer(arguments, shape).forward, case.random_rows(arguments, tokens, hidden)),
            "torch dense": case.BothPasses(Dense(arguments, shape).forward,
                                           case.random_rows(arguments, tokens * top_k, hidden)),
        }
        flops = 2 * 2 * tokens * top_k * hidden * intermediate
        rows += case.layer_rows(arguments, name, shape, peers, flops,
                                "two matrices per expert, GELU; the router's product is not counted")
    case.print_document("torch_layer", arguments, rows,
                        grouped="torch._grouped_mm" if arguments.device == "cuda" else "a loop over experts")


if __name__ == "__main__":
    main()
