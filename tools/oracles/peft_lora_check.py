#!/usr/bin/env python3
"""Lets PEFT read an adapter that our program wrote, and states what it makes of it.

  peft_lora_check.py ADAPTER_DIR DATA.jsonl [--model FILE.gguf] [--limit N] [--exact-match]

Prints one JSON object: loss (mean over the learned tokens of all rows) and, with --exact-match, the share of answers that
are right by greedy decoding. Both must agree with `efficientai lora-finetuning-mlx:evaluate` on the same files. The data
are rows of messages: system, user, assistant.
"""
import argparse
import json
import pathlib

import peft
import torch

import peft_lora_demo
from smollm2_logits import load_model, model_argument


def main():
    parser = argparse.ArgumentParser(description="Evaluates an adapter folder with PEFT.")
    parser.add_argument("adapter", type=pathlib.Path)
    parser.add_argument("data", type=pathlib.Path)
    model_argument(parser)
    parser.add_argument("--limit", type=int, default=None, help="use the first N rows")
    parser.add_argument("--exact-match", action="store_true")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    model, tok = load_model(args.model)
    model = peft.PeftModel.from_pretrained(model, args.adapter).eval()
    rows = peft_lora_demo.read_rows(tok, args.data)[: args.limit]
    result = {"rows": len(rows), "loss": float(peft_lora_demo.mean_loss(model, rows))}
    if args.exact_match:
        result["exact_match"] = peft_lora_demo.exact_match(model, tok, rows)[0]
    print(json.dumps(result))


if __name__ == "__main__":
    main()
