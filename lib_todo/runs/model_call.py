"""One call of a whole model: its place in the sampling, and what its transformers' layers take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch

from ..interception import calls
from ..interception.active import here
from ..interception.cut import Cut, Layers
from ..interception.families import Family
from ..plan import Grid
from ..pooling import pooling
from ..position import Moment
from ..reasons import Reason
from ..rule import Rule

if TYPE_CHECKING:
    from .lane import Lane
    from .model_graph import ModelGraph
    from .run import Run


class ModelCall:
    """A call of a whole model that is under way.

    Args:
        run: whose settings hold.
        lane: of the thread or task that calls.
        moment: where the call stands in its sampling; None where nothing is known of it.
        is_whole: whether a model's call was seen, not only its transformers.
    """

    def __init__(self, run: Run, lane: Lane, moment: Moment | None, is_whole: bool) -> None:
        self.run, self.lane, self.is_whole = run, lane, is_whole
        self.rule = lane.rule = Rule(run.settings, moment, lane.rule)
        self.moment = self.rule.moment
        # the largest grid with self-attention so far: that of the first level
        self.largest: Grid = (0, 0)
        # the ids of the transformers called, where no model's call tells
        self.called: set[int] = set()
        self._has_begun = False
        # where the model or a part of it runs as a graph of torch.compile
        self.graph: ModelGraph | None = None
        # where nothing is pooled: the transformers called, and the shapes that they got
        self.left_alone: list[tuple[Any, torch.Size]] | None = None
        # the numbers of layers by what happened to them; they are counted when the model's call
        # ends, together: a dozen transformers have two or three different fates
        self._noted: dict[tuple[Grid, int, int, Reason | None], list[int]] = {}

    def cut(self, transformer: Any, x: Any, family: Family) -> Cut | None:
        """What the layers of a transformer over `x` take; None where they take all tokens."""
        decided = self._decide(transformer, x.shape)
        if decided is None:
            return None
        layers, grid, factor = decided
        calls.meet_attention()
        phase = self.rule.phase(self.lane.phases, transformer, factor)
        self.rule.note_phase(self.run.report)
        taken = pooling(grid, factor, self.rule.asked.method, phase, x.device)
        if self.graph:
            here.pooling = taken
        return Cut(family, transformer, layers, taken)

    def _decide(self, transformer: Any, shape: torch.Size) -> tuple[Layers, Grid, float] | None:
        """A transformer's layers, grid and factor; None, and a note, where it is left alone."""
        self.begin()
        layers = self.lane.layers(transformer, self.run.report)
        if len(shape) != 4 or not layers.numbers:
            return None
        # under jit.trace a side is a tensor
        grid = int(shape[2]), int(shape[3])
        keys = grid[0] * grid[1]
        if keys > self.largest[0] * self.largest[1]:
            self.largest = grid
        factor, reason = self.rule.decide(grid, self.largest)
        if self.graph:
            reason = self.graph.enter(transformer, reason)
        if reason is None:
            return layers, grid, factor
        self._note(layers.numbers, grid, keys, keys, reason)
        return None

    def begin(self) -> None:
        """The first transformer is called, so this is a model with such layers."""
        if not self._has_begun:
            self._has_begun = True
            self.run.report.see_step(self.moment.shown_step)
            if self.run.has_window:
                self.run.report.note_window(self.moment)

    def count(self, cut: Cut, ended: bool) -> None:
        """Note what the layers of a transformer did in its call."""
        grid, keys = cut.pooling.grid, cut.pooling.tokens
        for (before, after, reason), numbers in cut.seen.items():
            self._note(numbers, grid, before, after, reason)
        not_called = cut.not_called if ended else []
        if not_called and self.graph:
            self.graph.count_blocks(cut.pooling, not_called)
        elif not_called:
            # other code computes the attention in their place
            self.lane.forget_layers(cut.transformer)
            self._note(not_called, grid, keys, keys, Reason.REPLACED)

    def _note(
        self, numbers: Sequence[int], grid: Grid, before: int, after: int, reason: Reason | None
    ) -> None:
        self._noted.setdefault((grid, before, after, reason), []).extend(numbers)
        if not self.is_whole:
            self._count()

    def _count(self) -> None:
        for what, numbers in self._noted.items():
            if numbers:
                self.run.report.count(numbers, *what, self.moment.shown_step)
        self._noted.clear()

    def end(self, ended: bool) -> None:
        """Count what was noted; `ended`: the model's call was not broken off."""
        for transformer, shape in self.left_alone or ():
            self._decide(transformer, shape)
        self._count()
        if self.graph and ended:
            self.graph.count()
