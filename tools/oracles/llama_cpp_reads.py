#!/usr/bin/env python3
"""llama.cpp reads the GGUF files that this project writes: the logits are ours, and so are the tokens.

    llama_cpp_reads.py TOOL MODEL.gguf ADAPTER MERGED --library build/lib/libefficientai.so

MERGED is the folder where `merge --save-dtype f32` left MODEL with ADAPTER as safetensors and as GGUF; `make interop` makes both. It needs
llama-cpp-python and numpy; docs/testing.md, "Other tools", says how to build that environment. Three proofs:

  tokens     N_LINES lines of tokenizer_lines.py, by MODEL's tokenizer: the same ids
  types      a random model with rows long enough for every type, as GGUF by our writer in every type it has for weights:
             in f32 the logits that we get from the file it was made of, else those from the same file
  merged     MERGED as GGUF in the types that its rows allow, on PROMPTS. In f32 our logits are those of MODEL with ADAPTER
             beside it, in which neither merge nor the writer has a part; else ours of the same file. So are those of
             the GGUF file in MERGED

llama.cpp computes with less than f32 where the weights have less: it rounds what is multiplied with f16 weights to f16,
with bf16 to bf16, with quantized weights to 8 bits in blocks of 32 or 256. That, not the file, is what ALLOWED is for:
some three times what was seen. In the random model it is far less than what types of few bits do to the logits
themselves, which is printed too, and what one matrix with its rows shifted by one does in any type. In the real model
some tokens stand on an edge: at the fourth of "make the pantry 20 degrees" our own bf16 products are off by twenty
times as much as elsewhere. So but for f32 a tenth of the tokens may differ by more. An error is that of a token: the
largest difference of its logits over the largest logit of the text. Exit status 1 when one is too large, or an id
differs. Start at main.
"""
import argparse
import ctypes
import json
import pathlib
import subprocess
import sys
import tempfile

import llama_cpp
import numpy as np

import hash_fill
import our_library
from tokenizer_lines import make_line

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests/projects"))
import tiny_model  # noqa: E402

N_LINES = 1000
PROMPTS = ["<|im_start|>user What is the capital of France?<|im_end|>", "make the pantry 20 degrees",
           "The weather in Oslo is cold, so people there wear 3 layers; in Rome they do not."]
CHANGE = 1e-2  # the adapter moves some logit by more than this share of the largest, or the comparison says nothing
N_IDS = 48
WIDE = {"WIDTH": 256, "FFN": 512}  # a row is a block of the largest types, or two
SPREAD = 0.03  # so small that rounding stays rounding: larger values make a random model chaotic

# the random model, the merged one
ALLOWED = {"f32": (1e-5, 1e-4), "f16": (1e-3, 1e-2), "bf16": (1e-2, 3e-2)}
ALLOWED_8_BITS = (0.04, 0.1)
OF_TOKENS = 0.9
QUANTIZED = our_library.quantized_types()
MERGED_BLOCK = 32  # the rows of the real model are 576 long


# --- writing, by our library ---


def copy_metadata(lib, to, source):
    """Every key of a file, as the type of the library that it has there."""
    kinds = {value: name for name, value in our_library.constants("weights.h").items()}
    scalars = {"EAI_META_BOOL": ("bool", ctypes.c_bool), "EAI_META_INT": ("int", ctypes.c_int64),
               "EAI_META_FLOAT": ("float", ctypes.c_double)}
    for i in range(lib.eai_weights_meta_count(source)):
        key = lib.eai_weights_meta_key(source, i)
        kind = kinds[lib.eai_weights_meta_type(source, key)]
        if kind in scalars:
            name, ctype = scalars[kind]
            value = ctype()
            assert getattr(lib, f"eai_weights_get_{name}")(ctypes.byref(value), source, key)
            lib.check(getattr(lib, f"eai_weights_set_{name}")(to, key, value, lib.error))
        elif kind == "EAI_META_STRING":
            lib.check(lib.eai_weights_set_string(to, key, lib.eai_weights_get_string(source, key), lib.error))
        elif kind == "EAI_META_STRINGS":
            value = our_library.Strings()
            assert lib.eai_weights_get_strings(ctypes.byref(value), source, key)
            lib.check(lib.eai_weights_set_strings(to, key, ctypes.byref(value), lib.error))
        else:
            name = "ints" if kind == "EAI_META_INTS" else "floats"
            n = ctypes.c_size_t()
            value = getattr(lib, f"eai_weights_get_{name}")(ctypes.byref(n), source, key)
            lib.check(getattr(lib, f"eai_weights_set_{name}")(to, key, value, n, lib.error))


