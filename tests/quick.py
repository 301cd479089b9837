"""Run the tests that matter for a change: `make quick`, or with the names of files.

Without names the change is what git sees as different from the last commit. What matters for a
module are the test files named after it; else those that import it; else those of the modules that
import it. A changed test matters itself.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# these start programs, or need another one
SLOW = ("host", "gpu", "package")


def changed() -> list[str]:
    """Files that differ from the last commit, new ones too."""
    command = ["git", "status", "--porcelain", "--no-renames", "--untracked-files=all"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return [line[3:].strip('"') for line in done.stdout.splitlines()]


def tests_for(name: str, tests: list[Path], last: bool = False) -> list[Path]:
    """The test files that matter for a file; those of its importers not if it is the `last`."""
    path = ROOT / name
    if path in tests:
        return [path]
    if path.suffix != ".py" or not path.exists():
        return [path for path in tests if "docs" in path.parts] if path.suffix == ".md" else []
    word = re.compile(rf"(^|_){path.stem}s?(_|$)")
    named = [test for test in tests if word.search(test.stem)]
    if named:
        return named
    # the last part of what is imported, from a package or relatively, is enough to tell modules
    importing = re.compile(
        rf"^ *(from|import) [\w.]*\b{path.stem}\b|^ *from [\w.]+ import [^\n]*\b{path.stem}\b",
        re.MULTILINE,
    )
    found = [test for test in tests if importing.search(test.read_text("utf-8"))]
    if found or last:
        return found
    modules = (ROOT / path.relative_to(ROOT).parts[0]).rglob("*.py")
    importers = [each for each in modules if importing.search(each.read_text("utf-8"))]
    return [test for each in importers for test in tests_for(str(each), tests, last=True)]


def main() -> int:
    """Run them; returns pytest's status."""
    found = sorted((ROOT / "tests").rglob("test_*.py"))
    tests = [path for path in found if path.relative_to(ROOT / "tests").parts[0] not in SLOW]
    names = sys.argv[1:] or changed()
    found = sorted({test for name in names for test in tests_for(name, tests)})
    if not found:
        print("no test matters for", ", ".join(names) or "an unchanged folder")
        return 0
    command = [sys.executable, "-m", "pytest", "-q", *map(str, found)]
    return subprocess.run(command, cwd=ROOT).returncode


if __name__ == "__main__":
    sys.exit(main())
