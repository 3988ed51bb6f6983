#!/usr/bin/env python3
"""Reads with the `gguf` package the file that our writer's test leaves, and checks all that it holds.

    EFFICIENTAI_TEST_GGUF_OUT=/tmp/all.gguf build/tests/test_formats_gguf_write
    python3 tools/oracles/gguf_written.py /tmp/all.gguf
Needs the PyPI packages gguf (written with 0.19.0) and numpy. Tensors are compared with the closed formula
(hash_fill.py): exactly, or for types of few bits within what those bits are worth. Ends with status 1 at
the first difference.
"""
import sys

import numpy as np
from gguf import GGMLQuantizationType, GGUFReader, GGUFValueType, quants

import hash_fill

# in the order of the file: type, the largest error allowed relative to the largest value of the row
TYPES = [
    ("F32", 0), ("F64", 0), ("F16", 2**-11), ("BF16", 2**-8), ("I32", 0), ("I64", 0), ("Q8_0", 0.005), ("Q4_0", 0.13),
    ("Q4_1", 0.08), ("Q5_0", 0.07), ("Q5_1", 0.04), ("Q2_K", 0.5), ("IQ4_NL", 0.15), ("MXFP4", 0.26), ("Q3_K", 0.26),
    ("Q4_K", 0.1), ("Q5_K", 0.06), ("Q6_K", 0.04),
]
META = [
    ("general.architecture", [GGUFValueType.STRING], "test"),
    ("general.alignment", [GGUFValueType.UINT32], 64),
    ("a.count", [GGUFValueType.UINT32], 4000000000),
    ("a.negative", [GGUFValueType.INT32], -5),
    ("a.large", [GGUFValueType.INT64], -(1 << 40)),
    ("a.float", [GGUFValueType.FLOAT32], 0.5),
    ("a.double", [GGUFValueType.FLOAT64], 1e300),
    ("a.bool", [GGUFValueType.BOOL], True),
    ("a.ints", [GGUFValueType.ARRAY, GGUFValueType.INT32], [3, -1, 4]),
    ("a.longs", [GGUFValueType.ARRAY, GGUFValueType.INT64], [1 << 40]),
    ("a.floats", [GGUFValueType.ARRAY, GGUFValueType.FLOAT32], [0.5, -2.0]),
    ("a.doubles", [GGUFValueType.ARRAY, GGUFValueType.FLOAT64], [1e300]),
    ("a.strings", [GGUFValueType.ARRAY, GGUFValueType.STRING], ["one", "", "tw\u00f6"]),
    ("a.changed", [GGUFValueType.STRING], "text"),
]

reader = GGUFReader(sys.argv[1])
for key, types, value in META:
    field = reader.fields[key]
    assert field.types == types, f"{key}: {field.types}, expected {types}"
    assert field.contents() == value, f"{key}: {field.contents()!r}, expected {value!r}"
assert len(reader.fields["a.nothing"].data) == 0
for i, (kind, allowed) in enumerate(TYPES):
    t = reader.tensors[i]
    assert t.tensor_type == GGMLQuantizationType[kind], f"{t.name}: {t.tensor_type.name}, expected {kind}"
    assert t.name.lower() == kind.lower() and list(t.shape) == [512, 3], f"{t.name}: {t.shape}"
    assert t.data_offset % 64 == 0
    x = hash_fill.uniform(hash_fill.STREAM_GGUF, i, (3, 512), 1.0)
    if kind in ("I32", "I64"):
        x, y = np.trunc(x * np.float32(1000)), np.asarray(t.data, np.float64)
    elif kind == "F64":
        y = np.asarray(t.data, np.float64)
    else:
        y = quants.dequantize(t.data, t.tensor_type)
    error = np.abs(y.reshape(x.shape) - x).max() / np.abs(x).max()
    assert error <= allowed, f"{kind}: error {error:.3g}, allowed {allowed}"
names = [t.name for t in reader.tensors[len(TYPES) :]]
assert names == ["scalar", "none", "deep"], names
assert reader.tensors[len(TYPES)].data.reshape(-1)[0] == 7
assert list(reader.tensors[-1].shape) == [1, 2, 1, 1]
print(f"{sys.argv[1]}: {len(reader.tensors)} tensors and {len(META) + 1} keys are as they should be")
