#!/usr/bin/env python3
"""Compares our readers of TOML, YAML and JSON with Python's tomllib, PyYAML and json.

    tools/oracles/documents.py [--tagged build/tests/tagged] [--seed 0] [--documents 2000] [--suite DIR]

Documents are generated (valid ones, and valid ones with a few characters changed, most of which are not
valid any more), read by both sides, and compared value by value; a reader that takes what the other refuses
is a difference too. --suite names a checkout of the TOML project's toml-test, whose cases for TOML 1.0 are
then run as well. Exit status 1 when anything differs, 77 without tomllib (Python 3.11); what differs on purpose
stands in `agreed`.
PyYAML (`pip install pyyaml`) reads YAML 1.1, so only what means the same in 1.2 is generated for it; without
it that part is skipped, and said so.
"""
import argparse
import datetime
import json
import math
import os
import random
import subprocess
import sys

try:
    import tomllib
except ImportError:  # before Python 3.11
    tomllib = None
try:
    import yaml
except ImportError:
    yaml = None

MOST = 2 ** 63


def tag(value):
    """A value of Python's as what tests/config/tagged.c prints, floats as floats."""
    if isinstance(value, bool):
        return ["bool", value]
    if isinstance(value, int):
        return ["integer", value]
    if isinstance(value, float):
        return ["float", "nan" if math.isnan(value) else value]
    if isinstance(value, str):
        return ["string", value]
    if value is None:
        return ["null"]
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
        return ["time", value.isoformat()]
    if isinstance(value, list):
        return [tag(v) for v in value]
    return {k: tag(v) for k, v in value.items()}


def parse_time(text):
    text = text.replace("z", "Z").replace("t", "T").replace(" ", "T", 1)
    head, dot, rest = text.partition(".")
    if dot:  # Python has microseconds
        digits = len(rest) - len(rest.lstrip("0123456789"))
        text = head + "." + (rest[:digits] + "000000")[:6] + rest[digits:]
    if "T" not in text and ":" in text:
        return datetime.time.fromisoformat(text)
    if "T" not in text:
        return datetime.date.fromisoformat(text)
    return datetime.datetime.fromisoformat(text)


def untag(value):
    """What tagged.c prints, in the same form."""
    if isinstance(value, list):
        return [untag(v) for v in value]
    if set(value) == {"type", "value"} and isinstance(value["type"], str):
        kind, text = value["type"], value["value"]
        if kind == "bool":
            return ["bool", text == "true"]
        if kind == "integer":
            return ["integer", int(text)]
        if kind == "float":
            number = float(text)
            return ["float", "nan" if math.isnan(number) else number]
        if kind == "string":
            return ["string", text]
        if kind == "null":
            return ["null"]
        return ["time", parse_time(text).isoformat()]
    return {k: untag(v) for k, v in value.items()}


def ours(tagged, kind, data):
    """(value, None) or (None, message)"""
    run = subprocess.run([tagged, kind], input=data, capture_output=True, check=False)
    if run.returncode == 1:
        return None, run.stderr.decode().strip()
    if run.returncode != 0:
        raise SystemExit(f"{tagged} ended with {run.returncode} on {data!r}: {run.stderr.decode()}")
    return untag(json.loads(run.stdout)), None


def has_big_integer(value):
    if isinstance(value, dict):
        return any(map(has_big_integer, value.values()))
    if isinstance(value, list):
        return any(map(has_big_integer, value))
    return isinstance(value, int) and not isinstance(value, bool) and not -MOST <= value < MOST


def has_infinity(value):
    if isinstance(value, dict):
        return any(map(has_infinity, value.values()))
    if isinstance(value, list):
        return any(map(has_infinity, value))
    return isinstance(value, float) and math.isinf(value)


def theirs(kind, data):
    try:
        if kind == "toml":
            value = tomllib.loads(data.decode())
        elif kind == "yaml":
            value = yaml.safe_load(data)
        else:
            value = json.loads(data, object_pairs_hook=no_doubles)
    except (ValueError, RecursionError, OverflowError) + ((yaml.YAMLError, TypeError) if yaml else ()) as e:
        return None, str(e) or type(e).__name__
    return value, None


def no_doubles(pairs):
    if len({k for k, _ in pairs}) != len(pairs):
        raise ValueError("a key is there twice")
    return dict(pairs)


def agreed(kind, value, data, message):
    """Is it on purpose that we refuse what they take?"""
    if has_big_integer(value):
        return "integers beyond 64 bits are refused"
    if has_infinity(value) and "too large for a number" in message:
        return "floats beyond a double are refused"
    if "NUL" in message or b"\0" in data or (kind == "json" and b"\\u0000" in data):
        return "NUL is refused"
    if "Unicode" in message and b"\\ud" in data.lower():
        return "half a surrogate pair is refused"
    if "levels" in message or "anchor" in message:
        return "bounds"
    return None


# ---- Documents ----------------------------------------------------------------------------------------

