#!/bin/bash
# Requests of all sizes come back byte for byte, and the path that they took is told.
# shellcheck source=tests/cli/common.bash
. "$(dirname "$0")/common.bash"

echo '{"mapped_min": 65536}' >gap.json # what lies below goes over the channel
start server serve echo-1 --echo --policy gap.json
path_of() { if [ "$1" -le 4096 ]; then echo inline; elif [ "$1" -lt 65536 ]; then echo channel; else echo mapped; fi; }

for size in 0 1 100 4096 10000 65536 1048576 67108864; do
    bytes "$size" in
    expect 0 call echo-1 in -o back --wait "$patience" --timeout "$patience" -v --policy gap.json
    cmp in back || fail "$size bytes came back as others"
    path=$(path_of "$size")
    said "request $size bytes, $path, copies [012]; reply $size bytes, $path, copies [012]; [0-9.]+ ms"
    passed "$size bytes, $path"
done

bytes 1048576 in
for path in auto channel mapped rounds; do
    expect 0 call echo-1 in -o back --path $path --timeout "$patience" --json
    cmp in back || fail "other bytes came back by $path"
    [ $path = auto ] && way=mapped || way=$path
    said "^\{\"request\":\{\"size\":1048576,\"path\":\"$way\",\"copies\":[0-9]+\},\"reply\":\{\"size\":1048576,\"path\":\"[a-z]+\",\"copies\":[0-9]+\},\"round_trip_ns\":[0-9]+\}.?$"
    is_json said
    passed "--path $path"
done

expect 0 call echo-1 in -o back --repeat 3 --json --timeout "$patience"
[ "$(grep -c '^{' said)" = 3 ] || fail "--repeat 3 told of other than 3 calls"
passed "--repeat"

echo hello >in
sill call echo-1 <in >back 2>said || fail "standard input and output"
cmp in back || fail "other bytes came by standard output"
sill call echo-1 - -o - <in >back 2>said || fail "'-' for both"
cmp in back || fail "other bytes came for '-'"
expect 0 call echo-1 -oback in
cmp in back || fail "other bytes came for -oback"
passed "standard input and output"

# Zero bytes, line ends and end-of-file characters are bytes like all others.
printf 'a\r\nb\nc\0d\032e\n' >in
sill call echo-1 <in >back 2>said || fail "control characters"
cmp in back || fail "control characters were changed"
passed "binary streams"

cp in "a file with blanks ä"
expect 0 call echo-1 "a file with blanks ä" -o "bäck there"
cmp in "bäck there" || fail "file names beyond ASCII"
passed "file names beyond ASCII"

echo '{"inline_max": 1, "mapped_min": 10}' >policy.json
bytes 100 in
start mapper serve echo-2 -q --policy policy.json
expect 0 call echo-2 in -o back --wait "$patience" --policy policy.json -v
cmp in back || fail "other bytes came with a policy file"
said "request 100 bytes, mapped, .*reply 100 bytes, mapped"
passed "--policy"
[ ! -s mapper.log ] || fail "-q is not quiet"
grep -q "listening as echo-1" server.log || fail "the server does not say that it listens"
