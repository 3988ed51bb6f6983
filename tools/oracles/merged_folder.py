#!/usr/bin/env python3
"""Checks with transformers a folder that `merge` wrote: it loads, gives our tokens and our greedy text.

    efficientai lora-finetuning-mlx:merge --model MODEL --adapter DIR --output MERGED --save-dtype f32
    .venv-peers/bin/python tools/oracles/merged_folder.py MERGED MODEL DIR build/bin/efficientai

`make interop` does all of that. The lines are those of tokenizer_lines.py, as far as they can stand on one line.
Exit status 1 when anything differs. Last seen to agree on 2,941 lines with transformers 5.24.0, tokenizers 0.23.3 (SmolLM2-135M-Instruct).
"""
import json
import subprocess
import sys

import torch
from tokenizer_lines import make_line
from transformers import AutoModelForCausalLM, AutoTokenizer

N_LINES = 4000
PROMPTS = ["What is the capital of France?", "make the pantry 20 degrees", "Write one sentence about rain."]
TOKENS = 40


def compare_tokens(tokenizer, model, tool):
    lines = [make_line(i) for i in range(N_LINES)]
    lines = [line for line in lines if not set(line) & set("\r\n\0")]
    done = subprocess.run([tool, "tokenize", "--model", model, "--json"], input="\n".join(lines) + "\n",
                          capture_output=True, text=True, check=True)
    ours = [json.loads(line) for line in done.stdout.split("\n") if line]
    theirs = [tokenizer.encode(line, add_special_tokens=False) for line in lines]
    wrong = [ascii(line) for line, a, b in zip(lines, ours, theirs, strict=True) if a != b]
    print(f"tokens: {len(lines)} lines, {len(wrong)} differ", *wrong[:3], sep="\n")
    return not wrong


def compare_text(tokenizer, folder, model, adapter, tool):
    hf = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    same = True
    for prompt in PROMPTS:
        inputs = tokenizer.apply_chat_template([{"role": "user", "content": prompt}], add_generation_prompt=True,
                                               return_tensors="pt", return_dict=True)
        ids = hf.generate(**inputs, max_new_tokens=TOKENS, do_sample=False)
        theirs = tokenizer.decode(ids[0][inputs["input_ids"].shape[1]:], skip_special_tokens=True)
        ours = subprocess.run([tool, "lora-finetuning-mlx:generate", "--model", model, "--adapter", adapter, "--prompt",
                               prompt, "--max-tokens", str(TOKENS), "--dtype", "f32"],
                              capture_output=True, text=True, check=True).stdout.removesuffix("\n")
        same = same and ours == theirs
        print(f"{'same' if ours == theirs else 'DIFFERS'}: {ours!r}" + ("" if ours == theirs else f" / {theirs!r}"))
    return same


def main():
    folder, model, adapter, tool = sys.argv[1:5]
    tokenizer = AutoTokenizer.from_pretrained(folder)
    good = compare_tokens(tokenizer, model, tool)
    good = compare_text(tokenizer, folder, model, adapter, tool) and good
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
