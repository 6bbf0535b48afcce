#!/bin/bash
# sill bench: what it prints, wrong usage, and that nothing is left however it ends.
# shellcheck source=tests/cli/common.bash
. "$(dirname "$0")/common.bash"

# each_line_json FILE: every line is one JSON value.
each_line_json() {
    local line
    while IFS= read -r line; do
        printf '%s\n' "$line" >line
        is_json line
    done <"$1"
}

number='[0-9]+\.[0-9]+'
rates="\"messages_per_s\":$number,\"bytes_per_s\":$number"
expect 0 bench --seconds 0.05 --sizes 8,4K,1M --json
each_line_json out
[ "$(wc -l <out)" = 3 ] || fail "$(wc -l <out) lines for three sizes"
for size in 8 4096 1048576; do
    gave "^\{\"size\":$size,\"path\":\"[a-z]+\",\"mode\":\"latency\",\"wait\":\"policy\",\"loan\":false,\"clients\":1,\"one_way_ns\":\{\"p50\":$number,\"p99\":$number,\"p999\":$number\},$rates[,}]"
done
gave '"size":1048576,"path":"mapped"'
left_nothing
passed "latency"

expect 0 bench --seconds 0.05 --sizes 8,64K --mode throughput --json --wait block
each_line_json out
for size in 8 65536; do
    gave "^\{\"size\":$size,\"path\":\"[a-z]+\",\"mode\":\"throughput\",\"wait\":\"block\",\"loan\":false,\"clients\":1,\"one_way_ns\":null,$rates[,}]"
done
left_nothing
passed "throughput"

expect 0 bench --seconds 0.05 --sizes 1M --loan --read --json --wait spin
gave '"path":"mapped","mode":"latency","wait":"spin","loan":true'
expect 0 bench --seconds 0.05 --sizes 1M --path channel --json
gave '"path":"channel"'
expect 0 bench --seconds 0.05 --sizes 8 --clients 5 --json --family auto --region auto
gave '"clients":5'
expect 0 bench --seconds 0.05 --mode idle --clients 5 --json
each_line_json out
gave '^\{"mode":"idle","wait":"policy","clients":5,"seconds":[0-9.]+,"server_cpu_ns":[0-9]+,"bytes_per_client":\{"server":[0-9a-z]+,"client":[0-9a-z]+,"shared":[0-9a-z]+,"total":[0-9a-z]+\}\}'
expect 0 bench --seconds 0.05 --sizes 8,1M
gave "^ +size +path +p50 +p99"
gave "^ +1 MiB +mapped "
expect 0 bench --seconds 0.05 --sizes 8 --mode throughput
gave "^ +8 B +[a-z]+ +[0-9.]+ [kM]?/s"
expect 0 bench --seconds 0.05 --mode idle --clients 3
gave "2 idle clients"
left_nothing
passed "options, and tables for people"

wrong() {
    expect 2 bench "$@"
    [ ! -s out ] || fail "sill bench $*: output in spite of wrong usage"
    said "^sill bench: "
}
wrong extra
wrong --sizes 4
wrong --sizes 8,,16
wrong --sizes 8x
wrong --sizes 8,
wrong --mode sideways
wrong --wait long
wrong --path sideways
wrong --clients 0
wrong --clients 100000
wrong --seconds 0
wrong --seconds -1
wrong --seconds 1e9
wrong --family other
wrong --region other
passed "wrong usage"

[ -n "$windows" ] && other=posix || other=win32
expect 1 bench --family $other
said "do not exist on this system"
expect 1 bench --region file --seconds 0.05
said "cannot be passed to another process"
expect 1 bench --policy does-not-exist
left_nothing
passed "failures"

# Ended by Ctrl-C it closes in order; killed, its server ends by itself.
many=8
for i in {1..6}; do many=$many,$many; done
start long bench --seconds 1 --sizes "$many" --json
await '"size":8' long.out
kill -INT "$long_pid"
[ -n "$windows" ] && ended long 1 || ended long 130
left_nothing
passed "Ctrl-C"
if [ -z "$windows" ]; then
    start long bench --seconds 1 --sizes "$many" --json
    await '"size":8' long.out
    await_child "$long_pid"
    kill -KILL "$long_pid"
    ended long 137
    await_end "$child"
    left_nothing
    passed "the second process ends with the first"
fi

wrong --compare --mode throughput
wrong --compare --loan
wrong --compare --clients 2
expect 0 bench --compare --sizes 8,4K,1M --seconds 0.1 --json
each_line_json out
for size in 8 4096 1048576; do
    gave "^\{\"size\":$size,\"chosen\":\"[a-z]+\",\"best\":\"[a-z]+\",\"regret\":$number,"
done
[ "$(tail -1 out | tr -d '\r' | sed -E 's/[0-9.]+/N/')" = '{"max_regret":N}' ] || fail "no maximum"
echo '{"path": "channel"}' >forced.json
expect 0 bench --compare --sizes 64K,64K,8 --seconds 0.1 --policy forced.json
gave "^ +8 B +channel "
gave "^maximum regret $number"
[ "$(grep -c "64 KiB  *channel" out)" = 1 ] || fail "a size stands twice"
left_nothing
passed "comparing"
