#!/usr/bin/env python3
"""Bad input on the real command line: model files, data, adapters and options that are wrong in one way each. The
command must say so in one line that names the file, the field, the value seen and the value allowed, exit with 1
(2 for usage) and leave nothing behind.

bad_input_on_tiny_model.py BUILD: runs every case on BUILD/bin/efficientai. Exit status: 0 all passed, 1 some
failed."""
import json
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile
import time

import builds
import cases
import tiny_model
from tiny_model import number, string, strings, text

BUILD = pathlib.Path(sys.argv[1])
TOOL = BUILD / "bin/efficientai"
WORK = pathlib.Path(tempfile.mkdtemp(prefix="eai-bad-"))
MODEL = tiny_model.write(WORK / "tiny.gguf")
GOOD = MODEL.read_bytes()
OUT = WORK / "out"
ROW = json.dumps({"prompt": "hello", "completion": "the end"}) + "\n"


def data_of(raw):
    folder = pathlib.Path(tempfile.mkdtemp(dir=WORK))
    (folder / "train.jsonl").write_bytes(raw)
    return folder


DATA = data_of(ROW.encode() * 6)


def run(command, *words, **environment):
    argv = [TOOL, f"lora-finetuning-mlx:{command}", *words]
    return subprocess.run(list(map(str, argv)), capture_output=True, text=True, timeout=120,
                          env=os.environ | {k: str(v) for k, v in environment.items()})


def train(model=MODEL, data=DATA, *words, **environment):
    return run("train", "--model", model, "--data", data, "--output", OUT, "--steps", 2, "--batch-size", 1,
               "--seq-len", 32, "--quiet", *words, **environment)


def refused(done, *parts, status=1):
    """One line with all the parts, the exit status, and no output."""
    assert done.returncode == status, (done.returncode, done.stderr)
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1, done.stderr
    for part in map(str, parts):
        assert part in done.stderr, f"'{part}' is not in: {done.stderr}"
    assert not OUT.exists(), sorted(OUT.rglob("*"))


def replaced(old, new):
    assert GOOD.count(old) == 1, (old, GOOD.count(old))
    return GOOD.replace(old, new)


def info(name, n_dims=2, *tail):
    """The beginning of a tensor's entry: name, number of dimensions, and what else is given."""
    return text(name) + struct.pack("<I", n_dims) + b"".join(tail)


def dims(*d):
    return struct.pack(f"<{len(d)}Q", *d)


QUERY = info("blk.0.attn_q.weight", 2, dims(32, 32))
TYPE_F32 = struct.pack("<I", 0)


