#!/usr/bin/env python3
"""A tiny random Llama with LoRA, by transformers and PEFT, f32: writes tests/data/peft_tiny/.

The exact check that runs where the real model is absent: all logits, the loss, every element of every gradient and of
the adapter after a step, and the losses of twenty steps. The weights come from a closed formula (hash_fill.py), so no
file holds them. PEFT's own files of the adapter are kept too, for the reader.

  peft_lora_tiny.py [--output DIR] [--model-output DIR]

--model-output writes the model itself (config.json, model.safetensors) for trials by hand; no test needs it.
tests/data/README.md tells what each file holds.
"""
import argparse
import json
import math
import pathlib

import numpy as np
import peft
import torch
import transformers

import hash_fill
import peft_lora
from smollm2_logits import ROOT

CONFIG = {"vocab_size": 320, "hidden_size": 64, "intermediate_size": 160, "num_hidden_layers": 2,
          "num_attention_heads": 4, "num_key_value_heads": 2, "rms_norm_eps": 1e-5, "rope_theta": 10000.0}
EMBEDDING_RANGE = 0.25
LENGTHS = [19, 33, 8]  # the sequences of the logits and of the single step
LOSS_FROM = [5, 1, 7]  # ids from this one on are predicted
ONE_STEP = {"rank": 4, "alpha": 8, "b_range": 0.1, "lr": 1e-3, "weight_decay": 0.1}
TWENTY_STEPS = {"rank": 4, "alpha": 8, "b_range": 0.0, "lr": 1e-2, "weight_decay": 0.0}
STEP_LENGTHS = [24, 17]
N_BATCHES = 2  # the twenty steps use two batches in turn


def make_model():
    """Weight t in the byte order of the names: 1 + uniform(0.1) for norms, uniform(0.25) for the embedding,
    uniform(sqrt(3 / in)) for linear layers, so that a layer keeps the size of what goes through it."""
    options = {k: v for k, v in CONFIG.items() if k != "rope_theta"}
    config = transformers.LlamaConfig(
        **options, rope_parameters={"rope_type": "default", "rope_theta": CONFIG["rope_theta"]},
        max_position_embeddings=128, tie_word_embeddings=True, attention_bias=False, mlp_bias=False,
        attn_implementation="eager")
    model = transformers.LlamaForCausalLM(config)
    state = {}
    names = sorted((n for n, _ in model.named_parameters()), key=str.encode)
    for t, name in enumerate(names):
        shape = tuple(model.get_parameter(name).shape)
        if len(shape) == 1:
            value = np.float32(1.0) + hash_fill.uniform(hash_fill.STREAM_WEIGHTS, t, shape, 0.1)
        elif "embed" in name:
            value = hash_fill.uniform(hash_fill.STREAM_WEIGHTS, t, shape, EMBEDDING_RANGE)
        else:
            value = hash_fill.uniform(hash_fill.STREAM_WEIGHTS, t, shape, math.sqrt(3.0 / shape[1]))
        state[name] = torch.from_numpy(value)
    state["lm_head.weight"] = state["model.embed_tokens.weight"]
    model.load_state_dict(state)
    return model.eval(), [{"name": n, "shape": list(model.get_parameter(n).shape)} for n in names]


def make_rows(first, lengths, loss_from):
    """Row r: ids from the formula with tensor index first + r; the mask is 1 from loss_from[r] on."""
    rows = []
    for r, (n, start) in enumerate(zip(lengths, loss_from)):
        ids = hash_fill.integers(hash_fill.STREAM_IDS, first + r, n, CONFIG["vocab_size"]).tolist()
        rows.append((ids, [int(i >= start) for i in range(n)]))
    return peft_lora.pad_rows(rows)


def flat(tensors):
    return np.concatenate([t.detach().double().numpy().reshape(-1) for t in tensors])


def one_step(dtype):
    model, _ = make_model()
    model = peft_lora.add_adapter(model, ONE_STEP).to(dtype)
    batch = make_rows(0, LENGTHS, LOSS_FROM)
    parameters = peft_lora.adapter_parameters(model)
    tuned = row_logits(model, batch)
    with model.disable_adapter():
        base = row_logits(model, batch)
    peft_lora.batch_loss(model, *batch).backward()
    gradients = flat([p.grad for _, p in parameters])
    optimizer = peft_lora.make_optimizer(model, ONE_STEP)
    loss, norm = peft_lora.run_step(model, optimizer, batch)
    updated = flat([p for _, p in parameters])
    second, second_norm = peft_lora.run_step(model, optimizer, batch)
    return {"model": model, "batch": batch, "base_logits": base, "tuned_logits": tuned, "gradients": gradients,
            "updated": updated, "losses": [loss, second], "norms": [norm, second_norm],
            "tensors": [{"name": n, "shape": list(p.shape)} for n, p in parameters]}


