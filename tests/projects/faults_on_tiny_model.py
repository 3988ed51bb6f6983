#!/usr/bin/env python3
"""Whole commands on a tiny model while the disk or the memory fails: each ends with one line that says what
failed, and every file is the old one, the new one or not there.

faults_on_tiny_model.py BUILD: runs every case on BUILD/bin/efficientai. Exit status: 0 all passed, 1 some
failed. The faults are those of src/base/io.h and src/base/alloc.c, set by EAI_IO_FAIL_AT and EAI_ALLOC_FAIL_AT."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

import cases
import tiny_model

BUILD = pathlib.Path(sys.argv[1])
TOOL = BUILD / "bin/efficientai"
WORK = pathlib.Path(tempfile.mkdtemp(prefix="eai-faults-"))
MODEL = tiny_model.write(WORK / "tiny.gguf")


def make_data():
    folder = WORK / "data"
    folder.mkdir()
    rows = [json.dumps({"prompt": f"hello {n}", "completion": "the end"}) + "\n" for n in range(6)]
    (folder / "train.jsonl").write_text("".join(rows))
    (folder / "valid.jsonl").write_text("".join(rows[:2]))
    return folder


DATA = make_data()


def run(command, *words, **environment):
    one = [] if command == "merge" else ["--threads", 1]  # that computes nothing, and has no such option
    argv = [TOOL, f"lora-finetuning-mlx:{command}", "--model", MODEL, *one, *words]
    return subprocess.run(list(map(str, argv)), capture_output=True, text=True, timeout=120,
                          env=os.environ | {k: str(v) for k, v in environment.items()})


def train(output, **environment):
    return run("train", "--data", DATA, "--output", output, "--steps", 3, "--batch-size", 1, "--seq-len", 32, "--quiet",
               "--save-every", 1, "--save-total-limit", 2, "--eval-every", 2, **environment)


def contents(folder):
    return {p.relative_to(folder): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def whole_safetensors(raw):
    """True when the header describes exactly the bytes that follow it."""
    n = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8:8 + n])
    return len(raw) == 8 + n + max(t["data_offsets"][1] for name, t in header.items() if name != "__metadata__")


def assert_whole(folder):
    """No temporary file, and each file is one that a run without a fault may leave."""
    for path, raw in contents(folder).items():
        assert ".tmp-" not in path.name and not path.name.endswith(".new"), path
        if path.suffix == ".safetensors":
            assert whole_safetensors(raw), path
        if path.suffix == ".json":
            json.loads(raw)
        if path.suffix == ".png":
            assert raw.endswith(b"IEND\xaeB`\x82"), path
        if path.suffix == ".svg":
            assert raw.rstrip().endswith(b"</svg>"), path


def assert_failed(done, reason):
    assert done.returncode == 1, (done.returncode, done.stderr)
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1, done.stderr
    assert reason in done.stderr, done.stderr


def sweep_full_disk(command, output):
    """The 1st, 2nd ... call and all after it find the disk full, until that is after the last one that needs space.
    Returns how many runs failed."""
    n = 1
    while True:
        shutil.rmtree(output, ignore_errors=True)
        done = command(output, EAI_IO_FAIL_AT=f"{n}:ENOSPC")
        if output.exists():
            assert_whole(output)
        if done.returncode == 0:
            return n - 1
        assert_failed(done, "No space left on device")
        assert str(WORK) in done.stderr, done.stderr
        n += 1


def sweep_broken_disk(command, output, n_calls):
    """One call fails after the other. Some results do not matter: then the files are what they should be."""
    failed = 0
    assert command(output).returncode == 0
    expected = {p: len(raw) for p, raw in contents(output).items() if p.suffix == ".safetensors"}
    for n in range(1, n_calls + 1):
        shutil.rmtree(output, ignore_errors=True)
        done = command(output, EAI_IO_FAIL_AT=n)
        if output.exists():
            assert_whole(output)
        if done.returncode == 0:
            assert {p: len(raw) for p, raw in contents(output).items() if p.suffix == ".safetensors"} == expected
            continue
        failed += 1
        assert_failed(done, "Input/output error")
        assert str(WORK) in done.stderr, done.stderr
    assert failed > n_calls / 2, failed
    return failed


def sweep_both(command, output):
    n = sweep_full_disk(command, output)
    print(f"        full after {n} calls; {sweep_broken_disk(command, output, n)} of them must not fail alone")


def merge(output, **environment):
    return run("merge", "--adapter", WORK / "adapter", "--output", output, **environment)


def case_train_on_a_failing_disk():
    sweep_both(train, WORK / "out")


def case_merge_on_a_failing_disk():
    done = train(WORK / "adapter")
    assert done.returncode == 0, done.stderr
    sweep_both(merge, WORK / "out")


def sweep_kills(command, output, step):
    """Killed before its 1st, 1 + step-th ... call until it survives, each time into what the one before it left. Returns
    how many were killed."""
    shutil.rmtree(output, ignore_errors=True)
    n = 1
    while True:
        done = command(output, EAI_IO_FAIL_AT=f"{n}:KILL")
        for path in list(output.rglob(".*.tmp-*")):
            path.unlink()
        if output.exists():
            assert_whole(output)
        if done.returncode == 0:
            return n // step
        assert done.returncode == -signal.SIGKILL, (n, done.returncode, done.stderr)
        n += step


def case_killed_between_two_calls():
    done = train(WORK / "adapter")
    assert done.returncode == 0, done.stderr
    for command, step in ((merge, 1), (train, 3)):
        print(f"        {command.__name__}: {sweep_kills(command, WORK / 'out', step)} times killed")


def case_interrupted_and_short_calls_change_nothing():
    def run_of(output, **environment):
        shutil.rmtree(output, ignore_errors=True)
        done = train(output, **environment)
        assert done.returncode == 0, done.stderr
        return {p: raw for p, raw in contents(output).items() if p.suffix == ".safetensors"}

    expected = run_of(WORK / "out")
    for fault in ("EINTR", "SHORT"):
        for n in range(1, 120, 2):
            assert run_of(WORK / "out", EAI_IO_FAIL_AT=f"{n}:{fault}") == expected, (n, fault)


def case_a_failed_run_leaves_what_was_there():
    """The folder of an earlier run, written over on a full disk: the old files or the new ones."""
    out = WORK / "kept"
    assert train(out).returncode == 0
    old = contents(out)
    for n in (5, 15, 25, 30, 35, 40):
        done = train(out, EAI_IO_FAIL_AT=f"{n}:ENOSPC")
        assert_failed(done, "No space left on device")
        assert_whole(out)
        assert set(contents(out)) >= {p for p in old if "state-" not in p.name}


def sweep_memory(command, output):
    """The 1st, 2nd ... allocation fails, until thirty runs in a row end before their own does: without memory to look
    for plugins a run goes on without them. Returns how many failed."""
    n = failed = unharmed = 0
    while unharmed < 30:
        n += 1
        shutil.rmtree(output, ignore_errors=True)
        done = command(output, EAI_ALLOC_FAIL_AT=n)
        if output.exists():
            assert_whole(output)
        if done.returncode == 0:
            unharmed += 1
            continue
        unharmed = 0
        failed += 1
        assert_failed(done, "memory")
    assert failed > 100, failed
    return failed


def generate(output, **environment):
    return run("generate", "--adapter", WORK / "adapter", "--prompt", "hello", "--max-tokens", 3, **environment)


def case_train_merge_and_generate_without_memory():
    done = train(WORK / "adapter")
    assert done.returncode == 0, done.stderr
    for command in (train, merge, generate):
        print(f"        {command.__name__}: {sweep_memory(command, WORK / 'out')} allocations failed")


def main():
    status = cases.run(globals())
    shutil.rmtree(WORK)
    return status


if __name__ == "__main__":
    sys.exit(main())
