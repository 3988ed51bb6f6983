#!/usr/bin/env python3
"""LoRA on the MLX backend beside the CPU's, as a user meets both: training, logits, text, quantized files, on a tiny
model and on the default one.

mlx_backend.py BUILD: runs every case on BUILD/bin/efficientai. Exit status: 0 all passed, 1 some failed, 77 where the
plugin was not built."""
import json
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile

import cases
import tiny_model

BUILD = pathlib.Path(sys.argv[1])
TOOL = BUILD / "bin/efficientai"
if not any((BUILD / "lib").glob("libefficientai_mlx.*")):
    print("SKIPPED: the plugin of the MLX backend was not built ('make mlx' does)")
    sys.exit(77)
DATA = pathlib.Path(__file__).resolve().parents[2] / "projects/lora-finetuning-mlx/data"
WORK = pathlib.Path(tempfile.mkdtemp(prefix="eai-mlx-"))
TINY = tiny_model.write(WORK / "tiny.gguf")
STEPS = 20
WITHIN = 1e-3  # of the other backend's loss, at every step


def run(*words, fails=False):
    done = subprocess.run(list(map(str, [TOOL, *words])), capture_output=True, text=True, errors="replace", timeout=1500)
    assert (done.returncode != 0) == fails, done.stderr
    return done


def lora(command, model, *words):
    return run(f"lora-finetuning-mlx:{command}", "--model", model, *words)


def make_data(name, n_train, n_valid):
    folder = WORK / name
    folder.mkdir()
    for file, n in (("train.jsonl", n_train), ("valid.jsonl", n_valid)):
        if n:
            with open(DATA / file, encoding="utf-8") as f:
                (folder / file).write_text("".join(f.readline() for _ in range(n)), encoding="utf-8")
    return folder


def train(model, name, backend, *words):
    """The report of a run, and the folder of its adapter."""
    out = WORK / f"{name}-{backend}"
    lora("train", model, "--output", out, "--backend", backend, "--dtype", "f32", "--quiet", "--steps", STEPS, *words)
    report = json.loads((out / "report.json").read_text())
    assert report["backend"]["name"] == backend, report["backend"]
    return report, out


def losses_agree(a, b, what="loss"):
    assert len(a) == len(b) > 0
    off = max(abs(x - y) for x, y in zip(a, b))
    print(f"        {what}: {a[0]:.4f} -> {a[-1]:.4f}, at most {off:.1e} apart in {len(a)} steps")
    assert off < WITHIN, (a, b)


def logits(model, ids, *words):
    path = WORK / "logits.npy"
    run("logits", "--model", model, "--ids", ids, "--output", path, *words)
    data = path.read_bytes()
    start = 10 + int.from_bytes(data[8:10], "little")
    return struct.unpack(f"<{(len(data) - start) // 4}f", data[start:])


def distance(model, ids, *words):
    """Between the logits of both backends, to the largest."""
    ours = logits(model, ids, "--backend", "cpu", *words)
    theirs = logits(model, ids, "--backend", "mlx", *words)
    assert len(ours) == len(theirs)
    return max(abs(a - b) for a, b in zip(ours, theirs)) / max(map(abs, ours))


def text(model, backend, prompt, *words):
    return lora("generate", model, "--backend", backend, "--dtype", "f32", "--temperature", 0, "--prompt", prompt, *words).stdout


def case_training_on_a_tiny_model():
    """Packed rows, dropout, clipping, schedule, validation, two rows a batch: the same curve."""
    folder = make_data("tiny-data", 40, 10)
    words = ["--data", folder, "--batch-size", 2, "--seq-len", 160, "--learning-rate", 1e-2, "--dropout", 0.1, "--eval-every", 5]
    a, _ = train(TINY, "tiny", "cpu", *words)
    b, _ = train(TINY, "tiny", "mlx", *words)
    losses_agree(a["loss"], b["loss"])
    losses_agree([v["loss"] for v in a["validation"]], [v["loss"] for v in b["validation"]], "validation")
    assert a["loss"][-1] < a["loss"][0] - 0.1


