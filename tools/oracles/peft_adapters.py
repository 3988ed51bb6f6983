#!/usr/bin/env python3
"""Adapters with all that PEFT's LoRA config can say about ranks and layers: writes tests/data/peft_adapters/.

Each case is an adapter on one of the models in tests/data/families (families.py makes them), random values, as
save_pretrained writes it, with the logits that it gives on the model's sequence, the loss, and the norm of the
gradients of all that PEFT trains.

  peft_adapters.py [--output DIR] [CASE ...]
  peft_adapters.py --read DIR    # adapters that EFFICIENTAI_TEST_KEEP=DIR test_lora_peft_files wrote: does PEFT find
                                 # every key, none that it does not know, and the same logits?

tests/data/README.md tells what each file holds. Start at CASES and main.
"""
import json

import numpy as np
import peft
import torch

import families
from smollm2_logits import ROOT

# name: model, settings of LoraConfig
CASES = {
    "patterns": ("llama3", {"target_modules": "all-linear", "r": 2, "lora_alpha": 6, "rank_pattern": {
        "q_proj": 3, r"layers\.1\.mlp\.(up|down)_proj": 5, "model.layers.0.self_attn.v_proj": 1},
        "alpha_pattern": {r"^model\.layers\.\d+\.self_attn\.o_proj": 20, "up_proj": 3}}),
    "patterns_rslora": ("llama3", {"target_modules": ["q_proj", "down_proj"], "r": 4, "lora_alpha": 3,
                                   "use_rslora": True, "rank_pattern": {"down_proj": 2},
                                   "alpha_pattern": {"layers.0.mlp.down_proj": 5}}),
    "first_match": ("llama3", {"target_modules": ["q_proj"], "r": 2, "lora_alpha": 4,
                               "rank_pattern": {"layers.1.self_attn.q_proj": 3, "q_proj": 1}}),
    "regex": ("llama", {"target_modules": r".*layers\.1\.(self_attn\.[qk]_proj|mlp\.up_proj)", "r": 2,
                        "lora_alpha": 8}),
    "excluded": ("qwen3", {"target_modules": ["q_proj", "down_proj"], "exclude_modules": ["layers.0.mlp.down_proj"],
                           "r": 2, "lora_alpha": 8}),
    "layers": ("gemma3", {"target_modules": ["v_proj", "gate_proj"], "layers_to_transform": [0, 2], "r": 2,
                          "lora_alpha": 8}),
    "head": ("llama", {"target_modules": ["v_proj"], "modules_to_save": ["lm_head"], "r": 1, "lora_alpha": 2}),
    "embedding": ("llama", {"target_modules": ["v_proj"], "modules_to_save": ["embed_tokens"], "r": 1,
                            "lora_alpha": 2}),
    "tied_head": ("llama3", {"target_modules": ["v_proj"], "modules_to_save": ["lm_head"], "r": 1, "lora_alpha": 2}),
    "tied_embedding": ("llama3", {"target_modules": ["v_proj"], "modules_to_save": ["embed_tokens"], "r": 1,
                                  "lora_alpha": 2}),
    "tied_both": ("gemma3", {"target_modules": ["v_proj"], "modules_to_save": ["embed_tokens", "lm_head"], "r": 1,
                             "lora_alpha": 2}),
}
MODELS = ROOT / "tests/data/families"


def fill(model, seed):
    torch.manual_seed(seed)
    with torch.no_grad():
        for name, p in model.named_parameters():
            if "lora_" in name:
                p.normal_(0, 0.3)
            elif "modules_to_save" in name:
                p.add_(torch.randn_like(p) * 0.2)


def run_case(output, number, name):
    base, settings = CASES[name]
    model = families.load(MODELS / base, None)
    model = peft.get_peft_model(model, peft.LoraConfig(task_type="CAUSAL_LM", **settings)).eval()
    fill(model, 500 + number)
    folder = output / name
    model.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)
    families.make_readable(folder)
    path = folder / "adapter_config.json"
    config = json.loads(path.read_text())
    config["base_model_name_or_path"] = base
    if isinstance(config["target_modules"], list):
        config["target_modules"].sort()  # a Python set, in no order
    path.write_text(json.dumps(config, indent=2) + "\n")
    ids = np.load(MODELS / base / "ids.npy")
    np.save(folder / "logits.npy", families.logits(model, ids).astype(np.float32))
    np.save(folder / "step.npy", np.array(families.loss_and_norm(model, ids), dtype=np.float32))
    change = np.abs(np.load(folder / "logits.npy") - np.load(MODELS / base / "logits.npy")).max()
    print(f"{name}: {sum(p.numel() for p in model.parameters() if p.requires_grad)} numbers, change {change:.2f}")


def read_written(fixtures, written):
    n_read = 0
    for folder in sorted(written.iterdir()):
        if folder.name not in CASES:
            continue
        base = CASES[folder.name][0]
        model = families.load(MODELS / base, None)
        config = peft.PeftConfig.from_pretrained(folder)
        config.inference_mode = True
        model = peft.get_peft_model(model, config).eval()
        result = peft.set_peft_model_state_dict(model, peft.load_peft_weights(folder, device="cpu"))
        wanted = [k for k in result.missing_keys if "lora_" in k or "modules_to_save" in k]
        if wanted or result.unexpected_keys:
            raise SystemExit(f"{folder.name}: missing {wanted}, unexpected {result.unexpected_keys}")
        expected = np.load(fixtures / folder.name / "logits.npy")
        error = families.relative_error(families.logits(model, np.load(MODELS / base / "ids.npy")), expected)
        n_read += 1
        print(f"{folder.name}: {error:.2g}")
        if not error < 1e-5:
            raise SystemExit("logits differ")
    if n_read != len(CASES):
        raise SystemExit(f"{n_read} of {len(CASES)} adapters are there")


def main():
    families.run_script("Writes adapters of every kind with their logits.", ROOT / "tests/data/peft_adapters", CASES,
                        run_case, read_written)


if __name__ == "__main__":
    main()
