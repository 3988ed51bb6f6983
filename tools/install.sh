#!/bin/sh
# Installs what was built, and removes it again: for `make install` and `make uninstall`.
#
#   tools/install.sh BUILD PREFIX     below PREFIX, and below DESTDIR where that is set, as packagers do
#   tools/install.sh BUILD            removes what the last installation from BUILD brought
#
# CMake's own list, install_manifest.txt, does not know DESTDIR and is anyone's who installs from BUILD, so what
# was installed here is kept in BUILD/installed.txt (INSTALLED=FILE: elsewhere). Folders that are empty afterwards
# go too, but those directly in PREFIX (bin, lib) and share/man, which a system may have had before.
set -eu
build=$1
prefix=${2:-}
list=${INSTALLED:-$build/installed.txt}

say() {
    printf 'install: %s\n' "$*"
}

install_all() {
    cmake --install "$build" --prefix "$prefix" >"$build/install.log" 2>&1 || {
        tail -n 5 "$build/install.log" >&2
        say "could not install below ${DESTDIR:-}$prefix: $build/install.log has all lines" >&2
        exit 1
    }
    # First the place, then the files, one a line; the last line of CMake's list may end without a newline.
    {
        printf '%s\n' "${DESTDIR:-}${prefix%/}"
        while IFS= read -r file || [ -n "$file" ]; do
            printf '%s%s\n' "${DESTDIR:-}" "$file"
        done <"$build/install_manifest.txt"
    } >"$list"
    say "$(($(wc -l <"$list") - 1)) files below ${DESTDIR:-}$prefix; 'make uninstall' removes them"
}

# Removes the folder and those above it up to the place, as far as they are empty.
remove_empty() {
    folder=$1
    while [ "${folder%/*}" != "$place" ] && [ "$folder" != "$place/share/man" ]; do
        rmdir "$folder" 2>/dev/null || return 0
        folder=${folder%/*}
    done
}

uninstall_all() {
    [ -f "$list" ] || {
        say "nothing was installed from $build: there is no $list" >&2
        exit 1
    }
    place=$(sed -n 1p "$list")
    files=$(sed 1d "$list")
    printf '%s\n' "$files" | while IFS= read -r file; do
        case $file in
        "$place"/*) rm -f "$file" ;;
        *) say "left alone, for it is not below $place: $file" >&2 ;;
        esac
    done
    printf '%s\n' "$files" "$place/lib/efficientai/plugins/" | while IFS= read -r file; do
        case $file in
        "$place"/*/*/*) remove_empty "${file%/*}" ;;
        esac
    done
    rm -f "$list"
    say "removed what was installed below $place"
}

if [ -n "$prefix" ]; then
    install_all
else
    uninstall_all
fi
