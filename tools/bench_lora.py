#!/usr/bin/env python3
"""How fast this program trains an adapter, and how fast transformers + PEFT do: `make bench-lora`.

    tools/peers.sh tools/bench_lora.py [--tool build/bin/efficientai] [--model NAME|FILE.gguf] [--rounds 3] [--short]

Both train the same adapter (rank 8, all linear layers) on the same rows in the same order, 4 x 256 tokens a step, no
padding, every token learned, with the same number of threads, each run in a process of its own. A round runs each of our
two precisions and each of PEFT's configurations (tools/oracles/peft_speed.py) once, ours and theirs by turns. What is
compared are medians of the rounds, of
    tokens/s             the median of the steps after the warm-up
    peak RSS             of the process, as the system counts it
    time to first step   from the start of the process to the line that tells of its first step
The ratios are our default against the PEFT configuration with the most tokens/s. The last line is one JSON object. That
both trained on the same thing shows in the loss of the first step, before which no adapter changes anything: when it
differs, there is no result. Start at main; the columns are made in run().
"""
import argparse
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
PEER = ROOT / "tools/oracles/peft_speed.py"
ROWS = ROOT / "projects/lora-finetuning-mlx/data/train.jsonl"
BATCH, SEQ_LEN, RANK = 4, 256, 8
CHARACTERS = 8 * SEQ_LEN  # of a row: more than enough for SEQ_LEN tokens of these texts
OURS = {"ours default": "auto", "ours f32": "f32"}
PEFT = ["f32", "autocast", "bf16-weights", "bf16-all"]
SLOW = 0.5  # a PEFT configuration below this share of the fastest is run in the first round only
SAME_LOSS = {"f32": 1e-3, "other": 2e-2}  # relative to PEFT's in f32
# How a process is started, so that it looks for nothing in the network and takes no more threads than it is told.
QUIET = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error", "HF_HUB_DISABLE_PROGRESS_BARS": "1",
         "TOKENIZERS_PARALLELISM": "false"}


def write_rows(path, n):
    """n rows of text, each longer than SEQ_LEN tokens: the contents of the demo's chats, one after the other."""
    texts = []
    with open(ROWS, encoding="utf-8") as f:
        for line in f:
            texts += [m["content"] for m in json.loads(line)["messages"][1:]]
    text = "\n".join(texts)
    text *= n * CHARACTERS // len(text) + 1
    with open(path, "w", encoding="utf-8") as f:
        for i in range(n):
            f.write(json.dumps({"text": text[i * CHARACTERS: (i + 1) * CHARACTERS]}) + "\n")


def run(argv, first_step, threads):
    """(seconds from the start to the line `first_step`, peak RSS in bytes, all lines) of a process."""
    env = {**os.environ, **QUIET, "OMP_NUM_THREADS": str(threads)}
    start, first, lines = time.monotonic(), None, []
    child = subprocess.Popen([str(a) for a in argv], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                             text=True, encoding="utf-8", errors="replace")
    for line in child.stdout:
        if first is None and re.match(first_step, line):
            first = time.monotonic() - start
        lines.append(line.rstrip())
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode or first is None:
        sys.exit("\n".join(lines[-15:]) + f"\nbench_lora: exit status {child.returncode} of {argv[0]} {argv[1]}")
    return first, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024), lines


def result_of(report, first, rss, warm_up):
    seconds = statistics.median(report["step_seconds"][warm_up:])
    return {"tokens_per_s": BATCH * SEQ_LEN / seconds, "step_seconds": seconds, "peak_rss_bytes": rss,
            "time_to_first_step": first, "first_loss": report["loss"][0]}


def run_ours(args, work, dtype):
    output = work / "adapter"
    shutil.rmtree(output, ignore_errors=True)
    argv = [args.tool, "lora-finetuning-mlx:train", "--model", args.model, "--data", work / "data", "--output", output,
            "--batch-size", BATCH, "--seq-len", SEQ_LEN, "--rank", RANK, "--alpha", 2 * RANK, "--targets", "all",
            "--steps", args.steps, "--save-every", 0, "--no-shuffle", "--threads", args.threads, "--dtype", dtype]
    first, rss, _ = run(argv, r"train +1/", args.threads)
    report = json.loads((output / "report.json").read_text())
    data, n = report["data"], args.steps * BATCH
    if data["cut"] != n or report["tokens"] != n * SEQ_LEN or report["learned_tokens"] != n * (SEQ_LEN - 1):
        sys.exit(f"bench_lora: the rows are not {n} of {SEQ_LEN} tokens: {data}")
    result = result_of(report, first, rss, args.warm_up)
    return {**result, "dtype": report["backend"]["dtype"], "isa": report["backend"]["isa"]}


def run_peft(args, work, config):
    argv = [args.python, PEER, "train", work / "models", work / "data/train.jsonl", "--config", config, "--batch", BATCH,
            "--seq-len", SEQ_LEN, "--rank", RANK, "--threads", args.threads, "--steps", args.steps]
    first, rss, lines = run(argv, r"step 1:", args.threads)
    report = json.loads(lines[-1])
    if report["threads"] != args.threads:
        sys.exit(f"bench_lora: PEFT ran with {report['threads']} threads, not {args.threads}")
    return {**result_of(report, first, rss, args.warm_up), "isa": report["isa"], "versions": report["versions"]}


def columns(r):
    return (f"{r['tokens_per_s']:9.1f} tokens/s {r['step_seconds']:7.3f} s a step {r['peak_rss_bytes'] / 1e6:7.0f} MB "
            f"{r['time_to_first_step']:7.2f} s to the first step   loss {r['first_loss']:.4f}")


