#!/usr/bin/env python3
"""Counts the instructions of fixed work and fails when it has become more: `make instructions`, test perf.instructions.

    tools/count_instructions.py [--build build] [--accept] [NAME ...]

Each workload of tests/perf/workloads.c runs once under valgrind's callgrind, which counts the instructions inside one
function. Nothing is timed, so a busy machine changes nothing, and one run is enough. The counts are compared with those
of the same machine, compiler and libc in tests/perf/instructions.json: a growth of more than 5 % is a failure, a fall of
as much is told. --accept writes what was counted there instead. With NAMEs, only these.

What each count is made of stays in BUILD/perf: callgrind_annotate BUILD/perf/NAME.out. Exit status: 0, or 1 when a
workload has grown, has no figure or fails, or 77 with a line that says why where there is nothing to compare with.
"""
import argparse
import concurrent.futures
import errno
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
FIGURES = ROOT / "tests/perf/instructions.json"
ACCEPT = "make instructions ARGS=--accept"
MOST = 0.05
AT_ONCE = 2  # processes; each takes a core
# Whatever else the user's environment holds is not seen: it lies on the stack, and settings of libraries are in it.
# Calls into libraries are bound at the start, or the first of each would be searched for while counting.
ENVIRONMENT = {"LC_ALL": "C", "LD_BIND_NOW": "1"}
KEPT = ("PATH", "VALGRIND_LIB", "LD_LIBRARY_PATH")


class Skip(Exception):
    """Why there is nothing to compare."""


def ask(program, *words):
    return subprocess.run([program, *words], check=True, stdout=subprocess.PIPE, text=True).stdout


def find_machine(program):
    """"x86_64 gcc 12 glibc 2.36": what the counts depend on."""
    try:
        machine, build = ask(program, "--build").strip().split(": ", 1)
    except OSError as error:
        if error.errno != errno.ENOEXEC:
            raise RuntimeError(f"{program}: {error.strerror}") from error
        machine, build = "another machine", "Release"
    if not machine.startswith("x86_64 "):
        raise Skip("the figures are of x86-64 with AVX2, and this is another machine or build")
    if build != "Release":
        raise Skip(f"this is a build of another kind ({build}): only a plain release build has figures")
    if not shutil.which("valgrind"):
        raise Skip("valgrind is not there; on Debian and Ubuntu `make instructions` installs it")
    return machine


def count(program, name, folder):
    """The instructions of one workload."""
    out = folder / f"{name}.out"
    out.unlink(missing_ok=True)
    env = {**{k: os.environ[k] for k in KEPT if k in os.environ}, **ENVIRONMENT}
    run = subprocess.run(["valgrind", "--tool=callgrind", "--toggle-collect=measured", f"--callgrind-out-file={out}",
                          str(program), name], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                         errors="replace")
    if run.returncode != 0:
        raise RuntimeError(f"{name}: exit status {run.returncode}\n{run.stdout}")
    total = re.search(r"^summary: (\d+)$", out.read_text(encoding="utf-8", errors="replace"), re.M)
    if not total or int(total[1]) == 0:
        raise RuntimeError(f"{name}: nothing was counted; {out}")
    return int(total[1])


def count_all(program, names, folder):
    """{name: instructions}, in the order of names."""
    folder.mkdir(exist_ok=True)
    with concurrent.futures.ThreadPoolExecutor(min(AT_ONCE, os.cpu_count() or 1)) as pool:
        return dict(zip(names, pool.map(lambda name: count(program, name, folder), names)))


def print_table(counts, recorded):
    print(f"{'workload':<16}{'recorded':>14}{'now':>14}{'change':>10}")
    for name, now in counts.items():
        was = recorded.get(name)
        change = f"{100 * (now / was - 1):+9.2f}%" if was else "new"
        print(f"{name:<16}{was or '-':>14}{now:>14}{change:>10}")


def compare(counts, recorded, folder):
    """The number of failures, each told in a line."""
    failures = 0
    for name, now in counts.items():
        was = recorded.get(name)
        if not was:
            print(f"FAILED: {name} has no recorded figure; to accept {now}: {ACCEPT}")
        elif now > was * (1 + MOST):
            print(f"FAILED: {name} takes {now} instructions, recorded are {was}: {100 * (now / was - 1):.1f} % more "
                  f"(allowed are {100 * MOST:.0f} %). What takes them: callgrind_annotate {folder / name}.out. "
                  f"To accept the new figure: {ACCEPT}")
        elif now < was * (1 - MOST):
            print(f"{name} has become better by {100 * (1 - now / was):.1f} %; to hold it to that: {ACCEPT}")
        failures += not was or now > was * (1 + MOST)
    return failures


def accept(figures, machine, counts, names):
    """Writes the counts; figures of workloads that are no longer in the list `names` go."""
    figures[machine] = {n: v for n, v in {**figures.get(machine, {}), **counts}.items() if n in names}
    FIGURES.write_text(json.dumps(figures, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    print(f"accepted: {FIGURES.relative_to(ROOT)}, '{machine}'")


def main():
    parser = argparse.ArgumentParser(description="counts the instructions of fixed work")
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--build", default="build", type=pathlib.Path)
    parser.add_argument("--accept", action="store_true", help="record the figures instead of comparing")
    args = parser.parse_args()
    program = args.build.resolve() / "tests/workloads"
    machine = find_machine(program)
    names = ask(program, "--list").split()
    figures = json.loads(FIGURES.read_text(encoding="utf-8"))
    recorded = figures.get(machine, {})
    if not recorded and not args.accept:
        raise Skip(f"there are figures of {', '.join(figures)}, none of {machine}: `{ACCEPT}` records them")
    for name in set(args.names) - set(names):
        parser.error(f"no workload '{name}': {', '.join(names)}")
    folder = args.build / "perf"
    counts = count_all(program, args.names or names, folder.resolve())
    print_table(counts, recorded)
    if args.accept:
        accept(figures, machine, counts, names)
        return 0
    return 1 if compare(counts, recorded, folder) else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Skip as reason:
        print(f"SKIPPED: {reason}")
        sys.exit(77)
    except RuntimeError as failure:
        sys.exit(f"FAILED: {failure}")
