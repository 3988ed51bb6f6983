#!/bin/sh
# Installs what the toolkit needs to be built and tested, by name, through the system's package manager.
#
#   tools/setup.sh              what `make build`, `make test` and `make demo` need
#   tools/setup.sh format       clang-format, for `make format` and `make format-check`
#   tools/setup.sh lint         clang-tidy, shellcheck and codespell, for `make tidy`
#   tools/setup.sh clang        clang, for `make clang`
#   tools/setup.sh peers        Python's venv, for `make interop` and `make bench`
#   tools/setup.sh mlx          a C++ compiler, OpenBLAS and Python's venv, for `make mlx`
#   tools/setup.sh bench        tcmalloc, which `make bench` preloads for PEFT (macOS preloads nothing)
#   tools/setup.sh instructions valgrind, for `make instructions` (macOS has none, and skips it)
#   tools/setup.sh fuzz         clang with libFuzzer, for `make fuzz`
#   tools/setup.sh deb          debhelper and lintian, for `make deb` (Debian only)
#   tools/setup.sh arm64        cross compiler and emulator, for `make arm64` (Debian only)
#
# Each need is one row: how to see that it is there, and its name with apt-get and with Homebrew. When
# nothing is missing, no package manager is called, so it is cheap to run before every build. It never
# removes or upgrades anything. Not done here: the default model (`efficientai models get`).
set -eu

#  what            how to see that it is there                   Debian, Ubuntu     Homebrew
build_needs='
compiler          |command -v cc                                |build-essential   |
cmake             |command -v cmake                             |cmake             |cmake
pkg-config        |command -v pkg-config                        |pkg-config        |pkg-config
jansson           |have_library jansson                         |libjansson-dev    |jansson
pcre2             |have_library libpcre2-8                      |libpcre2-dev      |pcre2
utf8proc          |have_library libutf8proc                     |libutf8proc-dev   |utf8proc
libcrypto         |have_library libcrypto                       |libssl-dev        |openssl@3
libcurl           |have_library libcurl                        |libcurl4-openssl-dev|curl
libarchive        |have_library libarchive                     |libarchive-dev    |libarchive
cairo             |have_library cairo                           |libcairo2-dev     |cairo
libyaml           |have_library yaml-0.1                        |libyaml-dev       |libyaml
zlib              |have_library zlib                            |zlib1g-dev        |zlib
cmocka            |have_library cmocka                          |libcmocka-dev     |cmocka
python3           |command -v python3                           |python3           |python3
pip               |have_pip                                     |python3-pip       |python3
'
format_needs='
clang-format 14   |have_clang_format                            |clang-format-14   |llvm@14
'
lint_needs='
clang-tidy        |command -v clang-tidy-14 || command -v clang-tidy |clang-tidy-14|llvm
shellcheck        |command -v shellcheck                        |shellcheck        |shellcheck
codespell         |command -v codespell                         |codespell         |codespell
'
clang_needs='
clang             |command -v clang-14 || command -v clang      |clang-14          |llvm
'
peers_needs='
venv              |python3 -c "import venv, ensurepip"          |python3-venv      |python3
'
mlx_needs='
C++ compiler      |command -v c++                               |build-essential   |
OpenBLAS          |have_openblas                                |libopenblas-dev   |
venv              |python3 -c "import venv, ensurepip"          |python3-venv      |python3
'
bench_needs='
tcmalloc          |have_tcmalloc                                |libtcmalloc-minimal4|
'
instructions_needs='
valgrind          |have_valgrind                                |valgrind          |
'
fuzz_needs='
clang             |command -v clang-14 || command -v clang      |clang-14          |llvm
libFuzzer         |have_fuzzer                                  |libclang-rt-14-dev|llvm
'
deb_needs='
dpkg-buildpackage |command -v dpkg-buildpackage                 |dpkg-dev          |
debhelper         |command -v dh                                |debhelper         |
lintian           |command -v lintian                           |lintian           |
'
arm64_needs='
cross compiler    |command -v aarch64-linux-gnu-gcc             |gcc-aarch64-linux-gnu|
emulator          |command -v qemu-aarch64                      |qemu-user         |
debootstrap       |test -x /usr/sbin/debootstrap                |debootstrap       |
'

have_library() {
    pkg-config --exists "$1"
}

have_pip() {
    python3 -c 'import pip'
}

have_clang_format() {
    command -v clang-format-14 || clang-format --version | grep -q 'version 14\.'
}

have_valgrind() {
    command -v valgrind || [ "$(uname -s)" = Darwin ]
}

