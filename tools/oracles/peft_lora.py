#!/usr/bin/env python3
"""LoRA on SmolLM2-135M-Instruct by PEFT, f32: one step and twenty steps. Writes tests/data/peft/.

One step: loss, gradient norm, a summary of each of the 420 gradients, and of the adapter after clipping and AdamW.
Twenty steps: the loss of each, on the first rows of the demo's training file, two rows a step.
The adapter starts from closed formulas (hash_fill.py), so the C test makes the same one.

  peft_lora.py [--model FILE.gguf] [--output DIR] [--only one_step|twenty_steps]

tests/data/README.md tells what each file holds. Start reading at run_step; peft_lora_tiny.py shares these functions.
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
from smollm2_logits import ROOT, load_model, model_argument

TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
N_PROJECTIONS = 4
N_FIRST = 4
MAX_NORM = 1.0
DATA = ROOT / "projects/lora-finetuning-mlx/data/train.jsonl"

# The batch of the single step: chats of different lengths; the loss is taken on the answers and their <|im_end|>.
ONE_STEP_CHATS = [
    ("Answer in one short sentence.", "Why does bread rise in the oven?",
     "Yeast eats sugar and breathes out gas, which makes bubbles in the dough."),
    ("Reply with JSON.", "Can you please remind me to water the roses at 18:45?",
     '{"cmd":"remind","task":"water the roses","time":"18:45"}'),
    ("Reply with JSON.", "We ran out of oat milk and 3 lemons.",
     '{"cmd":"buy","items":["oat milk","lemons"]}'),
]
# AdamW's first step moves each value by about lr, with the sign of its gradient: a value whose gradient is near 0 moves
# either way by rounding alone. A small lr keeps that far below 1e-4; a large decay (lr * decay = 1e-3) shows itself.
ONE_STEP = {"rank": 8, "alpha": 16, "b_range": 0.02, "lr": 1e-4, "weight_decay": 10.0}
TWENTY_STEPS = {"rank": 8, "alpha": 16, "b_range": 0.0, "lr": 5e-4, "weight_decay": 0.0}
ROWS_A_STEP = 2
N_STEPS = 20


def chat_ids(tok, system, user, answer):
    """(ids, mask) of one chat; mask[i] = 1 where id i is to be predicted: the answer and its <|im_end|>."""
    head = f"<|im_start|>system\n{system}<|im_end|>\n<|im_start|>user\n{user}<|im_end|>\n<|im_start|>assistant\n"
    before, said = tok.encode(head).ids, tok.encode(answer + "<|im_end|>").ids
    after = tok.encode("\n").ids
    whole = tok.encode(head + answer + "<|im_end|>\n").ids
    assert whole == before + said + after
    return whole, [0] * len(before) + [1] * len(said) + [0] * len(after)


def pad_rows(rows):
    """(ids, mask, lengths) as i32 arrays, padded with 0 on the right to the longest row."""
    longest = max(len(ids) for ids, _ in rows)
    ids = np.zeros((len(rows), longest), np.int32)
    mask = np.zeros((len(rows), longest), np.int32)
    for r, (row_ids, row_mask) in enumerate(rows):
        ids[r, : len(row_ids)] = row_ids
        mask[r, : len(row_mask)] = row_mask
    return ids, mask, np.array([len(row_ids) for row_ids, _ in rows], np.int32)


def saved_name(name):
    """The name of an adapter's parameter in PEFT's file."""
    return name.replace(".default.weight", ".weight")


def adapter_parameters(model):
    """[(name in PEFT's file, parameter)] in the order of the names' bytes: the order of all fixtures."""
    found = [(saved_name(n), p) for n, p in model.named_parameters() if ".lora_" in n]
    return sorted(found, key=lambda pair: pair[0].encode())


def add_adapter(model, options):
    """PEFT's LoRA on all linear layers of the blocks, filled by formula: A in +-1/sqrt(in), B in +-b_range."""
    config = peft.LoraConfig(r=options["rank"], lora_alpha=options["alpha"], lora_dropout=0.0, bias="none",
                             target_modules=TARGETS, task_type="CAUSAL_LM")
    model = peft.get_peft_model(model, config)
    with torch.no_grad():
        for t, (name, p) in enumerate(adapter_parameters(model)):
            if ".lora_A." in name:
                value = hash_fill.uniform(hash_fill.STREAM_LORA_A, t, p.shape, 1.0 / math.sqrt(p.shape[1]))
            else:
                value = hash_fill.uniform(hash_fill.STREAM_LORA_B, t, p.shape, options["b_range"])
            p.copy_(torch.from_numpy(value))
    return model


def batch_loss(model, ids, mask, lengths):
    """Mean negative log likelihood of the ids that the mask marks, over the whole batch. Rows are padded on the
    right; the attention mask hides the padding; positions count from 0 in each row.

    The logits are made f64 for the loss alone: torch's f32 log_softmax over 49,152 entries gives a loss that is 5e-6
    too small, and gradients that are off by 5e-5 of their norm (3e-4 in the worst tensor), always in the same
    direction. That is ten times what f32 costs in the rest of the model."""
    ids = torch.from_numpy(ids.astype(np.int64))
    attention = torch.arange(ids.shape[1])[None, :] < torch.from_numpy(lengths.astype(np.int64))[:, None]
    logits = model(input_ids=ids, attention_mask=attention.long(), use_cache=False).logits
    picked = torch.from_numpy(mask[:, 1:].astype(bool))
    return torch.nn.functional.cross_entropy(logits[:, :-1][picked].double(), ids[:, 1:][picked])


def run_step(model, optimizer, batch):
    """(loss, gradient norm before clipping). The gradients left behind are the clipped ones."""
    loss = batch_loss(model, *batch)
    optimizer.zero_grad()
    loss.backward()
    norm = torch.nn.utils.clip_grad_norm_([p for _, p in adapter_parameters(model)], MAX_NORM)
    optimizer.step()
    return float(loss.detach()), float(norm)


def make_optimizer(model, options):
    return torch.optim.AdamW([p for _, p in adapter_parameters(model)], lr=options["lr"], betas=(0.9, 0.999),
                             eps=1e-8, weight_decay=options["weight_decay"])


def summary(tensors):
    """[n, 9] f32: the L2 norm, four projections on vectors of signs, the first four values, a row a tensor."""
    out = np.zeros((len(tensors), 1 + N_PROJECTIONS + N_FIRST), np.float32)
    for t, tensor in enumerate(tensors):
        flat = tensor.detach().double().numpy().reshape(-1)
        out[t, 0] = np.sqrt((flat * flat).sum())
        for p in range(N_PROJECTIONS):
            out[t, 1 + p] = (flat * hash_fill.signs(hash_fill.STREAM_SIGNS + p, t, flat.size)).sum()
        out[t, 1 + N_PROJECTIONS:] = flat[:N_FIRST]
    return out


def noise(single, double, sizes):
    """What f32 itself is worth here: the worst |difference| of norms and projections over the tensor's norm, and of
    the first values over the root of the tensor's mean square."""
    difference = np.abs(single - double)
    rms = single[:, :1] / np.sqrt(np.array(sizes))[:, None]
    return {"norm_and_projections": float((difference[:, : 1 + N_PROJECTIONS] / single[:, :1]).max()),
            "first_values": float((difference[:, 1 + N_PROJECTIONS:] / rms).max())}


def one_step(path, dtype):
    model, tok = load_model(path, torch.float32)
    model = add_adapter(model, ONE_STEP).to(dtype)
    batch = pad_rows([chat_ids(tok, *chat) for chat in ONE_STEP_CHATS])
    parameters = adapter_parameters(model)
    loss = batch_loss(model, *batch)
    loss.backward()
    gradients = summary([p.grad for _, p in parameters])
    start = summary([p for _, p in parameters])
    again, norm = run_step(model, make_optimizer(model, ONE_STEP), batch)
    assert again == float(loss.detach())
    return {"batch": batch, "names": [n for n, _ in parameters], "shapes": [list(p.shape) for _, p in parameters],
            "loss": again, "norm": norm, "start": start, "gradients": gradients,
            "updated": summary([p for _, p in parameters])}


def write_one_step(path, output, scalars):
    single, double = one_step(path, torch.float32), one_step(path, torch.float64)
    sizes = [s[0] * s[1] for s in single["shapes"]]
    for name, array in zip(("ids", "mask", "lengths"), single["batch"]):
        np.save(output / f"one_step_{name}.npy", array)
    for name in ("start", "gradients", "updated"):
        np.save(output / f"one_step_{name}.npy", single[name])
    scalars["one_step"] = {
        **ONE_STEP, "max_norm": MAX_NORM, "betas": [0.9, 0.999], "eps": 1e-8, "loss": single["loss"],
        "gradient_norm": single["norm"], "loss_tokens": int(single["batch"][1].sum()),
        "f32_against_f64": {"loss": abs(single["loss"] / double["loss"] - 1),
                            "gradient_norm": abs(single["norm"] / double["norm"] - 1),
                            "gradients": noise(single["gradients"], double["gradients"], sizes),
                            "updated": noise(single["updated"], double["updated"], sizes)},
        "tensors": [{"name": n, "shape": s} for n, s in zip(single["names"], single["shapes"])]}
    print({k: v for k, v in scalars["one_step"].items() if k != "tensors"})


def demo_rows(tok, n):
    rows = []
    for line in DATA.read_text().splitlines()[:n]:
        rows.append(chat_ids(tok, *[m["content"] for m in json.loads(line)["messages"]]))
    return rows


def twenty_steps(path, dtype):
    model, tok = load_model(path, torch.float32)
    model = add_adapter(model, TWENTY_STEPS).to(dtype)
    ids, mask, lengths = pad_rows(demo_rows(tok, N_STEPS * ROWS_A_STEP))
    optimizer = make_optimizer(model, TWENTY_STEPS)
    curve = []
    for step in range(N_STEPS):
        rows = slice(step * ROWS_A_STEP, (step + 1) * ROWS_A_STEP)
        longest = lengths[rows].max()
        curve.append(run_step(model, optimizer, (ids[rows, :longest], mask[rows, :longest], lengths[rows])))
    parameters = [p for _, p in adapter_parameters(model)]
    return (ids, mask, lengths), np.array(curve, np.float32), summary(parameters), [p.numel() for p in parameters]


def write_twenty_steps(path, output, scalars):
    batch, curve, final, sizes = twenty_steps(path, torch.float32)
    _, double, double_final, _ = twenty_steps(path, torch.float64)
    for name, array in zip(("ids", "mask", "lengths"), batch):
        np.save(output / f"twenty_steps_{name}.npy", array)
    np.save(output / "twenty_steps_losses.npy", np.ascontiguousarray(curve[:, 0]))
    np.save(output / "twenty_steps_norms.npy", np.ascontiguousarray(curve[:, 1]))
    np.save(output / "twenty_steps_final.npy", final)
    worst = np.abs(curve / double - 1).max(axis=0)
    scalars["twenty_steps"] = {**TWENTY_STEPS, "max_norm": MAX_NORM, "betas": [0.9, 0.999], "eps": 1e-8,
                               "rows_a_step": ROWS_A_STEP, "steps": N_STEPS,
                               "f32_against_f64": {"losses": float(worst[0]), "norms": float(worst[1]),
                                                   "final": noise(final, double_final, sizes)}}
    print(curve[:, 0], scalars["twenty_steps"])


def main():
    parser = argparse.ArgumentParser(description="Writes the fixtures of LoRA steps by PEFT.")
    model_argument(parser)
    parser.add_argument("--output", type=pathlib.Path, default=ROOT / "tests/data/peft")
    parser.add_argument("--only", choices=["one_step", "twenty_steps"])
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.output.mkdir(parents=True, exist_ok=True)
    path = args.output / "scalars.json"
    scalars = json.loads(path.read_text()) if path.exists() else {}
    scalars["made_by"] = "tools/oracles/peft_lora.py"
    scalars["versions"] = {"torch": torch.__version__, "transformers": transformers.__version__,
                           "peft": peft.__version__}
    if args.only != "twenty_steps":
        write_one_step(args.model, args.output, scalars)
    if args.only != "one_step":
        write_twenty_steps(args.model, args.output, scalars)
    path.write_text(json.dumps(scalars, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
