#!/usr/bin/env python3
"""Golden tests of the command line: what a command prints, where, and its exit status.

    tests/cli/run.py --bin build/bin [--update] [CASE ...]

A case is a folder tests/cli/CASE with
    cmd        lines for sh, run in an empty scratch folder with the programs of --bin first on PATH
    stdout     what it must print; absent: nothing
    stderr     the same for standard error
    exit       its exit status; absent: 0
    requires   optional: "model" (skip where the default model is absent), names of programs in --bin, or
               "path:zsh" for programs on PATH

In stdout and stderr, `*` stands for any text within a line, and a line `...` for any number of lines.
--update writes what the commands print now; look at the difference before you commit it, and put the
`*` back where numbers change. Exit status: 0 all passed, 1 some failed, 77 all were skipped.
"""
import argparse
import difflib
import os
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
MODEL = "models/smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf"


def read(case, name, default=""):
    path = os.path.join(HERE, case, name)
    if not os.path.exists(path):
        return default
    with open(path, encoding="utf-8") as f:
        return f.read()


def write(case, name, text, default=""):
    """Writes an expectation; one that says the default needs no file."""
    path = os.path.join(HERE, case, name)
    if text == default:
        if os.path.exists(path):
            os.remove(path)
        return
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)


def line_matches(pattern, line):
    return re.fullmatch(".*".join(re.escape(part) for part in pattern.split("*")), line) is not None


def matches(patterns, lines):
    """True when the lines are what the patterns allow; `...` takes as few lines as it can."""
    if not patterns:
        return not lines
    if patterns[0] == "...":
        return any(matches(patterns[1:], lines[i:]) for i in range(len(lines) + 1))
    return bool(lines) and line_matches(patterns[0], lines[0]) and matches(patterns[1:], lines[1:])


def environment(args, scratch):
    """A small, fixed environment: what a user has set must not change the outcome. Sanitizers' and
    coverage's settings pass."""
    keep = ("ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS", "LSAN_OPTIONS", "LD_LIBRARY_PATH",
            "DYLD_LIBRARY_PATH", "EFFICIENTAI_TEST_MODEL", "EFFICIENTAI_CPU_ISA", "PYENV_ROOT",
            "PYENV_VERSION")
    env = {k: os.environ[k] for k in keep if k in os.environ}
    env.update(PATH=os.path.abspath(args.bin) + os.pathsep + os.environ["PATH"], HOME=scratch,
               EFFICIENTAI_CACHE=os.path.join(scratch, "cache"), COLUMNS="80", LC_ALL="C", CI="1",
               BIN=os.path.abspath(args.bin), SOURCE=os.path.dirname(os.path.dirname(HERE)))
    return env


def missing_requirement(args, case):
    """Why the case cannot run here, or None."""
    for need in read(case, "requires").split():
        if need == "model":
            if not os.access(os.environ.get("EFFICIENTAI_TEST_MODEL", ""), os.R_OK):
                return "EFFICIENTAI_TEST_MODEL does not name the default model's file"
        elif need.startswith("path:"):
            if not shutil.which(need.removeprefix("path:")):
                return f"{need.removeprefix('path:')} is not installed"
        elif not os.path.exists(os.path.join(args.bin, need)):
            return f"{need} was not built"
    return None


def find_model():
    """Sets EFFICIENTAI_TEST_MODEL to the file in the user's cache, where there is one."""
    if os.environ.get("EFFICIENTAI_TEST_MODEL"):
        return
    home = os.path.expanduser("~")
    caches = [os.environ.get("EFFICIENTAI_CACHE", ""),
              os.path.join(os.environ.get("XDG_CACHE_HOME", os.path.join(home, ".cache")), "efficientai"),
              os.path.join(home, "Library/Caches/efficientai")]
    for cache in caches:
        path = os.path.join(cache, MODEL)
        if cache and os.path.exists(path):
            os.environ["EFFICIENTAI_TEST_MODEL"] = path
            return


def run_case(args, case):
    """Runs one case; returns the list of differences."""
    with tempfile.TemporaryDirectory(prefix="eai-cli-") as scratch:
        scratch = os.path.realpath(scratch)  # as programs see it; macOS has a link on the way
        done = subprocess.run(["sh", "-c", read(case, "cmd")], cwd=scratch, env=environment(args, scratch),
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=300, check=False)
        seen = {"exit": f"{done.returncode}\n"}
        for name, text in (("stdout", done.stdout), ("stderr", done.stderr)):
            text = text.decode(errors="replace").replace(scratch, "SCRATCH")
            seen[name] = text.replace(os.path.abspath(args.bin), "BIN")
    if args.update:
        for name, text in seen.items():
            write(case, name, text, "0\n" if name == "exit" else "")
        return []
    differences = []
    for name, text in seen.items():
        expected = read(case, name, "0\n" if name == "exit" else "")
        if not matches(expected.splitlines(), text.splitlines()):
            differences += difflib.unified_diff(expected.splitlines(), text.splitlines(),
                                                f"{case}/{name} expected", f"{case}/{name} printed", lineterm="")
    return differences


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--bin", required=True, help="folder of the programs, build/bin")
    parser.add_argument("--update", action="store_true", help="accept what is printed now")
    parser.add_argument("cases", nargs="*")
    args = parser.parse_args()
    find_model()
    cases = args.cases or sorted(c for c in os.listdir(HERE) if os.path.exists(os.path.join(HERE, c, "cmd")))
    failed = skipped = 0
    for case in cases:
        reason = missing_requirement(args, case)
        differences = [] if reason else run_case(args, case)
        print(f"{'SKIPPED' if reason else 'FAILED' if differences else 'ok'}: {case}{f' ({reason})' if reason else ''}")
        print("\n".join(differences), end="\n" if differences else "")
        failed += bool(differences)
        skipped += bool(reason)
    return 1 if failed else 77 if skipped == len(cases) else 0


if __name__ == "__main__":
    sys.exit(main())