have_tcmalloc() {
    [ "$(uname -s)" = Darwin ] || python3 -c 'import ctypes.util, sys; sys.exit(not ctypes.util.find_library("tcmalloc_minimal"))'
}

# MLX on a Mac has Accelerate.
have_openblas() {
    [ "$(uname -s)" = Darwin ] || have_library openblas || cc -lopenblas -shared -o /dev/null
}

have_fuzzer() {
    clang=$(command -v clang-14 || command -v clang) &&
        ls "$("$clang" -print-resource-dir)"/lib/*/*fuzzer*
}

say() {
    printf 'setup: %s\n' "$*" >&2
}

fail() {
    say "$*"
    exit 1
}

trim() {
    printf '%s' "$1" | sed 's/^ *//; s/ *$//'
}

# Prints the packages (column 3 with apt-get, 4 with Homebrew) of the rows whose check fails.
missing_packages() {
    printf '%s\n' "$needs" | while IFS= read -r row; do
        [ -n "$row" ] || continue
        # The second column may hold "||": split at the last two bars instead.
        brew=$(trim "${row##*|}")
        rest=${row%|*}
        apt=$(trim "${rest##*|}")
        rest=${rest%|*}
        check=$(trim "${rest#*|}")
        if ! (eval "$check") >/dev/null 2>&1; then
            if [ "$1" = names ]; then
                trim "${rest%%|*}"
                echo
            elif [ "$1" = apt ]; then
                echo "$apt"
            else
                echo "$brew"
            fi
        fi
    done
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif [ -t 0 ]; then
        sudo "$@"
    else
        sudo -n "$@"
    fi
}

# Runs a command up to three times, for networks that hiccup.
retry() {
    for pause in 2 10 0; do
        "$@" && return 0
        [ "$pause" -eq 0 ] || sleep "$pause"
    done
    return 1
}

install_with_apt() {
    packages=$(missing_packages apt | sort -u | tr '\n' ' ')
    if [ "$(id -u)" -ne 0 ] && ! command -v sudo >/dev/null 2>&1; then
        fail "neither root nor sudo: ask an administrator to run: apt-get install $packages"
    fi
    say "installing $packages"
    retry as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq update ||
        say "the package lists could not be refreshed; trying with the ones at hand"
    # $packages is a list of names on purpose.
    # shellcheck disable=SC2086
    retry as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Acquire::Retries=3 \
        install -y --no-install-recommends $packages >&2 ||
        fail "apt-get could not install: $packages"
}

install_with_brew() {
    packages=$(missing_packages brew | sed '/^$/d' | sort -u | tr '\n' ' ')
    [ -n "$packages" ] || return 0
    say "installing $packages"
    # shellcheck disable=SC2086
    retry brew install $packages >&2 || fail "Homebrew could not install: $packages"
}

# Homebrew keeps openssl@3, curl and libarchive off the default path.
use_brew_paths() {
    for prefix in /opt/homebrew /usr/local; do
        for library in openssl@3 curl libarchive; do
            folder=$prefix/opt/$library/lib/pkgconfig
            if [ -d "$folder" ]; then
                PKG_CONFIG_PATH=$folder${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}
                export PKG_CONFIG_PATH
            fi
        done
    done
}

case ${1:-build} in
build) needs=$build_needs ;;
format) needs=$format_needs ;;
lint) needs=$lint_needs ;;
clang) needs=$clang_needs ;;
peers) needs=$peers_needs ;;
mlx) needs=$mlx_needs ;;
bench) needs=$bench_needs ;;
instructions) needs=$instructions_needs ;;
fuzz) needs=$fuzz_needs ;;
deb) needs=$deb_needs ;;
arm64) needs=$arm64_needs ;;
*) fail "unknown group '$1': build, format, lint, clang, peers, mlx, bench, instructions, fuzz, deb or arm64" ;;
esac

system=$(uname -s)
[ "$system" != Darwin ] || use_brew_paths
names=$(missing_packages names | tr '\n' ',' | sed 's/,$//; s/,/, /g')
[ -n "$names" ] || exit 0
say "missing: $names"

if [ "$system" = Darwin ]; then
    command -v cc >/dev/null 2>&1 || fail "no C compiler: run 'xcode-select --install' first"
    command -v brew >/dev/null 2>&1 || fail "Homebrew is needed to install: $names"
    install_with_brew
    use_brew_paths
elif command -v apt-get >/dev/null 2>&1; then
    install_with_apt
else
    fail "no apt-get here: install these with your package manager, then run this again: $names"
fi

names=$(missing_packages names | tr '\n' ',' | sed 's/,$//; s/,/, /g')
[ -z "$names" ] || fail "still missing after the installation: $names"
say "all there"
