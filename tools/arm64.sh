#!/bin/sh
# Builds for 64-bit ARM and runs the unit, operation and corpus tests under qemu, on a Debian machine of
# another kind: tools/arm64.sh [ctest's words ...], usually as `make arm64`.
#
# The emulated processor has all that qemu knows, so that the engine's rows for it are run and not
# skipped; CPU=NAME takes another one (`qemu-aarch64 -cpu help` lists them). Without words the products
# and operations are also run on a processor without bf16, which has to do with less. The first run takes
# Debian's arm64 libraries into build-arm64/sysroot, unpacked and never installed, which needs root
# and the network (MIRROR=URL names a mirror other than Debian's own). Emulation is 10 to 50 times
# slower; the tests on the real model are skipped. Left out are those that start programs of their own,
# which the kernel would refuse: the command line, the projects, and a child in unit.base.alloc; and
# unit.cli.lost_file, where a child dies of a signal, which the emulator has something to say of.
set -eu
cd "$(dirname "$0")/.."
sysroot=build-arm64/sysroot
archives=build-arm64/archives
packages=libc6-dev,libjansson-dev,libpcre2-dev,libutf8proc-dev,libssl-dev,libcurl4-openssl-dev,libarchive-dev,libyaml-dev,libcairo2-dev,libcmocka-dev

# The base system and compilers come along with what needs them; libraries and headers are enough.
make_sysroot() {
    debootstrap --download-only --arch=arm64 --variant=minbase --include="$packages" \
        bookworm "$PWD/$archives" ${MIRROR:+"$MIRROR"} >build-arm64/debootstrap.log 2>&1 ||
        { tail -n 20 build-arm64/debootstrap.log >&2; exit 1; }
    rm -rf "$sysroot.new"
    mkdir -p "$sysroot.new/usr/lib"
    ln -s usr/lib "$sysroot.new/lib"
    find "$archives/var/cache/apt/archives" \( -name 'lib*.deb' -o -name 'linux-libc-dev*.deb' \
        -o -name 'zlib*.deb' -o -name 'uuid-dev*.deb' -o -name 'x11*.deb' -o -name 'xorg*.deb' \) |
        while IFS= read -r package; do
            dpkg-deb --fsys-tarfile "$package" | tar -x --keep-directory-symlink -f - -C "$sysroot.new"
        done
    rm -rf "$archives"
    mv "$sysroot.new" "$sysroot"
}

# run_tests CPU [ctest's words ...]
run_tests() {
    QEMU_CPU=${CPU:-$1}
    export QEMU_CPU
    shift
    echo "emulated processor: $QEMU_CPU"
    ctest --output-on-failure --output-log tests.log -j "${JOBS:-2}" -LE 'cli|projects|check' \
        -E 'unit\.(base\.alloc|cli\.lost_file)' "$@"
    # What is reported as skipped passes; the rows of this processor must not be.
    if [ "$QEMU_CPU" = max ] && grep 'neon.*Skipped' tests.log >&2; then
        echo "arm64: qemu's processor 'max' lacks what these need" >&2
        exit 1
    fi
}

mkdir -p build-arm64
[ -d "$sysroot" ] || make_sysroot
cmake -S . -B build-arm64/toolkit -DCMAKE_TOOLCHAIN_FILE=cmake/arm64.cmake -DEAI_WERROR="${EAI_WERROR:-OFF}" \
    >build-arm64/configure.log 2>&1 || { cat build-arm64/configure.log; exit 1; }
cmake --build build-arm64/toolkit -j "${JOBS:-2}"
cd build-arm64/toolkit
EFFICIENTAI_CACHE=$PWD/no-model
export EFFICIENTAI_CACHE
EFFICIENTAI_TEST_NATIVE=1
export EFFICIENTAI_TEST_NATIVE
run_tests max "$@"
[ $# -gt 0 ] || [ -n "${CPU:-}" ] || run_tests cortex-a72 -R '^(unit\.engine\.(gemm|int8)|ops\.check\.(scalar|neon.*))$'