def case_model_files():
    n_tensors = len(tiny_model.shapes())
    counts = b"GGUF" + struct.pack("<IQQ", 3, n_tensors, 20)
    first = info("token_embd.weight", 2, dims(32, 269), TYPE_F32, struct.pack("<Q", 0))
    second = info("output_norm.weight", 1, dims(32), TYPE_F32)
    at = GOOD.index(second) + len(second)
    norm_offset = struct.unpack_from("<Q", GOOD, at)[0]
    context = number("llama.context_length", 512)
    merges = text("tokenizer.ggml.merges") + struct.pack("<IIQ", 9, 8, len(tiny_model.MERGES))
    rows = [
        # empty
        (b"", ["(0 bytes)"]),
        # no model
        (b"hello, world, this is no model at all", ["neither"]),
        # cut in the header
        (GOOD[:200], ["cut short"]),
        # cut in the data
        (GOOD[:-100], ["blk.1.ffn_down.weight", "8192 bytes", "beyond the end"]),
        # big-endian
        (b"GGUF" + struct.pack(">IQQ", 3, n_tensors, 20) + GOOD[24:], ["big-endian", "only little-endian"]),
        # version 1
        (b"GGUF" + struct.pack("<I", 1) + GOOD[8:], ["version 1", "2 and 3"]),
        # version 99
        (b"GGUF" + struct.pack("<I", 99) + GOOD[8:], ["version 99", "2 and 3"]),
        # absurd tensors
        (replaced(counts, b"GGUF" + struct.pack("<IQQ", 3, 1 << 60, 20)), ["tensors", 1 << 60]),
        # absurd entries
        (replaced(counts, b"GGUF" + struct.pack("<IQQ", 3, n_tensors, 1 << 60)), [1 << 60]),
        # wrapped
        (replaced(QUERY, info("blk.0.attn_q.weight", 2, dims(1 << 33, 1 << 31))),
         ["blk.0.attn_q.weight", "8589934592"]),
        # negative
        (replaced(QUERY, info("blk.0.attn_q.weight", 2, dims(32, (1 << 64) - 32))), ["blk.0.attn_q.weight"]),
        # 5 dimensions
        (replaced(QUERY, info("blk.0.attn_q.weight", 9, dims(32, 32))), ["blk.0.attn_q.weight", "9 dimensions"]),
        # overlap
        (GOOD[:at] + struct.pack("<Q", 0) + GOOD[at + 8:], ["offset 0 lies inside another tensor"]),
        # misaligned
        (GOOD[:at] + struct.pack("<Q", norm_offset + 4) + GOOD[at + 8:], ["output_norm.weight", "32"]),
        # past the end
        (GOOD[:at] + struct.pack("<Q", 1 << 40) + GOOD[at + 8:], ["output_norm.weight", 1 << 40]),
        # unknown type
        (replaced(first, info("token_embd.weight", 2, dims(32, 269), struct.pack("<IQ", 77, 0))),
         ["token_embd.weight", "storage type 77", "F32"]),
        # unknown kind of value
        (replaced(context, text("llama.context_length") + struct.pack("<II", 99, 512)),
         ["llama.context_length", "value type 99", "0 to 12"]),
        # absurd length of a list
        (replaced(merges, merges[:-8] + struct.pack("<Q", 1 << 60)), ["tokenizer.ggml.merges", 1 << 60]),
        # a string past the end
        (replaced(string("general.name", "tiny"),
                                           text("general.name") + struct.pack("<IQ", 8, 1 << 40) + b"tiny"),
         ["general.name", "cut short"]),
        # the same key twice
        (replaced(text("llama.context_length"), text("llama.embedding_length")[:-2] + b"th"),
         ["llama.embedding_length"]),
        # the same tensor twice
        (replaced(info("blk.0.attn_q.weight"), info("blk.1.attn_q.weight")), ["layers.1.self_attn.q_proj", "twice"]),
        # another architecture
        (replaced(string("general.architecture", "llama"), string("general.architecture", "lemma")),
         ["lemma", "llama"]),
        # a wrong shape
        (replaced(QUERY, info("blk.0.attn_q.weight", 2, dims(16, 64))), ["q_proj", "[64,16]", "[32,32]"]),
    ]
    for raw, parts in rows:
        path = WORK / "bad.gguf"
        path.write_bytes(raw)
        refused(train(path), path, *parts)
    refused(train(WORK / "none.gguf"), "none.gguf")
    refused(train(WORK), WORK, "it is a folder")


def case_tokenizers():
    def merges(*first):
        return strings("tokenizer.ggml.merges", list(first) + tiny_model.MERGES[len(first):])

    good = merges()
    eos = number("tokenizer.ggml.eos_token_id", 2)
    rows = [
        # one word
        (replaced(good, merges("hex")), ["merge 0", "hex"]),
        # not in the vocabulary
        (replaced(good, merges("h zzz")), ["zzz"]),
        # eos
        (replaced(eos, number("tokenizer.ggml.eos_token_id", 99999)), ["99999"]),
        # kind
        (replaced(string("tokenizer.ggml.model", "gpt2"), string("tokenizer.ggml.model", "gpt9")), ["gpt9"]),
        # pre
        (replaced(string("tokenizer.ggml.pre", "smollm"), string("tokenizer.ggml.pre", "smollx")), ["smollx"]),
    ]
    for raw, parts in rows:
        path = WORK / "bad.gguf"
        path.write_bytes(raw)
        refused(train(path), path, *parts)


def safetensors(header, data=b""):
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(raw)) + raw + data


def case_safetensors():
    f32 = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
    rows = [
        # empty
        (b"", []),
        # huge header
        (struct.pack("<Q", 1 << 50) + b"{}", ["header", 1 << 50]),
        # cut
        (safetensors({"x": f32}, bytes(4)), ["'x'", "4 bytes"]),
        # lies about the size
        (safetensors({"x": f32 | {"shape": [3]}}, bytes(8)), ["'x'", "0 to 8", "12"]),
        # overlap
        (safetensors({"x": f32, "y": f32}, bytes(8)), ["overlap"]),
        # type
        (safetensors({"x": f32 | {"dtype": "F99"}}, bytes(8)), ["'x'", "F99"]),
        # no JSON
        (safetensors(b"{nonsense"), ["header"]),
    ]
    folder = WORK / "hf"
    folder.mkdir()
    for raw, parts in rows:
        path = folder / "model.safetensors"
        path.write_bytes(raw)
        refused(train(folder), path, *parts)


