"""`python -m benchmarks.output.pages` renews the tables and the plots in docs/measurements.

Each page takes its numbers from the JSON file of its name. A table stands between
`<!-- table: NAME -->` and `<!-- end -->`; a plot is renewed with the page that shows it.
"""

from __future__ import annotations

import re
from pathlib import Path

from benchmarks.matrix import caches
from benchmarks.matrix import output as matrix
from benchmarks.matrix.measure import PART
from benchmarks.output import plots, tables
from benchmarks.running.store import Store

DOCS = Path(__file__).parents[2] / "docs"
PLOT = "speed-error.png"
MARKED = re.compile(r"<!-- table: (\w+) -->.*?<!-- end -->", re.DOTALL)


def renew(page: Path, images: Path) -> None:
    """Renew the tables between their marks, and the plots."""
    store, text = Store(page.with_suffix(".json")), page.read_text()
    rows = matrix.ratios(store, PART)
    found = tables.all_tables(store) | matrix.all_tables(rows) | {"caches": caches.table_of(store)}

    def put(match: re.Match[str]) -> str:
        table = found[match[1]] or "(not measured)"
        return f"<!-- table: {match[1]} -->\n{table}\n<!-- end -->"

    page.write_text(MARKED.sub(put, text))
    if PLOT in text:
        plots.draw(store, images / PLOT)
    if caches.PLOT in text:
        caches.draw(store, images / caches.PLOT)
    matrix.draw(rows, images, "matrix")


def main() -> None:
    """Renew every page that has a file of numbers."""
    for page in sorted((DOCS / "measurements").glob("*.md")):
        if page.with_suffix(".json").exists():
            renew(page, DOCS / "images")
            print(f"renewed {page}")


if __name__ == "__main__":
    main()
