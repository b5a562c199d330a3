#!/usr/bin/env python3
"""Rehearses scripts/gpu_check.sh without a GPU: stand-ins for the machine, the kit and the clock. Is its table honest?

Items take as long as they are estimated, or as a case says, by a clock that nothing else moves; so nothing here depends on how
fast this machine is. Two cases use the real clock, to see that what hangs is killed. The last case asks the real
programs: a plan is profiled and trained on the emulated device, planned again, and compared.
Usage: gpu_check_test.py ROOT [--moesaic PROGRAM --executor PROGRAM]    (the executor with the emulated device)
"""
import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time

from gpu_stand_ins import BENCH, EXECUTOR, FILES, PEER, TESTS, TOOLS, Machine, expect, is_running, named, read, write, write_program

OVERHEAD_S = 0.5  # of an item: its processes start, its results are written (0.2 s on 2 cores)
MODEL = {"kind": "moesaic.model/1", "name": "tiny", "family": "gpt_moe", "source": "for a test", "layers": 2, "hidden": 32,
         "heads": 2, "vocabulary": 256, "experts": 4, "top_k": 2, "intermediate": 48, "moe_layers": "all",
         "weight_dtype": "bf16"}
WORKLOAD = {"kind": "moesaic.workload/1", "name": "short", "phase": "training", "global_batch": 4, "sequence_length": 16,
            "compute_dtype": "bf16", "optimizer": {"learning_rate": 0.001}, "seed": 1}


# ---- Cases ----------------------------------------------------------------------------------------------------------


def estimates_fit(root, folder):
    """Item by item with what the script adds, each call ends 8 s before its limit; limits are above estimates."""
    machine = Machine(root, folder)
    for call, limit in (("1", 330), ("2", 300)):
        estimates = machine.estimates(call)
        all_of_it = sum(estimates.values()) + OVERHEAD_S * len(estimates)
        expect(all_of_it <= limit - 8, True, f"call {call}: {all_of_it} s of {limit - 8}")
    for _, name, _, limit, estimate, _ in machine.items:
        expect(int(estimate) < int(limit), True, f"estimate of {name} below its limit")


def names_of_tests_exist(root, folder):
    """A filter that no test matches would be a check that cannot fail."""
    tests = set()
    for name in os.listdir(f"{root}/tests/executor/cuda"):
        for kind, suite, test in re.findall(r"^(TYPED_)?TEST\w*\((\w+), (\w+)\)", read(f"{root}/tests/executor/cuda/{name}"), re.M):
            tests |= {f"{suite}/{i}.{test}" for i in (0, 1)} if kind else {f"{suite}.{test}"}
    patterns = re.findall(r"_TESTS\+?='([^']*)'", read(f"{root}/scripts/gpu_check/items.sh"))
    patterns = [pattern for line in patterns for pattern in line.split(":") if pattern]
    expect(len(patterns), 17, "patterns")
    for pattern in patterns:
        found = [test for test in tests if re.fullmatch(pattern.replace(".", r"\.").replace("*", ".*"), test)]
        expect(bool(found), True, f"a test that {pattern} matches")


def as_estimated(root, folder):
    """Both calls pass in time, results come back in few files, and what is left over from call 1 is not run again."""
    machine = Machine(root, folder)
    table, last, seconds = machine.run("call-1", code=0)
    expect(set(table), set(machine.estimates("1")), "items of call 1")
    expect((last, seconds <= 322), ("17 passed, 0 failed, 0 absent", True), f"call 1, {seconds} s")
    expect(set(os.listdir(f"{folder}/out")), FILES, "files of call 1")
    expect(table["products"][1].split("  ")[1], "2 tests passed", "products")
    expect(table["tiny-bf16-2"][1].split("  ")[1], "150.0 ms a step, 2 losses within 0.0e+00 of those of one rank", "two ranks")
    expect(json.loads(read(f"{folder}/out/machines.json")).keys(), {"gpu": 0, "two-ranks": 0}.keys(), "machines")
    text = machine.ask("between", f"{folder}/out", code=77)
    expect(len(re.findall("call 2 takes the committed plan .*no-moesaic", text)), 2, "no program to plan with", text)
    shutil.copy(f"{machine.root}/experiments/11_gpu_fidelity/plans/gpu-1.json", f"{machine.root}/build/gpu_kit/plans")  # as if
    table, last, seconds = machine.run("call-2", code=0)
    expect((last, seconds <= 292), ("43 passed, 0 failed, 0 absent", True), f"call 2, {seconds} s")
    expect({table[name][1] for name in machine.estimates("1") if name != "device"}, {"earlier, for the same sources"}, "left over")
    expect(table["gpu-1"][1].split("  ")[1], "150.0 ms a step, plan made with the measured profile", "gpu-1")
    expect(table["planned-tiny-bf16-2"][1].endswith("of one rank, the committed plan"), True, "the plan that between did not make")
    expect(table["memcheck"][1].split("  ")[1], "ERROR SUMMARY: 0 errors, exit code 0 (9: errors found)", "memcheck")
    plans = json.loads(read(f"{folder}/out/execute.json"))
    expect(plans["gpu-1"]["median_step_seconds"], 0.15000000000000002, "median of 0.1 and 0.2")
    expect(plans["gpu-1"]["plan"]["name"], "gpt-moe-gpu on h200-1x8", "the plan that was executed")


