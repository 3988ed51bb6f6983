#!/usr/bin/env python3
"""Writes tests/data/statistics.json: lots of values and what numpy and scipy say of them.

    python3 -m venv DIR && DIR/bin/pip install -r tools/oracles/requirements-statistics.txt
    DIR/bin/python tools/oracles/statistics_values.py > tests/data/statistics.json        # some seconds

"one" are single lots, "two" are pairs of them, "normal" and "student" points of distributions, "holm" a family of p values. What scipy
has no function for is written out here in the plainest way: the exact distribution of U by counting, Hodges and Lehmann's estimate by a
list of all pairs, the bootstrap on the same generator as ours (Philox4x32-10, after its paper).
"""
import itertools
import json
import math
import sys

import numpy as np
import scipy
from scipy import stats

LEVEL = 0.95
RESAMPLES = 400
rng = np.random.default_rng(11)


def lots():
    """Name -> values: skewed as times are, normal, with ties, with outliers, few, constant, large and small."""
    yield "one", [3.5]
    yield "two", [2.0, 1.0]
    yield "three", [0.3, 0.1, 0.2]
    yield "constant", [7.0] * 9
    yield "ties", rng.integers(0, 6, 31).astype(float).tolist()
    yield "skewed", np.exp(rng.normal(size=40) * 0.1 - 3).tolist()
    yield "odd", (1 + rng.exponential(size=25) * 0.02).tolist()
    yield "outliers", np.concatenate([rng.normal(10, 0.1, 30), [12, 13.5, 30, 8.5]]).tolist()
    yield "far_from_zero", (1e6 + rng.normal(size=20)).tolist()
    yield "small", (rng.normal(size=12) * 1e-12).tolist()
    yield "below_zero", (-np.exp(rng.normal(size=18))).tolist()


def philox(seed, stream, count):
    """The first `count` words of 32 bits."""
    out, block = [], 0
    while len(out) < count:
        c = [block & 0xFFFFFFFF, block >> 32, stream & 0xFFFFFFFF, stream >> 32]
        k = [seed & 0xFFFFFFFF, seed >> 32]
        for _ in range(10):
            p0, p1 = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
            c = [(p1 >> 32) ^ c[1] ^ k[0], p1 & 0xFFFFFFFF, (p0 >> 32) ^ c[3] ^ k[1], p0 & 0xFFFFFFFF]
            k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
        out += c
        block += 1
    return out[:count]


def bootstrap(values, seed):
    x = np.sort(values)
    n = len(x)
    places = np.array([w * n >> 32 for w in philox(seed, 0, n * RESAMPLES)]).reshape(RESAMPLES, n)
    medians = np.median(x[places], axis=1)
    return np.quantile(medians, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]).tolist()


def one(name, values):
    x = np.array(values)
    q1, q3 = np.quantile(x, [0.25, 0.75])
    inner, outer = (q1 - 1.5 * (q3 - q1), q3 + 1.5 * (q3 - q1)), (q1 - 3 * (q3 - q1), q3 + 3 * (q3 - q1))
    severe = int(np.sum((x < outer[0]) | (x > outer[1])))
    mad = stats.median_abs_deviation(x)
    z = 0.6744897501960817 * np.abs(x - np.median(x)) / mad if mad > 0 else np.zeros(len(x))
    return {"name": name, "values": values, "quantiles": [[q, float(np.quantile(x, q))] for q in (0, 0.01, 0.25, 1 / 3, 0.5, 0.9, 1)],
            "median": float(np.median(x)), "mad": float(mad), "mean": float(x.mean()),
            "stddev": float(x.std(ddof=1)) if len(x) > 1 else 0.0, "bootstrap": bootstrap(values, 5), "inner": inner,
            "outer": outer, "n_severe": severe, "n_mild": int(np.sum((x < inner[0]) | (x > inner[1]))) - severe,
            "n_low": int(np.sum(x < inner[0])), "n_modified_z": int(np.sum(z > 3.5))}


def counts_of_u(m, n):
    """How many arrangements of m and n values have U = 0, 1, ... (Mann and Whitney's recurrence)."""
    table = {}

    def count(i, j, u):
        if u < 0:
            return 0
        if i == 0 or j == 0:
            return int(u == 0)
        if (i, j, u) not in table:
            table[i, j, u] = count(i - 1, j, u - j) + count(i, j - 1, u)
        return table[i, j, u]

    return [count(m, n, u) for u in range(m * n + 1)]


def place(m, n):
    """The place of an interval's ends among all pairs, from either end (R's wilcox.test)."""
    tail = (1 - LEVEL) / 2
    if m + n > 50:
        return max(1, math.ceil(m * n / 2 + stats.norm.ppf(tail) * math.sqrt(m * n * (m + n + 1) / 12) - 0.5))
    below = np.cumsum(counts_of_u(m, n)) / math.comb(m + n, m)
    return max(1, int(np.argmax(below >= tail)))