def case_training_in_bf16():
    """What a GPU does by itself, here on MLX's CPU: close to f32, and not the same."""
    folder = make_data("tiny-bf16", 20, 0)
    base = WORK / "bf16"
    lora("merge", TINY, "--adapter", adapter_of_tiny(), "--output", base, "--save-dtype", "bf16")
    words = ["--data", folder, "--batch-size", 1, "--seq-len", 128, "--learning-rate", 1e-2]
    a, _ = train(base, "bf16-f32", "mlx", *words)
    b, _ = train(base, "bf16-bf16", "mlx", *words, "--dtype", "bf16")
    assert b["backend"]["dtype"] == "bf16" and a["backend"]["dtype"] == "f32"
    off = max(abs(x - y) for x, y in zip(a["loss"], b["loss"]))
    print(f"        {off:.1e} apart")
    assert 1e-5 < off < 5e-2, off


def case_recomputed_activations():
    folder = make_data("tiny-checkpoints", 20, 0)
    words = ["--data", folder, "--batch-size", 1, "--seq-len", 128, "--learning-rate", 1e-2]
    a, _ = train(TINY, "kept", "mlx", *words)
    b, _ = train(TINY, "made-again", "mlx", "--checkpoint-activations", *words)
    losses_agree(a["loss"], b["loss"])


def case_a_run_goes_on_with_the_other_backend():
    folder = make_data("tiny-resume", 20, 0)
    words = ["--data", folder, "--batch-size", 1, "--seq-len", 128, "--learning-rate", 1e-2, "--save-every", 10]
    whole, _ = train(TINY, "whole", "cpu", *words)
    half = WORK / "half-mlx"
    lora("train", TINY, "--output", half, "--backend", "mlx", "--dtype", "f32", "--quiet", "--steps", 10, "--schedule",
         "constant", "--warmup", 0, *words)
    shutil.copytree(half, WORK / "half-cpu")
    rest = [train(TINY, "half", backend, "--resume", "--schedule", "constant", "--warmup", 0, *words)[0]["loss"]
            for backend in ("cpu", "mlx")]
    assert len(whole["loss"]) == len(rest[0]) == STEPS
    losses_agree(*rest)


def case_logits_of_every_storage_type():
    """Quantized matrices stay packed in MLX's own layout where it has one, else they are unpacked."""
    ids = ",".join(str(3 + 7 * i % 250) for i in range(40))
    for dtype in ("f32", "f16", "bf16", "q8_0", "q4_0", "q4_1", "q5_0", "q5_1"):
        folder = WORK / f"merged-{dtype}"
        lora("merge", TINY, "--output", folder, "--adapter", adapter_of_tiny(), "--save-dtype", dtype, "--format", "gguf")
        path = next(folder.glob("*.gguf"))
        for some in (ids, "5,9"):  # many rows, which the CPU unpacks for, and few
            off = distance(path, some)
            assert off < 1e-4, (dtype, off)


def case_logits_of_packed_folders():
    """Both backends read MLX's own layout, whatever it is."""
    ids = ",".join(str(3 + 7 * i % 250) for i in range(40))
    for mode, bits in [("affine", b) for b in (2, 3, 4, 5, 6, 8)] + [(m, 0) for m in ("mxfp4", "mxfp8", "nvfp4")]:
        folder = WORK / f"packed-{mode}-{bits}"
        lora("merge", TINY, "--output", folder, "--adapter", adapter_of_tiny(), "--format", "mlx", "--q-mode", mode, "--q-bits", bits,
             "--q-group-size", 32 if bits else 0)
        for some in (ids, "5,9"):
            off = distance(folder, some)
            assert off < 1e-4, (mode, bits, off)


def case_training_on_a_packed_folder():
    folder = WORK / "packed-to-train"
    lora("merge", TINY, "--output", folder, "--adapter", adapter_of_tiny(), "--format", "mlx", "--q-group-size", 32)
    words = ["--data", make_data("packed-data", 10, 0), "--batch-size", 1, "--seq-len", 128]
    a, b = (train(folder, "packed", backend, *words)[0] for backend in ("cpu", "mlx"))
    losses_agree(a["loss"], b["loss"])


def adapter_of_tiny():
    out = WORK / "adapter-cpu"
    if not out.exists():
        train(TINY, "adapter", "cpu", "--data", make_data("tiny-adapter", 10, 0), "--batch-size", 1, "--seq-len", 128,
              "--learning-rate", 1e-2)
    return out


