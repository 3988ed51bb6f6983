#!/usr/bin/env python3
"""Writes tests/data/reference.safetensors: a small file by the reference implementation.

    python3 tools/oracles/safetensors_file.py tests/data/reference.safetensors
Needs the PyPI packages safetensors (written with 0.8.0) and numpy. Dtypes, shapes (a scalar and an
empty one among them) and names are chosen so that the order of tensors in the file is told from the
order of their names. tests/formats/test_safetensors.c builds the same set and wants the same bytes.
"""
import sys

import numpy as np
from safetensors.numpy import save_file

tensors = {
    "b.f32": np.arange(6, dtype=np.float32).reshape(2, 3) / 4,
    "a.f32": np.array([-1.5, 2.0], dtype=np.float32),
    "z.f64": np.array([0.1], dtype=np.float64),
    "c.f16": np.array([1.0, -0.5, 65504.0], dtype=np.float16),
    "m.i64": np.array([[-1, 1 << 40]], dtype=np.int64),
    "n.i32": np.array([7, -7], dtype=np.int32),
    "u.u8": np.array([0, 128, 255], dtype=np.uint8),
    "scalar": np.array(3.0, dtype=np.float32),
    "empty": np.zeros((0, 4), dtype=np.float32),
    'quote"\n\u00e9': np.array([9], dtype=np.uint8),
}
save_file(tensors, sys.argv[1], metadata={"format": "np"})
