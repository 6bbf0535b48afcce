#!/bin/bash
# How things end: Ctrl-C, kill, kill -9; what is left, and sill ls and sill clean about it.
# shellcheck source=tests/cli/common.bash
. "$(dirname "$0")/common.bash"

echo bytes >in
before=$(ls /dev/shm 2>/dev/null)

# Wine takes SIGINT for Ctrl-C; what else ends a Windows program has no signal.
signals="INT TERM HUP"
[ -z "$windows" ] || signals=INT
interrupted() { [ -n "$windows" ] && echo 1 || echo $((128 + $(kill -l "$1"))); }

for signal in $signals; do
    start server serve ends
    expect 0 call ends in -o back --wait "$patience"
    kill -"$signal" "$server_pid"
    ended server 0
    left_nothing
    start receiver recv ends --count 2
    expect 0 send ends in --wait "$patience"
    kill -"$signal" "$receiver_pid"
    ended receiver "$(interrupted "$signal")"
    left_nothing
done
start receiver recv ends
await listening receiver.log
kill -INT "$receiver_pid"
ended receiver 0
left_nothing
passed "serve and recv end in order"

# A call that waits: the answer never comes, the old file stays, no temporary one does.
mkdir folder
echo old >folder/back
start server serve ends -q -- "$self" call nobody-here --wait 600000
for signal in $signals; do
    start caller call ends in -o folder/back --wait "$patience"
    await_files 2 folder
    kill -"$signal" "$caller_pid"
    ended caller "$(interrupted "$signal")"
    grep -q interrupted caller.log || fail "the call does not say that it was interrupted"
    [ "$(ls folder)" = back ] || fail "left behind: $(ls folder)"
    [ "$(cat folder/back)" = old ] || fail "an interrupted call changed the file"
done
kill -INT "$server_pid"
ended server 0
left_nothing
passed "call ends in order"

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
passed "a name that is taken"

# The server dies while a call waits.
start dying serve dying -v -- "$self" call nobody-here --wait 600000
start caller call dying in --wait "$patience"
await "requests: 6 bytes" dying.log
child=
[ -n "$windows" ] || await_child "$dying_pid"
kill -9 "$dying_pid"
ended caller 1
grep -q "SILL_DIED" caller.log || fail "the caller is not told that the server died"
# Windows ends a server's commands with it; elsewhere a kill -9 leaves them.
[ -z "$child" ] || kill -9 "$child"
passed "the server dies during a call"

after=$(ls /dev/shm 2>/dev/null)
[ "$before" = "$after" ] || echo "/dev/shm has changed, perhaps by others"