def case_adapters_serve_both():
    off = distance(TINY, "5,80,6,7,200,3", "--adapter", adapter_of_tiny())
    assert off < 1e-4, off


def case_text_of_a_tiny_model():
    """A cache that fills up token by token, written in place."""
    words = ["--max-tokens", 60, "--adapter", adapter_of_tiny()]
    assert text(TINY, "cpu", "hello there", *words) == text(TINY, "mlx", "hello there", *words)


def case_profile():
    out = WORK / "profiled"
    done = lora("train", TINY, "--output", out, "--backend", "mlx", "--quiet", "--steps", 2, "--data",
                make_data("tiny-profile", 10, 0), "--batch-size", 1, "--seq-len", 128, "--profile", WORK / "trace.json")
    assert "matmul" in done.stdout + done.stderr and json.loads((WORK / "trace.json").read_text())


def case_limits_of_the_device():
    """A faked reading: MLX is told, and says so."""
    argv = [TOOL, "-v", "logits", "--model", TINY, "--ids", "5,9", "--output", WORK / "limits.npy", "--backend", "mlx"]
    done = subprocess.run(list(map(str, argv)), capture_output=True, text=True, env={**os.environ, "EAI_MLX_WORKING_SET": "2000000000"})
    assert done.returncode == 0 and "MLX may take 2000 MB, and keep 500 MB for reuse" in done.stderr, done.stderr
    done = subprocess.run(list(map(str, argv)), capture_output=True, text=True, env={**os.environ, "EAI_MLX_WORKING_SET": ""})
    assert done.returncode == 0 and "MLX may take" not in done.stderr, done.stderr


def plan_within(working_set, *words):
    """What a run of the tiny model becomes: its notes, and its planned bytes."""
    argv = [TOOL, "lora-finetuning-mlx:train", "--model", TINY, "--data", WORK / "fit-data", "--output", WORK / "fit", "--plan", "--json",
            "--backend", "mlx", "--seq-len", 256, *words]
    done = subprocess.run(list(map(str, argv)), capture_output=True, text=True,
                          env={**os.environ, "EAI_MLX_WORKING_SET": str(working_set), "EFFICIENTAI_LOG_FORMAT": "text"})
    return done, [line.split("working set is ")[1].split(": ")[1] for line in done.stderr.splitlines() if "working set is" in line and ": --" in line]


