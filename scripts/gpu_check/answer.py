#!/usr/bin/env python3
"""The table of experiments/11: predicted against measured, with a model of the datasheet and a null model beside it.

In: folders of results of the calls, later ones first in doubt. Out: result.json, and the tables in README.md of the experiment.
It measures nothing; predictions are simulated from the profile that was measured in the same lease.
"""
import argparse
import itertools
import os
import statistics
import sys
import tempfile

import machines

BEGIN, END = "<!-- result: begin -->\n", "<!-- result: end -->\n"


def merged(folders, name):
    """A document of several calls: what a later one has replaces the earlier one's, but a failure replaces nothing."""
    found = {}
    for folder in folders:
        if os.path.exists(f"{folder}/{name}.json"):
            for key, value in machines.read(f"{folder}/{name}.json").items():
                if key not in found or "exit_code" not in value:
                    found[key] = value
    return found


def family(plan):
    return plan["documents"]["model"]["name"]


def predictions(arguments, name, run, measured, folder):
    """Seconds by each model, or the reason why there are none; without a measured machine for the plan, only the datasheet's."""
    plan, machine = run["plan"], machines.machine_of(name, measured)
    datasheet = machines.read(f"{arguments.plans}/gpu-1.json")["documents"]
    prices = {"datasheet": {what: datasheet[what] for what in ("cluster", "profile")}}
    if machine is not None:
        prices["profile"] = machine
        prices["profile_with_recorded_routing"] = {**machine, "routing": run["routing"]}
    found, refused = {}, {}
    for model, documents in prices.items():
        try:
            found[model] = machines.seconds_of_step(arguments.moesaic, machines.with_documents(plan, **documents), folder)
        except machines.Failed as error:
            refused[model] = str(error)
    return found, refused


def row_of(arguments, name, run, measured, folder):
    row = {"plan": name, "family": family(run["plan"]), "ranks": run["ranks"], "captured": run.get("captured", False),
           "steps": run["steps"], "measured_s": run["median_step_seconds"], "tokens_per_second": run["tokens_per_second"],
           "peak_bytes": run["peak_bytes"]}
    row["predicted_s"], refused = predictions(arguments, name, run, measured, folder)
    return {**row, "not_predicted": refused} if refused else row


# ---- Figures --------------------------------------------------------------------------------------------------------


def null_model(row, rows):
    """The median of the other plans of the same model: what one knows of a step without a simulator."""
    others = [other["measured_s"] for other in rows if other is not row and other["family"] == row["family"]]
    return statistics.median(others) if others else None


def tau(pairs):
    """Kendall's tau of (predicted, measured), within one family: (concordant - discordant) / pairs."""
    signs = [(a[0] - b[0]) * (a[1] - b[1]) for a, b in itertools.combinations(pairs, 2)]
    return (sum(s > 0 for s in signs) - sum(s < 0 for s in signs)) / len(signs) if signs else None


def summary_of(rows, model):
    known = [row for row in rows if row["predicted_s"].get(model)]
    if not known:
        return None
    errors = [row["predicted_s"][model] / row["measured_s"] - 1 for row in known]
    families = {row["family"] for row in known}
    taus = {name: tau([(r["predicted_s"][model], r["measured_s"]) for r in known if r["family"] == name]) for name in families}
    return {"plans": len(known), "median_step_error": statistics.median(map(abs, errors)),
            "largest_step_error": max(map(abs, errors)), "bias": statistics.median(errors),
            "kendall_tau": {} if model == "null" else dict(sorted(taus.items()))}


def against_torch(runs, peers):
    """Median step here and in torch, for the plans that both trained."""
    found = []
    for name, peer in peers.items():
        run = runs.get(name.removeprefix("torch_"))
        if run and "median_step_seconds" in peer:
            found.append({"plan": name.removeprefix("torch_"), "seconds": run["median_step_seconds"],
                          "torch_seconds": peer["median_step_seconds"], "loss_deviation": peer.get("loss_deviation"),
                          "problems": peer.get("problems", []),
                          "times_as_fast_as_torch": peer["median_step_seconds"] / run["median_step_seconds"]})
    return found


def of_graphs(runs):
    pairs = [(name.removesuffix("-graph"), run) for name, run in runs.items() if name.endswith("-graph")]
    return [{"plan": name, "seconds": runs[name]["median_step_seconds"], "as_graph_seconds": run["median_step_seconds"]}
            for name, run in pairs if name in runs]


