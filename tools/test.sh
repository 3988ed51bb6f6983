#!/bin/sh
# Runs the tests of one build folder: tools/test.sh BUILD [JOBS] [ctest's words ...]
#
# First it sees to the default model, which some tests need. Without a network those tests are skipped,
# and this says so. The last lines printed are ctest's.
set -eu
cd "$(dirname "$0")/.."
build=$1
jobs=${2:-2}
shift
[ $# -eq 0 ] || shift

efficientai=$build/bin/efficientai
if [ -z "${EFFICIENTAI_TEST_MODEL:-}" ] && ! "$efficientai" models get; then
    cat >&2 <<'TEXT'

****************************************************************************************
  The default model could not be fetched (the line above says why).
  THE TESTS THAT NEED THE REAL MODEL ARE SKIPPED. All others run.
****************************************************************************************

TEXT
fi

# Reports name functions, and a leak or a race is a failure. Apple's sanitizer ends every program that
# asks it to look for leaks.
leaks=1
[ "$(uname -s)" != Darwin ] || leaks=0
export ASAN_OPTIONS="${ASAN_OPTIONS:-detect_leaks=$leaks:abort_on_error=0}"
export LSAN_OPTIONS="${LSAN_OPTIONS:-suppressions=$PWD/tools/lsan.supp print_suppressions=0}"
export UBSAN_OPTIONS="${UBSAN_OPTIONS:-print_stacktrace=1}"
export TSAN_OPTIONS="${TSAN_OPTIONS:-halt_on_error=1 second_deadlock_stack=1}"
cd "$build"
exec ctest --output-on-failure -j "$jobs" "$@"
