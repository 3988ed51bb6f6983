"""Ratios, whether they are reached, and where they are kept: bench/results/MACHINE.json, one object a row, so that a call
that measures some rows leaves the others as they are. A value that was not measured is absent, with the reason beside it."""
import datetime
import json
import os
import pathlib
import platform
import re
import subprocess

from .process import ROOT
from .rows import LESS, FASTER, goal_of

DIGITS = 4


def rounded(value):
    return float(f"{value:.{DIGITS}g}")


# --- the machine ---


def of_cpuinfo():
    """{"family": ..., "model": ...} where the system tells."""
    try:
        text = pathlib.Path("/proc/cpuinfo").read_text()
    except OSError:
        return {}
    found = {key: re.search(rf"^{name}\s*: (.+)$", text, re.M)
             for key, name in (("family", "cpu family"), ("model", "model"), ("stepping", "stepping"))}
    return {key: m[1].strip() for key, m in found.items() if m}


def machine_of(args):
    """What tells this machine from others, less its name in the network."""
    done = subprocess.run([args.tool, "info", "--json"], capture_output=True, text=True, check=True)
    info = json.loads(done.stdout)
    kept = ["cpu", "cores", "l1d_bytes", "l2_bytes", "l3_bytes", "memory_bytes", "features"]
    return {**{k: info[k] for k in kept}, **of_cpuinfo(), "isa": info["backend"].split()[1].strip(","), "threads": args.threads,
            "system": f"{platform.system()} {platform.machine()}"}


def slug_of(machine):
    """A processor that keeps its number for itself ("AMD EPYC") is told by its family and model."""
    name = machine["cpu"]
    if not re.search(r"\d", name) and "family" in machine:
        name += f" family {machine['family']} model {machine['model']}"
    name = re.sub(r"\((R|TM)\)|\bCPU\b|@.*|\bprocessor\b", " ", name, flags=re.I)
    return "-".join(re.findall(r"[a-z0-9.]+", f"{name} {machine['isa']} {machine['threads']}t".lower()))


# --- a row ---


def ratio_of(row, ours, theirs):
    return theirs / ours if row.sense == FASTER else ours / theirs


def is_reached(row, ratio, goal, undecided):
    """None where a peer that was not measured might still be the better one."""
    reached = ratio <= goal if row.sense == LESS else ratio >= goal
    return None if reached and undecided else reached


def figures_of(row, measured, columns):
    return {c: measured.columns[c][row.figure] for c in columns if row.figure in measured.columns.get(c, {})}


def judge(row, measured, isa, wanted):
    """What is known of the row after its job: values, ratios, whether they are reached."""
    ours, theirs = figures_of(row, measured, row.ours), figures_of(row, measured, row.peers)
    missing = {c: reason for c, reason in measured.missing.items() if c in (*row.ours, *row.peers)}
    missing.update({c: "not asked for" for c in row.peers if not wanted(c)})
    goal = goal_of(row, isa)
    result = {"unit": row.unit, "ours": {c: {"value": rounded(v)} for c, v in ours.items()},
              "peers": {c: rounded(v) for c, v in theirs.items()}, "to_reach": {"at_most" if row.sense == LESS else "at_least": goal},
              "ratio": "theirs / ours" if row.sense == FASTER else "ours / theirs"}
    if theirs:
        best = max(theirs, key=theirs.get) if row.sense not in (LESS, FASTER) else min(theirs, key=theirs.get)
        result["peer"] = best
        for column, value in ours.items():
            ratio = ratio_of(row, value, theirs[best])
            undecided = any(c in missing for c in row.peers)
            result["ours"][column].update(ratio=rounded(ratio), reached=is_reached(row, ratio, goal, undecided))
    return {**result, **({"missing": missing} if missing else {})}


def about(measured, command, extent, short):
    """What belongs to every row of a job."""
    compiling = measured.columns.get("peft-best", {}).get("compile_seconds")
    commit = subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty", "--exclude", "*"], capture_output=True, text=True)
    return {"date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d"), "command": command, "rounds": extent.rounds,
            **({"short": True} if short else {}), **({"commit": commit.stdout.strip()} if commit.returncode == 0 else {}),
            **({"compile_seconds_of_peft_best": rounded(compiling)} if compiling else {}), "with": measured.about}


# --- the file ---


def laid_over(old, new, levels):
    """`new` beside what `old` has under other names, in so many levels of objects."""
    return {**old, **({k: laid_over(old.get(k, {}), v, levels - 1) for k, v in new.items()} if levels > 1 else new)}


def merge(path, machine, key, new, levels=1):
    """Puts `new` into the file, which appears whole or not at all; returns all that is in it."""
    old = json.loads(path.read_text()) if path.exists() else {}
    everything = {"machine": machine, key: laid_over(old.get(key, {}), new, levels)}
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(everything, indent=1) + "\n")
    os.replace(part, path)
    return everything


# --- the table ---


def shown(value, unit):
    if unit == "bytes":
        return f"{value / 1e6:.0f} MB"
    return f"{value:.0f}" if value >= 1000 else f"{value:.3g}"


def line_of(name, r):
    """name, ours, the peer that counts, ratio, what is to be reached; a line for each of our columns."""
    (sign, goal), = r["to_reach"].items()
    peer = f"{shown(r['peers'][r['peer']], r['unit'])} {r['peer']}" if "peer" in r else "not measured"
    lines = []
    for column, of in r["ours"].items():
        mark = {True: "reached", False: "not reached", None: "open"}[of.get("reached")]
        ratio = f"{of['ratio']:.2f}" if "ratio" in of else "-"
        lines.append(f"  {name:<31}{shown(of['value'], r['unit']):>8} {column:<15}{peer:<22}{ratio:>7}  "
                     f"{'<=' if sign == 'at_most' else '>='} {goal:<5g}{mark}")
    return "\n".join(lines or [f"  {name:<31}not measured"])