def result_of(arguments, folder):
    runs = merged(arguments.folders, "execute")
    measured = merged(arguments.folders, "machines")
    trained = {name: run for name, run in sorted(runs.items()) if "median_step_seconds" in run}
    # Plans whose ranks share a GPU, and replayed graphs, are not what the simulator predicts.
    predicted = {n: r for n, r in trained.items() if r["ranks"] == 1 and not r.get("captured")}
    rows = [row_of(arguments, name, run, measured, folder) for name, run in predicted.items()]
    for row in rows:
        row["predicted_s"]["null"] = null_model(row, rows)
    return {"kind": "moesaic.gpu_fidelity/1", "device": device_of(trained), "rows": rows,
            "summary": {m: summary_of(rows, m) for m in ("profile_with_recorded_routing", "profile", "datasheet", "null")},
            "torch": against_torch(trained, merged(arguments.folders, "peers")), "graphs": of_graphs(trained),
            "not_trained": {name: run["error"] for name, run in runs.items() if name not in trained}}


def device_of(trained):
    return sorted({processor["name"] for run in trained.values() for processor in run["processors"]})


# ---- As Markdown ----------------------------------------------------------------------------------------------------


def ms(seconds):
    return "-" if seconds is None else f"{1e3 * seconds:.4g}"


def percent(value):
    return "-" if value is None else f"{100 * value:+.1f} %"


def tables(result):
    yield f"Measured on {', '.join(result['device'])}; figures of `result.json`, made by `scripts/gpu_check.sh answer`.\n"
    yield "| plan | measured, ms | with the measured profile | error | with the recorded routing | datasheet | null model |"
    yield "|---|---|---|---|---|---|---|"
    for row in result["rows"]:
        p, error = row["predicted_s"], None
        if p.get("profile_with_recorded_routing"):
            error = p["profile_with_recorded_routing"] / row["measured_s"] - 1
        yield (f"| {row['plan']} | {ms(row['measured_s'])} | {ms(p.get('profile'))} | {percent(error)} | "
               f"{ms(p.get('profile_with_recorded_routing'))} | {ms(p.get('datasheet'))} | {ms(p['null'])} |")
    yield "\n| model | plans | median error | largest | bias | Kendall tau, by model |\n|---|---|---|---|---|---|"
    for name, s in result["summary"].items():
        if s:
            taus = ", ".join(f"{family} {t:.2f}" for family, t in s["kendall_tau"].items() if t is not None)
            yield (f"| {name.replace('_', ' ')} | {s['plans']} | {100 * s['median_step_error']:.1f} % | "
                   f"{100 * s['largest_step_error']:.1f} % | {percent(s['bias'])} | {taus or '-'} |")
    for t in result["torch"]:
        doubts = "".join(f" ({problem})" for problem in t["problems"])
        yield f"\n{t['plan']}: {ms(t['seconds'])} ms a step here, {ms(t['torch_seconds'])} ms in torch{doubts}."
    for g in result["graphs"]:
        yield f"\n{g['plan']}: {ms(g['seconds'])} ms a step, {ms(g['as_graph_seconds'])} ms replayed as a CUDA graph."
    if result["not_trained"]:
        yield f"\nNot trained: {', '.join(sorted(result['not_trained']))}."


def put_into(readme, lines):
    with open(readme, encoding="utf-8") as stream:
        text = stream.read()
    before, found, rest = text.partition(BEGIN)
    if not found or END not in rest:
        raise machines.Failed(f"{readme} has no {BEGIN.strip()} and {END.strip()}")
    with open(readme, "w", encoding="utf-8") as stream:
        stream.write(before + BEGIN + "\n".join(lines) + "\n" + END + rest.partition(END)[2])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", help="results of call 1, of call 2")
    parser.add_argument("--experiment", default=f"{machines.ROOT}/experiments/11_gpu_fidelity")
    arguments = machines.arguments_of(parser)
    try:
        with tempfile.TemporaryDirectory() as folder:
            result = result_of(arguments, folder)
        if not result["rows"]:
            raise machines.Failed("no plan of one rank was trained in " + " ".join(arguments.folders))
        machines.write(f"{arguments.experiment}/result.json", result)
        put_into(f"{arguments.experiment}/README.md", list(tables(result)))
    except machines.Failed as error:
        print(f"answer: {error}", file=sys.stderr)
        return 1
    print("\n".join(tables(result)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
