#!/bin/sh
# Line coverage: builds with the `coverage` preset, runs the tests, writes a page to
# build-coverage/report and prints the totals: tools/coverage.sh [ctest's words ...]
#
# gcovr comes from the Python package index into a private environment: Debian 12's gcovr 5.2 stops
# with an assertion when a header is compiled once per instruction set.
set -eu
cd "$(dirname "$0")/.."
build="build-coverage"
venv=$build/python
cmake --preset coverage >/dev/null
cmake --build --preset coverage -j "${JOBS:-2}"
if [ ! -x "$venv/bin/gcovr" ]; then
    python3 -m venv "$venv" || { echo "coverage: python3 -m venv fails; on Debian: apt-get install python3-venv" >&2; exit 1; }
    "$venv/bin/python" -m pip install --quiet 'gcovr==8.3'
fi
find "$build" -name '*.gcda' -delete
sh tools/test.sh "$build" "${JOBS:-2}" -LE check "$@"
mkdir -p "$build/report"
"$venv/bin/gcovr" --root . --filter src/ --filter apps/ --filter projects/ \
    --gcov-ignore-parse-errors=negative_hits.warn_once_per_file \
    --html-details "$build/report/index.html" --txt-summary --sort uncovered-percent "$build"
echo "coverage: the page is $build/report/index.html"
