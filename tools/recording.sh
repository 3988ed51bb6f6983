#!/bin/sh
# Makes docs/recording.svg, the terminal recording that README.md shows: tools/recording.sh, after `make build`.
#
# Needs a terminal and termtosvg (`pip install termtosvg setuptools`), which draws what a terminal of 112 columns shows while this same script,
# called with --play, types commands. Look at the picture before you commit it.
set -eu
cd "$(dirname "$0")/.."

if [ "${1:-}" != --play ]; then
    [ -t 0 ] || { echo "recording: no terminal here" >&2; exit 1; }
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
    termtosvg "$scratch/recording.svg" -g 112x28 -t window_frame -M 2500 -c "sh tools/recording.sh --play"
    mv "$scratch/recording.svg" docs/recording.svg
    exit
fi

unset CI NO_COLOR
PATH=$PWD/build/bin:$PATH
export PATH
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cp projects/lora-finetuning-mlx/data/*.jsonl "$folder"
cd "$folder"

# Prints the words as somebody types them, then runs them.
type_and_run() {
    printf '$ '
    printf '%s\n' "$1" | fold -w 3 | while IFS= read -r part; do
        printf '%s' "$part"
        sleep 0.05
    done
    printf '\n'
    sh -c "$1" || true
    sleep "${2:-1.5}"
}

cat >tune.yaml <<'YAML'
adapter: {rank: 16}
training: {epochs: 1, learning-rate: 1e-3, batch-size: 2, seq-len: 192}
profiles:
  quick: {steps: 12}
YAML
type_and_run 'efficientai info | head -9' 2
type_and_run 'cat tune.yaml'
type_and_run 'efficientai config check tune.yaml'
type_and_run 'efficientai lora-finetuning-mlx:train --data . --config tune.yaml --config-profile quick' 2
type_and_run 'efficientai lora-finetuning-mlx:generate --adapter adapter --system "Reply with JSON." --prompt "remind me at 7:15 to water the plants"' 2
type_and_run 'efficientai lora-finetuning-mlx:train --data . --set adapter.rnk=8' 3
