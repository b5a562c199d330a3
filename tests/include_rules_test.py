#!/usr/bin/env python3
"""Checks the map of the house against its include lines: rooms, cycles, own headers, folder names, READMEs, file sizes.

It reads text only, it is no compiler: conditional includes count as includes.
Usage: include_rules_test.py ROOT | include_rules_test.py --self-test
"""
import os
import re
import sys
import tempfile

# room -> rooms that it may include; what those may include is allowed too. The same edges stand in CMakeLists.txt.
ROOMS = {
    "core/schema": [],
    "core/plan": ["core/schema"],
    "core/operators": ["core/schema"],
    "core/routing": ["core/plan"],
    "core/graph": ["core/operators", "core/routing"],
    "core/blocks": ["core/graph"],
    "core/steps": ["core/blocks"],
    "core/technique": ["core/steps"],
    "core/policy": ["core/plan"],
    "core/network": ["core/graph"],
    "core/cost": ["core/graph", "core/network"],
    "core/timeline": ["core/graph"],
    "core/evaluate": ["core/cost", "core/timeline", "core/technique"],
    "core/format": ["core/cost", "core/timeline"],
    "planner": ["core/evaluate", "core/network", "core/policy"],
    "simulator": ["core/evaluate", "core/network", "core/policy"],
    "executor/comm": ["core/schema"],
    "executor/checkpoint": ["core/graph", "executor/comm"],
    "executor/store": ["core/graph", "core/policy", "executor/backend"],
    "executor/machine": ["core/schema"],
    "executor/backend": ["core/graph", "executor/machine"],
    "executor/device_comm": ["executor/backend", "executor/comm"],
    "executor/launch": ["executor/backend"],
    "executor/reference": ["executor/launch"],
    "executor/cpu": ["executor/launch"],
    "executor/cuda": ["executor/launch"],
    "executor/nccl": ["executor/comm", "executor/backend"],
    "executor/cuda/benchmark": ["executor/cuda"],
    "executor/runtime/residency": ["executor/backend", "executor/cpu", "executor/store", "core/policy"],
    "executor/runtime/lanes": ["executor/runtime/residency", "executor/machine", "executor/comm", "executor/device_comm",
                               "core/timeline"],
    "executor/runtime/training": ["executor/runtime/lanes", "executor/checkpoint", "core/technique"],
    "executor/profiling": ["executor/runtime/training", "core/cost"],
    "executor/devices": ["executor/runtime/lanes", "executor/cuda", "executor/nccl"],
    "executor/exchange": ["executor/runtime/lanes", "core/technique"],
    "executor/benchmark": ["executor/profiling", "core/blocks"],
    "experiments": ["planner"],
    "cli/options": ["core/schema"],
    "cli": ["cli/options", "planner", "simulator", "core/format", "experiments"],
    # The main() of the second program: MPI and SimGrid never meet in one binary, so it sees neither planner nor simulator.
    "cli/moesaic_executor.cpp": ["executor/runtime/training", "executor/profiling", "executor/exchange", "executor/reference",
                                 "executor/devices", "core/format", "cli/options"],
}
# Headers of libraries that only these rooms may see.
LIBRARIES = {
    r"simgrid/|smpi/|xbt/": ("simulator", "cli"),
    r"nccl\.h$": ("executor/nccl",),
    r"mpi\.h$": ("executor/comm", "executor/profiling", "cli/moesaic_executor.cpp"),
}
GENERATED = set()  # quoted includes that the build writes
TOPS = ["core", "planner", "simulator", "executor", "cli", "experiments"]
FORBIDDEN_FOLDERS = {"utils", "util", "common", "misc"}
MAX_LINES = 400
QUOTED = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.M)
FIRST = re.compile(r'^\s*#\s*include\s*["<]([^">]+)[">]', re.M)
ANGLED = re.compile(r"^\s*#\s*include\s*<([^>]+)>", re.M)
NO_HEADING = re.compile(r"(?!# )[^\n]")
ROOM_LINE = re.compile(r"^\s*moesaic_room\((\S+)(.*?)\)", re.M | re.S)


def source_files(root, tops):
    """Paths relative to root of all sources below tops, sorted."""
    found = []
    for top in tops:
        for folder, _, names in os.walk(os.path.join(root, top)):
            found += [os.path.relpath(os.path.join(folder, name), root)
                      for name in names if name.endswith((".h", ".cpp", ".cu", ".cuh"))]
    return sorted(found)


def read(root, path):
    with open(os.path.join(root, path), encoding="utf-8", errors="replace") as stream:
        return stream.read()


def room_of(path):
    """The longest entry of ROOMS that is the path itself or one of its folders."""
    matches = [room for room in ROOMS if path == room or path.startswith(room + "/")]
    return max(matches, key=len) if matches else None


def reachable(room):
    """The room itself and every room that it may include."""
    seen, todo = set(), [room]
    while todo:
        current = todo.pop()
        if current not in seen:
            seen.add(current)
            todo += ROOMS[current]
    return seen


