#!/bin/bash
# sill tune: what it writes, draws and says, wrong usage, and that Ctrl-C leaves the old policy.
# shellcheck source=tests/cli/common.bash
. "$(dirname "$0")/common.bash"

expect 0 tune --quick -o tuned.json --json
is_json out
cmp out tuned.json || fail "--json printed something else than the file"
left_nothing
for key in inline_max mapped_min segment_size ring_size spin_ns nontemporal_min; do
    gave "^  \"$key\": [0-9]+,"
    gave "^      \"$key\": \{\"value\": [0-9]+, \"origin\": \"(measured|default)\", \"why\": \"..*\"\}"
done
gave '"winner": "(tuned|default)"'
gave '^      \{"path": "mapped", "size": 8, "ns": [0-9.]+, "low": [0-9.]+, "high": [0-9.]+\}'
gave '^      \{"path": "channel", "from": 8, "to": [0-9]+, "fixed_ns": [0-9.]+, "ns_per_kib": [0-9.]+\}'
passed "tune"

expect 0 policy check tuned.json
expect 0 policy show --policy tuned.json
gave "^tuned	20[0-9-]+T[0-9:]+Z	"
gave "^mapped_max	268435456	default	"
[ ! -s said ] || fail "this machine is taken for another"
expect 0 policy explain 8 64M --policy tuned.json
gave "^8	inline	[0-9]+	[a-z]+	[0-9]+	.*(times as long|of its time)"
sed -E 's/^  "spin_ns": .*/  "spin_ns": 12345,/; s/("processor": )".*"/\1"abacus"/' tuned.json >changed.json
expect 0 policy show --policy changed.json
gave "^spin_ns	12345	set"
said "changed.json was measured on another processor \(abacus"
expect 0 call nobody-here --help
passed "show and explain what was measured"

sed 's/"cores": .*/"cores": -1,/' tuned.json >broken.json
expect 1 policy check broken.json
said 'broken.json:[0-9]+:[0-9]+: "tuned.machine.cores" is -1, but must be an integer from 1 to 65536'
sed 's/"format": 1/"format": 9/' tuned.json >later.json
expect 1 tune --plot later.json
said 'later.json:[0-9]+:[0-9]+: "tuned" has the format 9 of a later version'
head -c 2000 tuned.json >half.json
expect 1 policy explain 8 --policy half.json
said 'half.json:[0-9]+:[0-9]+: '
passed "broken files"

for ready in "$here"/../../docs/policies/*.json; do
    cp "$ready" ready.json
    expect 0 policy check ready.json
done
passed "the policies in docs/"

expect 0 tune --plot tuned.json
gave "^ +[0-9.]+ [num]?s \|"
gave "8 B +512 B"
expect 0 tune --plot - tuned.json
if [ -z "$windows" ] && command -v gnuplot >/dev/null; then
    for drawing in a.svg b.png; do
        expect 0 tune --plot $drawing tuned.json
        [ -s $drawing ] || fail "$drawing is empty"
    done
    grep -q "nontemporal_min\|inline_max" a.svg || fail "the drawing has no thresholds"
    head -c 4 b.png | grep -q PNG || fail "b.png is no PNG"
    PATH=/nowhere expect 1 tune --plot c.svg tuned.json
    said "gnuplot cannot be started"
    [ ! -e c.svg ] || fail "a drawing that failed was written"
else
    skip "gnuplot is not there"
fi
echo '{}' >none.json
expect 1 tune --plot none.json
said "none.json holds no measurements"
expect 1 tune --plot missing.json
passed "drawings"

wrong() {
    expect 2 tune "$@"
    said "^sill tune: "
}
wrong tuned.json
wrong --quick --plot tuned.json
wrong --plot -o x.json tuned.json
wrong --plot a.svg tuned.json other.json
wrong --plot=a.gif
wrong -o ""
expect 1 tune --quick -o none/x.json
expect 1 tune --quick -o x.json --plot none/x.svg
[ ! -e x.json ] || fail "a policy was written in spite of a failure"
passed "wrong usage"

cp tuned.json old.json
cp old.json kept.json
start long tune -o old.json
await_any "$work/run"
kill -INT "$long_pid"
[ -n "$windows" ] && ended long 1 || ended long 130
cmp old.json kept.json || fail "Ctrl-C changed the old policy"
[ "$(find . -maxdepth 1 -name '*.tmp' | wc -l)" = 0 ] || fail "a temporary file is left"
left_nothing
passed "Ctrl-C"
