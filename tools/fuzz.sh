#!/bin/sh
# Feeds one parser with random input under the sanitizers: tools/fuzz.sh TARGET SECONDS
#
# TARGET is the NAME of a tests/fuzz/fuzz_NAME.c. What is found first is in build-fuzz/corpus/NAME; an
# input that breaks the parser is left as crash-* there: copy it to tests/fuzz/corpus/NAME, so that it
# is replayed by `make test` from then on.
set -eu
cd "$(dirname "$0")/.."
target=$1
seconds=$2
if [ ! -f "tests/fuzz/fuzz_$target.c" ]; then
    echo "fuzz: TARGET is one of:" >&2
    find tests/fuzz -name 'fuzz_*.c' | sed 's/.*fuzz_\(.*\)\.c$/  \1/' | sort >&2
    exit 2
fi
CC=$(command -v clang-14 || command -v clang)
export CC
cmake --preset fuzz >/dev/null
cmake --build --preset fuzz -j "${JOBS:-2}" --target "fuzz_$target"
corpus=build-fuzz/corpus/$target
mkdir -p "$corpus"
"build-fuzz/tests/fuzz_$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 \
    -artifact_prefix="$corpus/" -print_final_stats=1 "$corpus" "tests/fuzz/corpus/$target"
