#!/usr/bin/env python3
"""Can a peer's comparison with the executor's losses fail? scripts/peers/losses.py with results made up here.

It runs no peer and needs no torch. Usage: peers_test.py ROOT
"""
import json
import os
import sys
import tempfile

RESULT = {"kind": "moesaic.result/1", "first_step": 0, "loss": [5.0, 4.0, 2.0]}
LONG = {**RESULT, "loss": [5.0] * 12}


def problems(root, dtype, losses, result):
    """The steps that are named, or what refuses the result."""
    sys.path.insert(0, os.path.join(root, "scripts/peers"))
    from losses import Expected

    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "result.json")
        with open(path, "w", encoding="utf-8") as stream:
            json.dump(result, stream)
        try:
            return [problem.split(":")[0] for problem in Expected(path, len(losses), dtype).problems(losses)]
        except SystemExit as refused:
            return str(refused).removeprefix(path + ": ")


def main(root):
    nan = float("nan")
    other = "not a result of moesaic-executor"
    for dtype, losses, result, expected in (
            ("f32", [5.00009, 3.99993, 2.0], RESULT, []),                                # 1.8e-5 and 1.75e-5 of 2e-5
            ("f32", [5.00011, 4.0, 1.99995], RESULT, ["step 0", "step 2"]),              # 2.2e-5 and 2.5e-5
            ("bf16", [5.0035, 3.994, 2.0045], RESULT, []),                               # 7e-4, 1.5e-3, 2.25e-3
            ("bf16", [5.0045, 3.993, 2.0055], RESULT, ["step 0", "step 1", "step 2"]),   # 9e-4, 1.75e-3, 2.75e-3
            ("f32", [5.0] * 10 + [5.0003, 4.9998], LONG, []),                            # mean of 6e-5 and -4e-5: 1e-5
            ("f32", [5.0] * 10 + [5.0003, 5.0], LONG, ["later steps"]),                  # 3e-5
            ("f32", [5.0] * 10 + [nan, 5.0], LONG, ["step 10"]),
            ("f32", [5.0, nan, 2.0], RESULT, ["step 1"]),
            ("f32", [5.0, 4.0], {**RESULT, "loss": [5.0, None]}, ["step 1"]),
            ("f32", [5.0, 4.0], {**RESULT, "loss": [5.0, nan]}, ["step 1"]),
            ("f32", [5.0] * 4, RESULT, "has not the losses of 4 steps from the first on"),
            ("f32", [5.0], {**RESULT, "loss": []}, "has not the losses of 1 steps from the first on"),
            ("f32", [5.0], {**RESULT, "first_step": 2}, "has not the losses of 1 steps from the first on"),
            ("f32", [5.0], {"peer": "torch_step", "loss": [5.0]}, other),
            ("f32", [5.0], {**RESULT, "kind": "moesaic.plan/1"}, other)):
        found = problems(root, dtype, losses, result)
        if found != expected:
            sys.exit(f"{dtype} {losses} against {result}: expected {expected}, found {found}")
    print("agreement passes; deviation, gaps and other documents do not")


if __name__ == "__main__":
    main(os.path.abspath(sys.argv[1]))
