"""The state of one sampling and of its calls of the U-Net, which the patched layers use."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Sequence, Set

import torch

from ...phase import PhaseCounter
from ...plan import Grid, settings_for_sampler
from ...pooling import pool_tokens
from ...reasons import Reason
from ...report import Report
from ...runs.evaluation import Evaluation
from ...settings import Settings
from .schedule import step_begun, step_of


class Layer:
    """Stands for one self-attention layer: ComfyUI passes its place, not the module."""


class Sampling:
    """One sampling: its report, the phases, and the layers seen.

    The model may be called from several threads at once, one for each GPU.
    """

    def __init__(self, settings: Settings, sigmas: Sequence[float], sampler: str | None) -> None:
        self.settings = settings
        # what holds after the lead-in
        self.sampler_settings = settings_for_sampler(settings, sampler, tuple(sigmas))
        self.sigmas = sigmas
        self.report = Report()
        self.report.position.sampler = sampler
        self.report.position.sigmas = tuple(sigmas)
        self.phases = PhaseCounter()
        self.latent: Grid | None = None
        self.lock = threading.RLock()
        self._layers: dict[Hashable, Layer] = {}

    def layer(self, place: Hashable) -> Layer:
        """The layer at that place of the U-Net, the same object each time."""
        return self._layers.setdefault(place, Layer())

    def begin_evaluation(self, sigma: float, latent: Grid, replaced: Set[Hashable]) -> ModelCall:
        """Note that the U-Net is called on a latent of that size.

        Args:
            sigma: the noise level.
            latent: (height, width).
            replaced: the places whose self-attention another node replaces in this call.
        """
        with self.lock:
            begun = step_begun()
            step = step_of(sigma if begun is None else begun, self.sigmas)
            # without a loop that tells: a sampler that adds noise evaluates a little above its
            # step's sigma, which is not an earlier step
            step = max(step, self.report.position.step)
            self.report.progress(step, max(1, len(self.sigmas) - 1))
            evaluation = Evaluation(self.settings, self.report.position.moment)
            if self.latent is None or latent[0] * latent[1] > self.latent[0] * self.latent[1]:
                self.latent = latent
        return ModelCall(self, evaluation, replaced)


class ModelCall:
    """One call of the U-Net: its evaluation, and the layers whose attention other nodes replace."""

    def __init__(self, sampling: Sampling, evaluation: Evaluation, replaced: Set[Hashable]) -> None:
        self.sampling = sampling
        self.evaluation = evaluation
        self.replaced = replaced
        # place and shape of the layer that was called last
        self._last: tuple[tuple, list[int]] | None = None

    def is_over_time(self, place: tuple, shape: list[int]) -> bool:
        """Whether this layer of a video model (SVD) attends from frame to frame.

        Its transformer calls it right after the layer over the picture at the same place, with the
        same list of its own shape. Their numbers of tokens may be the same.
        """
        last, self._last = self._last, (place, shape)
        return last is not None and last[0] == place and last[1] is shape

    def pool(
        self,
        place: tuple,
        grid: Grid,
        queries: torch.Tensor,
        context: torch.Tensor,
        value: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """What to compute keys and values from.

        Args:
            place: (side, block, transformer) as in ComfyUI's `patches_replace`.
            grid: the layer's (height, width) in tokens.
            queries: `[b, n, c]`; others may have merged or tiled them.
            context: `[b, h·w, c]`, from which the keys would be computed.
            value: the same for the values.
        """
        evaluation, sampling = self.evaluation, self.sampling
        evaluation.see_self_attention(grid)
        with sampling.lock:
            layer = sampling.layer(place)
            factor, reason = self._decide(place, grid, queries, context, value)
            keys = context
            if reason is None:
                phase = evaluation.phase(layer, factor, sampling.phases, sampling.report)
                method = evaluation.settings.method
                keys = pool_tokens(context, grid, factor, method, phase)
                if keys is context:
                    reason = Reason.FACTOR_ONE
            before, shown = context.shape[1], evaluation.moment.shown_step
            sampling.report.count(layer, grid, before, keys.shape[1], reason, shown)
        if reason is not None:
            return context, value
        if value is context:
            return keys, keys
        return keys, pool_tokens(value, grid, factor, method, phase)

    def _decide(
        self,
        place: tuple,
        grid: Grid,
        queries: torch.Tensor,
        context: torch.Tensor,
        value: torch.Tensor,
    ) -> tuple[float, Reason | None]:
        reason = why_not_ours(grid, queries, context, value)
        if reason is None and not self.replaced.isdisjoint((place, place[:2])):
            reason = Reason.REPLACED
        return (1, reason) if reason is not None else self.evaluation.decide(grid)


def why_not_ours(
    grid: Grid, queries: torch.Tensor, context: torch.Tensor, value: torch.Tensor
) -> Reason | None:
    """Why the keys are not those of plain self-attention over the grid; None where they are.

    The context decides, not the queries: ComfyUI's ToMe merges only queries.
    """
    if context.shape[2] != queries.shape[2]:
        return Reason.NOT_SELF_ATTENTION
    if context.shape[0] != queries.shape[0]:
        # HyperTile splits the queries into a larger batch, which pooled keys would not match
        return Reason.HYPERTILE
    if context.shape[1] != grid[0] * grid[1]:
        return Reason.OTHER_GRID
    if value.shape[:2] != context.shape[:2]:
        return Reason.OTHER_VALUES
    return None