def one_item_hangs(root, folder):
    """It takes its limit and no more; the others run as long as there is time: 70 s instead of 25 leave 45 s too few."""
    machine = Machine(root, folder)
    machine.take(products=100000)
    table, last, seconds = machine.run("call-1", code=1)
    expect(table["products"], ("FAILED", "stopped after 70 s"), "what hung")
    expect(named(table, "absent"), {"other_tests"}, "what had no time")
    expect(table["other_tests"][1], "no time left", "reason")
    expect((last, seconds <= 322), ("15 passed, 1 failed, 1 absent", True), f"{seconds} s")


def everything_is_slow(root, folder):
    """Three times as slow: the first items are there, and the call still ends in time."""
    machine = Machine(root, folder)
    machine.take(factor=3)
    for call, limit in (("call-1", 322), ("call-2", 292)):
        shutil.rmtree(f"{machine.root}/build/gpu_check", ignore_errors=True)
        table, _, seconds = machine.run(call, code=1)
        expect(seconds <= limit + OVERHEAD_S, True, f"{call}: {seconds} s")
        first = "tiny-f32-1" if call == "call-1" else "gpu-1"
        expect(table[first][0], "passed", first)
        expect("no time left" in {reason for _, reason in table.values()}, True, "what had no time is named")


def less_time(root, folder):
    """The seconds of a call are an argument. Of 58, 8 are for the end; 6 for the device and 25 for the products, and half a
    second for each, leave 18: too few for attention (20), enough for three plans of 5, and not for a fourth."""
    table, last, seconds = Machine(root, folder).run("call-1", "58", code=77)
    expect(named(table, "passed"), {"device", "products", "tiny-f32-1", "tiny-bf16-1", "tiny-f32-2"}, last)
    expect((table["attention"], seconds <= 50), (("absent", "no time left"), True), f"{seconds} s")


def nothing_to_check_with(root, folder):
    """No GPU, a library that is missing, a kit of other sources, a slow path: said in the first seconds, in a table."""
    cases = {
        "no GPU": (dict(tools={"nvidia-smi": "exit 9"}), 77, "absent", "no GPU: nvidia-smi finds none"),
        "library": (dict(tools={"ldd": "echo 'libcudnn.so.9 => not found'"}), 1, "FAILED", "libraries not found: libcudnn.so.9"),
        "sources": (dict(), 1, "FAILED", "the kit was made of other sources (34cd): prepare again"),
        "slow path": (dict(kit={"bin/moesaic-executor": "echo '@error 3 no CUTLASS' >&2; exit 3"}), 1, "FAILED", "no CUTLASS"),
    }
    for what, (changes, code, result, reason) in cases.items():
        machine = Machine(root, f"{folder}/{what.replace(' ', '_')}", **changes)
        if what == "sources":
            write_program(f"{machine.root}/scripts/gpu_kit.sh", "echo another")
        table, last, seconds = machine.run("call-1", code=code)
        expect((table["device"][0], reason in table["device"][1]), (result, True), f"{what}: {table['device']}")
        expect({row[0] for name, row in table.items() if name != "device"}, {"absent"}, what)
        expect((reason in table["products"][1], seconds < 10), (True, True), f"{what}: {table['products']}")
        expect(last, "0 passed, 0 failed, 17 absent" if code == 77 else "0 passed, 1 failed, 16 absent", what)


