#!/usr/bin/env python3
"""Writes tests/data/gguf_values.json: rows of the default model's tensors as the `gguf` package sees them.

    python3 tools/oracles/gguf_values.py SmolLM2-135M-Instruct.Q4_1.gguf > tests/data/gguf_values.json
Needs the PyPI packages gguf (written with 0.19.0) and numpy. Names and rows are Hugging Face's: the
query and key projections are brought back into its order by the inverse of the converter's formula,
w.reshape(heads, 2, d/2, K).swapaxes(1, 2). Values are printed with all digits of their float.
"""
import json
import sys

import numpy as np
from gguf import GGUFReader, quants

reader = GGUFReader(sys.argv[1])
heads = {"q": 9, "k": 3}
wanted = [
    # GGUF's name, Hugging Face's name, rows
    ("token_embd.weight", "model.embed_tokens.weight", (0, 1, 49151)),
    ("output_norm.weight", "model.norm.weight", (0,)),
    ("blk.0.attn_q.weight", "model.layers.0.self_attn.q_proj.weight", (0, 1, 2, 33, 100, 575)),
    ("blk.17.attn_k.weight", "model.layers.17.self_attn.k_proj.weight", (1, 40, 191)),
    ("blk.29.attn_v.weight", "model.layers.29.self_attn.v_proj.weight", (1, 190)),
    ("blk.3.attn_output.weight", "model.layers.3.self_attn.o_proj.weight", (5,)),
    ("blk.3.ffn_gate.weight", "model.layers.3.mlp.gate_proj.weight", (1535,)),
    ("blk.4.ffn_up.weight", "model.layers.4.mlp.up_proj.weight", (9,)),
    ("blk.5.ffn_down.weight", "model.layers.5.mlp.down_proj.weight", (0, 575)),
    ("blk.6.ffn_norm.weight", "model.layers.6.post_attention_layernorm.weight", (0,)),
    ("blk.6.attn_norm.weight", "model.layers.6.input_layernorm.weight", (0,)),
]


def hf_order(x, n_head):
    d = x.shape[0] // n_head
    return x.reshape(n_head, d // 2, 2, -1).swapaxes(1, 2).reshape(x.shape)


tensors = {t.name: t for t in reader.tensors}
rows = []
for name, hf, numbers in wanted:
    t = tensors[name]
    x = np.atleast_2d(quants.dequantize(t.data, t.tensor_type))
    for letter, n in heads.items():
        if name.endswith(f"attn_{letter}.weight"):
            x = hf_order(x, n)
    for r in numbers:
        rows.append({"name": hf, "dtype": t.tensor_type.name.lower(), "row": r, "values": [float(v) for v in x[r, :64]]})
body = ",\n".join(json.dumps(r, separators=(",", ":")) for r in rows)
print('{"generator": "tools/oracles/gguf_values.py, gguf package", "rows": [\n' + body + "\n]}")
