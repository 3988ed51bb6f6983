#!/usr/bin/env python3
"""Small tokenizers of every kind, and hashes of what HF `tokenizers` and `sentencepiece` make of mixed text with them.

    .venv-peers/bin/python tools/oracles/tokenizer_kinds.py               # writes tests/data/tokenizers/*
    ... --line 1234 --variant gemma                                         # shows one line and its ids

The lines are those of tokenizer_lines.py. Each tokenizer is trained on every fifth of them, with a vocabulary of a few
hundred tokens, and written as tokenizer.json; those of sentencepiece as GGUF with the keys of llama.cpp's converter. The
test is tests/formats/test_tokenizer_kinds.c.
"""
import argparse
import collections
import hashlib
import io
import json
import pathlib
import struct
import unicodedata

import tokenizer_lines

N_LINES = 3000
BLOCK = 100
VOCABULARY = 640
MARK = "\u2581"
SPECIALS = ["<unk>", "<s>", "</s>", "<|im_start|>", "<|im_end|>"]
BYTES = [f"<0x{b:02X}>" for b in range(256)]
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
          r"|\s+(?!\S)|\s+")
QWEN2 = LLAMA3.replace("{1,3}", "")
CLIP = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


# --- HF tokenizers ---

def training_lines():
    return [tokenizer_lines.make_line(i) for i in range(0, tokenizer_lines.N_LINES, 5)]


def lines_of_frequent_characters(n=200):
    """Unigram's trainer wants a place for every character that it sees."""
    lines = training_lines()
    frequent = {c for c, _ in collections.Counter("".join(lines)).most_common(n)}
    return ["".join(c for c in line if c in frequent) for line in lines]


def train(t, unigram=False, specials=SPECIALS, size=VOCABULARY, **options):
    from tokenizers import trainers
    if unigram:
        trainer = trainers.UnigramTrainer(vocab_size=size, special_tokens=specials, unk_token="<unk>",
                                          show_progress=False, max_piece_length=8, **options)
    else:
        trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=specials, show_progress=False,
                                      limit_alphabet=200, max_token_length=16, **options)
    t.train_from_iterator(lines_of_frequent_characters() if unigram else training_lines(), trainer)
    return t


def template(bos=True, eos=False):
    from tokenizers import processors
    single = ("<s> " if bos else "") + "$A" + (" </s>" if eos else "")
    return processors.TemplateProcessing(single=single, pair="$A $B", special_tokens=[("<s>", 1), ("</s>", 2)])


def byte_level(pattern, ignore_merges=False, normalizer=None):
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers as p
    t = Tokenizer(models.BPE(ignore_merges=ignore_merges))
    t.pre_tokenizer = p.Sequence([p.Split(Regex(pattern), "isolated"), p.ByteLevel(add_prefix_space=False, use_regex=False)])
    t.decoder = decoders.ByteLevel()
    if normalizer:
        t.normalizer = normalizer
    return train(t, initial_alphabet=p.ByteLevel.alphabet())


def llama3():
    from tokenizers import processors
    t = byte_level(LLAMA3, ignore_merges=True)
    t.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=False), template()])
    return t


def qwen2():
    from tokenizers import normalizers
    return byte_level(QWEN2, normalizer=normalizers.NFC())


def with_bytes(normalizer, pre_tokenizer, decoder, **post):
    from tokenizers import Tokenizer, models
    t = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    if normalizer:
        t.normalizer = normalizer
    if pre_tokenizer:
        t.pre_tokenizer = pre_tokenizer
    t.decoder = decoder
    train(t, specials=SPECIALS + BYTES, size=VOCABULARY + 256)
    data = json.loads(t.to_str())
    data["added_tokens"] = [a for a in data["added_tokens"] if a["content"] not in BYTES]
    t = Tokenizer.from_str(json.dumps(data))
    t.post_processor = template(**post)
    return t


def llama2():
    from tokenizers import decoders as d, normalizers as n
    return with_bytes(n.Sequence([n.Prepend(MARK), n.Replace(" ", MARK)]), None,
                      d.Sequence([d.Replace(MARK, " "), d.ByteFallback(), d.Fuse(), d.Strip(" ", 1, 0)]))