def number_of(lib, name):
    value = ctypes.c_int()
    assert lib.eai_dtype_from_name(ctypes.byref(value), name.encode()), name
    return value.value


def convert(lib, tensor, number):
    """The tensor's bytes in another type, a row at a time by the library's own conversions."""
    width = tensor.shape.dim[tensor.shape.n_dims - 1]
    n_rows = int(np.prod(tensor.shape.dim[:tensor.shape.n_dims])) // width
    n = ctypes.c_size_t()
    assert lib.eai_tensor_bytes(ctypes.byref(n), number, ctypes.byref(tensor.shape))
    values = np.empty(n_rows * width, np.float32)
    lib.eai_dequantize_row(values.ctypes.data, tensor.dtype, tensor.data, values.size)
    out = np.empty(n.value, np.uint8)
    lib.check(lib.eai_quantize_row(out.ctypes.data, number, values.ctypes.data, values.size, lib.error))
    return out


def write(lib, path, base, values, kind):
    """A GGUF file: the metadata of the file `base`, the values of the file `values`; matrices in type `kind`, the rest in f32."""
    source, weights, out = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_void_p()
    lib.check(lib.eai_weights_open(ctypes.byref(source), str(base).encode(), lib.error))
    lib.check(lib.eai_weights_open(ctypes.byref(weights), str(values).encode(), lib.error))
    lib.check(lib.eai_weights_create(ctypes.byref(out), b"memory", lib.error))
    copy_metadata(lib, out, source)
    for i in range(lib.eai_weights_count(source)):
        name = lib.eai_weights_at(source, i).contents.name
        found = lib.eai_weights_find(weights, name)
        assert found, f"{values}: no {name.decode()}"
        number = number_of(lib, kind if found.contents.shape.n_dims > 1 else "f32")
        data = convert(lib, found.contents, number)
        lib.check(lib.eai_weights_add(out, name, number, ctypes.byref(found.contents.shape), data.ctypes.data, lib.error))
    lib.check(lib.eai_weights_save_gguf(out, str(path).encode(), None, lib.error))
    for w in (out, weights, source):
        lib.eai_weights_close(w)


# --- logits ---


def their_logits(path, texts):
    """[text][token, vocabulary], by llama.cpp with everything in f32 that it lets one choose."""
    f32 = llama_cpp.GGML_TYPE_F32
    llama = llama_cpp.Llama(str(path), n_ctx=256, n_batch=256, logits_all=True, type_k=f32, type_v=f32, verbose=False)
    result = []
    for ids in texts:
        llama.reset()
        llama.eval(list(ids))
        result.append(llama.scores[:len(ids)].copy())
    llama.close()
    return result


def our_logits(tool, path, texts, *options):
    result = []
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "logits.npy"
        for ids in texts:
            subprocess.run([tool, "logits", "--model", path, "--ids", ",".join(map(str, ids)), "--output", out, "--dtype", "f32",
                            *options], check=True, stdout=subprocess.DEVNULL)
            result.append(np.load(out))
    return result


def errors(a, b):
    """Of every token of all texts, sorted; a value that is no number is infinitely wrong."""
    each = [np.abs(x - y).max(1) / np.abs(x).max() for x, y in zip(a, b, strict=True)]
    return np.sort(np.nan_to_num(np.concatenate(each), nan=np.inf))


