"""Markdown: one table, all tables as text, and the marked tables in a page."""

from __future__ import annotations

import re
from pathlib import Path


def table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def as_text(found: dict[str, str]) -> str:
    """All tables, each below its name."""
    return "\n\n".join(f"{name}\n{table}" for name, table in found.items() if table)


def renew(path: Path, found: dict[str, str]) -> None:
    """Replace the tables between their marks in a Markdown file.

    A table stands between `<!-- table: name -->` and `<!-- end -->`.
    """

    def put(match: re.Match[str]) -> str:
        table = found.get(match[1]) or "(not measured)"
        return f"<!-- table: {match[1]} -->\n{table}\n<!-- end -->"

    text = path.read_text()
    path.write_text(re.sub(r"<!-- table: (\w+) -->.*?<!-- end -->", put, text, flags=re.DOTALL))
