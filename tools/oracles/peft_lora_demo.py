#!/usr/bin/env python3
"""The demo by PEFT: LoRA on projects/lora-finetuning-mlx/data, f32, then loss and exact match on the test file.

What the demo may expect of the data and of the defaults, from a second implementation. Writes nothing.

  peft_lora_demo.py [--model FILE.gguf] [--epochs 3] [--batch 8] [--lr 1e-3] [--rank 8] [--threads 1] [--before]
"""
import argparse
import json
import math
import time

import torch

import peft_lora
from smollm2_logits import load_model, model_argument


def read_rows(tok, path):
    rows = []
    for line in path.read_text().splitlines():
        texts = [m["content"] for m in json.loads(line)["messages"]]
        rows.append((peft_lora.chat_ids(tok, *texts), texts[2]))
    return rows


def exact_match(model, tok, rows):
    """Share of rows whose greedy answer is the expected text, with a cache, a row at a time."""
    right = 0
    wrong = []
    with torch.no_grad():
        for (ids, mask), answer in rows:
            prompt = torch.tensor([ids[: mask.index(1)]])
            out = model.generate(input_ids=prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=40,
                                 do_sample=False, eos_token_id=2, pad_token_id=2)
            said = tok.decode(out[0, prompt.shape[1]:].tolist(), skip_special_tokens=True)
            right += said == answer
            if said != answer:
                wrong.append((answer, said))
    return right / len(rows), wrong


def mean_loss(model, rows):
    total = count = 0.0
    with torch.no_grad():
        for row, _ in rows:
            batch = peft_lora.pad_rows([row])
            total += float(peft_lora.batch_loss(model, *batch)) * batch[1].sum()
            count += batch[1].sum()
    return total / count


def main():
    parser = argparse.ArgumentParser(description="Trains on the demo's data with PEFT and reports exact match.")
    model_argument(parser)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--rank", type=int, default=8)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--before", action="store_true", help="judge the untuned model as well")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    model, tok = load_model(args.model)
    train = read_rows(tok, peft_lora.DATA)
    test = read_rows(tok, peft_lora.DATA.with_name("test.jsonl"))
    if args.before:
        print("before: loss %.4f, exact match %.3f" % (mean_loss(model, test), exact_match(model, tok, test)[0]))
    model = peft_lora.add_adapter(model, {"rank": args.rank, "alpha": 2 * args.rank, "b_range": 0.0})
    optimizer = peft_lora.make_optimizer(model, {"lr": args.lr, "weight_decay": 0.0})
    n_steps = args.epochs * (len(train) // args.batch)
    step, tokens, start = 0, 0, time.time()
    for epoch in range(args.epochs):
        order = torch.randperm(len(train)).tolist()
        for first in range(0, len(train) - args.batch + 1, args.batch):
            warm = min(1.0, (step + 1) / (0.05 * n_steps))
            for group in optimizer.param_groups:
                group["lr"] = args.lr * warm * 0.5 * (1 + math.cos(math.pi * step / n_steps))
            batch = peft_lora.pad_rows([train[i][0] for i in order[first:first + args.batch]])
            loss, norm = peft_lora.run_step(model, optimizer, batch)
            step, tokens = step + 1, tokens + int(batch[2].sum())
            if step % 20 == 0:
                print("step %d of %d, loss %.4f, norm %.2f, %.0f tokens/s"
                      % (step, n_steps, loss, norm, tokens / (time.time() - start)), flush=True)
        share, wrong = exact_match(model, tok, test)
        print("epoch %d: test loss %.4f, exact match %.3f, %d tokens, %.0f s"
              % (epoch + 1, mean_loss(model, test), share, tokens, time.time() - start), flush=True)
    for answer, said in wrong:
        print("wanted", answer, "got", said)


if __name__ == "__main__":
    main()
