"""What a sampling did: a short text under the node, and the whole line in the console."""

from __future__ import annotations

import logging

from ...cost.architectures import UNetShape
from ...cost.speedup import in_words, of_step
from ...plan import LEAD_IN, PIXELS_PER_LATENT, Grid, with_papers_factors
from ...wording import layers_and_steps, nothing_pooled
from . import machine
from .sampling import Sampling

log = logging.getLogger(__name__)


def line(sampling: Sampling, shape: UNetShape | None) -> str:
    """The line for the console: the keys and layers that were pooled, or why none was."""
    heads = dict.fromkeys(sampling.report.passes, size_in_words(sampling.latent))
    told = sampling.report.line(heads=heads)
    return "; ".join([told, *expected(sampling, shape)])


def short_text(sampling: Sampling, shape: UNetShape | None) -> str:
    """The text under the node, in short lines, since a node is narrow and breaks words anywhere."""
    where, report = size_in_words(sampling.latent), sampling.report
    if not report.pooled:
        why = report.line().removeprefix("ToDo: ")
        return f"{where}: {why}"
    (counts,) = report.passes.values()
    told = [f"{where}: {layers_and_steps(counts, [])}", *expected(sampling, shape)]
    return ";\n".join(told).replace(", ", ",\n")


def size_in_words(latent: Grid | None) -> str:
    """Width × height in pixels."""
    height, width = latent or (0, 0)
    return f"{width * PIXELS_PER_LATENT}×{height * PIXELS_PER_LATENT}"


def expected(sampling: Sampling, shape: UNetShape | None) -> list[str]:
    """How much faster a pooled step is by the cost model: a range where that was not measured.

    The first quarter of the steps is named where it differs. Nothing where nothing was pooled.
    """
    latent, settings = sampling.latent, sampling.sampler_settings
    if shape is None or latent is None or not sampling.report.pooled:
        return []
    rest, quarter = (
        in_words(of_step(shape, latent, stage, machine.candidates()))
        for stage in (settings, with_papers_factors(settings))
    )
    if settings.end <= LEAD_IN:
        rest = quarter
    text = f"expected: {rest} times as fast"
    if settings.start >= LEAD_IN or rest == quarter:
        return [text]
    return [f"{text}, in the first quarter {quarter}"]


class NodeText:
    """Writes a line on each sampling to the console, and a text on each of a run under the node."""

    def __init__(self, node_id: str | None, shape: UNetShape | None = None) -> None:
        self.node_id = node_id
        self.shape = shape
        self._run: str | None = None
        self._texts: list[str] = []

    def __call__(self, sampling: Sampling) -> None:
        self.say(line(sampling, self.shape), short_text(sampling, self.shape))

    def say_nothing_pooled(self, why: str) -> None:
        """Say that nothing can be pooled in this model."""
        self.say(nothing_pooled(why), why)

    def say(self, line: str, text: str) -> None:
        """Log the line; show the text, below those on earlier samplings of the same run."""
        from comfy_execution.utils import get_executing_context
        from server import PromptServer

        log.info(line)
        context = get_executing_context()
        run = context.prompt_id if context else None
        if run != self._run:
            self._run, self._texts = run, []
        self._texts.append(text)
        if self.node_id is not None:
            PromptServer.instance.send_progress_text("\n\n".join(self._texts), self.node_id)
