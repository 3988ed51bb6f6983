#!/usr/bin/env python3
"""Long runs that end in every way: killed, stopped early, with the best kept. A tiny model makes a run
take a second, so that many of them fit into a test.

lora_on_tiny_model.py BUILD: runs every case on BUILD/bin/efficientai. Exit status: 0 all passed, 1 some
failed. The random moments depend on $EAI_TEST_SEED (default: the clock); it is printed."""
import hashlib
import json
import math
import os
import pathlib
import random
import resource
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

import builds
import cases
import tiny_model

BUILD = pathlib.Path(sys.argv[1])
TOOL = BUILD / "bin/efficientai"
DATA = pathlib.Path(__file__).resolve().parents[2] / "projects/lora-finetuning-mlx/data"
WORK = pathlib.Path(tempfile.mkdtemp(prefix="eai-tiny-"))
MODEL = tiny_model.write(WORK / "tiny.gguf")
SEED = int(os.environ.get("EAI_TEST_SEED", time.time()))
ADAPTER = "adapter_model.safetensors"
KILLS = 20
WRITING = "checkpoint/.state.safetensors.tmp-*"


def train_argv(*words):
    return list(map(str, [TOOL, "lora-finetuning-mlx:train", "--model", MODEL, *words]))


def train(*words):
    done = subprocess.run(train_argv(*words), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done


def report_of(folder):
    return json.loads((folder / "report.json").read_text())


def make_data(name, n_train, n_valid):
    folder = WORK / name
    folder.mkdir()
    for file, n in (("train.jsonl", n_train), ("valid.jsonl", n_valid)):
        with open(DATA / file, encoding="utf-8") as f:
            rows = [f.readline() for _ in range(n)]
        if n:
            (folder / file).write_text("".join(rows), encoding="utf-8")
    return folder


def resume_if_begun(output):
    return ["--resume"] if (output / "checkpoint/state.safetensors").exists() else []


def kill_at_a_random_moment(rng, options, output, while_writing):
    """Trains, going on from a checkpoint if there is one, until a random moment, or from then on until a file is
    being written; False when the run ended before."""
    child = subprocess.Popen(train_argv(*options, "--output", output, *resume_if_begun(output)), stdout=subprocess.DEVNULL,
                             stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + rng.uniform(0.02, 0.3)
    while child.poll() is None:
        if time.monotonic() >= deadline and (not while_writing or any(output.glob(WRITING))):
            child.send_signal(signal.SIGKILL)
            break
        time.sleep(0.0002)
    code = child.wait()
    assert code in (0, -signal.SIGKILL), (code, child.stderr.read())
    child.stderr.close()
    return code != 0


def case_killed_at_random_moments():
    """SIGKILL at KILLS random moments, half of them while a checkpoint is written; the run that is
    continued each time gives the uninterrupted one's adapter, byte for byte."""
    rng = random.Random(SEED)
    folder = make_data("for-kills", 20, 4)
    options = ["--data", folder, "--steps", 400, "--batch-size", 1, "--seq-len", 128, "--dropout", 0.1, "--quiet",
               "--save-every", 2, "--eval-every", 7, "--save-total-limit", 2, "--load-best-model-at-end", "--threads", 1]
    whole, killed = WORK / "whole", WORK / "killed"
    train(*options, "--output", whole)
    kills, in_writing, runs = 0, 0, 0
    while kills < KILLS:  # a fast machine ends a run before all of them: then another one begins
        runs += 1
        assert runs <= KILLS, f"{runs} runs ended by themselves after {kills} kills"
        shutil.rmtree(killed, ignore_errors=True)
        while kills < KILLS and kill_at_a_random_moment(rng, options, killed, kills % 2 == 0):
            kills += 1
            in_writing += any(killed.glob(WRITING))
        train(*options, "--output", killed, *resume_if_begun(killed))
        assert (whole / ADAPTER).read_bytes() == (killed / ADAPTER).read_bytes()
    print(f"        seed {SEED}: killed {kills} times, {in_writing} of them within the writing of a checkpoint")
    assert in_writing >= 3, in_writing
    for key in ("loss", "validation", "best_validation", "adapter_is"):
        assert report_of(whole)[key] == report_of(killed)[key], key
    names = [sorted(os.listdir(f / "checkpoint")) for f in (whole, killed)]
    assert names[0] == names[1], names  # no half-written file is left either


def case_best_model_at_the_end():
    """Twenty rows are soon known by heart: the validation loss falls, then rises."""
    folder = make_data("for-best", 20, 20)
    options = ["--data", folder, "--steps", 120, "--batch-size", 2, "--seq-len", 128, "--learning-rate", 5e-2,
               "--schedule", "constant", "--eval-every", 10, "--quiet", "--save-every", 0]
    last, best, until = WORK / "last", WORK / "best", WORK / "until-best"
    train(*options, "--output", last)
    train(*options, "--output", best, "--load-best-model-at-end")
    report = report_of(best)
    losses = {v["step"]: v["loss"] for v in report["validation"]}
    step = report["best_validation"]["step"]
    assert 0 < step < 120 and losses[step] == min(losses[s] for s in losses if s > 0), losses
    assert report["adapter_is"] == "best" and report_of(last)["adapter_is"] == "last"
    assert report["loss"] == report_of(last)["loss"]
    options[options.index("--steps") + 1] = step
    train(*options, "--output", until)
    assert (best / ADAPTER).read_bytes() == (until / ADAPTER).read_bytes()
    assert (best / ADAPTER).read_bytes() != (last / ADAPTER).read_bytes()


def case_early_stopping():
    folder = make_data("for-early", 20, 20)
    options = ["--data", folder, "--steps", 400, "--batch-size", 2, "--seq-len", 128, "--learning-rate", 5e-2,
               "--schedule", "constant", "--eval-every", 10, "--quiet", "--early-stopping-patience", 2]
    out = WORK / "early"
    train(*options, "--output", out)
    report = report_of(out)
    losses = [v["loss"] for v in report["validation"]]
    assert report["stopped_early"] and not report["interrupted"]
    assert 20 < report["steps"] < 400 and report["steps"] == report["validation"][-1]["step"]
    assert report["best_validation"]["step"] == report["steps"] - 20
    assert min(losses[1:-2]) <= min(losses[-2:]), losses
    before = (out / ADAPTER).read_bytes()
    train(*options, "--output", out, "--resume")  # it knows that it is over
    assert (out / ADAPTER).read_bytes() == before and report_of(out)["steps"] == report["steps"]
    train(*options, "--output", out, "--early-stopping-threshold", 100)  # no gain ever counts
    assert report_of(out)["steps"] == 30, report_of(out)["validation"]


def tensors_of(path):
    raw = path.read_bytes()
    header = json.loads(raw[8:8 + int.from_bytes(raw[:8], "little")])
    return {name: tensor for name, tensor in header.items() if name != "__metadata__"}


def case_options_take_effect():
    """Each option that scripts rely on: what it does to the adapter and to the report."""
    folder = make_data("for-options", 20, 5)
    base = ["--data", folder, "--quiet", "--batch-size", 2, "--seq-len", 128]
    out, report = WORK / "options", {}

    def run(*words):
        nonlocal report
        shutil.rmtree(out, ignore_errors=True)
        done = train(*base, "--output", out, "--json", *words)
        report = json.loads(done.stdout.splitlines()[-1])
        assert report == report_of(out)
        machine = report["machine"]  # two samples at least, what the system tells, nothing else
        assert machine["samples"] >= 2 and all(v is not None for v in machine.values()), machine
        if sys.platform == "linux":
            assert machine["process_memory"]["max"] > 1e6 and 0 < machine["memory_available"]["min"], machine
        return tensors_of(out / ADAPTER), json.loads((out / "adapter_config.json").read_text())

    tensors, config = run("--steps", 2, "--rank", 3, "--alpha", 5)
    assert config["r"] == 3 and config["lora_alpha"] == 5 and len(tensors) == 2 * 2 * 7, config
    assert {min(t["shape"]) for t in tensors.values()} == {3}
    tensors, config = run("--steps", 2, "--targets", "attention")
    assert sorted(config["target_modules"]) == ["k_proj", "o_proj", "q_proj", "v_proj"], config
    tensors, config = run("--steps", 2, "--targets", "down_proj,q_proj")
    assert {name.split(".")[-3] for name in tensors} == {"down_proj", "q_proj"}, tensors
    assert report["settings"]["targets"] == "down_proj,q_proj"
    run("--epochs", 2)
    passes = report["steps"]
    run("--epochs", 4)
    assert report["steps"] == 2 * passes
    first = (out / ADAPTER).read_bytes()
    run("--epochs", 4, "--threads", 1)
    assert report["backend"]["threads"] == 1
    run("--epochs", 4, "--seed", 7)
    assert report["seed"] == 7 and (out / ADAPTER).read_bytes() != first
    run("--steps", 1, "--learning-rate", 0.5)
    assert report["settings"]["learning_rate"] == 0.5
    run("--steps", 1, "--dtype", "f32")
    assert report["backend"]["dtype"] == "f32"
    for n in (1, 3):
        run("--steps", 1, "--batch-size", n, "--seq-len", 160)
        assert 160 * (n - 1) / 2 < report["tokens"] <= 160 * n


def case_report_tells_everything():
    folder = make_data("for-report", 12, 5)
    out = WORK / "report"
    train("--data", folder, "--output", out, "--steps", 3, "--seed", 5, "--quiet")
    report = report_of(out)
    assert len(report["loss"]) == report["steps"] == 3 and all(4 < x < 8 for x in report["loss"])
    assert report["tokens_per_s"] > 0 and 0 < report["seconds_to_first_step"] < report["seconds"]
    assert len(report["step_seconds"]) == 3 and 0 < report["step_seconds"][0] <= report["seconds_to_first_step"]
    assert report["peak_rss_bytes"] > 1e6 and report["predicted_peak_bytes"] > 1e6
    assert report["seed"] == report["settings"]["seed"] == 5
    assert {"efficientai", "compiler", "jansson", "system"} <= set(report["versions"]), report["versions"]
    for name, path in (("model", MODEL), ("train.jsonl", folder / "train.jsonl"), ("valid.jsonl", folder / "valid.jsonl")):
        assert report["sha256"][name] == hashlib.sha256(path.read_bytes()).hexdigest(), name
    train("--data", folder, "--output", out, "--steps", 3, "--seed", 5, "--quiet", "--resume")
    report = report_of(out)
    assert len(report["loss"]) == 3 and report["step_seconds"] == [], report["step_seconds"]  # of this run alone


def logits(*words):
    path = WORK / "logits.npy"
    done = subprocess.run(list(map(str, [TOOL, "logits", "--ids", "5,80,6,7,200,3", "--output", path, *words])),
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    data = path.read_bytes()
    start = 10 + int.from_bytes(data[8:10], "little")
    return struct.unpack(f"<{(len(data) - start) // 4}f", data[start:])


def case_logits_of_an_adapter():
    """They are those of the merged model, and not those of the base."""
    folder = make_data("for-logits", 12, 0)
    out, merged = WORK / "for-logits-adapter", WORK / "for-logits-merged"
    train("--data", folder, "--output", out, "--steps", 4, "--learning-rate", 0.05, "--quiet")
    argv = [TOOL, "lora-finetuning-mlx:merge", "--model", MODEL, "--adapter", out, "--output", merged, "--save-dtype", "f32"]
    subprocess.run(list(map(str, argv)), check=True, capture_output=True, timeout=60)
    base, tuned = logits("--model", MODEL), logits("--model", MODEL, "--adapter", out)
    whole = logits("--model", merged / "model.safetensors")
    scale = max(map(abs, tuned))
    assert max(abs(a - b) for a, b in zip(tuned, whole)) < 1e-4 * scale
    assert max(abs(a - b) for a, b in zip(tuned, base)) > 1e-2 * scale


def project(command, *words):
    argv = [TOOL, f"lora-finetuning-mlx:{command}", "--model", MODEL, *words]
    done = subprocess.run(list(map(str, argv)), capture_output=True, text=True, errors="replace",
                          timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def read_indented(text):
    """The lines "key  value" as a dictionary, those indented below a key alone as one of their own."""
    root = {}
    levels = [root]
    for line in text.splitlines():
        words = line.split(None, 1)
        depth = (len(line) - len(line.lstrip())) // 2
        del levels[depth + 1:]
        if len(words) == 2:
            levels[-1][words[0]] = words[1]
        else:
            levels.append(levels[-1].setdefault(words[0], {}))
    return root


def as_printed(value):
    if isinstance(value, dict):
        return {k: as_printed(v) for k, v in value.items()}
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def case_people_and_programs_are_told_the_same():
    folder = make_data("for-people", 12, 4)
    out, rows = WORK / "for-people-adapter", folder / "valid.jsonl"
    train("--data", folder, "--output", out, "--steps", 2, "--quiet")
    told = json.loads(project("info", "--adapter", out, "--json"))
    assert read_indented(project("info", "--adapter", out)) == as_printed(told)

    words = ["--adapter", out, "--data", rows, "--limit", 3]
    told = json.loads(project("evaluate", *words, "--json").splitlines()[-1])
    text = project("evaluate", *words, "--show", 2)
    assert f"loss         {told['loss']:.4f} ({told['tokens']} tokens)\n" in text, text
    assert f"perplexity   {told['perplexity']:.4f}\n" in text, text
    assert f"exact match  {100 * told['exact_match']:.1f} % ({told['matched']} of 3)\n" in text, text

    words = ["--adapter", out, "--prompt", "hello", "--max-tokens", 8, "--temperature", 0]
    told = json.loads(project("generate", *words, "--json").splitlines()[-1])
    text = project("generate", *words)
    assert told["tokens"] <= 8 and told["finish_reason"] in ("length", "stop"), told
    assert text.rstrip("\n") == told["text"].rstrip("\n"), (text, told)
    assert project("generate", *words, "--raw") != text

    merged = WORK / "for-people-merged"
    told = json.loads(project("merge", "--adapter", out, "--output", merged, "--json").splitlines()[-1])
    assert told["output"] == str(merged) and told["tokenizer"] is True and told["parameters"] > 0, told


def case_plan_trains_nothing():
    folder = make_data("for-plan", 12, 5)
    out = WORK / "planned"
    words = ["--data", folder, "--output", out, "--plan", "--accumulation", 2]
    text = train(*words).stdout
    assert "liveness, MB:" in text and "predicted peak memory of the process" in text.splitlines()[-1], text
    plan = json.loads(train(*words, "--json").stdout)
    m = plan["planned_bytes"]
    assert 0 < m["activations_alive_at_once"] <= m["activations"] <= m["activations_without_sharing"], m
    assert plan["predicted_peak_bytes"] > m["activations"] + m["workspace"]
    assert not out.exists()


def case_what_does_not_fit_is_refused():
    """Two million tokens a step with 2 GB of address space: refused at once, with what would be smaller."""
    if builds.is_sanitized(BUILD):
        print("        SKIPPED: a sanitizer needs more address space than that")
        return
    folder = make_data("too-large", 5, 0)
    argv = train_argv("--data", folder, "--output", WORK / "too-large-out", "--batch-size", 4096, "--seq-len", 512,
                      "--steps", 1, "--quiet")

    def limited(*words):
        return subprocess.run([*argv, *words], capture_output=True, text=True, timeout=60,
                              preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30)))

    done = limited()
    assert done.returncode == 1 and done.stderr.count("\n") == 1, (done.returncode, done.stderr)
    assert " MB of activations: try --checkpoint-activations or --batch-size 2048" in done.stderr, done.stderr
    assert not (WORK / "too-large-out").exists()
    done = limited("--no-pack")  # the five rows are then all that a batch has
    assert done.returncode == 0, done.stderr


def case_a_hot_machine_is_let_cool_down():
    """Readings as macOS gives them, faked: changes are said, a critical state is waited out; without readings nothing is said."""
    out = WORK / "hot"
    words = ["--data", make_data("hot-data", 8, 0), "--output", out, "--steps", 5]
    readings = "nominal,fair,critical,critical,serious"
    done = subprocess.run(train_argv(*words), capture_output=True, text=True, timeout=120, env={**os.environ, "EAI_THERMAL": readings})
    assert done.returncode == 0, done.stderr
    said = [line.split("thermal state: ")[1] for line in done.stderr.splitlines() if "thermal state: " in line]
    assert said == ["fair", "critical, waiting until it is lower", "serious"], done.stderr
    heat = report_of(out)["thermal"]
    assert heat["worst"] == "critical" and 2 <= heat["paused_seconds"] < 30, heat
    done = train(*words)
    assert "thermal" not in done.stderr and ("thermal" in report_of(out)) == (sys.platform == "darwin")


def case_validation_needs_rows():
    folder = make_data("no-valid", 5, 0)
    for option in (["--load-best-model-at-end"], ["--early-stopping-patience", "2"]):
        done = subprocess.run(train_argv("--data", folder, "--output", WORK / "no", *option), capture_output=True, text=True)
        assert done.returncode == 1 and done.stderr.count("\n") == 1, done.stderr
        assert done.stderr.startswith(f"error: {option[0]} needs a valid.jsonl in"), done.stderr
    assert not (WORK / "no").exists()


def case_checkpoints_are_kept():
    folder = make_data("for-keeping", 10, 0)
    options = ["--data", folder, "--steps", 20, "--batch-size", 1, "--seq-len", 128, "--quiet"]
    out, again = WORK / "kept", WORK / "again"
    train(*options, "--output", out, "--save-every", 4, "--save-total-limit", 3)
    names = sorted(os.listdir(out / "checkpoint"))
    assert names == [f"state-0000000{n}.safetensors" for n in (12, 16, 20)] + ["state.safetensors"], names
    train(*options, "--output", again, "--resume-from-checkpoint", out / "checkpoint/state-000000012.safetensors")
    assert (out / ADAPTER).read_bytes() == (again / ADAPTER).read_bytes()
    assert report_of(again)["steps_in_this_run"] == 8
    done = subprocess.run(train_argv(*options, "--output", again, "--resume-from-checkpoint", WORK / "none"),
                          capture_output=True, text=True)
    assert done.returncode == 1 and "none" in done.stderr and done.stderr.count("\n") == 1, done.stderr


def main():
    status = cases.run(globals())
    shutil.rmtree(WORK)
    return status


if __name__ == "__main__":
    sys.exit(main())
