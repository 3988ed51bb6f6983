#!/bin/sh
# Line coverage: builds with the `coverage` preset, runs the tests, writes a page to
# build-coverage/report, prints the totals and the files below 70 %, and fails when less than 85 % of
# the lines of src/ were run: tools/coverage.sh [ctest's words ...]
#
# gcovr comes from the Python package index into a private environment: Debian 12's gcovr 5.2 stops
# with an assertion when a header is compiled once per instruction set. The options for it: a header of
# kernels has functions of one name in several places, its lines run billions of times, and threads
# lose a count now and then; none of this changes whether a line was run.
set -eu
cd "$(dirname "$0")/.."
build="build-coverage"
venv=$build/python
least=85
low=70
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
    --merge-mode-functions=separate --gcov-suspicious-hits-threshold=0 \
    --gcov-ignore-parse-errors=negative_hits.warn_once_per_file \
    --json "$build/report/lines.json" --html-details "$build/report/index.html" \
    --sort uncovered-percent "$build" >"$build/report/log" 2>&1 || { cat "$build/report/log"; exit 1; }
report() {
    "$venv/bin/gcovr" --root . --merge-mode-functions=separate --add-tracefile "$build/report/lines.json" \
        "$@" 2>>"$build/report/log"
}
report --csv - | awk -F , -v low="$low" 'NR > 1 && $4 < low / 100 {
    printf "coverage: below %d %%: %5.1f %% of %d lines, %s\n", low, 100 * $4, $2, $1 }'
echo "coverage: the page is $build/report/index.html"
echo "coverage: src/, apps/ and projects/:"
report --txt "$build/report/all.txt" --txt-summary
echo "coverage: src/ alone, at least $least % of the lines are wanted:"
report --filter src/ --txt "$build/report/src.txt" --txt-summary --fail-under-line "$least"
