#!/usr/bin/env python3
"""torch._grouped_mm in bf16 at six shapes: the products of experts' forward passes, even and skewed.

Rows per expert are even, or fall off as 1 / rank (Zipf 1.0).
Usage: torch_grouped_mm.py [--device cpu --tiny]
"""
import layer_case as case

import torch
from routed_rows import grouped_products

# name: rows, n, k, experts, skewed
PRODUCTS = {
    "qwen3-30b-a3b up": (262144, 768, 2048, 128, False),
    "qwen3-30b-a3b down": (262144, 2048, 768, 128, False),
    "64 experts up": (131072, 1024, 4096, 64, False),
    "64 experts down": (131072, 4096, 1024, 64, False),
    "64 experts up, skewed": (131072, 1024, 4096, 64, True),
    "8 wide experts": (65536, 14336, 4096, 8, False),
}
TINY = {"tiny": (96, 64, 32, 4, False), "tiny, skewed": (96, 64, 32, 4, True)}


def row_ends(arguments, rows, experts, skewed):
    share = 1.0 / torch.arange(1, experts + 1, dtype=torch.float64) if skewed else torch.ones(experts).double()
    ends = (share.cumsum(0) / share.sum() * rows).round().to(torch.int32)
    return ends.to(arguments.device)


def main():
    arguments = case.parse(__doc__.splitlines()[0])
    measured = []
    for name, (rows, n, k, experts, skewed) in (TINY if arguments.tiny else PRODUCTS).items():
        x, w = case.random_rows(arguments, rows, k), case.random_rows(arguments, experts, n, k)
        ends, product = row_ends(arguments, rows, experts, skewed), case.Product(arguments)
        seconds = case.medians_in_turns(
            arguments, {"grouped": lambda: grouped_products(x, w, ends), "product": product.run})
        rate, yardstick = 2 * rows * n * k / seconds["grouped"], product.flops_per_s(seconds["product"])
        measured.append({"what": name, "rows": rows, "n": n, "k": k, "experts": experts, "skewed": skewed,
                         "dtype": "bf16", "seconds": seconds["grouped"], "flops_per_s": rate,
                         "product_flops_per_s": yardstick, "ratio_to_product": rate / yardstick})
        del x, w
    case.print_document("torch_grouped_mm", arguments, measured)


if __name__ == "__main__":
    main()
