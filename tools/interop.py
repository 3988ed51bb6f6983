#!/usr/bin/env python3
"""Proofs by the other tools: they read our files, we read theirs, and both mean the same. `make interop`.

    tools/peers.sh tools/interop.py [--build build] [ROW ...]

A row of PROOFS is one proof: a name, what it needs (rows of NEEDS), and lines for sh that fail when it does not hold. They
run in the tree's root with
    $peer    an interpreter with the packages of tools/oracles/requirements.txt, its path set to import from there
    $tool    our command; $build the folder it was built in; $library the name of our library there, in lib/
    $model   the default model's file, $tiny a tiny random Llama as GGUF
    $rows    a folder with a few of the demo's rows as train.jsonl
    $llama   an interpreter with llama-cpp-python: that of the environment EFFICIENTAI_LLAMA_CPP names, else $peer if it has it
    $work    an empty folder of the proof
and print what they find. Their output is shown when one fails, and kept in BUILD/interop/ROW/log. A proof that lacks what
it needs is skipped, loudly. Exit status 1 when a proof fails. A new proof is a script in
tools/oracles/ and a row here.
"""
import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/projects"))
import tiny_model  # noqa: E402

N_ROWS = 16

# variable that is empty where it is missing: what is said then
NEEDS = {
    "model": "THE DEFAULT MODEL COULD NOT BE FETCHED",
    "llama": "LLAMA.CPP IS NOT BUILT HERE; docs/testing.md, \"Other tools\", SAYS HOW, EFFICIENTAI_LLAMA_CPP=DIR WHERE IT IS",
}

# an adapter of the default model, and the model with it worked in
MERGED = """
        "$tool" lora-finetuning-mlx:train --model "$model" --data "$rows" --output "$work/adapter" --steps 8 \
            --batch-size 1 --seq-len 64 --learning-rate 1e-3 --dtype f32 --quiet
        for format in safetensors gguf; do
            "$tool" lora-finetuning-mlx:merge --model "$model" --adapter "$work/adapter" --output "$work/merged" \
                --save-dtype f32 --format $format
        done
"""

# name, what it needs, lines for sh
PROOFS = [
    # adapters: PEFT finds every key of ours and gives our logits, we give the logits of PEFT's
    ("adapters-tiny", [], '"$peer" tools/oracles/peft_both_ways.py "$tiny" "$tool" --rows "$rows"'),
    ("adapters-smollm2", ["model"], '"$peer" tools/oracles/peft_both_ways.py "$model" "$tool" --rows "$rows"'),
    # ranks and alphas by pattern, layers left out, whole modules: what our test wrote, as PEFT reads it
    ("adapters-of-every-kind", [], """
        EFFICIENTAI_TEST_KEEP="$work/written" "$build/tests/test_lora_peft_files"
        "$peer" tools/oracles/peft_adapters.py --read "$work/written"
    """),
    # every family: transformers gives from folders that our test wrote the logits of its own model
    ("families", [], """
        EFFICIENTAI_TEST_KEEP="$work/written" "$build/tests/test_models_families"
        "$peer" tools/oracles/families.py --read "$work/written"
    """),
    # a merged folder: transformers loads it, tokenizer included, and gives our tokens and our text
    ("merged-folder", ["model"], MERGED + """
        "$peer" tools/oracles/merged_folder.py "$work/merged" "$model" "$work/adapter" "$tool"
        rm -r "$work/merged"
    """),
    # llama.cpp loads GGUF files of ours in every type, merged models among them: our logits, and our tokens
    ("llama-cpp", ["model", "llama"], MERGED + """
        "$llama" tools/oracles/llama_cpp_reads.py "$tool" "$model" "$work/adapter" "$work/merged" \
            --library "$build/lib/$library"
        rm -r "$work/merged"
    """),
    # a GGUF file with tensors of every type, as the gguf package reads it
    ("gguf-written", [], """
        EFFICIENTAI_TEST_GGUF_OUT="$work/all.gguf" "$build/tests/test_formats_gguf_write"
        "$peer" tools/oracles/gguf_written.py "$work/all.gguf"
    """),
    # tokenizer.json of every kind: the ids and the text of HF tokenizers on 10,000 lines
    ("tokenizers", [], """
        "$peer" tools/oracles/tokenizer_compare.py --library "$build/lib/$library" tests/data/tokenizers/[!h]*.json
    """),
    # what our tests compare with is still what the other tools say
    ("gguf-block-types", [], '"$peer" tools/oracles/quant_values.py | cmp - tests/data/quants.json'),
    ("gguf-rows", ["model"], '"$peer" tools/oracles/gguf_values.py "$model" | cmp - tests/data/gguf_values.json'),
    ("safetensors", [], """
        "$peer" tools/oracles/safetensors_file.py "$work/reference"
        cmp "$work/reference" tests/data/reference.safetensors
    """),
    ("chat-templates", ["model"], """
        "$peer" tools/oracles/chat_templates.py "$model" --output "$work/templates"
        cmp "$work/templates" tests/data/chat_templates.json
    """),
    ("tokenizer-lines", ["model"], """
        "$peer" tools/oracles/tokenizer_lines.py "$model" --output "$work/hashes"
        cmp "$work/hashes" tests/data/tokenizer_hashes.json
    """),
]