def without_a_gpu(root, folder):
    """On a machine of one's own the build can be checked, nothing else."""
    table, last, _ = Machine(root, folder, tools={"nvidia-smi": "exit 9"}).run("all", code=77)
    expect(named(table, "passed"), {"build"}, last)
    expect(table["gpu-1"][1], "not tried: no GPU: nvidia-smi finds none", "reason")


def what_fails_is_named(root, folder):
    """A row below its bar, a test that fails and one that does not end, losses that differ, errors under a tool."""
    tests = TESTS + """
echo "[  FAILED  ] GroupedMatmulOnCuda.Agrees, where TypeParam = float (5 ms)"
echo "[ RUN      ] ExpertsOnCuda/1.Agree"
exit 139"""
    executor = EXECUTOR + '\n[[ ${result:-} != *-2.result ]] || sed -i s/5.1/5.105/ "$result"'
    machine = Machine(root, folder, kit={"bin/test_executor_cuda": tests, "bin/moesaic-executor": executor,
                                         "bin/executor_cuda_copies": BENCH.replace("0.9,", "0.5,"),
                                         "bin/executor_cuda_grouped_matmul": BENCH.replace("0.9,", "null,"),
                                         "bin/executor_cuda_moe_layer": BENCH + "; echo 'out of memory' >&2; exit 3"},
                      tools={"compute-sanitizer": TOOLS["compute-sanitizer"].replace("0 errors", "2 errors") + "; exit 9"})
    write(f"{machine.root}/scripts/peers/torch_step.py", PEER.replace("{", """{"problems": ["eager: step 3: loss 5.2"], """) + """\nprint('{"cut')\nraise SystemExit(1)""")
    write(f"{machine.root}/scripts/peers/torch_layer.py", """print('{"absent": "no torch"}')""")
    names = ("products", "tiny-f32-1", "tiny-f32-2", "copies", "grouped_matmul", "moe_layer", "memory_bound", "torch_gpu-1", "torch_layer", "memcheck")
    table, last, _ = machine.run(*names, code=1)
    reasons = {"products": "2 tests passed, failed: GroupedMatmulOnCuda.Agrees ExpertsOnCuda/1.Agree (did not end)",
               "tiny-f32-2": "losses differ from those of one rank: step 1: loss 5.105, expected 5.1 within 2.0e-05", "copies": "0 of 1 rows at their bars",
               "grouped_matmul": "0 of 1 rows at their bars",
               "moe_layer": "1 rows, then failed: out of memory", "torch_gpu-1": "1 measured, eager: step 3: loss 5.2", "memcheck": "ERROR SUMMARY: 2 errors, exit code 9"}
    expect(named(table, "FAILED"), set(reasons), last)
    for name, reason in reasons.items():
        expect(reason in table[name][1], True, f"{name} says {reason!r}: {table[name]}")
    programs = json.loads(read(f"{folder}/out/bench.json"))["programs"]
    expect((len(programs["moe_layer"]["rows"]), programs["moe_layer"]["exit_code"]), (1, 3), "rows before the failure")
    peers = json.loads(read(f"{folder}/out/peers.json"))
    expect(peers["torch_gpu-1"]["median_step_seconds"], 0.3, "what was printed before a line that is cut")
    expect(table["torch_layer"], ("absent", "no torch"), "a peer that is not there")
    expect(last, "3 passed, 7 failed, 1 absent", "end")


def ended_by_a_signal(root, folder):
    """TERM in the middle of an item: the table and the files of what was finished are there, and nothing goes on."""
    machine = Machine(root, folder, kit={"bin/test_executor_cuda": f"echo $$ >{folder}/pid; exec sleep 1000"}, real_clock=True)
    process = machine.start("call-1")
    while not os.path.exists(f"{folder}/pid"):
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    output = process.communicate(timeout=60)[0]
    expect(process.returncode, 143, "exit code", output)
    table, last = machine.table(output)
    expect((table["device"][0], last), ("passed", "1 passed, 0 failed, 16 absent"), "table", output)
    expect(table["products"], ("absent", "the call was ended by a signal"), "what was running", output)
    expect(is_running(folder), False, "what was running is ended")


def what_hangs_is_killed(root, folder):
    """By the real clock: a program that ignores TERM, in a call of 15 s, 8 of which are for the end."""
    stubborn = f"trap '' TERM; echo $$ >{folder}/pid; while :; do sleep 1; done"
    machine = Machine(root, folder, kit={"bin/moesaic-executor": stubborn}, real_clock=True)
    table, _ = machine.table(machine.ask("call-1", "15", code=1))
    expect((table["device"][0], table["device"][1][:13]), ("FAILED", "stopped after"), f"device: {table['device']}")
    expect(is_running(folder), False, "what hung is ended")


