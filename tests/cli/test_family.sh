#!/bin/bash
# What ports run on is chosen by --family, by a policy and by the environment.
# shellcheck source=tests/cli/common.bash
. "$(dirname "$0")/common.bash"

if [ -n "$windows" ]; then
    for family in posix sysv; do
        expect 1 serve family --family $family
        said "do not exist on this system"
    done
    expect 2 call family --family system
    passed "what is not on this system"
    left_nothing
    exit 0
fi

bytes 300000 in
start server serve family-1 --echo --family sysv
for family in auto sysv; do
    expect 0 call family-1 in -o back --family $family --wait "$patience" -v
    cmp in back || fail "other bytes came back over $family"
    said "request 300000 bytes, mapped, copies 1; reply 300000 bytes, mapped, copies 1"
done
expect 0 call family-1 in -o back --path channel -v
cmp in back || fail "other bytes came back by message queues"
said "request 300000 bytes, channel, copies 2"
passed "--family sysv"

expect 0 ls
gave "server.sysv.family-1.living"
expect 1 call family-1 in --family posix
said "SILL_NOT_FOUND"
expect 1 serve family-1 --family posix
said "SILL_EXISTS"
expect 1 serve family-2 --family win32
said "do not exist on this system"
expect 1 serve family-2 --family sysv --access all
said "serves its own user alone"
expect 2 serve family-2 --family system
SILL_FAMILY=system expect 1 serve family-2
said "SILL_FAMILY is .system."
passed "failures"

kill -9 "$server_pid"
wait "$server_pid" 2>/dev/null
expect 0 clean
gave "server.sysv.family-1"
expect 0 clean
[ ! -s out ] || fail "something was left for a second clean"
passed "clean after a kill"

echo '{"family": "sysv"}' >policy.json
start second serve family-3 --echo --policy policy.json
expect 0 call family-3 in -o back --wait "$patience" --policy policy.json
expect 0 ls
gave "server.sysv.family-3.living"
expect 0 policy show --policy policy.json
gave "family.sysv"
passed "the policy's family"

export SILL_FAMILY=sysv
start third serve family-4 --echo
expect 0 call family-4 in -o back --wait "$patience"
expect 0 ls
gave "server.sysv.family-4.living"
unset SILL_FAMILY
passed "SILL_FAMILY"

expect 0 bench --family sysv --seconds 0.05 --sizes 8,64K --json
gave '"size":65536'
passed "bench"
