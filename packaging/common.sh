# Steps that the packages share. Sourced by `packaging/deb`, `packaging/image` and `packaging/release`, which
# have gone to the root of the sources.

say() { printf '==> %s\n' "$*"; }
fail() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

target=${CARGO_TARGET_DIR:-$PWD/target}

# Two packages of the same sources are the same, whenever they are made: each time in them is the commit's.
if [[ -z ${SOURCE_DATE_EPOCH:-} ]]; then
    SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null || stat --format=%Y CHANGELOG.md)
fi
export SOURCE_DATE_EPOCH
export LC_ALL=C TZ=UTC
umask 022

# Tells whether these tools are there, and names the package of one that isn't.
need() {
    local pair
    for pair in "$@"; do
        command -v "${pair%%:*}" >/dev/null || fail "${pair%%:*} is missing: install the Debian package ${pair##*:}"
    done
}

# Sets `program` to the one to be packed; without one it builds `--profile dist`.
find_program() {
    program=${1:-}
    if [[ -z $program ]]; then
        say "Building (--profile dist)"
        cargo build --locked --profile dist
        program=$target/dist/transire
    fi
    [[ -x $program ]] || fail "$program is no program"
    # Manual pages and completions are its own, so it has to run here.
    version=$(env -i "$program" --version | cut -d' ' -f2) || fail "$program doesn't run on this machine"
}

# Installs the program, without symbols, and the names by which docker and the kubelet call it.
install_programs() {
    local root=$1
    install -d "$root/usr/bin" "$root/usr/lib/transire/credential-providers"
    install -m 755 "$program" "$root/usr/bin/transire"
    strip --remove-section=.comment --remove-section=.note "$root/usr/bin/transire"
    ln -s transire "$root/usr/bin/docker-credential-transire"
    # The kubelet calls a provider by the name of a file in a folder that holds providers alone.
    ln -s ../../../bin/transire "$root/usr/lib/transire/credential-providers/transire"
}

# Writes the manual pages and the completions.
install_manual() {
    local root=$1 shell place
    env -i "$program" man --out "$root/usr/share/man/man1"
    ln -s transire-docker-credential.1 "$root/usr/share/man/man1/docker-credential-transire.1"
    while read -r shell place; do
        install -d "$root/usr/share/${place%/*}"
        env -i "$program" completions "$shell" >"$root/usr/share/$place"
    done <<'END'
bash bash-completion/completions/transire
zsh zsh/vendor-completions/_transire
fish fish/vendor_completions.d/transire.fish
END
}

# Writes the settings to begin with: all commented out, but for the data's folder.
write_settings() {
    local line
    env -i "$program" config example | while IFS= read -r line; do
        [[ $line != '#data_dir = '* ]] || line='data_dir = "/var/lib/transire"'
        printf '%s\n' "$line"
    done >"$1"
    grep -q '^data_dir = ' "$1" || fail "the settings have no data_dir"
}

# Gives every file of a folder the same time.
settle_times() { find "$1" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +; }