def mistral():
    from tokenizers import decoders as d, pre_tokenizers as p
    return with_bytes(None, p.Metaspace(prepend_scheme="first", split=False),
                      d.Sequence([d.Replace(MARK, " "), d.ByteFallback(), d.Fuse(), d.Strip(" ", 1, 0)]))


def gemma():
    from tokenizers import decoders as d, normalizers as n, pre_tokenizers as p
    return with_bytes(n.Replace(" ", MARK), p.Split(" ", "merged_with_previous"),
                      d.Sequence([d.Replace(MARK, " "), d.ByteFallback(), d.Fuse()]), eos=True)


def metaspace():
    """BPE with unknown characters, words with a mark in front, all of Metaspace's decoder."""
    from tokenizers import Tokenizer, decoders as d, models, normalizers as n, pre_tokenizers as p
    t = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=False))
    t.normalizer = n.Sequence([n.Nmt(), n.NFKC()])
    t.pre_tokenizer = p.Metaspace(prepend_scheme="always", split=True)
    t.decoder = d.Metaspace(prepend_scheme="always")
    return train(t)


def folded():
    """Every normalizer that takes away, and the patterns under a name."""
    from tokenizers import Tokenizer, models, normalizers as n, pre_tokenizers as p
    t = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True))
    t.normalizer = n.Sequence([n.Strip(), n.NFKD(), n.StripAccents(), n.Lowercase()])
    t.pre_tokenizer = p.Sequence([p.Whitespace(), p.Punctuation("contiguous"), p.Digits(individual_digits=False)])
    return train(t)


def splits():
    """Every behaviour of Split, with patterns that PCRE2 and Oniguruma read differently."""
    from tokenizers import Regex, Tokenizer, models, normalizers as n, pre_tokenizers as p
    t = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True))
    t.normalizer = n.Sequence([n.NFD(), n.Replace(Regex(r"[^\S\n]{2,}"), "  "), n.Replace("--", "\u2014")])
    t.pre_tokenizer = p.Sequence([
        p.CharDelimiterSplit("\n"), p.Split(Regex(r"\h+"), "merged_with_previous"), p.Split(Regex(r"(?=\p{Lu})"), "isolated"),
        p.Split(Regex(r"\p{Han}|\p{Hiragana}"), "merged_with_next"), p.Split(Regex(r"\w+"), "contiguous"),
        p.Split(Regex(r"[\w\s]+$"), "removed"), p.Split("e", "merged_with_next", invert=True), p.BertPreTokenizer(),
    ])
    return train(t)


def clip():
    """A suffix at each word's end, as in CLIP's text encoder."""
    from tokenizers import Regex, Tokenizer, decoders as d, models, normalizers as n, pre_tokenizers as p, processors
    t = Tokenizer(models.BPE(unk_token="<unk>", end_of_word_suffix="</w>"))
    t.normalizer = n.Sequence([n.NFC(), n.Replace(Regex(r"\s+"), " "), n.Lowercase()])
    t.pre_tokenizer = p.Sequence([p.Split(Regex(CLIP), "removed", invert=True), p.ByteLevel(add_prefix_space=False)])
    t.decoder = d.ByteLevel()
    train(t, initial_alphabet=p.ByteLevel.alphabet(), end_of_word_suffix="</w>")
    t.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 1), trim_offsets=False, add_prefix_space=False)
    return t


def added():
    """Added tokens that take spaces with them, stand alone, or are looked for after normalization."""
    from tokenizers import AddedToken, Tokenizer, decoders as d, models, normalizers as n, pre_tokenizers as p
    t = Tokenizer(models.BPE())
    t.normalizer = n.Sequence([n.NFKC(), n.Lowercase()])
    t.pre_tokenizer = p.ByteLevel(add_prefix_space=True)
    t.decoder = d.ByteLevel()
    train(t, initial_alphabet=p.ByteLevel.alphabet())
    t.add_tokens([
        AddedToken("the", single_word=True), AddedToken("<|im_start|", normalized=True, lstrip=True),
        AddedToken("fi", normalized=True), AddedToken("Camel", normalized=False, rstrip=True),
        AddedToken("quick", lstrip=True, rstrip=True, normalized=False), AddedToken("'S", normalized=False),
        AddedToken("  ", normalized=False), AddedToken("\u0416", single_word=True, normalized=False),
    ])
    t.add_special_tokens([AddedToken("<|im_start|>", lstrip=True, normalized=False), AddedToken("<<", rstrip=True)])
    return t