def shift(pairs, m, n):
    pairs = np.sort(pairs, axis=None)
    q = place(m, n)
    return [float(np.median(pairs)), float(pairs[q - 1]), float(pairs[m * n - q])]


def two(name, x, y):
    x, y = np.array(x), np.array(y)
    both = np.concatenate([x, y])
    exact = len(both) <= 50 and len(set(both.tolist())) == len(both)
    u = stats.mannwhitneyu(y, x, method="exact" if exact else "asymptotic")
    case = {"name": name, "x": x.tolist(), "y": y.tolist(), "u": float(u.statistic), "u_p": float(u.pvalue) if len(set(both.tolist())) > 1 else 1.0,
            "u_exact": exact, "delta": float(np.sign(y[:, None] - x[None, :]).mean()),
            "shift": shift(y[:, None] - x[None, :], len(x), len(y))}
    if both.min() > 0:
        case["ratio"] = shift(y[:, None] / x[None, :], len(x), len(y))
    if min(len(x), len(y)) > 1 and both.std() > 0:
        t = stats.ttest_ind(y, x, equal_var=False)
        case["welch"] = [float(t.statistic), float(t.df), float(t.pvalue)]
    if min(len(x), len(y)) > 1 and math.comb(len(both), len(x)) <= 20000 and both.std() > 0:
        done = stats.permutation_test((x, y), lambda a, b: abs(b.mean() - a.mean()), n_resamples=np.inf, alternative="greater", vectorized=False)
        case["permutation_p"] = float(done.pvalue)
    if len(x) == len(y) and np.any(x != y):
        left = np.abs(y - x)[x != y]
        exact = len(left) <= 50 and len(set(left.tolist())) == len(left)
        d = (y - x)[x != y]
        w = stats.wilcoxon(d, method="exact" if exact else "asymptotic", correction=not exact)
        ranks = stats.rankdata(np.abs(d))
        case["wilcoxon"] = [float(ranks[d > 0].sum()), float(w.pvalue)]
    return case


def pairs_of_lots():
    base = 1 + rng.exponential(size=30) * 0.02
    yield "shifted", base[:12].tolist(), (base[12:25] * 1.05).tolist()
    yield "same", rng.normal(5, 1, 20).tolist(), rng.normal(5, 1, 20).tolist()
    yield "apart", [1.0, 1.1, 1.2, 1.3], [2.0, 2.1, 2.2, 2.3, 2.4]
    yield "few", [1.5, 1.0, 2.5], [3.5, 0.5]
    yield "single", [1.0], [2.0]
    yield "ties", rng.integers(1, 8, 22).astype(float).tolist(), rng.integers(2, 9, 22).astype(float).tolist()
    yield "all_equal", [4.0] * 5, [4.0] * 6
    yield "many", np.exp(rng.normal(size=60) * 0.05).tolist(), np.exp(rng.normal(size=45) * 0.05 + 0.02).tolist()
    yield "pairs", rng.normal(size=15).tolist(), rng.normal(0.7, 1, 15).tolist()
    yield "pairs_many", rng.normal(size=60).tolist(), rng.normal(0.2, 1, 60).tolist()
    yield "pairs_some_equal", [1.0, 2, 3, 4, 5, 6], [1.0, 2, 4, 6, 8, 3]
    yield "twenty_five", rng.normal(size=25).tolist(), rng.normal(0.3, 1, 25).tolist()


def holm(p):
    order = sorted(range(len(p)), key=p.__getitem__)
    most = list(itertools.accumulate((min(1, p[i] * (len(p) - k)) for k, i in enumerate(order)), max))
    return [most[order.index(i)] for i in range(len(p))]


def main():
    family = [0.01, 0.04, 0.03, 0.005, 0.5, 0.04]
    everything = {
        "versions": {"numpy": np.__version__, "scipy": scipy.__version__}, "level": LEVEL, "resamples": RESAMPLES,
        "one": [one(*lot) for lot in lots()], "two": [two(*lot) for lot in pairs_of_lots()],
        "normal": [[p, float(stats.norm.ppf(p))] for p in (1e-300, 1e-20, 1e-5, 0.005, 0.025, 0.3, 0.5, 0.7, 0.975, 1 - 1e-10)],
        "student": [[t, df, float(2 * stats.t.sf(abs(t), df))] for t in (0.0, 0.1, -1.7, 2.5, 9.0, 40.0) for df in (1, 2.5, 7, 30, 1000)],
        "holm": [family, holm(family)],
    }
    json.dump(everything, sys.stdout)
    print()


if __name__ == "__main__":
    main()
