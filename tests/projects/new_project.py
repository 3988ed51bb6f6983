#!/usr/bin/env python3
"""A new project builds and passes its tests at once: `efficientai new-project`, then CMake and ctest against the
toolkit's build folder; as a plugin of the command and as a program of its own, in every shell that is here.

    tests/projects/new_project.py BUILD        exit status 77 without CMake, and with a sanitizer
"""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import builds

failures = []


def check(condition, what):
    if not condition:
        failures.append(what)
        print("failed:", what)


def run(command, **options):
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300, **options)


def must(command, **options):
    result = run(command, **options)
    check(result.returncode == 0, f"{command}: exit {result.returncode}: {result.stdout}{result.stderr}")
    return result


def greet_in(shell, program, folder):
    """The three ways to name a command, as somebody types them."""
    environment = {**os.environ, "EFFICIENTAI_PLUGIN_PATH": os.path.join(folder, "build/plugins")}
    for words in ("demo-one:greet you", "demo-one greet you", "demo-one:greet --times=1 you"):
        result = run([shell, "-c", f"{program} {words}"], env=environment)
        check(result.stdout == "hello, you\n", f"{shell}: efficientai {words}: {result.stdout!r} {result.stderr!r}")


def main():
    build = os.path.abspath(sys.argv[1])
    program = os.path.join(build, "bin", "efficientai")
    if not shutil.which("cmake"):
        print("SKIPPED: no CMake")
        return 77
    if builds.is_sanitized(pathlib.Path(build)):
        print("SKIPPED: a project of its own, without the sanitizer, cannot load a library with it")
        return 77
    with tempfile.TemporaryDirectory() as scratch:
        folder = os.path.join(scratch, "demo-one")
        must([program, "new-project", "demo-one", "--output", folder])
        must(["cmake", "-S", folder, "-B", folder + "/build", f"-Defficientai_DIR={build}"])
        must(["cmake", "--build", folder + "/build"])
        tests = must(["ctest", "--test-dir", folder + "/build", "--no-tests=error", "--output-on-failure"])
        check("100% tests passed" in tests.stdout, f"its tests pass: {tests.stdout}")
        for shell in ("sh", "bash", "zsh", "fish"):
            if shutil.which(shell):
                greet_in(shell, program, folder)
            else:
                print(f"SKIPPED {shell}: it is not here")
        own = run([os.path.join(folder, "build/bin/demo-one"), "greet", "--help"])
        check("--greeting WORD" in own.stdout, f"its own program: {own.stdout} {own.stderr}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
