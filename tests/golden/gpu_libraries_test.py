#!/usr/bin/env python3
"""scripts/gpu_libraries.sh on made-up folders of a toolkit and of Python's packages, in both layouts of NVIDIA's wheels.

Usage: gpu_libraries_test.py ROOT
"""
import os
import subprocess
import sys
import tempfile

CUBLAS, CUDNN, NCCL = "libfake_cublas.so.13", "libfake_cudnn.so.9", "libfake_nccl.so.2"  # that no machine has


def find(root, folder, files, before=""):
    """(exit code, folders of the path below `folder`, what is missing) with these files, all wanted."""
    for file in files:
        os.makedirs(os.path.dirname(f"{folder}/{file}"), exist_ok=True)
        with open(f"{folder}/{file}", "w", encoding="utf-8"):
            pass
    os.makedirs(f"{folder}/bin", exist_ok=True)
    for program, body in (("nvcc", ""), ("python3", f'PYTHONPATH="{folder}/site-packages" exec "{sys.executable}" "$@"')):
        with open(f"{folder}/bin/{program}", "w", encoding="utf-8") as stream:
            stream.write(f"#!/bin/bash\n{body}\n")
        os.chmod(f"{folder}/bin/{program}", 0o755)
    environment = {"PATH": f"{folder}/bin:/usr/bin:/bin:/sbin", "CUDA_HOME": f"{folder}/toolkit", "LD_LIBRARY_PATH": before}
    done = subprocess.run([f"{root}/scripts/gpu_libraries.sh", CUBLAS, CUDNN, NCCL], env=environment, text=True,
                          capture_output=True, check=False, timeout=60)
    path = [place.removeprefix(folder + "/") for place in done.stdout.strip().split(":") if place]
    missing = [line.split()[1] for line in done.stderr.splitlines()]
    return done.returncode, path, missing


def expect(root, what, files, expected, before=()):
    with tempfile.TemporaryDirectory() as folder:
        folder = os.path.realpath(folder)
        found = find(root, folder, files, ":".join(f"{folder}/{place}" for place in before))
    if found != expected:
        sys.exit(f"{what}: expected {expected!r}, found {found!r}")
    print(f"{what}: ok")


def main(root):
    packages = "site-packages/nvidia"
    expect(root, "a toolkit that has all", [f"toolkit/lib64/{name}" for name in (CUBLAS, CUDNN, NCCL)],
           (0, ["toolkit/lib64"], []))
    expect(root, "wheels of CUDA 13", [f"{packages}/cu13/lib/{CUBLAS}", f"{packages}/cudnn/lib/{CUDNN}", f"{packages}/nccl/lib/{NCCL}"],
           (0, [f"{packages}/cu13/lib", f"{packages}/cudnn/lib", f"{packages}/nccl/lib"], []))
    expect(root, "one wheel for each", [f"{packages}/cublas/lib/{CUBLAS}", f"{packages}/cudnn/lib/{CUDNN}", f"{packages}/nccl/lib/{NCCL}"],
           (0, [f"{packages}/cublas/lib", f"{packages}/cudnn/lib", f"{packages}/nccl/lib"], []))
    expect(root, "cuBLAS of the toolkit before that of a wheel, cuDNN of the wheel, no NCCL",
           [f"toolkit/targets/x86_64-linux/lib/{CUBLAS}", f"{packages}/cu13/lib/{CUBLAS}", f"{packages}/cudnn/lib/{CUDNN}"],
           (1, ["toolkit/targets/x86_64-linux/lib", f"{packages}/cudnn/lib"], [NCCL]))
    expect(root, "the path that is there stays, and comes first",
           [f"own/{CUDNN}", f"toolkit/lib/{CUDNN}", f"toolkit/lib/{CUBLAS}", f"toolkit/lib/{NCCL}"],
           (0, ["other", "own", "toolkit/lib"], []), before=("other", "own"))
    expect(root, "nothing", [], (1, [], [CUBLAS, CUDNN, NCCL]))


if __name__ == "__main__":
    main(os.path.abspath(sys.argv[1]))
