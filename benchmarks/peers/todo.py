"""ToDo by this repository's library."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from typing import Any

from benchmarks.peers.case import Case, Method
from lib_todo import Settings, token_downsampling


def at_native(preset: str, threshold: int) -> Settings:
    """A preset for a model whose own grid is `threshold` tokens a side instead of 64."""
    values = Settings.from_preset(preset)
    return dataclasses.replace(values, threshold=values.threshold * threshold // 64)


def preset(name: str) -> Method:
    """ToDo by one of the library's presets."""

    @contextlib.contextmanager
    def apply(case: Case) -> Iterator[None]:
        with token_downsampling(at_native(name, case.settings.threshold)):
            yield

    return apply


def todo(**changes: Any) -> Method:
    """ToDo with the case's settings, some of them changed."""

    @contextlib.contextmanager
    def apply(case: Case) -> Iterator[None]:
        with token_downsampling(dataclasses.replace(case.settings, **changes)):
            yield

    return apply
