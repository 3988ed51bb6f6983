"""The table of `make bench`: what is compared with what, and the ratio to reach.

A row takes one figure of a job (jobs.py): of our columns, and of the peers, of which the best counts. The ratio is
    MORE     ours / theirs, at least what is to be reached
    LESS     ours / theirs, at most that
    FASTER   theirs / ours, of seconds, at least that
What is to be reached depends on the instruction set that our program runs on: a row of GOAL names sets, and "else" all
others. To add a row: a line here, and a runner in jobs.py where no job has that figure yet.
"""
import collections

from .jobs import COMPACT, SHAPES, TYPES

MORE, LESS, FASTER = "more", "less", "faster"
Row = collections.namedtuple("Row", "name what job figure unit sense ours peers goal")

OURS = ("ours", "ours int8")
BEST_PEFT = ("peft-best", "peft-bf16")  # all bf16 and tcmalloc, compiled or not
ANY_PEFT = (*BEST_PEFT, "peft-eager")
BY_WIDTH = {"amx": 6, "avx512bf16": 3, "else": 2}


def training():
    speed = ("tokens_per_s", "tokens/s", MORE, OURS)
    rows = []
    for batch, seq_len in ((4, 256), (1, 1024)):
        size, what = f"{batch}x{seq_len}", f"LoRA training, {batch} x {seq_len} tokens"
        rows += [Row(f"train-{size}-eager", f"{what}, PEFT as it is run", f"train-{size}", *speed, ("peft-eager",), BY_WIDTH),
                 Row(f"train-{size}-best", f"{what}, PEFT at its best", f"train-{size}", *speed, BEST_PEFT, {"amx": 3, "else": 2})]
    return rows + [
        Row("memory", "peak memory of training", "train-4x256", "peak_rss_bytes", "bytes", LESS, OURS, BEST_PEFT, {"else": 0.35}),
        Row("memory-4bit", "peak memory of training on a 4-bit base", "train-4x256", "peak_rss_bytes", "bytes", LESS,
            ("ours q4_1", "ours q4_1 int8"), BEST_PEFT, {"else": 0.25}),
        Row("first-step", "command to the first finished step", "train-4x256", "time_to_first_step", "s", LESS, OURS, ("peft-eager",),
            {"else": 0.1}),
        Row("wall-clock", "{wall_steps} steps, command to saved adapter", "wall-clock", "seconds", "s", FASTER, OURS, ANY_PEFT,
            {"else": 4}),
        Row("loss", "validation loss after {wall_steps} steps, our f32", "loss", "validation_loss", "nats", LESS, OURS, ("own-f32",),
            {"else": 1.005}),
        Row("qlora", "training on a q4_1 base, our bf16 base", "qlora", *speed, ("own-bf16",), {"else": 0.85}),
    ]


def generation():
    rows = []
    for kind in TYPES:
        ours, job = OURS if kind.startswith("q") else OURS[:1], f"generate {kind}"
        rows += [Row(f"prompt-{n}-{kind}", f"prompt of {n} tokens, {kind}", job, f"prompt {n}", "tokens/s", MORE, ours,
                     ("llama.cpp", "transformers"), {"amx": 1.5, "else": 1.2}) for n in (128, 512)]
        rows += [
            Row(f"tokens-{kind}", f"128 single tokens, {kind}", job, "tokens 128", "tokens/s", MORE, ours, ("llama.cpp",), {"else": 1.1}),
            Row(f"reading-{kind}", f"weights read for a token, {kind}", job, "weights_gb_per_s", "GB/s", MORE, ours, ("memory",),
                {"else": 0.8}),
            Row(f"first-token-{kind}", f"file to first token, {kind}", job, "first token", "s", LESS, ours, ("llama.cpp",), {"else": 1.0}),
        ]
    return rows


def products():
    rows = []
    for shape in SHAPES:
        job = f"product {shape}"
        peak = 0.7 if shape == SHAPES[0] else 0.6
        for kind in ("bf16", "f32"):
            rows += [
                Row(f"product-{shape}-{kind}", f"{shape}, {kind}, torch", job, kind, "GFLOP/s", MORE, ("ours",), ("torch",), {"else": 1.0}),
                Row(f"peak-{shape}-{kind}", f"{shape}, {kind}, the instruction alone", job, kind, "GFLOP/s", MORE, ("ours",), ("peak",),
                    {"else": peak}),
            ]
        rows += [Row(f"product-{shape}-{kind}", f"{shape}, {kind}, our bf16", job, kind, "GFLOP/s", MORE, OURS, ("own-bf16",),
                     {"else": 0.9}) for kind in COMPACT]
    return rows


ROWS = [*training(), *generation(), *products()]


def goal_of(row, isa):
    return row.goal.get(isa, row.goal["else"])
