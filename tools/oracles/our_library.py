"""This project's shared library for the scripts here, by ctypes: its functions, its structs, its constants.

    lib = Library(path)
    lib.check(lib.eai_weights_open(ctypes.byref(w), path.encode(), lib.error))
    flags = constants("tokenizer.h")["EAI_TOKENIZE_PARSE_SPECIAL"]

Constants are read from the headers, so nothing here repeats a number of theirs. A function takes 64-bit numbers and
pointers as they are where `argtypes` says so; name it in SIGNATURES before it is called.
"""
import ctypes
import pathlib
import re
import sys

INCLUDE = pathlib.Path(__file__).resolve().parents[2] / "include/efficientai"

P, Z, I, U, S = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_uint, ctypes.c_char_p  # as in the headers


class Shape(ctypes.Structure):
    """eai_shape: outermost first."""
    _fields_ = [("n_dims", ctypes.c_int), ("dim", ctypes.c_int64 * 5)]


class Tensor(ctypes.Structure):
    """eai_weight_tensor."""
    _fields_ = [("name", S), ("dtype", I), ("shape", Shape), ("data", P), ("bytes", Z)]


class Strings(ctypes.Structure):
    """eai_meta_strings: text i is bytes[i] long, without a NUL."""
    _fields_ = [("n", Z), ("text", ctypes.POINTER(P)), ("bytes", ctypes.POINTER(Z))]


# name: what it returns, what it takes
SIGNATURES = {
    "eai_free": (None, [P]),
    "eai_tokenizer_load": (I, [P, S, P]),
    "eai_tokenizer_encode": (I, [P, P, P, S, Z, U, P]),
    "eai_tokenizer_decode": (I, [P, P, P, P, Z, U, P]),
    "eai_dtype_from_name": (ctypes.c_bool, [P, S]),
    "eai_tensor_bytes": (ctypes.c_bool, [P, I, P]),
    "eai_dequantize_row": (None, [P, I, P, ctypes.c_int64]),
    "eai_quantize_row": (I, [P, I, P, ctypes.c_int64, P]),
    "eai_weights_open": (I, [P, S, P]),
    "eai_weights_create": (I, [P, S, P]),
    "eai_weights_close": (None, [P]),
    "eai_weights_count": (Z, [P]),
    "eai_weights_at": (ctypes.POINTER(Tensor), [P, Z]),
    "eai_weights_find": (ctypes.POINTER(Tensor), [P, S]),
    "eai_weights_add": (I, [P, S, I, P, P, P]),
    "eai_weights_copy_meta": (I, [P, P, P]),
    "eai_weights_meta_count": (Z, [P]),
    "eai_weights_meta_key": (S, [P, Z]),
    "eai_weights_meta_type": (I, [P, S]),
    "eai_weights_get_bool": (ctypes.c_bool, [P, P, S]),
    "eai_weights_get_int": (ctypes.c_bool, [P, P, S]),
    "eai_weights_get_float": (ctypes.c_bool, [P, P, S]),
    "eai_weights_get_string": (S, [P, S]),
    "eai_weights_get_ints": (P, [P, P, S]),
    "eai_weights_get_floats": (P, [P, P, S]),
    "eai_weights_get_strings": (ctypes.c_bool, [P, P, S]),
    "eai_weights_set_bool": (I, [P, S, ctypes.c_bool, P]),
    "eai_weights_set_int": (I, [P, S, ctypes.c_int64, P]),
    "eai_weights_set_float": (I, [P, S, ctypes.c_double, P]),
    "eai_weights_set_string": (I, [P, S, S, P]),
    "eai_weights_set_ints": (I, [P, S, P, Z, P]),
    "eai_weights_set_floats": (I, [P, S, P, Z, P]),
    "eai_weights_set_strings": (I, [P, S, P, P]),
    "eai_weights_save_gguf": (I, [P, S, P, P]),
    "eai_model_load": (I, [P, P, P]),
    "eai_model_free": (None, [P]),
    "eai_adapter_merge_gguf": (I, [P, P, S, I, P]),
}


class Library:
    """The library at `path`; its functions are attributes."""

    def __init__(self, path):
        loaded = ctypes.CDLL(str(path))
        for name, (result, arguments) in SIGNATURES.items():
            function = getattr(loaded, name)
            function.restype, function.argtypes = result, arguments
            setattr(self, name, function)
        self.error = ctypes.create_string_buffer(4096)  # larger than an eai_error

    def check(self, status):
        """Ends the script with the message where a call failed."""
        if status:
            sys.exit(self.error.raw[ctypes.sizeof(ctypes.c_int):].split(b"\0")[0].decode())


def quantized_types():
    """Of every quantized storage type its name and the elements of a block."""
    rows = re.findall(r'X\(\w+, *"(\w+)", *(\d+), .*?\b(\w+)\)', (INCLUDE / "dtype.h").read_text())
    return {name: int(block) for name, block, kind in rows if kind == "QUANTIZED"}


def constants(header):
    """The names and values of all enums of a header that can be worked out from it alone."""
    text = re.sub(r"/\*.*?\*/", "", (INCLUDE / header).read_text(), flags=re.S)
    values = {}
    for body in re.findall(r"\benum\b[^;{]*\{([^#]*?)\}", text):
        value = -1
        for member in filter(None, (m.strip() for m in body.split(","))):
            name, _, formula = (part.strip() for part in member.partition("="))
            value = eval(formula, {}, dict(values)) if formula else value + 1  # a number, or names joined by |
            values[name] = value
    return values
