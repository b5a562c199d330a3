#!/usr/bin/env python3
"""Times per output token by aiconfigurator beside ours, on the served configurations of experiment 12.

In: the folder of the experiment. Out: one JSON document on stdout; its rows are those that both price. Needs
aiconfigurator (PyPI, Apache-2.0), and no GPU. With N, of every N-th row.
Usage: aiconfigurator_tpot.py experiments/12_do_gpu_predictions_hold [N] > aiconfigurator.json
"""
import collections
import importlib.metadata
import json
import logging
import pathlib
import statistics
import sys
import time
import warnings

logging.disable(logging.WARNING)
warnings.simplefilter("ignore")
document_out, sys.stdout = sys.stdout, sys.stderr  # it talks on stdout
try:
    from aiconfigurator.cli.api import cli_estimate
except ImportError as missing:
    json.dump({"absent": f"aiconfigurator: {missing}"}, document_out)
    sys.exit()

NVFP4 = {"gemm_quant_mode": "nvfp4", "moe_quant_mode": "nvfp4"}
MODELS = {  # our model and weights -> its path, and what the path does not say
    ("deepseek-r1", None): ("deepseek-ai/DeepSeek-R1", {}),
    ("deepseek-r1-nvfp4", None): ("deepseek-ai/DeepSeek-R1", NVFP4),
    ("deepseek-v3", None): ("deepseek-ai/DeepSeek-V3", {}),
    ("deepseek-v3.1-nvfp4", None): ("nvidia/DeepSeek-V3.1-NVFP4", {}),
    ("gpt-oss-120b", None): ("openai/gpt-oss-120b", {}),
    ("kimi-k2.5", None): ("moonshotai/Kimi-K2.5", {}),
    ("kimi-k2.5", "nvfp4"): ("nvidia/Kimi-K2.5-NVFP4", {}),
    ("minimax-m2.5", None): ("MiniMaxAI/MiniMax-M2.5", {}),
    ("minimax-m2.5", "nvfp4"): ("nvidia/MiniMax-M2.5-NVFP4", {}),
    ("qwen3-235b-a22b-fp8", None): ("Qwen/Qwen3-235B-A22B-FP8", {}),
}
SYSTEMS = {"b200-180g-sxm": "b200_sxm", "h100-80g-sxm": "h100_sxm", "h200-141g-sxm": "h200_sxm"}
NOISE = 0.01  # of each of a pair: those that differ by no more are not ordered, as in the experiment


def estimate(served, database):
    path, modes = MODELS[served["model"], served.get("weights")]
    begin = time.process_time()
    result = cli_estimate(
        path, SYSTEMS[served["device"]], backend_name=served["engine"].split()[0], database_mode=database,
        isl=served["input"], osl=served["output"], batch_size=served["sequences"] // served["dp"],
        tp_size=served["tp"], attention_dp_size=served["dp"], moe_tp_size=served["expert_tp"],
        moe_ep_size=served["expert_ep"], **modes)
    return float(result.tpot) / 1e3, time.process_time() - begin


def question(served):
    return tuple(served[key] for key in ("model", "device", "input", "output", "sequences"))


def in_order(rows, predicted):
    groups = collections.defaultdict(list)
    for row in rows:
        groups[question(row["served"])].append(row)
    pairs = right = 0
    for group in groups.values():
        for i, a in enumerate(group):
            for b in group[:i]:
                measured = a["served"]["token_s"] - b["served"]["token_s"]
                if abs(measured) <= NOISE * (a["served"]["token_s"] + b["served"]["token_s"]):
                    continue
                pairs += 1
                right += measured * (predicted(a) - predicted(b)) > 0
    return pairs, right


def figures(rows, predicted):
    signed = [predicted(row) / row["served"]["token_s"] - 1 for row in rows]
    errors = sorted(abs(error) for error in signed)
    pairs, right = in_order(rows, predicted)
    return {"median": statistics.median(errors), "mean": statistics.fmean(errors),
            "p90": errors[int(0.9 * (len(errors) - 1))], "median_of_signed": statistics.median(signed),
            "pairs": pairs, "in_order": right}


def main():
    ours = json.loads((pathlib.Path(sys.argv[1]) / "result.json").read_text())["rows"]
    ours = ours[:: int(sys.argv[2])] if len(sys.argv) > 2 else ours
    rows, refused, seconds = [], collections.Counter(), []
    for row in ours:
        served = row["served"]
        for database in ("SILICON", "HYBRID"):  # measured kernels alone; else with its formulas where none is
            try:
                token_s, took = estimate(served, database)
            except Exception as error:  # whatever it raises is its refusal
                reason = f"{type(error).__name__}: {str(error)[:120]}"
                continue
            seconds.append(took)
            rows.append({"served": served, "ours_s": row["predicted_s"],
                         "ours_with_prefills_s": row["predicted_s"] + row["prefill_s"] *
                         (served["sequences"] / served["dp"] - 1) / served["output"],
                         "aiconfigurator_s": token_s, "database": database})
            break
        else:
            refused[reason] += 1
        print(f"{len(rows)} of {len(ours)}", file=sys.stderr, end="\r")
    kinds = {"ours, decode step": "ours_s", "ours, with prefills between": "ours_with_prefills_s",
             "aiconfigurator": "aiconfigurator_s"}
    groups = {"all": rows}
    for database in ("SILICON", "HYBRID"):
        groups[database] = [row for row in rows if row["database"] == database]
    json.dump({"package": "aiconfigurator " + importlib.metadata.version("aiconfigurator"),
               "median_cpu_seconds_per_estimate": statistics.median(seconds), "refused": dict(refused),
               "figures": {name: {"rows": len(group), **{kind: figures(group, lambda row, key=key: row[key])
                                                         for kind, key in kinds.items()}}
                           for name, group in groups.items() if group}}, document_out, indent=1)
    document_out.write("\n")


if __name__ == "__main__":
    main()
