"""ToDo by this repository's library."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from typing import Any

from benchmarks.peers.case import Case, Method
from lib_todo import token_downsampling


def todo(**changes: Any) -> Method:
    """ToDo with the case's settings, some of them changed."""

    @contextlib.contextmanager
    def apply(case: Case) -> Iterator[None]:
        with token_downsampling(dataclasses.replace(case.settings, **changes)):
            yield

    return apply
