#!/bin/bash
# sill policy and sill doctor.
# shellcheck source=tests/cli/common.bash
. "$(dirname "$0")/common.bash"

expect 0 policy explain 0 100 8K 64K 1m 1G 1T
[ "$(cut -f1,2 out | tr -d '\r' | tr '\t\n' ': ')" = "0:inline 100:inline 8192:mapped 65536:mapped 1048576:mapped 1073741824:rounds 1099511627776:rounds " ] ||
    fail "explain: $(cat out)"
[ "$(awk -F'\t' 'NF == 6 && $6 != ""' out | wc -l)" = 7 ] || fail "explain: reasons are missing"
expect 0 policy explain 4096 --json
is_json out
gave '\{"size":4096,"path":"inline","ns":null,"runner_up":"","runner_up_ns":null,"reason":"'
passed "policy explain"

expect 0 policy show
for key in file path inline_max mapped_min mapped_max segment_size segments_max ring_size spin_ns; do
    gave "^$key	"
done
gave "^file	none"
expect 0 policy show --json
is_json out
cp out policy.json
expect 0 policy check policy.json
gave "good"
echo '{"inline_max": 1, "mapped_min": 5, "path": "mapped"}' >policy.json
expect 0 policy show --policy policy.json
gave "^mapped_min	5	set"
gave "^spin_ns	$([ -n "$windows" ] && echo 100000 || echo 20000)	default" # under Wine, a wake-up takes longer
gave "^file	.*policy.json"
gave "^path	mapped"
SILL_POLICY=policy.json expect 0 policy explain 5
gave "^5	mapped"
passed "policy show"

echo '{"mapped_min": 70000, "maped_max": 7}' >bad.json
expect 1 policy check bad.json
said "bad.json.*maped_max"
expect 1 call nobody-here /dev/null --policy bad.json
said "maped_max"
expect 1 serve name --policy bad.json
said "maped_max"
SILL_POLICY=missing.json expect 1 policy show
passed "policy check"

expect 0 doctor
for line in "^system	name	" "^cores	" "^kind	" "^channel	" "^sync	" "^port	"; do gave "$line"; done
[ "$(awk -F'\t' 'NF != 7 || ($5 != "good" && $5 != "low" && $5 != "missing")' out | wc -l)" = 0 ] ||
    fail "doctor: $(cat out)"
for kind in socket named-pipe pipe fifo mqueue sysv queue; do
    gave "^channel	$kind	(present|limited|absent)	"
done
gave "^channel	pipe	present	"
gave "^channel	fifo	present	"
if [ -z "$windows" ]; then
    (ulimit -q 100000 && sill doctor) >out # what the user's other queues take counts too
    gave "^channel	mqueue	(limited		low	.*100000 bytes.*	prlimit|absent		missing	.*ulimit -q)"
    (ulimit -q 100 && sill doctor) >out
    gave "^channel	mqueue	absent		missing	.*ulimit -q"
    expect 0 doctor
fi
[ -n "$windows" ] || for limit in shm_size shmmax shmall shmmni msgmax; do gave "^limit	$limit	"; done
expect 0 doctor --json
is_json out
gave '"topic":"cores"'
left_nothing
passed "doctor"
