"""One generation in SD.Next, callback by callback; what differs there from lifecycle.py.

SD.Next runs diffusers' pipelines. It has no `p.sample` and reports no steps, so pooling is on from
`process_batch` to `postprocess_batch`, and the steps follow from the U-Net's timesteps.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Sequence
from typing import Any

from ...downsampling import token_downsampling
from . import lifecycle, options, result_texts, sdnext_passes
from .infotext import REPORT_KEY, Written
from .lifecycle import Generation

# what the host calls its scripts of the Control tab
CONTROL = "control"


class _Downsampling(token_downsampling):
    def pass_now(self) -> str:
        return sdnext_passes.now()


class _Here(threading.local):
    """The batches that are sampling in this thread, the innermost last."""

    def __init__(self) -> None:
        self.batches: list[tuple[Generation, contextlib.ExitStack]] = []


_here = _Here()


def show_in_control(title: str) -> None:
    """Have the Control tab show our script, too (when it is loaded, before the page is built).

    It is the default page's only tab for images. It shows no extension's script whose title is not
    on this list of the host's.
    """
    titles = getattr(sys.modules.get("installer"), "control_extensions", None)
    if titles is not None and title not in titles:
        titles.append(title)


def begin(p: Any, args: Sequence[Any]) -> None:
    """Read and check the settings of `p` (the host's `process` callback)."""
    leave_ended(p)
    lifecycle.begin(p, args, _Downsampling)


def before_sampling(p: Any) -> None:
    """Switch pooling on for a batch (the host's `process_batch` callback)."""
    generation = lifecycle.generation_of(p)
    if generation is None:
        return
    if generation.settings.enabled:
        result_texts.write_infotext(p, generation.settings)
    entered = contextlib.ExitStack()
    entered.enter_context(generation.downsampling)
    _here.batches.append((generation, entered))


def after_sampling(p: Any) -> None:
    """Switch pooling off after a batch and report on it (the host's `postprocess_batch`)."""
    generation = lifecycle.generation_of(p)
    if generation is None or leave_ended(p) == 0:
        return
    lifecycle.report_on(p, generation)


def leave_ended(p: Any) -> int:
    """Switch pooling off for all batches but those that `p` runs inside of; returns how many.

    After an exception or an interrupt the host leaves `postprocess_batch` out, but calls
    `on_after_process` in any case. Which batches go on is told by the call stack.
    """
    going_on = {id(outer) for outer in result_texts.outer_of(p)}
    left = [batch for batch in _here.batches if id(batch[0].owner()) not in going_on]
    for batch in reversed(left):
        _here.batches.remove(batch)
        batch[1].close()
    return len(left)


def finish(p: Any, processed: Any) -> None:
    """Put the lines and the report into the result (the host's `postprocess`).

    Unlike the other hosts, this one does not show what `p.comment` was told. The Control tab shows
    no comments either, but the image's text, which it makes anew after this.
    """
    generation = lifecycle.generation_of(p)
    if generation is not None and generation.shown and options.show_line():
        processed.comments += "".join(f"{line}\n" for line in generation.shown)
        if getattr(p.scripts, "name", None) == CONTROL:
            p.extra_generation_params[REPORT_KEY] = Written("; ".join(generation.shown))
    lifecycle.finish(p, processed)
