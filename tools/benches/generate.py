"""One run of prompts and single tokens, ours, llama.cpp's or transformers', in a process of its own:

    prompt N       tokens/s of a prompt of N random tokens, logits of the last one
    tokens N       tokens/s of N single tokens after a prompt of one
    first token    seconds from opening the file to the first token, the process and its imports not counted

Ours also tells how fast memory is read, and at what speed single tokens read the weights.
"""
import collections
import statistics

from .process import ORACLES, run_json

Sizes = collections.namedtuple("Sizes", "prompts tokens repeat")


def options(args, sizes):
    return ["--prompts", ",".join(map(str, sizes.prompts)), "--tokens", sizes.tokens, "--threads", args.threads, "--repeat", sizes.repeat]


def run_ours(args, sizes, path, dtype):
    """({test: figure}, {"first": ..., of memory}, instruction set)"""
    report = run_json([args.tool, "bench", "generate", path, "--json", "--dtype", dtype, *options(args, sizes)], args.threads)
    last = report["rows"][-1]
    figures = {row["test"]: row["tokens_per_s"] for row in report["rows"]}
    memory = {"weights_gb_per_s": last["weights_gb_per_s"], "read_gb_per_s": report["read_gb_per_s"], "of reading": last["share_of_read"]}
    return {**figures, "first token": last["first_token_seconds"]}, memory, report["isa"]


def run_theirs(args, sizes, argv):
    """({test: figure}, version, what it says of the processor)"""
    report = run_json([*argv, *options(args, sizes)], args.threads)
    figures = {f"prompt {n}": int(n) / statistics.median(seconds) for n, seconds in report["prompts"].items()}
    if sizes.tokens:
        figures[f"tokens {report['n_tokens']}"] = report["n_tokens"] / statistics.median(report["tokens"])
    return {**figures, "first token": report["first_token_seconds"]}, report["version"], report["system"]


def run_llama(args, sizes, path):
    return run_theirs(args, sizes, [args.llama, ORACLES / "llama_speed.py", path])


def run_transformers(args, sizes, folder):
    return run_theirs(args, sizes, [args.python, ORACLES / "transformers_speed.py", folder])
