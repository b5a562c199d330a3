"""Measured machines as call 1 leaves them, and plans priced with them. It plans nothing itself: it asks moesaic."""

import glob
import json
import os
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# Which machine (items profile-*) knows the operators of a plan, by how the plan's name begins. Ranks that share a GPU slow one
# another, so two ranks have their own.
MACHINES = {"gpu-2": None, "gpu-": "gpu", "small-": "small", "tiny-bf16-2": "two-ranks"}


class Failed(Exception):
    """What went wrong, in one line."""


def arguments_of(parser):
    parser.add_argument("--kit", required=True)
    parser.add_argument("--plans", required=True, help="folder of the committed plans")
    parser.add_argument("--moesaic", help="the program that plans; default: the newest below build/")
    arguments = parser.parse_args()
    built = sorted(glob.glob(f"{ROOT}/build/*/cli/moesaic"), key=os.path.getmtime)
    arguments.moesaic = arguments.moesaic or (built[-1] if built else "moesaic")
    return arguments


def read(path):
    try:
        with open(path, encoding="utf-8") as stream:
            return json.load(stream)
    except (OSError, ValueError) as error:
        raise Failed(str(error)) from error


def write(path, document):
    with open(path + ".new", "w", encoding="utf-8") as stream:
        stream.write(json.dumps(document, indent=1) + "\n")
    os.replace(path + ".new", path)


def run(moesaic, *arguments, timeout_s=60):
    try:
        done = subprocess.run([moesaic, *arguments], capture_output=True, text=True, check=False, timeout=timeout_s)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Failed(str(error)) from error
    if done.returncode == 4:
        raise Failed("infeasible")
    if done.returncode != 0:
        raise Failed((done.stderr or done.stdout or f"exit code {done.returncode}").strip().splitlines()[-1])
    return done.stdout


def machine_of(plan_name, machines):
    """The measured machine for a plan, or None."""
    name = next((machine for start, machine in MACHINES.items() if plan_name.startswith(start)), None)
    return machines.get(name)


def with_documents(plan, **documents):
    """The plan with other documents; what was promised of the old ones no longer holds."""
    changed = {key: value for key, value in plan.items() if key not in ("prediction", "decisions", "hashes")}
    changed["documents"] = {**plan["documents"], **documents}
    return changed


def seconds_of_step(moesaic, plan, folder):
    write(f"{folder}/plan.json", plan)
    return json.loads(run(moesaic, "simulate", f"{folder}/plan.json", "--json"))["step_seconds"]