def row_logits(model, batch):
    """[sum of lengths, vocabulary]: the rows one after the other, without padding."""
    out = []
    with torch.no_grad():
        for ids, n in zip(batch[0], batch[2]):
            out.append(model(input_ids=torch.tensor([ids[:n].tolist()]), use_cache=False).logits[0].double().numpy())
    return np.concatenate(out)


def write_one_step(output, scalars):
    single, double = one_step(torch.float32), one_step(torch.float64)
    for name, array in zip(("ids", "mask", "lengths"), single["batch"]):
        np.save(output / f"one_step_{name}.npy", array)
    worst = {}
    for name in ("base_logits", "tuned_logits", "gradients", "updated"):
        np.save(output / f"{name}.npy", single[name].astype(np.float32))
        worst[name] = float(np.abs(single[name] - double[name]).max() / np.abs(double[name]).max())
    offset = 0
    for t in single["tensors"]:
        t["offset"] = offset
        offset += t["shape"][0] * t["shape"][1]
    worst["losses"] = float(np.abs(np.array(single["losses"]) / np.array(double["losses"]) - 1).max())
    worst["norms"] = float(np.abs(np.array(single["norms"]) / np.array(double["norms"]) - 1).max())
    scalars["one_step"] = {**ONE_STEP, "max_norm": peft_lora.MAX_NORM, "betas": [0.9, 0.999], "eps": 1e-8,
                           "loss": single["losses"][0], "gradient_norm": single["norms"][0],
                           "second_loss": single["losses"][1], "second_gradient_norm": single["norms"][1],
                           "loss_tokens": int(single["batch"][1].sum()), "tensors": single["tensors"],
                           "f32_against_f64": worst}
    print({k: v for k, v in scalars["one_step"].items() if k != "tensors"})


def twenty_steps(dtype):
    model, _ = make_model()
    model = peft_lora.add_adapter(model, TWENTY_STEPS).to(dtype)
    optimizer = peft_lora.make_optimizer(model, TWENTY_STEPS)
    batches = [make_rows(100 + 10 * b, STEP_LENGTHS, [1] * len(STEP_LENGTHS)) for b in range(N_BATCHES)]
    curve = [peft_lora.run_step(model, optimizer, batches[step % N_BATCHES]) for step in range(peft_lora.N_STEPS)]
    return batches, np.array(curve), flat([p for _, p in peft_lora.adapter_parameters(model)])


def write_twenty_steps(output, scalars):
    batches, curve, final = twenty_steps(torch.float32)
    _, double, double_final = twenty_steps(torch.float64)
    for i, name in enumerate(("ids", "mask", "lengths")):
        np.save(output / f"twenty_steps_{name}.npy", np.concatenate([b[i] for b in batches]))
    np.save(output / "twenty_steps_losses.npy", curve[:, 0].astype(np.float32))
    np.save(output / "twenty_steps_norms.npy", curve[:, 1].astype(np.float32))
    np.save(output / "twenty_steps_final.npy", final.astype(np.float32))
    worst = np.abs(curve / double - 1).max(axis=0)
    scalars["twenty_steps"] = {
        **TWENTY_STEPS, "max_norm": peft_lora.MAX_NORM, "betas": [0.9, 0.999], "eps": 1e-8,
        "rows_a_step": len(STEP_LENGTHS), "batches": N_BATCHES, "steps": peft_lora.N_STEPS,
        "f32_against_f64": {"losses": float(worst[0]), "norms": float(worst[1]),
                            "final_over_root_mean_square": float(np.abs(final - double_final).max()
                                                                 / np.sqrt((double_final**2).mean()))}}
    print(curve[:, 0], scalars["twenty_steps"])


def save_adapter(model, folder):
    """PEFT's own two files; only the order of target_modules, a Python set, is made the same each time."""
    model.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)
    path = folder / "adapter_config.json"
    config = json.loads(path.read_text())
    config["target_modules"] = sorted(config["target_modules"])
    path.write_text(json.dumps(config, indent=2, sort_keys=True))
    (folder / "adapter_model.safetensors").chmod(0o644)


def main():
    parser = argparse.ArgumentParser(description="Writes the fixtures of the tiny Llama with LoRA.")
    parser.add_argument("--output", type=pathlib.Path, default=ROOT / "tests/data/peft_tiny")
    parser.add_argument("--model-output", type=pathlib.Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    args.output.mkdir(parents=True, exist_ok=True)
    model, weights = make_model()
    if args.model_output:
        model.save_pretrained(args.model_output)
    save_adapter(peft_lora.add_adapter(model, ONE_STEP), args.output / "adapter")
    scalars = {"made_by": "tools/oracles/peft_lora_tiny.py",
               "versions": {"torch": torch.__version__, "transformers": transformers.__version__,
                            "peft": peft.__version__},
               "config": CONFIG, "embedding_range": EMBEDDING_RANGE, "weights": weights}
    write_one_step(args.output, scalars)
    write_twenty_steps(args.output, scalars)
    (args.output / "scalars.json").write_text(json.dumps(scalars, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
