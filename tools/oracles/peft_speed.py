#!/usr/bin/env python3
"""How fast transformers + PEFT train an adapter: the peer's half of tools/benches/lora.py.

  peft_speed.py prepare FOLDER --model FILE.gguf
      FOLDER/f32 and FOLDER/bf16: the model as from_pretrained reads it best, so that what is timed converts nothing
  peft_speed.py train FOLDER DATA.jsonl --config NAME [--batch 4] [--seq-len 256] [--rank 8] [--threads 2] [--steps 6]
      trains on the rows of {"text": ...} in their order, each cut to --seq-len tokens, every token learned; prints a
      line a step and one JSON object at the end; --save FOLDER saves the adapter, as whoever trains does

All configurations have sdpa attention and the fused AdamW; CONFIGS says how they differ. What torch.compile costs is in
the seconds of the first step, and of any later one for which it compiles again.
"""
import argparse
import collections
import contextlib
import json
import pathlib
import time

import tokenizers
import torch
import transformers

TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]

Config = collections.namedtuple("Config", "weights autocast f32_adapter compiled")
CONFIGS = {
    "f32": Config("f32", autocast=False, f32_adapter=True, compiled=False),
    "autocast": Config("f32", autocast=True, f32_adapter=True, compiled=False),
    "bf16-weights": Config("bf16", autocast=False, f32_adapter=True, compiled=False),
    "bf16-all": Config("bf16", autocast=False, f32_adapter=False, compiled=False),
    "bf16-all-compile": Config("bf16", autocast=False, f32_adapter=False, compiled=True),
}
DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16}


def prepare(args):
    from smollm2_logits import load_model  # here, because the timed half does without the packages that it needs
    model, tokenizer = load_model(args.model)
    for name, dtype in DTYPES.items():
        model.to(dtype).save_pretrained(args.folder / name)
        tokenizer.save(str(args.folder / name / "tokenizer.json"))


def read_batches(args, folder):
    """[steps] of ids [batch, seq_len]."""
    tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    rows = []
    with open(args.data, encoding="utf-8") as f:
        for line in f:
            ids = tokenizer.encode(json.loads(line)["text"]).ids[: args.seq_len]
            if len(ids) < args.seq_len:
                raise SystemExit(f"row {len(rows) + 1} has {len(ids)} tokens, {args.seq_len} are needed")
            rows.append(ids)
    if len(rows) < args.steps * args.batch:
        raise SystemExit(f"{len(rows)} rows, {args.steps * args.batch} are needed")
    return [torch.tensor(rows[i * args.batch: (i + 1) * args.batch]) for i in range(args.steps)]


def load(args, folder):
    import peft
    how = CONFIGS[args.config]
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=DTYPES[how.weights], attn_implementation="sdpa")
    config = peft.LoraConfig(r=args.rank, lora_alpha=2 * args.rank, lora_dropout=0.0, target_modules=TARGETS,
                             task_type="CAUSAL_LM")
    model = peft.get_peft_model(model, config, autocast_adapter_dtype=how.f32_adapter)
    model.train()
    return model, peft.__version__


def train(args):
    torch.set_num_threads(args.threads)
    how = CONFIGS[args.config]
    folder = args.folder / how.weights
    batches = read_batches(args, folder)
    model, version = load(args, folder)
    step_model = torch.compile(model) if how.compiled else model
    trainable = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trainable, lr=2e-4, weight_decay=0.01, fused=True)
    autocast = torch.autocast("cpu", torch.bfloat16) if how.autocast else contextlib.nullcontext()
    seconds, losses = [], []
    for step, ids in enumerate(batches):
        start = time.perf_counter()
        with autocast:
            loss = step_model(input_ids=ids, labels=ids, use_cache=False).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trainable, 1.0)
        optimizer.step()
        losses.append(loss.item())
        seconds.append(time.perf_counter() - start)
        print(f"step {step + 1}: loss {losses[-1]:.4f}, {seconds[-1]:.2f} s", flush=True)
    if args.save:
        model.save_pretrained(args.save)
    print(json.dumps({"step_seconds": seconds, "loss": losses, "threads": torch.get_num_threads(),
                      "trainable": sum(p.numel() for p in trainable), "isa": torch.backends.cpu.get_cpu_capability(),
                      "versions": {"torch": torch.__version__, "transformers": transformers.__version__,
                                   "peft": version}}))


def main():
    parser = argparse.ArgumentParser(description="Times LoRA steps of PEFT.")
    commands = parser.add_subparsers(dest="command", required=True)
    p = commands.add_parser("prepare")
    p.add_argument("folder", type=pathlib.Path)
    p.add_argument("--model", type=pathlib.Path, required=True, help="a GGUF file")
    t = commands.add_parser("train")
    t.add_argument("folder", type=pathlib.Path)
    t.add_argument("data", type=pathlib.Path)
    t.add_argument("--config", choices=CONFIGS, required=True)
    t.add_argument("--save", type=pathlib.Path, metavar="FOLDER", help="save the adapter there at the end")
    for name, value in (("batch", 4), ("seq-len", 256), ("rank", 8), ("threads", 2), ("steps", 6)):
        t.add_argument(f"--{name}", type=int, default=value)
    args = parser.parse_args()
    if args.command == "prepare":
        return prepare(args)
    if min(args.batch, args.rank, args.threads, args.steps) < 1 or args.seq_len < 2:
        parser.error("sizes and steps must be at least 1, --seq-len at least 2")
    return train(args)


if __name__ == "__main__":
    main()
