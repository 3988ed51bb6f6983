#!/usr/bin/env python3
"""How fast mlx-lm trains and generates on this machine, one JSON object: mlx_lm_speed.py FOLDER [--device cpu|gpu]
[--dtype bfloat16|float32] [--batch-size 4] [--seq-len 256] [--steps 8] [--prompt 512] [--tokens 128]

FOLDER is a model as Hugging Face lays it out. LoRA of rank 8 on every linear layer of every block, AdamW, the step compiled as mlx-lm's
trainer compiles it; random tokens. The first two steps are left out. For `make macos-report`, beside `efficientai bench`.
"""
import argparse
import functools
import json
import statistics
import time

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
import mlx_lm
from mlx_lm.generate import generate_step
from mlx_lm.tuner.trainer import default_loss
from mlx_lm.tuner.utils import linear_to_lora_layers
from mlx_lm.utils import load_model


def train(model, vocab, args):
    """Tokens a second of a step, its median."""
    model.freeze()
    linear_to_lora_layers(model, len(model.layers), {"rank": 8, "scale": 2.0, "dropout": 0.0})
    optimizer = optim.AdamW(learning_rate=1e-4)
    value_and_grad = nn.value_and_grad(model, default_loss)
    state = [model.state, optimizer.state, mx.random.state]

    @functools.partial(mx.compile, inputs=state, outputs=state)
    def step(batch, lengths):
        (loss, _), grad = value_and_grad(model, batch, lengths)
        optimizer.update(model, grad)
        return loss

    model.train()
    seconds = []
    for _ in range(args.steps + 2):
        batch = mx.random.randint(0, vocab, (args.batch_size, args.seq_len + 1))
        lengths = mx.array([[0, args.seq_len]] * args.batch_size)
        mx.eval(batch, lengths)
        start = time.perf_counter()
        mx.eval(step(batch, lengths), state)
        seconds.append(time.perf_counter() - start)
    return args.batch_size * args.seq_len / statistics.median(seconds[2:])


def generate(model, vocab, args):
    """Tokens a second of the prompt, and of the tokens after it; the first token ends the prompt."""
    model.eval()
    prompt = mx.random.randint(0, vocab, (args.prompt,))
    times = []
    for _ in range(2):  # the first one warms up
        times = [time.perf_counter()]
        for token, _ in generate_step(prompt, model, max_tokens=args.tokens + 1):
            mx.eval(token)
            times.append(time.perf_counter())
    return args.prompt / (times[1] - times[0]), (len(times) - 2) / (times[-1] - times[1])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--device", choices=["cpu", "gpu"], default="gpu" if mx.metal.is_available() else "cpu")
    parser.add_argument("--dtype", choices=["bfloat16", "float32"], default="bfloat16")
    for name, default in (("batch-size", 4), ("seq-len", 256), ("steps", 8), ("prompt", 512), ("tokens", 128)):
        parser.add_argument(f"--{name}", type=int, default=default)
    args = parser.parse_args()
    mx.set_default_device(getattr(mx, args.device))
    model, config = load_model(__import__("pathlib").Path(args.folder))
    model.set_dtype(getattr(mx, args.dtype))
    mx.eval(model.parameters())
    prompt, tokens = generate(model, config["vocab_size"], args)
    of_generation = mx.get_peak_memory()
    mx.reset_peak_memory()
    steps = train(model, config["vocab_size"], args)
    print(json.dumps({"mlx": mx.__version__, "mlx_lm": mlx_lm.__version__, "device": args.device, "dtype": args.dtype,
                      "train_tokens_per_s": steps, "train_peak_bytes": mx.get_peak_memory(), "prompt_tokens_per_s": prompt,
                      "tokens_per_s": tokens, "generate_peak_bytes": of_generation}))


main()
