"""A machine without a GPU on which scripts/gpu_check.sh meets stand-ins: for the GPU, the kit, the tools and the clock.

It checks nothing itself but that results come back as they must. The clock stands still but for items, which take as long as
`take` says; real_clock leaves the machine's and `timeout` as they are.
"""
import os
import re
import shutil
import subprocess
import sys
import time

FILES = {"table.txt", "log.txt", "test.json", "bench.json", "peers.json", "execute.json", "machines.json"}
TESTS = r"""
for test in LinearOnCuda/0.Agrees RouterOnCuda/1.Chooses; do
  echo "[ RUN      ] $test"
  echo "[       OK ] $test (3 ms)"
done
echo "[  PASSED  ] 2 tests." """
BENCH = """echo '{"rows": [{"what": "add", "dtype": "f32", "ratio": 0.9, "bar": 0.85}]}'"""
EXECUTOR = r"""
verb=$1; shift
while (($#)); do
  case $1 in --result) result=$2 ;; --folder) folder=$2 ;; esac
  shift
done
case $verb in
  profile) echo '{"kind": "profile"}' >"$folder/profile.json"; echo '{"kind": "cluster"}' >"$folder/cluster.json" ;;
  execute) echo '{"loss": [5.5, 5.1], "all_step_seconds": [0.1, 0.2], "ranks": 1}' >"$result" ;;
esac"""
KIT = {"bin/test_executor_cuda": TESTS, "bin/test_executor_nccl": TESTS, "bin/moesaic-executor": EXECUTOR,
       **{f"bin/executor_cuda_{name}": BENCH for name in ("copies", "grouped_matmul", "memory_bound", "moe_layer")}}
TOOLS = {
    "nvidia-smi": """case $* in -L) echo "GPU 0: stand-in" ;; --query-gpu=compute_cap*) echo 9.0 ;; *) echo stand-in ;; esac""",
    "ldd": "echo 'libcudnn.so.9 => /somewhere/libcudnn.so.9'",
    "compute-sanitizer": 'echo "[       OK ] A.B (3 ms)"; echo "========= ERROR SUMMARY: 0 errors"',
    "timeout": r"""
[[ $1 != -k ]] || shift 2
limit=$1; shift
[[ " $* " == *" --item "* ]] || exec "$@"
takes=$(awk -v item="${*: -1}" '$1 == item {print $2}' "$STAND_INS/takes") clock=$(cut -d . -f 1 "$STAND_INS/clock")
half=$(cut -d . -f 2 "$STAND_INS/clock")
advance() { echo "$((clock + $1 + half / 50)).$((50 - half))" | sed 's/\.0$/.00/' >"$STAND_INS/clock"; }  # and half a second
if ((takes > limit)); then advance "$limit"; exit 124; fi
advance "$takes"
exec "$@" """,
}
PEER = """print('{"rows": [], "median_step_seconds": 0.3, "loss_deviation": 0.001}')"""


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as stream:
        stream.write(text)


def write_program(path, body):
    write(path, "#!/usr/bin/env bash\n" + body + "\n")
    os.chmod(path, 0o755)


def read(path):
    with open(path, encoding="utf-8") as stream:
        return stream.read()


