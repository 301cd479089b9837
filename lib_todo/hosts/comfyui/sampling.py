"""The state of one sampling and of its calls of the U-Net, which the patched layers use."""

from __future__ import annotations

import math
import threading
from collections.abc import Hashable, Sequence, Set
from typing import Any

import torch

from ...cost.architectures import NOTHING_TO_POOL
from ...counts import Key
from ...outlook import Outlook
from ...phase import PhaseCounter
from ...plan import Grid
from ...pooling import Pooling, pooling
from ...position import Moment
from ...reasons import Reason
from ...report import Report
from ...rule import Rule
from ...settings import Settings
from .schedule import step_begun, step_of

# ComfyUI's key for the shape of a transformer's input, [..., height, width]
GRID_KEY = "activations_shape"

# how the layers of a grid are pooled (None: not), and the places of those that were called
Level = tuple["Pooling | None", list[tuple]]
# what queries, keys and values are computed from
Taken = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


class Sampling:
    """One sampling: its report, the phases, and the layers seen.

    The model may be called from several threads at once, one for each GPU.

    Args:
        sigmas: the noise levels of the whole schedule, see `whole_schedule`.
        first: the step of the schedule that it begins with.
    """

    # the U-Net's
    shape = NOTHING_TO_POOL

    def __init__(
        self, settings: Settings, sigmas: tuple[float, ...], sampler: str | None, first: int = 0
    ) -> None:
        self.settings, self.sigmas = settings, sigmas
        self.report = Report()
        self.report.position.sampler, self.report.position.sigmas = sampler, sigmas
        self.outlook = Outlook(self.report, settings)
        self._first = first
        # that of the last evaluation
        self._step = 0
        self._phases: dict[Grid, PhaseCounter] = {}
        # that of the last call
        self.rule: Rule | None = None
        self.latent: Grid | None = None
        self.lock = threading.RLock()
        self._numbers: dict[Hashable, int] = {}

    def numbers(self, places: Sequence[Hashable]) -> list[int]:
        """The numbers of the layers at those places of the U-Net: ComfyUI passes no modules."""
        with self.lock:
            return [self._numbers.setdefault(place, len(self._numbers)) for place in places]

    def phases(self, grid: Grid) -> PhaseCounter:
        """The counter of the layers of that grid."""
        return self._phases.setdefault(grid, PhaseCounter(self._first))

    def begin_evaluation(self, sigma: float, latent: Grid, replaced: Set) -> ModelCall | None:
        """Note that the U-Net is called on a latent of that (height, width).

        `replaced` are where another node replaces self-attention. None where nothing can be pooled.
        """
        with self.lock:
            if latent != self.outlook.latent:
                self.latent = max(self.latent or latent, latent, key=math.prod)
                self.outlook.begin(self.shape.known_levels, latent)
            begun = step_begun()
            step = step_of(sigma if begun is None else begun, self.sigmas)
            # without a loop that tells: a sampler that adds noise evaluates a little above its
            # step's sigma, which is not an earlier step
            self._step = max(step, self._step)
            self.report.progress(self._step, max(1, len(self.sigmas) - 1))
            if not self.outlook.can_pool:
                return None
            moment = self.report.position.moment
        return ModelCall(self, moment, replaced)


class ModelCall:
    """One call of the U-Net: what holds in it, and what its layers take.

    A layer's place is its U-Net block, (side, number), and its number in the transformer.
    """

    def __init__(self, sampling: Sampling, moment: Moment | None, replaced: Set[Hashable]) -> None:
        self._sampling, self._replaced = sampling, replaced
        self._rule = sampling.rule = Rule(sampling.settings, moment, sampling.rule)
        self._largest: Grid = (0, 0)
        self._levels: dict[Grid, Level] = {}
        # the places of the layers called, by what happened to them
        self._seen: dict[Key, list[tuple]] = {}
        # of the layer that was called last
        self._shape: Any = None
        self._index: Any = None
        self._level: Level | None = None

    def take(
        self, queries: torch.Tensor, keys: torch.Tensor, value: torch.Tensor, options: dict
    ) -> Taken:
        """What an attn1 layer computes from, instead of these.

        Args:
            queries: `[b, n, c]`; others may have merged or tiled them.
            keys, value: `[b, h·w, c]`, from which they would be computed.
        """
        shape = options.get(GRID_KEY)
        if shape is None:
            return queries, keys, value
        index, grid, level = options.get("block_index", 0), (shape[-2], shape[-1]), self._level
        if level is None or shape is not self._shape:
            level = self._level = self._levels.get(grid) or self._begin(grid, keys.device)
            self._shape = shape
        elif index == self._index:
            # in a video model (SVD) the layer from frame to frame comes right after the one over
            # the picture, with the same list; their numbers of tokens may be the same
            return queries, keys, value
        self._index = index
        place = options.get("block", ("", 0)), index
        how, places = level
        if how is None:
            places.append(place)
            return queries, keys, value
        if keys.shape[2] != queries.shape[2]:
            # it looks at the prompt
            return queries, keys, value
        # the keys decide whether they are the grid's: ComfyUI's ToMe merges only queries
        reason = None
        if keys.shape[0] != queries.shape[0]:
            # HyperTile splits the queries into a larger batch, which pooled keys would not match
            reason = Reason.HYPERTILE
        elif keys.shape[1] != grid[0] * grid[1]:
            reason = Reason.OTHER_GRID
        elif value.shape[:2] != keys.shape[:2]:
            reason = Reason.OTHER_VALUES
        elif not self._replaced.isdisjoint(((*place[0], index), place[0])):
            reason = Reason.REPLACED
        if reason is not None:
            count = int(keys.shape[1])
            self._seen.setdefault((grid, count, count, reason), []).append(place)
            return queries, keys, value
        places.append(place)
        pooled = how.take(keys)
        return queries, pooled, pooled if value is keys else how.take(value)

    def _begin(self, grid: Grid, device: torch.device) -> Level:
        if math.prod(grid) > math.prod(self._largest):
            self._largest = grid
            # what smaller grids took was decided by another largest one
            self._levels.clear()
        rule, sampling, how = self._rule, self._sampling, None
        factor, reason = rule.decide(grid, self._largest)
        if reason is None:
            with sampling.lock:
                phase = rule.phase(sampling.phases(grid), factor)
                rule.note_phase(sampling.report)
            how = pooling(grid, factor, rule.asked.method, phase, device)
        keys = grid[0] * grid[1]
        places = self._seen.setdefault((grid, keys, how.kept if how else keys, reason), [])
        level = self._levels[grid] = how, places
        return level

    def end(self) -> None:
        """Count what the layers did."""
        noted = {what: self._sampling.numbers(places) for what, places in self._seen.items()}
        self._sampling.report.count(noted, self._rule.moment.shown_step)
