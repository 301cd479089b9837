"""What the conftests of all hosts share: skip tests where there is no host, start hosts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest
from program import Program

T = TypeVar("T", bound=Program)


def skip_or_check(
    items: list[pytest.Item], folder: Path, reason: str | None, check: Callable[[], Any]
) -> None:
    """Have the tests in that folder skipped with the reason; where there is none, `check()`.

    Args:
        items: what pytest has collected.
        folder: the conftest's own; pytest passes it the tests of other folders as well.
        reason: why the host's tests cannot run here, or None.
        check: raises UsageError where something is wrong that would fail every test alike.
    """
    ours = [item for item in items if item.path.is_relative_to(folder)]
    if reason is not None:
        for item in ours:
            item.add_marker(pytest.mark.skip(reason=reason))
    elif ours:
        check()


@contextmanager
def factory(make: Callable[..., T]) -> Iterator[Callable[..., T]]:
    """A function that starts the hosts that `make` makes; all of them stop at the end."""
    with ExitStack() as stack:
        yield lambda **keywords: stack.enter_context(make(**keywords))