def forbidden_edges(root, includes):
    problems = []
    for path, targets in includes.items():
        room = room_of(path)
        if room is None:
            problems.append(f"{path}: belongs to no room of the table")
            continue
        for target in targets:
            if target in GENERATED:
                continue
            if not os.path.isfile(os.path.join(root, target)):
                problems.append(f'{path}: "{target}" does not resolve from the repository root')
            elif room_of(target) not in reachable(room):
                problems.append(f'{path}: room {room} may not include "{target}"')
    return problems


def library_edges(texts):
    problems = []
    for path, text in texts.items():
        for header in ANGLED.findall(text):
            for pattern, rooms in LIBRARIES.items():
                if re.match(pattern, header) and room_of(path) not in rooms:
                    problems.append(f"{path}: only {', '.join(rooms)} may include <{header}>")
            if header == "nlohmann/json.hpp" and path.endswith(".h"):
                problems.append(f"{path}: a header includes <nlohmann/json_fwd.hpp>, never <{header}>")
    return problems


def cycle(edges):
    """One cycle of the graph {node: nodes} as a list that ends where it began, or None."""
    done, trail = set(), []

    def visit(node):
        if node in trail:
            return trail[trail.index(node):] + [node]
        if node in done:
            return None
        trail.append(node)
        for target in sorted(edges.get(node, ())):
            found = visit(target)
            if found:
                return found
        trail.pop()
        done.add(node)
        return None

    for start in sorted(edges):
        found = visit(start)
        if found:
            return found
    return None


def cycles(includes):
    folders = {}
    for path, targets in includes.items():
        here = os.path.dirname(path)
        folders.setdefault(here, set()).update(os.path.dirname(target) for target in targets)
        folders[here].discard(here)
    problems = []
    for level, edges in (("file", includes), ("folder", folders)):
        found = cycle(edges)
        if found:
            problems.append(f"{level} include cycle: {' -> '.join(found)}")
    return problems


def own_headers(texts):
    """The build proves of no header with a source of its name that it compiles alone and twice: this is why it does."""
    problems = []
    for path, text in texts.items():
        header = re.sub(r"\.cpp$", ".h", path)
        if header == path or header not in texts:
            continue
        first = FIRST.search(text)
        if not first or first.group(1) != header:
            problems.append(f'{path}: its first include is not its own header, "{header}"')
        if "#pragma once\n" not in texts[header]:
            problems.append(f"{header}: has no #pragma once")
    return problems


def folder_rules(root, paths):
    problems = []
    for folder in sorted({os.path.dirname(path) for path in paths}):
        bad = FORBIDDEN_FOLDERS.intersection(folder.split("/"))
        if bad:
            problems.append(f"{folder}: a folder called {bad.pop()}/ has no subject")
        if not os.path.isfile(os.path.join(root, folder, "README.md")):
            problems.append(f"{folder}: has sources but no README.md")
        elif NO_HEADING.match(read(root, os.path.join(folder, "README.md"))):
            problems.append(f"{folder}/README.md: does not begin with a heading, # and a space")
    return problems


def long_files(root):
    counts = {path: read(root, path).count("\n") for path in source_files(root, TOPS + ["tests"])}
    return [f"{path}: {lines} lines, at most {MAX_LINES}" for path, lines in counts.items() if lines > MAX_LINES]


def drift_from_cmake(root):
    """Rooms that the build links although the table forbids them."""
    if not os.path.isfile(os.path.join(root, "CMakeLists.txt")):
        return []
    problems = []
    for room, arguments in ROOM_LINE.findall(read(root, "CMakeLists.txt")):
        public = re.search(r"PUBLIC(.*?)(PRIVATE|TEST|$)", arguments, re.S)
        linked = public.group(1).split() if public else []
        allowed = reachable(room) if room in ROOMS else set()
        problems += [f"CMakeLists.txt: {room} links {other}, the table in {os.path.basename(__file__)} does not allow it"
                     for other in linked if other not in allowed]
    return problems


def check(root):
    paths = source_files(root, TOPS)
    texts = {path: read(root, path) for path in paths}
    includes = {path: QUOTED.findall(text) for path, text in texts.items()}
    return (forbidden_edges(root, includes) + library_edges(texts) + cycles(includes) + own_headers(texts) +
            folder_rules(root, paths) + long_files(root) + drift_from_cmake(root))


