#!/bin/bash
# Help, version, and what is wrong usage.
# shellcheck source=tests/cli/common.bash
. "$(dirname "$0")/common.bash"

for command in serve call send recv policy ls clean doctor bench; do
    expect 0 $command --help
    gave "^Usage: sill $command"
    gave "--help"
    [ ! -s said ] || grep -q wine said || fail "help of $command on standard error"
    expect 0 help $command
    expect 2 $command --nonsense
    said "^sill $command: there is no option --nonsense"
    said "Try 'sill $command --help'"
done
expect 0 --help
for command in serve call send recv policy ls clean doctor bench; do
    gave "^  $command "
done
expect 0 --version
gave "^sill [0-9]+\.[0-9]+\.[0-9]+"
passed "help and version"

wrong() {
    expect 2 "$@"
    [ ! -s out ] || fail "sill $*: output in spite of wrong usage"
    said "^sill"
}
wrong
wrong frobnicate
said "there is no command 'frobnicate'"
said "Try 'sill --help'"
wrong --frobnicate
wrong call
wrong call a b c
wrong call 'no/name'
wrong call ''
wrong call name --repeat 0
wrong call name --repeat 10x
wrong call name --repeat -1
wrong call name --repeat ''
wrong call name --repeat ' 1'
wrong call name --repeat +1
wrong call name --repeat 18446744073709551616
wrong call name --timeout 2147483648
wrong call name --timeout 1.5
wrong call name --wait -1
wrong call name --wait
wrong call name --path sideways
wrong call name --json=yes
wrong call name -o
wrong call name -x
wrong send
wrong send a b c
wrong recv
wrong recv a b
wrong recv a --count 0
wrong serve
wrong serve a b
wrong serve a --
said "command after -- is missing"
wrong serve a --echo -- cat
wrong serve a --jobs 0
wrong serve a --jobs 9999999999999999999999
wrong serve a --access everybody
wrong policy
wrong policy forget
wrong policy explain
wrong policy explain 12Q
wrong policy explain 10x
wrong policy explain -- -1
wrong policy explain 18446744073709551615K
wrong policy explain 99999999999999999999999
wrong policy check
wrong policy check a b
wrong policy show extra
wrong ls extra
wrong clean extra
wrong doctor extra
passed "wrong usage"

expect 1 call nobody-here /dev/null
said "^sill call: .*SILL_NOT_FOUND"
expect 1 call nobody-here does-not-exist
said "cannot open does-not-exist"
expect 1 call nobody-here . 
expect 1 call nobody-here /dev/null --wait 300
said "within 300 ms"
expect 1 send nobody-here /dev/null
expect 1 serve name -q -- no-such-program-anywhere
said "no program 'no-such-program-anywhere'"
expect 1 policy check does-not-exist
expect 1 recv name -o does-not-exist
expect 1 ls --directory "$SILL_RUNTIME_DIR/does-not-exist"
passed "failures"
left_nothing
