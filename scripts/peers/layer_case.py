"""What the peers share: shapes, random inputs, times in turns, and one JSON document on stdout. It measures nothing."""

import argparse
import contextlib
import json
import statistics
import sys
import time

# name: tokens, hidden, intermediate, experts, top_k. The same as in executor/cuda/benchmark/moe_layer.cpp.
SHAPES = {
    "qwen3-30b-a3b": (32768, 2048, 768, 128, 8),
    "64 experts, top 4": (32768, 4096, 1024, 64, 4),
}
TINY = {"tiny": (96, 64, 32, 4, 2)}
PRODUCT = 8192  # the yardstick: a square product in bf16


def say_absent(reason):
    """A peer that cannot run here says so in its document; that is no failure and no result."""
    print(json.dumps({"absent": reason}))
    sys.exit(0)


try:
    import torch
except ImportError as missing:
    say_absent(str(missing))


def parse(description, add=None):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--tiny", action="store_true", help="one tiny shape: only to see that the program runs")
    parser.add_argument("--rounds", type=int, default=20)
    if add:
        add(parser)
    arguments = parser.parse_args()
    if arguments.device == "cuda" and not torch.cuda.is_available():
        say_absent("no CUDA device")
    torch.manual_seed(1)
    return arguments


def shapes(arguments):
    return TINY if arguments.tiny else SHAPES


def random_rows(arguments, *size, scale=1.0, dtype=torch.bfloat16):
    return (torch.randn(*size, device=arguments.device) * scale).to(dtype)


def leaf(arguments, *size, scale=0.02):
    return random_rows(arguments, *size, scale=scale).requires_grad_()


def seconds_of(arguments, work):
    """By events on the device, by the clock on a CPU."""
    if arguments.device == "cpu":
        begin = time.perf_counter()
        work()
        return time.perf_counter() - begin
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    begin.record()
    work()
    end.record()
    end.synchronize()
    return begin.elapsed_time(end) * 1e-3


class Clock:
    """Seconds between marks. On a device, by events that are read at the end, so that the host runs ahead meanwhile."""

    def __init__(self, arguments):
        self.on_device, self.marks = arguments.device == "cuda", []
        self.mark()

    def mark(self):
        if not self.on_device:
            self.marks.append(time.perf_counter())
            return
        self.marks.append(torch.cuda.Event(enable_timing=True))
        self.marks[-1].record()

    def seconds(self):
        pairs = list(zip(self.marks, self.marks[1:]))
        if not self.on_device:
            return [after - before for before, after in pairs]
        self.marks[-1].synchronize()
        return [before.elapsed_time(after) * 1e-3 for before, after in pairs]


@contextlib.contextmanager
def no_waiting(arguments, allowed=False):
    """A call that waits for the device raises RuntimeError inside; nothing is checked on a CPU."""
    if arguments.device == "cpu" or allowed:
        yield
        return
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


def says_that_it_waits(error):
    """torch's words: "called a synchronizing CUDA operation"."""
    return "synchronizing" in str(error)


def fastest_attention(arguments):
    """cuDNN's, where it takes the shape; torch alone would prefer flash attention."""
    if arguments.device == "cpu":
        return contextlib.nullcontext()
    from torch.nn.attention import SDPBackend, sdpa_kernel

    return sdpa_kernel([SDPBackend.CUDNN_ATTENTION, SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION,
                        SDPBackend.MATH], set_priority=True)


def medians_in_turns(arguments, contenders):
    """{name: work} -> {name: median seconds}. The contenders take turns; three rounds warm up."""
    times = {name: [] for name in contenders}
    for turn in range(-3, arguments.rounds):
        for name, work in contenders.items():
            seconds = seconds_of(arguments, work)
            if turn >= 0:
                times[name].append(seconds)
    return {name: statistics.median(values) for name, values in times.items()}


class Product:
    """The yardstick, a square product in bf16."""

    def __init__(self, arguments):
        self.size = 256 if arguments.tiny else PRODUCT
        self.a, self.b = (random_rows(arguments, self.size, self.size) for _ in range(2))

    def run(self):
        return self.a @ self.b.T

    def flops_per_s(self, seconds):
        return 2 * self.size**3 / seconds


class BothPasses:
    """Times forward() and, apart from it, the backward pass that it leaves; gradients add up, as in the executor."""

    def __init__(self, forward, output_gradient):
        self.forward_once, self.gradient, self.out = forward, output_gradient, None

    def forward(self):
        self.out = None  # or two graphs are alive at once
        self.out = self.forward_once()

    def backward(self):
        self.out.backward(self.gradient, retain_graph=False)

    def waits(self, arguments):
        """Why a pass waits for the device, or None; after the first passes, which compile and make handles."""
        try:
            for allowed in (True, False):
                with no_waiting(arguments, allowed):
                    self.forward()
                    self.backward()
        except RuntimeError as error:
            if not says_that_it_waits(error):
                raise
            return str(error)[:300]
        return None


def without(peers, name, failed, what):
    """Leaves a peer out that does not run here, as what torch cannot compile, and notes why."""
    try:
        peers[name].forward()
        peers[name].backward()
    except Exception as error:
        del peers[name]
        failed[f"{what}, {name}"] = f"{type(error).__name__}: {error}"[:500]


def layer_rows(arguments, name, shape, peers, flops, counted):
    """One row per peer and pass. peers: {name: BothPasses}."""
    product = Product(arguments)
    contenders = {"product": product.run}
    for peer, passes in peers.items():
        contenders[peer, "forward"] = passes.forward
        contenders[peer, "backward"] = passes.backward
    seconds = medians_in_turns(arguments, contenders)
    yardstick = product.flops_per_s(seconds.pop("product"))
    keys = ("tokens", "hidden", "intermediate", "experts", "top_k")
    return [{"what": f"{name} {direction}", "peer": peer, "dtype": "bf16", **dict(zip(keys, shape)),
             "flops": flops * (1 if direction == "forward" else 2), "flops_counted": counted, "seconds": took,
             "flops_per_s": flops * (1 if direction == "forward" else 2) / took, "product_flops_per_s": yardstick,
             "ratio_to_product": flops * (1 if direction == "forward" else 2) / took / yardstick}
            for (peer, direction), took in seconds.items()]


def print_document(peer, arguments, rows, **more):
    """One line. What is printed later holds all of what was printed before, so that a program that is ended loses little."""
    device = torch.cuda.get_device_name() if arguments.device == "cuda" else "cpu"
    print(json.dumps({"peer": peer, "torch": torch.__version__, "device": device, "tiny": arguments.tiny, **more,
                      "rows": rows}), flush=True)
