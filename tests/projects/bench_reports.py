#!/usr/bin/env python3
"""What `efficientai bench` writes, read by others: the JSON file by its description, CSV by the csv module, the page by html.parser
and its plots by an XML parser.

bench_reports.py BUILD: runs every case on BUILD/bin/efficientai. Exit status: 0 all passed, 1 some failed."""
import csv
import html.parser
import json
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

import cases

TOOL = pathlib.Path(sys.argv[1]) / "bin/efficientai"
WORK = pathlib.Path(tempfile.mkdtemp(prefix="eai-bench-"))
VOID = {"meta", "link", "br", "hr", "img", "input"}
HOSTILE = "<script>alert(1)</script> & \"a\" | 'b', \u00e9"


def run(*words, code=0):
    done = subprocess.run([TOOL, "bench", *map(str, words)], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == code, (done.returncode, done.stderr)
    return done.stdout


def sample_file(name, title=HOSTILE, seconds=None):
    """A file of results as another program might write it."""
    seconds = seconds or [0.010 + 0.0001 * (i * 7 % 11) for i in range(20)] + [0.02]
    case = {"name": title, "command": title, "samples": {"seconds": seconds, "peak_bytes": [5e6] * len(seconds)}}
    path = WORK / name
    path.write_text(json.dumps({"format": "efficientai-bench", "schema": 1, "bench": "run", "cases": [case],
                                "fingerprint": {"facts": {"cpu": HOSTILE}}, "environment": {"note": HOSTILE}}))
    return path


class Page(html.parser.HTMLParser):
    """Refuses tags that are not closed in order, scripts, and whatever would fetch something."""

    def __init__(self):
        super().__init__()
        self.open, self.seen, self.text = [], [], []

    def handle_starttag(self, tag, attrs):
        assert tag != "script" and not any(k.startswith("on") or k in ("src", "href", "style") for k, _ in attrs), (tag, attrs)
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, (tag, self.open)
        self.open.pop()

    def handle_data(self, data):
        self.text.append(data)


def read_page(path):
    text = path.read_text(encoding="utf-8")
    page = Page()
    page.feed(text)
    page.close()
    assert not page.open, page.open
    assert "http" not in re.sub(r'xmlns="http://www.w3.org/2000/svg"', "", text) and "url(" not in text and "@import" not in text
    return page, text


def case_page():
    run("report", sample_file("a.json"), sample_file("b.json"), "-o", WORK / "page.html")
    page, text = read_page(WORK / "page.html")
    tables = [a for t, a in page.seen if t == "table"]
    assert len([1 for t, _ in page.seen if t == "caption"]) == len(tables) == 6
    assert all(a.get("scope") in ("col", "row") for t, a in page.seen if t == "th")
    assert HOSTILE in "".join(page.text)
    assert "prefers-color-scheme: dark" in text and "@media print" in text
    plots = re.findall(r"<svg.*?</svg>", text, re.S)
    assert len(plots) == 1  # one case, in both files
    svg = xml.etree.ElementTree.fromstring(plots[0])
    name = "{http://www.w3.org/2000/svg}"
    assert svg.get("role") == "img" and HOSTILE in svg.find(f"{name}title").text
    width = float(svg.get("width"))
    dots = [float(c.get("cx")) for c in svg.iter(f"{name}circle")]
    assert len(dots) == 2 * 21 and all(0 <= x <= width for x in dots)
    assert [c.get("class") for c in svg.iter(f"{name}circle")].count("far") == 2  # the run of 20 ms, in both files
    assert len([1 for e in svg.iter(f"{name}line") if e.get("class") == "median"]) == 2


def case_page_of_odd_times():
    for i, seconds in enumerate(([0.0] * 5, [1.0], [1e-9, 1e9], [2.5] * 3000)):
        run("report", sample_file("odd.json", f"case {i}", seconds), "-o", WORK / "odd.html")
        text = read_page(WORK / "odd.html")[1]
        for svg in re.findall(r"<svg.*?</svg>", text, re.S):
            xml.etree.ElementTree.fromstring(svg)
        assert "nan" not in text and "inf" not in text


def case_rows():
    run("report", sample_file("a.json"), sample_file("b.json"), "-o", WORK / "rows.csv")
    with open(WORK / "rows.csv", encoding="utf-8", newline="") as f:
        rows = list(csv.DictReader(f))
    assert len(rows) == 42 and rows[0]["case"] == HOSTILE and rows[0]["file"].endswith("a.json")
    assert [float(r["seconds"]) for r in rows[:2]] == [0.010, 0.0107] and rows[0]["user_seconds"] == ""
    assert [int(r["run"]) for r in rows[:21]] == list(range(1, 22))


def case_markdown():
    lines = run("report", sample_file("a.json")).splitlines()
    cells = [re.split(r"(?<!\\)\|", line) for line in lines if line.startswith("|")]
    assert len(cells) == 3 and len({len(c) for c in cells}) == 1, cells
    assert "<script" not in "\n".join(lines).replace("\\<", "")


def case_json():
    text = run("run", "--json", "--runs", 4, "--warmup", 2, "--seed", 3, "-o", WORK / "same.json", "--", "true", "a b")
    result = json.loads(text)
    assert json.loads((WORK / "same.json").read_text())["cases"] == result["cases"]
    assert (result["format"], result["schema"], result["bench"]) == ("efficientai-bench", 1, "run")
    assert re.fullmatch("[0-9a-f]{12}", result["fingerprint"]["hash"]) and result["fingerprint"]["facts"]["cores"]
    assert {"started", "finished", "version", "commit", "compiler", "libraries", "seed"} <= set(result["environment"])
    assert result["environment"]["seed"] == "3"
    (case,) = result["cases"]
    assert (case["name"], case["warm_up"], case["batch"], case["stop"]) == ("true 'a b'", 2, 1, "runs")
    assert all(len(values) == 4 for values in case["samples"].values()) and "seconds" in case["samples"]
    assert case["summary"]["median"] == statistics.median(case["samples"]["seconds"])
    assert case["summary"]["low"] <= case["summary"]["median"] <= case["summary"]["high"]


def case_own_benches_write_the_same():
    words = ("gemm", "--shapes", "1x64x32,1x64x32", "--weights", "f32,q4_1", "--repeat", 5, "--threads", 1, "--json")
    for name in ("one.json", "two.json"):
        (WORK / name).write_text(run(*words))
    result = json.loads((WORK / "one.json").read_text())
    assert [row["weights"] for row in result["rows"]] == ["f32", "q4_1"] * 2  # as ever
    assert len({c["name"] for c in result["cases"]}) == 4
    for row, case in zip(result["rows"], result["cases"], strict=True):
        assert abs(1e3 * case["summary"]["median"] / row["median_ms"] - 1) < 1e-9 and len(case["samples"]["seconds"]) == 5
    differences = json.loads(run("compare", WORK / "one.json", WORK / "two.json", "--json"))["differences"]
    assert len([d for d in differences if d["metric"] == "seconds" and "ratio" in d]) == 4


def main():
    try:
        return cases.run(globals())
    finally:
        shutil.rmtree(WORK)


if __name__ == "__main__":
    sys.exit(main())
