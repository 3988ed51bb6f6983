#!/usr/bin/env python3
"""Writes tests/data/mlx_quant.json: rows of floats and what MLX makes of them, in every packing that it has.

The oracle is MLX on its CPU (written with 0.32.4).
    tools/peers.sh --mlx sh -c '"$EFFICIENTAI_PEERS_PYTHON" tools/oracles/mlx_quant_values.py > tests/data/mlx_quant.json'
Each case: mode, bits, group, the type of scales and biases; for all rows one after the other the codes' words, the bytes of scales and
biases, and the bits of the floats that mx.dequantize gives in f32, for some.
"""
import json

import mlx.core as mx
import numpy as np

mx.set_default_device(mx.cpu)
COLUMNS = 128
rng = np.random.default_rng(7)
rows = np.stack([
    rng.normal(size=COLUMNS) * 0.02,
    rng.normal(size=COLUMNS) * np.repeat(np.exp(rng.normal(size=COLUMNS // 16) * 3), 16),
    np.concatenate([np.zeros(32), np.full(32, 0.25), np.full(16, -3.0), np.full(16, 3.0), np.arange(-16, 16)]),
    np.concatenate([np.tile([6, .25, .75, 1.25, 1.75, 2.5, 3.5, 5, -.25, -.75, -1.25, -1.75, -2.5, -3.5, -5, -0.0], 2),
                    448 * np.array([1, -1] * 16), rng.uniform(-1, 0, 32), np.exp2(np.arange(32.0) - 20)]),
    np.concatenate([rng.normal(size=64) * 1e-6, rng.normal(size=64) * 1e5]),
]).astype(np.float32)
TYPES = {"f32": mx.float32, "f16": mx.float16, "bf16": mx.bfloat16}


def words(a):
    return "".join(f"{v:08x}" for v in np.ascontiguousarray(np.array(a)).reshape(-1).view(np.uint32))


def raw(a):
    kind = {mx.bfloat16: mx.uint16, mx.float16: mx.uint16, mx.float32: mx.uint32}.get(a.dtype)
    return np.ascontiguousarray(np.array(a.view(kind) if kind else a)).tobytes().hex()


def case(mode, bits, group, name):
    x = mx.array(rows).astype(TYPES.get(name, mx.float32))
    if name == "f16":
        x = mx.clip(x, -60000, 60000)
    parts = mx.quantize(x, group, bits, mode=mode)
    out = {"mode": mode, "bits": bits, "group": group, "type": name, "codes": words(parts[0]), "scales": raw(parts[1])}
    if mode == "affine":
        out["biases"] = raw(parts[2])
    if name == "u8" or (name == "f32" and group == 32):
        back = mx.dequantize(*parts, group_size=group, bits=bits, mode=mode, dtype=mx.float32)
        out["floats"] = words(back)
    return out


CASES = [case("affine", bits, group, "f32") for bits in (2, 3, 4, 5, 6, 8) for group in (32, 64, 128)]
CASES += [case("affine", bits, group, name) for name in ("f16", "bf16") for bits, group in ((4, 64), (3, 32), (8, 128))]
CASES += [case("mxfp4", 4, 32, "u8"), case("mxfp8", 8, 32, "u8"), case("nvfp4", 4, 16, "u8")]
print(json.dumps({"generator": f"tools/oracles/mlx_quant_values.py, MLX {mx.__version__}", "columns": COLUMNS, "x": words(rows),
                  "cases": CASES}, indent=0))
