"""Losses of a run of moesaic-executor, and whether others agree with them.

Two right programs round differently, and training makes much of little: gpt-moe-tiny in f32 stays within 2e-7 for 26
steps, then its loss jumps and differs by 7e-5. So losses are compared one by one at first, then by their mean.
"""
import json
import math
import statistics
from dataclasses import dataclass

COMPARED_STEPS = 10


@dataclass(frozen=True)
class Tolerance:
    """Relative. Of step s, from 0, before COMPARED_STEPS: first + s * growth; of the mean difference of all later ones."""

    first: float
    growth: float
    mean: float


# f32: other orders of sums, 2e-5 as the runtime's tests ask. bf16: rounding the weights of gpt-moe-tiny alone, to 2^-8
# of their size, moves its first loss by 1e-4, activations by as much again; an update of AdamW is as large for a small
# gradient, whose sign rounding may change, as for a large one, so every step adds as much. Of torch eager, torch
# compiled and executor/cuda on an emulated device each pair differed by at most 4.7e-4 (s + 1), and by 1.1e-3 in the mean
# of steps 10 to 29. Without the auxiliary loss it would be 7e-3 at once.
TOLERANCE = {"f32": Tolerance(2e-5, 0.0, 2e-5), "bf16": Tolerance(8e-4, 8e-4, 3e-3)}


class Expected:
    def __init__(self, path, steps, dtype):
        with open(path, encoding="utf-8") as stream:
            result = json.load(stream)
        self.losses, self.tolerance = result.get("loss"), TOLERANCE[dtype]
        if result.get("kind") != "moesaic.result/1":
            raise SystemExit(f"{path}: not a result of moesaic-executor")
        if result.get("first_step") != 0 or "sample" in result or not self.losses or len(self.losses) < steps:
            raise SystemExit(f"{path}: has not the losses of {steps} steps from the first on")
        self.losses = self.losses[:steps]

    def differences(self, losses):
        return differences(losses, self.losses)

    def problems(self, losses):
        return problems(losses, self.losses, self.tolerance)


def differences(losses, expected):
    """Relative, of each step; None where a loss is missing or is no number."""
    return [a / b - 1 if is_number(a) and is_number(b) else None for a, b in zip(losses, expected, strict=True)]


def problems(losses, expected, tolerance):
    """A sentence for each step that is too far off, and for the rest together."""
    found, differing = [], differences(losses, expected)
    for step, difference in enumerate(differing):
        allowed = tolerance.first + step * tolerance.growth
        if difference is None or (step < COMPARED_STEPS and abs(difference) > allowed):
            found.append(f"step {step}: loss {losses[step]}, expected {expected[step]} within {allowed:.1e}")
    later = differing[COMPARED_STEPS:]
    if later and not found and abs(statistics.mean(later)) > tolerance.mean:
        found.append(f"later steps: losses differ by {statistics.mean(later):.1e} in the mean, allowed {tolerance.mean:.0e}")
    return found


def is_number(value):
    return isinstance(value, float) and math.isfinite(value)
