"""ToDo by this repository's library."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from typing import Any

from benchmarks.peers.case import Case, Method
from lib_todo import Settings, token_downsampling


def preset(name: str, whole_pass: bool = False) -> Method:
    """ToDo by one of the library's presets: for a call by itself, or for all steps of a pass."""

    @contextlib.contextmanager
    def apply(case: Case) -> Iterator[None]:
        settings = Settings.from_preset(name, native_grid=case.settings.threshold)
        with token_downsampling(settings) as report:
            if not whole_pass:
                # a call behind the lead-in, as three in four are
                report.progress(1, 2)
            yield

    return apply


def todo(**changes: Any) -> Method:
    """ToDo with the case's settings, some of them changed."""

    @contextlib.contextmanager
    def apply(case: Case) -> Iterator[None]:
        with token_downsampling(dataclasses.replace(case.settings, **changes)):
            yield

    return apply
