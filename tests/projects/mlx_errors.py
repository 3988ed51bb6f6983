#!/usr/bin/env python3
"""The MLX backend where it cannot work: one clear line and exit code 1, whatever is wrong. Needs no MLX: the plugins
are fakes (tests/engine/mlx/fake.c), in BUILD/tests/mlx.

mlx_errors.py BUILD: runs every case on BUILD/bin/efficientai. Exit status: 0 all passed, 1 some failed."""
import os
import pathlib
import subprocess
import sys
import tempfile

import cases
import tiny_model

BUILD = pathlib.Path(sys.argv[1])
TOOL = BUILD / "bin/efficientai"
WORK = pathlib.Path(tempfile.mkdtemp(prefix="eai-mlx-"))
MODEL = tiny_model.write(WORK / "tiny.gguf")


def run(*words, plugin=None):
    """Logits of the tiny model by the backend mlx, with a plugin of that name."""
    env = {**os.environ}
    env.pop("EFFICIENTAI_MLX", None)
    if plugin:
        env["EFFICIENTAI_MLX"] = str(plugin)
    argv = [TOOL, "logits", "--model", MODEL, "--ids", "5,80,6", "--output", WORK / "logits.npy", "--backend", "mlx", *words]
    return subprocess.run(list(map(str, argv)), capture_output=True, text=True, timeout=60, env=env)


def expect(done, *texts, code=1):
    lines = done.stderr.strip().splitlines()
    assert done.returncode == code and len(lines) == 1, (done.returncode, done.stderr)
    for text in texts:
        assert text in lines[0], (text, lines[0])
    assert not (WORK / "logits.npy").exists() and not list(WORK.glob("*.tmp*"))


def fake(name):
    return BUILD / f"tests/mlx/{name}.so"


def case_no_such_plugin():
    expect(run(plugin=WORK / "none.so"), "backend mlx: EFFICIENTAI_MLX names", "none.so", "not there")


def case_no_plugin_at_all():
    """A copy of the command and its library, beside which there is none."""
    alone = WORK / "alone"
    for folder in ("bin", "lib"):
        (alone / folder).mkdir(parents=True)
    tool = alone / "bin/efficientai"
    tool.write_bytes(TOOL.read_bytes())
    tool.chmod(0o755)
    for name in os.listdir(BUILD / "lib"):
        if name.startswith("libefficientai.") and not name.endswith(".a"):
            (alone / "lib" / name).write_bytes((BUILD / "lib" / name).read_bytes())
    argv = [tool, "logits", "--model", MODEL, "--ids", "5", "--output", WORK / "logits.npy", "--backend", "mlx"]
    env = {k: v for k, v in os.environ.items() if k != "EFFICIENTAI_MLX"}
    done = subprocess.run(list(map(str, argv)), capture_output=True, text=True, timeout=60, env=env)
    expect(done, "backend mlx: no libefficientai_mlx", str(alone), "make mlx")


def case_not_a_plugin():
    path = WORK / "text.so"
    path.write_text("this is no shared object\n")
    expect(run(plugin=path), "backend mlx: the plugin cannot be loaded", "text.so")


def case_plugin_of_another_table():
    expect(run(plugin=fake("table")), "table.so is of another version of this toolkit", "make mlx")


def case_another_mlx_than_built_against():
    expect(run(plugin=fake("version")), "built against MLX 1.2.3", "MLX 1.2.4 is installed", "make mlx")


def case_no_device():
    expect(run(plugin=fake("open")), "backend mlx: no device")


def case_out_of_memory():
    expect(run(plugin=fake("memory")), "mlx: ", "[malloc] Unable to allocate 123 bytes")


def case_exception():
    expect(run(plugin=fake("throw")), "mlx: ", "cannot be broadcast")


def case_precision_that_it_lacks():
    expect(run("--dtype", "int8", plugin=fake("throw")), "backend mlx: precision int8; there are f32 and bf16")


def case_auto_says_what_it_took_and_why():
    argv = [TOOL, "-v", "lora-finetuning-mlx:validate", "--model", MODEL, "--data", WORK, "--backend", "auto"]
    (WORK / "train.jsonl").write_text('{"text": "hello"}\n')
    done = subprocess.run(list(map(str, argv)), capture_output=True, text=True, timeout=60,
                          env={**os.environ, "EFFICIENTAI_MLX": str(fake("version"))})
    said = [line for line in done.stderr.splitlines() if "backend auto: cpu" in line]
    assert len(said) == 1, done.stderr
    if sys.platform == "darwin" and os.uname().machine == "arm64":
        assert "1.2.3" in said[0], said


sys.exit(cases.run(globals()))
