# compare.jq - from the measurements of bench/compare (one array of them) to its tables.

def median:
    sort | if length == 0 then null
    elif length % 2 == 1 then .[length / 2 | floor]
    else (.[length / 2 - 1] + .[length / 2]) / 2 end;

# ---- marks ----

# What a measurement gives for a mark.
def value($field):
    if $field == "latency" then .one_way_ns.p50
    elif $field == "rate" then .messages_per_s
    elif $field == "memory" then .bytes_per_client.total
    else .server_cpu_ns / .seconds end;

# The values under a key, by round.
def of($key; $field):
    [.[] | select(.key == $key) | {key: (.round | tostring), value: value($field)}
         | select(.value != null)] | from_entries;

# A mark is a ratio, ours ÷ base, or without a base ours alone.
def mark_list: [
    {text: "8 bytes one way, spinning ÷ bare cache-line hand-over", ours: "spin", base: "handover",
     field: "latency", goal: 1.5, unit: "ns"},
    {text: "8 bytes one way, blocking ÷ Unix socket", ours: "block", base: "socket",
     field: "latency", goal: 1.0, unit: "ns"},
    {text: "8-byte messages a second ÷ MPICH's", ours: "rate", base: "mpich", field: "rate",
     goal: 5, least: true, unit: "/s"},
    {text: "64 MiB loan one way ÷ 8 bytes one way", ours: "loan", base: "spin", field: "latency",
     goal: 1.5, unit: "ns"},
    {text: "1 MiB sent, read in place ÷ one memcpy of 1 MiB", ours: "mega", base: "memcpy",
     field: "latency", goal: 1.2, unit: "ns"},
    {text: "64 KiB one way ÷ UCX's", ours: "64k", base: "ucx", field: "latency", goal: 0.6,
     unit: "ns"},
    {text: "8 bytes, one client among 1000 ÷ alone", ours: "crowd", base: "alone",
     field: "latency", goal: 1.5, unit: "ns"},
    {text: "server's processor time for 999 idle clients", ours: "idle", field: "cpu",
     unit: "ns in each second"},
    {text: "memory of an idle connection, both ends", ours: "idle", field: "memory", goal: 65536,
     unit: "bytes"},
    {text: "8 bytes one way, spinning: under Wine ÷ on Linux", ours: "wine-spin",
     base: "linux-spin", field: "latency", goal: 1.5, unit: "ns"}
];

def judge($mark; $result):
    if $result == null then "missing"
    elif $mark.goal == null then "measured"
    elif (if $mark.least then $result >= $mark.goal else $result <= $mark.goal end) then "met"
    else "not met" end;

def missing($mark; $ours; $base):
    if ($ours | length) == 0 then "no measurement: " + $mark.ours
    elif $mark.base != null and ($base | length) == 0 then "no measurement: " + $mark.base
    else null end;

def one_mark($mark):
    of($mark.ours; $mark.field) as $ours
    | (if $mark.base then of($mark.base; $mark.field) else {} end) as $base
    | [$ours | to_entries[] | select($mark.base == null or $base[.key] != null)
             | if $mark.base then .value / $base[.key] else .value end] as $results
    | ($results | median) as $result
    | {mark: $mark.text, ours: ([$ours[]] | median), base: ([$base[]] | median), unit: $mark.unit,
       ratio: ($mark.base != null), result: $result, low: ($results | min),
       high: ($results | max), rounds: ($results | length), goal: $mark.goal,
       goal_is_least: ($mark.least // false), verdict: judge($mark; $result),
       missing: missing($mark; $ours; $base)};

def marks: . as $all | [mark_list[] as $mark | $all | one_mark($mark)];

# ---- sizes and rates ----

def by_name($prefix; f):
    [.[] | select(.key | startswith($prefix))
         | . + {name: (.key[($prefix | length):])}] as $rows
    | [$rows[].name] | reduce .[] as $n ([]; if index([$n]) then . else . + [$n] end)
    | map(. as $name | {name: $name} + ($rows | map(select(.name == $name)) | f));

def sizes:
    by_name("size "; {times: (group_by(.size)
        | map({size: .[0].size, ns: (map(.one_way_ns.p50) | median), path: .[0].path}))});

def rates:
    by_name("rate "; {per_second: (map(.messages_per_s) | median), low: (map(.low) | min),
                      high: (map(.high) | max)});

# ---- tables ----

def digits3:
    if . >= 99.5 then round | tostring
    elif . >= 9.95 then (. * 10 | round / 10) | tostring
    else (. * 100 | round / 100) | tostring end;

def scaled($units; $step):
    reduce range($units | length - 1) as $i ([., 0];
        if .[0] >= 999.5 then [.[0] / $step, .[1] + 1] else . end)
    | (.[0] | digits3) + " " + $units[.[1]];

def time_text: if . == null then "-" else scaled(["ns", "us", "ms", "s"]; 1000) end;
def rate_text: if . == null then "-" else scaled(["/s", "k/s", "M/s", "G/s"]; 1000) end;
def size_text: if . < 1024 then "\(.) B" else scaled(["B", "KiB", "MiB", "GiB"]; 1024) end;

def right($n): (" " * ($n - ([length, $n] | min)) // "") + .;
def left($n): . + (" " * ($n - ([length, $n] | min)) // "");

def unit_text($unit):
    if . == null then "-"
    elif $unit == "/s" then rate_text
    elif $unit == "bytes" then size_text
    else time_text end;

def goal_text:
    if .goal == null then ""
    elif .ratio then (if .goal_is_least then ">= " else "<= " end) + (.goal | tostring)
    else "<= " + (.goal | size_text) end;

def result_text($value):
    if $value == null then "-" elif .ratio then ($value | digits3)
    else .unit as $unit | $value | unit_text($unit) end;

def marks_table:
    (("mark" | left(54)) + ("sill" | right(10)) + ("other" | right(10)) + ("result" | right(10))
     + ("rounds" | right(21)) + ("goal" | right(10)) + "  verdict"),
    (.[] | .unit as $unit
     | (.mark | left(54)) + (.ours | unit_text($unit) | right(10))
     + ((if .ratio then .base | unit_text($unit) else "" end) | right(10))
     + (result_text(.result) | right(10))
     + ((if .low == null then "" else result_text(.low) + " .. " + result_text(.high) end)
        | right(21))
     + (goal_text | right(10)) + "  " + .verdict
     + (if .missing then " (" + .missing + ")" else "" end));

def sizes_table:
    ([.[].times[].size] | unique) as $sizes
    | (("one way, median" | left(28)) + ([$sizes[] | size_text | right(10)] | add)),
      (.[] | . as $row | (.name | left(28))
       + ([$sizes[] as $s | ([$row.times[] | select(.size == $s) | .ns][0]) | time_text | right(10)]
          | add));

def rates_table:
    (("8-byte messages a second" | left(28)) + ("median" | right(12)) + ("low .. high" | right(26))),
    (.[] | (.name | left(28)) + (.per_second | rate_text | right(12))
     + ((.low | rate_text) + " .. " + (.high | rate_text) | right(26)));
