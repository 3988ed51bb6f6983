#!/usr/bin/env python3
"""How fast PEFT trains on this machine: rank 8 on all linear layers, 4 x 256 tokens, f32, eager.

The peer's half of a comparison: run it beside `efficientai lora-finetuning-mlx:train` with the same shape, on the same
idle machine. Every token is learned; ids are random, which changes nothing in the time. Prints a line a step and one
JSON object at the end.

  peft_speed.py [--model FILE.gguf] [--batch 4] [--seq-len 256] [--rank 8] [--threads 2] [--steps 5] [--warm-up 2]
                [--attention eager|sdpa] [--targets all|attention] [--dtype f32|bf16]

--dtype bf16 makes weights and adapter bf16. --attention sdpa is transformers' own default.
"""
import argparse
import json
import resource
import statistics
import sys
import time

import peft
import torch
import transformers

import hash_fill
import peft_lora
from smollm2_logits import load_model, model_argument


def main():
    parser = argparse.ArgumentParser(description="Times LoRA steps of PEFT.")
    model_argument(parser)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--seq-len", type=int, default=256)
    parser.add_argument("--rank", type=int, default=8)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--warm-up", type=int, default=2)
    parser.add_argument("--attention", choices=["eager", "sdpa"], default="eager")
    parser.add_argument("--targets", choices=["all", "attention"], default="all")
    parser.add_argument("--dtype", choices=["f32", "bf16"], default="f32")
    args = parser.parse_args()
    if min(args.batch, args.rank, args.threads, args.steps) < 1 or args.seq_len < 2 or args.warm_up < 0:
        parser.error("sizes and steps must be at least 1, --seq-len at least 2, --warm-up at least 0")
    torch.set_num_threads(args.threads)
    model, _ = load_model(args.model, torch.bfloat16 if args.dtype == "bf16" else torch.float32)
    model.set_attn_implementation(args.attention)
    targets = peft_lora.TARGETS if args.targets == "all" else peft_lora.TARGETS[:4]
    config = peft.LoraConfig(r=args.rank, lora_alpha=2 * args.rank, lora_dropout=0.0, target_modules=targets,
                             task_type="CAUSAL_LM")
    model = peft.get_peft_model(model, config, autocast_adapter_dtype=args.dtype == "f32")
    model.train()
    trainable = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trainable, lr=2e-4, weight_decay=0.01)
    seconds = []
    for step in range(args.warm_up + args.steps):
        ids = hash_fill.integers(hash_fill.STREAM_IDS, 1000 + step, args.batch * args.seq_len,
                                 model.config.vocab_size)
        ids = torch.from_numpy(ids.astype("int64")).reshape(args.batch, args.seq_len)
        start = time.perf_counter()
        loss = model(input_ids=ids, labels=ids, use_cache=False).loss
        optimizer.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(trainable, 1.0)
        optimizer.step()
        seconds.append(time.perf_counter() - start)
        print("step %d%s: loss %.4f, norm %.3f, %.2f s" % (step + 1, " (warm-up)" if step < args.warm_up else "",
                                                           loss.item(), norm.item(), seconds[-1]), flush=True)
    median = statistics.median(seconds[args.warm_up:])
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    print(json.dumps({"tokens_per_second": round(args.batch * args.seq_len / median, 1),
                      "seconds_per_step": round(median, 3), "peak_rss_bytes": rss, "steps": args.steps,
                      "batch": args.batch, "seq_len": args.seq_len, "rank": args.rank, "threads": args.threads,
                      "targets": args.targets, "dtype": args.dtype, "attention": args.attention,
                      "trainable": sum(p.numel() for p in trainable),
                      "versions": {"torch": torch.__version__, "transformers": transformers.__version__,
                                   "peft": peft.__version__}}))


if __name__ == "__main__":
    main()
