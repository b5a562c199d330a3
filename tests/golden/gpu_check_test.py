#!/usr/bin/env python3
"""Runs scripts/gpu_check.sh with stand-ins for the compiler, the GPU and the programs: is its table honest?

It builds nothing and needs no GPU. Usage: gpu_check_test.py ROOT
"""
import json
import os
import re
import subprocess
import sys
import tempfile

STAGES = ["build", "test", "sanitize", "profile", "bench", "peers", "execute"]
FILES = {"table.txt", "log.txt", "profile.json", "cluster.json", "bench.json", "peers.json", "execute.json"}
PROGRAMS = {  # below the build folder -> what it does
    "test_executor_cuda": 'echo "[  PASSED  ] 12 tests."',
    "executor/cuda/benchmark/executor_cuda_memory_bound":
        """echo '{"rows": [{"what": "add", "dtype": "f32", "ratio": 0.9, "bar": 0.85}]}'""",
    "cli/moesaic-executor": r"""
verb=$1; shift
while (($#)); do
  case $1 in --result) result=$2 ;; --folder) folder=$2 ;; esac
  shift
done
if [[ $verb == profile ]]; then echo '{}' >"$folder/profile.json"; echo '{}' >"$folder/cluster.json"; exit; fi
echo '{"loss": [5.5, 5.1], "all_step_seconds": [0.1, 0.2]}' >"$result" """,
}
TOOLS = {
    "nvcc": 'echo "Cuda compilation tools, release 0.0"; echo "last line"',
    "cmake": '[[ $1 != --build ]] || cp -r "$STAND_INS/programs/." "$2/"',
    "compute-sanitizer": 'echo "========= ERROR SUMMARY: 0 errors"',
}
GPU = """case $* in
  -L) echo "GPU 0: stand-in" ;;
  *compute_cap*noheader) echo "9.0" ;;
  *) echo "stand-in" ;;
esac"""


def write_program(path, body):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as stream:
        stream.write("#!/usr/bin/env bash\n" + body + "\n")
    os.chmod(path, 0o755)


class Machine:
    """Stand-ins in a folder of their own; run() gives exit code, table and files of one call."""

    def __init__(self, root, folder, gpu, programs=None):
        self.root, self.folder = root, folder
        tools = {**TOOLS, "nvidia-smi": GPU if gpu else "exit 9"}
        for name, body in tools.items():
            write_program(f"{folder}/bin/{name}", body)
        for name, body in {**PROGRAMS, **(programs or {})}.items():
            write_program(f"{folder}/programs/{name}", body)
        os.makedirs(f"{folder}/plans")
        os.makedirs(f"{folder}/build")
        for name in ("tiny-f32-1", "tiny-f32-2", "tiny-bf16-1", "tiny-bf16-2"):
            with open(f"{folder}/plans/{name}.json", "w", encoding="utf-8") as stream:
                stream.write("{}")

    def run(self, *stages):
        folder = self.folder
        environment = {**os.environ, "PATH": f"{folder}/bin:{os.environ['PATH']}", "STAND_INS": folder, "DEPS": "",
                       "STATE": f"{folder}/state", "BUILD": f"{folder}/build", "OUT": f"{folder}/out",
                       "PLANS": f"{folder}/plans"}
        done = subprocess.run(["bash", f"{self.root}/scripts/gpu_check.sh", *stages], env=environment, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, timeout=120)
        table = {match[1]: (match[2], match[3]) for match in
                 re.finditer(r"^(\w+) +(passed|FAILED|absent) +(.*)$", done.stdout, re.M)}
        return done.returncode, table, done.stdout.splitlines()[-1], done.stdout


def expect(actual, expected, what, output):
    if actual != expected:
        sys.exit(f"{what}: expected {expected!r}, found {actual!r}\n{output}")


def without_a_gpu(root, folder):
    """The build can be checked, nothing else."""
    code, table, last, output = Machine(root, folder, gpu=False).run("all")
    expect({name: result for name, (result, _) in table.items()},
           {name: "passed" if name == "build" else "absent" for name in STAGES}, "table", output)
    expect(table["execute"][1], "no GPU: nvidia-smi finds none", "reason", output)
    expect(last, "1 passed, 0 failed, 6 absent", "last line", output)
    expect(code, 77, "exit code", output)


