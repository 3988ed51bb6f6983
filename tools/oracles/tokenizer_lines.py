#!/usr/bin/env python3
"""Hashes of what HF `tokenizers` makes of 10,000 lines of mixed text, for tests/formats/test_tokenizer_lines.c.

    sh tools/peers.sh                                                       # .venv-peers, once
    .venv-peers/bin/python tools/oracles/tokenizer_lines.py MODEL.gguf     # writes tests/data/tokenizer_hashes.json
    ... --line 1234 [--variant smollm]                                       # shows one line and its ids

The vocabulary and the merges come from the GGUF file. The lines are made here and, by the same rules, in
tests/support/tokenizer_lines.c; nothing of them is stored but a hash. A line is a row of 1 to 12 parts; what a part is, see make_part().
Choices are the remainders of SplitMix64's successive values. Line i starts from the seed SEED + i.

Code points are taken from ranges that are wholly assigned in Unicode 14 (checked here), for which later versions
have the same classes: the two sides may use different versions of Unicode.
"""
import argparse
import hashlib
import json
import pathlib
import struct
import unicodedata

SEED = 0x5EED0000
N_LINES = 10000
BLOCK = 100
MASK = (1 << 64) - 1

# Every table of characters below stands in tests/support/tokenizer_lines.c too.
RANGES = [
    (0x0041, 0x005A), (0x0061, 0x007A), (0x00C0, 0x00D6), (0x0100, 0x017F), (0x0250, 0x02AF), (0x0391, 0x03A1),
    (0x03B1, 0x03C9), (0x0410, 0x044F), (0x0531, 0x0556), (0x05D0, 0x05EA), (0x0620, 0x064A), (0x0905, 0x0939),
    (0x0995, 0x09A8), (0x0B85, 0x0B8A), (0x0E01, 0x0E30), (0x0E81, 0x0E82), (0x0F40, 0x0F47), (0x1000, 0x102A),
    (0x10D0, 0x10FA), (0x1100, 0x1159), (0x1200, 0x1248), (0x13A0, 0x13EF), (0x1780, 0x17B3), (0x1820, 0x1842),
    (0x1E00, 0x1EFF), (0x2C00, 0x2C2F), (0x3041, 0x3096), (0x30A1, 0x30FA), (0x4E00, 0x9FA5), (0xAC00, 0xD7A3),
    (0xFF21, 0xFF3A), (0x10330, 0x1034A), (0x10400, 0x1044F), (0x1D400, 0x1D454), (0x20000, 0x2A6D6),
]
MARKS = [
    (0x0300, 0x036F), (0x064B, 0x0652), (0x093E, 0x094D), (0x0E34, 0x0E3A), (0x3099, 0x309A), (0xFE00, 0xFE0F),
    (0x20D0, 0x20DC),
]
SYMBOLS = [
    (0x0021, 0x002F), (0x003A, 0x0040), (0x005B, 0x0060), (0x007B, 0x007E), (0x00A1, 0x00A9), (0x2010, 0x2027),
    (0x2030, 0x205E), (0x20A0, 0x20BF), (0x2190, 0x21FF), (0x2200, 0x22FF), (0x2500, 0x257F), (0x3001, 0x3003),
    (0x1F300, 0x1F5FF), (0x1F600, 0x1F64F), (0xE000, 0xE0FF), (0x100000, 0x1000FF), (0xFFF9, 0xFFFD),
]
DIGITS = [0x30, 0x660, 0x6F0, 0x966, 0x9E6, 0xE50, 0xFF10, 0x1D7CE]  # the digit zero; nine follow
NUMBERS = [(0x00B2, 0x00B3), (0x00BC, 0x00BE), (0x2160, 0x2188), (0x2460, 0x249B), (0x3007, 0x3007), (0x3021, 0x3029)]
SPACES = [
    0x20, 0x20, 0x20, 0x20, 0x09, 0x0A, 0x0A, 0x0D, 0x0B, 0x0C, 0x1C, 0x85, 0xA0, 0x1680, 0x180E, 0x2000, 0x2003,
    0x200A, 0x200B, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000, 0xFEFF,
]
SNIPPETS = [
    "'s", "'t", "'re", "'ve", "'m", "'ll", "'d", "'S", "'LL", "'\u017f", "don't", "I'd've", "''s", "\u2019s", "\r\n",
    "\n\n\n", "  \n", "\t\tif (x) {", "for (int i = 0; i < 10; i++)", "def f(x):\n    return x ** 2", "#include <a.h>",
    "0x1F", "3.14159", "1,000,000", "https://example.org/a?b=c&d=%20", "user@example.org", "{\"key\": [1, 2.5, null]}",
    "<div class=\"x\">", "<!-- -->", "a_b_c", "CamelCase", "C:\\dir\\file", "\U0001F468\u200D\U0001F469\u200D\U0001F467",
    "\U0001F3F3\uFE0F\u200D\U0001F308", "\U0001F44D\U0001F3FD", "\U0001F1E9\U0001F1EA", "1\uFE0F\u20E3", "e\u0301", "\u00E9",
    "\uFB01", "\u0130", "\u00DF", "\u0000", "\u007F", "\u00AD", "Stra\u00DFe", "na\u00EFve", "the quick brown fox",
    " jumps over", " the lazy dog", "The capital of France is Paris.", " ", "  ",
]
SPECIALS = [
    "<|im_start|>", "<|im_end|>", "<|endoftext|>", "<repo_name>", "<reponame>", "<file_sep>", "<filename>", "<gh_stars>",
    "<jupyter_code>", "<empty_output>", "<|im_", "<|im_start|", "<|im_start|>user\n", "<|im_end|>\n<|im_start|>assistant\n",
    "<<|im_end|>>", "<|IM_END|>", "<issue_closed", "<issue_comment><issue_closed>",
]


