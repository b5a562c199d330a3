"""The model of docs/training_model.md as torch modules, by the fastest means that torch has: grouped products, fused
attention. Parameters have the page's names, an expert's matrices stacked: up [E, F, H], down [E, H, F]."""
import torch
import torch.nn.functional as F
from routed_rows import Route, grouped_products, permute, unpermute
from training_case import initial_matrix
from torch import nn

NORM_EPS = 1e-5


class Rotation:
    """cos and sin of every position, made once: [S, D / 2]."""

    def __init__(self, length, head_dim, dtype, device):
        frequency = 10000.0 ** (-2.0 * torch.arange(head_dim // 2, dtype=torch.float64) / head_dim)
        angle = torch.arange(length, dtype=torch.float64)[:, None] * frequency
        self.cos, self.sin = angle.cos().to(device, dtype), angle.sin().to(device, dtype)

    def turn(self, x):  # [B, heads, S, D]
        a, b = x.chunk(2, dim=-1)
        return torch.cat([a * self.cos - b * self.sin, b * self.cos + a * self.sin], dim=-1)


class Block(nn.Module):
    """One layer: attention, then experts or one feed-forward network. x -> x, auxiliary loss (None without experts)."""

    def __init__(self, model, layer, seed, rotation):
        super().__init__()
        h, e, f = model["hidden"], model["num_experts"], model["expert_intermediate"]
        self.heads, self.top_k, self.rotation = model["num_heads"], model["top_k"], rotation
        self.auxiliary_scale = model["auxiliary_coefficient"] * e
        self.routed = layer in model["moe_layers"]
        make = lambda name, *shape: nn.Parameter(initial_matrix(f"layers.{layer}.{name}", shape, seed))
        experts = lambda name, *shape: nn.Parameter(
            torch.stack([initial_matrix(f"layers.{layer}.experts.{i}.{name}", shape, seed) for i in range(e)]))
        self.norm1, self.norm2 = nn.LayerNorm(h, NORM_EPS), nn.LayerNorm(h, NORM_EPS)
        self.qkv, self.out = make("qkv", 3 * h, h), make("out", h, h)
        if self.routed:
            self.router, self.up, self.down = make("router", e, h), experts("up", f, h), experts("down", h, f)
        else:
            f = model["dense_intermediate"]
            self.up, self.down = make("up", f, h), make("down", h, f)

    def attention(self, y):  # [B, S, H]
        size, length, hidden = y.shape
        qkv = F.linear(y, self.qkv).view(size, length, 3, self.heads, hidden // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind()  # [B, heads, S, D] each
        o = F.scaled_dot_product_attention(self.rotation.turn(q), self.rotation.turn(k), v, is_causal=True)
        return F.linear(o.transpose(1, 2).reshape(size, length, hidden), self.out)

    def experts(self, z, residual):  # [T, H]
        route = Route(F.linear(z, self.router).float(), self.top_k)
        rows = grouped_products(permute(z, route), self.up, route.ends)
        rows = grouped_products(F.gelu(rows), self.down, route.ends)
        auxiliary = self.auxiliary_scale * (route.fractions() * route.probabilities.mean(0)).sum()
        return unpermute(rows, route, residual), auxiliary

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        z = self.norm2(x)
        if not self.routed:
            return x + F.linear(F.gelu(F.linear(z, self.up)), self.down), None
        y, auxiliary = self.experts(z.flatten(0, 1), x.flatten(0, 1))
        return y.view_as(x), auxiliary


class Head(nn.Module):
    def __init__(self, hidden, weight):
        super().__init__()
        self.norm, self.weight = nn.LayerNorm(hidden, NORM_EPS), weight

    def forward(self, x, targets):
        logits = F.linear(self.norm(x), self.weight)
        return F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten())


class GptMoe(nn.Module):
    """In f32, as drawn: who wants another format converts it and keeps a copy."""

    def __init__(self, model, length, seed, dtype, device):
        super().__init__()
        h = model["hidden"]
        rotation = Rotation(length, h // model["num_heads"], dtype, device)
        make = lambda name: nn.Parameter(initial_matrix(name, (model["vocabulary"], h), seed))
        self.embedding = make("embedding")
        self.blocks = nn.ModuleList(Block(model, layer, seed, rotation) for layer in range(model["num_layers"]))
        self.head = Head(h, self.embedding if model["tied_embeddings"] else make("head"))

    def compile_parts(self):
        """Layers alike share one compilation, which takes seconds; the whole model at once would take minutes."""
        for part in (*self.blocks, self.head):
            part.compile(dynamic=False)

    def forward(self, tokens):
        x, auxiliary = F.embedding(tokens[:, :-1], self.embedding), 0.0
        for block in self.blocks:
            x, extra = block(x)
            if extra is not None:
                auxiliary = auxiliary + extra
        return self.head(x, tokens[:, 1:]) + auxiliary
