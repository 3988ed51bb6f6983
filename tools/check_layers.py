#!/usr/bin/env python3
"""Guards the structure of the source tree: `tools/check_layers.py`, also run by `make test`.

1. An include may only point down. The order of the layers stands in LAYERS, as in ARCHITECTURE.md.
   A public header <efficientai/x.h> belongs to the lowest layer with a source file that includes it
   first (its own header comes first in every .c file), or else to the highest layer that it includes.
2. Every public header compiles alone, as C11 with -pedantic -Werror and as C++17.
3. A header has a guard named after it; no source file has more than 1,200 lines.

Exit status 0 when all holds, 1 with one line a finding. Start reading at main().
"""
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
MAX_LINES = 1200

# Bottom-up; folders in one row may include each other.
LAYERS = [
    ["src/base"],
    ["src/files"],
    ["src/config", "src/stats", "src/machine"],
    ["src/plot"],
    ["src/graph", "src/cli"],
    ["src/formats", "src/engine"],
    ["src/models", "src/lora", "src/train"],
    ["src/generate", "src/evaluate", "src/bench", "src/compress", "src/diffusion", "src/vision", "src/meta",
     "src/federated", "src/evolve", "src/dspy", "src/knowledge", "src/mlops"],
    ["src/serve"],
    ["projects"],
    ["apps"],
]
SOURCE = (".c", ".h", ".def", ".cpp", ".hpp")
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^">]+)[">]', re.MULTILINE)


def tree():
    """The files of the project: git's list, or all but build folders in an unpacked archive."""
    git = subprocess.run(["git", "-C", ROOT, "ls-files", "-co", "--exclude-standard", "-z"],
                         capture_output=True, check=False)
    if git.returncode == 0:
        names = [n for n in git.stdout.decode().split("\0") if n]
    else:
        names = []
        for folder, folders, files in os.walk(ROOT):
            folders[:] = [f for f in folders if not f.startswith((".", "build"))]
            names += [os.path.relpath(os.path.join(folder, f), ROOT) for f in files]
    return sorted(n for n in names if os.path.isfile(os.path.join(ROOT, n)))


def read(name):
    with open(os.path.join(ROOT, name), encoding="utf-8", errors="replace") as f:
        return f.read()


def layer_of_path(name):
    """The layer's number of a file under src/, projects/ or apps/; None for any other file."""
    for number, folders in enumerate(LAYERS):
        if any(name.startswith(folder + "/") for folder in folders):
            return number
    return None


def layer_name(number):
    return "/".join(folder.removeprefix("src/") for folder in LAYERS[number][:2])


def public_header_layers(includes):
    """Maps "efficientai/x.h" to its layer's number; `includes` maps a file to what it includes."""
    owner = {}
    for name, included in includes.items():
        layer = layer_of_path(name)
        if layer is not None and name.endswith(".c") and included:
            first = included[0]
            if first.startswith("efficientai/"):
                owner[first] = min(layer, owner.get(first, layer))
    headers = {n.removeprefix("include/"): i for n, i in includes.items() if n.startswith("include/")}

    def resolve(header, seen):
        if header in owner or header not in headers or header in seen:
            return owner.get(header, 0)
        return max([resolve(i, seen | {header}) for i in headers[header]], default=0)

    return {header: resolve(header, frozenset()) for header in headers}


def target_layer(name, included, public, files):
    """The layer that an include of the file `name` points to; None when it is not ours."""
    if included in public:
        return public[included]
    for candidate in ("src/" + included, os.path.normpath(os.path.join(os.path.dirname(name), included))):
        if candidate in files:
            return layer_of_path(candidate)
    return None


def check_includes(files):
    """Findings about includes that point up, or to public headers that do not exist."""
    sources = [n for n in files if n.endswith(SOURCE) and n.startswith(("src/", "projects/", "apps/", "include/"))]
    includes = {n: [m.group(2) for m in INCLUDE.finditer(read(n))] for n in sources}
    public = public_header_layers(includes)
    known = set(files)
    findings = []
    for name, included in includes.items():
        own = public.get(name.removeprefix("include/")) if name.startswith("include/") else layer_of_path(name)
        if own is None and name.startswith("src/"):
            findings.append(f"{name}: its folder is in no layer; add it to LAYERS in tools/check_layers.py")
        for header in included:
            if header.startswith("efficientai/") and header not in public:
                findings.append(f"{name}: includes <{header}>, which does not exist")
                continue
            other = target_layer(name, header, public, known)
            if own is not None and other is not None and other > own:
                findings.append(f"{name} ({layer_name(own)}): includes {header} of the higher layer "
                                f"{layer_name(other)}")
    return findings


def check_shape(files):
    """Findings about length and header guards."""
    findings = []
    for name in files:
        if name.endswith(SOURCE + (".py", ".sh")):
            lines = read(name).count("\n")
            if lines > MAX_LINES:
                findings.append(f"{name}: {lines} lines; at most {MAX_LINES}: which rooms are in it?")
        if name.endswith(".h") and not re.search(r"^#ifndef [A-Z]\w+_H\n#define [A-Z]\w+_H$", read(name), re.MULTILINE):
            findings.append(f"{name}: no include guard named ..._H")
    return findings


def compile_alone(job):
    """Compiles one public header by itself; returns a finding or None."""
    name, language, command = job
    text = f'#include <{name.removeprefix("include/")}>\n'
    run = subprocess.run(command, input=text.encode(), capture_output=True, check=False)
    if run.returncode == 0:
        return None
    first = next((line for line in run.stderr.decode().splitlines() if "error" in line), "?")
    return f"{name}: does not compile alone as {language}: {first.replace(ROOT + '/', '')}"


def check_headers(files):
    """Findings about public headers that need something else to compile."""
    headers = [n for n in files if n.startswith("include/") and n.endswith(".h")]
    common = ["-I" + os.path.join(ROOT, "include"), "-Wall", "-Wextra", "-pedantic", "-Werror",
              "-D_POSIX_C_SOURCE=200809L", "-fsyntax-only"]
    cc = os.environ.get("CC") or shutil.which("cc") or "gcc"
    cxx = os.environ.get("CXX") or shutil.which("c++") or shutil.which("g++")
    jobs = [(h, "C11", [cc, "-std=c11", *common, "-x", "c", "-"]) for h in headers]
    if cxx:
        jobs += [(h, "C++17", [cxx, "-std=c++17", *common, "-x", "c++", "-"]) for h in headers]
    else:
        print("check_layers: no C++ compiler here, the headers are not tried as C++17")
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        return [finding for finding in pool.map(compile_alone, jobs) if finding]


def main():
    files = tree()
    findings = check_includes(files) + check_shape(files) + check_headers(files)
    for finding in findings:
        print(finding)
    print(f"check_layers: {len(files)} files, {len(findings)} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
