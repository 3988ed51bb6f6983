#!/usr/bin/env python3
"""Writes tests/data/kquants.json: what block formats unpack to, and how well ggml packs them.

    python3 tools/oracles/kquant_values.py libggml-base.so > tests/data/kquants.json
"unpack": random bytes of each type and the floats that the PyPI package `gguf` (written with 0.19.0)
makes of them, as hexadecimal IEEE bits; the last block of a type has a scale that is infinite, NaN, zero
or a subnormal.
"pack": floats, and for the types that `gguf` cannot quantize the errors of ggml's own C code: the root
mean square, and that of errors weighted by rms + |x|, rms being that of the 256 elements around. ggml is
the one in the sdist of llama-cpp-python 0.3.36 (llama.cpp 0c1e57098): libggml-base.so, built on a CPU.
"""
import ctypes
import json
import sys

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, quants

rng = np.random.default_rng(11)
BLOCKS = {"Q4_0": 4, "Q5_0": 4, "Q5_1": 4, "IQ4_NL": 5, "MXFP4": 8, "Q2_K": 3, "Q3_K": 3, "Q4_K": 3, "Q5_K": 3, "Q6_K": 3}
# where the f16 scales of a block lie
SCALES = {"Q4_0": [0], "Q5_0": [0], "Q5_1": [0, 2], "IQ4_NL": [0], "MXFP4": [], "Q2_K": [80, 82], "Q3_K": [108],
          "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208]}
SPECIAL = [0x7C00, 0x8001]  # infinity, the smallest subnormal


def bits(a):
    return "".join(f"{v:08x}" for v in np.ascontiguousarray(a, np.float32).reshape(-1).view(np.uint32))


def random_rows(kind):
    size = GGML_QUANT_SIZES[GGMLQuantizationType[kind]][1]
    rows = rng.integers(0, 256, (BLOCKS[kind], size), dtype=np.uint8)
    for at in SCALES[kind]:
        rows[:, at : at + 2] = rng.normal(size=(len(rows), 1)).astype(np.float16).view(np.uint8)
    for at, h in zip(SCALES[kind], SPECIAL):
        rows[-1, at : at + 2] = np.array([h], np.uint16).view(np.uint8)
    if kind == "IQ4_NL":
        rows[-2, :2] = np.array([0x7E00], np.uint16).view(np.uint8)  # NaN
    if kind == "MXFP4":
        rows[:, 0] = [127, 120, 0, 1, 2, 253, 254, 255]
    return rows


out = {"generator": "tools/oracles/kquant_values.py, gguf package and ggml", "unpack": {}, "pack": {}}
for kind in BLOCKS:
    rows = random_rows(kind)
    with np.errstate(all="ignore"):
        values = quants.dequantize(rows, GGMLQuantizationType[kind])
    out["unpack"][kind.lower().replace("_k", "_K")] = {"bytes": rows.tobytes().hex(), "values": bits(values)}

x = np.concatenate([
    rng.normal(size=512) * 0.02,
    rng.laplace(size=512) * 0.05,
    rng.uniform(-1, 1, 256),
    rng.normal(size=256) + 0.7,
    rng.normal(size=256) ** 3,
    rng.normal(size=256) * np.repeat(10.0 ** rng.uniform(-3, 0, 16), 16),  # groups of unequal size
]).astype(np.float32)
lib = ctypes.CDLL(sys.argv[1])
lib.ggml_quantize_chunk.restype = ctypes.c_size_t
lib.ggml_quantize_chunk.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p] + [ctypes.c_int64] * 3 + [ctypes.c_void_p]
weights = np.abs(x).reshape(-1, 256)
weights = (np.sqrt((weights.astype(np.float64) ** 2).mean(1, keepdims=True)) + weights).reshape(-1)
out["pack"]["x"] = bits(x)
for kind in ("IQ4_NL", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K"):
    t = GGMLQuantizationType[kind]
    block, size = GGML_QUANT_SIZES[t]
    row = np.zeros(len(x) // block * size, np.uint8)
    lib.ggml_quantize_chunk(int(t), x.ctypes.data, row.ctypes.data, 0, 1, len(x), None)
    e = (quants.dequantize(row.reshape(-1, size), t).reshape(-1).astype(np.float64) - x) ** 2
    out["pack"][kind.lower().replace("_k", "_K")] = {"rms": [float(v) for v in np.sqrt(e.reshape(-1, 256).mean(1))],
                                  "weighted": [float(v) for v in np.sqrt((e * weights).reshape(-1, 256).sum(1) / weights.reshape(-1, 256).sum(1))]}
print(json.dumps(out, separators=(",", ":")).replace('"q', '\n"q').replace('"iq', '\n"iq').replace('"mx', '\n"mx'))