def with_everything(root, folder):
    """All passes, results come in few files, and a second call runs nothing again."""
    machine = Machine(root, folder, gpu=True)
    stages = [name for name in STAGES if name != "peers"]  # these depend on what Python has here
    code, table, last, output = machine.run(*stages)
    expect((last, code), ("6 passed, 0 failed, 0 absent", 0), "first call", output)
    expect("memcheck, racecheck, initcheck without errors" in table["sanitize"][1], True, "sanitizers", output)
    expect(set(os.listdir(f"{folder}/out")), FILES - {"peers.json"}, "files", output)
    expect(table["bench"][1].split("  ")[1], "1 of 1 rows at their bars, absent: copies grouped_matmul moe_layer",
           "what was not built", output)
    with open(f"{folder}/out/execute.json", encoding="utf-8") as stream:
        plans = json.load(stream)
    expect({name: plan["median_step_seconds"] for name, plan in plans.items()},
           {f"tiny-{dtype}-{ranks}": 0.15000000000000002 for dtype in ("f32", "bf16") for ranks in (1, 2)},
           "median of 0.1 and 0.2", output)
    code, table, last, output = machine.run(*stages)
    expect({detail for _, detail in table.values()}, {"earlier, for the same sources"}, "second call", output)
    expect((last, code), ("6 passed, 0 failed, 0 absent", 0), "second call", output)


def what_fails_is_named(root, folder):
    """A row below its bar, a test that saw no device, a plan that does not train, errors under a tool."""
    machine = Machine(root, folder, gpu=True, programs={
        "test_executor_cuda": 'echo "no CUDA device on this machine"; echo "[  PASSED  ] 12 tests."; exit ${SANITIZED:-0}',
        "executor/cuda/benchmark/executor_cuda_memory_bound":
            """echo '{"rows": [{"what": "add", "dtype": "f32", "ratio": 0.5, "bar": 0.85}]}'""",
        "cli/moesaic-executor": "echo '@error 3 out of memory' >&2; exit 3"})
    write_program(f"{folder}/bin/compute-sanitizer", "exit 9")
    code, table, last, output = machine.run("build", "test", "sanitize", "bench", "execute")
    expect({name: result for name, (result, _) in table.items()},
           {name: "passed" if name == "build" else "FAILED" for name in ("build", "test", "sanitize", "bench", "execute")},
           "table", output)
    for stage, reason in (("test", "saw no CUDA device"), ("sanitize", "memcheck: exit code 9"),
                          ("bench", "0 of 1 rows"), ("execute", "0 of 4 plans trained, failed: tiny-bf16-1")):
        expect(reason in table[stage][1], True, f"{stage} says '{reason}'", output)
    expect((last, code), ("1 passed, 4 failed, 0 absent", 1), "end", output)


def ranks_that_differ(root, folder):
    """Losses of two ranks that are off by 1e-3 fail in f32."""
    different = PROGRAMS["cli/moesaic-executor"] + '\n[[ $result != *-2.result ]] || sed -i s/5.1/5.105/ "$result"'
    machine = Machine(root, folder, gpu=True, programs={"cli/moesaic-executor": different})
    _, table, _, output = machine.run("build", "test")
    expect(table["test"][0], "FAILED", "test", output)
    expect("losses differ by 9.8e-04 from those of one rank" in table["test"][1], True, "reason", output)


def unknown_stage(root, folder):
    code, table, last, output = Machine(root, folder, gpu=False).run("build", "fly")
    expect((code, table), (2, {}), "exit code", output)
    expect(last.startswith("gpu_check: no stage fly"), True, "message", output)


def main(root):
    for case in (without_a_gpu, with_everything, what_fails_is_named, ranks_that_differ, unknown_stage):
        with tempfile.TemporaryDirectory() as folder:
            case(os.path.abspath(root), folder)
        print(f"{case.__name__}: ok")


if __name__ == "__main__":
    main(*sys.argv[1:])
