"""The initial values and batches of docs/training_model.md, many draws at a time. It knows no model."""
import math

import numpy as np
import torch

MASK = np.uint64(0xFFFFFFFFFFFFFFFF)


def splitmix64(x):  # uint64 array; arithmetic wraps around
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def number(x):
    return np.array([x & int(MASK)], dtype=np.uint64)


def fnv1a64(text):
    value = 0xCBF29CE484222325
    for byte in text.encode():
        value = ((value ^ byte) * 0x100000001B3) & int(MASK)
    return value


def initial_matrix(name, shape, seed, piece=1 << 22):
    key = splitmix64(number(fnv1a64(name) ^ seed))
    out = np.empty(math.prod(shape), dtype=np.float32)
    for begin in range(0, out.size, piece):
        end = min(begin + piece, out.size)
        bits = splitmix64(key + np.arange(begin, end, dtype=np.uint64)) >> np.uint64(40)
        out[begin:end] = (2.0 * (bits.astype(np.float64) / 2.0**24) - 1.0) * (math.sqrt(3.0) * 0.02)
    return torch.from_numpy(out).reshape(shape)


def batch(corpus, workload, step):  # [sequences, sequence_length + 1]
    length, count = workload["sequence_length"], workload["global_batch"]
    stream = splitmix64(number(workload.get("seed", 0) ^ 0x636F72707573)) + number(step * 2**20)
    starts = splitmix64(stream + np.arange(count, dtype=np.uint64)) % np.uint64(len(corpus) - length)
    return torch.stack([corpus[int(s) : int(s) + length + 1] for s in starts]).to(torch.int64)


def batches(corpus, workload, steps, device):
    """All steps' batches, on the device before anything is timed."""
    return [batch(corpus, workload, step).to(device) for step in range(steps)]
