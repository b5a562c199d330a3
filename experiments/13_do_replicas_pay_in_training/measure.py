#!/usr/bin/env python3
"""Measures what README.md here shows, and writes result.json and the tables between its markers.

Usage: measure.py BUILD      a folder with moesaic and moesaic-executor, for example build/release/cli

Simulated: the planner's prices of every placement on 16 A100, with the recorded routing. Executed: a model of 8 experts on four
ranks, threads that emulate cores SLOWDOWN times slower than this machine's, so that two of these can run four of them; its text
is skewed, and so is where its routers send. Each placement is executed in ROUNDS turns; simulations have the routing that was
recorded in the first one.
"""
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
DOCUMENTS = os.path.join(HERE, "documents")
PROFILES = os.path.join(HERE, "../../profiles")
SLOWDOWN, ROUNDS, STEPS, RANKS = 64, 7, 6, 4
EXECUTED = ["contiguous", "eplb", "eplb, a replica slot per rank"]


def read(path):
    with open(path, encoding="utf-8") as stream:
        return json.load(stream)


def write(path, document):
    with open(path, "w", encoding="utf-8") as stream:
        json.dump(document, stream)


def preset(name, ep, policy=None):
    fixed = {"kind": "moesaic.preset/1", "name": "fixed", "dispatch": {"chunks": 1},
             "layout": {"ep": ep, "micro_batches": 1, "tp": 1, "pp": 1, "zero": 0}}
    write(name, {**fixed, **({"placement": policy} if policy else {})})


