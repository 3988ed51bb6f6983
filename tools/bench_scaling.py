#!/usr/bin/env python3
"""How the cost of training and of generation grows: `make bench-scaling`. No other program is needed.

    python3 tools/bench_scaling.py [--only seq,rank,batch,threads,size] [--repeat 2] [--short] [--tool build/bin/efficientai]

One variable of CURVES changes at a time, all else is as in `efficientai bench`: rank 8 on all linear layers, 4 x 256 tokens, the
shapes of SmolLM2-135M filled with random numbers. A point is a process of `bench train`, and where the variable means
something to it one of `bench generate`. bench/results/MACHINE-scaling.json gets every point as soon as it is measured, and
keeps the others that it has; MACHINE-scaling-VARIABLE.svg is the plot. A point that the machine has no memory for is kept
as missing, with the reason. Start at main.
"""
import argparse
import collections
import datetime
import os
import pathlib
import sys

from benches import jobs, plot, process, results

MODELS = {135: "random:135m", 360: "random:360m", 1700: "random:1.7b"}
CONTEXT, TOKENS = 8192, 16  # of these models; generated behind a prompt whose length changes
Curve = collections.namedtuple("Curve", "label values train generate")  # options of both commands; generate: None, not run


def curves(args):
    """{variable: how it is given to the commands}; a value is a number, for the axis."""
    powers = sorted({n for n in (2 ** i for i in range(12)) if n < args.threads} | {args.threads})
    model, tokens = [MODELS[135]], ["--prompts", "512", "--tokens", "64"]
    return {
        "seq": Curve("tokens of a row or prompt", [2 ** i for i in range(7, 14)],
                     lambda v: [*model, "--batch-size", 1, "--seq-len", v],
                     lambda v: [*model, "--prompts", min(v, CONTEXT - TOKENS - 1), "--tokens", TOKENS]),
        "rank": Curve("rank", [2 ** i for i in range(2, 9)], lambda v: [*model, "--rank", v], None),
        "batch": Curve("rows of 256 tokens", [1, 2, 4, 8, 16], lambda v: [*model, "--batch-size", v, "--seq-len", 256], None),
        "threads": Curve("threads", powers, lambda v: [*model, "--threads", v], lambda v: [*model, *tokens, "--threads", v]),
        "size": Curve("million parameters", list(MODELS), lambda v: [MODELS[v]], lambda v: [MODELS[v], *tokens]),
    }


def run(args, command, options):
    more = [] if "--threads" in options else ["--threads", args.threads]
    return process.run_json([args.tool, "bench", command, *options, *more, "--json", "--repeat", args.repeat, "--dtype", args.dtype],
                            args.threads)


def train(args, options):
    report = run(args, "train", options)
    row = report["rows"][0]
    return {"train tokens/s": row["tokens_per_s"], "planned MB": row["planned_mb"], "weights MB": row["weights_mb"],
            "peak RSS MB": report["peak_rss_mb"]}


def generate(args, options):
    prompt, single = run(args, "generate", options)["rows"]
    return {"prompt tokens/s": prompt["tokens_per_s"], "generate tokens/s": single["tokens_per_s"]}


def point(args, curve, value):
    """What is known of one value; a failure is kept as what it is."""
    figures, missing = {}, {}
    for name, how, options in (("train", train, curve.train), ("generate", generate, curve.generate)):
        try:
            figures.update(how(args, options(value)) if options else {})
        except process.Failed as e:
            missing[name] = jobs.reason_of(e)
    about = {"date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d"), "repeat": args.repeat, "dtype": args.dtype,
             "load_before": round(os.getloadavg()[0], 2)}
    return {**{k: results.rounded(v) for k, v in figures.items()}, **({"missing": missing} if missing else {}), **about}


def draw(path, machine, variable, curve, points):
    """Speed and memory over the variable, of all points that the file has."""
    def line(figure):
        return {int(v): p[figure] for v, p in points.items() if figure in p}

    speed = {name: line(f"{name} tokens/s") for name in ("train", "prompt", "generate")}
    memory = {name: line(f"{name} MB") for name in ("planned", "weights")}
    title = f"{machine['cpu']}, {machine['isa']}, {machine['threads']} threads: {curve.label}"
    page = plot.panels(title, curve.label, [int(v) for v in sorted(points, key=int)],
                       [("tokens/s", {k: v for k, v in speed.items() if v}), ("MB, training", {k: v for k, v in memory.items() if v})])
    path.with_name(f"{path.stem}-{variable}.svg").write_text(page, encoding="utf-8")


def parse():
    parser = argparse.ArgumentParser(description="How cost grows with one variable at a time.")
    process.add_options(parser, peers=False)
    parser.add_argument("--only", type=process.names, default=[], help="variables; default: all")
    parser.add_argument("--repeat", type=int, default=2, help="turns; medians are kept")
    parser.add_argument("--dtype", default="auto", help="precision of products")
    parser.add_argument("--output", type=pathlib.Path, help="folder of the results [bench/results; build/bench/results with --short]")
    parser.add_argument("--short", action="store_true", help="the first two points of each: does it work?")
    args = parser.parse_args()
    unknown = [name for name in args.only if name not in curves(args)]
    if unknown:
        parser.error(f"--only: '{unknown[0]}' is not one of {', '.join(curves(args))}")
    args.output = args.output or process.ROOT / ("build/bench/results" if args.short else "bench/results")
    args.repeat = 1 if args.short else args.repeat
    return args


def main():
    args = parse()
    machine = results.machine_of(args)
    path = args.output / f"{results.slug_of(machine)}-scaling.json"
    for variable, curve in curves(args).items():
        if args.only and variable not in args.only:
            continue
        for value in curve.values[:2] if args.short else curve.values:
            known = point(args, curve, value)
            said = [f"{k} {known[k]:g}" for k in known if "/s" in k or "MB" in k]
            said += [f"{k}: {v}" for k, v in known.get("missing", {}).items()]
            print(f"{variable} {value}: {', '.join(said)}", flush=True)
            everything = results.merge(path, machine, "curves", {variable: {str(value): known}}, levels=2)
            draw(path, machine, variable, curve, everything["curves"][variable])
    print(os.path.relpath(path))


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
