#!/usr/bin/env python3
"""mlx-lm packs a model: mlx_lm_packs.py PLAIN PACKED MODE BITS GROUP [--mixed]

PLAIN is a folder with config.json, model.safetensors and a tokenizer. With --mixed, layers differ as mlx-lm lets them: every v_proj has 8 bits
in groups of 32, layer 0's down_proj is not packed.
"""
import pathlib
import shutil
import sys

import mlx.core as mx
from mlx_lm.utils import load_model, quantize_model, save_config, save_model

PLAIN, PACKED = map(pathlib.Path, sys.argv[1:3])
MODE, BITS, GROUP = sys.argv[3], int(sys.argv[4]), int(sys.argv[5])


def predicate(path, _):
    if path.endswith("v_proj"):
        return {"bits": 8, "group_size": 32}
    return "layers.0.mlp.down_proj" not in path


def main():
    mx.set_default_device(mx.cpu)
    model, config = load_model(PLAIN)
    model, config = quantize_model(model, config, GROUP, BITS, mode=MODE, quant_predicate=predicate if "--mixed" in sys.argv else None)
    PACKED.mkdir()
    save_model(PACKED, model, donate_model=True)
    save_config(config, PACKED / "config.json")
    for file in PLAIN.glob("*token*"):
        shutil.copy(file, PACKED)


main()
