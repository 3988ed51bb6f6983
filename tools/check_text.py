#!/usr/bin/env python3
"""Looks for text that does not belong into the tree: `tools/check_text.py`, also run by `make test`.

Paths of somebody's machine and hosts of package registries make a clone depend on one place; marks of
unfinished work need the number of an issue in parentheses. Prints one line a finding; exit status 1
when there is one. To forbid something else, add a row to RULES.
"""
import re
import sys

from check_layers import read, tree

HOSTS = "pypi|pythonhosted|npmjs|crates|golang|maven|debian"
RULES = [
    # what is wrong, where to look (a suffix or ""), pattern
    ("a path of somebody's machine", "", re.compile(r"(?<![\w.~$}])/(work|root|home/[a-z]\w*|Users/[a-z]\w*)/")),
    ("the host of a package registry", "", re.compile(rf"https?://[a-z0-9.-]*({HOSTS})[a-z0-9.-]*")),
    ("unfinished work without an issue", "", re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b(?!\(\d+\))")),
    ("white space at the end of a line", (".c", ".h", ".def", ".py", ".sh", ".md", ".cmake"),
     re.compile(r"[ \t]+$")),
]
# Data is not prose: it may hold any text.
SKIP_FOLDERS = ("tests/data/", "projects/lora-finetuning-mlx/data/")
SKIP_SUFFIXES = (".png", ".svg", ".safetensors", ".npy", ".npz", ".gguf", ".bin", ".jsonl", ".gz")


def main():
    findings = 0
    files = [n for n in tree() if not n.startswith(SKIP_FOLDERS) and not n.endswith(SKIP_SUFFIXES)]
    for name in files:
        for number, line in enumerate(read(name).split("\n"), 1):
            for what, suffix, pattern in RULES:
                match = pattern.search(line) if not suffix or name.endswith(suffix) else None
                if match:
                    print(f"{name}:{number}: {what}: {match.group(0).strip()!r}")
                    findings += 1
    print(f"check_text: {len(files)} files, {findings} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