WORDS = ["a", "b", "rank", "learning-rate", "x_1", "Z9", "", "a b", "naïve", "日本", "q\"t", "tab\t", "1", "-", "true"]
TEXTS = ["", "x", "hello world", "naïve café", "日本語", "quote \" and ' both", "back\\slash", "tab\there", "line\nbreak",
         "trailing ", " leading", "#no comment", "a: b", "- x", "1e5", "true", "\u0085\u2028", "\U0001f600", "\x7f", "\x01"]


class Toml:
    """Random TOML documents, in every spelling that the standard has."""

    def __init__(self, rng):
        self.rng = rng

    def document(self):
        rng = self.rng
        lines = []
        names = []
        for _ in range(rng.randrange(0, 6)):
            lines += self.pairs()
        for _ in range(rng.randrange(0, 6)):
            path = [rng.choice(WORDS) for _ in range(rng.randrange(1, 4))]
            if names and rng.random() < 0.6:
                path = rng.choice(names) + path[:1]
            names.append(path)
            form = "[[%s]]" if rng.random() < 0.3 else "[%s]"
            lines.append(form % self.dotted(path) + self.tail())
            for _ in range(rng.randrange(0, 4)):
                lines += self.pairs()
        return rng.choice(["\n", "\r\n"]).join(lines) + rng.choice(["", "\n"])

    def tail(self):
        return self.rng.choice(["", "", "", " # comment ä", "\t"])

    def pairs(self):
        rng = self.rng
        if rng.random() < 0.15:
            return [rng.choice(["", "# a comment", "   "])]
        path = [rng.choice(WORDS) for _ in range(rng.choice([1, 1, 1, 2, 3]))]
        return [self.dotted(path) + rng.choice(["=", " = ", "\t= "]) + self.value(0) + self.tail()]

    def dotted(self, path):
        return self.rng.choice([".", ".", " . "]).join(map(self.key, path))

    def key(self, word):
        if word and all(c.isascii() and (c.isalnum() or c in "-_") for c in word) and self.rng.random() < 0.8:
            return word
        return self.basic(word)

    def basic(self, text):
        out = ""
        for c in text:
            if c in "\"\\" or ord(c) < 32 or ord(c) == 127:
                short = {"\"": "\\\"", "\\": "\\\\", "\n": "\\n", "\t": "\\t"}.get(c)
                out += short if short and self.rng.random() < 0.7 else "\\u%04X" % ord(c)
            elif ord(c) > 126 and self.rng.random() < 0.3:
                out += "\\U%08x" % ord(c)
            else:
                out += c
        return '"' + out + '"'

    def text(self):
        text = self.rng.choice(TEXTS)
        kind = self.rng.randrange(5)
        plain = all(c == "\t" or ord(c) >= 32 and ord(c) != 127 for c in text)
        if kind == 0 and "'" not in text and plain:
            return "'" + text + "'"
        if kind == 1 and "'''" not in text and plain:
            return "'''" + self.rng.choice(["", "\n"]) + text + "x'''"
        if kind == 2:
            inner = self.basic(text)[1:-1]
            return '"""' + self.rng.choice(["", "\n", "\\\n   \n  ", "\"\"x"]) + inner + self.rng.choice(
                ["", "\n", '"', '""', "\\  \n"]) + '"""'
        return self.basic(text)

    def number(self):
        rng = self.rng
        return rng.choice([
            str(rng.randrange(-10 ** 6, 10 ** 6)), "+7", "0", "-0", "1_000", "0xdead_beef", "0o17", "0b1_01",
            str(MOST - 1), str(-MOST), str(MOST), "9" * 25, "2e-4", "1.5", "-0.0", "1_0.5_0", "6.02e+23", "1E5", "inf", "-inf",
            "+nan", "1e400", "-1e400", "1e-400", str(rng.uniform(-1e6, 1e6)), "01", "1.", ".5", "1__0", "0x", "1e", "_1",
            "0xg", "+0x1", "1_e5", "0_1", "Infinity"])

    def time(self):
        rng = self.rng
        date = "%04d-%02d-%02d" % (rng.choice([1, 1979, 2000, 2023, 2024, 9999]), rng.randrange(1, 13), rng.randrange(1, 32))
        clock = "%02d:%02d:%02d" % (rng.randrange(0, 25), rng.randrange(0, 60), rng.randrange(0, 61)) + rng.choice(
            ["", ".5", ".123456", ".000001"])
        return rng.choice([date, clock, date + rng.choice("Tt ") + clock,
                           date + "T" + clock + rng.choice(["Z", "z", "+01:00", "-23:59", "+24:00", "+1:00"])])

    def value(self, depth):
        rng = self.rng
        kind = rng.randrange(8 if depth < 4 else 6)
        if kind <= 1:
            return self.text()
        if kind <= 3:
            return self.number()
        if kind == 4:
            return self.time()
        if kind == 5:
            return rng.choice(["true", "false", "True", "yes"] if rng.random() < 0.2 else ["true", "false"])
        if kind == 6:
            gap = rng.choice(["", " ", "\n  ", " # c\n"])
            items = [self.value(depth + 1) for _ in range(rng.randrange(0, 4))]
            return "[" + gap + ("," + gap).join(items) + rng.choice(["", gap]) + ("," if items and rng.random() < 0.3 else "") + \
                rng.choice(["", "\n"]) + "]"
        pairs = [self.dotted([rng.choice(WORDS) for _ in range(rng.choice([1, 1, 2]))]) + " = " + self.value(depth + 1)
                 for _ in range(rng.randrange(0, 4))]
        return "{" + rng.choice(["", " "]) + ", ".join(pairs) + rng.choice(["", " "]) + "}"


