"""What is measured together: a job is some runners that take turns, each in processes of its own.

A runner fills columns ("ours", "llama.cpp", ...) with figures ("tokens_per_s", "prompt 128", ...); rows.py says which
figure of which columns is compared. What our own program is compared with besides other programs is a column too: the
instruction's own speed ("peak"), memory's ("memory"), our products or steps with bf16 weights ("own-bf16"), and what
training in f32 comes to ("own-f32").

A column that this machine cannot measure is missing, with the reason; so is one whose runner failed. Start at Bench.
"""
import collections
import os
import re
import shutil
import statistics
import subprocess
import time

from . import generate, lora, models, process, products
from .process import Failed

# columns: filled by a run; run: a function of nothing that returns {column: {figure: value}}; once: in the first round only
Runner = collections.namedtuple("Runner", "columns run once", defaults=(False,))
# columns: {column: {figure: median}}; missing: {column: reason}; about: versions and what else belongs to the figures
Measured = collections.namedtuple("Measured", "columns missing about")

# PEFT's columns: the configuration of tools/oracles/peft_speed.py, whether tcmalloc is preloaded where it is there
PEFT = {"peft-eager": ("bf16-weights", False), "peft-bf16": ("bf16-all", True), "peft-best": ("bf16-all-compile", True)}
BASE = "bf16"  # the storage type of the base that is trained on
COMPACT_BASE = "q4_1"
SHAPES = ["1024x576x1536", "1024x1536x576", "2048x2048x2048"]
COMPACT = ["q8_0", "q4_1"]
TYPES = ["bf16", "f16", "q8_0", "q4_0", "q4_1", "q4_K_M"]

# How much a call measures, and how much of it `--short` does.
Extent = collections.namedtuple("Extent", "rounds steps warm_up wall_steps repeat product_repeat")
FULL = Extent(rounds=2, steps=8, warm_up=2, wall_steps=200, repeat=2, product_repeat=15)
SHORT = Extent(rounds=1, steps=3, warm_up=2, wall_steps=20, repeat=1, product_repeat=3)  # a compiled step 2 may compile again


def reason_of(failed):
    """The last line that a process said before its exit status, without folders of this machine."""
    lines = str(failed).strip().splitlines()
    return re.sub(r"(?<![\w.~])/[^\s:]*/", "", lines[-2] if len(lines) > 1 else lines[-1])


# --- what this machine can measure ---


HAS = "import importlib.util, sys; sys.exit(any(importlib.util.find_spec(m) is None for m in sys.argv[1:]))"


def has_modules(python, *modules):
    try:
        return subprocess.run([python, "-c", HAS, *modules], capture_output=True).returncode == 0
    except OSError:
        return False


def missing_of_torch(args, *modules):
    if not args.python:
        return "no interpreter with torch: run by tools/peers.sh, or name one with --python"
    return None if has_modules(args.python, *modules) else f"{', '.join(modules)}: not in the interpreter of the peers"


def missing_peft(args):
    return missing_of_torch(args, "torch", "transformers", "peft")


def missing_peft_best(args):
    if not process.find_tcmalloc():
        return "tcmalloc is not installed (Debian: libtcmalloc-minimal4)"
    if not any(shutil.which(c) for c in (os.environ.get("CXX") or "g++", "c++", "clang++")):
        return "torch.compile needs a C++ compiler"
    return missing_peft(args)


def missing_llama(args):
    python, reason = process.find_llama()
    if python and not has_modules(python, "llama_cpp"):
        return "EFFICIENTAI_LLAMA_CPP: no llama_cpp in that environment"
    return reason


def missing_int8_training(args):
    done = subprocess.run([args.tool, "lora-finetuning-mlx:train", "--dtype", "int8", "--data", ".", "--print-config"], capture_output=True)
    return "training in 8 bits is not offered by this build" if done.returncode else None


# column: why this machine does not have it, or None. Every column but ours and those of our own program
PEERS = {
    "peft-eager": missing_peft,
    "peft-bf16": missing_peft,
    "peft-best": missing_peft_best,
    "transformers": lambda args: missing_of_torch(args, "torch", "transformers"),
    "torch": lambda args: missing_of_torch(args, "torch"),
    "llama.cpp": missing_llama,
}
SELF = ["own-bf16", "own-f32", "peak", "memory"]


# --- runners ---


def train_runners(bench, batch, seq_len):
    """Steps of training: speed, memory and the time to the first one."""
    job = lora.Job(batch, seq_len, bench.extent.steps, bench.extent.warm_up)
    work = bench.rows_for(job, f"train-{batch}x{seq_len}")
    inductor = work / "inductor"  # cold in the first round

    def ours(column, kind, dtype):
        def run():
            figures = lora.run_ours(bench.args, job, work, bench.model(kind), dtype)
            return {column: bench.same_loss(work, column, figures, "int8" if dtype == "int8" or kind != BASE else "bf16")}
        return run

    def peft(column):
        return lambda: {column: bench.same_loss(work, column, bench.run_peft(job, work, column, inductor), "bf16")}

    return [Runner(["ours"], ours("ours", BASE, "auto")),
            Runner(["peft-eager"], peft("peft-eager")),
            Runner(["ours int8"], ours("ours int8", BASE, "int8")),
            Runner(["peft-bf16"], peft("peft-bf16")),
            Runner(["ours q4_1"], ours("ours q4_1", COMPACT_BASE, "auto"), once=True),
            Runner(["ours q4_1 int8"], ours("ours q4_1 int8", COMPACT_BASE, "int8"), once=True),
            Runner(["peft-best"], peft("peft-best"))]