GRAPH_INCLUDES_SCHEMA = {"core/schema/a.h": "", "core/graph/b.h": '#include "core/schema/a.h"\n#include <vector>\n'}
# name -> (files of a tiny tree, what the one complaint must contain); no complaint at all where that is None
SELF_TESTS = {
    "clean tree": (GRAPH_INCLUDES_SCHEMA, None),
    "executor program may include executor":
        ({"cli/moesaic_executor.cpp": '#include "executor/comm/a.h"\n', "executor/comm/a.h": ""}, None),
    "file of 400 lines": ({"core/schema/a.h": "\n" * 400}, None),
    "core includes planner":
        ({"planner/a.h": "", "core/graph/b.h": '#include "planner/a.h"\n'}, "room core/graph may not include"),
    "schema includes graph":
        ({"core/graph/a.h": "", "core/schema/b.cpp": '  #  include "core/graph/a.h"\n'}, "room core/schema may not"),
    "planner includes simulator":
        ({"simulator/a.h": "", "planner/b.h": '#include "simulator/a.h"\n'}, "room planner may not include"),
    "planner corridor includes executor":
        ({"executor/comm/a.h": "", "planner/search/b.h": '#include "executor/comm/a.h"\n'}, "room planner may not"),
    "simulator includes executor":
        ({"executor/cpu/a.h": "", "simulator/b.h": '#include "executor/cpu/a.h"\n'}, "room simulator may not"),
    "executor includes planner":
        ({"planner/a.h": "", "executor/runtime/lanes/b.h": '#include "planner/a.h"\n'}, "room executor/runtime/lanes may"),
    "cli includes executor":
        ({"executor/comm/a.h": "", "cli/plan.cpp": '#include "executor/comm/a.h"\n'}, "room cli may not include"),
    "executor program includes simulator":
        ({"simulator/a.h": "", "cli/moesaic_executor.cpp": '#include "simulator/a.h"\n'}, "may not include"),
    "include that does not resolve": ({"core/schema/a.h": "", "core/schema/b.h": '#include "a.h"\n'}, "does not resolve"),
    "room without a place in the table": ({"core/attic/a.h": ""}, "belongs to no room"),
    "file cycle": ({"core/schema/a.h": '#include "core/schema/b.h"\n', "core/schema/b.h": '#include "core/schema/a.h"\n'},
                   "file include cycle: core/schema/a.h -> core/schema/b.h -> core/schema/a.h"),
    "folder cycle": ({"planner/x/a.h": "", "planner/y/b.h": '#include "planner/x/a.h"\n', "planner/y/c.h": "",
                      "planner/x/d.h": '#include "planner/y/c.h"\n'},
                     "folder include cycle: planner/x -> planner/y -> planner/x"),
    "own header first": ({"core/schema/a.h": "#pragma once\n", "core/schema/a.cpp": '#include "core/schema/a.h"\n'}, None),
    "own header last": ({"core/schema/a.h": "#pragma once\n",
                         "core/schema/a.cpp": '#include <map>\n#include "core/schema/a.h"\n'}, "first include is not its own"),
    "own header that may come twice": ({"core/schema/a.h": "", "core/schema/a.cpp": '#include "core/schema/a.h"\n'},
                                       "has no #pragma once"),
    "folder without a subject": ({"planner/utils/a.h": ""}, "has no subject"),
    "folder without README": ({"core/schema/a.h": "", "core/schema/README.md": None}, "no README.md"),
    "README without a heading": ({"core/schema/a.h": "", "core/schema/README.md": "#schema\n"}, "with a heading"),
    "file of 401 lines": ({"core/schema/a.cpp": "\n" * 401}, "401 lines"),
    "SimGrid outside the simulator": ({"planner/a.cpp": "#include <simgrid/s4u.hpp>\n"}, "only simulator"),
    "MPI in the simulator": ({"simulator/a.cpp": "#include <mpi.h>\n"}, "only executor/comm"),
    "whole JSON library in a header": ({"core/schema/a.h": "#include <nlohmann/json.hpp>\n"}, "json_fwd.hpp"),
    "build links a forbidden room": ({"CMakeLists.txt": "moesaic_room(planner PUBLIC simulator PRIVATE x)\n"},
                                     "planner links simulator"),
}


def write_tree(root, files):
    """Writes files, and a README.md into each of their folders unless files maps it to None."""
    for path, text in files.items():
        folder = os.path.join(root, os.path.dirname(path))
        os.makedirs(folder, exist_ok=True)
        readme = os.path.join(os.path.dirname(path), "README.md")
        if readme not in files:
            open(os.path.join(root, readme), "w", encoding="utf-8").close()
        if text is not None:
            with open(os.path.join(root, path), "w", encoding="utf-8") as stream:
                stream.write(text)


def self_test():
    wrong = []
    for name, (files, expected) in SELF_TESTS.items():
        with tempfile.TemporaryDirectory() as root:
            write_tree(root, files)
            problems = check(root)
        found = (not problems) if expected is None else (len(problems) == 1 and expected in problems[0])
        if not found:
            wrong.append(f"{name}: expected {expected!r}, found {problems}")
    return wrong


def main(arguments):
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    problems = self_test() if arguments[0] == "--self-test" else check(arguments[0])
    for problem in problems:
        print(problem)
    print(f"{len(problems)} violations")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