def random_tree(rng, depth=0):
    """A value that all formats know (no dates)."""
    kind = rng.randrange(8 if depth < 4 else 6)
    if kind <= 1:
        return rng.choice(TEXTS)
    if kind == 2:
        return rng.choice([0, -1, 17, MOST - 1, -MOST, rng.randrange(-10 ** 9, 10 ** 9)])
    if kind == 3:
        return rng.choice([0.5, 2e-4, 1e300, -1.25, rng.uniform(-1, 1)])
    if kind == 4:
        return rng.choice([True, False])
    if kind == 5:
        return None
    if kind == 6:
        return [random_tree(rng, depth + 1) for _ in range(rng.randrange(0, 4))]
    return {rng.choice(WORDS): random_tree(rng, depth + 1) for _ in range(rng.randrange(0, 4))}


def yaml_document(rng):
    text = yaml.safe_dump(random_tree(rng), allow_unicode=rng.random() < 0.5, default_flow_style=rng.choice([True, False, None]),
                          default_style=rng.choice([None, None, '"', "'"]), width=rng.choice([20, 80]), sort_keys=False)
    return text.replace("1e5", "1x5")  # a number in YAML 1.2


def mutate(rng, text):
    for _ in range(rng.randrange(1, 4)):
        at = rng.randrange(len(text) + 1)
        text = text[:at] + rng.choice(["", "", "\"", "'", "[", "]", "{", "}", ",", "=", ".", "\n", "#", "\\", "0", "_", "-", " ", ":", "\r"]) + \
            text[at + rng.randrange(0, 2):]
    return text


# ---- Comparing ----------------------------------------------------------------------------------------

def compare(tagged, kind, data, counts):
    """Prints a difference and returns False, or returns True."""
    mine, message = ours(tagged, kind, data)
    other, reason = theirs(kind, data)
    counts["refused by both" if mine is None and reason is not None else "read"] += 1
    if reason is None and mine is None and agreed(kind, other, data, message):
        counts[agreed(kind, other, data, message)] = counts.get(agreed(kind, other, data, message), 0) + 1
        return True
    if (reason is None) == (message is None) and (reason is not None or tag(other) == mine):
        return True
    print(f"{kind}: {data!r}\n  ours:   {message or mine}\n  theirs: {reason or tag(other)}")
    return False


def run_suite(tagged, folder):
    """The cases of toml-test that are for TOML 1.0."""
    tests = os.path.join(folder, "tests")
    failed = total = 0
    with open(os.path.join(tests, "files-toml-1.0.0"), encoding="utf-8") as f:
        names = [n for n in f.read().split() if n.endswith(".toml")]
    for name in names:
        with open(os.path.join(tests, name), "rb") as f:
            mine, message = ours(tagged, "toml", f.read())
        total += 1
        if name.startswith("invalid/"):
            ok = mine is None
        else:
            with open(os.path.join(tests, name[:-5] + ".json"), encoding="utf-8") as f:
                ok = mine == untag(json.load(f))
        if not ok:
            failed += 1
            print(f"{name}: {message or mine}")
    print(f"toml-test: {total - failed} of {total} cases pass")
    return failed


def main():
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--tagged", default=os.path.join(root, "build/tests/tagged"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--documents", type=int, default=2000)
    parser.add_argument("--suite")
    args = parser.parse_args()
    if not tomllib:
        print("SKIPPED: this Python has no tomllib")
        return 77
    rng = random.Random(args.seed)
    failed = 0
    for kind in ["toml", "json"] + (["yaml"] if yaml else []):
        counts = {"read": 0, "refused by both": 0}
        wrong = 0
        for i in range(args.documents):
            text = {"toml": lambda: Toml(rng).document(), "json": lambda: json.dumps(random_tree(rng), indent=rng.choice([None, 2])),
                    "yaml": lambda: yaml_document(rng)}[kind]()
            if i % 2 and kind != "yaml":
                text = mutate(rng, text)
            wrong += not compare(args.tagged, kind, text.encode(), counts)
        print(f"{kind}: {wrong} of {args.documents} documents differ; " + ", ".join(f"{n} {what}" for what, n in counts.items()))
        failed += wrong
    if not yaml:
        print("SKIPPED yaml: no PyYAML here")
    if args.suite:
        failed += run_suite(args.tagged, args.suite)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