def with_the_real_programs(root, folder, moesaic, executor):
    """Profiled and trained on the emulated device, planned again between the calls, compared. The times mean nothing there."""
    machine = Machine(root, folder, kit={"bin/moesaic-executor": f'[[ $1 != devices ]] || exit 0\nexec {executor} "$@"'})
    machine.moesaic = moesaic
    write(f"{machine.root}/scripts/peers/torch_step.py", PEER.replace("{", '{"problems": ["a doubt"], '))
    shutil.copy(f"{root}/LICENSE", f"{machine.root}/build/gpu_kit/corpus.txt")
    plans = f"{machine.root}/experiments/11_gpu_fidelity/plans"
    write(f"{folder}/model.json", json.dumps(MODEL))
    write(f"{folder}/workload.json", json.dumps(WORKLOAD))
    for name, ranks in (("gpu-1", "1"), ("tiny-bf16-2", "2")):
        subprocess.run([moesaic, "plan", "--model", f"{folder}/model.json", "--workload", f"{folder}/workload.json", "--ranks", ranks,
                        "--cluster", "h200-1x8", "--effort", "4", "-o", f"{plans}/{name}.json"], check=True, capture_output=True)
    one_plan = json.loads(read(f"{plans}/gpu-1.json"))
    changed = {key: value for key, value in one_plan.items() if key not in ("prediction", "decisions")}
    changed["layout"] = {**one_plan["layout"], "micro_batches": 2}
    write(f"{plans}/gpu-micro2-1.json", json.dumps(changed))
    machine.run("device", code=0)  # what follows is for these sources

    gpu, two_ranks = (f"{machine.root}/build/gpu_check/profile/{name}" for name in ("gpu", "two-ranks"))
    os.makedirs(gpu)
    subprocess.run([executor, "profile", "--for", f"{plans}/gpu-1.json", "--folder", gpu, "--budget", "12", "--ranks", "1",
                    "--transport", "local"], check=True, capture_output=True)
    shutil.copytree(gpu, two_ranks)  # as if two ranks had been measured, to spare the time
    cluster = json.loads(read(f"{gpu}/cluster.json"))
    cluster["nodes"]["devices_per_node"] = 2
    cluster["links"]["intra_node"] = one_plan["documents"]["cluster"]["links"]["intra_node"]
    write(f"{two_ranks}/cluster.json", json.dumps(cluster))

    one, two = f"{folder}/one", f"{folder}/two"
    machine.run("gpu-1", code=0)
    shutil.copytree(f"{folder}/out", one)
    text = machine.ask("between", one)
    expect(len(re.findall("planned with the measured profile", text)), 2, "plans", text)
    again = {name: json.loads(read(f"{machine.root}/build/gpu_kit/plans/{name}.json")) for name in ("gpu-1", "tiny-bf16-2")}
    expect({name: bool(plan["documents"]["profile"]["operators"]) for name, plan in again.items()},
           {"gpu-1": True, "tiny-bf16-2": True}, "prices that were measured")
    table, _, _ = machine.run("gpu-1", "gpu-micro2-1", "torch_gpu-1", code=0)
    expect(table["gpu-1"][1].endswith("plan made with the measured profile"), True, "gpu-1")
    os.rename(f"{folder}/out", two)
    machine.ask("answer", one, two)
    result = json.loads(read(f"{machine.root}/experiments/11_gpu_fidelity/result.json"))
    expect([(row["plan"], sorted(row["predicted_s"])) for row in result["rows"]],
           [(name, ["datasheet", "null", "profile", "profile_with_recorded_routing"]) for name in ("gpu-1", "gpu-micro2-1")], "rows")
    seconds = [row["measured_s"] for row in result["rows"]]
    expect([row["predicted_s"]["null"] for row in result["rows"]], seconds[::-1], "of two plans, each is the other's null model")
    expect(result["torch"][0]["times_as_fast_as_torch"], 0.3 / seconds[0], "torch's step is said to take 0.3 s")
    readme = read(f"{machine.root}/experiments/11_gpu_fidelity/README.md")
    expect("ms in torch (a doubt)." in readme, True, "what torch's document doubts", readme)
    expect(("None yet." in readme, f"| gpu-1 | {1e3 * seconds[0]:.4g} |" in readme), (False, True), "tables", readme)


