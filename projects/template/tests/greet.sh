#!/bin/sh
# The project's test: runs its own program, named by the first argument, and compares what it prints.
set -eu
program=$1
fail() {
    echo "failed: $*" >&2
    exit 1
}

[ "$("$program" greet --times 2 you)" = "hello, you
hello, you" ] || fail "two greetings"
[ "$("$program" greet --greeting welcome)" = "welcome, world" ] || fail "another greeting"
[ "$(EFFICIENTAI_TIMES=3 "$program" greet --json)" = '{"times":3}' ] || fail "the environment"
! "$program" greet --times 0 2>message || fail "0 was taken"
grep -q "out of range (allowed: 1 to 100)" message || fail "the message: $(cat message)"
echo "all passed"
