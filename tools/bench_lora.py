#!/usr/bin/env python3
"""How fast this program trains an adapter in each of its precisions, and PEFT in each of its configurations: `make bench-lora`.

    tools/peers.sh tools/bench_lora.py [--tool build/bin/efficientai] [--model NAME|FILE.gguf] [--rounds 3] [--short]

Rank 8 on all linear layers, 4 x 256 tokens; benches/lora.py says what a run is and what is measured. A round runs each of
our two precisions and each of PEFT's eager configurations (tools/oracles/peft_speed.py) once, ours and theirs by turns.
Medians of the rounds are compared; the ratios are our default against the PEFT configuration with the most tokens/s. The
last line is one JSON object. `make bench` has PEFT under torch.compile too, and the other rows. Start at main; the columns
are made in one_round().
"""
import argparse
import json
import os
import shutil
import statistics
import sys

from benches import lora, models, process

OURS = {"ours default": "auto", "ours f32": "f32"}
PEFT = ["f32", "autocast", "bf16-weights", "bf16-all"]
SLOW = 0.5  # a PEFT configuration below this share of the fastest is run in the first round only


def columns(r):
    return (f"{r['tokens_per_s']:9.1f} tokens/s {r['step_seconds']:7.3f} s a step {r['peak_rss_bytes'] / 1e6:7.0f} MB "
            f"{r['time_to_first_step']:7.2f} s to the first step   loss {r['first_loss']:.4f}")


def one_round(args, work, results, configs):
    """Ours and theirs by turns."""
    ours = list(OURS.items())
    for i, config in enumerate(configs):
        name, dtype = ours[i % len(ours)]
        if i < len(ours):
            results[name].append(lora.run_ours(args, args.job, work, args.model, dtype))
            print(f"  {name:<18}{columns(results[name][-1])}", flush=True)
        name = f"peft {config}"
        results[name].append(lora.run_peft(args, args.job, work, work / "models", config))
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
        for r in rounds:
            lora.check_loss(name, r, expected, "f32" if name == "ours f32" else "bf16")


def median_of(rounds):
    digits = {"tokens_per_s": 1, "step_seconds": 4, "peak_rss_bytes": 0, "time_to_first_step": 2, "seconds": 2, "first_loss": 5}
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


def parse():
    parser = argparse.ArgumentParser(description="Times LoRA training, ours and PEFT's.")
    process.add_options(parser)
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
    args.job = lora.Job(batch=4, seq_len=256, steps=args.steps, warm_up=args.warm_up)
    return args


def main():
    args = parse()
    args.load = os.getloadavg()[0]
    work = process.ROOT / "build/bench-lora"
    shutil.rmtree(work, ignore_errors=True)
    lora.write_rows(work / "data/train.jsonl", args.job)
    print(f"{args.model}, rank {lora.RANK} on all linear layers, {args.job.batch} x {args.job.seq_len} tokens, {args.threads} threads; "
          f"{args.rounds} rounds of {args.warm_up} + {args.steps - args.warm_up} steps; load average {args.load:.2f}",
          flush=True)
    models.prepare_folders(args, work / "models")
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
    try:
        main()
    except process.Failed as e:
        sys.exit(f"bench_lora: {e}")
