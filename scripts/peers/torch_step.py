#!/usr/bin/env python3
"""Whole training steps of a plan's model in torch: bf16 or f32 as the plan stores it, fused AdamW with master weights.

The same mathematics, initial values and batches as docs/training_model.md, by the fastest means that torch has: grouped
products, its fused attention, and one fused update. It is one rank, whatever the plan's layout.
Usage: torch_step.py --plan plan.json [--corpus text] [--steps 30] [--expect result.json] [--device cpu]
"""
import json
import math
import statistics

import layer_case as case

import numpy as np
import torch
import torch.nn.functional as F
import torch_layer

MASK = np.uint64(0xFFFFFFFFFFFFFFFF)
NORM_EPS = 1e-5


# ---- The draws of docs/training_model.md, many at a time ------------------------------------------------------------


def splitmix64(x):  # uint64 array; arithmetic wraps around
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def number(x):
    return np.array([x & int(MASK)], dtype=np.uint64)


def fnv1a64(text):
    value = 0xCBF29CE484222325
    for byte in text.encode():
        value = ((value ^ byte) * 0x100000001B3) & int(MASK)
    return value


def initial_matrix(name, shape, seed, piece=1 << 22):
    key = splitmix64(number(fnv1a64(name) ^ seed))
    out = np.empty(math.prod(shape), dtype=np.float32)
    for begin in range(0, out.size, piece):
        end = min(begin + piece, out.size)
        bits = splitmix64(key + np.arange(begin, end, dtype=np.uint64)) >> np.uint64(40)
        out[begin:end] = (2.0 * (bits.astype(np.float64) / 2.0**24) - 1.0) * (math.sqrt(3.0) * 0.02)
    return torch.from_numpy(out).reshape(shape)


def batch(corpus, workload, step, device):  # [sequences, sequence_length + 1]
    length, count = workload["sequence_length"], workload["global_batch"]
    stream = splitmix64(number(workload.get("seed", 0) ^ 0x636F72707573)) + number(step * 2**20)
    starts = splitmix64(stream + np.arange(count, dtype=np.uint64)) % np.uint64(len(corpus) - length)
    return torch.stack([corpus[int(s) : int(s) + length + 1] for s in starts]).to(device, torch.int64)


# ---- The model ------------------------------------------------------------------------------------------------------


class GptMoe(torch.nn.Module):
    """Parameters by the names of the page, an expert's matrices stacked: up [E, F, H], down [E, H, F]."""

    def __init__(self, model, seed, dtype, device):
        super().__init__()
        self.model, self.dtype = model, dtype
        h, f, e = model["hidden"], model["expert_intermediate"], model["num_experts"]
        make = lambda name, *shape: initial_matrix(name, shape, seed)
        norm = lambda: torch.stack([torch.ones(h), torch.zeros(h)])
        values = {"embedding": make("embedding", model["vocabulary"], h), "final_norm": norm()}
        if not model["tied_embeddings"]:
            values["head"] = make("head", model["vocabulary"], h)
        for layer in range(model["num_layers"]):
            at = f"layers.{layer}."
            values.update({at + "norm1": norm(), at + "norm2": norm(), at + "qkv": make(at + "qkv", 3 * h, h),
                           at + "out": make(at + "out", h, h)})
            if layer in model["moe_layers"]:
                values[at + "router"] = make(at + "router", e, h)
                for what, shape in (("up", (f, h)), ("down", (h, f))):
                    values[at + what] = torch.stack([make(f"{at}experts.{i}.{what}", *shape) for i in range(e)])
            else:
                f = model["dense_intermediate"]
                values.update({at + "up": make(at + "up", f, h), at + "down": make(at + "down", h, f)})
        self.names = list(values)
        self.masters = {name: value.to(device) for name, value in values.items()}
        self.weights = torch.nn.ParameterDict(
            {name.replace(".", "/"): torch.nn.Parameter(value.to(dtype)) for name, value in self.masters.items()})

    def weight(self, name):
        return self.weights[name.replace(".", "/")]

    def norm(self, x, name):
        gain, bias = self.weight(name)
        return F.layer_norm(x, x.shape[-1:], gain, bias, NORM_EPS)

    def attention(self, y, at):  # [B, S, H]
        size, length, hidden = y.shape
        qkv = F.linear(y, self.weight(at + "qkv")).view(size, length, 3, self.model["num_heads"], -1)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # [B, heads, S, D] each
        o = F.scaled_dot_product_attention(rotary(q), rotary(k), v, is_causal=True)
        return F.linear(o.transpose(1, 2).reshape(size, length, hidden), self.weight(at + "out"))

    def moe(self, z, at):  # [T, H] -> output, auxiliary
        experts, top_k = self.model["num_experts"], self.model["top_k"]
        p = F.linear(z, self.weight(at + "router")).float().softmax(-1)
        weights, chosen = p.topk(top_k)
        if top_k > 1:
            weights = weights / weights.sum(-1, keepdim=True)
        order = chosen.flatten().argsort(stable=True)
        tokens, counts = order // top_k, torch.bincount(chosen.flatten(), minlength=experts)
        ends = counts.cumsum(0).to(torch.int32)
        rows = torch_layer.grouped_products(z.index_select(0, tokens), self.weight(at + "up"), ends)
        rows = torch_layer.grouped_products(F.gelu(rows), self.weight(at + "down"), ends)
        rows = rows * weights.flatten()[order].unsqueeze(1).to(rows.dtype)
        fraction = counts / chosen.numel()
        auxiliary = self.model["auxiliary_coefficient"] * experts * (fraction * p.mean(0)).sum()
        return torch.zeros_like(z).index_add(0, tokens, rows), auxiliary

    def forward(self, tokens):
        x, auxiliary = F.embedding(tokens[:, :-1], self.weight("embedding")), 0.0
        for layer in range(self.model["num_layers"]):
            at = f"layers.{layer}."
            x = x + self.attention(self.norm(x, at + "norm1"), at)
            z = self.norm(x, at + "norm2")
            if layer in self.model["moe_layers"]:
                y, extra = self.moe(z.flatten(0, 1), at)
                x, auxiliary = x + y.view_as(x), auxiliary + extra
            else:
                x = x + F.linear(F.gelu(F.linear(z, self.weight(at + "up"))), self.weight(at + "down"))
        head = self.weight("embedding" if self.model["tied_embeddings"] else "head")
        logits = F.linear(self.norm(x, "final_norm"), head)
        return F.cross_entropy(logits.flatten(0, 1).float(), tokens[:, 1:].flatten()) + auxiliary


