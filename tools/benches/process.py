"""Starting the programs that are compared, and the options that all benches have."""
import ctypes.util
import json
import os
import pathlib
import re
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
ORACLES = ROOT / "tools/oracles"
LIBRARY = f"libefficientai.{'dylib' if sys.platform == 'darwin' else 'so'}"
# How a process is started, so that it looks for nothing in the network and takes no more threads than it is told.
QUIET = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error", "HF_HUB_DISABLE_PROGRESS_BARS": "1",
         "TOKENIZERS_PARALLELISM": "false"}


# Where our program is told to stay below what the processor has, torch is too: ATen's kernels, oneDNN's and MKL's.
LIMITS = {"avx2": ("avx2", "AVX2", "AVX2"), "avx512": ("avx512", "AVX512_CORE", "AVX512"), "avx512bf16": ("avx512", "AVX512_CORE_BF16", "AVX512")}


class Failed(Exception):
    """A run that gave no figures; the text says why."""


def limits(isa):
    names_of = ("ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA", "MKL_ENABLE_INSTRUCTIONS")
    return dict(zip(names_of, LIMITS[isa], strict=True)) if isa in LIMITS else {}


def environment(threads, more=None):
    isa = os.environ.get("EFFICIENTAI_CPU_ISA")
    return {**limits(isa), **os.environ, **QUIET, "OMP_NUM_THREADS": str(threads), **(more or {})}


def failure(argv, status, said):
    lines = [line for line in said.strip().splitlines() if line.strip()]
    return Failed("\n".join([*lines[-15:], f"exit status {status} of {' '.join(map(str, argv[:3]))}"]))


def run_json(argv, threads, more=None):
    """The JSON object on the last line that a process prints."""
    argv = [str(a) for a in argv]
    done = subprocess.run(argv, env=environment(threads, more), capture_output=True, text=True)
    if done.returncode:
        raise failure(argv, done.returncode, done.stderr)
    try:
        return json.loads(done.stdout.strip().splitlines()[-1])
    except (IndexError, ValueError) as e:
        raise Failed(f"no JSON from {' '.join(argv[:3])}") from e


def run_timed(argv, first_step, threads, more=None):
    """(seconds from the start to the line `first_step`, seconds to the end, peak RSS in bytes, all lines) of a process."""
    argv = [str(a) for a in argv]
    start, first, lines = time.monotonic(), None, []
    child = subprocess.Popen(argv, env=environment(threads, more), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                             encoding="utf-8", errors="replace")
    for line in child.stdout:
        if first is None and re.match(first_step, line):
            first = time.monotonic() - start
        lines.append(line.rstrip())
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.monotonic() - start
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode or first is None:
        raise failure(argv, child.returncode, "\n".join(lines))
    return first, seconds, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024), lines


def find_llama():
    """(an interpreter with llama-cpp-python, or None; why there is none)"""
    folder = os.environ.get("EFFICIENTAI_LLAMA_CPP")
    if not folder:
        return None, 'EFFICIENTAI_LLAMA_CPP names no environment (docs/testing.md, "Other tools")'
    return pathlib.Path(folder) / "bin/python", None


def find_tcmalloc():
    """What LD_PRELOAD takes to have tcmalloc, or None."""
    return ctypes.util.find_library("tcmalloc_minimal") if sys.platform.startswith("linux") else None


def add_options(parser, peers=True):
    """Those that all benches have, and those of the ones with peers."""
    parser.add_argument("--tool", type=pathlib.Path, default=ROOT / "build/bin/efficientai")
    if peers:
        parser.add_argument("--python", default=os.environ.get("EFFICIENTAI_PEERS_PYTHON"),
                            help="an interpreter with torch, transformers and PEFT; tools/peers.sh makes and names one")
        parser.add_argument("--model", default="smollm2-135m-instruct", help="a known model or a GGUF file")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count())


def library_of(args):
    """Our library: the one that is named, else the one that lies beside the command."""
    return getattr(args, "library", None) or args.tool.resolve().parents[1] / "lib" / LIBRARY


def numbers(text):
    return [int(n) for n in text.split(",")]


def names(text):
    return [name for name in text.split(",") if name]