def results_that_cannot_be_written(root, folder):
    """As on a full disk: no table and no document of tests in OUT. The call goes on, and its output has the table."""
    machine = Machine(root, folder)
    for name in ("table.txt.new", "test.json.new"):
        os.makedirs(f"{folder}/out/{name}")
    output = machine.ask("products", "memory_bound", code=0)
    expect("gpu_check: the results could not be written" in output, True, "complaint", output)
    expect(re.findall(r"^(\S+) +passed  ", output.rpartition("\n\n")[2], re.M), ["device", "products", "memory_bound"], "table", output)
    expect(sorted(os.listdir(f"{folder}/out")), ["bench.json", "log.txt", "table.txt.new", "test.json.new"], "files")


def too_much_output(root, folder):
    """33 MiB where a document is expected, and behind tests: the end of it counts, and other results are not lost to it."""
    flood = "head -c 34603008 /dev/zero | tr '\\0' x; echo"
    machine = Machine(root, folder, kit={"bin/executor_cuda_copies": flood, "bin/test_executor_cuda": flood + TESTS})
    table, last, _ = machine.run("products", "copies", "memory_bound", code=1)
    expect(table["products"][1].split("  ")[1], "2 tests passed", "products")
    expect((table["copies"][0], last), ("FAILED", "3 passed, 1 failed, 0 absent"), "end")
    documents = json.loads(read(f"{folder}/out/bench.json"))["programs"]
    expect((documents["copies"]["exit_code"], len(documents["memory_bound"]["rows"])), (0, 1), "documents")


def peers_have_the_machines_libraries(root, folder):
    """Programs of the kit find what gpu_libraries.sh found; torch has the path that was there before."""
    machine = Machine(root, folder, kit={"bin/executor_cuda_copies": BENCH + f"\necho -n $LD_LIBRARY_PATH >{folder}/of_kit"})
    write(f"{machine.root}/scripts/peers/torch_layer.py",
          f"import os\nopen('{folder}/of_peer', 'w').write(os.environ['LD_LIBRARY_PATH'])\n" + PEER)
    os.environ["LD_LIBRARY_PATH"] = "/before"
    machine.run("copies", "torch_layer", code=0)
    del os.environ["LD_LIBRARY_PATH"]
    expect((read(f"{folder}/of_kit"), read(f"{folder}/of_peer")), ("/somewhere", "/before"), "library paths")


def results_of_other_sources(root, folder):
    """They neither count as passed nor come back among new ones."""
    machine = Machine(root, folder)
    machine.run("tiny-f32-1", code=0)
    table, _, _ = machine.run("tiny-f32-1", code=0)
    expect(table["tiny-f32-1"][1], "earlier, for the same sources", "the same sources")
    write_program(f"{machine.root}/scripts/gpu_kit.sh", "echo 56ef")
    write(f"{machine.root}/build/gpu_kit/about.txt", "commit: 78ab\nsources: 56ef\n")
    machine.run("memory_bound", code=0)
    expect(set(os.listdir(f"{folder}/out")), {"table.txt", "log.txt", "bench.json"}, "files")


def unknown_name(root, folder):
    output = Machine(root, folder).ask("bench", "fly", code=2)
    expect(output.startswith("gpu_check: no item, group or verb fly"), True, "message", output)


CASES = (estimates_fit, names_of_tests_exist, as_estimated, one_item_hangs, everything_is_slow, less_time, nothing_to_check_with,
         without_a_gpu, what_fails_is_named, ended_by_a_signal, what_hangs_is_killed,
         results_that_cannot_be_written, too_much_output, peers_have_the_machines_libraries, results_of_other_sources, unknown_name)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root")
    parser.add_argument("--moesaic")
    parser.add_argument("--executor", help="the executor that is built with the emulated device")
    parser.add_argument("--only")
    arguments = parser.parse_args()
    programs = (arguments.moesaic, arguments.executor)
    for case in CASES + ((with_the_real_programs,) if all(programs) else ()):
        if arguments.only in (None, case.__name__):
            begun = time.monotonic()
            with tempfile.TemporaryDirectory() as folder:
                case(os.path.abspath(arguments.root), folder, *(programs if case is with_the_real_programs else ()))
            print(f"{case.__name__}: ok, {time.monotonic() - begun:.1f} s", flush=True)


if __name__ == "__main__":
    main()
