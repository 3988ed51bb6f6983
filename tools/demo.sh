#!/bin/sh
# The whole of the toolkit's main job in one go: judge the default model on held-out rows, tune it on
# real examples, judge it again: tools/demo.sh, after `make build`.
#
#   SHORT=1         a few steps and a few answers, to see that all parts work together
#   OUTPUT=DIR      where the results go (demo-output; what an earlier demo left there is replaced)
#   MODEL=NAME|FILE another model; DATA=DIR other rows
set -eu
cd "$(dirname "$0")/.."
efficientai=${EFFICIENTAI:-build/bin/efficientai}
model=${MODEL:-smollm2-135m-instruct}
data=${DATA:-projects/lora-finetuning-mlx/data}
output=${OUTPUT:-demo-output}
project=lora-finetuning-mlx

# In its short form the demo shows that every part works, not that the model learns.
# One pass over 860 short rows is enough for this task; small batches give more updates.
train_options="--epochs 1 --learning-rate 1e-3 --warmup 5 --batch-size 2 --seq-len 192 --eval-every 25"
evaluate_options=
if [ -n "${SHORT:-}" ]; then
    train_options="$train_options --steps 8"
    evaluate_options="--limit 10"
fi

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
    bold=$(printf '\033[1m')
    plain=$(printf '\033[0m')
else
    bold=
    plain=
fi

step() {
    printf '\n%s%s%s\n' "$bold" "$*" "$plain"
}

# Judges the model on the held-out rows; the result, one JSON object, goes to the file $1.
evaluate() {
    result=$1
    shift
    # The options are words on purpose.
    # shellcheck disable=SC2086
    "$efficientai" "$project:evaluate" --model "$model" --data "$data/test.jsonl" $evaluate_options --json "$@" |
        tail -n 1 >"$result.new"
    # A pipe hides the first program's status: an empty result is its failure.
    [ -s "$result.new" ] || exit 1
    mv "$result.new" "$result"
}

step "1/4  The model"
if [ ! -e "$model" ]; then
    "$efficientai" models get "$model"
fi

if [ -e "$output/demo.json" ] || [ -e "$output/before.json" ]; then
    rm -rf "$output"
fi
mkdir -p "$output"

step "2/4  Before: the model as it is, on rows that training will not see"
evaluate "$output/before.json"

step "3/4  Training on $data/train.jsonl"
started=$(date +%s)
# shellcheck disable=SC2086
"$efficientai" "$project:train" --model "$model" --data "$data" --output "$output/adapter" $train_options
seconds=$(($(date +%s) - started))

step "4/4  After: the same rows, with the adapter"
evaluate "$output/after.json" --adapter "$output/adapter"

step "Result"
python3 - "$output" "$seconds" <<'PYTHON'
import json
import os
import sys

output, seconds = sys.argv[1], int(sys.argv[2])


def load(name):
    with open(os.path.join(output, name), encoding="utf-8") as f:
        return json.load(f)


before, after, report = load("before.json"), load("after.json"), load("adapter/report.json")
rows = [("", "before", "after"),
        ("held-out loss", f"{before['loss']:.3f}", f"{after['loss']:.3f}"),
        ("perplexity", f"{before['perplexity']:.2f}", f"{after['perplexity']:.2f}"),
        ("exact match", f"{100 * before['exact_match']:.0f} %", f"{100 * after['exact_match']:.0f} %"),
        ("", f"{before['matched']} of {before['rows']}", f"{after['matched']} of {after['rows']}")]
for name, a, b in rows:
    print(f"  {name:<15}{a:>12}{b:>12}".rstrip())
print(f"\n  {report['steps']} steps in {seconds // 60} min {seconds % 60:02} s, {report['tokens_per_s']:.0f} tokens/s, "
      f"peak memory {report['peak_rss_bytes'] / 1e9:.2f} GB")
with open(os.path.join(output, "demo.json"), "w", encoding="utf-8") as f:
    json.dump({"before": before, "after": after, "train_seconds": seconds}, f)
    f.write("\n")
PYTHON

cat <<TEXT

  adapter   $output/adapter/adapter_model.safetensors (PEFT layout)
  report    $output/adapter/report.json
  plot      $output/adapter/loss.png

Try it:
  $efficientai $project:generate --model $model --adapter $output/adapter \\
      --system "Reply with JSON." --prompt "remind me at 7:15 to water the plants"
TEXT
