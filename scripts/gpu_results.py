#!/usr/bin/env python3
"""Reads what the items of gpu_check.sh left, says what is below its bar, and puts it into few JSON documents.

It measures nothing. The last line is `detail: ...`; exit code 1 where something failed or is below its bar, 77 where
nothing could be measured.
Usage: gpu_results.py test|bench|peers|execute FOLDER [--only ITEM]
       gpu_results.py agree ONE.result OTHER.result f32|bf16 WHOSE
       gpu_results.py keep STATE -o FOLDER
"""
import argparse
import json
import os
import re
import statistics
import sys

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "peers"))
import losses as peers_losses  # what losses of the same training may differ by

ABSENT = 77
MAX_BYTES = 15 << 20  # of one file that comes back from a machine
LOG_BYTES = 200_000  # of one item: its end
READ_BYTES = 32 << 20  # of one file: more is no result, and reading it would take the seconds that all have together
LINES_OF_ERROR = 40  # a benchmark says every row there, so those of one that was cut short are known


def read_json(path):
    try:
        if os.path.getsize(path) > READ_BYTES:
            return None
        with open(path, encoding="utf-8") as stream:
            return json.load(stream)
    except (OSError, ValueError):
        return None


def read_last_json(path):
    """A document, or the last whole one of several, each on a line."""
    lines = read_end(path, 5).splitlines()
    for line in reversed(lines):
        try:
            document = json.loads(line)
        except ValueError:
            continue
        if isinstance(document, dict):
            return document
    return None


def end_of(path, most_bytes):
    with open(path, "rb") as stream:
        stream.seek(max(0, os.path.getsize(path) - most_bytes))
        return stream.read(most_bytes).decode(errors="replace")


def read_end(path, last_lines):
    try:
        return "\n".join(end_of(path, 4 << 20).splitlines()[-last_lines:])
    except OSError:
        return ""


def items(folder, only):
    """(name, exit code, path without suffix) of everything that was begun; what was cut short has no code."""
    names = sorted({os.path.splitext(name)[0] for name in os.listdir(folder)}) if os.path.isdir(folder) else []
    for name in names:
        path = os.path.join(folder, name)
        code = read_end(path + ".code", 1)
        if only in (None, name):
            yield name, int(code) if code else None, path


def failure(code, path):
    return {"exit_code": code, "error": read_end(path + ".err", LINES_OF_ERROR)}


def why(document):
    """The last line of what a program said that left no document."""
    return ": " + document["error"].splitlines()[-1] if document.get("error") else ""


def documents(folder, only):
    """name -> its document, with the exit code and the end of stderr where there is none."""
    return {name: read_json(path + ".json") or read_last_json(path + ".json") or failure(code, path) for name, code, path in items(folder, only)}


def test(folder, only):
    """name -> how its tests went. The one that was running when the program ended is its failure too."""
    found, nothing = {}, []
    for name, _, path in items(folder, only):
        text = read_end(path + ".txt", 100_000)
        verdicts = {test: result for result, test in
                    re.findall(r"^\[ +(OK|FAILED|SKIPPED) +\] ([^\s,]+).*\(\d+ ms\)$", text, re.M)}
        begun = re.findall(r"^\[ RUN +\] (\S+)", text, re.M)
        of = lambda result: [test for test, other in verdicts.items() if other == result]
        unfinished = [test + " (did not end)" for test in begun if test not in verdicts]
        found[name] = {"passed": len(of("OK")), "skipped": of("SKIPPED"), "failed": of("FAILED") + unfinished}
        if "no CUDA device" in text:
            nothing.append("the tests saw no CUDA device")
        elif not begun:
            nothing.append(f"no test was begun: {text.splitlines()[-1] if text else 'no output'}")
    failed = [test for one in found.values() for test in one["failed"]]
    skipped = [test for one in found.values() for test in one["skipped"]]
    detail = f"{sum(one['passed'] for one in found.values())} tests passed" + listed("failed", failed) + listed("skipped", skipped)
    return found, nothing[0] if nothing and not failed else detail, int(bool(failed or nothing))


def bench(folder, only):
    """A program that was ended, or failed in the middle, keeps the rows that it had, beside its error."""
    found = documents(folder, only)
    for name, code, path in items(folder, only):
        if code != 0:
            found[name].update(failure(code, path))
    rows = [(name, row) for name, document in found.items() for row in document.get("rows", []) if "bar" in row]
    ratio = lambda row: row["ratio"] or 0.0  # null: no number, as of a time of 0 s
    below = [f"{name}: {row['what']} {row.get('dtype', '')} {ratio(row):.2f} < {row['bar']:.2f}"
             for name, row in rows if ratio(row) < row["bar"]]
    broken = [name for name, document in found.items() if "rows" not in document or "exit_code" in document]
    for line in below:
        print(line)
    detail = f"{len(rows) - len(below)} of {len(rows)} rows at their bars" + listed("failed", broken)
    if only and broken:
        detail = f"{len(rows)} rows, then failed" + why(found[only])
    return {"below_bar": below, "programs": found}, detail, int(not rows or bool(below or broken))