# The letters that DeepSeek's tokenizer.json lists: \p{L} with upper and lower case, of some Unicode version.
DEEPSEEK_LETTERS = (
    "\\s?[A-Za-z\u00b5\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u01ba\u01bc-\u01bf\u01c4-\u0293\u0295-\u02af\u0370-\u0373\u0376"
    "\u0377\u037b-\u037d\u037f\u0386\u0388-\u038a\u038c\u038e-\u03a1\u03a3-\u03f5\u03f7-\u0481\u048a-\u052f\u0531-\u0556"
    "\u10a0-\u10c5\u13a0-\u13f5\u13f8-\u13fd\u1c90-\u1cba\u1cbd-\u1cbf\u1d00-\u1d2b\u1d6b-\u1d77\u1d79-\u1d9a\u1e00-\u1f15"
    "\u1f18-\u1f1d\u1f20-\u1f45\u1f48-\u1f4d\u1f50-\u1f57\u1f59\u1f5b\u1f5d\u1f5f-\u1f7d\u1f80-\u1fb4\u1fb6-\u1fbc\u1fbe"
    "\u1fc2-\u1fc4\u1fc6-\u1fcc\u1fd0-\u1fd3\u1fd6-\u1fdb\u1fe0-\u1fec\u1ff2-\u1ff4\u1ff6-\u1ffc\u2102\u2107\u210a-\u2113"
    "\u2115\u2119-\u211d\u2124\u2126\u2128\u212a-\u212d\u212f-\u2134\u2139\u213c-\u213f\u2145-\u2149\u214e\u2183\u2184"
    "\u2c00-\u2c7b\u2c7e-\u2ce4\u2ceb-\u2cee\u2cf2\u2cf3\ua640-\ua66d\ua680-\ua69b\ua722-\ua76f\ua771-\ua787\ua78b-\ua78e"
    "\uab70-\uabbf\ufb00-\ufb06\ufb13-\ufb17\uff21-\uff3a\uff41-\uff5a\U00010400-\U0001044f\U000104b0-\U000104d3"
    "\U000104d8-\U000104fb\U00010c80-\U00010cb2\U00010cc0-\U00010cf2\U000118a0-\U000118df\U0001e900-\U0001e943]+")
