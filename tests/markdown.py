"""The fenced blocks of the project's pages."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGES = (*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md")))
FENCE = re.compile(r"^```([\w+-]*)[^\n`]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclasses.dataclass(frozen=True)
class Block:
    """One fenced block: its page, the line of its first code, its language and its text."""

    page: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(page: Path) -> Iterator[Block]:
    """The blocks of `page`, in order.

    Raises:
        ValueError: a fence that is never closed.
    """
    text = page.read_text(encoding="utf-8")
    found = list(FENCE.finditer(text))
    if len(re.findall(r"^```", text, re.MULTILINE)) != 2 * len(found):
        raise ValueError(f"{page}: a fence is open or indented")
    for match in found:
        line = text.count("\n", 0, match.start(2)) + 1
        yield Block(page, line, match[1], match[2])
