#!/bin/sh
# Builds Debian's packages in FOLDER from the tarball of the last commit: tools/deb.sh FOLDER, for `make deb`.
#
# packaging/debian becomes debian/ of the unpacked tarball, so that nothing is written into this tree. No network
# is used. lintian looks at the result; an error or a warning of it is a failure. JOBS=N: compilers at once.
# Two of its warnings are not asked for: that no bug of Debian's is closed (the packages are for one's own machines, and
# nobody has announced them there), and that a project's own program has no manual page (efficientai-PROJECT-COMMAND(1) is about it).
set -eu
cd "$(dirname "$0")/.."
folder=${1:-build/deb}
rm -rf "$folder"
sh tools/dist.sh "$folder"
cd "$folder"
tarball=$(ls efficientai-*.tar.gz)
name=${tarball%.tar.gz}
mv "$tarball" "efficientai_${name#efficientai-}.orig.tar.gz"
rm -f ./*.sha256 efficientai.rb
tar -xzf "efficientai_${name#efficientai-}.orig.tar.gz"
cp -R "$name/packaging/debian" "$name/debian"
(cd "$name" && DEB_BUILD_OPTIONS="parallel=${JOBS:-2}" dpkg-buildpackage -us -uc) >build.log 2>&1 || {
    tail -n 20 build.log >&2
    printf 'deb: the build failed: %s/build.log has all lines\n' "$folder" >&2
    exit 1
}
rm -rf "$name"
lintian --allow-root --fail-on error,warning --tag-display-limit 0 \
    --suppress-tags initial-upload-closes-no-bugs,no-manual-page ./*.changes
ls -1 "$PWD"/*.deb
