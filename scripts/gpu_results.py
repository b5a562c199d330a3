#!/usr/bin/env python3
"""Puts what the stages of gpu_check.sh left into one JSON document each, and says what is below its bar.

It measures nothing. The last line is `detail: ...`; exit code 1 where something failed or is below its bar, 77 where
nothing could be measured.
Usage: gpu_results.py bench|peers|execute FOLDER [-o FILE] | gpu_results.py agree ONE.result OTHER.result f32|bf16
"""
import argparse
import json
import os
import statistics
import sys

# Relative difference of losses between one rank and several: other orders of sums in f32 (2e-5, as the tests of the
# runtime ask), and rounding to 8 bits of them in bf16.
TOLERANCE = {"f32": 2e-5, "bf16": 2e-2}
ABSENT = 77


def read_json(path):
    try:
        with open(path, encoding="utf-8") as stream:
            return json.load(stream)
    except (OSError, ValueError):
        return None


def read_text(path, last_lines=3):
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return "\n".join(stream.read().splitlines()[-last_lines:])
    except OSError:
        return ""


def items(folder):
    """(name, exit code, path without suffix) of everything that was run; a run that was cut short has no code."""
    names = sorted({name.split(".")[0] for name in os.listdir(folder)})
    for name in names:
        path = os.path.join(folder, name)
        code = read_text(path + ".code")
        yield name, int(code) if code else None, path


def documents(folder):
    """name -> its document, with the exit code and the end of stderr where there is none."""
    found = {}
    for name, code, path in items(folder):
        document = read_json(path + ".json")
        found[name] = document if code == 0 and document else {"exit_code": code, "error": read_text(path + ".err")}
    return found


def grouped_rows(products):
    """Bars of the grouped products: 0.80 of a dense one from 512 rows per expert on, and skewed rows at 0.85 of even ones."""
    even = {(p["shape"], p["product"]): p["grouped_tflops"] for p in products if p["rows_per_slot"] == "balanced"}
    for p in products:
        row = {"what": f"{p['shape']} {p['product']}, {p['rows_per_slot']}", "dtype": "bf16"}
        if p["rows_per_slot"] == "balanced":
            row["ratio"] = p["grouped_over_dense"]
            if p["rows"] >= 512 * p["slots"]:
                row["bar"] = 0.80
        else:
            row.update(ratio=p["grouped_tflops"] / even[p["shape"], p["product"]], bar=0.85)
        yield row


def bench(folder):
    found = documents(folder)
    for document in found.values():
        if "products" in document:
            document["rows"] = list(grouped_rows(document["products"]))
    rows = [(name, row) for name, document in found.items() for row in document.get("rows", []) if "bar" in row]
    below = [f"{name}: {row['what']} {row.get('dtype', '')} {row['ratio']:.2f} < {row['bar']:.2f}"
             for name, row in rows if not row["ratio"] >= row["bar"]]
    broken = [name for name, document in found.items() if "rows" not in document and "absent" not in document]
    for line in below:
        print(line)
    detail = f"{len(rows) - len(below)} of {len(rows)} rows at their bars{missing(found)}"
    return {"below_bar": below, "programs": found}, detail + failures(broken), int(not rows or bool(below or broken))


def peers(folder):
    """A peer that is not installed says {"absent": reason}; that is no failure, and no result."""
    found = documents(folder)
    broken = [name for name, document in found.items() if "exit_code" in document]
    absent = [name for name, document in found.items() if "absent" in document]
    detail = f"{len(found) - len(broken) - len(absent)} peers measured{missing(found)}"
    nothing = ABSENT if len(absent) == len(found) else 0
    return found, detail + failures(broken), 1 if broken else nothing


def summary(code, path):
    result = read_json(path + ".result")
    if code != 0 or result is None:
        return {"exit_code": code, "error": read_text(path + ".err")}
    keep = ("device", "ranks", "steps", "step_seconds", "tokens_per_second", "peak_bytes", "tasks", "plan_hash",
            "exposed_communication_seconds", "expert_traffic", "skipped_steps", "loss", "all_step_seconds")
    kept = {key: result[key] for key in keep if key in result}
    kept["median_step_seconds"] = statistics.median(result["all_step_seconds"])
    return kept


def execute(folder):
    found = {name: summary(code, path) for name, code, path in items(folder)}
    broken = [name for name, document in found.items() if "exit_code" in document]
    detail = f"{len(found) - len(broken)} of {len(found)} plans trained"
    return found, detail + failures(broken), int(not found or bool(broken))


def missing(found):
    absent = [name for name, document in found.items() if "absent" in document]
    return f", absent: {' '.join(absent)}" if absent else ""


def failures(broken):
    return f", failed: {' '.join(broken)}" if broken else ""


def agree(one, other, dtype):
    losses = [(read_json(path) or {}).get("loss") for path in (one, other)]
    if None in losses or len(losses[0]) != len(losses[1]) or None in losses[0] + losses[1]:
        print(f"detail: no losses to compare in {one} and {other}")
        return 1
    worst = max(abs(a - b) / abs(a) for a, b in zip(*losses))
    print(f"{os.path.basename(other)}: losses differ by {worst:.1e} at most, allowed {TOLERANCE[dtype]:.0e}")
    if not worst <= TOLERANCE[dtype]:
        print(f"detail: {os.path.basename(other)}: losses differ by {worst:.1e} from those of one rank")
        return 1
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("bench", "peers", "execute", "agree"))
    parser.add_argument("paths", nargs="+")
    parser.add_argument("-o", "--output")
    arguments = parser.parse_args()
    if arguments.what == "agree":
        return agree(*arguments.paths)
    collect = {"bench": bench, "peers": peers, "execute": execute}[arguments.what]
    document, detail, code = collect(arguments.paths[0])
    if arguments.output:
        with open(arguments.output, "w", encoding="utf-8") as stream:
            stream.write(json.dumps(document, indent=1) + "\n")
    print(f"detail: {detail}")
    return code


if __name__ == "__main__":
    sys.exit(main())
