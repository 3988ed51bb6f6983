#!/usr/bin/env python3
"""Adapters between mlx-lm and this toolkit, both ways, and both tools' logits: mlx_lm_both_ways.py FOLDER TOOL ROWS WORK

FOLDER is a model as Hugging Face lays it out (config.json, model.safetensors, tokenizer), ROWS a folder with train.jsonl.
    1. the base: our logits are mlx-lm's
    2. an adapter that TOOL trains and exports: mlx-lm loads it, strictly, and gives our logits
    3. an adapter that mlx-lm makes (its own classes, its own files): TOOL gives mlx-lm's logits, on the backend cpu and on mlx
    4. exported again from that, byte for byte the same numbers
All in f32. Prints distances relative to the largest logit; exit status 1 where one is above 1e-4.
"""
import json
import pathlib
import shutil
import subprocess
import sys

import mlx.core as mx
import numpy as np
from mlx.utils import tree_flatten
from mlx_lm.tuner.utils import linear_to_lora_layers, load_adapters
from mlx_lm.utils import load_model

FOLDER, TOOL, ROWS, WORK = map(pathlib.Path, sys.argv[1:5])
IDS = [504, 2781, 28, 198, 30, 216, 4093, 260, 31, 7, 99, 1500]
WITHIN = 1e-4


def ours(*words):
    path = WORK / "logits.npy"
    subprocess.run(list(map(str, [TOOL, "logits", "--model", FOLDER, "--ids", ",".join(map(str, ids())), "--output", path, *words])),
                   check=True)
    return np.load(path)


def model(adapter=None):
    m = load_model(FOLDER)[0]
    m.set_dtype(mx.float32)
    if adapter:
        load_adapters(m, str(adapter))
    m.eval()
    return m


def ids():
    vocab = json.loads((FOLDER / "config.json").read_text())["vocab_size"]
    return [i % vocab for i in IDS]


def theirs(m):
    return np.array(m(mx.array([ids()]))[0].astype(mx.float32))


def compare(what, a, b):
    off = float(np.abs(a - b).max() / np.abs(b).max())
    print(f"  {what}: {off:.1e}")
    if not off < WITHIN:
        sys.exit(f"{what}: {off} apart")
    return off


def moved(a, b):
    assert float(np.abs(a - b).max() / np.abs(b).max()) > 1e-3, "the adapter changes nothing"


def main():
    mx.set_default_device(mx.cpu)
    base = theirs(model())
    for backend in ("cpu", "mlx"):
        compare(f"the base, backend {backend}", ours("--backend", backend), base)

    trained, exported = WORK / "trained", WORK / "exported"
    subprocess.run(list(map(str, [TOOL, "lora-finetuning-mlx:train", "--model", FOLDER, "--data", ROWS, "--output", trained, "--steps", 6,
                                  "--batch-size", 1, "--seq-len", 64, "--learning-rate", 5e-3, "--dtype", "f32", "--quiet"])), check=True)
    subprocess.run(list(map(str, [TOOL, "lora-finetuning-mlx:export", "--model", FOLDER, "--adapter", trained, "--output", exported])),
                   check=True)
    loaded = model(exported)
    names = {k for k, _ in tree_flatten(loaded.parameters()) if k.endswith((".lora_a", ".lora_b"))}
    assert names == set(mx.load(str(exported / "adapters.safetensors"))), "mlx-lm made other pairs than the file has"
    mlx_logits = theirs(loaded)
    moved(mlx_logits, base)
    compare("our adapter in mlx-lm", ours("--adapter", trained), mlx_logits)

    made = WORK / "made"
    made.mkdir()
    parameters = {"rank": 4, "scale": 3.5, "dropout": 0.0, "keys": ["self_attn.q_proj", "mlp.down_proj"]}
    m = model()
    n = max(1, len(m.layers) // 2)
    linear_to_lora_layers(m, n, parameters)
    mx.random.seed(7)
    weights = {k: mx.random.normal(v.shape) * 0.05 for k, v in tree_flatten(m.parameters()) if k.endswith((".lora_a", ".lora_b"))}
    m.load_weights(list(weights.items()), strict=False)
    m.eval()
    mx.save_safetensors(str(made / "adapters.safetensors"), weights)
    (made / "adapter_config.json").write_text(json.dumps({"fine_tune_type": "lora", "num_layers": n, "lora_parameters": parameters}))
    mlx_logits = theirs(m)
    moved(mlx_logits, base)
    for backend in ("cpu", "mlx"):
        compare(f"mlx-lm's adapter here, backend {backend}", ours("--adapter", made, "--backend", backend), mlx_logits)

    again = WORK / "again"
    subprocess.run(list(map(str, [TOOL, "lora-finetuning-mlx:export", "--model", FOLDER, "--adapter", made, "--output", again])), check=True)
    back = mx.load(str(again / "adapters.safetensors"))
    assert set(back) == set(weights) and all(bool(mx.array_equal(back[k], weights[k])) for k in back)
    config = json.loads((again / "adapter_config.json").read_text())
    assert config["num_layers"] == n and config["lora_parameters"]["scale"] == 3.5 and config["lora_parameters"]["rank"] == 4, config
    compare("exported again, in mlx-lm", theirs(model(again)), mlx_logits)
    shutil.rmtree(WORK)


main()