DEEPSEEK_V3_WORDS = (r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"
                     r"| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")


class Chooser:
    def __init__(self, seed):
        self.state = seed & MASK

    def pick(self, n):
        self.state = (self.state + 0x9E3779B97F4A7C15) & MASK
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        return (z ^ (z >> 31)) % n

    def of_range(self, r):
        return chr(r[0] + self.pick(r[1] - r[0] + 1))


def make_part(c):
    kind = c.pick(16)
    out = []
    if kind < 4:  # words of one script, a space in front of each
        script = RANGES[c.pick(2) if kind < 2 else c.pick(len(RANGES))]
        for _ in range(1 + c.pick(4)):
            out.append(" ")
            for _ in range(1 + c.pick(10)):
                out.append(c.of_range(script))
    elif kind == 4:  # letters of any script
        for _ in range(1 + c.pick(8)):
            out.append(c.of_range(RANGES[c.pick(len(RANGES))]))
    elif kind == 5:  # digits
        zero = DIGITS[c.pick(len(DIGITS))]
        for _ in range(1 + c.pick(9)):
            out.append(chr(zero + c.pick(10)))
    elif kind == 6:  # other numbers
        for _ in range(1 + c.pick(4)):
            out.append(c.of_range(NUMBERS[c.pick(len(NUMBERS))]))
    elif kind == 7:  # white space
        for _ in range(1 + c.pick(5)):
            out.append(chr(SPACES[c.pick(len(SPACES))]))
    elif kind == 8:  # symbols
        for _ in range(1 + c.pick(6)):
            out.append(c.of_range(SYMBOLS[c.pick(len(SYMBOLS))]))
    elif kind == 9:  # letters with marks
        for _ in range(1 + c.pick(4)):
            out.append(c.of_range(RANGES[c.pick(len(RANGES))]))
            for _ in range(1 + c.pick(3)):
                out.append(c.of_range(MARKS[c.pick(len(MARKS))]))
    elif kind < 13:  # fixed pieces of text, code, emoji
        out.append(SNIPPETS[c.pick(len(SNIPPETS))])
    elif kind == 13:  # special tokens, whole and broken
        out.append(SPECIALS[c.pick(len(SPECIALS))])
    elif kind == 14:  # one character over and over
        table = RANGES if c.pick(2) == 0 else SYMBOLS
        out.append(c.of_range(table[c.pick(len(table))]) * (20 + c.pick(200)))
    else:  # bytes, each as the character of its number
        for _ in range(1 + c.pick(12)):
            out.append(chr(c.pick(256)))
    return "".join(out)


def make_line(i):
    c = Chooser(SEED + i)
    return "".join(make_part(c) for _ in range(1 + c.pick(12)))


def check_tables():
    for low, high in RANGES + MARKS + SYMBOLS + NUMBERS:
        for cp in range(low, high + 1):
            assert unicodedata.category(chr(cp)) != "Cn", hex(cp)
    for zero in DIGITS:
        assert all(unicodedata.digit(chr(zero + i)) == i for i in range(10)), hex(zero)


