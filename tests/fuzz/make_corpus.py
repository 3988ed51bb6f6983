#!/usr/bin/env python3
"""Writes the seeds of the fuzz targets' corpora: corpus/NAME/*.

    python3 tests/fuzz/make_corpus.py
Small valid files, each of them cut short, and files that lie. Nothing but the standard library is
needed; the same files come out each time. Files that crashed a target are added by hand beside them.
"""
import base64
import gzip
import io
import json
import lzma
import pathlib
import struct
import tarfile
import zipfile

here = pathlib.Path(__file__).resolve().parent / "corpus"


def put(target, name, data):
    folder = here / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


# --- GGUF ---


def text(s):
    b = s.encode()
    return struct.pack("<Q", len(b)) + b


def meta(key, kind, payload):
    return text(key) + struct.pack("<I", kind) + payload


def tensor(name, ne, kind, offset):
    return text(name) + struct.pack(f"<I{len(ne)}QIQ", len(ne), *ne, kind, offset)


def gguf(metas, tensors, data=b"", version=3, n_tensors=None, n_meta=None):
    head = b"GGUF" + struct.pack(
        "<IQQ", version, len(tensors) if n_tensors is None else n_tensors, len(metas) if n_meta is None else n_meta
    )
    body = head + b"".join(metas) + b"".join(tensors)
    return body + bytes(-len(body) % 32) + data


llama = [
    meta("general.architecture", 8, text("llama")),
    meta("llama.attention.head_count", 4, struct.pack("<I", 2)),
    meta("llama.attention.head_count_kv", 4, struct.pack("<I", 1)),
]
values = [
    meta("u8", 0, b"\xff"),
    meta("i16", 3, b"\xfe\xff"),
    meta("f32", 6, struct.pack("<f", 1.5)),
    meta("bool", 7, b"\1"),
    meta("u64", 10, struct.pack("<Q", 1 << 40)),
    meta("f64", 12, struct.pack("<d", 0.1)),
    meta("ints", 9, struct.pack("<IQ3i", 5, 3, 1, -2, 3)),
    meta("floats", 9, struct.pack("<IQ2f", 6, 2, 0.5, -2)),
    meta("strings", 9, struct.pack("<IQ", 8, 3) + text("a") + text("") + text("\u00e9")),
]
q = [tensor("blk.0.attn_q.weight", [32, 8], 3, 0), tensor("blk.0.attn_k.weight", [32, 4], 8, 160)]
whole = gguf(llama + values, q, bytes(i % 251 for i in range(296)))
put("gguf", "whole", whole)
put("gguf", "version2", gguf(llama, [tensor("blk.0.attn_q.bias", [8], 0, 0)], bytes(32), version=2))
put("gguf", "empty", gguf([], []))
put("gguf", "other_architecture", gguf([meta("general.architecture", 8, text("bert"))], q, bytes(296)))
put("gguf", "scalar_f16_bf16", gguf([], [tensor("s", [], 0, 0), tensor("h", [3], 1, 32), tensor("b", [3], 30, 64)], bytes(70)))
put("gguf", "alignment_64", gguf([meta("general.alignment", 4, struct.pack("<I", 64))], [tensor("x", [1], 0, 0)], bytes(100)))
put("gguf", "alignment_0", gguf([meta("general.alignment", 4, struct.pack("<I", 0))], [tensor("x", [1], 0, 0)], bytes(100)))
put("gguf", "heads_0", gguf([llama[0], meta("llama.attention.head_count", 4, bytes(4))], q, bytes(296)))
put("gguf", "heads_7", gguf([llama[0], meta("llama.attention.head_count", 4, struct.pack("<I", 7))], q, bytes(296)))
put("gguf", "overlap", gguf([], [tensor("x", [16], 0, 0), tensor("y", [16], 0, 32)], bytes(128)))
put("gguf", "twice", gguf([], [tensor("x", [1], 0, 0), tensor("x", [1], 0, 32)], bytes(64)))
put("gguf", "offset_huge", gguf([], [tensor("x", [1], 0, (1 << 64) - 32)], bytes(64)))
put("gguf", "ne_huge", gguf([], [tensor("x", [1 << 62, 1 << 62, 0], 0, 0)], bytes(64)))
put("gguf", "type_unknown", gguf([], [tensor("x", [256], 16, 0)], bytes(96)))
put("gguf", "k_quant_of_32", gguf([], [tensor("x", [32], 14, 0)], bytes(224)))
every, at = [], 0
for kind, block, size in (
    (2, 32, 18), (6, 32, 22), (7, 32, 24), (10, 256, 84), (11, 256, 110), (12, 256, 144), (13, 256, 176), (14, 256, 210), (20, 32, 18), (39, 32, 17)
):
    every.append(tensor(f"t{kind}", [block, 2], kind, at))
    at += (2 * size + 31) // 32 * 32
put("gguf", "block_types", gguf([], every, bytes(i % 253 for i in range(at))))
put("gguf", "block_types_cut", gguf([], every, bytes(i % 253 for i in range(at - 32))))
put("gguf", "tensors_huge", gguf([], [], n_tensors=(1 << 64) - 1))
put("gguf", "meta_huge", gguf([], [], n_meta=65536))
put("gguf", "array_huge", gguf([meta("a", 9, struct.pack("<IQ", 8, 1 << 61))], []))
put("gguf", "array_nested", gguf([meta("a", 9, struct.pack("<IQ", 9, 1))], []))
put("gguf", "string_huge", gguf([meta("a", 8, struct.pack("<Q", (1 << 64) - 1))], []))
for n in (4, 8, 23, 24, 40, 100, 200, 333, len(whole) - 1):
    put("gguf", f"cut_at_{n}", whole[:n])

# --- safetensors ---


def safetensors(header, data=b"", length=None):
    h = header if isinstance(header, bytes) else json.dumps(header, separators=(",", ":")).encode()
    return struct.pack("<Q", len(h) if length is None else length) + h + data


def entry(dtype, shape, begin, end):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


st = safetensors(
    {
        "__metadata__": {"format": "pt"},
        "a": entry("F32", [2, 3], 0, 24),
        "b": entry("BF16", [3], 24, 30),
        "c": entry("I64", [1], 30, 38),
        "d": entry("F32", [0, 5], 38, 38),
        "e": entry("U8", [], 38, 39),
    },
    bytes(range(39)),
)
put("safetensors", "whole", st)
put("safetensors", "empty_object", safetensors({}))
put("safetensors", "empty_file", b"")
put("safetensors", "padded", safetensors(b'{"x":{"dtype":"F16","shape":[1],"data_offsets":[0,2]}}   ', b"ab"))
put("safetensors", "gap", safetensors({"a": entry("U8", [1], 1, 2)}, b"ab"))
put("safetensors", "overlap", safetensors({"a": entry("U8", [2], 0, 2), "b": entry("U8", [2], 1, 3)}, b"abc"))
put("safetensors", "trailing", safetensors({"a": entry("U8", [1], 0, 1)}, b"abc"))
put("safetensors", "beyond", safetensors({"a": entry("U8", [9], 0, 9)}, b"abc"))
put("safetensors", "dtype", safetensors({"a": entry("F8_E4M3", [1], 0, 1)}, b"a"))
put("safetensors", "shape_huge", safetensors({"a": entry("U8", [1 << 62, 1 << 62, 0], 0, 0)}))
put("safetensors", "shape_negative", safetensors({"a": entry("U8", [-1], 0, 1)}, b"a"))
put("safetensors", "shape_six", safetensors({"a": entry("U8", [1] * 6, 0, 1)}, b"a"))
put("safetensors", "not_json", safetensors(b"{ not json"))
put("safetensors", "twice", safetensors(b'{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}', b"ab"))
put("safetensors", "metadata_number", safetensors({"__metadata__": {"a": 1}}))
put("safetensors", "length_huge", safetensors({}, length=(1 << 64) - 1))
put("safetensors", "length_beyond", safetensors({}, length=1000))
for n in (1, 7, 8, 9, 20, 100, len(st) - 39, len(st) - 1):
    put("safetensors", f"cut_at_{n}", st[:n])

# --- JSON lines ---