def peers(folder, only):
    """A peer that is not installed says {"absent": reason}; that is no failure, and no result. One with other losses than
    ours, or that waits for the device, has a document with its "problems", and exit code 1."""
    found = documents(folder, only)
    codes = {name: code for name, code, _ in items(folder, only)}
    broken = [name for name, document in found.items() if "exit_code" in document]
    doubtful = [name for name in found if name not in broken and codes[name] != 0]
    absent = [name for name, document in found.items() if "absent" in document]
    detail = f"{len(found) - len(broken) - len(absent)} measured" + listed("failed", broken)
    if only and broken:
        detail = "failed" + why(found[only])
    for name in doubtful:
        detail += "".join(f", {problem}" for problem in found[name].get("problems", [])[:1]) or f", exit code {codes[name]}"
    if absent:
        detail = "; ".join(found[name]["absent"] for name in absent)
    nothing = ABSENT if len(absent) == len(found) else 0
    return found, detail, 1 if broken or doubtful else nothing


def trained(code, path):
    """The whole result, so that anything can be compared with it later, and the plan that was executed."""
    result = read_json(path + ".result")
    if code != 0 or result is None:
        return failure(code, path)
    result["median_step_seconds"] = statistics.median(result["all_step_seconds"])
    return {**result, "plan": read_json(path + ".plan")}


def execute(folder, only):
    found = {name: trained(code, path) for name, code, path in items(folder, only)}
    broken = [name for name, document in found.items() if "exit_code" in document]
    detail = f"{len(found) - len(broken)} of {len(found)} plans trained" + listed("failed", broken)
    if only and not broken:
        detail = " ".join(f"{milliseconds(plan['median_step_seconds'])} a step" for plan in found.values())
    elif only:
        detail = found[only]["error"].splitlines()[-1] if found[only]["error"] else detail
    return found, detail, int(not found or bool(broken))


def milliseconds(seconds):
    return f"{1e3 * seconds:.{1 if seconds < 1 else 0}f} ms"


def listed(what, names):
    return f", {what}: {' '.join(names)}" if names else ""


def agree(one, other, dtype, whose):
    results = [read_json(path) or {} for path in (one, other)]
    losses = [result.get("loss") for result in results]
    steps = min((len(loss) for loss in losses if loss), default=0)
    if None in losses or steps == 0 or None in losses[0] + losses[1]:
        print(f"detail: no losses to compare in {one} and {other}")
        return 1
    expected, actual = (loss[:steps] for loss in losses)
    problems = peers_losses.problems(actual, expected, peers_losses.TOLERANCE[dtype])
    seconds = statistics.median(results[1].get("all_step_seconds", [float("nan")]))
    if problems:
        print(f"detail: losses differ from those of {whose}: {problems[0]}")
        return 1
    worst = max(map(abs, peers_losses.differences(actual, expected)))
    print(f"detail: {milliseconds(seconds)} a step, {steps} losses within {worst:.1e} of those of {whose}")
    return 0


# ---- What comes back ------------------------------------------------------------------------------------------------


def machines(folder):
    """name -> profile and cluster of what was measured: one file to bring back instead of two for each."""
    found = {}
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
        parts = {what: read_json(f"{folder}/{name}/{what}.json") for what in ("profile", "cluster")}
        if all(parts.values()):
            found[name] = parts
    return found


def log(folder):
    """The end of every item's log, oldest first."""
    paths = [os.path.join(folder, name) for name in os.listdir(folder)]
    text = []
    for path in sorted(paths, key=os.path.getmtime):
        text.append(f"==== {os.path.basename(path)}\n{end_of(path, LOG_BYTES)}")
    return "\n".join(text)[-MAX_BYTES // 2:]  # at most two bytes each, as nearly all is ASCII


def within_limit(document):
    """As text; results lose their timelines where all of them are too large."""
    text = json.dumps(document, separators=(",", ":"))
    if len(text) <= MAX_BYTES:
        return text
    lighter = {name: {key: value for key, value in part.items() if key not in ("timeline", "routing")}
               for name, part in document.items()}
    text = json.dumps(lighter, separators=(",", ":"))
    return text if len(text) <= MAX_BYTES else json.dumps({"error": "too large to bring back"})


def texts(state):
    """name of a file -> how it is made, for everything that was begun."""
    yield "log.txt", lambda: log(f"{state}/logs")
    for name, collect in COLLECT.items():
        if os.path.isdir(f"{state}/{name}"):
            yield f"{name}.json", lambda: within_limit(collect(f"{state}/{name}", None)[0])
    if machines(f"{state}/profile"):
        yield "machines.json", lambda: within_limit(machines(f"{state}/profile"))


def keep(state, folder):
    """Writes every document anew; one that is half written never takes the place of one that is whole, and one that
    cannot be made keeps none of the others back. Exit code 1 where there was such a one."""
    code = 0
    for name, make in texts(state):
        path = os.path.join(folder, name)
        try:
            text = make()
            with open(path + ".new", "w", encoding="utf-8") as stream:
                stream.write(text + "\n")
            os.replace(path + ".new", path)
        except Exception as error:
            print(f"{name}: {type(error).__name__}: {error}")
            code = 1
            if os.path.isfile(path + ".new"):  # few files come back
                os.unlink(path + ".new")
    return code


COLLECT = {"test": test, "bench": bench, "peers": peers, "execute": execute}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=(*COLLECT, "agree", "keep"))
    parser.add_argument("paths", nargs="+")
    parser.add_argument("--only", help="one item of the folder")
    parser.add_argument("-o", "--output", help="folder of the documents that `keep` writes")
    arguments = parser.parse_args()
    if arguments.what == "agree":
        return agree(*arguments.paths)
    if arguments.what == "keep":
        return keep(arguments.paths[0], arguments.output)
    _, detail, code = COLLECT[arguments.what](arguments.paths[0], arguments.only)
    print(f"detail: {detail}")
    return code


if __name__ == "__main__":
    sys.exit(main())