def variants():
    from tokenizers import Regex, pre_tokenizers as p

    def split(pattern):
        return p.Sequence([p.Split(Regex(pattern), "isolated"), p.ByteLevel(add_prefix_space=False, use_regex=False)])

    def splits(*patterns):
        return p.Sequence([p.Split(Regex(x), "isolated") for x in patterns]
                          + [p.ByteLevel(add_prefix_space=False, use_regex=False)])

    cl100k = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}%s| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
              r"|\s+(?!\S)|\s+")
    upper, lower = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
    cased = (rf"[^\r\n\p{{L}}\p{{N}}]?{upper}*{lower}+%s|[^\r\n\p{{L}}\p{{N}}]?{upper}+{lower}*%s|\p{{N}}%s"
             r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
    endings = "(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    cjk = "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+"
    byte_level = p.ByteLevel(add_prefix_space=False, use_regex=True)
    return {  # name -> pre-tokenizer, words that are tokens stay whole, special tokens are parsed
        "smollm": (p.Sequence([p.Digits(individual_digits=True), byte_level]), False, True),
        "smollm, special tokens as text": (p.Sequence([p.Digits(individual_digits=True), byte_level]), False, False),
        "gpt-2": (byte_level, False, True),
        "llama-bpe": (split(cl100k % "{1,3}"), True, True),
        "qwen2": (split(cl100k % ""), False, True),
        "tekken": (split(cased % ("", "", "")), True, True),
        "gpt-4o": (split(cased % (endings, endings, "{1,3}")), False, True),
        "deepseek-llm": (splits(r"[\r\n]", DEEPSEEK_LETTERS, "\\s?[!-/:-~\uff01-\uff0f\uff1a-\uff5e\u2018-\u201f\u3000-\u3002]+",
                                r"\s+$", cjk, r"\p{N}+"), False, True),
        "deepseek-coder": (splits(r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", cjk, r"\p{N}"), False, True),
        "deepseek-v3": (splits(r"\p{N}{1,3}", "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+", DEEPSEEK_V3_WORDS), False, True),
    }


def make_tokenizer(reader, pre, ignore_merges, parse_special):
    from tokenizers import AddedToken, Tokenizer, models

    def texts(key):
        field = reader.fields[key]
        return [bytes(field.parts[i]).decode() for i in field.data]

    tokens = texts("tokenizer.ggml.tokens")
    field = reader.fields["tokenizer.ggml.token_type"]
    types = [int(field.parts[i][0]) for i in field.data]
    merges = [tuple(m.split(" ", 1)) for m in texts("tokenizer.ggml.merges")]
    t = Tokenizer(models.BPE(vocab={s: i for i, s in enumerate(tokens)}, merges=merges, ignore_merges=ignore_merges))
    t.pre_tokenizer = pre
    t.add_special_tokens([AddedToken(s, normalized=False, special=True) for s, k in zip(tokens, types) if k == 3])
    t.encode_special_tokens = not parse_special
    return t


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--output", default=pathlib.Path(__file__).parents[2] / "tests/data/tokenizer_hashes.json")
    parser.add_argument("--line", type=int)
    parser.add_argument("--variant", default="smollm")
    args = parser.parse_args()

    import gguf
    import tokenizers
    check_tables()
    reader = gguf.GGUFReader(args.model)
    if args.line is not None:
        t = make_tokenizer(reader, *variants()[args.variant])
        line = make_line(args.line)
        encoded = t.encode(line, add_special_tokens=False)
        print(ascii(line), line.encode(), encoded.ids, encoded.tokens, sep="\n")
        return
    lines = [make_line(i) for i in range(N_LINES)]
    h = hashlib.sha256()
    for line in lines:
        data = line.encode()
        h.update(struct.pack("<I", len(data)) + data)
    result = {
        "generator": "tools/oracles/tokenizer_lines.py",
        "reference": f"tokenizers {tokenizers.__version__}",
        "vocabulary": "SmolLM2-135M-Instruct",
        "lines": N_LINES,
        "block": BLOCK,
        "lines_sha256": h.hexdigest(),
        "hash": "first 16 hex digits of sha256 over each line's count of ids and ids, u32 little-endian",
        "tokens": {},
        "blocks": {},
    }
    for name, variant in variants().items():
        t = make_tokenizer(reader, *variant)
        blocks = []
        n_tokens = 0
        for start in range(0, N_LINES, BLOCK):
            h = hashlib.sha256()
            for line in lines[start:start + BLOCK]:
                ids = t.encode(line, add_special_tokens=False).ids
                n_tokens += len(ids)
                h.update(struct.pack(f"<{len(ids) + 1}I", len(ids), *ids))
            blocks.append(h.hexdigest()[:16])
        result["tokens"][name] = n_tokens
        result["blocks"][name] = blocks
    pathlib.Path(args.output).write_text(json.dumps(result, indent=1, ensure_ascii=True) + "\n")
    print(f"{args.output}: {N_LINES} lines, {sum(len(x.encode()) for x in lines)} bytes, {result['tokens']}")


if __name__ == "__main__":
    main()
