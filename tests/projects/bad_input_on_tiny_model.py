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

import cases
import tiny_model

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
    lines = done.stderr.splitlines()
    assert lines and lines[0].startswith("error: "), done.stderr
    assert len(lines) == (1 if status == 1 else 2), done.stderr  # usage errors add where the help is
    for part in map(str, parts):
        assert part in lines[0], f"'{part}' is not in: {lines[0]}"
    assert not OUT.exists(), sorted(OUT.rglob("*"))


def replaced(old, new):
    assert GOOD.count(old) == 1, (old, GOOD.count(old))
    return GOOD.replace(old, new)


def info(name, n_dims=2, *tail):
    """The beginning of a tensor's entry: name, number of dimensions, and what else is given."""
    return tiny_model.text(name) + struct.pack("<I", n_dims) + b"".join(tail)


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
    context = tiny_model.number("llama.context_length", 512)
    rows = [
        # what is wrong, the file's bytes, what the line says
        ("empty", b"", ["(0 bytes)"]),
        ("no model", b"hello, world, this is no model at all", ["neither"]),
        ("cut in the header", GOOD[:200], ["cut short"]),
        ("cut in the data", GOOD[:-100], ["beyond the file"]),
        ("big-endian", b"GGUF" + struct.pack(">IQQ", 3, n_tensors, 20) + GOOD[24:], ["big-endian"]),
        ("version 1", b"GGUF" + struct.pack("<I", 1) + GOOD[8:], ["version 1", "2 and 3"]),
        ("version 99", b"GGUF" + struct.pack("<I", 99) + GOOD[8:], ["version 99", "2 and 3"]),
        ("absurd tensors", replaced(counts, b"GGUF" + struct.pack("<IQQ", 3, 1 << 60, 20)), [str(1 << 60), "tensors"]),
        ("absurd entries", replaced(counts, b"GGUF" + struct.pack("<IQQ", 3, n_tensors, 1 << 60)), [str(1 << 60)]),
        ("wrapped", replaced(QUERY, info("blk.0.attn_q.weight", 2, dims(1 << 33, 1 << 31))), ["blk.0.attn_q.weight", "8589934592"]),
        ("negative", replaced(QUERY, info("blk.0.attn_q.weight", 2, dims(32, (1 << 64) - 32))), ["blk.0.attn_q.weight"]),
        ("5 dimensions", replaced(QUERY, info("blk.0.attn_q.weight", 9, dims(32, 32))), ["blk.0.attn_q.weight", "9 dimensions"]),
        ("overlap", GOOD[:at] + struct.pack("<Q", 0) + GOOD[at + 8:], ["overlap"]),
        ("misaligned", GOOD[:at] + struct.pack("<Q", norm_offset + 4) + GOOD[at + 8:], ["output_norm.weight", "32"]),
        ("past the end", GOOD[:at] + struct.pack("<Q", 1 << 40) + GOOD[at + 8:], ["output_norm.weight", str(1 << 40)]),
        ("unknown type", replaced(first, info("token_embd.weight", 2, dims(32, 269), struct.pack("<IQ", 77, 0))), ["token_embd.weight", "77"]),
        ("unknown kind of value", replaced(context, tiny_model.text("llama.context_length") + struct.pack("<II", 99, 512)), ["llama.context_length", "99"]),
        ("a string past the end", replaced(tiny_model.string("general.name", "tiny"),
                                           tiny_model.text("general.name") + struct.pack("<IQ", 8, 1 << 40) + b"tiny"), ["general.name"]),
        ("the same key twice", replaced(tiny_model.text("llama.context_length"), tiny_model.text("llama.embedding_length")[:-2] + b"th"), ["llama.embedding_length"]),
        ("the same tensor twice", replaced(info("blk.0.attn_q.weight"), info("blk.1.attn_q.weight")), ["blk.1.attn_q.weight"]),
        ("another architecture", replaced(tiny_model.string("general.architecture", "llama"), tiny_model.string("general.architecture", "lemma")), ["lemma", "llama"]),
        ("a wrong shape", replaced(QUERY, info("blk.0.attn_q.weight", 2, dims(16, 64))), ["q_proj", "[64, 16]", "[32, 32]"]),
    ]
    for name, raw, parts in rows:
        path = WORK / "bad.gguf"
        path.write_bytes(raw)
        try:
            d = train(path)
            print(name, "->", d.returncode, d.stderr.strip())
            refused(d, path, *parts)
        except AssertionError as e:
            print("   !!", name, e)
    refused(train(WORK / "none.gguf"), "none.gguf")


def case_tokenizers():
    merges = lambda *m: tiny_model.strings("tokenizer.ggml.merges", list(m) + tiny_model.MERGES[len(m):])
    good = merges()
    eos = tiny_model.number("tokenizer.ggml.eos_token_id", 2)
    rows = [
        ("one word", replaced(good, merges("he")), ["merge", "he"]),
        ("not in the vocabulary", replaced(good, merges("h zzz")), ["zzz"]),
        ("eos", replaced(eos, tiny_model.number("tokenizer.ggml.eos_token_id", 99999)), ["99999"]),
        ("kind", replaced(tiny_model.string("tokenizer.ggml.model", "gpt2"), tiny_model.string("tokenizer.ggml.model", "gpt9")), ["gpt9"]),
        ("pre", replaced(tiny_model.string("tokenizer.ggml.pre", "smollm"), tiny_model.string("tokenizer.ggml.pre", "smollx")), ["smollx"]),
    ]
    for name, raw, parts in rows:
        path = WORK / "bad.gguf"
        path.write_bytes(raw)
        try:
            d = train(path)
            print(name, "->", d.returncode, d.stderr.strip())
            refused(d, path, *parts)
        except AssertionError as e:
            print("   !!", name, e)


def safetensors(header, data=b""):
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(raw)) + raw + data


def case_safetensors():
    f32 = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
    rows = [
        ("empty", b"", []),
        ("huge header", struct.pack("<Q", 1 << 50) + b"{}", ["header", str(1 << 50)]),
        ("cut", safetensors({"x": f32}, bytes(4)), ["'x'", "4 bytes"]),
        ("lies about the size", safetensors({"x": f32 | {"shape": [3]}}, bytes(8)), ["'x'", "0 to 8", "12"]),
        ("overlap", safetensors({"x": f32, "y": f32}, bytes(8)), ["overlap"]),
        ("type", safetensors({"x": f32 | {"dtype": "F99"}}, bytes(8)), ["'x'", "F99"]),
        ("no JSON", safetensors(b"{nonsense"), ["header"]),
    ]
    folder = WORK / "hf"
    folder.mkdir()
    for name, raw, parts in rows:
        path = folder / "model.safetensors"
        path.write_bytes(raw)
        try:
            d = train(folder)
            print(name, "->", d.returncode, d.stderr.strip())
            refused(d, path, *parts)
        except AssertionError as e:
            print("   !!", name, e)


def main():
    status = cases.run(globals())
    shutil.rmtree(WORK)
    return status


if __name__ == "__main__":
    sys.exit(main())
