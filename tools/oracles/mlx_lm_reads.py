#!/usr/bin/env python3
"""mlx-lm reads folders that this toolkit packed, and every byte is MLX's: mlx_lm_reads.py PLAIN PACKED

PLAIN and PACKED are the same model, merged as safetensors and as mlx. Each packed matrix must be what mx.quantize makes of the plain one, and
mlx-lm, which loads PACKED by its config.json, must give the logits of PLAIN quantized by mlx-lm itself.
"""
import json
import pathlib
import sys

import mlx.core as mx
import mlx.nn as nn
import numpy as np
from mlx_lm.utils import load_model

PLAIN, PACKED = map(pathlib.Path, sys.argv[1:3])
IDS = [504, 2781, 28, 198, 30, 216, 4093, 260, 31, 7]


def logits(model, vocab):
    model.eval()
    return np.array(model(mx.array([[i % vocab for i in IDS]]))[0].astype(mx.float32))


def main():
    mx.set_default_device(mx.cpu)
    config = json.loads((PACKED / "config.json").read_text())
    how = config["quantization"]
    assert config["quantization_config"] == how
    plain, packed = (mx.load(str(f / "model.safetensors")) for f in (PLAIN, PACKED))
    matrices = [k.removesuffix(".scales") for k in packed if k.endswith(".scales")]
    assert matrices
    for name in matrices:
        parts = mx.quantize(plain[name + ".weight"], how["group_size"], how["bits"], mode=how["mode"])
        for part, expected in zip(("weight", "scales", "biases"), parts):
            got = packed[f"{name}.{part}"]
            assert got.dtype == expected.dtype and bool(mx.array_equal(got, expected)), f"{name}.{part}"
    ours = load_model(PACKED)[0]
    theirs = load_model(PLAIN)[0]
    nn.quantize(theirs, how["group_size"], how["bits"], mode=how["mode"],
                class_predicate=lambda path, m: hasattr(m, "to_quantized") and path in matrices)
    a, b = logits(ours, config["vocab_size"]), logits(theirs, config["vocab_size"])
    assert np.array_equal(a, b), np.abs(a - b).max()
    print(f"  {how['mode']}, {how['bits']} bits, groups of {how['group_size']}: {len(matrices)} matrices, the bytes and logits of mlx-lm's own")


main()
