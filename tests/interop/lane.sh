# What the two parts of the interop lane share. Whoever sources it sets $here, $root and $among, and
# defines command_of, which sets $command to the words that start a peer, and lacks, which prints why
# a peer can't take a part.
#
# The peers all have one command line, see peers/NpipesPeer.cs: "server|client byte|message <pipe
# name> [connections]"; a client waits for the pipe to appear. One line is printed per pair; a peer
# that can't be had, or that lacks a kind of pipe, is skipped by name.

export NPIPES_INTEROP_CACHE=${NPIPES_INTEROP_CACHE:-$root/target/interop}
readonly LIMIT=120
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
failures=0 pairs=0 others=()

fail() { echo "FAIL $*"; failures=$((failures + 1)); }

# obtain <peer> [how fetch calls it]: adds it to $others, and sets the variable of its name to its folder.
obtain() {
    local line
    line=$("$here/fetch" "${2:-$1}")
    case $? in
        0) others+=("$1"); declare -gr "$1=${line#*: ok }" ;;
        69) echo "skip $1: ${line#*: none: }" ;;
        *) fail "$line" ;;
    esac
}

# Builds our peer, and sets $ours to it.
build_ours() {
    (cd "$root" && cargo build --locked --example interop_peer) || exit
    ours=${CARGO_TARGET_DIR:-$root/target}/${CARGO_BUILD_TARGET:+$CARGO_BUILD_TARGET/}debug/examples/interop_peer
}

# serve <server> byte|message <pipe name>: starts it, as $serving, and waits until a client can connect.
serve() {
    command_of "$1"
    command=(timeout -k 5 $LIMIT "${command[@]}")
    start "${@:2}"
}

# Wine lets a client in while the listener still takes possession of its name, and then cuts it off.
start() {
    : >"$scratch/server"
    "${command[@]}" server "$@" </dev/null >>"$scratch/server" 2>&1 &
    serving=$!
    timeout $LIMIT grep -q listening <(tail -n +1 -f --pid=$serving "$scratch/server")
}

# call <client> byte|message <pipe name>: calls the server, and waits for both to end. Sets
# $client_code and $server_code.
call() {
    command_of "$1"
    timeout -k 5 $LIMIT "${command[@]}" client "$2" "$3" </dev/null >"$scratch/client" 2>&1
    client_code=$?
    # A server whose client failed may wait for ever.
    [ $client_code -eq 0 ] || kill $serving 2>/dev/null
    wait $serving
    server_code=$?
}

# report <title> <when it started>
report() {
    if [ $client_code -eq 0 ] && [ $server_code -eq 0 ]; then
        echo "ok   $1: $(tail -n 1 "$scratch/client" | tr -d '\r'), $(((${EPOCHREALTIME/./} - $2) / 1000)) ms"
    else
        fail "$1: client exit code $client_code, server $server_code"
        sed 's/^/     client: /' "$scratch/client"
        sed 's/^/     server: /' "$scratch/server"
    fi
}

# Sets $name to one that no other pair has.
new_name() { name=npipes-interop-$$-$((++pairs)); }

# pair <server> <client> byte|message [pipe name] [what to say of it]
pair() {
    local title="$1 server, $2 client, $3${5:+, $5}" reason started name=${4:-}
    if reason=$(lacks "$1" server "$3"); then
        echo "skip $title: $reason"
        return
    fi
    [ -n "$name" ] || new_name
    started=${EPOCHREALTIME/./}
    serve "$1" "$3" "$name"
    call "$2" "$3" "$name"
    report "$title" "$started"
}

# vectors_of <peer> <docs/wire-vectors.tsv, as the peer finds it>
vectors_of() {
    local count
    count=$(cut -f 2 "$root/docs/wire-vectors.tsv" | grep -cx documented)
    command_of "$1"
    if timeout -k 5 $LIMIT "${command[@]}" vectors "$2" </dev/null >"$scratch/vectors" 2>&1 \
        && tr -d '\r' <"$scratch/vectors" | grep -qx "ok $count vectors"; then
        echo "ok   $1, docs/wire-vectors.tsv: ok $count vectors"
    else
        fail "$1, docs/wire-vectors.tsv: $count vectors"
        sed 's/^/     /' "$scratch/vectors"
    fi
}

# all_pairs byte|message...: ours with every other, or the others among themselves.
all_pairs() {
    local mode other client
    for mode; do
        for other in "${others[@]}"; do
            if [ "$among" = ours ]; then
                pair "$other" npipes "$mode"
                pair npipes "$other" "$mode"
            else
                for client in "${others[@]}"; do pair "$other" "$client" "$mode"; done
            fi
        done
    done
}
