#!/usr/bin/env python3
"""How fast this program reads prompts and generates, and how fast llama.cpp and transformers do: `make bench-generate`.

    tools/peers.sh tools/bench_generate.py [--tool build/bin/efficientai] [--model NAME|FILE.gguf] [--types bf16,q8_0,...]
                                           [--rounds 3] [--short]

The same model in several storage types, as GGUF files that our library writes. For each, every program takes its turn in every
round, in a process of its own with the same number of threads: ours with its default precision and in 8 bits (where the
weights are quantized; llama.cpp always rounds to 8 bits there), llama.cpp on the same file, and for bf16 transformers on
the same weights. What is compared are medians of all turns of
    prompt N       tokens/s of a prompt of N random tokens, logits of the last one
    tokens N       tokens/s of N single tokens after a prompt of one
    first token    seconds from opening the file to the first token, the process and its imports not counted
llama.cpp is llama-cpp-python's, in the environment EFFICIENTAI_LLAMA_CPP names (docs/testing.md says how to build it);
without it that column is missing, and this says so. The last line is one JSON object. Start at main.
"""
import argparse
import ctypes
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys

from bench_lora import QUIET, ROOT, model_file

sys.path.insert(0, str(ROOT / "tools/oracles"))
import our_library  # noqa: E402

LLAMA = ROOT / "tools/oracles/llama_speed.py"
TRANSFORMERS = ROOT / "tools/oracles/transformers_speed.py"
PREPARE = ROOT / "tools/oracles/peft_speed.py"
TYPES = ["bf16", "f16", "q8_0", "q4_1", "q4_0"]
QUANTIZED = "q"  # how the names of those types begin


def run(argv, threads):
    """The JSON object on the last line that a process prints."""
    env = {**os.environ, **QUIET, "OMP_NUM_THREADS": str(threads)}
    done = subprocess.run([str(a) for a in argv], env=env, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{done.stderr.strip()}\nbench_generate: exit status {done.returncode} of {argv[0]} {argv[1]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def sizes(args):
    return ["--prompts", ",".join(map(str, args.prompts)), "--tokens", args.tokens, "--threads", args.threads, "--repeat", args.repeat]


def ours(args, path, dtype):
    """{test: tokens/s of the turns' median} and seconds to the first token."""
    report = run([args.tool, "bench", "generate", path, "--json", "--dtype", dtype, *sizes(args)], args.threads)
    result = {row["test"]: row["tokens_per_s"] for row in report["rows"]}
    last = report["rows"][-1]
    return {**result, "first token": last["first_token_seconds"], "of reading": last["share_of_read"]}, report["isa"]


def theirs(args, argv):
    report = run([*argv, *sizes(args)], args.threads)
    result = {f"prompt {n}": int(n) / statistics.median(seconds) for n, seconds in report["prompts"].items()}
    result[f"tokens {report['n_tokens']}"] = report["n_tokens"] / statistics.median(report["tokens"])
    return {**result, "first token": report["first_token_seconds"]}, f"{report['version']} {report['system']}"


def programs(args, work, kind, path):
    """{column: a function that measures once}"""
    columns = {"ours": lambda: ours(args, path, "auto")}
    if args.llama:
        columns["llama.cpp"] = lambda: theirs(args, [args.llama, LLAMA, path])
    if kind.startswith(QUANTIZED):
        columns["ours int8"] = lambda: ours(args, path, "int8")
    if kind == "bf16" and args.python:
        columns["transformers"] = lambda: theirs(args, [args.python, TRANSFORMERS, work / "models/bf16"])
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
        print(f"  {kind:<6}{test:<13}{'   '.join(cells)}{ratio}", flush=True)


def write_model(args, path, kind):
    """The model as a GGUF file with its matrices in that type."""
    lib = our_library.Library(args.library)
    weights, model, number = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_int()
    if not lib.eai_dtype_from_name(ctypes.byref(number), kind.encode()):
        sys.exit(f"bench_generate: no storage type is called '{kind}'")
    lib.check(lib.eai_weights_open(ctypes.byref(weights), model_file(args).encode(), lib.error))
    lib.check(lib.eai_model_load(ctypes.byref(model), weights, lib.error))
    lib.check(lib.eai_adapter_merge_gguf(None, model, str(path).encode(), number, lib.error))
    lib.eai_model_free(model)
    lib.eai_weights_close(weights)


def find_llama():
    folder = os.environ.get("EFFICIENTAI_LLAMA_CPP")
    if folder:
        return pathlib.Path(folder) / "bin/python"
    print("LLAMA.CPP IS NOT MEASURED: EFFICIENTAI_LLAMA_CPP names no environment (docs/testing.md, \"Other tools\")")
    return None


def parse():
    parser = argparse.ArgumentParser(description="Times prompts and generation, ours, llama.cpp's and transformers'.")
    parser.add_argument("--tool", default=ROOT / "build/bin/efficientai")
    parser.add_argument("--library", default=ROOT / f"build/lib/libefficientai.{'dylib' if sys.platform == 'darwin' else 'so'}")
    parser.add_argument("--python", default=os.environ.get("EFFICIENTAI_PEERS_PYTHON"),
                        help="an interpreter with transformers; tools/peers.sh makes and names one")
    parser.add_argument("--model", default="smollm2-135m-instruct", help="a known model or a GGUF file")
    parser.add_argument("--types", type=lambda text: text.split(","), default=TYPES)
    parser.add_argument("--prompts", type=lambda text: [int(n) for n in text.split(",")], default=[128, 512])
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0))
                        if hasattr(os, "sched_getaffinity") else os.cpu_count())
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--repeat", type=int, default=3, help="turns of a process")
    parser.add_argument("--short", action="store_true", help="one round of one turn: does it work?")
    args = parser.parse_args()
    if args.short:
        args.rounds = args.repeat = 1
    args.llama = find_llama()
    args.about = {}
    return args


def main():
    args = parse()
    work = ROOT / "build/bench-generate"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    if "bf16" in args.types and args.python:
        subprocess.run([args.python, PREPARE, "prepare", work / "models", "--model", model_file(args)], check=True,
                       env={**os.environ, **QUIET})
    print(f"{args.model}, {args.threads} threads; {args.rounds} rounds of {args.repeat} turns; "
          f"load average {os.getloadavg()[0]:.2f}; tokens/s, and seconds to the first token", flush=True)
    results = {}
    for kind in args.types:
        path = work / f"{kind}.gguf"
        write_model(args, path, kind)
        results[kind] = measure(args, work, kind, path)
        print_row(kind, results[kind])
        path.unlink()
    print(json.dumps({"results": results, "threads": args.threads, "about": args.about}))
    shutil.rmtree(work)


if __name__ == "__main__":
    main()