def find_llama(python):
    """An interpreter with llama-cpp-python, or nothing. An environment that is named has to have it."""
    named = os.environ.get("EFFICIENTAI_LLAMA_CPP")
    candidate = f"{named}/bin/python" if named else python
    done = subprocess.run(["sh", "-c", '"$0" -c "import llama_cpp"', candidate], capture_output=True, text=True)
    if done.returncode and named:
        sys.exit(f"interop: EFFICIENTAI_LLAMA_CPP: {candidate} cannot import llama_cpp:\n{done.stderr}")
    return "" if done.returncode else candidate


def surroundings(args, work):
    """The variables that the lines may use, for all proofs but $work."""
    rows = work / "rows"
    rows.mkdir(parents=True)
    with open(ROOT / "projects/lora-finetuning-mlx/data/train.jsonl", encoding="utf-8") as f:
        (rows / "train.jsonl").write_text("".join(f.readline() for _ in range(N_ROWS)), encoding="utf-8")
    tool = args.build / "bin/efficientai"
    found = subprocess.run([tool, "models", "get", "smollm2-135m-instruct"], capture_output=True, text=True)
    fetched = found.stdout.splitlines()[-1] if found.returncode == 0 else ""
    model = os.environ.get("EFFICIENTAI_TEST_MODEL") or fetched
    library = "libefficientai.dylib" if sys.platform == "darwin" else "libefficientai.so"
    return {"peer": args.python, "tool": tool, "build": args.build, "library": library, "model": model, "rows": rows,
            "llama": find_llama(args.python),
            "tiny": tiny_model.write(work / "tiny.gguf"), "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false",
            "TRANSFORMERS_VERBOSITY": "error", "HF_HUB_DISABLE_PROGRESS_BARS": "1", "PYTHONWARNINGS": "ignore"}


def print_versions(python):
    code = ("import importlib.metadata as m; print('interop: ' + ', '.join(f'{n} {m.version(n)}' for n in "
            "('torch', 'transformers', 'peft', 'tokenizers', 'sentencepiece', 'safetensors', 'gguf', 'jinja2')))")
    subprocess.run([python, "-c", code], check=True)


def prove(name, lines, variables, work):
    """Whether the proof holds."""
    work.mkdir()
    env = {**os.environ, **{k: str(v) for k, v in variables.items()}, "work": str(work)}
    start = time.monotonic()
    done = subprocess.run(["sh", "-euc", lines], cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace")
    (work / "log").write_text(done.stdout)
    print(f"  {'proved' if done.returncode == 0 else 'FAILED'}   {name} ({time.monotonic() - start:.0f} s)", flush=True)
    if done.returncode:
        print("    | " + "\n    | ".join(done.stdout.splitlines()[-30:]), flush=True)
    return done.returncode == 0


def parse():
    names = [name for name, _, _ in PROOFS]
    parser = argparse.ArgumentParser(description="Proofs by the other tools.")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build")
    parser.add_argument("--python", default=os.environ.get("EFFICIENTAI_PEERS_PYTHON"),
                        help="an interpreter with the other tools; tools/peers.sh makes and names one")
    parser.add_argument("proofs", nargs="*", metavar="ROW", help=", ".join(names))
    args = parser.parse_args()
    unknown = [p for p in args.proofs if p not in names]
    if unknown:
        parser.error(f"no proof '{unknown[0]}'; there are {', '.join(names)}")
    if not args.python:
        parser.error("no interpreter with the other tools: run this by tools/peers.sh, or name one with --python")
    args.build = args.build.resolve()
    return args


def main():
    args = parse()
    work = args.build / "interop"
    shutil.rmtree(work, ignore_errors=True)
    print_versions(args.python)
    variables = surroundings(args, work)
    counts = {"proved": 0, "failed": 0, "skipped": 0}
    for name, needs, lines in PROOFS:
        if args.proofs and name not in args.proofs:
            continue
        missing = [NEEDS[need] for need in needs if not variables[need]]
        if missing:
            print(f"  SKIPPED  {name}: {missing[0]}", flush=True)
            counts["skipped"] += 1
        else:
            counts["proved" if prove(name, lines, variables, work / name) else "failed"] += 1
    print("interop: " + ", ".join(f"{n} {what}" for what, n in counts.items()))
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
