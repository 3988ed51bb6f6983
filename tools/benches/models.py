"""The model in the storage types that are compared, as GGUF files that our library writes, and as transformers reads it."""
import ctypes
import math
import os
import re
import subprocess
import sys

from .process import ORACLES, Failed, environment, failure, library_of

sys.path.insert(0, str(ORACLES))
import our_library  # noqa: E402

FILE_TYPES = {"f32": 0, "f16": 1, "q4_0": 2, "q4_1": 3, "q8_0": 7, "bf16": 32, "q4_K_M": 15}  # llama.cpp's numbers
# Where a row is no whole number of a k-quant's blocks llama.cpp takes the next larger type of blocks of 32.
FALLBACK = {"q4_K": "q5_0", "q6_K": "q8_0"}


def model_file(args):
    """The path of a GGUF file or of a known model that was fetched."""
    if os.path.exists(args.model):
        return args.model
    done = subprocess.run([args.tool, "models", "path", args.model], capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr.strip())
    return done.stdout.strip()


def prepare_folders(args, folder):
    """FOLDER/f32 and FOLDER/bf16: the model as transformers reads it best."""
    argv = [args.python, ORACLES / "peft_speed.py", "prepare", folder, "--model", model_file(args)]
    done = subprocess.run(argv, env=environment(args.threads), capture_output=True, text=True)
    if done.returncode:
        raise failure(argv, done.returncode, done.stderr)


def mixture_type(name, n_layers):
    """What llama.cpp's q4_K_M has for a matrix where rows allow it: more bits where an error costs most."""
    found = re.search(r"layers\.(\d+)\.", name)
    if not found:
        return "q6_K"
    layer, eighth = int(found[1]), n_layers // 8
    more = layer < eighth or layer >= 7 * n_layers // 8 or (layer - eighth) % 3 == 2
    return "q6_K" if more and re.search(r"\b(v_proj|down_proj)\b", name) else "q4_K"


def type_of(kind, name, shape, n_layers):
    """The storage type of a tensor in a file that is called `kind`; None: as it is."""
    if shape.n_dims < 2:
        return None
    if kind != "q4_K_M":
        return kind
    chosen = mixture_type(name, n_layers)
    return chosen if shape.dim[shape.n_dims - 1] % our_library.quantized_types()[chosen] == 0 else FALLBACK[chosen]


def converted(lib, tensor, number):
    """The tensor's bytes in another type, by the library's own conversions."""
    n = math.prod(tensor.shape.dim[:tensor.shape.n_dims])
    size = ctypes.c_size_t()
    assert lib.eai_tensor_bytes(ctypes.byref(size), number, ctypes.byref(tensor.shape))
    values, out = (ctypes.c_float * n)(), (ctypes.c_char * size.value)()
    lib.eai_dequantize_row(values, tensor.dtype, tensor.data, n)
    lib.check(lib.eai_quantize_row(out, number, values, n, lib.error))
    return out


def number_of(lib, name):
    value = ctypes.c_int()
    if not lib.eai_dtype_from_name(ctypes.byref(value), name.encode()):
        raise Failed(f"no storage type is called '{name}'")
    return value.value


def write_model(args, path, kind):
    """The model as a GGUF file of that type; returns {storage type: matrices that have it}."""
    lib = our_library.Library(library_of(args))
    source, out, used = ctypes.c_void_p(), ctypes.c_void_p(), {}
    lib.check(lib.eai_weights_open(ctypes.byref(source), model_file(args).encode(), lib.error))
    lib.check(lib.eai_weights_create(ctypes.byref(out), str(path).encode(), lib.error))
    lib.check(lib.eai_weights_copy_meta(out, source, lib.error))
    if kind in FILE_TYPES:
        lib.check(lib.eai_weights_set_int(out, b"general.file_type", FILE_TYPES[kind], lib.error))
    tensors = [lib.eai_weights_at(source, i).contents for i in range(lib.eai_weights_count(source))]
    n_layers = 1 + max(int(n) for t in tensors for n in re.findall(r"layers\.(\d+)\.", t.name.decode()))
    for t in tensors:
        chosen = type_of(kind, t.name.decode(), t.shape, n_layers)
        number = number_of(lib, chosen) if chosen else t.dtype
        data = t.data if number == t.dtype else converted(lib, t, number)
        lib.check(lib.eai_weights_add(out, t.name, number, ctypes.byref(t.shape), data, lib.error))
        used[chosen] = used.get(chosen, 0) + 1
    lib.check(lib.eai_weights_save_gguf(out, str(path).encode(), None, lib.error))
    lib.eai_weights_close(out)
    lib.eai_weights_close(source)
    return {name: n for name, n in used.items() if name}
