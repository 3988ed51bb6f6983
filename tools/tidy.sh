#!/bin/sh
# clang-tidy on the C sources, shellcheck on the scripts, codespell on the prose:
# tools/tidy.sh BUILD [FILE ...]. BUILD holds compile_commands.json. Fails on the first kind that finds
# something; `.clang-tidy` lists the checks.
set -eu
cd "$(dirname "$0")/.."
build=$1
shift
tidy=$(command -v clang-tidy-14 || command -v clang-tidy)
jobs=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)

if [ $# -eq 0 ]; then
    # Files that are included more than once under other settings (.inc.c) are seen where they are included.
    # shellcheck disable=SC2046
    set -- $(git ls-files -co --exclude-standard -- 'src/*.c' 'apps/*.c' 'projects/*.c' | grep -v '\.inc\.c$')
fi
# One file a process: clang-tidy 14 sees va_list defects that are not there in the second file of a run.
# Flags of GCC that clang does not know are no findings.
printf '%s\n' "$@" | xargs -P "$jobs" -n 1 "$tidy" --quiet -p "$build" \
    --extra-arg=-Wno-unknown-warning-option --extra-arg=-Wno-ignored-optimization-argument
git ls-files -co --exclude-standard -- '*.sh' .ci/run | xargs shellcheck
git ls-files -co --exclude-standard -- '*.md' '*.c' '*.h' '*.py' '*.sh' |
    grep -vE '^(tests|projects/[a-z-]*)/data/' |
    xargs codespell --ignore-words-list=inout,dout,ot,nd,te,ans,fo,ba,hel,trian,nam
echo "tidy: nothing found"
