#!/usr/bin/env python3
"""This program beside PEFT, transformers, llama.cpp and torch, and beside what the machine allows: `make bench`.

    tools/peers.sh python3 tools/bench.py [--against NAME,...] [--rows NAME,...] [--rounds N] [--short] [--list]

The table benches/rows.py says what is compared, with which peer and what ratio is to be reached; --list prints it. Both sides take
turns in this call, each run in a process of its own with the same number of threads, and medians count. --rows takes names and
patterns ('train-*'), --against the only peers that are run. A peer that this machine lacks is said in a line and left out.

bench/results/MACHINE.json gets every row as soon as it is measured, and keeps the others that it has; MACHINE.svg is its plot.
MACHINE is the processor, the instruction set and the number of threads. --short shows within minutes that every row works: its
figures mean little and go to build/bench. Start at main.
"""
import argparse
import fnmatch
import os
import pathlib
import sys
import tempfile

from benches import jobs, plot, process, results
from benches.rows import ROWS, goal_of

PATHS = ["--tool", "--library", "--python", "--output", "--model"]  # options that are kept out of the results
NAMES = [*jobs.PEERS, *jobs.SELF]


def choose(args):
    """The rows that are asked for, with a peer that is."""
    for pattern in args.rows:
        if not fnmatch.filter([r.name for r in ROWS], pattern):
            sys.exit(f"bench: no row is called '{pattern}' (--list prints them)")
    named = [r for r in ROWS if not args.rows or any(fnmatch.fnmatch(r.name, p) for p in args.rows)]
    return [r for r in named if not args.against or set(r.peers) & set(args.against)]


def print_list(rows, isa):
    for r in rows:
        sign = "<=" if r.sense == "less" else ">="
        print(f"  {r.name:<31}{' or '.join(r.peers):<35}{sign} {goal_of(r, isa):<6g}{r.what.format(wall_steps=jobs.FULL.wall_steps)}")


def command_of(argv):
    """The options that were given, less paths of this machine."""
    kept, skip = [], False
    for word in argv:
        paths = word.split("=")[0] in PATHS
        if not skip and not paths:
            kept.append(word)
        skip = paths and "=" not in word
    return " ".join(["tools/bench.py", *kept])


def draw(path, everything):
    """The plot of all rows that the file has, in the table's order."""
    machine, rows = everything["machine"], everything["rows"]
    lines = []
    for row in [r for r in ROWS if r.name in rows]:
        known = rows[row.name]
        ratios = [(of["ratio"], of["reached"]) for of in known["ours"].values() if "ratio" in of]
        (sign, goal), = known["to_reach"].items()
        lines.append((known["what"], ratios, "\u2264" if sign == "at_most" else "\u2265", goal, known.get("peer", "")))
    title = f"ratio to the peer: {machine['cpu']}, {machine['isa']}, {machine['threads']} threads"
    path.with_suffix(".svg").write_text(plot.bars(title, lines), encoding="utf-8")


def measure(args, rows, bench, machine, path):
    """Job by job, in the table's order; returns the judged rows."""
    judged = {}
    for job in dict.fromkeys(r.job for r in rows):
        of_job = [r for r in rows if r.job == job]
        measured = bench.measure(job, list(dict.fromkeys(c for r in of_job for c in (*r.ours, *r.peers))))
        common = {"model": pathlib.Path(args.model).name,
                  **results.about(measured, command_of(sys.argv[1:]), bench.extent, args.short)}
        what = {r.name: r.what.format(wall_steps=bench.extent.wall_steps) for r in of_job}
        new = {r.name: {"what": what[r.name], **results.judge(r, measured, machine["isa"], bench.wanted), **common} for r in of_job}
        for column, reason in measured.missing.items():
            print(f"  {column} is left out: {reason}")
        for name, r in new.items():
            print(results.line_of(name, r), flush=True)
        draw(path, results.merge(path, machine, "rows", new))
        judged.update(new)
    return judged


def parse():
    parser = argparse.ArgumentParser(description="Our program beside its peers.")
    process.add_options(parser)
    parser.add_argument("--library", type=pathlib.Path, help="ours; default: the one beside the command")
    parser.add_argument("--against", type=process.names, default=[], help=f"the only peers that are run: {', '.join(NAMES)}")
    parser.add_argument("--rows", type=process.names, default=[], help="names or patterns; default: all")
    parser.add_argument("--rounds", type=int, help=f"turns of every program [{jobs.FULL.rounds}]")
    parser.add_argument("--output", type=pathlib.Path, help="folder of the results [bench/results; build/bench/results with --short]")
    parser.add_argument("--short", action="store_true", help="one round of little: does it work?")
    parser.add_argument("--list", action="store_true", help="print the rows and stop")
    args = parser.parse_args()
    unknown = [name for name in args.against if name not in NAMES]
    if unknown:
        parser.error(f"--against: '{unknown[0]}' is not one of {', '.join(NAMES)}")
    if args.threads < 1 or args.rounds is not None and args.rounds < 1:
        parser.error("--rounds and --threads must be at least 1")
    return args


def main():
    args = parse()
    rows = choose(args)
    machine = results.machine_of(args)
    if args.list:
        return print_list(rows, machine["isa"])
    extent = jobs.SHORT if args.short else jobs.FULL
    extent = extent._replace(rounds=args.rounds or extent.rounds)
    folder = args.output or process.ROOT / ("build/bench/results" if args.short else "bench/results")
    path = folder / f"{results.slug_of(machine)}.json"
    print(f"{machine['cpu']}, {machine['isa']}, {args.threads} threads; {len(rows)} rows, {extent.rounds} rounds", flush=True)
    (process.ROOT / "build/bench").mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="work-", dir=process.ROOT / "build/bench") as work:
        bench = jobs.Bench(args, extent, pathlib.Path(work))
        for column, reason in bench.missing.items():
            print(f"{column.upper()} IS NOT MEASURED: {reason}", flush=True)
        judged = measure(args, rows, bench, machine, path)
    print("\nours, the peer that counts, the ratio, what is to be reached" + ("; SHORT: these figures mean little" if args.short else ""))
    for name, r in judged.items():
        print(results.line_of(name, r))
    print(f"\n{os.path.relpath(path)} and its plot {os.path.relpath(path.with_suffix('.svg'))}")


if __name__ == "__main__":
    try:
        main()
    except process.Failed as e:
        sys.exit(f"bench: {e}")
    except KeyboardInterrupt:
        sys.exit(130)  # what was measured is in the file
