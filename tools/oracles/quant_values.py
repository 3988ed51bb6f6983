#!/usr/bin/env python3
"""Writes tests/data/quants.json: blocks of floats and what ggml's block formats make of them.

The oracle is the PyPI package `gguf` (written with 0.19.0; its numpy code is bit-exact with ggml's C).
    python3 tools/oracles/quant_values.py > tests/data/quants.json
Each case: the floats as hexadecimal IEEE bits, the quantized bytes, the floats that they unpack to.
"""
import json

import numpy as np
from gguf import GGMLQuantizationType, quants

rng = np.random.default_rng(7)
blocks = [
    rng.normal(size=32),
    rng.normal(size=32) * 1e-3 + 5,
    rng.uniform(-1, 1, 32),
    np.zeros(32),
    np.full(32, 0.25),
    np.full(32, -3.0),
    np.arange(-16, 16),
    np.arange(32)[::-1] / 2,
    np.concatenate([[-8.0, 8.0], rng.integers(-8, 8, 30)]),  # ties of magnitude, exact halves
    np.linspace(-127, 127, 32),
    np.concatenate([[127.0], np.arange(31) - 15.5]),  # halves: away from zero, not to even
    rng.normal(size=32) * 1e4,
    rng.normal(size=32) * 1e-7,  # scales are f16 subnormals
    np.concatenate([[1e-3], np.zeros(31)]),
]
x = np.stack(blocks).astype(np.float32)


def bits(a):
    return [f"{v:08x}" for v in np.ascontiguousarray(a, np.float32).reshape(-1).view(np.uint32)]


out = {"generator": "tools/oracles/quant_values.py, gguf package", "x": bits(x)}
for kind in ("Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "MXFP4"):
    t = GGMLQuantizationType[kind]
    q = quants.quantize(x, t)
    out[kind.lower()] = {"bytes": q.tobytes().hex(), "values": bits(quants.dequantize(q, t))}
print(json.dumps(out, separators=(",", ":")).replace('"q', '\n"q').replace('"mx', '\n"mx'))