def case_values_that_are_no_numbers():
    """--check reads all weights first; without it the loss is what shows them."""
    model = tiny_model.write(WORK / "poisoned.gguf", untied=True, poison="z")
    refused(train(model, DATA, "--check"), model, "embed_tokens", "nan")


def case_a_model_that_is_made_shorter():
    """Its pages are gone while a run reads them. Where there is no /proc the system's own word has to do."""
    if builds.is_sanitized(BUILD) or not os.path.exists("/proc/self/maps"):
        return
    model = tiny_model.write(WORK / "shorter.gguf")
    argv = [TOOL, "lora-finetuning-mlx:train", "--model", model, "--data", DATA, "--output", OUT, "--steps", 1000000,
            "--seq-len", 32, "--save-every", 1, "--quiet"]
    child = subprocess.Popen(list(map(str, argv)), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    while not (OUT / "checkpoint/state.safetensors").exists() and child.poll() is None:
        time.sleep(0.01)
    os.truncate(model, 4096)
    _, errors = child.communicate(timeout=120)
    assert child.returncode == 1, (child.returncode, errors)
    assert errors == f"error: '{model}' was made shorter while it was in use, or its disk failed\n", errors
    shutil.rmtree(OUT)


def case_a_loss_that_is_no_number_stops_the_run():
    """Row 5 is the first with a poisoned letter: the checkpoint of step 4 stays, and nothing else is written."""
    model = tiny_model.write(WORK / "poisoned.gguf", untied=True, poison="z")
    row = json.dumps({"prompt": "hello z", "completion": "the end"}) + "\n"
    data = data_of((ROW * 4 + row).encode())
    words = ["--steps", 5, "--no-shuffle", "--no-pack", "--save-every", 1]
    done = train(model, data, *words)
    line = "error: step 5: the loss is nan"
    assert done.returncode == 1 and done.stderr.startswith(line) and done.stderr.count("\n") == 1, done.stderr
    assert [str(p.relative_to(OUT)) for p in sorted(OUT.rglob("*"))] == ["checkpoint", "checkpoint/state.safetensors"]
    done = train(model, data, *words, "--resume")  # it goes on where it was, and meets the same row
    assert done.returncode == 1 and done.stderr.startswith(line), done.stderr
    shutil.rmtree(OUT)


def case_a_training_that_diverges_is_stopped():
    done = train(MODEL, DATA, "--steps", 400, "--learning-rate", 10, "--alpha", 1e5, "--rank", 1, "--max-grad-norm", 0,
                 "--weight-decay", 10, "--schedule", "constant", "--save-every", 1)
    assert done.returncode == 1 and done.stderr.count("\n") == 1, done.stderr
    assert "the training has diverged (a lower learning-rate than 10 may help)" in done.stderr, done.stderr
    assert sorted(os.listdir(OUT)) == ["checkpoint"], os.listdir(OUT)
    shutil.rmtree(OUT)


def case_rows():
    layouts = '{"text"}, {"prompt", "completion"} and {"messages"}'
    rows = [
        ((ROW * 16 + '{"prompt": "hello", "completion": \n' + ROW).encode(), ["train.jsonl:17:", "JSON", "byte 34"]),
        (ROW.encode() * 16 + b'{"text": "a\xff\xfeb"}\n', ["train.jsonl:17:", "UTF-8", "byte 11"]),
        (b"", ["train.jsonl", "no rows (0 bytes", layouts]),
        (b"\n \n", ["train.jsonl", "no rows (3 bytes", layouts]),
        (b"[1]\n", ["train.jsonl:1:", "a list (an object is allowed)"]),
        (b'{"a": 1}\n', ["train.jsonl:1:", "unknown layout", layouts]),
        (b'{"prompt": 3, "completion": "x"}\n', ["train.jsonl:1:", "'prompt' is a number (a text is allowed)"]),
        (json.dumps({"prompt": "xy" * 40, "completion": "the end"}).encode(), ["train.jsonl", "before token 32"]),
    ]
    for raw, parts in rows:
        refused(train(MODEL, data_of(raw)), *parts)
    refused(train(MODEL, WORK / "nowhere"), "nowhere/train.jsonl", "No such file")


def case_a_row_longer_than_the_context_is_cut():
    data = data_of(json.dumps({"prompt": "hello", "completion": "the end " * 1000}).encode())
    argv = [TOOL, "lora-finetuning-mlx:train", "--model", MODEL, "--data", data, "--output", OUT, "--steps", "1",
            "--batch-size", "1", "--seq-len", "512"]
    done = subprocess.run(list(map(str, argv)), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and "some examples were cut to --seq-len" in done.stderr, done.stderr
    shutil.rmtree(OUT)
    refused(train(MODEL, data, "--seq-len", 513), "--seq-len 513", "up to 512")


def case_options():
    rows = [
        (["--rank", 0], ["--rank", "0 is out of range", "1 to 256"]),
        (["--rank", 257], ["--rank", "257 is out of range", "1 to 256"]),
        (["--rank", "two"], ["--rank", "'two'", "whole number"]),
        (["--rank", "4x"], ["--rank", "'4x'"]),
        (["--rank", "99999999999999999999"], ["--rank", "99999999999999999999"]),
        (["--learning-rate", "nan"], ["--learning-rate", "'nan'"]),
        (["--dropout", "1"], ["--dropout", "1 is out of range", "0 to 0.99"]),
        (["--schedule", "cosinus"], ["--schedule", "'cosinus'", "constant, linear, cosine, polynomial"]),
        (["--lerning-rate", 3], ["--lerning-rate", "did you mean --learning-rate?"]),
        (["--frobnicate"], ["--frobnicate", "--help"]),
        (["--rank"], ["--rank needs a value"]),
    ]
    for words, parts in rows:
        refused(train(MODEL, DATA, *words), *parts, status=2)
    refused(train(MODEL, DATA, "--targets", "q_prog"), "q_prog", "q_proj", "down_proj")
    done = run("trian")
    assert done.returncode == 2 and "did you mean" in done.stderr, done.stderr


def case_adapters():
    """Of another model, cut short, with values that are no numbers, or not there: neither merged nor used."""
    adapter = WORK / "adapter"
    done = run("train", "--model", MODEL, "--data", DATA, "--output", adapter, "--steps", 1, "--seq-len", 32, "--quiet")
    assert done.returncode == 0, done.stderr
    weights, config = adapter / "adapter_model.safetensors", adapter / "adapter_config.json"
    good, good_config = weights.read_bytes(), config.read_text()

    def merge(*parts, model=MODEL):
        refused(run("merge", "--model", model, "--adapter", adapter, "--output", OUT), *parts)

    wider = WORK / "wider.gguf"
    width, tiny_model.WIDTH = tiny_model.WIDTH, 64
    tiny_model.write(wider)
    tiny_model.WIDTH = width
    merge(weights, "q_proj.lora_A", "[8,32]", "[8,64]", model=wider)
    weights.write_bytes(good[:-10])
    merge(weights, "beyond the file")
    weights.write_bytes(good[:-4] + struct.pack("<f", float("nan")))
    merge(weights, "nan")
    weights.write_bytes(good)
    config.write_text(good_config.replace('"r": 8', '"r": 9'))
    assert config.read_text() != good_config, good_config
    merge(weights, "lora_A", "[8,32]", "[9,32]")
    config.write_text("{")
    merge(config)
    config.unlink()
    merge(config, "No such file")


def case_too_large_for_the_machine():
    """Known before anything is done, with settings that would fit; and those do."""
    words = ["--batch-size", 64, "--seq-len", 512]
    small = {"EAI_MEMORY_AVAILABLE": 20 << 20}
    refused(train(MODEL, DATA, *words, **small), "training needs", "MB more, the machine has 21.0 MB free",
            "try --checkpoint-activations or --batch-size 32")
    refused(train(MODEL, DATA, *words, "--checkpoint-activations", **small), "free: try --batch-size 32")
    done = train(MODEL, DATA, **small)
    assert done.returncode == 0, done.stderr
    shutil.rmtree(OUT)


def main():
    status = cases.run(globals())
    shutil.rmtree(WORK)
    return status


if __name__ == "__main__":
    sys.exit(main())
