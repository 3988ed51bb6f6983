#!/usr/bin/env python3
"""Installs the build into an empty folder, moves it elsewhere and uses it as other programs would.

    tests/install/package.py BUILD       run by ctest as install.package; nothing of the toolkit is compiled

The prefix is moved right after the installation, so whatever still works does not depend on where it was. Cases run
in the order in which they stand; the last one removes all again. Start at setup().
"""
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(SOURCE, "tests", "projects"))
from cases import run  # noqa: E402

HERE = os.path.join(SOURCE, "tests", "install")
BUILD = os.path.abspath(sys.argv[1])
MAC = sys.platform == "darwin"
SKIP = 77


def cache(name):
    """A value of the build's CMakeCache.txt, "" when it has none."""
    with open(os.path.join(BUILD, "CMakeCache.txt"), encoding="utf-8") as f:
        found = re.search(rf"^{name}:[A-Z]+=(.*)$", f.read(), re.MULTILINE)
    return found.group(1) if found else ""


def call(*words, fails=False, **environment):
    """Runs the words, in the scratch folder; what they print, both streams. `fails`: it must not work."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("EFFICIENTAI_", "EAI_", "CMAKE_", "DESTDIR"))}
    done = subprocess.run(words, cwd=SCRATCH, env={**clean, **environment}, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, encoding="utf-8", check=False)
    if (done.returncode != 0) != fails:
        raise AssertionError(f"{' '.join(words)}: exit status {done.returncode}\n{done.stdout}")
    return done.stdout


def expect(text, pattern):
    if not re.search(pattern, text):
        raise AssertionError(f"no '{pattern}' in:\n{text}")


def tree(folder):
    """The files and links below a folder, relative to it."""
    return sorted(os.path.relpath(os.path.join(at, name), folder)
                  for at, _, names in os.walk(folder) for name in names)


def setup():
    """Installs with DESTDIR, then moves the prefix; STAGE is what make uninstall is told, PREFIX what is used."""
    call("sh", os.path.join(SOURCE, "tools", "install.sh"), BUILD, "/opt/toolkit", DESTDIR=STAGE, INSTALLED=LIST)
    shutil.copytree(os.path.join(STAGE, "opt", "toolkit"), PREFIX, symlinks=True)


def expand(line):
    """The files that a line of files.txt stands for."""
    name = "{}.dylib" if MAC else ".so{}"
    words = {
        "{libdir}": [LIBDIR],
        "{type}": [(cache("CMAKE_BUILD_TYPE") or "Release").lower()],
        "{.so}": [name.format("")], "{.so.0}": [name.format(".0")], "{.so.0.1.0}": [name.format("." + VERSION)],
        "{header}": os.listdir(os.path.join(SOURCE, "include", "efficientai")),
        "{template}": tree(os.path.join(SOURCE, "projects", "template")),
        "{project}": [os.path.basename(os.path.dirname(p))
                      for p in glob.glob(os.path.join(SOURCE, "projects", "*", "CMakeLists.txt"))],
    }
    files = [line]
    for word, values in words.items():
        files = [f.replace(word, v) for f in files for v in values]
    return [f for f in files if f != "bin/template"]


def case_what_is_installed():
    with open(os.path.join(HERE, "files.txt"), encoding="utf-8") as f:
        lines = [line.strip() for line in f if line.strip() and not line.startswith("#")]
    expected = {f for line in lines for f in expand(line)}
    optional = {"share/doc/efficientai/LICENSE"} | {f for f in tree(PREFIX) if re.match(
        rf"share/man/man1/.*\.1$|{LIBDIR}/libefficientai_mlx\.", f)}
    there = set(tree(PREFIX))
    if expected - there or there - expected - optional:
        raise AssertionError(f"missing: {sorted(expected - there)}; not expected: {sorted(there - expected - optional)}")
    assert os.path.isdir(os.path.join(PREFIX, "lib", "efficientai", "plugins")), "no folder for plugins"


def case_no_file_names_a_folder_of_the_build():
    """Debugging information aside, which names sources: copies without it are looked at."""
    for name in tree(PREFIX):
        path = os.path.join(PREFIX, name)
        if os.path.islink(path) or "libefficientai_mlx" in name:  # which is built for the MLX of one folder
            continue
        if re.match(r"bin/|.*\.(so|dylib)\b", name):
            bare = os.path.join(SCRATCH, "bare")
            call("strip", "-S", "-o", bare, path)
            path = bare
        with open(path, "rb") as f:
            content = f.read()
        for folder in (SOURCE, BUILD, STAGE, PREFIX):
            assert folder.encode() not in content, f"{name} names {folder}"


def case_the_command_runs_where_it_was_moved_to():
    expect(call(COMMAND, "--version"), rf"^efficientai {re.escape(VERSION)}\n$")
    expect(call(COMMAND, "info"), "backend")
    expect(call(os.path.join(PREFIX, "bin", "lora-finetuning-mlx"), "--help"), "train")
    for shell, name in (("bash", "bash-completion/completions/efficientai"), ("zsh", "zsh/site-functions/_efficientai"),
                        ("fish", "fish/vendor_completions.d/efficientai.fish")):
        with open(os.path.join(PREFIX, "share", name), encoding="utf-8") as f:
            assert f.read() == call(COMMAND, "completion", shell), f"{name} is not what the command prints"


def case_headers_compile_alone():
    headers = sorted(glob.glob(os.path.join(PREFIX, "include", "efficientai", "*.h")))
    flags = ["-fsyntax-only", "-Wall", "-Wextra", "-Werror", "-pedantic", "-I" + os.path.join(PREFIX, "include")]
    call(CC, *flags, "-std=c11", "-D_POSIX_C_SOURCE=200809L", "-x", "c", *headers)
    call(CXX, *flags, "-std=c++17", "-x", "c++", *headers)


def case_pkg_config():
    path = {"PKG_CONFIG_PATH": os.path.join(PREFIX, LIBDIR, "pkgconfig") + ":" + os.environ.get("PKG_CONFIG_PATH", "")}

    def ask(*words):
        return call("pkg-config", *words, "efficientai", **path).split()

    assert ask("--modversion") == [VERSION]
    libdir, plugins = ask("--variable=libdir")[0], ask("--variable=plugindir")[0]
    assert os.path.realpath(libdir) == os.path.join(PREFIX, LIBDIR), libdir
    assert os.path.realpath(plugins) == os.path.join(PREFIX, "lib", "efficientai", "plugins"), plugins
    flags = ask("--cflags", "--libs")
    for compiler, language in ((CC, "c"), (CXX, "c++")):
        program = os.path.join(SCRATCH, "program_" + language)
        call(compiler, "-x", language, os.path.join(HERE, "program.c"), "-x", "none", "-o", program, *flags,
             "-Wl,-rpath," + libdir)
        expect(call(program), r"^number \d+, abi \d+\n$")


def consume(name, *words):
    """Configures and builds consumer/, for what the words lead to; the folder of its build."""
    folder = os.path.join(SCRATCH, name)
    call("cmake", "-S", os.path.join(HERE, "consumer"), "-B", folder, "-DCMAKE_C_COMPILER=" + CC,
         "-DCMAKE_CXX_COMPILER=" + CXX, *words)
    call("cmake", "--build", folder)
    for program in ("program_c", "program_cpp"):
        expect(call(os.path.join(folder, program)), r"^number \d+, abi \d+\n$")
    expect(call(os.path.join(folder, "bin", "greeter"), "greet"), "^good day, stranger\n$")
    return os.path.join(folder, "plugins")


def case_cmake_package_and_a_project_out_of_tree():
    expect(call(COMMAND, "greeter:greet", fails=True), "greeter")
    plugins = consume("consumer", "-DCMAKE_PREFIX_PATH=" + PREFIX)
    expect(call(COMMAND, "--plugin-path", plugins, "greeter:greet"), "good day, stranger")
    call("cmake", "--install", os.path.dirname(plugins), "--prefix", PREFIX)
    expect(call(COMMAND, "greeter:greet", "--name", "reader"), "^good day, reader\n$")
    expect(call(os.path.join(PREFIX, "bin", "greeter"), "greet", "-n", "you"), "^good day, you\n$")


def case_new_project_of_the_installed_command():
    folder = os.path.join(SCRATCH, "started")
    call(COMMAND, "new-project", "started")
    call("cmake", "-S", folder, "-B", folder + "/build", "-DCMAKE_PREFIX_PATH=" + PREFIX, "-DCMAKE_C_COMPILER=" + CC)
    call("cmake", "--build", folder + "/build")
    expect(call("ctest", "--test-dir", folder + "/build", "--no-tests=error", "-L", "^started$"), "100% tests passed")


def case_cmake_refuses_another_minor_version():
    with open(os.path.join(HERE, "consumer", "CMakeLists.txt"), encoding="utf-8") as f:
        text = f.read()
    folder = os.path.join(SCRATCH, "newer")
    os.mkdir(folder)
    with open(os.path.join(folder, "CMakeLists.txt"), "w", encoding="utf-8") as f:
        f.write("cmake_minimum_required(VERSION 3.25)\nproject(newer LANGUAGES NONE)\nset(CMAKE_SIZEOF_VOID_P 8)\n"
                + re.search(r"^find_package.*$", text, re.MULTILINE).group(0).replace("0.1", "0.2"))
    expect(call("cmake", "-S", folder, "-B", folder, "-DCMAKE_PREFIX_PATH=" + PREFIX, fails=True), "0\\.2")


def case_cmake_package_of_the_build_folder():
    consume("of_build", "-Defficientai_DIR=" + BUILD)


def case_within_another_tree():
    """Configured only: its targets are there, its tests, rules of installation and flags are not."""
    folder = os.path.join(SCRATCH, "embedder")
    said = call("cmake", "-S", os.path.join(HERE, "embedder"), "-B", folder, "-DCMAKE_C_COMPILER=" + CC,
                "-DTOOLKIT=" + SOURCE)
    expect(said, "of its own: ''")
    expect(call("ctest", "--test-dir", folder, "-N"), "Total Tests: 0")
    call("cmake", "--install", folder, "--prefix", os.path.join(SCRATCH, "nothing"))
    assert not tree(os.path.join(SCRATCH, "nothing")), "something was installed"


def case_uninstall_leaves_nothing():
    call("sh", os.path.join(SOURCE, "tools", "install.sh"), BUILD, INSTALLED=LIST)
    left = [os.path.relpath(at, STAGE) for at, folders, files in os.walk(STAGE) if files or not folders]
    allowed = {"opt/toolkit/" + name for name in ("bin", "include", LIBDIR, "lib", "share", "share/man")}
    assert set(left) <= allowed, f"left: {sorted(set(left) - allowed)}"
    expect(call("sh", os.path.join(SOURCE, "tools", "install.sh"), BUILD, INSTALLED=LIST, fails=True),
           "nothing was installed")


def main():
    for option in ("EAI_SANITIZE", "EAI_COVERAGE", "EAI_FUZZ"):
        if cache(option) not in ("", "OFF"):
            print(f"SKIPPED: what is built with {option} is not to be installed")
            return SKIP
    for tool in (CXX, "pkg-config", "strip"):
        if not shutil.which(tool):
            print(f"SKIPPED: no {tool} here")
            return SKIP
    setup()
    return run(globals())


CC = cache("CMAKE_C_COMPILER")
CXX = cache("CMAKE_CXX_COMPILER") or os.environ.get("CXX", "c++")
LIBDIR = cache("CMAKE_INSTALL_LIBDIR")
with open(os.path.join(BUILD, "efficientai.pc"), encoding="utf-8") as pc:
    VERSION = re.search(r"^Version: (.*)$", pc.read(), re.MULTILINE).group(1)
if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="efficientai-install-") as scratch:
        SCRATCH = os.path.realpath(scratch)
        STAGE, PREFIX = os.path.join(SCRATCH, "stage"), os.path.join(SCRATCH, "moved")
        LIST = os.path.join(SCRATCH, "installed.txt")
        COMMAND = os.path.join(PREFIX, "bin", "efficientai")
        sys.exit(main())
