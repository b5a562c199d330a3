#!/usr/bin/env python3
"""Training steps of Mixtral, Qwen3-MoE and OLMoE by the models of `transformers` themselves: the source of
transformers_twin.json.

Tiny configurations, our initial values and corpus (docs/training_model.md, torch_twin.py), torch's AdamW, CPU, one thread.
The auxiliary loss is ours (Switch Transformer, one term per layer), made of the logits of their routers. No model there has
a plain shared expert beside the routed ones and GQA: that case adds their own dense MLP to their Mixtral block.
"""
import argparse
import json
import math
import os

import torch
import transformers
from torch_twin import (ALPHA, B1, B2, CORPUS_RULE, DECAY, EPS, LR, STEPS, fnv1a64, initial_matrix, make_corpus,
                        nine_digits, sequence_starts)
from transformers.models.qwen3_moe.modeling_qwen3_moe import Qwen3MoeMLP

SHAPE = {"hidden_size": 64, "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 256, "hidden_act": "silu",
         "num_hidden_layers": 2, "max_position_embeddings": 64, "num_experts_per_tok": 2, "router_aux_loss_coef": ALPHA}
CASES = {
    "mixtral": {"model_type": "mixtral", **SHAPE, "num_local_experts": 4, "intermediate_size": 96, "rope_theta": 1e6,
                "rms_norm_eps": 1e-5, "tie_word_embeddings": False},
    "qwen3_moe": {"model_type": "qwen3_moe", **SHAPE, "num_hidden_layers": 3, "head_dim": 24, "num_experts": 8,
                  "moe_intermediate_size": 48, "intermediate_size": 96, "mlp_only_layers": [1], "decoder_sparse_step": 1,
                  "norm_topk_prob": True, "rope_theta": 1e4, "rms_norm_eps": 1e-6, "tie_word_embeddings": True},
    "olmoe": {"model_type": "olmoe", **SHAPE, "num_experts": 8, "intermediate_size": 48, "norm_topk_prob": False,
              "rope_theta": 1e4, "rms_norm_eps": 1e-5, "tie_word_embeddings": False},
    "shared_expert": {"model_type": "mixtral", **SHAPE, "num_local_experts": 4, "intermediate_size": 48,
                      "rope_theta": 1e6, "rms_norm_eps": 1e-5, "tie_word_embeddings": False},
}
SHARED_INTERMEDIATE = {"shared_expert": 80}
RUN = {"sequence": 32, "global_batch": 8, "microbatches": 2}


class Draws:
    """What torch_twin.sequence_starts asks of a case."""

    def __init__(self, seed):
        self.seed, self.sequence, self.global_batch = seed, RUN["sequence"], RUN["global_batch"]


def initial_values(model, config, seed):
    """Our values under their names; [q; k; v] and [gate; up] are one matrix of ours."""
    def ours(name, rows, columns):
        return initial_matrix(name, (rows, columns), seed)

    values = {}
    for name, weight in model.named_parameters():
        parts = name.split(".")
        layer = f"layers.{parts[2]}." if parts[1] == "layers" else ""
        if weight.dim() == 1:
            values[name] = torch.ones_like(weight)
        elif parts[-2] in ("q_proj", "k_proj", "v_proj"):
            attention = model.get_submodule(".".join(parts[:-2]))
            rows = [getattr(attention, p).weight.shape[0] for p in ("q_proj", "k_proj", "v_proj")]
            whole = ours(layer + "qkv", sum(rows), weight.shape[1])
            values[name] = whole.split(rows)[("q_proj", "k_proj", "v_proj").index(parts[-2])]
        elif parts[-1] in ("gate_up_proj", "down_proj"):
            which = "up" if parts[-1] == "gate_up_proj" else "down"
            values[name] = torch.stack([ours(f"{layer}experts.{e}.{which}", *weight.shape[1:])
                                        for e in range(weight.shape[0])])
        elif parts[-2] in ("gate_proj", "up_proj"):
            kind = "shared_up" if "shared" in parts else "up"
            whole = ours(layer + kind, 2 * weight.shape[0], weight.shape[1])
            values[name] = whole.chunk(2)[parts[-2] == "up_proj"]
        else:
            kind = {"embed_tokens": "embedding", "lm_head": "head", "o_proj": layer + "out", "gate": layer + "router",
                    "down_proj": layer + ("shared_down" if "shared" in parts else "down")}[parts[-2]]
            values[name] = ours(kind, *weight.shape)
    return values