def wall_runners(bench):
    """The whole command. Only that variant of PEFT is run that steps of the training job say is the quickest."""
    job = lora.Job(4, 256, bench.extent.wall_steps, 1)
    work = bench.rows_for(job, "wall-clock")
    steps = bench.measure("train-4x256", list(PEFT), rounds=1).columns
    needed = {c: steps[c]["first_cold"] + (job.steps - 1) * steps[c]["step_seconds"] for c in PEFT if c in steps}
    bench.about["predicted_seconds"] = {c: round(s) for c, s in needed.items()}
    quickest = min(needed, key=needed.get) if needed else None

    def ours(column, dtype):
        return lambda: {column: lora.run_ours(bench.args, job, work, bench.model(BASE), dtype)}

    def peft():
        return {quickest: bench.run_peft(job, work, quickest, work / "inductor")}

    runners = [Runner(["ours"], ours("ours", "auto"), once=True), Runner(["ours int8"], ours("ours int8", "int8"), once=True)]
    return runners + ([Runner([quickest], peft, once=True)] if quickest else [])


def loss_runners(bench):
    """The demo's training in each precision: the loss on rows that were not trained on."""
    def ours(column, dtype):
        return lambda: {column: lora.run_demo(bench.args, bench.extent.wall_steps, bench.work / "loss", bench.model(BASE), dtype)}

    return [Runner([column], ours(column, dtype), once=True)
            for column, dtype in (("own-f32", "f32"), ("ours", "auto"), ("ours int8", "int8"))]


def qlora_runners(bench):
    """Steps on a base of 4 bits beside steps on the same base in bf16, taking turns in one process."""
    def run(column, dtype, kinds):
        def once():
            report = process.run_json([bench.args.tool, "bench", "train", *(bench.model(k) for k in kinds), "--json", "--dtype", dtype,
                                       "--threads", bench.args.threads, "--repeat", bench.extent.steps], bench.args.threads)
            named = dict(zip([column, "own-bf16"], report["rows"], strict=False))
            return {c: {"tokens_per_s": row["tokens_per_s"]} for c, row in named.items()}
        return once

    return [Runner(["ours", "own-bf16"], run("ours", "auto", [COMPACT_BASE, BASE])),
            Runner(["ours int8"], run("ours int8", "int8", [COMPACT_BASE]))]


def generate_runners(bench, kind):
    """Prompts and single tokens from a file of that storage type."""
    sizes = generate.Sizes([128, 512], 128, bench.extent.repeat)
    path = bench.model(kind)

    def ours(column, dtype):
        def run():
            figures, memory, _ = generate.run_ours(bench.args, sizes, path, dtype)
            figures["weights_gb_per_s"] = memory["weights_gb_per_s"]
            return {column: figures, "memory": {"weights_gb_per_s": memory["read_gb_per_s"]}}
        return run

    def llama():
        figures, bench.about["llama_cpp"], _ = generate.run_llama(bench.args, sizes, path)
        return {"llama.cpp": figures}

    def transformers():
        # its weights are in bf16 whatever the file's are; its prompts alone are compared
        figures, bench.about["transformers"], _ = generate.run_transformers(bench.args, sizes._replace(tokens=0), bench.folders() / "bf16")
        return {"transformers": figures}

    runners = [Runner(["ours", "memory"], ours("ours", "auto")), Runner(["llama.cpp"], llama), Runner(["transformers"], transformers)]
    return runners + ([Runner(["ours int8", "memory"], ours("ours int8", "int8"))] if kind.startswith("q") else [])


def product_runners(bench, shape):
    """Products of one shape: figures are GFLOP/s by the type of the weights."""
    repeat = bench.extent.product_repeat

    def ours():
        speed, peak, _ = products.run_ours(bench.args, shape, ["bf16", *COMPACT], "auto", repeat)
        return {"ours": speed, "peak": {"bf16": peak["bf16"]}, "own-bf16": {t: speed["bf16"] for t in COMPACT}}

    def ours_f32():
        speed, peak, _ = products.run_ours(bench.args, shape, ["f32"], "f32", repeat)
        return {"ours": speed, "peak": peak}

    def ours_int8():
        return {"ours int8": products.run_ours(bench.args, shape, COMPACT, "int8", repeat)[0]}

    def torch():
        speed, bench.about["torch"], _ = products.run_torch(bench.args, shape, ["bf16", "f32"], repeat)
        return {"torch": speed}

    return [Runner(["ours", "peak", "own-bf16"], ours), Runner(["torch"], torch), Runner(["ours", "peak"], ours_f32),
            Runner(["ours int8"], ours_int8)]


