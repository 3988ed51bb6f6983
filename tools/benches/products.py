"""One run of products x [M, K] times weights [N, K], ours or torch's, in a process of its own: GFLOP/s of the median turn."""
from .process import ORACLES, run_json


def run_ours(args, shape, weights, dtype, repeat):
    """({type of weights: GFLOP/s}, {type: GFLOP/s of the instruction alone}, instruction set)"""
    report = run_json([args.tool, "bench", "gemm", "--json", "--shapes", shape, "--weights", ",".join(weights), "--dtype", dtype,
                       "--threads", args.threads, "--repeat", repeat], args.threads)
    rows = {row["weights"]: row for row in report["rows"]}
    return {t: r["gflops"] for t, r in rows.items()}, {t: r["peak_gflops"] for t, r in rows.items()}, report["isa"]


def run_torch(args, shape, types, repeat):
    """({type: GFLOP/s}, version, what torch says of the processor)"""
    report = run_json([args.python, ORACLES / "torch_products.py", "--shape", shape, "--types", ",".join(types),
                       "--threads", args.threads, "--repeat", repeat], args.threads)
    return report["gflops"], report["version"], report["isa"]
