"""The parts of an MoE layer in torch, for every peer: where rows go, grouped products, the weighted sum back.

Nothing waits for the device: sizes are fixed by the shapes, so counts never come to the host. Rows are gathered in both
directions and both passes, never added by atomics. Autograd does the rest.
"""
import torch


class Route:
    """Row r of the experts' rows is choice order[r]; choice i is row inverse[i]; rows of expert e end at ends[e]."""

    def __init__(self, logits, top_k):  # [tokens, experts] in f32
        self.probabilities = logits.softmax(-1)
        weights, chosen = self.probabilities.topk(top_k)
        self.weights = weights / weights.sum(-1, keepdim=True) if top_k > 1 else weights
        by_expert, self.order = chosen.flatten().to(torch.int32).sort(stable=True)
        self.inverse = torch.empty_like(self.order).scatter_(
            0, self.order, torch.arange(self.order.numel(), device=logits.device))
        experts = torch.arange(logits.shape[1], dtype=torch.int32, device=logits.device)
        self.ends = torch.searchsorted(by_expert, experts, right=True, out_int32=True)

    def fractions(self):  # [experts], of all choices
        return self.ends.diff(prepend=self.ends.new_zeros(1)) / self.order.numel()


class Permute(torch.autograd.Function):
    @staticmethod
    def forward(ctx, z, order, inverse, top_k):
        ctx.save_for_backward(inverse)
        ctx.top_k = top_k
        return z.index_select(0, order // top_k)

    @staticmethod
    def backward(ctx, gradient):
        (inverse,) = ctx.saved_tensors
        return gradient.index_select(0, inverse).unflatten(0, (-1, ctx.top_k)).sum(1), None, None, None


class Unpermute(torch.autograd.Function):
    @staticmethod
    def forward(ctx, rows, order, inverse):
        ctx.save_for_backward(order)
        return rows.index_select(0, inverse)

    @staticmethod
    def backward(ctx, gradient):
        (order,) = ctx.saved_tensors
        return gradient.index_select(0, order), None, None


def permute(z, route):
    return Permute.apply(z, route.order, route.inverse, route.weights.shape[1])


def unpermute(rows, route, residual):
    """residual + the weighted sum of each token's rows. One batched product, or what the compiler fuses."""
    weights = route.weights.to(rows.dtype)
    choices = Unpermute.apply(rows, route.order, route.inverse).unflatten(0, weights.shape)
    if torch.compiler.is_compiling():
        return residual + (choices * weights.unsqueeze(-1)).sum(1)
    return torch.baddbmm(residual.unsqueeze(1), weights.unsqueeze(1), choices).squeeze(1)


def grouped_kernel_takes(dtype, device):
    """torch.nn.functional.grouped_mm by another name. On a GPU other formats than bf16 would wait for the host."""
    return hasattr(torch, "_grouped_mm") and (dtype == torch.bfloat16 or device == "cpu")


def grouped_products(rows, weights, ends):
    """[n, k] x [experts, out, k] -> [n, out]. A loop, for which the host must know the counts, where nothing else is."""
    if grouped_kernel_takes(rows.dtype, rows.device.type):
        return torch._grouped_mm(rows, weights.transpose(1, 2), offs=ends)
    begins = [0, *ends.tolist()]
    return torch.cat([rows[a:b] @ w.T for a, b, w in zip(begins, begins[1:], weights)])
