"""The state of one sampling and of its calls of the U-Net, which the patched layers use."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Sequence, Set

import torch

from ...phase import PhaseCounter
from ...plan import Grid, settings_for_sampler
from ...pooling import Pooling, pooling
from ...position import Moment
from ...reasons import Reason
from ...report import Report
from ...runs.model_call import Rule
from ...settings import Settings
from .schedule import step_begun, step_of


class Sampling:
    """One sampling: its report, the phases, and the layers seen.

    The model may be called from several threads at once, one for each GPU.

    Args:
        settings: what to pool.
        sigmas: the levels of the whole schedule, see `WholeSchedule`.
        sampler: the sampler's name.
        first: the step of the schedule that it begins with.
    """

    def __init__(
        self, settings: Settings, sigmas: Sequence[float], sampler: str | None, first: int = 0
    ) -> None:
        self.settings = settings
        # what holds after the lead-in
        self.sampler_settings = settings_for_sampler(settings, sampler, tuple(sigmas))
        self.sigmas = sigmas
        self.report = Report()
        self.report.position.sampler = sampler
        self.report.position.sigmas = tuple(sigmas)
        self.phases = PhaseCounter(first)
        self.latent: Grid | None = None
        self.lock = threading.RLock()
        self._numbers: dict[Hashable, int] = {}

    def numbers(self, places: Sequence[Hashable]) -> list[int]:
        """The numbers of the layers at those places of the U-Net: ComfyUI passes no modules."""
        with self.lock:
            return [self._numbers.setdefault(place, len(self._numbers)) for place in places]

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
            moment = self.report.position.moment
            if self.latent is None or latent[0] * latent[1] > self.latent[0] * self.latent[1]:
                self.latent = latent
        return ModelCall(self, moment, replaced)


class Level:
    """The layers of one grid in a call: how their tokens become fewer, or why they do not."""

    def __init__(self, how: Pooling | None, reason: Reason | None) -> None:
        self.how, self.reason = how, reason
        # the places of the layers called
        self.places: list[tuple] = []


class ModelCall:
    """One call of the U-Net: what holds in it, and what its layers take.

    Args:
        sampling: the one that it belongs to.
        moment: where it stands there.
        replaced: the places whose self-attention other nodes replace.
    """

    def __init__(self, sampling: Sampling, moment: Moment | None, replaced: Set[Hashable]) -> None:
        self._sampling, self._replaced = sampling, replaced
        self._rule = Rule(sampling.settings, moment)
        self._largest: Grid = (0, 0)
        self._levels: dict[Grid, Level] = {}
        # layers left alone for a reason of their own: place, grid, keys and why
        self._left: list[tuple[tuple, Grid, int, Reason]] = []
        # place and shape of the layer that was called last
        self._last: tuple[tuple, list[int]] | None = None

    def is_over_time(self, place: tuple, shape: list[int]) -> bool:
        """Whether this layer of a video model (SVD) attends from frame to frame.

        Its transformer calls it right after the layer over the picture at the same place, with the
        same list of its own shape. Their numbers of tokens may be the same.
        """
        last, self._last = self._last, (place, shape)
        return last is not None and last[0] == place and last[1] is shape

    def take(
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
        level = self._levels.get(grid) or self._begin(grid, context.device)
        if level.how is None:
            level.places.append(place)
            return context, value
        if context.shape[2] != queries.shape[2]:
            # it looks at the prompt
            return context, value
        reason = why_not_ours(grid, queries, context, value)
        if reason is None and not self._replaced.isdisjoint((place, place[:2])):
            reason = Reason.REPLACED
        if reason is not None:
            self._left.append((place, grid, int(context.shape[1]), reason))
            return context, value
        level.places.append(place)
        keys = level.how.take(context)
        return keys, keys if value is context else level.how.take(value)

    def _begin(self, grid: Grid, device: torch.device) -> Level:
        if grid[0] * grid[1] > self._largest[0] * self._largest[1]:
            self.end()
            self._largest = grid
        rule, sampling = self._rule, self._sampling
        factor, reason = rule.decide(grid, self._largest)
        how = None
        if reason is None:
            with sampling.lock:
                phase = rule.phase(sampling.phases, sampling, factor, f"{grid}")
                rule.note_phase(sampling.report)
            how = pooling(grid, factor, rule.asked.method, phase, device)
        level = self._levels[grid] = Level(how, reason)
        return level

    def end(self) -> None:
        """Count what the layers did."""
        sampling, step = self._sampling, self._rule.moment.shown_step
        for grid, level in self._levels.items():
            if not level.places:
                continue
            keys = grid[0] * grid[1]
            after = level.how.kept if level.how else keys
            numbers = sampling.numbers(level.places)
            sampling.report.count(numbers, grid, keys, after, level.reason, step)
        for place, grid, keys, reason in self._left:
            sampling.report.count(sampling.numbers([place]), grid, keys, keys, reason, step)
        self._levels.clear()
        self._left.clear()


def why_not_ours(
    grid: Grid, queries: torch.Tensor, context: torch.Tensor, value: torch.Tensor
) -> Reason | None:
    """Why the keys are not those of plain self-attention over the grid; None where they are.

    The context decides, not the queries: ComfyUI's ToMe merges only queries.
    """
    if context.shape[0] != queries.shape[0]:
        # HyperTile splits the queries into a larger batch, which pooled keys would not match
        return Reason.HYPERTILE
    if context.shape[1] != grid[0] * grid[1]:
        return Reason.OTHER_GRID
    if value.shape[:2] != context.shape[:2]:
        return Reason.OTHER_VALUES
    return None
