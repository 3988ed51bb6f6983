#!/usr/bin/env python3
"""How far the logits of each precision are from those in f32, over the first tokens of a text.

    tools/peers.sh python3 tools/oracles/logits_distance.py [--tool build/bin/efficientai] [--text FILE] [--tokens 500] [MODEL]

Prints for bf16 and int8 the mean and median KL divergence of the next token's distribution from the one in f32, and the
share of tokens whose likeliest successor is the same. Losses hide what this shows: they go up and down by chance.
"""
import argparse
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]


def logits_of(args, ids, dtype, folder):
    path = pathlib.Path(folder) / f"{dtype}.npy"
    subprocess.run([args.tool, "logits", "--model", args.model, "--ids", ",".join(ids), "--dtype", dtype, "--output", path], check=True,
                   stdout=subprocess.DEVNULL)
    return path


def log_softmax(np, path):
    x = np.load(path).astype(np.float64)
    x -= x.max(axis=1, keepdims=True)
    return x - np.log(np.exp(x).sum(axis=1, keepdims=True))


def compare(args, np):
    with open(args.text, encoding="utf-8") as f:
        words = subprocess.run([args.tool, "tokenize", "--model", args.model], input=f.read(), capture_output=True, text=True, check=True)
    ids = words.stdout.replace(",", " ").split()[:args.tokens]
    with tempfile.TemporaryDirectory() as folder:
        expected = log_softmax(np, logits_of(args, ids, "f32", folder))
        for dtype in ("bf16", "int8"):
            actual = log_softmax(np, logits_of(args, ids, dtype, folder))
            kl = (np.exp(expected) * (expected - actual)).sum(axis=1)
            same = (expected.argmax(axis=1) == actual.argmax(axis=1)).mean()
            print(f"{dtype:<6}KL mean {kl.mean():.5f}, median {np.median(kl):.5f}, likeliest token the same {same:.3f}, {len(ids)} tokens")


def main():
    parser = argparse.ArgumentParser(description="Logits in bf16 and int8 beside those in f32.")
    parser.add_argument("model", nargs="?", default="smollm2-135m-instruct")
    parser.add_argument("--tool", default=ROOT / "build/bin/efficientai")
    parser.add_argument("--python", default=os.environ.get("EFFICIENTAI_PEERS_PYTHON"), help="an interpreter with numpy")
    parser.add_argument("--text", type=pathlib.Path, default=ROOT / "docs/testing.md")
    parser.add_argument("--tokens", type=int, default=500)
    args = parser.parse_args()
    try:
        import numpy
    except ImportError:
        if not args.python or args.python == sys.executable:
            sys.exit("logits_distance: no interpreter with numpy: run this by tools/peers.sh")
        os.execv(args.python, [args.python, *sys.argv])
    compare(args, numpy)


if __name__ == "__main__":
    main()
