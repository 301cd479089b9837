"""One sampling and its evaluations: what ComfyUI's layers ask about while a sampler runs."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Hashable, Sequence, Set

import torch

from ...phase import FIXED, Phase, PhaseCounter
from ...plan import Grid, decide
from ...pooling import pool_tokens
from ...position import Moment
from ...reasons import Reason
from ...report import Report
from ...samplers import rule_for, settings_for
from ...settings import Settings
from .schedule import step_of


class Layer:
    """Stands for one self-attention layer; ComfyUI tells its place, not the module."""


class Sampling:
    """From a sampler's start to its end: the report, the phases, and the layers seen.

    The model's calls may come from several threads at once, one for each GPU.
    """

    def __init__(self, settings: Settings, sigmas: Sequence[float], sampler: str | None) -> None:
        self.rule = rule_for(sampler, told=True)
        self.settings = settings_for(self.rule, settings)
        self.sigmas = sigmas
        self.report = Report()
        self.report.position.sampler = sampler
        self.phases = PhaseCounter()
        self.latent: Grid | None = None
        self.lock = threading.RLock()
        self._layers: dict[Hashable, Layer] = {}

    def layer(self, place: Hashable) -> Layer:
        """The layer at that place of the U-Net, the same one each time."""
        return self._layers.setdefault(place, Layer())

    def begin_evaluation(self, sigma: float, latent: Grid, replaced: Set[Hashable]) -> Evaluation:
        """Note that the U-Net is called on a latent of that size.

        Args:
            sigma: the noise level.
            latent: (height, width).
            replaced: the places whose self-attention another node replaces in this call.
        """
        with self.lock:
            # a sampler that adds noise on its way goes back a little; its steps still go on
            step = max(step_of(sigma, self.sigmas), self.report.position.step)
            self.report.progress(step, max(1, len(self.sigmas) - 1))
            moment = self.report.position.moment or Moment()
            if self.latent is None or latent[0] * latent[1] > self.latent[0] * self.latent[1]:
                self.latent = latent
        return Evaluation(self, moment, replaced)


@dataclasses.dataclass
class Evaluation:
    """One call of the U-Net: when, the largest grid so far, and whose attention is replaced."""

    sampling: Sampling
    moment: Moment
    replaced: Set[Hashable]
    largest: Grid = (0, 0)

    def pool(
        self,
        place: tuple,
        grid: Grid,
        queries: torch.Tensor,
        context: torch.Tensor,
        value: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """What keys and values are to be computed from.

        Args:
            place: (side, block, transformer) as in ComfyUI's `patches_replace`.
            grid: the layer's (height, width) in tokens.
            queries: `[b, n, c]`; others may have merged or tiled them.
            context: `[b, h·w, c]`, what the keys are to be computed from so far.
            value: the same for the values.
        """
        if grid[0] * grid[1] > self.largest[0] * self.largest[1]:
            self.largest = grid
        with self.sampling.lock:
            layer = self.sampling.layer(place)
            factor, reason = self._decide(place, grid, queries, context, value)
            keys = context
            if reason is None:
                phase = self._phase(layer, factor)
                keys = self._pool(context, grid, factor, phase)
                if keys is context:
                    reason = Reason.FACTOR_ONE
            before, shown = context.shape[1], self.moment.shown_step
            self.sampling.report.count(layer, grid, before, keys.shape[1], reason, shown)
        if reason is not None:
            return context, value
        return keys, keys if value is context else self._pool(value, grid, factor, phase)

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
        if reason is not None:
            return 1, reason
        return decide(grid, self.largest, self.sampling.settings, self.moment)

    def _phase(self, layer: Layer, factor: float) -> Phase:
        moment, hold = self.moment, self.sampling.rule.hold
        if not self.sampling.settings.moves or moment.step is None:
            return FIXED
        if hold != 1:
            self.sampling.report.phase_held(moment.sampler, hold)
        return self.sampling.phases.phase(layer, moment.sampling, moment.step, factor, hold)

    def _pool(self, tokens: torch.Tensor, grid: Grid, factor: float, phase: Phase) -> torch.Tensor:
        return pool_tokens(tokens, grid, factor, self.sampling.settings.method, phase)


def why_not_ours(
    grid: Grid, queries: torch.Tensor, context: torch.Tensor, value: torch.Tensor
) -> Reason | None:
    """Why the keys are not those of plain self-attention over the grid; None where they are.

    The context tells, not the queries: ComfyUI's ToMe merges queries alone.
    """
    if context.shape[2] != queries.shape[2]:
        return Reason.NOT_SELF_ATTENTION
    if context.shape[0] != queries.shape[0]:
        # tiles make a batch of the queries; fewer keys could not be dealt out to them
        return Reason.HYPERTILE
    if context.shape[1] != grid[0] * grid[1]:
        return Reason.OTHER_GRID
    if value.shape[:2] != context.shape[:2]:
        return Reason.OTHER_VALUES
    return None