def unigram_bytes():
    from tokenizers import Tokenizer, decoders as d, models, normalizers as n, pre_tokenizers as p
    t = Tokenizer(models.Unigram())
    t.pre_tokenizer = p.Metaspace(prepend_scheme="first", split=True)
    t.normalizer = n.NFC()
    train(t, unigram=True)
    data = json.loads(t.to_str())
    data["model"]["byte_fallback"] = True
    data["model"]["vocab"] += [[b, 0.0] for b in BYTES]
    data["decoder"] = json.loads(d.Sequence([d.ByteFallback(), d.Metaspace(prepend_scheme="first")]).__getstate__())
    return Tokenizer.from_str(json.dumps(data))


def unigram_charsmap(proto):
    """What transformers makes of an XLM-R or T5 model of sentencepiece."""
    from tokenizers import Regex, Tokenizer, decoders as d, models, normalizers as n, pre_tokenizers as p
    t = Tokenizer(models.Unigram([(x.piece, x.score) for x in proto.pieces], proto.trainer_spec.unk_id, False))
    t.normalizer = n.Sequence([n.Precompiled(proto.normalizer_spec.precompiled_charsmap), n.Replace(Regex(" {2,}"), MARK)])
    t.pre_tokenizer = p.Sequence([p.WhitespaceSplit(), p.Metaspace(prepend_scheme="always")])
    t.decoder = d.Metaspace(prepend_scheme="always")
    t.add_special_tokens(["<unk>", "<s>", "</s>"])
    t.post_processor = template(bos=False, eos=True)
    return t


# --- sentencepiece ---

def charsmap_rules():
    """A small part of nmt_nfkc: the whole is 240 KB."""
    def row(source, target):
        return " ".join(f"{ord(c):X}" for c in source) + "\t" + " ".join(f"{ord(c):X}" for c in target)

    rules = {c: unicodedata.normalize("NFKC", c) for r in [
        (0xA0, 0xA0), (0xB2, 0xB3), (0xBC, 0xBE), (0xFB00, 0xFB06), (0xFF01, 0xFF5E), (0x2000, 0x200A), (0x3000, 0x3000),
        (0x2460, 0x247F), (0x1D400, 0x1D454), (0x2126, 0x212B)] for c in map(chr, range(r[0], r[1] + 1))}
    for base in "aeiouAEIOUcnCN":
        for mark in "\u0300\u0301\u0302\u0303\u0308\u0327":
            both = unicodedata.normalize("NFC", base + mark)
            if len(both) == 1:
                rules[base + mark] = both
    rules.update({c: " " for c in "\t\n\r\u1680\u2028\u2029\u202f\u205f"})
    rules.update({c: "" for c in "\x0b\x0c\u00ad\u200b\ufeff"})
    return "\n".join(row(k, v) for k, v in sorted(rules.items()) if k != v) + "\n"


def sentencepiece_model(kind, folder):
    import sentencepiece
    writer = io.BytesIO()
    options = {"bpe": dict(normalization_rule_name="identity", byte_fallback=True, remove_extra_whitespaces=False)}
    rules = pathlib.Path(folder) / "rules.tsv"
    rules.write_text(charsmap_rules())
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(x.replace("\n", " ").replace("\0", "") for x in lines_of_frequent_characters()), model_writer=writer,
        model_type=kind, vocab_size=VOCABULARY + 256, character_coverage=1.0, max_sentencepiece_length=8, minloglevel=2,
        num_threads=1, **options.get(kind, dict(normalization_rule_tsv=str(rules))))
    return writer.getvalue()


def parse_sentencepiece(data):
    from transformers.utils import sentencepiece_model_pb2_new as pb
    proto = pb.ModelProto()
    proto.ParseFromString(data)
    return proto


def write_gguf(path, proto, model):
    import gguf
    w = gguf.GGUFWriter(str(path), "llama" if model == "llama" else "t5")
    w.add_head_count(1)
    w.add_head_count_kv(1)
    w.add_tokenizer_model(model)
    w.add_token_list([x.piece.encode() for x in proto.pieces])
    w.add_token_scores([x.score for x in proto.pieces])
    w.add_token_types([x.type for x in proto.pieces])
    w.add_add_space_prefix(proto.normalizer_spec.add_dummy_prefix)
    if model == "t5":
        w.add_remove_extra_whitespaces(proto.normalizer_spec.remove_extra_whitespaces)
        w.add_precompiled_charsmap(proto.normalizer_spec.precompiled_charsmap)
    w.add_bos_token_id(1)
    w.add_eos_token_id(2)
    w.add_unk_token_id(0)
    w.add_add_bos_token(model == "llama")
    w.add_add_eos_token(model != "llama")
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.close()