def case_a_run_fits_into_the_working_set():
    """Batches become smaller, updates stay as they were; then memory is traded for time, then for length."""
    data = make_data("fit-data", 10, 0)
    done, notes = plan_within(10**12, "--batch-size", 6)
    planned = json.loads(done.stdout)["planned_bytes"]
    whole = sum(planned[k] for k in ("activations", "workspace", "inputs", "states", "weights"))
    assert not notes, notes
    assert plan_within(whole, "--batch-size", 6)[1] == []
    half = ["--batch-size 6 -> 3, --accumulation 1 -> 2"]
    assert plan_within(whole - 1, "--batch-size", 6)[1] == half
    done, notes = plan_within(1000, "--batch-size", 6)
    assert done.returncode == 1 and "no smaller batch is left" in done.stderr, done.stderr
    assert notes == half + ["--batch-size 3 -> 1, --accumulation 2 -> 6", "--checkpoint-activations",
                            "--seq-len 256 -> 128, --accumulation 6 -> 12", "--seq-len 128 -> 64, --accumulation 12 -> 24"], notes
    words = ["--data", data, "--seq-len", 128, "--batch-size", 4]
    a, _ = train(TINY, "whole", "mlx", *words)
    os.environ["EAI_MLX_WORKING_SET"] = str(whole // 6)
    try:
        b, _ = train(TINY, "fitted", "mlx", *words)
    finally:
        del os.environ["EAI_MLX_WORKING_SET"]
    assert b["settings"]["batch_size"] < 4 and b["settings"]["batch_size"] * b["settings"]["accumulation"] == 4, b["settings"]
    losses_agree(a["loss"], b["loss"])


def default_model():
    named = os.environ.get("EFFICIENTAI_TEST_MODEL")
    if named:
        return named
    done = subprocess.run([str(TOOL), "models", "path"], capture_output=True, text=True, timeout=60)
    path = done.stdout.strip()
    return path if done.returncode == 0 and os.path.exists(path) else None


def case_the_default_model():
    """SmolLM2 itself: 20 steps, the same curve; the same greedy text with the adapter that MLX trained."""
    model = default_model()
    if not model:
        print("        SKIPPED: the default model is not here (efficientai models get)")
        return
    words = ["--data", make_data("data", 60, 4), "--batch-size", 1, "--seq-len", 128, "--learning-rate", 2e-4]
    a, _ = train(model, "real", "cpu", *words)
    b, adapter = train(model, "real", "mlx", *words)
    losses_agree(a["loss"], b["loss"])
    print(f"        {b['tokens_per_s']:.0f} tokens/s, the CPU backend in f32: {a['tokens_per_s']:.0f}")
    off = distance(model, "504,2781,28,198,30,216,4093,260,31", "--adapter", adapter)
    print(f"        logits: {off:.1e} of the largest apart")
    assert off < 1e-4
    words = ["--adapter", adapter, "--max-tokens", 24]
    prompt = "My neighbour's dog barks all night. What can I do?"
    assert text(model, "cpu", prompt, *words) == text(model, "mlx", prompt, *words)


def find_mlx_lm():
    """An interpreter that has it, or None, which is said."""
    judge = os.environ.get("EFFICIENTAI_PEERS_PYTHON")
    if judge and subprocess.run([judge, "-c", "import mlx_lm"], capture_output=True).returncode == 0:
        return judge
    print("        SKIPPED: mlx-lm is not here (tools/peers.sh --mlx COMMAND brings it)")
    return None


ORACLES = pathlib.Path(__file__).resolve().parents[2] / "tools/oracles"


def oracle(judge, script, *words):
    done = subprocess.run(list(map(str, [judge, ORACLES / script, *words])), capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    for line in done.stdout.splitlines():
        if line.startswith("  "):
            print("      " + line)


def mlx_lm(model, name):
    """Adapters in mlx-lm and back; the same on a base that mlx-lm packed."""
    judge = find_mlx_lm()
    if not judge:
        return
    adapter, folder = adapter_of_tiny(), WORK / f"{name}-folder"
    if model != TINY:
        adapter = WORK / f"{name}-adapter"
        lora("train", model, "--output", adapter, "--data", make_data(f"{name}-data", 8, 0), "--steps", 2, "--batch-size", 1,
             "--seq-len", 64, "--quiet")
    lora("merge", model, "--adapter", adapter, "--output", folder, "--save-dtype", "f32")
    packed = WORK / f"{name}-packed"
    oracle(judge, "mlx_lm_packs.py", folder, packed, "affine", 4, 32, "--mixed")
    rows = make_data(f"{name}-rows", 12, 0)
    for base in (folder, packed):
        work = WORK / f"{name}-mlx-lm"
        work.mkdir()
        oracle(judge, "mlx_lm_both_ways.py", base, TOOL, rows, work)


def case_mlx_lm_on_a_tiny_model():
    mlx_lm(TINY, "tiny")


def case_mlx_lm_on_the_default_model():
    model = default_model()
    if model:
        mlx_lm(model, "smollm2")
    else:
        print("        SKIPPED: the default model is not here (efficientai models get)")


def case_mlx_lm_reads_packed_folders():
    judge = find_mlx_lm()
    if not judge:
        return
    adapter, plain = adapter_of_tiny(), WORK / "plain"
    lora("merge", TINY, "--adapter", adapter, "--output", plain)
    for mode, *size in (("affine", 4, 32), ("affine", 3, 32), ("affine", 8, 32), ("mxfp4",), ("mxfp8",), ("nvfp4",)):
        packed = WORK / "-".join(map(str, ("packed", mode, *size)))
        words = ["--q-bits", size[0], "--q-group-size", size[1]] if size else []
        lora("merge", TINY, "--adapter", adapter, "--output", packed, "--format", "mlx", "--q-mode", mode, *words)
        oracle(judge, "mlx_lm_reads.py", plain, packed)


sys.exit(cases.run(globals()))
