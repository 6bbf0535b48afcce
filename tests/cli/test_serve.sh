#!/bin/bash
# sill serve with a command: what goes in, what comes out, what fails, who is harmed.
# The command is the sill program itself, which is a filter in front of an echo, on every system.
# shellcheck source=tests/cli/common.bash
. "$(dirname "$0")/common.bash"

start echo serve echo-s -q
bytes 8388608 large
echo small >small

start filter serve filter -- "$self" call echo-s --wait "$patience"
expect 0 call filter small -o back --wait "$patience"
cmp small back || fail "other bytes came from the command"
expect 0 call filter large -o back --timeout "$patience"
cmp large back || fail "other bytes came from the command for a large request"
: >empty
expect 0 call filter empty -o back
cmp empty back || fail "an empty request"
passed "a command's output is the reply"

for i in 1 2 3 4 5 6 7 8; do
    echo "request $i" >"in$i"
    start "client$i" call filter "in$i" -o "back$i" --timeout "$patience"
done
for i in 1 2 3 4 5 6 7 8; do
    ended "client$i" 0
    cmp "in$i" "back$i" || fail "client $i got somebody else's reply"
done
passed "several clients at once"

start failing serve failing -q -- "$self" call nobody-here
expect 1 call failing small -o never --wait "$patience"
said "refused: .*ended with exit status 1: .*sill call: .*NOT_FOUND"
[ ! -e never ] || fail "a refused request left a file"
expect 1 call failing large
said "refused: "
expect 1 call failing small
passed "a failing command is a refused request, and the server lives"

start chatty serve chatty -q --reply-max 1000 -- "$self" call echo-s
expect 1 call chatty large --wait "$patience" --timeout "$patience"
said "larger than 1000 bytes"
expect 0 call chatty small -o back
cmp small back || fail "other bytes after a reply that was too large"
passed "--reply-max"

# The command reads nothing of a large request, or nothing is read of its large output for a while.
start deaf serve deaf -q -- "$self" --version
expect 0 call deaf large --wait "$patience" --timeout "$patience"
gave "^sill "
passed "a command that does not read"

# A command that never ends is killed once its client has gone, and the server serves on.
start waiting serve waiting -q -j 1 -- "$self" call nobody-yet --wait 600000
expect 1 call waiting small --wait "$patience" --timeout 1000
said "longer than 1000 ms"
start patient call waiting small -o back
start listener serve nobody-yet -q
ended patient 0
cmp small back || fail "other bytes after a command was killed"
passed "a command ends with its client"

start once serve once --once -- "$self" call echo-s
expect 0 call once small -o back --wait "$patience"
ended once 0
start once serve once --once
expect 0 call once small -o back --wait "$patience"
ended once 0
cmp small back || fail "other bytes with --once"
passed "--once"

if [ -z "$windows" ]; then
    start signaled serve signaled -q -- sh -c 'cat >/dev/null; kill -9 $$'
    expect 1 call signaled small --wait "$patience"
    said "ended with signal 9"
    start grand serve grand -q -- sh -c 'sleep 600 & wait'
    start client call grand small --wait "$patience"
    await_child "$grand_pid"
    await_child "$child"
    kill -TERM "$grand_pid"
    ended grand 0
    ended client 1
    await_end "$child"
    passed "a server's end ends what its commands started"
fi
