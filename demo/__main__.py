"""The command: `python -m demo` makes one picture by each method and compares them."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    from demo.command.options import parse

    options = parse(argv)
    # diffusers takes seconds to import, so check the options first
    from demo.comparison.library_logging import silence_libraries

    silence_libraries()
    from demo.command.run import run

    return run(options)


if __name__ == "__main__":
    sys.exit(main())
