#!/bin/bash
# How things end: Ctrl-C, kill, kill -9; what is left, and sill ls and sill clean about it.
# shellcheck source=tests/cli/common.bash
. "$(dirname "$0")/common.bash"

echo bytes >in
if [ -z "$windows" ]; then
    before=$(ls /dev/shm 2>/dev/null)
    for signal in INT TERM HUP; do
        start server serve ends
        expect 0 call ends in -o back --wait "$patience"
        kill -$signal "$server_pid"
        ended server 0
        left_nothing
        start receiver recv ends --count 2
        expect 0 send ends in --wait "$patience"
        kill -$signal "$receiver_pid"
        ended receiver $((128 + $(kill -l $signal)))
        left_nothing
    done
    start receiver recv ends
    await listening receiver.log
    kill -INT "$receiver_pid"
    ended receiver 0
    passed "serve and recv end in order"

    # A call that waits: the answer never comes, the old file stays, no temporary one does.
    mkdir folder
    echo old >folder/back
    start server serve ends -q -- sleep 600
    for signal in INT TERM; do
        start caller call ends in -o folder/back --wait "$patience"
        for ((i = 0; i < 600; i++)); do
            [ "$(ls folder | wc -l)" = 2 ] && pgrep -P "$server_pid" >/dev/null && break
            sleep 0.1
        done
        kill -$signal "$caller_pid"
        ended caller $((128 + $(kill -l $signal)))
        grep -q interrupted caller.log || fail "the call does not say that it was interrupted"
        [ "$(ls folder)" = back ] || fail "left behind: $(ls folder)"
        [ "$(cat folder/back)" = old ] || fail "an interrupted call changed the file"
    done
    start caller call nobody-here in --wait 600000
    sleep 0.3
    kill -INT "$caller_pid"
    ended caller 130
    kill -TERM "$server_pid"
    ended server 0
    left_nothing
    passed "call ends in order"
fi

# kill -9: what is left is stale, a new server starts all the same, clean removes it.
start server serve killed
expect 0 call killed in -o back --wait "$patience"
expect 0 ls
gave "^server	[a-z]+	killed	living	[0-9]+	0	[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}Z"
expect 0 ls --json
is_json out
gave '"name":"killed","state":"living"'
expect 0 clean
[ ! -s out ] || fail "clean touched what lives"
expect 0 call killed in -o back
kill -9 "$server_pid"
ended server 137
expect 0 ls
gave "	killed	stale	"
expect 0 clean --dry-run
gave "	killed	stale	"
expect 0 clean --dry-run --json
is_json out
gave '"name":"killed"'
expect 1 call killed in
start server serve killed
expect 0 call killed in -o back --wait "$patience"
cmp in back || fail "a new server after kill -9"
kill -9 "$server_pid"
ended server 137
expect 0 clean
gave "	killed	stale	"
expect 0 clean
[ ! -s out ] || fail "clean removed the same thing twice"
expect 0 ls
[ ! -s out ] || fail "ls lists what clean removed"
expect 0 ls --json
is_json out
left_nothing
passed "kill -9, ls and clean"

# A name that is taken.
start server serve taken
expect 0 call taken in -o back --wait "$patience"
expect 1 serve taken
said "SILL_EXISTS"
expect 0 call taken in -o back
if [ -n "$windows" ]; then
    skip "signals: under Wine a signal is not what the console sends"
    exit 0
fi
# The server dies while a call waits.
start dying serve dying -q -- sleep 600
start caller call dying in --wait "$patience"
for ((i = 0; i < 600; i++)); do
    sleeper=$(pgrep -P "$dying_pid") && break
    sleep 0.1
done
kill -9 "$dying_pid"
ended caller 1
grep -q "SILL_DIED" caller.log || fail "the caller is not told that the server died"
kill -9 "$sleeper"
passed "the server dies during a call"
after=$(ls /dev/shm 2>/dev/null)
[ "$before" = "$after" ] || echo "/dev/shm has changed, perhaps by others"
