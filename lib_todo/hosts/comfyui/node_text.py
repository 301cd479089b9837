"""The text under the node and in the console: what was pooled, and the speed-up to expect."""

from __future__ import annotations

import logging
from typing import Any

from ...cost.architectures import UNetShape
from ...cost.speedup import in_words, of_step
from ...plan import PIXELS_PER_LATENT, Grid
from ...settings import Settings
from . import machine
from .sampling import Sampling

log = logging.getLogger(__name__)


def line(sampling: Sampling, shape: UNetShape | None) -> str:
    """The line on one sampling: its size, what was pooled or why nothing, the expected speed-up."""
    where = size_in_words(sampling.latent)
    told = sampling.report.line(sampling.settings.threshold, f"at {where}")
    if not sampling.report.pooled or sampling.latent is None:
        return told
    told = told.replace("ToDo: ", f"ToDo at {where}: ", 1)
    if shape is None:
        return told
    return f"{told}; {expected(shape, sampling.latent, sampling.sampler_settings)}"


def size_in_words(latent: Grid | None) -> str:
    """Width × height in pixels."""
    height, width = latent or (0, 0)
    return f"{width * PIXELS_PER_LATENT}×{height * PIXELS_PER_LATENT}"


def expected(shape: UNetShape, latent: Grid, settings: Settings) -> str:
    """The speed-up of a pooled step by the cost model; a range where it was not measured."""
    range_ = in_words(of_step(shape, latent, settings, machine.candidates()))
    return f"a pooled step should be {range_} times as fast"


class NodeText:
    """Writes a line on each sampling to the console, and all lines of a run under the node."""

    def __init__(self, node_id: str | None, shape: UNetShape | None) -> None:
        self.node_id = node_id
        self.shape = shape
        self._run: str | None = None
        self._lines: list[str] = []

    def __call__(self, sampling: Sampling) -> None:
        self.say(line(sampling, self.shape))

    def say(self, text: str) -> None:
        """Log the text, and show it under the node, below earlier lines of the same run."""
        log.info(text)
        run = _run_id()
        if run != self._run:
            self._run, self._lines = run, []
        self._lines.append(text)
        if self.node_id is not None:
            _server().send_progress_text("\n".join(self._lines), self.node_id)


def _run_id() -> str | None:
    from comfy_execution.utils import get_executing_context

    context = get_executing_context()
    return context.prompt_id if context else None


def _server() -> Any:
    from server import PromptServer

    return PromptServer.instance
