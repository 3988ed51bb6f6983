#!/usr/bin/env python3
"""Compares this project's tokenizer with HF `tokenizers` on a tokenizer.json of any size, which need not be committed.

    .venv-peers/bin/python tools/oracles/tokenizer_compare.py FILE.json...       # 10,000 lines of tokenizer_lines.py
    ... --spm MODEL FILE.gguf     # a SentencePiece model and the GGUF file made of it, against `sentencepiece`
    ... --text FILE               # also the lines of this file
    ... --library build/lib/libefficientai.so

Prints the first differences and, a file a line, how many lines differ. Exits 1 if any does.
"""
import argparse
import ctypes
import pathlib
import sys

import our_library
import tokenizer_lines

FLAGS = our_library.constants("tokenizer.h")
LIKE_HF = FLAGS["EAI_TOKENIZE_ADD_SPECIAL"] | FLAGS["EAI_TOKENIZE_PARSE_SPECIAL"]
LIKE_SENTENCEPIECE = FLAGS["EAI_TOKENIZE_PLAIN"]


class Ours:
    def __init__(self, library, path):
        self.lib = our_library.Library(library)
        self.tokenizer = ctypes.c_void_p()
        self.lib.check(self.lib.eai_tokenizer_load(ctypes.byref(self.tokenizer), str(path).encode(), self.lib.error))

    def encode(self, text, flags):
        data = text.encode()
        ids = ctypes.POINTER(ctypes.c_int32)()
        n = ctypes.c_size_t()
        self.lib.check(self.lib.eai_tokenizer_encode(ctypes.byref(ids), ctypes.byref(n), self.tokenizer, data, len(data),
                                                     flags, self.lib.error))
        result = ids[:n.value]
        self.lib.eai_free(ids)
        return result

    def decode(self, ids):
        array = (ctypes.c_int32 * len(ids))(*ids)
        text = ctypes.c_void_p()
        n = ctypes.c_size_t()
        self.lib.check(self.lib.eai_tokenizer_decode(ctypes.byref(text), ctypes.byref(n), self.tokenizer, array, len(ids),
                                                     FLAGS["EAI_DETOKENIZE_PLAIN"], self.lib.error))
        result = ctypes.string_at(text, n.value).decode(errors="replace")
        self.lib.eai_free(text)
        return result


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", type=pathlib.Path)
    parser.add_argument("--spm", type=pathlib.Path)
    parser.add_argument("--text", type=pathlib.Path)
    parser.add_argument("--lines", type=int, default=tokenizer_lines.N_LINES)
    parser.add_argument("--show", type=int, default=3)
    parser.add_argument("--library", default=pathlib.Path(__file__).parents[2] / "build/lib/libefficientai.so")
    args = parser.parse_args()
    lines = [tokenizer_lines.make_line(i) for i in range(args.lines)]
    if args.text:
        lines += args.text.read_text(errors="replace").splitlines()
    n_all = 0
    for path in args.files:
        ours = Ours(args.library, path)
        if args.spm:
            import sentencepiece
            processor = sentencepiece.SentencePieceProcessor(model_file=str(args.spm))
            reference, flags, pieces, decode = processor.encode, LIKE_SENTENCEPIECE, processor.id_to_piece, processor.decode
        else:
            import tokenizers
            t = tokenizers.Tokenizer.from_file(str(path))
            t.no_truncation()
            t.no_padding()
            reference, flags, pieces = (lambda s: t.encode(s).ids), LIKE_HF, t.id_to_token

            def decode(ids):
                return t.decode(ids, skip_special_tokens=False)
        n_different = n_text = 0
        for i, line in enumerate(lines):
            expected = reference(line)
            got = ours.encode(line, flags)
            if expected == got:
                text = decode(expected)
                if text != ours.decode(got) and "\ufffd" not in text:
                    n_text += 1
                    if n_text <= args.show:
                        print(f"line {i}: expected {ascii(text)}\n  got {ascii(ours.decode(got))}")
                continue
            n_different += 1
            if n_different <= args.show:
                k = next((k for k, (a, b) in enumerate(zip(expected, got)) if a != b), min(len(expected), len(got)))
                print(f"line {i}: {ascii(line)}\n  from token {k}: expected "
                      f"{[pieces(x) for x in expected[max(0, k - 2):k + 6]]}\n  got {[pieces(x) for x in got[max(0, k - 2):k + 6]]}")
        n_all += n_different + n_text
        print(f"{path}: {n_different} of {len(lines)} lines differ, {n_text} of the others when decoded")
    sys.exit(n_all > 0)


if __name__ == "__main__":
    main()
