#!/bin/sh
# Proves the README's first lines on a system that has nothing: tools/bare_debian.sh [root|user] [COMMAND ...]
#
# Makes a minimal Debian 12 with debootstrap, adds what "type make in a clone" implies (git, make,
# ca-certificates) and nothing else, clones the last commit of this tree there and types the commands,
# `make demo SHORT=1` and `make test` unless others are given, one string each. The cache is empty, there
# is no terminal, no locale is set.
#
#   root            type them as root (default)
#   user            type them as a user who may use sudo without a password; adds the package sudo
#   FOLDER=DIR      where the system is made (/var/tmp/efficientai-bare); removed at the end
#   KEEP=1          leave it there, to look at
#   MIRROR=URL      Debian's mirror; otherwise the one that this machine uses
#
# Needs root, debootstrap and the network, and half an hour; not part of continuous integration. The
# machine's name server, own certificates and pip's settings are passed on. All mounts belong to a mount
# namespace that ends with the commands, however they end, so nothing can be left mounted.
set -eu
cd "$(dirname "$0")/.."
folder=${FOLDER:-/var/tmp/efficientai-bare}
log=$folder/made-by-bare-debian.log # its presence also allows this script to remove the folder

say() {
    printf 'bare: %s\n' "$*" >&2
}

fail() {
    say "$*"
    exit 1
}

# The first address that apt uses for Debian itself.
find_mirror() {
    cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources 2>/dev/null |
        sed -n 's/^\(URIs:\|deb\) .*\(https\{0,1\}:[^ ]*\/debian\)\/\{0,1\}\( .*\)\{0,1\}$/\2/p' | head -n 1
}

remove_system() {
    if [ -e "$log" ]; then
        rm -rf --one-file-system "$folder"
    fi
}

make_system() {
    packages=make,git,ca-certificates
    [ "$who" = root ] || packages=$packages,sudo
    mkdir -p "$folder"
    say "a minimal Debian 12 from $mirror in $folder"
    debootstrap --variant=minbase --include="$packages" bookworm "$folder" "$mirror" >"$log" 2>&1 ||
        { tail -n 20 "$log" >&2; fail "debootstrap failed"; }
    cat >"$folder/etc/apt/sources.list" <<TEXT
deb $mirror bookworm main
deb $mirror bookworm-updates main
deb $mirror-security bookworm-security main
TEXT
    cp -L /etc/resolv.conf /etc/hosts "$folder/etc/"
    find /usr/local/share/ca-certificates -name '*.crt' -exec cp {} "$folder/usr/local/share/ca-certificates/" ';'
    chroot "$folder" /usr/sbin/update-ca-certificates >/dev/null
    git bundle create -q "$folder/tree.bundle" HEAD
    if [ "$who" = user ]; then
        chroot "$folder" /usr/sbin/useradd --create-home --shell /bin/sh newcomer
        echo 'newcomer ALL=(ALL) NOPASSWD: ALL' >"$folder/etc/sudoers.d/newcomer"
    fi
}

# Runs chroot with the words given, in a namespace of mounts and processes of its own.
chroot_apart() {
    # shellcheck disable=SC2016
    unshare --mount --pid --fork --kill-child sh -c '
        folder=$1
        shift
        mount -t proc proc "$folder/proc" && mount -t sysfs -o ro sysfs "$folder/sys" &&
            mount -t tmpfs tmpfs "$folder/dev/shm" && mount -t devpts devpts "$folder/dev/pts" || exit 1
        exec chroot "$@"' mounts "$folder" "$@"
}

# Types the commands inside and says how long each took.
run_newcomer() {
    home=/root
    [ "$who" = root ] || home=/home/newcomer
    # shellcheck disable=SC2016
    set -- sh -ec '
        cd
        git clone --quiet /tree.bundle toolkit
        cd toolkit
        for typed; do
            printf "\n$ %s\n" "$typed"
            started=$(date +%s)
            sh -c "$typed" || { echo "bare: failed: $typed" >&2; exit 1; }
            echo "bare: passed in $(($(date +%s) - started)) s: $typed"
        done' newcomer "$@"
    for name in PIP_CERT PIP_DEFAULT_TIMEOUT PIP_INDEX_URL http_proxy https_proxy no_proxy; do
        value=$(printenv "$name" || true)
        [ -z "$value" ] || set -- "$name=$value" "$@"
    done
    set -- env -i HOME="$home" USER="$who" TERM=dumb \
        PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"
    if [ "$who" = root ]; then
        set -- "$folder" "$@"
    else
        set -- --userspec=newcomer:newcomer "$folder" "$@"
    fi
    chroot_apart "$@" </dev/null
}

who=${1:-root}
[ $# -eq 0 ] || shift
[ $# -gt 0 ] || set -- 'make demo SHORT=1' 'make test'
case $who in
root | user) ;;
*) fail "first comes root or user, not '$who'" ;;
esac
[ "$(id -u)" -eq 0 ] || fail "only root can make a system: sudo sh tools/bare_debian.sh"
for tool in debootstrap unshare chroot git; do
    command -v "$tool" >/dev/null || fail "missing: $tool (apt-get install debootstrap)"
done
mirror=${MIRROR:-$(find_mirror)}
[ -n "$mirror" ] || fail "no mirror of Debian in /etc/apt: give MIRROR=URL"
remove_system
[ ! -e "$folder" ] || fail "$folder exists and was not made by this script: give FOLDER=DIR"
[ -n "${KEEP:-}" ] || trap remove_system EXIT
trap 'exit 130' INT TERM
make_system
run_newcomer "$@"
