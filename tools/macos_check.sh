#!/bin/sh
# One report of the MLX backend on this Mac, for `make macos-report`: the tests, the speed beside mlx-lm, memory.
# tools/macos_check.sh [--short] [FILE]
#
# A claim about Apple hardware is only ever made from such a report. It goes to FILE (macos-report.md) and to the screen,
# and holds no names: the machine's model, its system, the versions, and what was measured. --short measures little, to
# see that it works; elsewhere than on Apple Silicon that is all it is good for, and the report says so.
set -eu
cd "$(dirname "$0")/.."
short=
[ "${1:-}" != --short ] || { short=1 && shift; }
report=${1:-macos-report.md}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tool=build/bin/efficientai
model=smollm2-135m-instruct

say() {
    printf '%s\n' "$*" | tee -a "$work/report"
}

# What a command prints, or that it failed.
show() {
    if "$@" >"$work/out" 2>&1; then
        sed "s|$work/||g; s/^/    /" "$work/out" | tee -a "$work/report"
    else
        tail -n 20 "$work/out" | sed 's/^/    /' | tee -a "$work/report"
        say "    FAILED: $*"
    fi
}

is_apple() {
    [ "$(uname -s)" = Darwin ] && [ "$(uname -m)" = arm64 ]
}

say "# The MLX backend, $(date -u +%Y-%m-%d), commit $(git rev-parse --short HEAD 2>/dev/null || echo unknown)"
is_apple || say "
**Not on Apple Silicon ($(uname -sm)): no statement about Metal follows from this.**"
say "
## Machine"
if is_apple; then
    show sysctl -n machdep.cpu.brand_string hw.memsize hw.perflevel0.physicalcpu hw.perflevel1.physicalcpu
    show sw_vers
    show pmset -g batt
    show pmset -g therm
else
    show uname -srm
fi

say "
## Build and tests"
show make build
show make mlx
if [ -n "$short" ]; then
    show make test-mlx ARGS='-R ops.check'
else
    show make test-mlx
    show make test
fi

say "
## Speed beside mlx-lm
LoRA of rank 8 on all layers, random tokens; prompts and single tokens after them. Tokens a second, both sides in this call."
"$tool" models get "$model" >/dev/null
folder=$work/model
# mlx-lm reads a folder: the model with an adapter that changes nothing much worked in
rows=$work/rows
mkdir -p "$rows"
head -n 8 projects/lora-finetuning-mlx/data/train.jsonl >"$rows/train.jsonl"
"$tool" lora-finetuning-mlx:train --model "$model" --data "$rows" --output "$work/adapter" --steps 1 --batch-size 1 --seq-len 64 --quiet
"$tool" lora-finetuning-mlx:merge --model "$model" --adapter "$work/adapter" --output "$folder" >/dev/null
size=
[ -z "$short" ] || size='--batch-size 1 --seq-len 64 --steps 1 --prompt 32 --tokens 8'
type=bfloat16
is_apple || type=float32
# shellcheck disable=SC2016,SC2086 # the variable is set by peers.sh; several words
show sh tools/peers.sh --mlx sh -c '"$EFFICIENTAI_PEERS_PYTHON" tools/oracles/mlx_lm_speed.py "$@"' sh "$folder" --dtype $type $size
if [ -n "$short" ]; then
    show "$tool" bench train "$folder" --backend mlx --dtype auto --batch-size 1 --seq-len 64 --repeat 1
    show "$tool" bench generate "$folder" --backend mlx --dtype auto --prompts 32 --tokens 8 --repeat 1
else
    show "$tool" bench train "$folder" --backend mlx
    show "$tool" bench generate "$folder" --backend mlx
    show "$tool" bench train "$folder" --backend cpu
    show "$tool" bench generate "$folder" --backend cpu
fi

say "
## Memory
Peak of a training process, 4 x 256 tokens, as the system counts it."
usage=-l
[ "$(uname -s)" = Darwin ] || usage=-v
if [ -x /usr/bin/time ]; then
    for backend in mlx cpu; do
        /usr/bin/time $usage "$tool" bench train "$folder" --backend $backend --repeat 1 ${short:+--batch-size 1 --seq-len 64} \
            >/dev/null 2>"$work/time" || true
        say "    $backend: $(grep -i 'maximum resident' "$work/time" || echo 'not measured')"
    done
fi
cp "$work/report" "$report"
printf '\nreport in %s\n' "$report"
