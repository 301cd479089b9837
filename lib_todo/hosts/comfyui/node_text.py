"""What a sampling did: a short text under the node, and the whole line in the console."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import torch

from ...cost.rates import Machine, Rates
from ...cost.speedup import Pass, in_words
from ...plan import PIXELS_PER_LATENT
from ...wording import layers_and_steps
from .sampling import Sampling

log = logging.getLogger(__name__)


def texts(sampling: Sampling) -> tuple[str, str]:
    """The line for the console, and the text under the node.

    The line has the keys and layers that were pooled, or why none was. The text has short lines,
    since a node is narrow and breaks words anywhere. Both end with how much faster a pooled step is
    by the cost model, and one of the first steps where that differs.
    """
    report, latent = sampling.report, sampling.latent or (0, 0)
    width, height = (side * PIXELS_PER_LATENT for side in reversed(latent))
    size = f"{width}×{height}"
    line = report.line(heads=dict.fromkeys(report.passes, size))
    if not report.pooled:
        return line, f"{size}: {report.line().removeprefix('ToDo: ')}"
    (counts,) = report.passes.values()
    short, times = f"{size}: {layers_and_steps(counts)}", []
    if sampling.shape.levels:
        whole = Pass(sampling.shape, (width, height), report.position.sampler, sampling.sigmas)
        machines = candidates()
        for stage in whole.stages(sampling.settings):
            times.append(in_words(whole.gain({stage: 1.0}, machines)))
    if times:
        told = f"expected: {times[-1]} times as fast"
        if times[0] != times[-1]:
            told += f", by the paper's factors {times[0]}"
        line, short = f"{line}; {told}", f"{short};\n{told}"
    return line, short.replace(", ", ",\n")


def candidates() -> Sequence[Rates]:
    """The rates of a GPU, measured when first asked for; two that a CPU's lie between."""
    from comfy import model_management
    from comfy.ldm.modules.attention import optimized_attention

    device = model_management.get_torch_device()
    machine = Machine(
        device,
        torch.float16 if model_management.should_use_fp16(device) else torch.float32,
        attend=lambda tokens, heads: optimized_attention(tokens, tokens, tokens, heads),
        attention=optimized_attention.__name__,
    )
    machine.measure_once()
    return machine.candidates()


class NodeText:
    """Writes a line on each sampling to the console, and a text on each of a run under the node."""

    def __init__(self, node_id: str | None) -> None:
        self.node_id = node_id
        self._run: str | None = None
        self._texts: list[str] = []

    def __call__(self, sampling: Sampling) -> None:
        self.say(*texts(sampling))

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