JOBS = {
    "train-4x256": lambda bench: train_runners(bench, 4, 256),
    "train-1x1024": lambda bench: train_runners(bench, 1, 1024),
    "wall-clock": wall_runners,
    "loss": loss_runners,
    "qlora": qlora_runners,
    **{f"generate {kind}": lambda bench, kind=kind: generate_runners(bench, kind) for kind in TYPES},
    **{f"product {shape}": lambda bench, shape=shape: product_runners(bench, shape) for shape in SHAPES},
}


class Bench:
    """One call of `make bench`: what it may measure, what it has made for that, what it has measured."""

    def __init__(self, args, extent, work):
        self.args, self.extent, self.work = args, extent, work
        self.args.llama = process.find_llama()[0]
        self.about, self.measured, self.losses = {}, {}, {}
        self.missing = {c: reason for c, look in PEERS.items() if self.wanted(c) and (reason := look(args))}

    def wanted(self, column):
        return column.startswith("ours") or not self.args.against or column in self.args.against

    def measure(self, name, columns, rounds=None):
        """The job's columns, measured once a call."""
        done = self.measured.get(name, Measured({}, {}, {}))
        lacking = [c for c in columns if self.wanted(c) and c not in done.columns and c not in done.missing]
        if lacking:
            print(f"{name}: {', '.join(lacking)}; load average {os.getloadavg()[0]:.2f}", flush=True)
            new = self.take_turns(name, lacking, rounds or self.extent.rounds)
            done = Measured({**done.columns, **new.columns}, {**done.missing, **new.missing}, {**done.about, **new.about})
            self.measured[name] = done
        return done

    def take_turns(self, name, columns, rounds):
        missing = {c: self.missing[c] for c in columns if c in self.missing}
        if name.startswith(("train", "wall", "loss", "qlora")) and any("int8" in c for c in columns):
            reason = missing_int8_training(self.args)
            missing.update({c: reason for c in columns if "int8" in c and reason})
        load = round(os.getloadavg()[0], 2)
        try:
            runners = [r for r in JOBS[name](self) if any(c in columns and c not in missing for c in r.columns)]
        except Failed as e:  # a file that could not be made
            return Measured({}, {c: reason_of(e) for c in columns}, {})
        self.about["load_before"] = load
        figures = collections.defaultdict(lambda: collections.defaultdict(list))
        for turn in range(rounds):
            for runner in [r for r in runners if not (turn and r.once)]:
                try:
                    self.one_turn(runner, figures)
                except Failed as e:
                    runners.remove(runner)
                    missing.update({c: reason_of(e) for c in runner.columns if c in columns})
                    print(f"  {runner.columns[0]} FAILED, and is left out:\n{e}", flush=True)
        for column in missing:  # whatever was measured before it failed
            figures.pop(column, None)
        about, self.about = self.about, {}
        return Measured({c: {f: statistics.median(v) for f, v in of.items()} for c, of in figures.items()}, missing, about)

    def one_turn(self, runner, figures):
        start = time.monotonic()
        for column, values in runner.run().items():
            for figure, value in values.items():
                if isinstance(value, (int, float)):
                    figures[column][figure].append(value)
            if "versions" in values:
                self.about.update(values["versions"])
        print(f"  {runner.columns[0]:<15}{time.monotonic() - start:6.1f} s", flush=True)

    # --- what runners need ---

    def model(self, kind):
        """The model as a file of that storage type, made once."""
        path = self.work / f"{kind}.gguf"
        if not path.exists():
            models.write_model(self.args, path, kind)
        return path

    def folders(self):
        """The model as transformers reads it, made once."""
        path = self.work / "models"
        if not path.exists():
            models.prepare_folders(self.args, path)
        return path

    def rows_for(self, job, name):
        work = self.work / name
        if not work.exists():
            lora.write_rows(work / "data/train.jsonl", job)
        return work

    def run_peft(self, job, work, column, inductor):
        config, tcmalloc = PEFT[column]
        compiled, preload = config.endswith("compile"), process.find_tcmalloc() if tcmalloc else None
        cold = not (compiled and inductor.exists())
        more = {**({"TORCHINDUCTOR_CACHE_DIR": str(inductor)} if compiled else {}), **({"LD_PRELOAD": preload} if preload else {})}
        if tcmalloc:
            self.about["tcmalloc"] = bool(preload)
        figures = lora.run_peft(self.args, job, work, self.folders(), config, more)
        if cold:
            return {**figures, "first_cold": figures["time_to_first_step"]}
        return {k: v for k, v in figures.items() if k != "compile_seconds"}

    def same_loss(self, work, column, figures, precision):
        """Refuses what did not train on the same rows and the same model as the first that was run."""
        expected = self.losses.setdefault(work, figures["first_loss"])
        lora.check_loss(column, figures, expected, precision)
        return figures