def add_shared_expert(model, config, width):
    dense = Qwen3MoeMLP(transformers.AutoConfig.for_model("qwen3_moe", hidden_size=config.hidden_size), width)
    for layer in model.model.layers:
        layer.shared = type(dense)(dense.config, width)

        def add(block, inputs, output, shared=layer.shared):
            extra = shared(inputs[0])
            return (output[0] + extra, *output[1:]) if isinstance(output, tuple) else output + extra

        layer.mlp.register_forward_hook(add)


def build(name, dtype, seed):
    config = transformers.AutoConfig.for_model(**CASES[name])
    config._attn_implementation = "eager"
    config._experts_implementation = "eager"
    model = transformers.AutoModelForCausalLM.from_config(config)
    if name in SHARED_INTERMEDIATE:
        add_shared_expert(model, config, SHARED_INTERMEDIATE[name])
    with torch.no_grad():
        values = initial_values(model, config, seed)
        for parameter, weight in model.named_parameters():
            weight.copy_(values[parameter])
    return model.to(dtype)


def auxiliary_of(logits, top_k):
    p = torch.softmax(logits, dim=-1)
    counts = torch.bincount(p.detach().topk(top_k).indices.flatten(), minlength=p.shape[-1])
    return ALPHA * p.shape[-1] * (counts.to(p.dtype) / counts.sum() * p.mean(0)).sum(), counts


def train(name, seed, tokens, dtype):
    model = build(name, dtype, seed)
    logits = []
    for module in model.modules():
        if type(module).__name__.endswith("TopKRouter"):
            module.register_forward_hook(lambda _, __, output: logits.append(output[0]))
    matrices = [w for w in model.parameters() if w.dim() > 1]
    norms = [w for w in model.parameters() if w.dim() == 1]
    optimizer = torch.optim.AdamW([{"params": matrices, "weight_decay": DECAY}, {"params": norms, "weight_decay": 0.0}],
                                  lr=LR, betas=(B1, B2), eps=EPS)
    run = {"loss": [], "cross_entropy": [], "counts_step_0": None}
    for step in range(STEPS):
        offsets = torch.tensor(sequence_starts(Draws(seed), step))[:, None] + torch.arange(RUN["sequence"] + 1)
        optimizer.zero_grad(set_to_none=False)
        ce_sum, auxiliary_sum, counts = 0.0, 0.0, 0
        for part in tokens[offsets].chunk(RUN["microbatches"]):
            logits.clear()
            output = model(part[:, :-1], use_cache=False).logits
            ce = torch.nn.functional.cross_entropy(output.flatten(0, 1), part[:, 1:].flatten())
            terms = [auxiliary_of(of_layer, CASES[name]["num_experts_per_tok"]) for of_layer in logits]
            auxiliary = sum(term for term, _ in terms)
            ((ce + auxiliary) / RUN["microbatches"]).backward()
            ce_sum, auxiliary_sum = ce_sum + ce.item(), auxiliary_sum + auxiliary.item()
            counts = counts + torch.stack([of_layer for _, of_layer in terms])
        for weight in model.parameters():  # an expert without tokens has a gradient of zero: its weights still decay
            weight.grad = torch.zeros_like(weight) if weight.grad is None else weight.grad
        optimizer.step()
        run["cross_entropy"].append(ce_sum / RUN["microbatches"])
        run["loss"].append((ce_sum + auxiliary_sum) / RUN["microbatches"])
        if step == 0:
            run["counts_step_0"] = counts.tolist()
    return run


def run_case(name, seed, tokens):
    single, double = train(name, seed, tokens, torch.float32), train(name, seed, tokens, torch.float64)
    deviation = max(abs(a - b) / b for a, b in zip(single["loss"], double["loss"]))
    if not deviation < 1e-5:
        raise SystemExit(f"{name}: f32 and f64 losses differ by {deviation}")
    return {"name": name, "seed": seed, "model": CASES[name], "shared_intermediate": SHARED_INTERMEDIATE.get(name, 0),
            **RUN, **single, "f64_loss_deviation": deviation}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--output", required=True, help="the file to write, for example transformers_twin.json")
    output = parser.parse_args().output
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    corpus = make_corpus()
    tokens = torch.tensor(list(corpus))
    document = {
        "comment": f"Written by transformers_twin.py, transformers {transformers.__version__}, torch {torch.__version__}, "
                   "CPU, f32, one thread; see README.md.",
        "corpus": {"rule": CORPUS_RULE, "bytes": len(corpus), "fnv1a64": f"0x{fnv1a64(corpus):016x}"},
        "cases": [run_case(name, 11 + i, tokens) for i, name in enumerate(CASES)],
    }
    with open(output + ".partial", "w", encoding="ascii") as file:
        json.dump(nine_digits(document), file, indent=1)
        file.write("\n")
    os.replace(output + ".partial", output)


if __name__ == "__main__":
    main()
