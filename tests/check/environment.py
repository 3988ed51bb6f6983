#!/usr/bin/env python3
"""Every environment variable of ours that the sources read is in src/config/environment.def.

The manual pages print that table, so what is missing there is not known to users. A variable counts as read
where its name is a text in src/, apps/ or projects/. Variables of options follow from the commands' tables and
need no row; those that only tests set begin with EAI_ and are told in docs/testing.md.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
TABLE = ROOT / "src/config/environment.def"
OPTION = r"""(?:\.name = "{0}",\s*(?:\.key = '.',\s*)?\.type = EAI_OPT_|\{{"{0}", (?:'.'|0), EAI_OPT_)"""


def is_option(name, text):
    """EFFICIENTAI_RANK or EFFICIENTAI_ADAPTER__RANK of an option that some command has."""
    key = name.removeprefix("EFFICIENTAI_").rpartition("__")[2].lower().replace("_", "-")
    return re.search(OPTION.format(re.escape(key)), text) is not None


def main():
    rows = re.findall(r'^EAI_VARIABLE\("([A-Za-z_]+)"', TABLE.read_text(encoding="utf-8"), re.M)
    files = [p for folder in ("src", "apps", "projects") for p in sorted((ROOT / folder).rglob("*.[ch]"))]
    texts = {p: p.read_text(encoding="utf-8") for p in files}
    everything = "\n".join([*texts.values(), *(p.read_text(encoding="utf-8") for p in (ROOT / "include").rglob("*.h"))])
    findings = [f"{name}: there twice" for name in sorted(set(rows)) if rows.count(name) > 1]
    for path, text in texts.items():
        for name in re.findall(r'"(EFFICIENTAI_[A-Z_]+)"', text):
            if name not in rows and not is_option(name, everything):
                findings.append(f"{path.relative_to(ROOT)}: {name} has no row in src/config/environment.def")
        for name in re.findall(r'getenv\("(EAI_[A-Z_]+)"\)', text):
            if name not in (ROOT / "docs/testing.md").read_text(encoding="utf-8"):
                findings.append(f"{path.relative_to(ROOT)}: {name} is not told in docs/testing.md")
    for name in rows:
        # Those that are put together of a prefix, or read by a library, are named in comments at least.
        if name not in everything and name.removeprefix("EFFICIENTAI") not in everything:
            findings.append(f"src/config/environment.def: nothing reads {name}")
    print("\n".join(findings), end="\n" if findings else "")
    print(f"environment: {len(files)} files, {len(rows)} variables, {len(findings)} findings")
    return 1 if findings or len(rows) < 10 else 0


if __name__ == "__main__":
    sys.exit(main())
