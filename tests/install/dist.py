#!/usr/bin/env python3
"""The tarball of a release: the same bytes twice, the formula for it, and a tree that configures without git.

    tests/install/dist.py       run by ctest as install.dist; skipped where this tree is no repository
"""
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def call(*words, **environment):
    done = subprocess.run(words, env={**os.environ, **environment}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          encoding="utf-8", check=False)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(words)}: exit status {done.returncode}\n{done.stdout}")
    return done.stdout


def make(folder, mask):
    """Runs tools/dist.sh under a umask, by a git that is told to heed it; the tarball's path and bytes."""
    call("sh", "-c", f'umask {mask}; sh "$0" "$1"', os.path.join(SOURCE, "tools", "dist.sh"), folder,
         GIT_CONFIG_COUNT="1", GIT_CONFIG_KEY_0="tar.umask", GIT_CONFIG_VALUE_0="user")
    name = next(n for n in os.listdir(folder) if n.endswith(".tar.gz"))
    with open(os.path.join(folder, name), "rb") as f:
        return os.path.join(folder, name), f.read()


def main():
    if not os.path.exists(os.path.join(SOURCE, ".git")) or not shutil.which("git"):
        print("SKIPPED: a tarball is made from a repository, by git")
        return 77
    with tempfile.TemporaryDirectory(prefix="efficientai-dist-") as scratch:
        tarball, content = make(os.path.join(scratch, "one"), "022")
        assert make(os.path.join(scratch, "two"), "077")[1] == content, "two tarballs of one commit differ"

        checksum = hashlib.sha256(content).hexdigest()
        with open(os.path.join(scratch, "one", "efficientai.rb"), encoding="utf-8") as f:
            formula = f.read()
        assert f'url "file://{tarball}"' in formula and f'sha256 "{checksum}"' in formula, formula

        name = os.path.basename(tarball)[:-len(".tar.gz")]
        with tarfile.open(tarball) as archive:
            outside = [n for n in archive.getnames() if n != name and not n.startswith(name + "/")]
            assert not outside, f"not below {name}/: {outside}"
            archive.extractall(scratch)
        # No git, and none found in a folder above either.
        said = call("cmake", "-S", os.path.join(scratch, name), "-B", os.path.join(scratch, "build"),
                    "-DEAI_TESTS=OFF", GIT_DIR=os.path.join(scratch, "none"))
        assert "Generating done" in said, said
        with open(os.path.join(scratch, "build", "efficientai.pc"), encoding="utf-8") as f:
            assert re.search(rf"^Version: {re.escape(name.split('-')[1])}$", f.read(), re.MULTILINE)
    print(f"{name}: ok")
    return 0


if __name__ == "__main__":
    sys.exit(main())