# --- the files ---

def write_json(path, t):
    data = json.loads(t.to_str())
    if path.stem in ("qwen2", "gemma", "added"):  # as older versions wrote them
        data["model"]["merges"] = [" ".join(m) for m in data["model"]["merges"]]
    path.write_text(json.dumps(data, ensure_ascii=False, separators=(",", ":")) + "\n")


def kinds(folder):
    """Writes the files; returns name -> (file, encode, decode)."""
    import sentencepiece
    from tokenizers import Tokenizer
    result = {}

    def add(name, t):
        path = folder / f"{name}.json"
        write_json(path, t)
        t = Tokenizer.from_file(str(path))
        result[name] = (path.name, lambda s: t.encode(s).ids, lambda ids: t.decode(ids, skip_special_tokens=False))

    for make in (llama3, qwen2, llama2, mistral, gemma, metaspace, folded, splits, clip, added, unigram_bytes):
        add(make.__name__, make())
    import tempfile
    with tempfile.TemporaryDirectory() as temporary:
        models = {"bpe": ("llama", "sentencepiece_bpe"), "unigram": ("t5", "sentencepiece_unigram")}
        for kind, (model, name) in models.items():
            data = sentencepiece_model(kind, temporary)
            proto = parse_sentencepiece(data)
            write_gguf(folder / f"{name}.gguf", proto, model)
            sp = sentencepiece.SentencePieceProcessor(model_proto=data)
            hides_unk = model == "t5"  # sentencepiece writes " \u2047 " for it, HF and we "<unk>"
            result[name] = (f"{name}.gguf", sp.encode, lambda ids, sp=sp, h=hides_unk: "\ufffd" if h and 0 in ids else sp.decode(ids))
    add("unigram_charsmap", unigram_charsmap(proto))
    return result


def hash_ids(ids):
    return struct.pack(f"<{len(ids) + 1}I", len(ids), *ids)


def hash_text(text):
    """What is no UTF-8 is U+FFFD in these libraries and bytes here: such texts count as one."""
    data = b"?" if "\ufffd" in text else text.encode()
    return struct.pack("<I", len(data)) + data


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", default=pathlib.Path(__file__).parents[2] / "tests/data/tokenizers", type=pathlib.Path)
    parser.add_argument("--line", type=int)
    parser.add_argument("--variant", default="llama3")
    args = parser.parse_args()

    import sentencepiece
    import tokenizers
    args.output.mkdir(exist_ok=True)
    if args.line is not None:
        t = tokenizers.Tokenizer.from_file(str(args.output / f"{args.variant}.json"))
        encoded = t.encode(tokenizer_lines.make_line(args.line))
        print(ascii(tokenizer_lines.make_line(args.line)), encoded.ids, encoded.tokens, encoded.offsets,
              ascii(t.decode(encoded.ids, skip_special_tokens=False)), sep="\n")
        return
    result = {
        "generator": "tools/oracles/tokenizer_kinds.py",
        "reference": f"tokenizers {tokenizers.__version__}, sentencepiece {sentencepiece.__version__}",
        "lines": N_LINES,
        "block": BLOCK,
        "hash": "first 16 hex digits of sha256 over each line's count of ids and ids, then length and bytes of their text",
        "kinds": {},
    }
    lines = [tokenizer_lines.make_line(i) for i in range(N_LINES)]
    for name, (file, encode, decode) in kinds(args.output).items():
        blocks = []
        n_tokens = 0
        for start in range(0, N_LINES, BLOCK):
            h = hashlib.sha256()
            for line in lines[start:start + BLOCK]:
                ids = encode(line)
                n_tokens += len(ids)
                h.update(hash_ids(ids) + hash_text(decode(ids)))
            blocks.append(h.hexdigest()[:16])
        result["kinds"][name] = {"file": file, "tokens": n_tokens, "blocks": blocks}
        print(f"{file}: {(args.output / file).stat().st_size} bytes, {n_tokens} tokens")
    (args.output / "hashes.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
