"""The command: `python -m demo` makes one picture by every method and compares them."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; gives its exit status."""
    from demo.options import parse

    options = parse(argv)
    # diffusers takes seconds to import: only once the options are known to be good
    from demo.quiet import silence_libraries

    silence_libraries()
    from demo.command import run

    return run(options)


if __name__ == "__main__":
    sys.exit(main())
