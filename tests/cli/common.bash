# What the tests of the sill command share. A test is called with the program, and after it what
# runs the program (nothing, or ci/wine). It works in a directory of its own, which is also its
# runtime directory's place, and ends with status 0, or 1 after telling what went wrong.
set -u

program=$1
shift
runner=("$@")
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/sill-cli-XXXXXX")
mkdir -m 0700 "$work/run"
cd "$work" || exit 1
unset SILL_POLICY SILL_FAMILY SILL_STOP_AT
export XDG_CONFIG_HOME=$work/config
case $program in
*.exe) windows=yes SILL_RUNTIME_DIR=Z:$work/run self=Z:$program ;;
*) windows='' SILL_RUNTIME_DIR=$work/run self=$program ;;
esac
export SILL_RUNTIME_DIR

# Long enough never to pass on a busy machine unless something hangs.
patience=60000
pids=()

# Ends what still runs, in order if it can be: a server takes its commands with it.
finish() {
    local status=$? pid i
    trap - EXIT
    [ ${#pids[@]} = 0 ] || kill -INT "${pids[@]}" 2>/dev/null
    for ((i = 0; i < 30; i++)); do
        kill -0 "${pids[@]}" 2>/dev/null || break
        sleep 0.1
    done
    for pid in "${pids[@]}"; do
        kill -9 "$pid" 2>/dev/null
        wait "$pid" 2>/dev/null
    done
    cd / && rm -rf "$work"
    exit $status
}
trap finish EXIT
trap 'exit 1' INT TERM

fail() {
    echo "FAILED: $*"
    local log
    for log in "$work"/*.log "$work"/said; do
        [ ! -s "$log" ] || { echo "-- ${log##*/}:"; tail -20 "$log"; }
    done
    exit 1
}

passed() { echo "ok: $*"; }

skip() { echo "skipped: $*"; }

sill() { "${runner[@]}" "$program" "$@"; }

# start NAME ARGUMENT...: the command in the background; its output in NAME.out and NAME.log, its
# process in $NAME_pid. In a job of its own, so that it does not ignore SIGINT as other background
# processes of a script do.
start() {
    local name=$1
    shift
    rm -f "$name.out" "$name.log"
    set -m
    "${runner[@]}" "$program" "$@" >"$name.out" 2>"$name.log" </dev/null &
    printf -v "${name}_pid" %s "$!"
    pids+=("$!")
    set +m
}

# expect STATUS ARGUMENT...: runs the command; what it says goes to `said`, what it gives to `out`.
expect() {
    local wanted=$1 got
    shift
    sill "$@" >out 2>said
    got=$?
    # Wine's loader at times aborts when a program has come to its end.
    if [ -n "$windows" ] && grep -q 'Inconsistency detected by ld.so' said; then
        sill "$@" >out 2>said
        got=$?
    fi
    [ "$got" = "$wanted" ] || fail "sill $*: exit status $got instead of $wanted"
}

# ended NAME STATUS: waits for the end of what `start` started.
ended() {
    local pid=${1}_pid got i
    for ((i = 0; i < 1200; i++)); do
        kill -0 "${!pid}" 2>/dev/null || break
        sleep 0.05
    done
    [ "$i" != 1200 ] || fail "$1 does not end"
    { wait "${!pid}"; } 2>/dev/null
    got=$?
    [ "$got" = "$2" ] || fail "$1 ended with status $got instead of $2"
}

said() { grep -qE -- "$1" said || fail "not said: $1"; }

gave() { grep -qE -- "$1" out || fail "not in the output: $1"; }

# await TEXT FILE: until the text is in the file.
await() {
    local i
    for ((i = 0; i < 600; i++)); do
        ! grep -qE -- "$1" "$2" 2>/dev/null || return 0
        sleep 0.1
    done
    fail "$2 never said: $1"
}

# await_child PROCESS: until it has started another one; that one's number is in $child.
await_child() {
    local i
    for ((i = 0; i < 600; i++)); do
        child=$(cat "/proc/$1"/task/*/children 2>/dev/null)
        child=${child%% *}
        [ -z "$child" ] || return 0
        sleep 0.1
    done
    fail "process $1 never started another one"
}

# await_end PROCESS: until it is gone.
await_end() {
    local i
    for ((i = 0; i < 600; i++)); do
        kill -0 "$1" 2>/dev/null || return 0
        sleep 0.1
    done
    fail "process $1 lives on"
}

# await_files N DIRECTORY: until so many are there.
await_files() {
    local i found
    for ((i = 0; i < 600; i++)); do
        found=("$2"/*)
        [ ${#found[@]} != "$1" ] || return 0
        sleep 0.1
    done
    fail "never $1 files in $2"
}

# await_any DIRECTORY: until something is there.
await_any() {
    local i
    for ((i = 0; i < 600; i++)); do
        [ -z "$(find "$1" -mindepth 1 ! -name .lock)" ] || return 0
        sleep 0.1
    done
    fail "$1 stays empty"
}

bytes() { head -c "$1" /dev/urandom >"$2"; }

# is_json FILE: all of it is one JSON value.
is_json() {
    cmake -DFILE="$PWD/$1" -P "$here/json.cmake" || fail "$1 is no JSON"
}

# Nothing is left but what the runtime directory always has.
left_nothing() {
    local left
    left=$(find "$work/run" -mindepth 1 ! -name .lock)
    [ -z "$left" ] || fail "left behind: $left"
}
