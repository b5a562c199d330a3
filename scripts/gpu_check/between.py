#!/usr/bin/env python3
"""Between the calls: plans gpu-1 and tiny-bf16-2 again, with the profile that call 1 brought back, into KIT/plans.

In: the folder of call 1's results. Out: plans, and a line on each; where one cannot be made, call 2 takes the committed one.
Exit code 0 where both were made, 77 otherwise. It asks for at most 7 s, as a machine waits.
"""
import argparse
import os
import shutil
import sys
import tempfile

import machines

PLANS = ("gpu-1", "tiny-bf16-2")
LONGEST_S = 3  # one plan takes 0.1 s
ABSENT = 77


def plan_again(arguments, name, measured):
    """Same model, workload and ranks; decisions and prices from the measured machine."""
    machine = machines.machine_of(name, measured)
    if machine is None:
        raise machines.Failed("call 1 has no profile for it")
    committed = machines.read(f"{arguments.plans}/{name}.json")
    with tempfile.TemporaryDirectory() as folder:
        for what in ("model", "workload"):
            machines.write(f"{folder}/{what}.json", committed["documents"][what])
        for what, document in machine.items():
            machines.write(f"{folder}/{what}.json", document)
        machines.run(arguments.moesaic, "plan", "--model", f"{folder}/model.json", "--workload", f"{folder}/workload.json",
                     "--cluster", folder, "--profile", folder, "--ranks", str(committed["layout"]["ranks"]),
                     "-o", f"{folder}/plan.json", timeout_s=LONGEST_S)
        plan = machines.read(f"{folder}/plan.json")
        if plan["layout"]["ranks"] > 1:  # all-to-alls, as in the committed plan, even where copying every expert is faster
            plan = machines.with_documents(plan)
            plan["layout"]["ep"], plan["placement"] = committed["layout"]["ep"], []
        return plan, machines.seconds_of_step(arguments.moesaic, plan, folder)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", help="results of call 1")
    arguments = machines.arguments_of(parser)
    shutil.rmtree(f"{arguments.kit}/plans", ignore_errors=True)
    os.makedirs(f"{arguments.kit}/plans")
    made = 0
    for name in PLANS:
        try:
            measured = machines.read(f"{arguments.folder}/machines.json")
            plan, seconds = plan_again(arguments, name, measured)
            machines.write(f"{arguments.kit}/plans/{name}.json", plan)
            made += 1
            print(f"{name}: planned with the measured profile, {1e3 * seconds:.3g} ms a step predicted")
        except (machines.Failed, KeyError, TypeError, AttributeError) as error:
            print(f"{name}: call 2 takes the committed plan ({error})")
    return 0 if made == len(PLANS) else ABSENT


if __name__ == "__main__":
    sys.exit(main())