def run(*command):
    done = subprocess.run(command, text=True, capture_output=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: exit code {done.returncode}\n{done.stderr}")


def moesaic(build, *arguments):
    run(f"{build}/moesaic", *arguments)


def imbalance(load, slot_to_expert, ranks):
    """Rows of the fullest rank over the mean; replicas take equal shares."""
    slots = len(slot_to_expert) // ranks
    rows = [sum(load[e] / slot_to_expert.count(e) for e in slot_to_expert[r * slots:(r + 1) * slots]) for r in range(ranks)]
    return max(rows) * ranks / sum(rows)


def mean_imbalance(routing, placement, ranks):
    """Over layers and iterations; [] places experts in order."""
    found = []
    for iteration in routing["counts"]:
        for layer, counts in enumerate(iteration):
            load = [sum(column) for column in zip(*counts)]
            found.append(imbalance(load, placement[layer]["slot_to_expert"] if placement else list(range(len(load))), ranks))
    return statistics.fmean(found)


def simulated(build):
    """The price of each placement, the rest of the plan alike, as the planner compared them last."""
    preset("preset.json", 16)
    moesaic(build, "plan", "--model", f"{DOCUMENTS}/32-experts.json", "--cluster", "a100-80g-2x8", "--workload", "semoe-training-128",
            "--routing", f"{DOCUMENTS}/32-experts-recorded.json", "--preset", "preset.json", "--effort", "60", "-o", "plan.json")
    plan = read("plan.json")
    decision = next(d for d in plan["decisions"] if d["what"] == "expert placement")
    rows = [{"placement": decision["choice"], "step_s": plan["prediction"]["step_seconds"]}]
    rows += [{"placement": r["choice"], "step_s": r["step_seconds"]} for r in decision["runners_up"] if r["step_seconds"] > 0]
    routing = read(f"{DOCUMENTS}/32-experts-recorded.json")
    return {"max_over_mean_without": mean_imbalance(routing, [], 16),
            "max_over_mean_chosen": mean_imbalance(routing, plan["placement"], 16), "rows": rows}


def slow_cluster():
    """This machine's cores and links, SLOWDOWN times slower, four of them."""
    cluster = read(f"{PROFILES}/clusters/cpu-2core.json")
    cluster["name"], cluster["nodes"]["devices_per_node"] = "slow-cores", RANKS
    cluster["device_speeds"] = [1 / SLOWDOWN] * RANKS
    link = cluster["links"]["intra_node"]
    link["bandwidth_bytes_per_s"] /= SLOWDOWN
    for key in ("latency_s", "message_s"):
        link[key] *= SLOWDOWN
    write("cluster.json", cluster)


def skewed_text():
    random.seed(1)
    with open("text", "wb") as stream:
        stream.write(bytes(ord("a") if random.random() < 0.6 else ord("b") + min(24, int(random.expovariate(0.25)))
                           for _ in range(1 << 16)))


def plan_of(build, placement, routing):
    """The plan with that placement: that of a policy, or of the planner's search where it chose one with replicas."""
    policy = placement.split(",")[0]
    preset("preset.json", RANKS, None if policy != placement else policy)
    arguments = ["--routing", routing] if routing else []
    moesaic(build, "plan", "--model", f"{DOCUMENTS}/8-experts.json", "--cluster", "cluster.json", "--workload",
            f"{DOCUMENTS}/16-sequences.json", "--preset", "preset.json", "--effort", "60", *arguments, "-o", "plan.json")
    plan = read("plan.json")
    chosen = next((d["choice"] for d in plan["decisions"] if d["what"] == "expert placement"), policy)
    if "," in placement and "replica" not in chosen:
        sys.exit(f"the planner chose {chosen}, no placement with replicas")
    return plan, chosen


def execute(build, plan):
    write("execute.json", plan)
    run(f"{build}/moesaic-executor", "execute", "--plan", "execute.json", "--steps", str(STEPS), "--result", "run.json", "--corpus",
        "text", "--emulate")
    return read("run.json")


def executed(build):
    slow_cluster()
    skewed_text()
    first = execute(build, plan_of(build, "contiguous", None)[0])
    write("routing.json", first["routing"])
    plans = [plan_of(build, placement, "routing.json") for placement in EXECUTED]
    runs = [[] for _ in plans]
    for turn in range(ROUNDS):
        for i, (plan, _) in enumerate(plans):
            runs[i].append(execute(build, plan))
            print(f"round {turn + 1} of {ROUNDS}: {plans[i][1]}: {runs[i][-1]['step_seconds']:.3f} s", file=sys.stderr)
    rows = []
    for (plan, chosen), of_plan in zip(plans, runs):
        rows.append({"placement": chosen, "max_over_mean": mean_imbalance(first["routing"], plan["placement"], RANKS),
                     "simulated_step_s": plan["prediction"]["step_seconds"],
                     "measured_step_s": statistics.median(run["step_seconds"] for run in of_plan),
                     "last_loss": of_plan[0]["loss"][-1]})
    return {"slowdown": SLOWDOWN, "rounds": ROUNDS, "steps": STEPS, "load_average": os.getloadavg()[0], "rows": rows}


def tables(result):
    text = "**1.2B on 16 A100, 128 sequences, simulated**\n\n| placement | step, ms |\n|---|---|\n"
    for row in result["simulated"]["rows"]:
        text += f"| {row['placement']} | {1e3 * row['step_s']:.1f} |\n"
    made = result["executed"]
    text += (f"\n**8 experts on {RANKS} emulated cores, medians of {made['rounds']} rounds of {made['steps']} steps, load average of the"
             f" machine {made['load_average']:.1f}**\n\n")
    text += "| placement | fullest rank over mean | step, simulated, ms | step, measured, ms | error | loss behind the last step |\n"
    text += "|---|---|---|---|---|---|\n"
    for row in result["executed"]["rows"]:
        error = row["simulated_step_s"] / row["measured_step_s"] - 1
        text += (f"| {row['placement']} | {row['max_over_mean']:.2f} | {1e3 * row['simulated_step_s']:.0f} |"
                 f" {1e3 * row['measured_step_s']:.0f} | {100 * error:+.1f} % | {row['last_loss']:.6f} |\n")
    return text


def main():
    build = os.path.abspath(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        result = {"simulated": simulated(build), "executed": executed(build)}
    with open(f"{HERE}/result.json", "w", encoding="utf-8") as stream:
        stream.write(json.dumps(result, indent=1) + "\n")
    with open(f"{HERE}/README.md", encoding="utf-8") as stream:
        page = stream.read()
    begin, end = "<!-- result: begin -->\n", "<!-- result: end -->"
    page = page[:page.index(begin) + len(begin)] + tables(result) + "\n" + page[page.index(end):]
    with open(f"{HERE}/README.md", "w", encoding="utf-8") as stream:
        stream.write(page)


if __name__ == "__main__":
    main()
