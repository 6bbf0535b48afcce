#!/bin/bash
# sill send and sill recv.
# shellcheck source=tests/cli/common.bash
. "$(dirname "$0")/common.bash"

start receiver recv mail --count 3 -v
echo one >one
bytes 1048576 two
: >three
expect 0 send mail one --wait "$patience"
expect 0 send mail two -v --timeout "$patience"
said "datagram 1048576 bytes, mapped, copies"
sill send mail <three 2>said || fail "an empty datagram"
ended receiver 0
cat one two three | cmp - receiver.out || fail "other bytes were received"
grep -q "datagram 1048576 bytes, mapped" receiver.log || fail "the receiver does not tell the path"
passed "bytes arrive"

start receiver recv mail --count 2 -q --line
echo -n a >one
echo -n b >two
expect 0 send mail one --wait "$patience"
expect 0 send mail two
ended receiver 0
printf 'a\nb\n' | cmp - receiver.out || fail "--line"
start receiver recv mail --count 1 -q -0
expect 0 send mail one --wait "$patience"
ended receiver 0
printf 'a\0' | cmp - receiver.out || fail "-0"
mkdir folder
start receiver recv mail --count 2 -q -o folder
expect 0 send mail one --wait "$patience"
expect 0 send mail two --path channel
ended receiver 0
cmp one folder/000001 || fail "the first file"
cmp two folder/000002 || fail "the second file"
[ "$(ls folder | wc -l)" = 2 ] || fail "more files than datagrams"
passed "separators and files"

start receiver recv mail --count 1 -q
expect 1 call mail one --wait "$patience"
said "refused: this server takes datagrams"
expect 0 send mail one
ended receiver 0
start server serve echo-d -q
expect 0 send echo-d one --wait "$patience"
expect 0 call echo-d one -o back
cmp one back || fail "a datagram harmed the server"
passed "requests to recv, datagrams to serve"

for i in 1 2 3 4 5 6 7 8; do
    echo "$i" >"in$i"
    start "sender$i" send mail "in$i" --wait "$patience"
done
start receiver recv mail --count 8 -q
for i in 1 2 3 4 5 6 7 8; do ended "sender$i" 0; done
ended receiver 0
sort receiver.out | tr -d '\n' | grep -qx 12345678 || fail "datagrams of several senders"
passed "several senders, waiting for the receiver"