rows = {
    "text": b'{"text": "one"}\n{"text": "two"}\n',
    "prompt": b'{"prompt": "p", "completion": "c"}\n',
    "messages": b'{"messages": [{"role": "user", "content": "u"}, {"role": "assistant", "content": "a"}]}\n',
    "escapes": b'{"text": "\\u00e9 \\ud83d\\ude00 \\n \\" \\\\"}\n',
    "no_newline": b'{"text": "x"}',
    "crlf": b'{"text": "x"}\r\n{"text": "y"}\r\n\r\n',
    "blank_inside": b'{"text": "x"}\n\n{"text": "y"}\n',
    "blank_only": b"\n \n\t\n",
    "empty": b"",
    "mixed": b'{"text": "x"}\n{"prompt": "p", "completion": "c"}\n',
    "both": b'{"text": "x", "messages": []}\n',
    "no_messages": b'{"messages": []}\n',
    "role": b'{"messages": [{"role": "robot", "content": ""}]}\n',
    "number": b'{"text": 1e999}\n',
    "utf8": b'{"text": "\xff\xfe"}\n',
    "nul": b'{"text": "a\\u0000b"}\n{"text": "a\0b"}\n',
    "bom": b'\xef\xbb\xbf{"text": "x"}\n',
    "deep": b"[" * 3000,
    "surrogate": b'{"text": "\\ud83d"}\n',
    "twice": b'{"text": "x", "text": "y"}\n',
    "tools": b'{"messages": [{"role": "user", "content": "u"}], "tools": []}\n',
}
for name, data in rows.items():
    put("jsonl", name, data)
for n in (1, 10, 30, 60, 80):
    put("jsonl", f"cut_at_{n}", rows["messages"][:n])

# --- npy ---


def npy(dictionary, data=b"", major=1, length=None):
    n = len(dictionary) if length is None else length
    return b"\x93NUMPY" + bytes([major, 0]) + struct.pack("<H" if major == 1 else "<I", n) + dictionary + data


good = b"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }   \n"
array = npy(good, bytes(24))
put("npy", "whole", array)
put("npy", "version2", npy(good, bytes(24), 2))
put("npy", "version3", npy(good, bytes(24), 3))
put("npy", "version9", npy(good, bytes(24), 9))
put("npy", "scalar", npy(b"{'descr': '|u1', 'fortran_order': False, 'shape': ()}", b"a"))
put("npy", "fortran", npy(b"{'descr': '<f8', 'fortran_order': True, 'shape': (1,)}", bytes(8)))
put("npy", "structured", npy(b"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}", bytes(4)))
put("npy", "shape_huge", npy(b"{'descr': '<i8', 'fortran_order': False, 'shape': (4611686018427387904, 4, 0)}"))
put("npy", "shape_digits", npy(b"{'descr': '<i8', 'fortran_order': False, 'shape': (999999999999999999999,)}"))
put("npy", "length_huge", npy(good, bytes(24), 2, (1 << 32) - 1))
put("npy", "unclosed", npy(b"{'descr': '<f4"))
for n in (0, 5, 6, 9, 10, 40, len(array) - 1):
    put("npy", f"cut_at_{n}", array[:n])

# --- tokenizer: byte 0 below 128 chooses pre-tokenizer and flags, from 128 on the rest is a vocabulary ---

texts = {
    "words": "abc ab  a 12 345 it's I'LL\n\n x\r\n",
    "added": "<u>u<|a|><|a<u> <|a|",
    "scripts": "\u00e9\u4e2d\u6587 \u0661\u0662 \U0001f600\u200d\U0001f468 e\u0301 \u3000\u2003x",
    "empty": "",
}
for k, (name, t) in enumerate(texts.items()):
    put("tokenizer", name, bytes([2 * k + 1]) + t.encode())
    put("tokenizer", name + "_llama", bytes([23]) + t.encode())
    put("tokenizer", name + "_deepseek", bytes([47]) + t.encode())
put("tokenizer", "long_word", b"\x01" + b"abca" * 40)
put("tokenizer", "spaces", b"\x05" + b" " * 200 + b"\n" * 60 + b"x")
put("tokenizer", "invalid", b"\x04a\xff\xfe\x80b\xc3 \xe2\x82 \xed\xa0\x80 \xf4\x90\x80\x80\xc0\x80\xf0\x9f")
put("tokenizer", "nul", b"\x03a\0b\0\0 c")
put("tokenizer", "vocabulary", b"\x80a\nb\nab\na b\n!<x>\nabab\nab ab\n!<x>")
put("tokenizer", "vocabulary_twice", b"\x80a\na\naa\na a\na a\n")
put("tokenizer", "vocabulary_no_token", b"\x80a\na b\n")
put("tokenizer", "vocabulary_only_merge", b"\x80a b\n")
put("tokenizer", "vocabulary_blank", b"\x80a\n \n")
put("tokenizer", "vocabulary_empty_tokens", b"\x80\n\n!\n!\n\xc4\xa0\n")

# --- tokenizer.json ---

mark = "\u2581"
bpe = {"type": "BPE", "unk_token": "<unk>", "fuse_unk": True, "merges": ["a b", ["ab", "c"], ["e", "\u0301"]],
       "vocab": {t: i for i, t in enumerate(["<unk>", "a", "b", "c", "ab", "abc", mark, "e", "\u0301", "e\u0301", "q"])}}
alphabet = [chr(b) if 33 <= b <= 126 or 161 <= b <= 172 or b >= 174 else None for b in range(256)]
spare = iter(range(256, 512))
alphabet = [c or chr(next(spare)) for c in alphabet]
bytes_bpe = {"type": "BPE", "ignore_merges": True, "merges": ["t h", "th e", "\u0120 q"],
             "vocab": {t: i for i, t in enumerate(alphabet + ["th", "the", "\u0120q"])}}
fallback = {"type": "BPE", "unk_token": "<unk>", "byte_fallback": True, "merges": [[mark, "a"]],
            "vocab": {t: i for i, t in enumerate(["<unk>", mark, "a", mark + "a"] + [f"<0x{b:02X}>" for b in range(256)])}}
unigram = {"type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0], ["a", -1.5], ["aa", -2.25], [mark, -3], [mark + "a", -2], ["q", -9.1]]}
suffix = {"type": "BPE", "end_of_word_suffix": "</w>", "merges": ["a b</w>"], "vocab": {"a": 0, "b": 1, "b</w>": 2, "ab</w>": 3}}


def seq(key, *members):
    return {"type": "Sequence", key: list(members)}


def split(regex, behavior="Isolated", invert=False):
    return {"type": "Split", "pattern": {"Regex": regex}, "behavior": behavior, "invert": invert}


def charsmap(units, texts):
    return base64.b64encode(struct.pack(f"<I{len(units)}I", 4 * len(units), *units) + texts).decode()


# root, child for "a" (offset 0x80 from its own place) with a value, and the value
units = [1 << 10] + [0] * 511
units[1 ^ ord("a")] = ord("a") | 1 << 8 | 0x80 << 10
units[1 ^ ord("a") ^ 0x80] = 1 << 31
circle = [1 << 10] + [0] * 255
circle[1 ^ ord("a")] = ord("a") | (ord("a") << 10)
added = [{"id": 11, "content": "<s>", "special": True, "lstrip": True, "rstrip": True},
         {"id": 12, "content": "The", "normalized": True, "single_word": True}, {"id": 1, "content": "a", "special": True}]
tokenizers = {
    "bpe": {"model": bpe, "added_tokens": added, "normalizer": seq("normalizers", {"type": "NFD"}, {"type": "Lowercase"})},
    "byte_level": {"model": bytes_bpe, "pre_tokenizer": seq("pretokenizers", split(r"\p{N}{1,3}|\s+(?!\S)|[^\S\n]+"),
                                                           {"type": "ByteLevel"}),
                   "decoder": {"type": "ByteLevel"}, "post_processor": {"type": "ByteLevel"}},
    "byte_level_prefix": {"model": bytes_bpe, "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": True}},
    "fallback": {"model": fallback, "normalizer": seq("normalizers", {"type": "Prepend", "prepend": mark},
                                                      {"type": "Replace", "pattern": {"String": " "}, "content": mark}),
                 "decoder": seq("decoders", {"type": "Replace", "pattern": {"String": mark}, "content": " "},
                                {"type": "ByteFallback"}, {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1})},
    "metaspace": {"model": fallback, "pre_tokenizer": {"type": "Metaspace", "prepend_scheme": "first", "split": False},
                  "decoder": {"type": "Metaspace", "prepend_scheme": "first"}},
    "unigram": {"model": unigram, "normalizer": {"type": "Precompiled", "precompiled_charsmap": charsmap(units, b"q\0")},
                "pre_tokenizer": seq("pretokenizers", {"type": "WhitespaceSplit"}, {"type": "Metaspace"})},
    "unigram_circle": {"model": unigram, "normalizer": {"type": "Precompiled", "precompiled_charsmap": charsmap(circle, b"q\0")}},
    "unigram_without_unk": {"model": {**unigram, "unk_id": None}},
    "suffix": {"model": suffix, "pre_tokenizer": {"type": "BertPreTokenizer"}},
    "forms": {"model": bpe, "normalizer": seq("normalizers", *({"type": t} for t in (
        "NFC", "NFKC", "NFD", "NFKD", "StripAccents", "Strip", "Nmt")))},
    "splits": {"model": bpe, "pre_tokenizer": seq(
        "pretokenizers", {"type": "Punctuation", "behavior": "Contiguous"}, {"type": "Digits"}, {"type": "Whitespace"},
        split(r"(?=\w)", "MergedWithNext"), split(r"a*", "MergedWithPrevious"), split(r"\h", "Removed", True),
        {"type": "CharDelimiterSplit", "delimiter": "b"})},
    "template": {"model": bpe, "post_processor": {
        "type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "x"}}, {"Sequence": {"id": "A"}}],
        "special_tokens": {"x": {"ids": [1, 2]}}}},
    "slow_pattern": {"model": bpe, "pre_tokenizer": split(r"(?:(a+)+)+[xy]")},
    "growing": {"model": bpe, "normalizer": seq("normalizers", *[
        {"type": "Replace", "pattern": {"Regex": ""} if i > 9 else {"Regex": "."}, "content": "aaaaaaaa"} for i in range(9)])},
    "nested": {"model": bpe, "decoder": eval("seq('decoders'," * 12 + "{'type':'Fuse'}" + ")" * 12)},
    "id_huge": {"model": {**bpe, "vocab": {"a": 4194303}, "merges": [], "unk_token": None}},
    "id_twice": {"model": {**bpe, "vocab": {"a": 0, "b": 0}}},
    "empty_token": {"model": {**bpe, "vocab": {"<unk>": 0, "": 1, "a": 2}, "merges": []}, "added_tokens": [
        {"id": 3, "content": ""}]},
}
for name, value in tokenizers.items():
    put("tokenizer_json", name, json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())
