#!/usr/bin/env python3
"""scripts/gpu_kit.sh with stand-ins for CMake, Ninja, nvcc and cuobjdump: what it lays out, and what it refuses.

The programs are real ones of a few lines, as strip and readelf look into them. Usage: gpu_kit_test.py ROOT
"""
import json
import os
import subprocess
import sys
import tempfile

PROGRAMS = ["cli/moesaic-executor", "test_executor_cuda", "test_executor_nccl"] + [
    "executor/cuda/benchmark/executor_cuda_" + name for name in ("copies", "grouped_matmul", "memory_bound", "moe_layer")]
# Writes the plan's word for a shared core and the number of steps into the result.
EXECUTOR = r"""
#include <stdio.h>
#include <string.h>
int main(int count, char** words) {
  char plan[65536] = "";
  const char *result = "", *steps = "";
  for (int i = 1; i + 1 < count; ++i) {
    if (strcmp(words[i], "--result") == 0) result = words[i + 1];
    if (strcmp(words[i], "--steps") == 0) steps = words[i + 1];
    if (strcmp(words[i], "--plan") == 0) {
      FILE* file = fopen(words[i + 1], "r");
      plan[fread(plan, 1, sizeof plan - 1, file)] = 0;
      fclose(file);
    }
  }
  FILE* file = fopen(result, "w");
  fprintf(file, "{\"steps\": %s, \"on_cpu\": %s}", steps, strstr(plan, "\"lanes_share_core\": true") ? "true" : "false");
  return fclose(file);
}
"""
FOUND = {"CUTLASS": "CUTLASS from $HERE/cutlass", "cuDNN": "cuDNN 9.19 from $HERE/libcudnn.so"}
ELF = "ELF file    1: moesaic-executor.1.sm_90a.cubin"
SASS = r"\tFunction : _ZN7cutlass13device_kernelE\n HGMMA.64x128x16.F32\n\tFunction : _ZN7moesaic3addE\n FADD"


def write_program(path, body):
    with open(path, "w", encoding="utf-8") as stream:
        stream.write("#!/usr/bin/env bash\n" + body + "\n")
    os.chmod(path, 0o755)


class Home:
    """A machine that builds, in a folder of its own."""

    def __init__(self, root, folder):
        self.root, self.folder = root, folder
        for name in ("bin", "programs", "cutlass/cutlass", "build"):
            os.makedirs(f"{folder}/{name}")
        write_program(f"{folder}/bin/nvcc", 'echo "Cuda compilation tools, release 0.0, V0.0.1"')
        write_program(f"{folder}/bin/ninja", 'cp -r "$HERE/programs/." "$2/"')
        with open(f"{folder}/nccl.h", "w", encoding="utf-8") as stream:
            stream.write("#define NCCL_MAJOR 2\n#define NCCL_MINOR 28\n#define NCCL_PATCH 9\n")
        with open(f"{folder}/cutlass/cutlass/version.h", "w", encoding="utf-8") as stream:
            stream.write("#define CUTLASS_MAJOR 4\n#define CUTLASS_MINOR 2\n#define CUTLASS_PATCH 0\n")
        with open(f"{folder}/executor.c", "w", encoding="utf-8") as stream:
            stream.write(EXECUTOR)

    def run(self, without="", link=(), elf=ELF, sass=SASS):
        """(exit code, standard error)"""
        here = self.folder
        lines = [f'echo "-- moesaic: {line}"' for name, line in FOUND.items() if name != without]
        lines.append(f'echo "NCCL_INCLUDE:PATH={"NCCL_INCLUDE-NOTFOUND" if without == "NCCL" else here}" >"$4/CMakeCache.txt"')
        write_program(f"{here}/bin/cmake", "\n".join(lines))
        write_program(f"{here}/bin/cuobjdump", f'[[ $1 == --list-elf ]] && printf "{elf}" || printf "{sass}"')
        for program in PROGRAMS:
            os.makedirs(os.path.dirname(f"{here}/programs/{program}"), exist_ok=True)
            subprocess.run(["cc", "-o", f"{here}/programs/{program}", f"{here}/executor.c", "-Wl,--no-as-needed", *link],
                           check=True)
        environment = {**os.environ, "PATH": f"{here}/bin:{os.environ['PATH']}", "HERE": here, "BUILD": f"{here}/build",
                       "CUOBJDUMP": f"{here}/bin/cuobjdump"}
        done = subprocess.run(["bash", f"{self.root}/scripts/gpu_kit.sh", f"{here}/kit"], env=environment, text=True,
                              capture_output=True, check=False, timeout=120)
        return done.returncode, done.stderr


def expect(actual, expected, what):
    if actual != expected:
        sys.exit(f"{what}: expected {expected!r}, found {actual!r}")
    print(f"{what}: ok")


def refused(home, reason, **how):
    code, errors = home.run(**how)
    last = errors.splitlines()[-1]
    expect((code, last.startswith("gpu_kit: ") and reason in last), (1, True), f"'{last}'")


def main(root):
    with tempfile.TemporaryDirectory() as folder:
        home = Home(root, os.path.realpath(folder))
        refused(home, "CUTLASS 4.2 are missing", without="CUTLASS")
        refused(home, "cuDNN 9.11 or newer are missing", without="cuDNN")
        refused(home, "nccl.h is missing", without="NCCL")
        refused(home, "moesaic-executor needs libstdc++.so.6", link=["-lstdc++"])
        refused(home, "looks for libraries in folders of this machine", link=["-Wl,-rpath,/somewhere"])
        refused(home, "has no code for sm_90a", elf="ELF file    1: moesaic-executor.1.sm_80.cubin")
        refused(home, "has code for more than sm_90a", elf=ELF + r"\n" + ELF.replace("90a", "80"))
        refused(home, "0 use HGMMA and 1 do not", sass=SASS.replace("HGMMA", "HMMA"))
        expect(os.path.exists(f"{folder}/kit"), False, "what is refused is not laid out")

        expect(home.run()[0], 0, "exit code")
        files = sorted(os.path.relpath(os.path.join(place, name), f"{folder}/kit")
                       for place, _, names in os.walk(f"{folder}/kit") for name in names)
        expect(files, sorted(["about.txt", "corpus.txt", "expected/tiny-bf16-1.result", "expected/tiny-f32-1.result"] +
                             ["bin/" + os.path.basename(name) for name in PROGRAMS]), "files")
        for name in ("tiny-f32-1", "tiny-bf16-1"):
            with open(f"{folder}/kit/expected/{name}.result", encoding="utf-8") as stream:
                expect(json.load(stream), {"steps": 10, "on_cpu": True}, name)
        with open(f"{folder}/kit/about.txt", encoding="utf-8") as stream:
            about = dict(line.rstrip("\n").split(": ", 1) for line in stream if not line.startswith(" "))
        expect({key: about[key] for key in ("nvcc", "cuDNN", "CUTLASS", "NCCL", "code")},
               {"nvcc": "0.0.1", "cuDNN": "9.19", "CUTLASS": "4.2.0", "NCCL": "2.28.9",
                "code": "2 kernels for sm_90a alone; all 1 of CUTLASS's use HGMMA"}, "about.txt")
        sources = subprocess.run(["bash", f"{root}/scripts/gpu_kit.sh", "--sources"], text=True, capture_output=True, check=True)
        expect(about["sources"], sources.stdout.strip(), "sources")


if __name__ == "__main__":
    main(os.path.abspath(sys.argv[1]))
