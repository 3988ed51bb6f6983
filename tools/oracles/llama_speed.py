#!/usr/bin/env python3
"""How fast llama.cpp reads prompts and generates: the peer's half of tools/benches/generate.py.

    llama_speed.py MODEL.gguf [--prompts 128,512] [--tokens 128] [--threads 2] [--repeat 3]

Does what its own llama-bench does, through its C interface: prompts of random tokens decoded at once (logits of the last
token), then single tokens after a prompt of one, as many threads for both, everything else by default. Prints one JSON
object: all times in seconds, and the time from opening the file to the first token.
"""
import argparse
import ctypes
import json
import random
import time

import llama_cpp as ll


def decode(context, ids, first):
    """Tokens `ids` at positions from `first` on, with logits of the last."""
    batch = ll.llama_batch_init(len(ids), 0, 1)
    batch.n_tokens = len(ids)
    for i, token in enumerate(ids):
        batch.token[i] = token
        batch.pos[i] = first + i
        batch.n_seq_id[i] = 1
        batch.seq_id[i][0] = 0
        batch.logits[i] = i == len(ids) - 1
    start = time.perf_counter()
    failed = ll.llama_decode(context, batch)
    ll.llama_synchronize(context)
    seconds = time.perf_counter() - start
    ll.llama_batch_free(batch)
    if failed:
        raise SystemExit(f"llama_decode failed: {failed}")
    return seconds


def forget(context):
    ll.llama_memory_clear(ll.llama_get_memory(context), True)


def open_model(args, n_context):
    params = ll.llama_context_default_params()
    params.n_ctx = n_context
    params.n_batch = params.n_ubatch = 512
    params.n_threads = params.n_threads_batch = args.threads
    model = ll.llama_model_load_from_file(str(args.model).encode(), ll.llama_model_default_params())
    context = ll.llama_init_from_model(model, params) if model else None
    if not context:
        raise SystemExit(f"llama.cpp cannot open {args.model}")
    return model, context


def main():
    parser = argparse.ArgumentParser(description="Times llama.cpp.")
    parser.add_argument("model")
    parser.add_argument("--prompts", type=lambda text: [int(n) for n in text.split(",")], default=[128, 512])
    for name, value in (("tokens", 128), ("threads", 2), ("repeat", 3)):
        parser.add_argument(f"--{name}", type=int, default=value)
    args = parser.parse_args()

    silent = ll.llama_log_callback(lambda level, text, data: None)
    ll.llama_log_set(silent, ctypes.c_void_p())
    ll.llama_backend_init()
    start = time.perf_counter()
    model, context = open_model(args, max([*args.prompts, args.tokens]) + 8)
    n_vocab = ll.llama_vocab_n_tokens(ll.llama_model_get_vocab(model))
    rng = random.Random(1)
    decode(context, [rng.randrange(n_vocab)], 0)
    first_token = time.perf_counter() - start
    prompts = {n: [] for n in args.prompts}
    tokens = []
    for turn in range(args.repeat + 1):  # the first one warms up
        for n, seconds in prompts.items():
            forget(context)
            t = decode(context, [rng.randrange(n_vocab) for _ in range(n)], 0)
            seconds += [t] if turn else []
        forget(context)
        decode(context, [rng.randrange(n_vocab)], 0)
        t = sum(decode(context, [rng.randrange(n_vocab)], 1 + i) for i in range(args.tokens if turn else 8))
        tokens += [t] if turn else []
    print(json.dumps({"first_token_seconds": first_token, "prompts": prompts, "tokens": tokens, "n_tokens": args.tokens,
                      "version": ll.__version__,
                      "system": ll.llama_print_system_info().decode()}))


if __name__ == "__main__":
    main()
