#!/bin/bash
# sill send and sill recv with --channel.
# shellcheck source=tests/cli/common.bash
. "$(dirname "$0")/common.bash"

if [ -n "$windows" ]; then
    frames=named-pipe queues=queue absent="socket mqueue sysv"
else
    frames=socket queues="mqueue sysv" absent="named-pipe queue"
fi
echo -n one >one
echo -n two >two
echo -n three >three
bytes 1000000 large

for kind in $absent; do
    expect 1 send nobody one --channel "$kind"
    said "this system has no channels of the kind $kind .SILL_UNSUPPORTED."
    expect 1 recv nobody --channel "$kind"
    said "SILL_UNSUPPORTED"
done
passed "what this system does not have"

for kind in $queues; do
    start receiver recv mail --channel "$kind" --count 4 -v --line
    await "listening as mail .$kind." receiver.log
    expect 0 send mail one --channel "$kind" --priority 3 -v
    said "message 3 bytes, $kind, priority 3"
    expect 0 send mail two --channel "$kind"
    expect 1 send mail large --channel "$kind" --priority 31
    said "SILL_TOO_BIG"
    expect 0 send mail large --channel "$kind" --rounds
    expect 1 recv mail --channel "$kind"
    said "SILL_EXISTS"
    expect 0 send mail three --channel "$kind" --priority 31
    ended receiver 0
    { cat one; echo; cat two; echo; cat large; echo; cat three; echo; } >wanted
    cmp wanted receiver.out || fail "$kind: other messages were received"
    grep -q "message 1000000 bytes, $kind, priority 0" receiver.log || fail "$kind: -v"
    expect 1 send mail one --channel "$kind"
    said "SILL_NOT_FOUND"
    passed "$kind: messages, priorities, rounds"

    # What waits is received by priority: the receiver is stopped meanwhile.
    if [ -z "$windows" ]; then
        mkdir "folder-$kind"
        start receiver recv mail --channel "$kind" --count 3 -o "folder-$kind"
        await "listening as mail" receiver.log
        sill ls | grep -q "queue.$kind.mail.living" || fail "$kind: ls"
        # shellcheck disable=SC2154
        kill -STOP "$receiver_pid"
        expect 0 send mail one --channel "$kind" --priority 1
        expect 0 send mail two --channel "$kind" --priority 31
        expect 0 send mail three --channel "$kind" --priority 31
        kill -CONT "$receiver_pid"
        ended receiver 0
        # It may have been asleep in the middle of taking the first.
        cat "folder-$kind"/* >got
        grep -qxE "twothreeone" got || fail "$kind: order of priorities: $(cat got)"
        passed "$kind: the highest first"
    fi

    start receiver recv mail --channel "$kind" -q
    expect 0 send mail one --channel "$kind" --wait "$patience"
    # shellcheck disable=SC2154
    await one receiver.out
    [ -n "$windows" ] || {
        kill -INT "$receiver_pid"
        ended receiver 0
    }
    [ -z "$windows" ] || kill -9 "$receiver_pid"
    await_end "$receiver_pid"
    expect 0 clean
done

start receiver recv pair --channel "$frames" --count 3 --line -v
expect 0 send pair one --channel "$frames" --wait "$patience" -v
said "message 3 bytes, $frames"
expect 0 send pair two --channel "$frames"
expect 0 send pair large --channel "$frames"
ended receiver 0
{ cat one; echo; cat two; echo; cat large; echo; } >wanted
cmp wanted receiver.out || fail "$frames: other frames were received"
passed "$frames"

start receiver recv stream --channel fifo -v
expect 0 send stream large --channel fifo --wait "$patience" -v
said "stream 1000000 bytes, fifo"
ended receiver 0
cmp large receiver.out || fail "fifo: other bytes were received"
mkdir streams
start receiver recv stream --channel fifo -q --count 2 -o streams
expect 0 send stream one --channel fifo --wait "$patience"
expect 0 send stream two --channel fifo --wait "$patience"
ended receiver 0
cmp one streams/000001 && cmp two streams/000002 || fail "fifo: files"
passed "fifo"

# From a pipe on into a stream with a name.
start receiver recv stream --channel fifo -q
expect 0 send large --channel pipe -v -- "$self" send stream --channel fifo --wait "$patience"
said "stream 1000000 bytes, pipe"
ended receiver 0
cmp large receiver.out || fail "pipe: other bytes came through"
expect 0 recv --channel pipe -v -- "$self" --version
gave "^sill [0-9]"
said "stream [0-9]* bytes, pipe"
expect 1 recv --channel pipe -- "$self" --frobnicate
said "ended with status 2"
expect 1 send one --channel pipe -- "$self" --frobnicate
expect 1 send one --channel pipe -- sill-no-such-program
said "SILL_NOT_FOUND"
if [ -z "$windows" ]; then
    expect 0 send large --channel pipe -- sh -c 'cat >copy'
    cmp large copy || fail "pipe: other bytes came to the command"
    expect 0 recv --channel pipe -- cat large
    cmp large out || fail "pipe: other bytes came from the command"
    mkdir partial
    expect 1 recv --channel pipe -o partial -- sh -c 'echo half; kill -9 $$'
    said "was ended by signal 9"
    start receiver recv stream --channel fifo -q -o partial
    start sender send stream --channel fifo --wait "$patience"
    ended sender 0 # its input is empty
    ended receiver 0
fi
passed "pipe"

wrong() {
    expect 2 "$@"
    [ ! -s out ] || fail "sill $*: output in spite of wrong usage"
    said "^sill"
}
wrong send a one --channel carrier-pigeon
wrong send a one --channel auto
wrong send a one --priority 3
wrong send a one --rounds
wrong send a one --channel fifo --priority 3
wrong send a one --channel "${queues%% *}" --priority 32
wrong send a one --channel "${queues%% *}" --path mapped
wrong send --channel fifo
wrong send a b c --channel fifo
wrong send 'no/name' --channel fifo
wrong send --channel pipe
wrong send a b --channel pipe -- cat
wrong recv --channel pipe
wrong recv a --channel pipe -- cat
wrong recv --channel fifo
wrong recv a b --channel fifo
wrong recv a --depth 3
wrong recv a --channel fifo --message-max 3
passed "wrong usage"
left_nothing
