#!/bin/sh
# Puts the kubelet's credential provider on this node, whose root is in HOST, and restarts the kubelet when something changed.
#
# A profile sets CONFIGURATION (a file) and PROGRAMS (a folder), where the kubelet looks for them, and UNITS, of which the
# one that runs is restarted. FLAGS is the file of the kubelet's arguments, where it has to be told of both.
# MERGE=yes keeps the other providers of a configuration in JSON.
set -eu

HOST=${HOST-/host}
# Until the kubelet was restarted: on a file system that a start of the node empties.
pending=$HOST/run/transire-kubelet-provider

fail() {
    echo "$*" >&2
    exit 1
}

# put SOURCE TARGET MODE: a kubelet sees the old file or the new one.
put() {
    if cmp -s "$1" "$HOST$2"; then
        return
    fi
    mkdir -p "$(dirname "$HOST$2")"
    cp "$1" "$HOST$2.new"
    chmod "$3" "$HOST$2.new"
    touch "$pending"
    mv "$HOST$2.new" "$HOST$2"
    echo "wrote $2"
}

# Runs a program of the node's own: systemctl, and jq, which this image hasn't.
on_node() { ${ON_NODE-nsenter --target 1 --mount --} "$@"; }

# One provider, which is this one.
is_ours() { [ "$(grep -c 'matchImages:' "$1")" = 1 ] && grep -q 'name: transire$' "$1"; }

configure() {
    if [ "${MERGE-}" = yes ]; then
        cp "$ours/transire.json" "$HOST/run/transire.json"
        on_node jq '.providers |= (map(select(.name != "transire")) + $ours[0].providers)' \
            --slurpfile ours /run/transire.json "$CONFIGURATION" >/tmp/both.json
        put /tmp/both.json "$CONFIGURATION" 0644
        return
    fi
    if [ -e "$HOST$CONFIGURATION" ] && ! is_ours "$HOST$CONFIGURATION"; then
        fail "$CONFIGURATION has other providers: add the one of credential-provider.yaml to it yourself"
    fi
    put "$ours/credential-provider.yaml" "$CONFIGURATION" 0644
}

tell_kubelet() {
    flags="--image-credential-provider-config=$CONFIGURATION --image-credential-provider-bin-dir=$PROGRAMS"
    if grep -qF -- "$flags" "$HOST$FLAGS" 2>/dev/null; then
        return
    fi
    if grep -q '^KUBELET_EXTRA_ARGS=..' "$HOST$FLAGS" 2>/dev/null; then
        fail "$FLAGS sets KUBELET_EXTRA_ARGS: add $flags to it yourself"
    fi
    mkdir -p "$(dirname "$HOST$FLAGS")"
    touch "$pending"
    echo "KUBELET_EXTRA_ARGS=\"$flags\"" >>"$HOST$FLAGS"
    echo "wrote $FLAGS"
}

ours=$(dirname "$0")
put "${PROGRAM-/transire/usr/bin/transire}" "$PROGRAMS/transire" 0755
configure
[ -z "${FLAGS-}" ] || tell_kubelet
[ -e "$pending" ] || exit 0
for unit in $UNITS; do
    if on_node systemctl is-active --quiet "$unit"; then
        on_node systemctl restart "$unit"
        rm "$pending"
        echo "restarted $unit"
        exit 0
    fi
done
fail "none of these runs on this node: $UNITS"
