#!/usr/bin/env python3
"""The packages name what the toolkit needs: `tests/check/packaging.py`, also run by `make test`.

tools/setup.sh has the one table of what is needed, a column for Debian and one for Homebrew; packaging/debian/control
and packaging/homebrew/efficientai.rb must say the same, and the same version as CMakeLists.txt. Prints one line a
finding; exit status 1 when there is one.
"""
import os
import re
import sys

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# Rows that a package does not need to be built: what tests and scripts need, and a compiler, which both have anyway.
NOT_FOR_PACKAGES = ("compiler", "cmocka", "python3", "pip")
HOMEBREW_TO_BUILD = ("cmake", "pkg-config")


def read(*names):
    with open(os.path.join(SOURCE, *names), encoding="utf-8") as f:
        return f.read()


def rows_of_setup(text):
    """[(what, Debian's package, Homebrew's)] of the group "build"; a check may hold "||", so bars count from the end."""
    table = re.search(r"^build_needs='\n(.*?)^'", text, re.MULTILINE | re.DOTALL).group(1)
    rows = [[cell.strip() for cell in line.split("|")] for line in table.splitlines()]
    return [(row[0], row[-2], row[-1]) for row in rows if row[0] not in NOT_FOR_PACKAGES]


def packages(control, package, field):
    """The names in a field of a paragraph of debian/control; those of ${substitutions} and our own are left out."""
    for paragraph in re.split(r"\n\n+", control):
        if re.match(rf"(Source|Package): {package}$", paragraph, re.MULTILINE):
            value = re.search(rf"^{field}:(.*(?:\n .*)*)", paragraph, re.MULTILINE).group(1)
            names = {re.sub(r"\(.*\)", "", name).strip() for name in value.split(",")}
            return {n for n in names if n and not n.startswith(("$", "debhelper", "libefficientai"))}
    raise SystemExit(f"packaging/debian/control: no paragraph of {package}")


def differences(where, said, needed):
    found = [f"{where}: {name} is not in tools/setup.sh" for name in sorted(said - needed)]
    return found + [f"{where}: lacks {name}, which tools/setup.sh has" for name in sorted(needed - said)]


def find(texts):
    rows = rows_of_setup(texts["setup"])
    debian = {apt for _, apt, _ in rows}
    brew = {brew for _, _, brew in rows}
    formula = dict(re.findall(r'^  depends_on "([^"]*)"( => :build)?$', texts["formula"], re.MULTILINE))
    control = texts["control"]
    findings = differences("debian/control, Build-Depends", packages(control, "efficientai", "Build-Depends"), debian)
    findings += differences("debian/control, libefficientai-dev", packages(control, "libefficientai-dev", "Depends"),
                            {name for name in debian if name.startswith("lib") or name == "zlib1g-dev"})
    findings += differences("efficientai.rb", set(formula), brew)
    findings += [f"efficientai.rb: {name} is {'' if name in HOMEBREW_TO_BUILD else 'not '}needed to build only"
                 for name, build in formula.items() if bool(build) != (name in HOMEBREW_TO_BUILD)]

    version = re.search(r"^project\(efficientai VERSION (\S+)", texts["cmake"], re.MULTILINE).group(1)
    interface = re.search(r"SOVERSION (\d+)", texts["targets"]).group(1)
    for where, text, pattern, expected in (
            ("debian/changelog", texts["changelog"], r"\Aefficientai \((.*?)-\d+\)", version),
            ("efficientai.rb", texts["formula"], r"/efficientai-([\d.]+)\.tar\.gz", version),
            ("debian/control, the library's package", control, r"^Package: libefficientai(\d+)$", interface)):
        said = re.search(pattern, text, re.MULTILINE)
        if not said or said.group(1) != expected:
            findings.append(f"{where}: {said.group(1) if said else 'nothing'} where CMake has {expected}")
    return findings


def main():
    texts = {
        "setup": read("tools", "setup.sh"), "control": read("packaging", "debian", "control"),
        "changelog": read("packaging", "debian", "changelog"), "formula": read("packaging", "homebrew", "efficientai.rb"),
        "cmake": read("CMakeLists.txt"), "targets": read("cmake", "EaiTargets.cmake"),
    }
    findings = find(texts)
    # The check itself: a line taken away, or one too many, must be found.
    for name, line, other in (("control", "\n               libyaml-dev,", ""), ("control", "\n         libyaml-dev,", ""),
                              ("formula", '  depends_on "curl"\n', ""), ("formula", '"cmake" => :build', '"cmake"'),
                              ("setup", "|libyaml-dev       |libyaml", "|libfyaml-dev|libfyaml"),
                              ("changelog", "efficientai (", "efficientai (9"), ("targets", "SOVERSION ", "SOVERSION 9")):
        changed = texts[name].replace(line, other, 1)
        if changed == texts[name] or len(find({**texts, name: changed})) <= len(findings):
            findings.append(f"packaging: '{line.strip()}' changed in the {name} is not found")
    for finding in findings:
        print(finding)
    print(f"packaging: {len(findings)} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