def rotary(x):  # [B, heads, S, D]
    length, half = x.shape[-2], x.shape[-1] // 2
    frequency = 10000.0 ** (-2.0 * torch.arange(half, dtype=torch.float64, device=x.device) / x.shape[-1])
    angle = torch.arange(length, dtype=torch.float64, device=x.device)[:, None] * frequency
    cos, sin = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
    a, b = x[..., :half], x[..., half:]
    return torch.cat([a * cos - b * sin, b * cos + a * sin], dim=-1)


class Update:
    """Fused AdamW on f32 master weights; weights in bf16 are rounded copies of them."""

    def __init__(self, network, optimizer):
        self.network, self.rounded = network, network.dtype != torch.float32
        if self.rounded:
            self.masters = {name: master.requires_grad_() for name, master in network.masters.items()}
        else:
            self.masters = {name: network.weight(name) for name in network.names}
        decay = [m for n, m in self.masters.items() if not n.endswith(("norm", "norm1", "norm2"))]
        plain = [m for n, m in self.masters.items() if n.endswith(("norm", "norm1", "norm2"))]
        self.adamw = torch.optim.AdamW(
            [{"params": decay, "weight_decay": optimizer["weight_decay"]}, {"params": plain, "weight_decay": 0.0}],
            lr=optimizer["learning_rate"], betas=(optimizer["beta1"], optimizer["beta2"]), eps=optimizer["epsilon"],
            fused=True)

    def step(self):
        if self.rounded:
            for name, master in self.masters.items():
                master.grad = self.network.weight(name).grad.float()
        self.adamw.step()
        if self.rounded:
            with torch.no_grad():
                torch._foreach_copy_([self.network.weight(n) for n in self.masters], list(self.masters.values()))
        for name in self.masters:
            self.network.weight(name).grad = None
        self.adamw.zero_grad(set_to_none=True)


# ---- The run --------------------------------------------------------------------------------------------------------


def train(arguments, plan, corpus):
    documents = plan["documents"]
    workload, model = documents["workload"], documents["model"]
    dtype = torch.bfloat16 if workload["compute_dtype"] == "bf16" else torch.float32
    network = GptMoe(model, workload.get("seed", 0), dtype, arguments.device)
    update, losses, seconds = Update(network, workload["optimizer"]), [], []
    parts = plan["layout"]["micro_batches"]

    def one_step(step):
        total = 0.0
        for tokens in batch(corpus, workload, step, arguments.device).chunk(parts):
            loss = network(tokens) / parts
            loss.backward()
            total = total + loss.detach()
        update.step()
        losses.append(total)

    for step in range(arguments.steps):
        seconds.append(case.seconds_of(arguments, lambda: one_step(step)))
    return [float(loss) for loss in losses], seconds, workload["global_batch"] * workload["sequence_length"]


def deviation(arguments, losses):
    """From the losses of a run of moesaic-executor of the same plan; the largest relative one."""
    with open(arguments.expect, encoding="utf-8") as stream:
        expected = json.load(stream)["loss"]
    return max(abs(a - b) / abs(b) for a, b in zip(losses, expected))


def main():
    def add(parser):
        parser.add_argument("--plan", required=True)
        parser.add_argument("--corpus", required=True)
        parser.add_argument("--steps", type=int, default=30)
        parser.add_argument("--expect", help="a result of moesaic-executor execute, to compare losses with")

    arguments = case.parse(__doc__.splitlines()[0], add)
    with open(arguments.plan, encoding="utf-8") as stream:
        plan = json.load(stream)
    with open(arguments.corpus, "rb") as stream:
        corpus = torch.frombuffer(bytearray(stream.read()), dtype=torch.uint8)
    torch.backends.cuda.matmul.allow_tf32 = False
    losses, seconds, tokens = train(arguments, plan, corpus)
    median = statistics.median(seconds[len(seconds) // 3 :])  # the first steps make kernels and memory pools
    more = {"loss": losses, "median_step_seconds": median, "tokens_per_second": tokens / median}
    if arguments.device == "cuda":
        more["peak_bytes"] = torch.cuda.max_memory_allocated()
    if arguments.expect:
        more["loss_deviation"] = deviation(arguments, losses)
    case.print_document("torch_step", arguments, [], plan=arguments.plan.split("/")[-1], steps=arguments.steps, **more)


if __name__ == "__main__":
    main()
