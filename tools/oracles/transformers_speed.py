#!/usr/bin/env python3
"""How fast transformers reads prompts and generates, in bf16: the peer's half of tools/benches/generate.py.

    transformers_speed.py FOLDER [--prompts 128,512] [--tokens 128] [--threads 2] [--repeat 3]

FOLDER is a model in bf16 (peft_speed.py prepare makes one). Prompts of random tokens with logits of the last one only, then
single tokens through its cache. Prints one JSON object as llama_speed.py does.
"""
import argparse
import json
import time

import torch
import transformers


@torch.inference_mode()
def prompt(model, ids, cache):
    start = time.perf_counter()
    out = model(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1)
    return time.perf_counter() - start, out.past_key_values


def main():
    parser = argparse.ArgumentParser(description="Times transformers.")
    parser.add_argument("folder")
    parser.add_argument("--prompts", type=lambda text: [int(n) for n in text.split(",")], default=[128, 512])
    for name, value in (("tokens", 128), ("threads", 2), ("repeat", 3)):
        parser.add_argument(f"--{name}", type=int, default=value)
    args = parser.parse_args()

    torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    start = time.perf_counter()
    model = transformers.AutoModelForCausalLM.from_pretrained(args.folder, dtype=torch.bfloat16, attn_implementation="sdpa").eval()

    def ids(n):
        return torch.randint(0, model.config.vocab_size, (1, n))

    prompt(model, ids(1), None)
    first_token = time.perf_counter() - start
    prompts = {n: [] for n in args.prompts}
    tokens = []
    for turn in range(args.repeat + 1):  # the first one warms up
        for n, seconds in prompts.items():
            t, _ = prompt(model, ids(n), None)
            seconds += [t] if turn else []
        total = 0
        _, cache = prompt(model, ids(1), None)
        for _ in range(args.tokens if turn else 4):
            t, cache = prompt(model, ids(1), cache)
            total += t
        tokens += [total] if turn else []
    print(json.dumps({"first_token_seconds": first_token, "prompts": prompts, "tokens": tokens, "n_tokens": args.tokens,
                      "version": transformers.__version__, "system": torch.backends.cpu.get_cpu_capability()}))


if __name__ == "__main__":
    main()
