#!/usr/bin/env python3
"""The training step of docs/training_model.md, written once more in plain torch: the source of torch_twin.json.

It is not a trainer: one CPU thread, tiny models, no shortcut that the page does not name.
"""

import argparse
import json
import math
import os
from dataclasses import asdict, dataclass

import numpy as np
import torch
import torch.nn.functional as F

STEPS = 20
LR, B1, B2, EPS, DECAY, ALPHA = 1e-3, 0.9, 0.95, 1e-8, 0.1, 0.01
NORM_EPS = 1e-5
INIT_STD = 0.02
CORPUS_BYTES = 16384
CORPUS_RULE = (
    "byte i is a space where i % 11 == 10, else 'a' + (splitmix64(i / 7) + (i % 7) * (splitmix64(i / 49) % 5)) % 26; "
    "unsigned 64-bit arithmetic modulo 2^64, integer division"
)
MASK = (1 << 64) - 1
CORPUS_TAG = 0x636F72707573  # "corpus"


@dataclass(frozen=True)
class Case:
    """Letters of the page in words; moe_layers holds the indices of the layers that have experts."""

    name: str
    seed: int
    layers: int
    moe_layers: tuple
    num_experts: int
    top_k: int
    global_batch: int
    microbatches: int
    sequence: int = 32
    vocabulary: int = 256
    hidden: int = 64
    heads: int = 4
    intermediate: int = 128


CASES = (
    Case("top1", 1, 2, (0, 1), num_experts=4, top_k=1, global_batch=4, microbatches=1),
    Case("top2_microbatches", 2, 2, (0, 1), num_experts=8, top_k=2, global_batch=8, microbatches=2),
    Case("alternating", 3, 4, (1, 3), num_experts=4, top_k=2, global_batch=4, microbatches=1),
)


# ---- Draws ----------------------------------------------------------------------------------------------------------


def splitmix64(x):
    x = (x + 0x9E3779B97F4A7C15) & MASK
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
    return x ^ (x >> 31)


def fnv1a64(data):
    value = 0xCBF29CE484222325
    for byte in data:
        value = ((value ^ byte) * 0x100000001B3) & MASK
    return value