def one_round(args, work, results, configs):
    """Ours and theirs by turns."""
    ours = list(OURS.items())
    for i, config in enumerate(configs):
        name, dtype = ours[i % len(ours)]
        if i < len(ours):
            results[name].append(run_ours(args, work, dtype))
            print(f"  {name:<18}{columns(results[name][-1])}", flush=True)
        name = f"peft {config}"
        results[name].append(run_peft(args, work, config))
        print(f"  {name:<18}{columns(results[name][-1])}", flush=True)


def fast_enough(results, configs):
    """The configurations that may still turn out to be the fastest; at least two, for ours to take turns with."""
    rate = {c: results[f"peft {c}"][0]["tokens_per_s"] for c in configs}
    order = sorted(configs, key=rate.get, reverse=True)
    keep = [c for i, c in enumerate(order) if i < len(OURS) or rate[c] >= SLOW * rate[order[0]]]
    return [c for c in configs if c in keep]


def check_losses(results):
    expected = results["peft f32"][0]["first_loss"]
    for name, rounds in results.items():
        allowed = SAME_LOSS["f32" if name == "ours f32" else "other"]
        for r in rounds:
            if not abs(r["first_loss"] / expected - 1) <= allowed:
                sys.exit(f"bench_lora: the first loss of '{name}' is {r['first_loss']}, PEFT's in f32 {expected}: "
                         "they do not train on the same thing")


def median_of(rounds):
    digits = {"tokens_per_s": 1, "step_seconds": 4, "peak_rss_bytes": 0, "time_to_first_step": 2, "first_loss": 5}
    median = {k: round(statistics.median(r[k] for r in rounds), n) for k, n in digits.items()}
    return {**rounds[0], **median, "rounds": len(rounds)}


def summarize(args, results):
    medians = {name: median_of(rounds) for name, rounds in results.items()}
    best = max((n for n in medians if n.startswith("peft")), key=lambda n: medians[n]["tokens_per_s"])
    ours, peft = medians["ours default"], medians[best]
    print(f"\nmedians ({ours['isa']}; the default is {ours['dtype']} here; torch says {peft['isa']})")
    for name, r in medians.items():
        print(f"  {name:<18}{columns(r)}")
    ratio = {k: ours[k] / peft[k] for k in ("tokens_per_s", "peak_rss_bytes", "time_to_first_step")}
    print(f"\nours default / {best}: tokens/s {ratio['tokens_per_s']:.2f}, peak RSS {ratio['peak_rss_bytes']:.2f}, "
          f"time to first step {ratio['time_to_first_step']:.2f}")
    f32 = medians["ours f32"]["tokens_per_s"] / medians["peft f32"]["tokens_per_s"]
    print(f"ours f32 / peft f32: tokens/s {f32:.2f}")
    print(json.dumps({"ours": ours, "peft": {"config": best.removeprefix("peft "), **peft},
                      "ratio_tokens_per_s": round(ratio["tokens_per_s"], 3),
                      "ratio_peak_rss": round(ratio["peak_rss_bytes"], 3),
                      "ratio_time_to_first_step": round(ratio["time_to_first_step"], 3), "isa": ours["isa"],
                      "threads": args.threads, "load_before": round(args.load, 2), "all": medians}))


def model_file(args):
    if os.path.exists(args.model):
        return args.model
    done = subprocess.run([args.tool, "models", "path", args.model], capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr.strip())
    return done.stdout.strip()


def parse():
    parser = argparse.ArgumentParser(description="Times LoRA training, ours and PEFT's.")
    parser.add_argument("--tool", default=ROOT / "build/bin/efficientai")
    parser.add_argument("--python", default=os.environ.get("EFFICIENTAI_PEERS_PYTHON"),
                        help="an interpreter with PEFT; tools/peers.sh makes and names one")
    parser.add_argument("--model", default="smollm2-135m-instruct", help="a known model or a GGUF file")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0))
                        if hasattr(os, "sched_getaffinity") else os.cpu_count())
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=8, help="of a run, with the warm-up")
    parser.add_argument("--warm-up", type=int, default=2)
    parser.add_argument("--short", action="store_true", help="one round of few steps: does it work?")
    args = parser.parse_args()
    if args.short:
        args.rounds, args.steps, args.warm_up = 1, 3, 1
    if args.rounds < 1 or args.threads < 1 or not 0 < args.warm_up < args.steps:
        parser.error("--rounds and --threads must be at least 1, --warm-up at least 1 and less than --steps")
    if not args.python:
        parser.error("no interpreter with PEFT: run this by tools/peers.sh, or name one with --python")
    return args


def main():
    args = parse()
    args.load = os.getloadavg()[0]
    work = ROOT / "build/bench-lora"
    shutil.rmtree(work, ignore_errors=True)
    (work / "data").mkdir(parents=True)
    write_rows(work / "data/train.jsonl", args.steps * BATCH)
    print(f"{args.model}, rank {RANK} on all linear layers, {BATCH} x {SEQ_LEN} tokens, {args.threads} threads; "
          f"{args.rounds} rounds of {args.warm_up} + {args.steps - args.warm_up} steps; load average {args.load:.2f}",
          flush=True)
    subprocess.run([args.python, PEER, "prepare", work / "models", "--model", model_file(args)], check=True,
                   env={**os.environ, **QUIET})
    results = {name: [] for name in [*OURS, *(f"peft {c}" for c in PEFT)]}
    configs = PEFT
    for i in range(args.rounds):
        print(f"round {i + 1}", flush=True)
        one_round(args, work, results, configs)
        configs = fast_enough(results, configs) if i == 0 else configs
    check_losses(results)
    summarize(args, results)
    shutil.rmtree(work)


if __name__ == "__main__":
    main()