def judge(name, kind, model, ours, theirs, exact):
    """Whether llama.cpp's logits are ours. `model`: its column of ALLOWED; `exact`: ours of the same model in f32."""
    allowed = ALLOWED.get(kind, ALLOWED_8_BITS)[model]
    found, lost = errors(ours, theirs), errors(exact, ours)
    most = len(found) - 1 if kind == "f32" else int(OF_TOKENS * len(found)) - 1
    good = found[most] <= allowed
    tops = sum(int((a.argmax(1) == b.argmax(1)).sum()) for a, b in zip(ours, theirs, strict=True))
    print(f"{'same' if good else 'DIFFERS'}  {name} in {kind}: {found[most]:.2g} (allowed {allowed:.2g}), worst token {found[-1]:.2g}; "
          f"the type itself {lost[most]:.2g}; the same first choice {tops} times of {len(found)}", flush=True)
    return good


# --- the proofs ---


def tokenize(tool, model, lines):
    done = subprocess.run([tool, "tokenize", "--model", model, "--json"], input="\n".join(lines) + "\n", capture_output=True,
                          text=True, check=True)
    return [json.loads(line) for line in done.stdout.split("\n") if line]


def check_tokens(args):
    lines = [make_line(i) for i in range(N_LINES)]
    lines = [line for line in lines if not set(line) & set("\r\n\0")]
    llama = llama_cpp.Llama(str(args.model), vocab_only=True, verbose=False)
    theirs = [llama.tokenize(line.encode(), add_bos=False, special=True) for line in lines]
    llama.close()
    ours = tokenize(args.tool, args.model, lines)
    wrong = [ascii(line) for line, a, b in zip(lines, ours, theirs, strict=True) if a != b]
    print(f"tokens: {len(lines)} lines, {len(wrong)} differ", *wrong[:3], sep="\n", flush=True)
    return not wrong


def check_merged(args, lib, work):
    texts = tokenize(args.tool, args.model, PROMPTS)
    beside = our_logits(args.tool, args.model, texts, "--adapter", args.adapter)
    change = errors(our_logits(args.tool, args.model, texts), beside)[-1]
    print(f"{'good' if change > CHANGE else 'TOO LITTLE'}: the adapter moves the logits by {change:.2g}")
    good = judge("merge --format gguf", "f32", 1, beside, their_logits(args.merged / "model.gguf", texts), beside)
    good = change > CHANGE and good
    for kind in [*ALLOWED, *(name for name, block in QUANTIZED.items() if block <= MERGED_BLOCK)]:
        path = work / f"merged-{kind}.gguf"
        write(lib, path, args.model, args.merged / "model.safetensors", kind)
        ours = beside if kind == "f32" else our_logits(args.tool, path, texts)
        good = judge("merged", kind, 1, ours, their_logits(path, texts), beside) and good
        path.unlink()
    return good


def check_types(args, lib, work):
    for name, value in WIDE.items():
        setattr(tiny_model, name, value)
    base = tiny_model.write(work / "wide.gguf", spread=SPREAD)
    texts = [hash_fill.integers(hash_fill.STREAM_IDS, 3000, N_IDS, len(tiny_model.vocabulary()[0])).tolist()]
    exact = our_logits(args.tool, base, texts)
    good = True
    for kind in [*ALLOWED, *QUANTIZED]:
        path = work / f"wide-{kind}.gguf"
        write(lib, path, base, base, kind)
        ours = exact if kind == "f32" else our_logits(args.tool, path, texts)
        good = judge("random", kind, 0, ours, their_logits(path, texts), exact) and good
    return good


def main():
    parser = argparse.ArgumentParser(description="llama.cpp reads our GGUF files.")
    parser.add_argument("tool", type=pathlib.Path)
    parser.add_argument("model", type=pathlib.Path, help="a GGUF file of a small model")
    parser.add_argument("adapter", type=pathlib.Path)
    parser.add_argument("merged", type=pathlib.Path, help="what merge made of both, in f32")
    parser.add_argument("--library", type=pathlib.Path, required=True)
    args = parser.parse_args()
    lib = our_library.Library(args.library)
    print(f"llama-cpp-python {llama_cpp.__version__}")
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        good = [check_tokens(args), check_types(args, lib, work), check_merged(args, lib, work)]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