class Machine:
    """A tree of its own with the scripts that are checked, and everything else a stand-in."""

    def __init__(self, root, folder, kit=None, tools=None, real_clock=False):
        self.root, self.folder, self.moesaic = f"{folder}/tree", folder, f"{folder}/no-moesaic"
        self.real_clock = real_clock
        for name in ("gpu_check.sh", "gpu_results.py"):
            os.makedirs(f"{self.root}/scripts", exist_ok=True)
            shutil.copy(f"{root}/scripts/{name}", f"{self.root}/scripts/{name}")
        shutil.copytree(f"{root}/scripts/gpu_check", f"{self.root}/scripts/gpu_check")
        shutil.copytree(f"{root}/experiments/11_gpu_fidelity", f"{self.root}/experiments/11_gpu_fidelity")
        for name in ("torch_layer", "torch_grouped_mm", "torch_step", "liger_layer", "deepspeed_moe"):
            write(f"{self.root}/scripts/peers/{name}.py", PEER)
        shutil.copy(f"{root}/scripts/peers/losses.py", f"{self.root}/scripts/peers")
        write_program(f"{self.root}/scripts/gpu_libraries.sh", "echo /somewhere")
        write_program(f"{self.root}/scripts/gpu_kit.sh", """
if [[ $1 == --sources ]]; then echo 12ab; exit; fi
rm -rf "$1"; cp -r "$STAND_INS/kit" "$1" """)
        for name, body in {**TOOLS, **(tools or {})}.items():
            if not (real_clock and name == "timeout"):
                write_program(f"{folder}/bin/{name}", body)
        os.symlink(sys.executable, f"{folder}/bin/python3")
        for name, body in {**KIT, **(kit or {})}.items():
            write_program(f"{folder}/kit/{name}", body)
        write(f"{folder}/kit/about.txt", "commit: 34cd\nsources: 12ab\ncode: for sm_90a alone\n")
        write(f"{folder}/kit/corpus.txt", "text")
        for name in ("tiny-f32-1", "tiny-bf16-1"):
            write(f"{folder}/kit/expected/{name}.result", '{"loss": [5.5, 5.1]}')
        os.makedirs(f"{self.root}/build")
        shutil.copytree(f"{folder}/kit", f"{self.root}/build/gpu_kit")
        self.items = [line.split(None, 5) for line in self.ask("list").splitlines()]
        self.take()

    def estimates(self, call):
        return {name: int(estimate) for calls, name, _, _, estimate, _ in self.items if call in calls}

    def take(self, factor=1, **seconds):
        """Items take their estimates times a factor, or what is said of them (with _ for what no name of Python has)."""
        takes = {item[1]: factor * int(item[4]) for item in self.items}
        takes.update({name.replace("_", "-"): value for name, value in seconds.items()})
        write(f"{self.folder}/takes", "".join(f"{name} {value}\n" for name, value in takes.items()))
        write(f"{self.folder}/clock", "1000.00")  # as /proc/uptime begins

    def environment(self):
        return {**os.environ, "PATH": f"{self.folder}/bin:{os.environ['PATH']}", "STAND_INS": self.folder,
                "OUT": f"{self.folder}/out", "MOESAIC": self.moesaic,
                **({} if self.real_clock else {"CLOCK": f"{self.folder}/clock"})}

    def start(self, *arguments):
        return subprocess.Popen(["bash", f"{self.root}/scripts/gpu_check.sh", *arguments], env=self.environment(), text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def ask(self, *arguments, code=0):
        process = self.start(*arguments)
        output = process.communicate(timeout=200)[0]
        expect(process.returncode, code, f"exit code of {' '.join(arguments)}", output)
        return output

    def run(self, *arguments, code):
        """(the table, its last line, seconds that passed). The files are always few, and the table what was printed last."""
        shutil.rmtree(f"{self.folder}/out", ignore_errors=True)
        begun = float(read(f"{self.folder}/clock"))
        output = self.ask(*arguments, code=code)
        return *self.table(output), float(read(f"{self.folder}/clock")) - begun

    def table(self, output):
        text = read(f"{self.folder}/out/table.txt")
        expect(output.endswith(text), True, "the table comes last", output)
        expect(set(os.listdir(f"{self.folder}/out")) <= FILES, True, "files that come back", output)
        rows = re.findall(r"^(\S+) +(passed|FAILED|absent) +(.*)$", text, re.M)
        return {name: (result, reason) for name, result, reason in rows}, text.splitlines()[-1]


def expect(actual, expected, what, output=""):
    if actual != expected:
        sys.exit(f"{output}\n{what}: expected {expected!r}, found {actual!r}")


def is_running(folder):
    """The stand-in that wrote its number. What was just killed may take a moment to end."""
    for _ in range(100):
        try:
            if read(f"/proc/{read(f'{folder}/pid').strip()}/stat").split()[2] == "Z":
                return False
        except OSError:
            return False
        time.sleep(0.05)
    return True


def named(table, result):
    return {name for name, row in table.items() if row[0] == result}