def make_corpus():
    def letter(i):
        return ord("a") + ((splitmix64(i // 7) + i % 7 * (splitmix64(i // 49) % 5)) & MASK) % 26

    return bytes(ord(" ") if i % 11 == 10 else letter(i) for i in range(CORPUS_BYTES))


def initial_matrix(name, shape, seed):
    key = splitmix64(fnv1a64(name.encode()) ^ seed)
    bits = np.array([splitmix64((key + i) & MASK) >> 40 for i in range(math.prod(shape))], dtype=np.float64)
    values = (2.0 * (bits / 2.0**24) - 1.0) * math.sqrt(3.0) * INIT_STD
    return torch.from_numpy(values.astype(np.float32)).reshape(shape)


def is_norm(name):
    return name.endswith(("norm", "norm1", "norm2"))


def parameter_shapes(case):
    h, f = case.hidden, case.intermediate
    shapes = {"embedding": (case.vocabulary, h)}
    for layer in range(case.layers):
        at = f"layers.{layer}."
        shapes.update({at + "norm1": (2, h), at + "qkv": (3 * h, h), at + "out": (h, h), at + "norm2": (2, h)})
        if layer in case.moe_layers:
            shapes[at + "router"] = (case.num_experts, h)
            ffns = [f"{at}experts.{e}." for e in range(case.num_experts)]
        else:
            ffns = [at]
        for ffn in ffns:
            shapes.update({ffn + "up": (f, h), ffn + "down": (h, f)})
    shapes["final_norm"] = (2, h)
    return shapes


def initial_parameters(case, dtype):
    # Rounded to f32 first, so that the f64 run differs in its arithmetic only.
    parameters = {}
    for name, shape in parameter_shapes(case).items():
        if is_norm(name):
            value = torch.stack([torch.ones(shape[1]), torch.zeros(shape[1])])
        else:
            value = initial_matrix(name, shape, case.seed)
        parameters[name] = value.to(dtype).requires_grad_(True)
    return parameters


def sequence_starts(case, step):
    stream = splitmix64(case.seed ^ CORPUS_TAG) + step * 2**20
    return [splitmix64((stream + g) & MASK) % (CORPUS_BYTES - case.sequence) for g in range(case.global_batch)]


# ---- Forward --------------------------------------------------------------------------------------------------------


def layer_norm(x, norm):
    mean = x.mean(-1, keepdim=True)
    variance = ((x - mean) ** 2).mean(-1, keepdim=True)
    return (x - mean) / torch.sqrt(variance + NORM_EPS) * norm[0] + norm[1]


def rotary(x):  # [B, A, S, D]
    length, half = x.shape[-2], x.shape[-1] // 2
    frequency = 10000.0 ** (-2.0 * torch.arange(half, dtype=torch.float64) / x.shape[-1])
    angle = torch.arange(length, dtype=torch.float64)[:, None] * frequency  # [S, D / 2]
    cos, sin = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
    a, b = x[..., :half], x[..., half:]
    return torch.cat([a * cos - b * sin, b * cos + a * sin], dim=-1)


def attention(y, qkv, out, heads):  # y: [B, S, H]
    batch, length, hidden = y.shape
    q, k, v = ((y @ w.T).view(batch, length, heads, -1).transpose(1, 2) for w in qkv.split(hidden))
    scores = rotary(q) @ rotary(k).transpose(-1, -2) / math.sqrt(hidden // heads)
    future = torch.ones(length, length, dtype=torch.bool).triu(1)
    o = torch.softmax(scores.masked_fill(future, -math.inf), dim=-1) @ v
    return o.transpose(1, 2).reshape(batch, length, hidden) @ out.T


def feed_forward(z, up, down):
    h = z @ up.T
    return (h / 2 * (1 + torch.erf(h / math.sqrt(2.0)))) @ down.T


def moe(z, parameters, at, case):  # z: [T, H]; returns output, auxiliary, counts [E], margin
    p = torch.softmax(z @ parameters[at + "router"].T, dim=-1)
    # A stable sort keeps the lower index first among equal probabilities; topk promises no order.
    order = torch.sort(p.detach(), dim=-1, descending=True, stable=True)
    chosen = order.indices[:, : case.top_k]
    weights = p.gather(1, chosen)
    if case.top_k > 1:
        weights = weights / weights.sum(-1, keepdim=True)
    result = torch.zeros_like(z)
    for e in range(case.num_experts):
        rows, slots = torch.where(chosen == e)
        at_e = f"{at}experts.{e}."
        y = feed_forward(z[rows], parameters[at_e + "up"], parameters[at_e + "down"])
        result = result.index_add(0, rows, weights[rows, slots, None] * y)
    counts = torch.bincount(chosen.flatten(), minlength=case.num_experts)
    fraction = counts.to(p.dtype) / chosen.numel()
    auxiliary = ALPHA * case.num_experts * (fraction * p.mean(0)).sum()
    margin = (order.values[:, case.top_k - 1] - order.values[:, case.top_k]).min().item()
    return result, auxiliary, counts, margin


def forward(parameters, case, tokens):  # tokens: [B, S + 1]; returns ce, aux, counts [MoE layers, E], margin
    inputs, targets = tokens[:, :-1], tokens[:, 1:]
    x = parameters["embedding"][inputs]
    auxiliary, counts, margins = torch.zeros((), dtype=x.dtype), [], []
    for layer in range(case.layers):
        at = f"layers.{layer}."
        y = layer_norm(x, parameters[at + "norm1"])
        x = x + attention(y, parameters[at + "qkv"], parameters[at + "out"], case.heads)
        z = layer_norm(x, parameters[at + "norm2"])
        if layer in case.moe_layers:
            y, aux, count, margin = moe(z.reshape(-1, case.hidden), parameters, at, case)
            x, auxiliary = x + y.view_as(x), auxiliary + aux
            counts.append(count)
            margins.append(margin)
        else:
            x = x + feed_forward(z, parameters[at + "up"], parameters[at + "down"])
    logits = layer_norm(x, parameters["final_norm"]) @ parameters["embedding"].T
    ce = F.cross_entropy(logits.flatten(0, 1), targets.flatten())
    return ce, auxiliary, torch.stack(counts), min(margins)


# ---- Step -----------------------------------------------------------------------------------------------------------


def gradients_of_step(parameters, case, corpus, step):
    """Gradients, cross-entropy and auxiliary loss are means over the microbatches, counts a sum, margin a minimum."""
    offsets = torch.tensor(sequence_starts(case, step))[:, None] + torch.arange(case.sequence + 1)
    gradients = {name: torch.zeros_like(w) for name, w in parameters.items()}
    ce_sum, auxiliary_sum, counts, margin = 0.0, 0.0, 0, math.inf
    for tokens in corpus[offsets].chunk(case.microbatches):
        ce, auxiliary, count, gap = forward(parameters, case, tokens)
        # An expert without tokens has a gradient of zero, not none: its weights still decay.
        grads = torch.autograd.grad(ce + auxiliary, list(parameters.values()), materialize_grads=True)
        for name, g in zip(parameters, grads):
            gradients[name] += g / case.microbatches
        ce_sum, auxiliary_sum = ce_sum + ce.item(), auxiliary_sum + auxiliary.item()
        counts, margin = counts + count, min(margin, gap)
    return gradients, ce_sum / case.microbatches, auxiliary_sum / case.microbatches, counts.tolist(), margin


def adamw(parameters, gradients, m, v, t):
    with torch.no_grad():
        for name, w in parameters.items():
            g = gradients[name]
            m[name] = B1 * m[name] + (1 - B1) * g
            v[name] = B2 * v[name] + (1 - B2) * g * g
            update = (m[name] / (1 - B1**t)) / (torch.sqrt(v[name] / (1 - B2**t)) + EPS)
            w -= LR * (update + (0.0 if is_norm(name) else DECAY) * w)


def train(case, corpus, dtype):
    parameters = initial_parameters(case, dtype)
    m = {name: torch.zeros_like(w) for name, w in parameters.items()}
    v = {name: torch.zeros_like(w) for name, w in parameters.items()}
    run = {"loss": [], "cross_entropy": [], "auxiliary": [], "counts": [], "margin": []}
    for step in range(STEPS):
        gradients, ce, auxiliary, counts, margin = gradients_of_step(parameters, case, corpus, step)
        if step == 0:
            gradient_norms = {name: g.double().norm().item() for name, g in gradients.items()}
        for values, value in zip(run.values(), (ce + auxiliary, ce, auxiliary, counts, margin)):
            values.append(value)
        adamw(parameters, gradients, m, v, step + 1)
    return {**run, "gradient_norms": gradient_norms}


# ---- Checks before anything is written ------------------------------------------------------------------------------


def check_finite_differences(case, corpus):
    """Central differences in f64 of the element with the largest gradient of every parameter; returns the worst."""
    parameters = initial_parameters(case, torch.float64)
    gradients, _, _, base_counts, _ = gradients_of_step(parameters, case, corpus, 0)
    h, worst = 1e-5, 0.0
    for name, w in parameters.items():
        i = int(gradients[name].abs().argmax())
        exact, losses = gradients[name].flatten()[i].item(), []
        for shift in (h, -2 * h):
            w.detach().view(-1)[i] += shift
            _, ce, auxiliary, counts, _ = gradients_of_step(parameters, case, corpus, 0)
            losses.append(ce + auxiliary)
            if counts != base_counts:
                raise SystemExit(f"{case.name}: {name}[{i}]: routing changed within the difference")
        w.detach().view(-1)[i] += h
        difference = abs((losses[0] - losses[1]) / (2 * h) - exact) / abs(exact)
        if not difference < 1e-5:
            raise SystemExit(f"{case.name}: {name}[{i}]: gradient {exact}, relative difference {difference}")
        worst = max(worst, difference)
    return worst


def run_case(case, corpus):
    finite_difference = check_finite_differences(case, corpus)
    single, double = train(case, corpus, torch.float32), train(case, corpus, torch.float64)
    deviation = max(abs(a - b) / abs(b) for a, b in zip(single["loss"], double["loss"]))
    norms, exact = single["gradient_norms"], double["gradient_norms"]
    norm_deviation = max(abs(norms[name] - exact[name]) / exact[name] for name in norms)
    if not deviation < 1e-4:
        raise SystemExit(f"{case.name}: f32 and f64 losses differ by {deviation}")
    moved = [int(np.abs(np.array(a) - np.array(b)).sum()) // 2 for a, b in zip(single["counts"], double["counts"])]
    return {
        "config": asdict(case),
        "embedding_first_4": initial_matrix("embedding", (4,), case.seed).tolist(),
        "starts_step_0": sequence_starts(case, 0),
        "loss": single["loss"],
        "cross_entropy": single["cross_entropy"],
        "auxiliary": single["auxiliary"],
        "counts_step_0": single["counts"][0],
        "counts_step_19": single["counts"][-1],
        "routing_margin": single["margin"],
        "f64_moved_assignments": moved,
        "f64_loss_deviation": deviation,
        "f64_gradient_norm_deviation": norm_deviation,
        "finite_difference_deviation": finite_difference,
        "gradient_norms_step_0": norms,
    }


def nine_digits(value):
    if isinstance(value, float):
        return float(f"{value:.9g}")
    if isinstance(value, dict):
        return {key: nine_digits(item) for key, item in value.items()}
    return [nine_digits(item) for item in value] if isinstance(value, (list, tuple)) else value


def to_text(document):
    def line(key, value, indent):
        return f"{indent}{json.dumps(key)}: {json.dumps(nine_digits(value))}"

    head = [line(key, value, "  ") for key, value in document.items() if key != "cases"]
    cases = []
    for case in document["cases"]:
        cases.append("    {\n" + ",\n".join(line(key, value, "      ") for key, value in case.items()) + "\n    }")
    return "{\n" + ",\n".join(head) + ',\n  "cases": [\n' + ",\n".join(cases) + "\n  ]\n}\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--output", required=True, help="the file to write, for example torch_twin.json")
    output = parser.parse_args().output
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    corpus = make_corpus()
    tokens = torch.tensor(list(corpus))
    document = {
        "comment": "Written by torch_twin.py, torch " + torch.__version__ + ", CPU, f32, one thread; see README.md.",
        "corpus": {"rule": CORPUS_RULE, "bytes": len(corpus), "fnv1a64": f"0x{fnv1a64(corpus):016x}"},
        "optimizer": {"lr": LR, "b1": B1, "b2": B2, "eps": EPS, "decay": DECAY, "alpha": ALPHA},
        "cases": [run_case(case, tokens) for case in CASES],
    }
    with open(output + ".partial", "w", encoding="ascii") as file:
        file.write(to_text(document))
    os.replace(output + ".partial", output)


if __name__ == "__main__":
    main()
