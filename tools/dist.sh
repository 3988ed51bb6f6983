#!/bin/sh
# Makes the tarball of a release from the last commit: tools/dist.sh FOLDER, for `make dist`.
#
#   FOLDER/efficientai-VERSION.tar.gz    the tree; the same commit gives the same bytes
#   FOLDER/efficientai-VERSION.sha256    its checksum, as `sha256sum -c` reads it
#   FOLDER/efficientai.rb                packaging/homebrew/efficientai.rb with this file and checksum
#
# VERSION is the one of project() in CMakeLists.txt. The tarball builds without git.
set -eu
cd "$(dirname "$0")/.."
folder=${1:-build/dist}

fail() {
    printf 'dist: %s\n' "$*" >&2
    exit 1
}

checksum() {
    if command -v sha256sum >/dev/null 2>&1; then
        sha256sum "$1" | cut -d ' ' -f 1
    else
        shasum -a 256 "$1" | cut -d ' ' -f 1
    fi
}

[ -e .git ] || fail "no repository here: a tarball is made from a commit"
[ -z "$(git status --porcelain)" ] || printf 'dist: changes since the last commit are left out\n' >&2
version=$(git show HEAD:CMakeLists.txt | sed -n 's/^project(efficientai VERSION \([0-9.]*\) .*/\1/p')
[ -n "$version" ] || fail "CMakeLists.txt: no project(efficientai VERSION ...)"
name=efficientai-$version
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
# Names and times come from the commit; the umask and gzip's header would come from this machine.
git -c tar.umask=0022 archive --format=tar --prefix="$name/" HEAD | gzip -9n >"$folder/$name.tar.gz.new"
mv "$folder/$name.tar.gz.new" "$folder/$name.tar.gz"
sum=$(checksum "$folder/$name.tar.gz")
printf '%s  %s\n' "$sum" "$name.tar.gz" >"$folder/$name.sha256"
sed "s|^  url .*|  url \"file://$folder/$name.tar.gz\"|; s|^  sha256 .*|  sha256 \"$sum\"|" \
    packaging/homebrew/efficientai.rb >"$folder/efficientai.rb"
printf '%s  %s\n' "$sum" "$folder/$name.tar.gz"
