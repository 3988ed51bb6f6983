#!/usr/bin/env python3
"""How fast this program reads prompts and generates, and how fast llama.cpp and transformers do: `make bench-generate`.

    tools/peers.sh tools/bench_generate.py [--tool build/bin/efficientai] [--model NAME|FILE.gguf] [--types bf16,q8_0,...]
                                           [--rounds 3] [--short]

The same model in several storage types, as GGUF files that our library writes (q4_K_M is llama.cpp's mixture). For each,
every program takes its turn in every round, in a process of its own with the same number of threads: ours with its default
precision and in 8 bits (where the weights are quantized; llama.cpp always rounds to 8 bits there), llama.cpp on the same
file, and for bf16 transformers on the same weights. What is compared are medians of all turns; benches/generate.py says of
what. llama.cpp is llama-cpp-python's, in the environment EFFICIENTAI_LLAMA_CPP names (docs/testing.md says how to build it);
without it that column is missing, and this says so. The last line is one JSON object. Start at main.
"""
import argparse
import json
import os
import pathlib
import shutil
import statistics
import sys

from benches import generate, models, process

TYPES = ["bf16", "f16", "q8_0", "q4_1", "q4_0"]
QUANTIZED = "q"  # how the names of those types begin


def ours(args, path, dtype):
    figures, memory, isa = generate.run_ours(args, args.sizes, path, dtype)
    return {**figures, "of reading": memory["of reading"]}, isa


def theirs(figures, version, system):
    return figures, f"{version} {system}"


def programs(args, work, kind, path):
    """{column: a function that measures once}"""
    columns = {"ours": lambda: ours(args, path, "auto")}
    if args.llama:
        columns["llama.cpp"] = lambda: theirs(*generate.run_llama(args, args.sizes, path))
    if kind.startswith(QUANTIZED):
        columns["ours int8"] = lambda: ours(args, path, "int8")
    if kind == "bf16" and args.python:
        columns["transformers"] = lambda: theirs(*generate.run_transformers(args, args.sizes, work / "models/bf16"))
    return columns


def measure(args, work, kind, path):
    """{column: {test: median of the rounds}}"""
    columns = programs(args, work, kind, path)
    results = {name: [] for name in columns}
    for _ in range(args.rounds):
        for name, measure_once in columns.items():
            figures, args.about[name] = measure_once()
            results[name].append(figures)
    return {name: {test: statistics.median(r[test] for r in rounds) for test in rounds[0]} for name, rounds in results.items()}


def print_row(kind, results):
    peers = [name for name in results if not name.startswith("ours")]
    for test in results["ours"]:
        cells = [f"{name} {figures[test]:.3f}" if figures[test] < 10 else f"{name} {figures[test]:.1f}"
                 for name, figures in results.items() if test in figures]
        known = [results[p][test] for p in peers if test in results[p]]
        ratio = ""
        if known:
            best = min(known) if test == "first token" else max(known)
            ratio = ", ".join(f"{name} {figures[test] / best:.2f}" for name, figures in results.items() if name.startswith("ours"))
            ratio = f"   to the best peer: {ratio}"
        print(f"  {kind:<7}{test:<13}{'   '.join(cells)}{ratio}", flush=True)


def parse():
    parser = argparse.ArgumentParser(description="Times prompts and generation, ours, llama.cpp's and transformers'.")
    process.add_options(parser)
    parser.add_argument("--library", type=pathlib.Path, help="ours; default: the one beside the command")
    parser.add_argument("--types", type=process.names, default=TYPES)
    parser.add_argument("--prompts", type=process.numbers, default=[128, 512])
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--repeat", type=int, default=3, help="turns of a process")
    parser.add_argument("--short", action="store_true", help="one round of one turn: does it work?")
    args = parser.parse_args()
    if args.short:
        args.rounds = args.repeat = 1
    args.sizes = generate.Sizes(args.prompts, args.tokens, args.repeat)
    args.llama, missing = process.find_llama()
    if missing:
        print(f"LLAMA.CPP IS NOT MEASURED: {missing}")
    args.about = {}
    return args


def main():
    args = parse()
    work = process.ROOT / "build/bench-generate"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    if "bf16" in args.types and args.python:
        models.prepare_folders(args, work / "models")
    print(f"{args.model}, {args.threads} threads; {args.rounds} rounds of {args.sizes.repeat} turns; "
          f"load average {os.getloadavg()[0]:.2f}; tokens/s, and seconds to the first token", flush=True)
    results = {}
    for kind in args.types:
        path = work / f"{kind}.gguf"
        models.write_model(args, path, kind)
        results[kind] = measure(args, work, kind, path)
        print_row(kind, results[kind])
        path.unlink()
    print(json.dumps({"results": results, "threads": args.threads, "about": args.about}))
    shutil.rmtree(work)


if __name__ == "__main__":
    try:
        main()
    except process.Failed as e:
        sys.exit(f"bench_generate: {e}")
