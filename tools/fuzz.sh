#!/bin/sh
# Feeds parsers with random input under the sanitizers: tools/fuzz.sh TARGET|all SECONDS [RUNS]
#
# TARGET is the NAME of a tests/fuzz/fuzz_NAME.c; `all` takes one after the other and prints a table.
# With RUNS it is so many inputs a target, however long they take, else SECONDS. What is found first is
# in build-fuzz/corpus/NAME, what was printed in build-fuzz/log/NAME; an input that breaks the parser is
# left there as crash-* (timeout-*, oom-*, leak-*): copy it to tests/fuzz/corpus/NAME, so that it is
# replayed by `make test` from then on. The exit status is 1 then. FUZZ_BUILD names another build folder
# (a copy, say, that goes on while this one is built anew); it is taken as it is. FUZZ_TIMEOUT is the
# seconds by the clock that an input may take (60): more where other work may stop the process for a while.
set -eu
cd "$(dirname "$0")/.."
target=$1
seconds=$2
runs=${3:-}
build=${FUZZ_BUILD:-build-fuzz}
every=$(find tests/fuzz -name 'fuzz_*.c' | sed 's/.*fuzz_\(.*\)\.c$/\1/' | sort)

if [ "$target" = all ]; then
    targets=$every
elif [ -f "tests/fuzz/fuzz_$target.c" ]; then
    targets=$target
else
    echo "fuzz: TARGET is one of:" >&2
    for name in $every; do echo "  $name" >&2; done
    exit 2
fi
if [ -n "$runs" ]; then
    limit=-runs=$runs
else
    limit=-max_total_time=$seconds
fi

if [ -z "${FUZZ_BUILD:-}" ]; then
    CC=$(command -v clang-14 || command -v clang)
    export CC
    cmake --preset fuzz >/dev/null
    # shellcheck disable=SC2046 # a list of names
    cmake --build --preset fuzz -j "${JOBS:-2}" --target $(for name in $targets; do echo "fuzz_$name"; done) >"$build/build.log" 2>&1 ||
        { cat "$build/build.log"; exit 1; }
fi

# Recording where each of an input's thousand allocations was made takes a fifth of the time; what an
# error's report says of it is seen by replaying the input.
export ASAN_OPTIONS="malloc_context_size=2:quarantine_size_mb=32:${ASAN_OPTIONS:-}"

# fuzz TARGET: one target, to its end or its first finding. -reload=0: nobody else adds to the corpus, and to
# look at its thousands of files every second takes up to a quarter of the time.
fuzz() {
    corpus=$build/corpus/$1
    mkdir -p "$corpus"
    "$build/tests/fuzz_$1" "$limit" -max_len=4096 -timeout="${FUZZ_TIMEOUT:-60}" -rss_limit_mb=2048 \
        -reload=0 -print_final_stats=1 -artifact_prefix="$corpus/" "$corpus" "tests/fuzz/corpus/$1"
}

if [ "$target" != all ]; then
    fuzz "$target"
    exit
fi

findings=0
mkdir -p "$build/log"
printf '%-18s %12s %8s %10s  %s\n' target inputs seconds inputs/s findings
for name in $targets; do
    log=$build/log/$name
    start=$(date +%s)
    found=none
    if ! fuzz "$name" >"$log" 2>&1; then
        findings=1
        found=$(sed -n 's/.*Test unit written to //p' "$log" | tail -n 1)
        [ -n "$found" ] || found="see $log"
    fi
    took=$(($(date +%s) - start))
    inputs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    [ -n "$inputs" ] || inputs=0
    printf '%-18s %12d %8d %10d  %s\n' "$name" "$inputs" "$took" $((inputs / (took > 0 ? took : 1))) "$found"
done
exit "$findings"
