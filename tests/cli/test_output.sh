#!/bin/bash
# Where the reply goes: whole or not at all.
# shellcheck source=tests/cli/common.bash
. "$(dirname "$0")/common.bash"

start server serve echo-o -q
bytes 300000 in
echo old >back
expect 0 call echo-o in -o back --wait "$patience"
cmp in back || fail "an old file is replaced"
mkdir empty
expect 1 call echo-o in -o empty
said "is a directory"
expect 1 call echo-o in -o missing/back
said "cannot create missing/back"
mkdir folder
echo old >folder/back
expect 1 call nobody-here in -o folder/back
[ "$(cat folder/back)" = old ] || fail "a failure changed the file"
start refusing serve refusing -q -- "$self" call nobody-here
expect 1 call refusing in -o folder/back --wait "$patience"
[ "$(cat folder/back)" = old ] || fail "a refusal changed the file"
[ "$(ls folder)" = back ] || fail "a temporary file is left: $(ls folder)"
passed "replaced at the end or not at all"

if [ -n "$windows" ]; then
    skip "links, modes, /dev/full, closed pipes: POSIX alone has them"
    exit 0
fi

ln -s folder/back link
expect 0 call echo-o in -o link
[ -L link ] || fail "the link was replaced"
cmp in folder/back || fail "the link's target has other bytes"
chmod 640 folder/back
expect 0 call echo-o in -o folder/back
[ "$(stat -c %a folder/back)" = 640 ] || fail "the mode was changed"
(umask 077 && sill call echo-o in -o new 2>said) || fail "a new file"
[ "$(stat -c %a new)" = 600 ] || fail "the mode of a new file"
expect 0 call echo-o in -o /dev/null
[ -c /dev/null ] || fail "/dev/null was replaced"
mkfifo pipe
cat pipe >back &
expect 0 call echo-o in -o pipe
wait $!
cmp in back || fail "other bytes through a named pipe"
passed "links, modes, devices, pipes"

expect 1 call echo-o in -o /dev/full
said "cannot write to /dev/full: No space left"
sill call echo-o in >/dev/full 2>said && fail "a full standard output is no failure"
said "cannot write to standard output: No space left"
sill --help >/dev/full 2>said && fail "help to a full standard output is no failure"
said "cannot write to standard output"
sill doctor >/dev/full 2>said && fail "doctor to a full standard output is no failure"
bytes 3000000 in
{
    sill call echo-o in 2>said
    echo $? >status
} | head -c 10 >/dev/null
[ "$(cat status)" = 1 ] || fail "a closed pipe: exit status $(cat status) instead of 1"
said "cannot write to standard output: Broken pipe"
sill call echo-o in >&- 2>said && fail "a closed standard output is no failure"
sill call echo-o <&- 2>said >out && fail "a closed standard input is no failure"
sill call echo-o in -o back 2>&- || fail "a closed standard error"
cmp in back || fail "other bytes with standard error closed"
passed "full and closed outputs"
