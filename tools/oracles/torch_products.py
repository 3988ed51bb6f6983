#!/usr/bin/env python3
"""How fast torch multiplies: the peer's half of tools/benches/products.py.

    torch_products.py --shape 1024x576x1536 [--types bf16,f32] [--threads 2] [--repeat 7]

A shape MxKxN is linear(x [M, K], weights [N, K]), operands and result in the same type, as a model has them. Types take
turns. Prints one JSON object: GFLOP/s of the median turn of each type.
"""
import argparse
import json
import statistics
import time

import torch

DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16}
WARM_UP = 3
LEAST_SECONDS = 0.02  # of a turn, so that a small product is not a matter of the clock


def make(shape, dtype):
    m, k, n = shape
    return torch.randn(m, k).to(dtype), torch.randn(n, k).to(dtype)


def seconds_of(x, weights, calls):
    start = time.perf_counter()
    for _ in range(calls):
        torch.nn.functional.linear(x, weights)
    return (time.perf_counter() - start) / calls


@torch.inference_mode()
def main():
    parser = argparse.ArgumentParser(description="Times torch's products.")
    parser.add_argument("--shape", type=lambda text: [int(n) for n in text.split("x")], required=True)
    parser.add_argument("--types", type=lambda text: text.split(","), default=["bf16", "f32"])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=7)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    operands = {name: make(args.shape, DTYPES[name]) for name in args.types}
    calls = {name: max(1, round(LEAST_SECONDS / seconds_of(*pair, WARM_UP))) for name, pair in operands.items()}
    turns = {name: [] for name in operands}
    for _ in range(args.repeat):
        for name, pair in operands.items():
            turns[name].append(seconds_of(*pair, calls[name]))
    m, k, n = args.shape
    print(json.dumps({"gflops": {name: 2 * m * k * n / statistics.median(t) / 1e9 for name, t in turns.items()},
                      "version": torch.__version__, "isa": torch.backends.cpu.get_cpu_capability()}))


if __name__ == "__main__":
    main()
