#!/bin/sh
# Makes a Python environment of other tools, then runs a command with its interpreter in EFFICIENTAI_PEERS_PYTHON:
# tools/peers.sh [--mlx] [COMMAND ...].
#
#   (no option)   torch, transformers, PEFT, gguf ...: for `make interop`, `make bench`, `make bench-lora` and
#                 `make bench-generate`. .venv-peers in the tree, as tools/oracles/requirements.txt says
#   --mlx         MLX and mlx-lm: for `make mlx` and `make test-mlx`. .venv-mlx, requirements-mlx.txt
#
#   EFFICIENTAI_PEERS=DIR         use this environment, which somebody else looks after
#   EFFICIENTAI_REQUIRE_PEERS=1   a network that fails is a failure, not a reason to skip
#
# An environment is used again as long as its versions stay the same. pip takes the user's settings (pip.conf,
# PIP_INDEX_URL, PIP_EXTRA_INDEX_URL ...). Exit status: the command's; 0, with a notice, where the network failed.
set -eu
cd "$(dirname "$0")/.."
name=peers
wanted=tools/oracles/requirements.txt
what='torch, transformers, PEFT and others: some 6 GB, many minutes'
if [ "${1:-}" = --mlx ]; then
    name=mlx
    wanted=tools/oracles/requirements-mlx.txt
    what='MLX and mlx-lm: some 400 MB'
    shift
fi
folder=${EFFICIENTAI_PEERS:-$PWD/.venv-$name}
python=$folder/bin/python
log=$folder/pip.log

say() {
    printf 'peers: %s\n' "$*" >&2
}

# What pip says of a network that fails. An index without any version of a package that is known to exist was not
# read, unless it has them for another Python. A wrong pin is a failure of another kind.
network_failed() {
    ! grep -q 'require a different python version' "$log" &&
        grep -qE 'connection broken|connection error|Could not fetch URL|Connection(Reset)?Error|timed out|from versions: none|HTTP error 5|IncompleteRead' "$log"
}

skip() {
    [ -z "${EFFICIENTAI_REQUIRE_PEERS:-}" ] || exit 1
    cat >&2 <<TEXT

****************************************************************************************
  The peers could not be installed: the network failed ($log).
  SKIPPED: ${*:-nothing was to be run}
  EFFICIENTAI_REQUIRE_PEERS=1 makes this a failure.
****************************************************************************************

TEXT
    exit 0
}

# pip repeats a request that fails by itself; the loop is for downloads that break off in the middle.
install() {
    for pause in 5 30 0; do
        "$python" -m pip install --disable-pip-version-check --progress-bar off -r "$wanted" >"$log" 2>&1 && return 0
        network_failed || return 1
        [ "$pause" -eq 0 ] || sleep "$pause"
    done
    return 1
}

if [ -n "${EFFICIENTAI_PEERS:-}" ]; then
    [ -x "$python" ] || { say "EFFICIENTAI_PEERS: there is no $python"; exit 1; }
elif ! cmp -s "$wanted" "$folder/installed.txt"; then
    sh tools/setup.sh peers
    started=$(date +%s)
    say "installing into $folder: $what"
    "$python" -m pip --version >/dev/null 2>&1 || { rm -rf "$folder" && python3 -m venv "$folder"; }
    if ! install; then
        tail -n 5 "$log" >&2
        ! network_failed || skip "$@"
        say "pip failed; all it said is in $log"
        exit 1
    fi
    cp "$wanted" "$folder/installed.txt"
    say "installed in $(($(date +%s) - started)) s"
fi
EFFICIENTAI_PEERS_PYTHON=$python
export EFFICIENTAI_PEERS_PYTHON
[ $# -eq 0 ] || exec "$@"
