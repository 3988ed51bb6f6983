#!/usr/bin/env python3
"""Adapters across the border: PEFT loads ours, we load PEFT's, and the logits are the same.

  peft_both_ways.py MODEL.gguf TOOL --rows FOLDER     # FOLDER has a train.jsonl, of rows of any kind

Ours: TOOL trains one for each row of OURS, a few steps; PEFT must find every key of its own in the file and none that
it does not know. PEFT's: one for each row of THEIRS, random values, as save_pretrained writes it. Both are compared
in f32 on a few ids: the worst difference over the largest logit. Exit status 1 when it is above 1e-3, or a key is
missing, or an adapter changes nothing. Start at main.
"""
import argparse
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import peft
import torch

import hash_fill
from smollm2_logits import load_model

ALLOWED = 1e-3
CHANGE = 1e-2  # an adapter moves some logit by more than this share of the largest, or the comparison says nothing
N_IDS = 48
TRAIN = ["--steps", "4", "--batch-size", "1", "--seq-len", "64", "--learning-rate", "1e-2", "--dtype", "f32"]

OURS = {
    "default": [],
    "rank 3, alpha 5, attention": ["--rank", "3", "--alpha", "5", "--targets", "attention"],
    "rslora on two": ["--rslora", "--rank", "4", "--targets", "q_proj,down_proj"],
}
THEIRS = {
    "all-linear": {"target_modules": "all-linear", "r": 8, "lora_alpha": 16},
    "rank 3, alpha 5": {"target_modules": ["q_proj", "v_proj"], "r": 3, "lora_alpha": 5},
    "rslora": {"target_modules": ["o_proj", "gate_proj"], "r": 4, "lora_alpha": 8, "use_rslora": True},
}


def logits(model, ids):
    with torch.no_grad():
        return model(input_ids=torch.from_numpy(ids.astype(np.int64))[None], use_cache=False).logits[0].numpy()


def our_logits(args, ids, adapter, work):
    words = ["--ids", ",".join(map(str, ids)), "--adapter", adapter, "--output", work / "logits.npy", "--dtype", "f32"]
    subprocess.run([args.tool, "logits", "--model", args.model, *words], check=True, stdout=subprocess.DEVNULL)
    return np.load(work / "logits.npy")


def judge(name, expected, got, base):
    scale = np.abs(expected).max()
    error, change = np.abs(got - expected).max() / scale, np.abs(expected - base).max() / scale
    good = bool(error <= ALLOWED and change >= CHANGE)
    print(f"{'same' if good else 'DIFFERS'}  {name}: {error:.2g}; the adapter moves them by {change:.2g}")
    return good


def check_ours(args, model, ids, base, work):
    """What the tool trained, as PEFT reads it."""
    good = True
    for i, (name, options) in enumerate(OURS.items()):
        folder = work / f"ours-{i}"
        subprocess.run([args.tool, "lora-finetuning-mlx:train", "--model", args.model, "--data", args.rows, "--output",
                        folder, *TRAIN, *options], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        config = peft.PeftConfig.from_pretrained(folder)
        tuned = peft.get_peft_model(model, config).eval()
        result = peft.set_peft_model_state_dict(tuned, peft.load_peft_weights(folder, device="cpu"))
        missing = [k for k in result.missing_keys if "lora_" in k]
        if missing or result.unexpected_keys:
            print(f"DIFFERS  ours, {name}: missing {missing[:3]}, unexpected {result.unexpected_keys[:3]}")
            good = False
        good = judge(f"ours, {name}", logits(tuned, ids), our_logits(args, ids, folder, work), base) and good
        model = tuned.unload()
    return good


def check_theirs(args, model, ids, base, work):
    good = True
    for i, (name, settings) in enumerate(THEIRS.items()):
        tuned = peft.get_peft_model(model, peft.LoraConfig(task_type="CAUSAL_LM", **settings)).eval()
        torch.manual_seed(i)
        with torch.no_grad():
            for key, p in tuned.named_parameters():
                if "lora_" in key:
                    p.normal_(0, 0.05)
        folder = work / f"theirs-{i}"
        tuned.save_pretrained(folder)
        good = judge(f"theirs, {name}", logits(tuned, ids), our_logits(args, ids, folder, work), base) and good
        model = tuned.unload()
    return good


def main():
    parser = argparse.ArgumentParser(description="Compares adapters with PEFT, in both directions.")
    parser.add_argument("model", type=pathlib.Path, help="a GGUF file of a Llama with tied embeddings")
    parser.add_argument("tool", type=pathlib.Path)
    parser.add_argument("--rows", type=pathlib.Path, required=True)
    args = parser.parse_args()
    model, _ = load_model(args.model)
    ids = hash_fill.integers(hash_fill.STREAM_IDS, 2000, N_IDS, model.config.vocab_size)
    base = logits(model, ids)
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        good = check_ours(args, model, ids, base, work)
        good = check_theirs(args, model, ids, base, work) and good
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