whole_json = json.dumps(tokenizers["fallback"], ensure_ascii=False, separators=(",", ":")).encode()
for n in (0, 1, 10, 60, 120, 400, len(whole_json) // 2, len(whole_json) - 40, len(whole_json) - 1):
    put("tokenizer_json", f"cut_at_{n}", whole_json[:n])

# --- tokenizers in GGUF ---


def strings(key, values):
    return meta(key, 9, struct.pack("<IQ", 8, len(values)) + b"".join(text(v) for v in values))


def ggml(model, tokens, scores=None, types=None, more=()):
    kv = [meta("tokenizer.ggml.model", 8, text(model)), strings("tokenizer.ggml.tokens", tokens), *more]
    if scores is not None:
        kv.append(meta("tokenizer.ggml.scores", 9, struct.pack(f"<IQ{len(scores)}f", 6, len(scores), *scores)))
    if types is not None:
        kv.append(meta("tokenizer.ggml.token_type", 9, struct.pack(f"<IQ{len(types)}i", 5, len(types), *types)))
    return gguf(kv, [])


def flag(key, value):
    return meta("tokenizer.ggml." + key, 7, bytes([value]))


pieces = ["<unk>", "<s>", "</s>", "<0xC3>", "<0xA9>", mark, "a", "b", "ab", mark + "a", "abab"]
types = [2, 3, 3, 6, 6, 1, 1, 1, 1, 1, 4]
scores = [0, 0, 0, 0, 0, -1, -2, -3, -4, -4, float("inf")]
llama_file = ggml("llama", pieces, scores, types)
t5 = ggml("t5", pieces, scores, types, [flag("remove_extra_whitespaces", 1), meta(
    "tokenizer.ggml.precompiled_charsmap", 9, struct.pack("<IQ", 0, len(base64.b64decode(charsmap(units, b"q\0"))))
    + base64.b64decode(charsmap(units, b"q\0")))])
put("tokenizer_gguf", "llama", llama_file)
put("tokenizer_gguf", "t5", t5)
put("tokenizer_gguf", "gpt2", ggml("gpt2", ["a", "b", "ab"], more=[strings("tokenizer.ggml.merges", ["a b"]),
                                                                  meta("tokenizer.ggml.pre", 8, text("qwen2"))]))
put("tokenizer_gguf", "llama_without_scores", ggml("llama", pieces))
put("tokenizer_gguf", "llama_without_prefix", ggml("llama", pieces, scores, types, [flag("add_space_prefix", 0)]))
put("tokenizer_gguf", "scores_nan", ggml("llama", pieces, [float("nan")] * len(pieces), types))
put("tokenizer_gguf", "scores_few", ggml("llama", pieces, scores[:3], types))
put("tokenizer_gguf", "types_many", ggml("t5", pieces, scores, types + [1]))
put("tokenizer_gguf", "all_unused", ggml("t5", pieces, scores, [5] * len(pieces)))
put("tokenizer_gguf", "bert", ggml("bert", pieces))
put("tokenizer_gguf", "invalid_utf8", ggml("llama", pieces[:5] + ["a"]).replace(text("a"), struct.pack("<Q", 1) + b"\xe2"))
for n in (24, 40, 100, 200, len(llama_file) - 40, len(llama_file) - 9):
    put("tokenizer_gguf", f"cut_at_{n}", llama_file[:n])

# --- jinja ---

whole_template = (
    "{%- macro f(a, b=1) -%}{{ a|tojson(indent=2) }}{% endmacro %}{% set ns = namespace(x={'a': [1, 2.5e3]}) %}\n"
    "{% for m in messages[1:][::-1] if m.role is not sameas 'x' %}{% if loop.first and not m %}a{% elif 1 %}\n"
    "{{ f('\\u00e9', b=-1) ~ (m.content | trim) }}{% else %}{% set ns.x = 0x1F %}{% endif %}{# c #}{% endfor %}\n"
    "{% raw %}{{{% endraw %}{% set t %}x{% endset %}{% generation %}{{ t }}{% endgeneration %}"
)
templates = {
    "whole": whole_template,
    "chatml": "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}{% endfor %}",
    "space": "a\n  {%- if n -%}  \n b \n {%+ endif +%}\n c {#- x -#}\r\n\r d {{- n -}} e\n",
    "filters": "{{ messages|map(attribute='role')|join(', ') }}{{ [3,1]|sort|reverse|list }}{{ 'a b'|replace('a','b')|upper|indent(2) }}",
    "select": "{{ messages|selectattr('role','equalto','user')|list|length }}{{ [1,2]|select('odd')|first }}{{ [1,1]|unique|list }}",
    "methods": "{{ ' a,b '.strip().split(',',1) }}{{ 'ab'.find('b') }}{{ 'x\ny'.splitlines() }}{{ {'a':1}.items()|list }}",
    "slices": "{{ 'abc\u00e9'[::-1] }}{{ [1,2,3][-2:] }}{{ 'abc'[9:] }}{{ [1][5] }}{{ 'abc'[1:0:-1] }}",
    "arithmetic": "{{ 7//-2 }}{{ -7%3 }}{{ 2**62 }}{{ 1/3 }}{{ 1e300*1e300 }}{{ 'ab'*3 }}{{ 1<2<3 }}{{ 9223372036854775807+1 }}",
    "loops": "{% for a in range(9) %}{% if a==2 %}{% continue %}{% elif a==5 %}{% break %}{% endif %}{{ loop.index }}{% else %}x{% endfor %}",
    "recursion": "{% macro f(n) %}{{ f(n+1) }}{% endmacro %}{{ f(0) }}",
    "endless": "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
    "doubling": "{% set ns=namespace(s='ab') %}{% for i in range(99) %}{% set ns.s=ns.s+ns.s %}{% endfor %}",
    "raise": "{{ raise_exception('no') }}",
    "deep": "{{ " + "(" * 300 + ")" * 300 + " }}",
    "strings": "{{ '\\x41\\u00e9\\101\\\\\\'\\n\\q' \"b\" }}{{ 'a\\",
    "include": "{% include 'x' %}",
    "empty": "",
}
for name, t in templates.items():
    put("jinja", name, t.encode())
for n in (1, 3, 9, 40, 70, 120, 200, 260, 330):
    put("jinja", f"cut_at_{n}", whole_template.encode()[:n])

# --- config: a model's config.json ---

sizes = {"num_hidden_layers": 2, "hidden_size": 32, "intermediate_size": 64, "vocab_size": 96, "num_attention_heads": 4}
configs = {
    "llama": {"model_type": "llama", **sizes, "num_key_value_heads": 2, "attention_bias": True, "head_dim": 8},
    "llama3": {"model_type": "llama", **sizes, "rope_scaling": {
        "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192}},
    "yarn": {"model_type": "qwen2", **sizes, "rope_scaling": {
        "type": "yarn", "factor": 4.0, "mscale": 1.2, "mscale_all_dim": 0.7, "truncate": False}},
    "yarn_huge": {"model_type": "qwen3", **sizes, "rope_theta": 1e-300, "rope_scaling": {
        "type": "yarn", "factor": 1e6, "beta_fast": 1e5, "beta_slow": 1e-300}},
    "dynamic": {"model_type": "llama", **sizes, "rope_parameters": {"rope_type": "dynamic", "factor": 2.0}},
    "longrope": {"model_type": "llama", **sizes, "rope_scaling": {"type": "longrope"}},
    "mistral": {"model_type": "mistral", **sizes, "sliding_window": 16},
    "qwen3": {"model_type": "qwen3", **sizes, "use_sliding_window": True, "sliding_window": 4, "max_window_layers": 1},
    "smollm3": {"model_type": "smollm3", **sizes, "no_rope_layers": [1, 0]},
    "gemma3": {"model_type": "gemma3_text", **sizes, "layer_types": ["sliding_attention", "full_attention"],
               "query_pre_attn_scalar": 16, "rope_parameters": {
                   "full_attention": {"rope_theta": 1e6}, "sliding_attention": {"rope_theta": 1e4}}},
    "gemma3_pattern": {"model_type": "gemma3_text", **sizes, "sliding_window_pattern": 2},
    "layers_negative": {"model_type": "mistral", **sizes, "num_hidden_layers": -1},
    "layers_many": {"model_type": "mistral", **sizes, "num_hidden_layers": 4097},
    "window_negative": {"model_type": "mistral", **sizes, "sliding_window": -9223372036854775808},
    "quantized": {"model_type": "llama", **sizes, "quantization_config": {"quant_method": "gptq"}},
}
configs["packed"] = {"model_type": "llama", **sizes, "quantization": {"group_size": 64, "bits": 4, "a": {"mode": "nvfp4"}},
                     "quantization_config": {"group_size": 64, "bits": 4}}
configs["packed_not"] = {"model_type": "llama", **sizes, "quantization": {"group_size": 32, "bits": 8, "mode": "affine", "a": False}}
configs["packed_bits"] = {"model_type": "llama", **sizes, "quantization": {"bits": 9223372036854775807}}
for name, c in configs.items():
    put("config", name, json.dumps(c).encode())
for n in (0, 1, 20, 90, 150):
    put("config", f"cut_at_{n}", json.dumps(configs["llama"]).encode()[:n])

# --- packed: a config.json, NUL, and the parts of a matrix [4, 64] that MLX packed ---


def packed(quantization, parts):
    """parts: name -> (type, columns, bytes an element); four rows each."""
    header, at = {}, 0
    for name, (kind, columns, size) in parts.items():
        header[name] = entry(kind, [4, columns], at, at + 4 * columns * size)
        at += 4 * columns * size
    return json.dumps({"quantization": quantization}).encode() + b"\0" + safetensors(header, bytes(i * 37 % 251 for i in range(at)))


def affine(bits, group, kind="BF16", size=2, **more):
    parts = {"a.weight": ("U32", 2 * bits, 4), "a.scales": (kind, 64 // group, size), "a.biases": (kind, 64 // group, size), **more}
    return {k: v for k, v in parts.items() if v}


for bits in (2, 3, 4, 5, 6, 8):
    put("packed", f"affine_{bits}", packed({"group_size": 32, "bits": bits}, affine(bits, 32)))
put("packed", "affine_f32", packed({"group_size": 64, "bits": 4, "mode": "affine"}, affine(4, 64, "F32", 4)))
put("packed", "affine_f16", packed({"group_size": 64, "bits": 4, "mode": "affine"}, affine(4, 64, "F16", 2)))
put("packed", "mxfp4", packed({"mode": "mxfp4"}, affine(4, 32, "U8", 1, **{"a.biases": None})))
put("packed", "mxfp8", packed({"mode": "mxfp8"}, affine(8, 32, "U8", 1, **{"a.biases": None})))
put("packed", "nvfp4", packed({"mode": "nvfp4"}, affine(4, 16, "U8", 1, **{"a.biases": None})))
put("packed", "own", packed({"group_size": 64, "bits": 8, "a": {"bits": 2, "group_size": 32}}, affine(2, 32)))
put("packed", "false", packed({"group_size": 32, "bits": 4, "a": False}, affine(4, 32)))
put("packed", "no_scales", packed({"group_size": 32, "bits": 4}, affine(4, 32, **{"a.scales": None})))
put("packed", "no_biases", packed({"group_size": 32, "bits": 4}, affine(4, 32, **{"a.biases": None})))
put("packed", "short_codes", packed({"group_size": 32, "bits": 8}, affine(4, 32)))
put("packed", "short_biases", packed({"group_size": 32, "bits": 4}, affine(4, 32, **{"a.biases": ("BF16", 1, 2)})))
put("packed", "other_type", packed({"group_size": 32, "bits": 4}, affine(4, 32, **{"a.biases": ("F16", 2, 2)})))

# --- shards: the index of a model in several files ---

indexes = {
    "whole": {"metadata": {"total_size": 8}, "weight_map": {"x": "model-00001-of-00002.safetensors", "y": "b"}},
    "up": {"weight_map": {"x": "../a.safetensors"}},
    "absolute": {"weight_map": {"x": "/etc/passwd"}},
    "hidden": {"weight_map": {"x": ".a"}},
    "empty_name": {"weight_map": {"x": ""}},
    "long_name": {"weight_map": {"x": "a" * 256}},
    "itself": {"weight_map": {"x": "index.json"}},
    "number": {"weight_map": {"x": 1}},
    "list": {"weight_map": ["x"]},
    "none": {"metadata": {}},
    "many": {"weight_map": {f"t{i}": f"f{i}" for i in range(1002)}},
}
for name, c in indexes.items():
    put("shards", name, json.dumps(c).encode())
put("shards", "twice", b'{"weight_map": {"x": "a", "x": "b"}}')
put("shards", "nul", b'{"weight_map": {"x": "a\\u0000b"}}')
for n in (1, 8, 40, 70):
    put("shards", f"cut_at_{n}", json.dumps(indexes["whole"]).encode()[:n])

# --- adapter_config: PEFT's adapter_config.json ---

lora = {"peft_type": "LORA", "r": 8, "lora_alpha": 16}
adapters = {
    "whole": {**lora, "bias": "none", "lora_dropout": 0.1, "target_modules": ["q_proj"], "use_rslora": True},
    "patterns": {**lora, "rank_pattern": {"q_proj": 4, r"layers\.\d+\.mlp\.(up|down)_proj": 2},
                 "alpha_pattern": {"^model.layers.0.*v_proj": 3.5}},
    "pattern_slow": {**lora, "alpha_pattern": {"((.*)*)*[0-9]": 4}},
    "pattern_deep": {**lora, "alpha_pattern": {"(" * 300 + ")" * 300: 4}},
    "pattern_open": {**lora, "rank_pattern": {"(q": 4}},
    "pattern_recursion": {**lora, "rank_pattern": {"(?R)|(?1)+q": 4}},
    "pattern_huge": {**lora, "rank_pattern": {"(a{65535}){65535}": 4}},
    "rank_zero": {**lora, "rank_pattern": {"q_proj": 0}},
    "rank_text": {**lora, "rank_pattern": {"q_proj": "4"}},
    "modules": {**lora, "modules_to_save": ["lm_head", "embed_tokens"]},
    "modules_other": {**lora, "modules_to_save": ["score"]},
    "dora": {**lora, "use_dora": True},
    "other": {"peft_type": "IA3"},
}
for name, c in adapters.items():
    put("adapter_config", name, json.dumps(c).encode())
for n in (1, 20, 50, 90):
    put("adapter_config", f"cut_at_{n}", json.dumps(adapters["whole"]).encode()[:n])

# --- adapter_weights: adapter_model.safetensors of rank 1 over a model of one layer and width 4 ---


def tensors_file(tensors, metadata=None):
    header, data = {"__metadata__": metadata} if metadata else {}, b""
    for name, (dtype, shape, values) in tensors.items():
        header[name] = entry(dtype, shape, len(data), len(data) + len(values))
        data += values
    return safetensors(header, data)


def floats(*values):
    return struct.pack(f"<{len(values)}f", *values)


def pair(layer, a=floats(1, 2, 3, 4), b=floats(5, 6, 7, 8)):
    key = f"base_model.model.model.layers.0.{layer}."
    return {key + "lora_A.weight": ("F32", [1, 4], a), key + "lora_B.weight": ("F32", [4, 1], b)}


q_pair = pair("self_attn.q_proj")
q_a, q_b = q_pair
head = {"base_model.model.lm_head.weight": ("BF16", [4, 4], bytes(32))}
adapter_files = {
    "whole": {**q_pair, **pair("mlp.down_proj")},
    "f16": {q_a: ("F16", [1, 4], bytes(8)), q_b: ("BF16", [4, 1], bytes(8))},
    "head": {**q_pair, **head, "base_model.model.model.embed_tokens.weight": ("F32", [4, 4], bytes(64))},
    "head_alone": head,
    "a_alone": {q_a: q_pair[q_a]},
    "rank_2": {q_a: ("F32", [2, 4], bytes(32)), q_b: ("F32", [4, 2], bytes(32))},
    "nan": pair("self_attn.q_proj", floats(1, 2, float("nan"), 4)),
    "infinite": pair("self_attn.q_proj", floats(1, 2, 3, 4), floats(5, float("-inf"), 7, 8)),
    "integers": {**q_pair, q_b: ("I32", [4, 1], bytes(16))},
    "other_layer": pair("self_attn.q_proj.lora_A"),
    "layer_1": {name.replace("layers.0", "layers.1"): t for name, t in q_pair.items()},
    "scalar": {**q_pair, q_b: ("F32", [], bytes(4))},
    "no_elements": {q_a: ("F32", [0, 4], b""), q_b: ("F32", [4, 0], b"")},
    "none": {},
}
for name, tensors in adapter_files.items():
    put("adapter_weights", name, tensors_file(tensors, {"format": "pt"}))

# --- checkpoint: state.safetensors of the trainer in fuzz_checkpoint.c after two of its four steps ---

settings = {
    "accumulation": "1", "batch_tokens": "8", "beta1": "0.90000000000000002", "beta2": "0.999", "eps": "1e-08",
    "learning_rate": "0.00020000000000000001", "max_grad_norm": "1", "parameters": "2", "schedule": "linear", "seed": "0",
    "steps": "4", "training_data": "baa0112f34cd9d72", "warmup": "0", "weight_decay": "0.01",
}
state = {"format": "efficientai-checkpoint", "version": "2", "step": "2", "epoch": "1", "batch": "1",
         **{"setting." + k: v for k, v in settings.items()}}
key_a, key_b = (k for k in q_pair)
tensors = {}
for kind in ("parameter", "exp_avg", "exp_avg_sq", "best"):
    tensors[f"{kind}.{key_a}"] = ("F32", [1, 4], floats(1, 2, 3, 4))
    tensors[f"{kind}.{key_b}"] = ("F32", [4, 1], floats(5, 6, 7, 8))
tensors["losses"] = ("F32", [2], floats(1.5, 1.25))


def validations(*rows):
    return ("F64", [len(rows), 2], b"".join(struct.pack("<2d", *row) for row in rows))


tensors["validation"] = validations((1, 0.5))


def without(values, *names):
    return {k: v for k, v in values.items() if k not in names}


checkpoints = {
    "whole": (tensors, state),
    "at_the_start": ({**without(tensors, "losses"), "losses": ("F32", [0], b""), "validation": validations()},
                     {**state, "step": "0", "epoch": "0", "batch": "0"}),
    "no_best": (without(tensors, f"best.{key_a}"), state),
    "validations_back": ({**tensors, "validation": validations((2, 0.5), (1, 0.25))}, state),
    "validations_beyond": ({**tensors, "validation": validations((1, 0.5), (3, 0.25))}, state),
    "validations_nan": ({**tensors, "validation": validations((float("nan"), 0.5))}, state),
    "validations_fraction": ({**tensors, "validation": validations((1, 0.5), (1.5, 0.25))}, state),
    "validations_losses_nan": ({**tensors, "validation": validations((1, float("nan")), (2, 0.25))}, state),
    "losses_three": ({**tensors, "losses": ("F32", [3], floats(1, 2, 3))}, state),
    "losses_matrix": ({**tensors, "losses": ("F32", [2, 1], floats(1, 2))}, state),
    "moment_f64": ({**tensors, f"exp_avg.{key_a}": ("F64", [1, 4], bytes(32))}, state),
    "moment_turned": ({**tensors, f"exp_avg.{key_a}": ("F32", [4, 1], bytes(16))}, state),
    "parameter_missing": (without(tensors, f"parameter.{key_b}"), state),
    "step_beyond": ({**tensors, "losses": ("F32", [5], bytes(20))}, {**state, "step": "5"}),
    "step_negative": (tensors, {**state, "step": "-1"}),
    "step_huge": (tensors, {**state, "step": "9" * 30}),
    "step_text": (tensors, {**state, "step": "2 "}),
    "epoch_huge": (tensors, {**state, "epoch": "9223372036854775807"}),
    "batch_beyond": (tensors, {**state, "batch": "2"}),
    "other_data": (tensors, {**state, "setting.training_data": "0" * 16}),
    "other_version": (tensors, {**state, "version": "1"}),
    "no_settings": (tensors, {k: v for k, v in state.items() if not k.startswith("setting.")}),
    "no_metadata": (tensors, None),
}
for name, (t, m) in checkpoints.items():
    put("checkpoint", name, tensors_file(t, m))

# --- model_gguf: sizes in the metadata, tensors that fit them or not ---


def number(key, value):
    return meta(key, 4, struct.pack("<I", value))


def real(key, value):
    return meta(key, 6, struct.pack("<f", value))


def model_metas(arch="llama", **changes):
    sizes = {"block_count": 1, "embedding_length": 4, "feed_forward_length": 4, "context_length": 8,
             "attention.head_count": 1, "attention.layer_norm_rms_epsilon": 1e-5, **changes}
    rows = [meta("general.architecture", 8, text(arch))]
    for key, value in sizes.items():
        if value is not None:
            rows.append((real if isinstance(value, float) else number)(f"{arch}.{key}", value))
    return rows


block = ["attn_norm", "ffn_norm", "attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"]
names = ["token_embd", "output_norm"] + ["blk.0." + n for n in block]


def model_file(metas, names=tuple(names), extra=(), wide=()):
    rows, data = [], b""
    for name in (*names, *extra):
        ne = [4] if name.endswith("norm") else [8, 4] if name in wide else [4, 4]
        rows.append(tensor(name + ".weight", ne, 0, len(data)))
        data += bytes((4 * ne[0] * (ne[1] if len(ne) > 1 else 1) + 31) // 32 * 32)
    return gguf(metas, rows, data)


models = {
    "llama": model_file(model_metas()),
    "head": model_file(model_metas(), extra=["output"]),
    "qwen3": model_file(model_metas("qwen3", **{"attention.key_length": 4}), extra=["blk.0.attn_q_norm", "blk.0.attn_k_norm"]),
    "gemma3": model_file(model_metas("gemma3", **{"attention.sliding_window": 2, "attention.key_length": 4}), extra=[
        "blk.0." + n for n in ("post_attention_norm", "post_ffw_norm", "attn_q_norm", "attn_k_norm")]),
    "table": model_file(model_metas(), extra=["rope_freqs"]),
    "layers_two": model_file(model_metas(block_count=2)),
    "layers_none": model_file(model_metas(block_count=0)),
    "layers_many": model_file(model_metas(block_count=4294967295)),
    "heads_none": model_file(model_metas(**{"attention.head_count": 0})),
    "heads_three": model_file(model_metas(**{"attention.head_count": 3})),
    "heads_odd": model_file(model_metas(**{"attention.key_length": 3})),
    "key_value_heads": model_file(model_metas(**{"attention.head_count": 2, "attention.head_count_kv": 4})),
    "width_huge": model_file(model_metas(embedding_length=4294967295)),
    "epsilon_nan": model_file(model_metas(**{"attention.layer_norm_rms_epsilon": float("nan")})),
    "base_zero": model_file(model_metas(**{"rope.freq_base": 0.0})),
    "no_context": model_file(model_metas(context_length=None)),
    "wide": model_file(model_metas(), wide=["blk.0.ffn_up"]),
    "no_norm": model_file(model_metas(), names=[n for n in names if n != "output_norm"]),
    "other": model_file(model_metas("bert")),
    "scaling": model_file(model_metas(**{"rope.scaling.factor": 4.0, "rope.scaling.original_context_length": 4}) + [
        meta("llama.rope.scaling.type", 8, text("yarn"))]),
    "sizes_as_text": model_file([meta("general.architecture", 8, text("llama")), meta("llama.block_count", 8, text("1"))]),
}
for name, data in models.items():
    put("model_gguf", name, data)

# --- tokenizer_config: the small files beside a tokenizer.json with the tokens <s>, </s> and a ---

folders = {
    "whole": {"config": {"bos_token": "<s>", "eos_token": {"content": "</s>"}, "pad_token": "</s>", "add_bos_token": True,
                         "add_eos_token": True, "chat_template": "{{ messages }}"},
              "special_map": {"unk_token": "a"}, "generation": {"eos_token_id": [1, 2]}, "model_config": {"bos_token_id": 0}},
    "ids": {"model_config": {"bos_token_id": 0, "eos_token_id": [1]}},
    "ids_beyond": {"model_config": {"bos_token_id": 3, "eos_token_id": -1}, "generation": {"eos_token_id": 2**62}},
    "ids_many": {"generation": {"eos_token_id": list(range(400))}},
    "ids_text": {"generation": {"eos_token_id": "</s>"}},
    "special_unknown": {"config": {"bos_token": "<b>"}},
    "pad_unknown": {"config": {"pad_token": "<p>", "bos_token": None}},
    "special_number": {"config": {"bos_token": 1, "eos_token": {"content": 1}}},
    "special_nul": {"config": {"bos_token": "<s>\0"}},
    "flags_text": {"config": {"add_bos_token": "yes"}},
    "flags_without_ids": {"config": {"add_bos_token": True, "add_eos_token": True}},
    "templates": {"config": {"chat_template": [{"name": "tools", "template": "x"}, {"name": "default", "template": "y"}]}},
    "templates_odd": {"config": {"chat_template": [1, {"name": "default", "template": 2}, {}]}},
    "template_empty": {"config": {"chat_template": ""}},
    "none": {},
    "lists": {"config": [], "special_map": 1, "generation": None},
}
for name, c in folders.items():
    put("tokenizer_config", name, json.dumps(c).encode())

# --- hub_listing: the pattern of --file, a line, and what the hub answers ---

commit, sha256, sha1 = "0123456789abcdef" * 2 + "01234567", "ab" * 32, "cd" * 20


def listing(*files, pattern="", **changes):
    return f"{pattern}\n".encode() + json.dumps(
        {"sha": commit, "cardData": {"license": "mit"}, "siblings": [f if isinstance(f, dict) else small(f) for f in files],
         **changes}).encode()


def small(name, size=3):
    return {"rfilename": name, "size": size, "blobId": sha1}


def large(name, size=1 << 33, oid=sha256):
    return {"rfilename": name, "size": 100, "blobId": sha1, "lfs": {"sha256": oid, "size": size}}


listings = {
    "safetensors": listing(large("model.safetensors"), "config.json", "tokenizer.json", "README.md"),
    "parts": listing(large("model-00001-of-00002.safetensors"), large("model-00002-of-00002.safetensors"),
                     "model.safetensors.index.json", "config.json"),
    "gguf": listing(large("m.gguf"), "README.md"),
    "ggufs": listing(large("a.gguf"), large("b.gguf")),
    "gguf_parts": listing(large("a-00001-of-00002.gguf"), large("a-00002-of-00002.gguf")),
    "adapter": listing(large("adapter_model.safetensors"), "adapter_config.json"),
    "pattern": listing(large("q4/a.gguf"), large("q8/b.gguf"), pattern="*q8*"),
    "pattern_odd": listing(large("a.gguf"), pattern="[[:a"),
    "pattern_slow": listing(large("a" * 60 + ".gguf"), pattern="*a" * 30),
    "pattern_none": listing(large("a.gguf"), pattern="x"),
    "nothing": listing("README.md"),
    "empty": listing(),
    "folders": listing(large("a/b/c.safetensors"), "a/config.json"),
    "up": listing("../config.json"),
    "up_inside": listing("a/../../x.gguf"),
    "root": listing("/etc/passwd"),
    "backslash": listing("a\\b"),
    "control": listing("a\u009bb", "c\x7f"),
    "long": listing("a" * 300),
    "twice": listing("config.json", "config.json"),
    "size_negative": listing(small("a", -1)),
    "size_huge": listing(large("a", 2**62)),
    "size_missing": listing({"rfilename": "a"}),
    "oid_short": listing(large("a", 1, "ab")),
    "oid_upper": listing(large("a", 1, "AB" * 32)),
    "lfs_text": listing({"rfilename": "a", "size": 1, "lfs": "x"}),
    "no_commit": listing("a", sha="main"),
    "licence_list": listing(large("m.gguf"), cardData={"license": ["mit"]}),
    "licence_long": listing(large("m.gguf"), cardData={"license": "l" * 65}),
    "siblings_object": listing(siblings={}),
    "cut": listing(large("model.safetensors"))[:90],
}
for name, data in listings.items():
    put("hub_listing", name, data)

# --- hub_manifest ---

one = {"name": "m.gguf", "bytes": 3, "sha256": sha256}
manifest = {"repository": "org/name", "licence": "mit", "model": "m.gguf", "commit": commit, "files": [one]}
manifests = {
    "whole": manifest,
    "folder": {**manifest, "model": "", "files": [{**one, "name": f"model-0000{i}-of-00002.safetensors"} for i in (1, 2)]},
    "empty": {**manifest, "model": "", "files": []},
    "model_elsewhere": {**manifest, "model": "../m.gguf"},
    "twice": {**manifest, "files": [one, one]},
    "up": {**manifest, "files": [{**one, "name": "../m.gguf"}]},
    "name_nul": {**manifest, "files": [one, {**one, "name": "m.gguf\0x"}]},
    "bytes_negative": {**manifest, "files": [{**one, "bytes": -3}]},
    "bytes_huge": {**manifest, "files": [{**one, "bytes": (1 << 50) + 1}]},
    "bytes_real": {**manifest, "files": [{**one, "bytes": 3.0}]},
    "sha256_short": {**manifest, "files": [{**one, "sha256": sha256[1:]}]},
    "commit_short": {**manifest, "commit": commit[1:]},
    "no_licence": without(manifest, "licence"),
    "licence_long": {**manifest, "licence": "\u00e9" * 40},
    "files_object": {**manifest, "files": {}},
    "list": [manifest],
}
for name, c in manifests.items():
    put("hub_manifest", name, json.dumps(c).encode())
for n in (0, 1, 40, 100):
    put("hub_manifest", f"cut_at_{n}", json.dumps(manifest).encode()[:n])

# --- hub_name: what follows "hf:" ---

for k, name in enumerate((
    "org/name", "org/name@main", "Qwen/Qwen2.5-0.5B_x@refs/pr/1", "org/name@" + commit, "", "name", "/name", "org/", "org/a/b",
    "../a", "org/..", "org/a..b", "-org/a", "org/a.", "org/a@", "org/a@../", "org/a@x/../y", "org/a@x//y", "org/a b", "org/a@b%2Fc",
    "org@main/a", "org/\u00e9", "o/" + "n" * 96, "o/" + "n" * 97, "o/n@" + "r/" * 99 + "r", "o/n@" + "r" * 201, "org/a\0b", "a\u0085b/c",
)):
    put("hub_name", f"name_{k:02}", name.encode())

# --- http_headers: the head of an answer ---

heads = {
    "ok": "HTTP/1.1 200 OK\r\nContent-Length: 100\r\nETag: \"abc\"\r\nContent-Type: text/html\r\n\r\n",
    "range": "HTTP/2 206 \r\ncontent-range: bytes 100-199/200\r\ncontent-length: 100\r\netag: W/\"abc\"\r\n\r\n",
    "busy": "HTTP/1.1 429 Too Many\r\nRetry-After: 3\r\n\r\n",
    "two": "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 Not Found\r\nRETRY-AFTER: Wed, 21 Oct\r\n\r\n",
    "status_alone": "HTTP/1.1 200",
    "status_short": "HTTP/1.1 20",
    "status_none": "HTTP/1.1\r\n",
    "status_words": "HTTP/1.1 two\r\nHTTP/1.1  200\r\n",
    "status_long": "HTTP/1.1 99999999999999999999\r\n",
    "length_negative": "HTTP/1.1 200\r\nContent-Length: -5\r\n",
    "length_huge": "HTTP/1.1 200\r\nContent-Length: 99999999999999999999\r\n",
    "length_words": "HTTP/1.1 200\r\nContent-Length: five\r\nContent-Length:\r\nContent-Length\r\n",
    "etag_long": "HTTP/1.1 200\r\nETag: \"" + "x" * 300 + "\"\r\n",
    "etag_nul": "HTTP/1.1 200\r\nETag: \"a\0b\"\r\n",
    "range_negative": "HTTP/1.1 206\r\nContent-Range: bytes -1-199/200\r\n",
    "range_star": "HTTP/1.1 206\r\nContent-Range: bytes 0-199/*\r\n",
    "range_huge": "HTTP/1.1 206\r\nContent-Range: bytes 0-1/18446744073709551616\r\n",
    "range_back": "HTTP/1.1 206\r\nContent-Range: bytes 9-1/200\r\n",
    "range_beyond": "HTTP/1.1 206\r\nContent-Range: bytes 0-200/200\r\n",
    "range_blanks": "HTTP/1.1 206\r\nContent-Range: bytes 0 - 1 / 2\r\n",
    "blank_name": ": x\r\n\r\n :\r\n",
}
for name, data in heads.items():
    put("http_headers", name, data.encode())

# --- options_config: the file of --config ---

configs = {
    "whole": {"flag": True, "count": 3, "learning_rate": 0.25, "text": "a\u00e9", "kind": "two", "path": "/x"},
    "defaults": {"count": None, "kind": None},
    "empty": {},
    "misspelt": {"cuont": 3},
    "twice": {"learning-rate": 0.1, "learning_rate": 0.2},
    "count_real": {"count": 3.0},
    "count_huge": {"count": 257},
    "count_text": {"count": "3"},
    "rate_above": {"learning-rate": 1.5},
    "flag_number": {"flag": 1},
    "kind_other": {"kind": "three"},
    "kind_part": {"kind": "on"},
    "text_nul": {"text": "a\0b"},
    "text_list": {"text": ["a", {"b": 1}]},
    "value_long": {"count": "x" * 400},
    "key_long": {"k" * 400: 1},
    "key_format": {"%s%n": "%s%n"},
    "list": [1],
    "number": 1,
}
for name, c in configs.items():
    put("options_config", name, json.dumps(c).encode())
for n in (0, 1, 30, 60):
    put("options_config", f"cut_at_{n}", json.dumps(configs["whole"]).encode()[:n])

# --- unpack: archives ---

REG, LNK, SYM, CHR, DIR = tarfile.REGTYPE, tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE


def tar(*rows, form=tarfile.PAX_FORMAT):
    """Rows of (name, data or link, type, mode)."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as t:
        for name, data, kind, mode in rows:
            info = tarfile.TarInfo(name)
            info.type, info.mode = kind, mode
            if kind in (LNK, SYM):
                info.linkname = data
            elif kind == REG:
                info.size = len(data)
            t.addfile(info, io.BytesIO(data) if kind == REG else None)
    used = len(out.getvalue().rstrip(b"\0"))
    return out.getvalue()[:(used + 511) // 512 * 512 + 1024]  # of Python's zeros two blocks stay


def zipped(*rows):
    """Rows of (name, data, mode, method)."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as z:
        for name, data, mode, method in rows:
            info = zipfile.ZipInfo(name)
            info.create_system, info.external_attr, info.compress_type = 3, mode << 16, method
            z.writestr(info, data)
    return out.getvalue()


def zstd(data):
    """A frame of blocks that are not compressed."""
    blocks = [data[i:i + 1024] for i in range(0, len(data), 1024)]
    return b"\x28\xb5\x2f\xfd\0\0" + b"".join(
        struct.pack("<I", len(b) << 3 | (i + 1 == len(blocks)))[:3] + b for i, b in enumerate(blocks))


usual = (("d/", "", DIR, 0o755), ("d/run", b"#!/bin/sh\n", REG, 0o755), ("d/link", "../h", SYM, 0o777), ("h", "d/run", LNK, 0o644))
tarred = tar(*usual)
stored, deflated = zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED
wheel = zipped(("a/b.txt", "abc" * 50, 0o100644, deflated), ("a/link", "b.txt", 0o120777, stored), ("e/", "", 0o40755, stored))
archives = {
    "tar": tarred,
    "gnu_long": tar(("n" * 150 + "/" + "m" * 60, b"x", REG, 0o644), form=tarfile.GNU_FORMAT),
    "pax_long": tar(("\u00fc" * 120 + "/" + "m" * 60, b"x", REG, 0o644)),
    "tar.gz": gzip.compress(tarred, mtime=0),
    "tar.xz": lzma.compress(tarred),
    "tar.zst": zstd(tarred),
    "tar.gz.gz": gzip.compress(gzip.compress(tarred, mtime=0), mtime=0),
    "zip": wheel,
    "zip_up": zipped(("../evil", "x", 0o100644, stored)),
    "zip_twice": zipped(("a", "x", 0o100644, stored), ("A", "y", 0o100644, stored)),
    "zip_suid": zipped(("a", "x", 0o104755, stored)),
    "zip_bomb": zipped(("zeros", "0" * (2 << 20), 0o100644, deflated)),
    "zip_lies": wheel.replace(struct.pack("<I", 150), struct.pack("<I", 151)),
    "zip_no_end": wheel[:-22],
    "tar_up": tar(("../evil", b"x", REG, 0o644)),
    "tar_link_out": tar(("l", "/etc", SYM, 0o777), ("l/passwd", b"x", REG, 0o644)),
    "tar_device": tar(("null", "", CHR, 0o666)),
    "tar_no_end": tarred[:-1024],
    "empty": b"",
}
for name, data in archives.items():
    put("unpack", name, data)
for n in (300, 512, 1500):
    put("unpack", f"tar_cut_at_{n}", tarred[:n])
    put("unpack", f"zip_cut_at_{n // 6}", wheel[:n // 6])

for k, (name, link) in enumerate((
    ("a/b/c", "../../d"), ("./a//b/", "../x/./y"), ("../a", ""), ("/a", "/b"), ("a/..", ".."), ("", "."), (".", "a"), ("a", "b/../../c"),
    ("a\\b", "c\\d"), ("a\x1bb", "c\nd"), ("\u00fc\u0308/\u00df", "\u00fc"), ("n" * 256, "m"), ("n/" * 33, ".."), ("n" * 1001, ""),
)):
    put("unpack_name", f"name_{k:02}", f"{name}\0{link}".encode())
put("unpack_name", "overlong", b"a\xc0\xae\0b")

# --- checksums: a line ---

for name, line in {
    "text": f"{sha256}  a.bin",
    "binary": f"{sha256} *a.bin",
    "upper": f"{sha256.upper()}  a",
    "escaped": f"\\{sha256}  a\\\\b\\nc\\rd",
    "escape_unknown": f"\\{sha256}  a\\tb",
    "escape_cut": f"\\{sha256}  a\\",
    "not_escaped": f"{sha256}  a\\nb",
    "no_name": f"{sha256}  ",
    "one_space": f"{sha256} a",
    "short": f"{sha256[1:]}  a",
    "long": f"{sha256}0  a",
    "empty": "",
    "two_lines": f"{sha256}  a\nb",
}.items():
    put("checksums", name, line.encode())

# --- document: the format's letter, then the file ---

laughs = "a: &a [1,1,1,1,1,1,1,1,1]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(7))
documents = {
    "j_whole": 'j{"a": [1, 2.5, -3e-7, true, null, "t\\u00e9\\n\\"x\\""], "b": {"c": {}, "d": []}}',
    "j_twice": 'j{"a": 1, "a": 2}',
    "j_cut": 'j{"a": [1, {"b": ',
    "j_big": "j[99999999999999999999, 1e999]",
    "j_deep": "j" + "[" * 80 + "]" * 80,
    "j_text_nul": 'j"a\\u0000b"',
    "y_whole": "y# c\na: &x {b: 1, c: [2, 0x1F, 0o17, .5, 1e3, ~]}\nd:\n  <<: *x\n  b: \"two\\x41\"\n"
               "e: |\n  text\n  more\nf: !!str 5\ng: .inf\n",
    "y_alias_itself": "ya: &x [*x]\n",
    "y_no_anchor": "ya: *x\n",
    "y_laughs": "y" + laughs,
    "y_two_documents": "ya: 1\n---\nb: 2\n",
    "y_key_list": "y? [a]\n: 1\n",
    "y_merge_list": "ya: &x {k: 1}\nb: &y {l: 2}\nc:\n  <<: [*x, *y]\n  <<: *x\n",
    "y_tab": "ya:\n\tb: 1\n",
    "y_tag": "ya: !thing 1\nb: !!int x\n",
    "y_empty": "y# nothing\n",
    "y_cut": 'ya: "open',
    "y_deep": "y" + "[" * 80 + "]" * 80,
    "t_whole": 't# c\na = 1\nb.c = "x\\u00e9\\t"\n[d.e]\nf = [1, 2.5, {g = true, h.i = 0xff}]\n[[j]]\n'
               'k = 1979-05-27T07:32:00.5Z\n[[j]]\nl = """a\\\n   b"""\nm = \'\'\'x\'y\'\'\'\nn = -inf\n',
    "t_twice": "t[a]\nb = 1\n[a]\nc = 2\n",
    "t_dotted_again": "t[a.b.c]\nz = 9\n[a]\nb.c.t = 1\n",
    "t_closed": "ta = {b = 1}\n[a.c]\n",
    "t_array_closed": "ta = [1]\n[[a]]\n",
    "t_cut_text": 'ta = "x',
    "t_cut_list": "ta = [1, 2",
    "t_date": "ta = 2023-02-30\n",
    "t_number": "ta = 0_1\n",
    "t_deep": "ta = " + "[" * 80 + "]" * 80,
    "t_key_quoted": "t\"\" = 1\n\"a.b\".'c d' = 2\n",
    "t_underscores": "ta = 1_000.5_0e+1_0\nb = 0b1_0\n",
    "t_crlf": 'ta = 1\r\nb = """\r\nx\r\n"""\r\n',
    "t_control": 'ta = "\x01"\n',
    "t_bom": "t\ufeffa = 1\n",
}
for name, text_of_file in documents.items():
    put("document", name, text_of_file.encode())
put("document", "t_not_utf8", b'ta = "\xff"')
# --- bench_results: samples of `efficientai bench` ---

case = {"name": "sort a", "command": "sort a", "warm_up": 1, "batch": 1, "stop": "precision",
        "samples": {"seconds": [0.011, 0.012, 0.0115, 0.5], "user_seconds": [0.01, 0.01, 0.011, 0.01], "peak_bytes": [1e6, 1e6, 2e6, 1e6]}}
result = {"format": "efficientai-bench", "schema": 1, "bench": "run", "fingerprint": {"hash": "0123456789ab", "facts": {"cpu": "x", "cores": "2"}},
          "environment": {"seed": "1", "load_at_start": "0.1 0.1 0.1"}, "cases": [case, {**case, "name": "b|<c>&\"'"}]}
results = {
    "whole": result,
    "no_cases": {**result, "cases": []},
    "zeros": {**result, "cases": [{**case, "samples": {"seconds": [0, 0, 0]}}]},
    "one_sample": {**result, "cases": [{**case, "samples": {"seconds": [3]}}]},
    "tiny_and_huge": {**result, "cases": [{**case, "samples": {"seconds": [5e-324, 1e18, 1e-300, 1e18], "cycles": [0, 1e18, 5e-324, 3]}}]},
    "schema_2": {**result, "schema": 2},
    "schema_text": {**result, "schema": "1"},
    "format_other": {**result, "format": "hyperfine"},
    "samples_negative": {**result, "cases": [{**case, "samples": {"seconds": [1, -1]}}]},
    "samples_beyond": {**result, "cases": [{**case, "samples": {"seconds": [1e300]}}]},
    "samples_text": {**result, "cases": [{**case, "samples": {"seconds": ["1"]}}]},
    "samples_uneven": {**result, "cases": [{**case, "samples": {"seconds": [1, 2], "cycles": [1]}}]},
    "samples_list": {**result, "cases": [{**case, "samples": [1]}]},
    "name_twice": {**result, "cases": [case, case]},
    "name_control": {**result, "cases": [{**case, "name": "a\u0001\u009b"}, {**case, "name": "a?\u009b"}]},
    "name_long": {**result, "cases": [{**case, "name": "n" * 4097}]},
    "stop_other": {**result, "cases": [{**case, "stop": "%s%n"}]},
    "batch_huge": {**result, "cases": [{**case, "batch": 1 << 62}]},
    "facts_number": {**result, "fingerprint": {"facts": {"cores": 2}}},
    "facts_many": {**result, "environment": {str(k): "" for k in range(300)}},
    "hyperfine": {"results": [{"command": "a", "times": [1.0]}]},
    "list": [result],
}
for name, r in results.items():
    put("bench_results", name, json.dumps(r).encode())
for n in (0, 1, 40, 200, 500):
    put("bench_results", f"cut_at_{n}", json.dumps(result).encode()[:n])

# --- log_line: what to look for (also a time), then a line of a log file ---

log_line = {"time": "2026-11-22T23:37:58.123Z", "seconds": 0.5, "level": "info", "module": "train",
            "message": "a step is done", "run": "0193", "pid": 7}
lines = {
    "whole": ("step=3", log_line | {"step": 3, "loss": 0.25, "file": "a b", "ok": True, "none": None}),
    "no_fields": ("2h ago", log_line),
    "real": ("loss=0.250", log_line | {"loss": 0.25}),
    "boolean": ("ok=true", log_line | {"ok": True}),
    "control": ("2026-11-22", log_line | {"message": "\u001b[2J\u009b", "k\u0007": "\u0085"}),
    "nested": ("today", log_line | {"a": {"b": [1, [2]]}}),
    "deep": ("1w", log_line | {"a": [[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]}),
    "many": ("f20", log_line | {f"f{i}": i for i in range(40)}),
    "reserved": ("pid_=1", log_line | {"pid_": 1, "source": "x.c:1"}),
    "zone": ("2026-11-22T23:37:58.5+02:00", log_line | {"time": "2026-11-22 23:37+14:59"}),
    "day_31": ("2026-02-30", log_line | {"time": "2026-06-31T00:00:00Z"}),
    "time_number": ("5x", log_line | {"time": 5}),
    "level_unknown": ("", log_line | {"level": "loud"}),
    "message_absent": ("k=", {k: v for k, v in log_line.items() if k != "message"}),
    "message_list": ("k", log_line | {"message": ["a"]}),
    "list": ("=", [1]),
}
for name, (field, line) in lines.items():
    put("log_line", name, field.encode() + b"\n" + json.dumps(line).encode())
put("log_line", "twice", b"a=1\n" + json.dumps(log_line).encode()[:-1] + b', "a": 1, "a": 2}')
put("log_line", "no_utf8", b"a=\xff\n" + json.dumps(log_line).encode()[:-1] + b', "a": "\xff"}')
put("log_line", "nul", b"a\n" + json.dumps(log_line).encode()[:-1] + b', "a": "\0"}')
for n in (0, 1, 40, 100):
    put("log_line", f"cut_at_{n}", b"level=info\n" + json.dumps(log_line).encode()[:n])

# --- Tables to draw ---

tables = {
    "csv": b"step,loss\n1,4.5\n2,3.25\n3,nan\n4,-1e308\n",
    "quoted": b'name,"a ""b"""\r\n"x\r\ny",1\r\n"",2\r\n',
    "tabs": b"a\tb\n1\t2\n\n3\t\n",
    "semicolons": b"\xef\xbb\xbfa;b\n1,5;2\n",
    "metrics": b'{"step": 1, "loss": 4.5, "lr": 1e-4}\n{"step": 2, "valid": {"loss": 3}}\n{"step": 3, "ok": true, "x": null}\n',
    "lists": b'{"a": [1, 2], "b": "text"}\n',
    "too_deep": b'{"a":' * 9 + b"1" + b"}" * 9,
    "too_few_fields": b"a,b\n1\n",
    "same_name": b"a,a\n1,2\n",
    "open_quote": b'a\n"1\n2\n',
    "behind_a_quote": b'a\n"1"2\n',
    "nul": b"a\n\0\n",
    "one_value": b"y\n5\n",
    "all_equal": b"y,z\n7,0\n7,0\n7,0\n",
    "extremes": b"y,z\n1e308,5e-324\n-1e308,1e308\n0,inf\n",
    "control_characters": b"\x1b[2J,\xff\xfe\n\x9b,\x07\n",
}
for name, data in tables.items():
    put("plot_table", name, data)
for n in (1, 9, 20, 50, 80):
    put("plot_table", f"cut_at_{n}", tables["metrics"][:n])
