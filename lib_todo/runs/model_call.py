"""One call of a whole model: its place in the sampling, and what its transformers' layers take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..interception import calls
from ..interception.active import here
from ..interception.cut import Cut, self_attention_of
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
    """

    def __init__(self, run: Run, lane: Lane, moment: Moment | None) -> None:
        self.run, self.lane = run, lane
        self.rule = Rule(run.settings, moment)
        self.moment = self.rule.moment
        # the largest grid with self-attention so far: that of the first level
        self.largest: Grid = (0, 0)
        # the ids of the transformers called, where no model's call tells
        self.called: set[int] = set()
        self._has_begun = False
        # where the model or a part of it runs as a graph of torch.compile
        self.graph: ModelGraph | None = None

    def cut(self, transformer: Any, x: Any, family: Family) -> Cut | None:
        """What the layers of a transformer over `x` take; None where they take all tokens.

        The layers of a transformer that takes all tokens are counted at once.
        """
        self.begin()
        shape, report = x.shape, self.run.report
        numbers = report.numbers(transformer, self_attention_of)
        if len(shape) != 4 or not numbers:
            return None
        # under jit.trace a side is a tensor
        grid = int(shape[2]), int(shape[3])
        keys = grid[0] * grid[1]
        if keys > self.largest[0] * self.largest[1]:
            self.largest = grid
        factor, reason = self.rule.decide(grid, self.largest)
        if self.graph:
            reason = self.graph.enter(transformer, reason)
        if reason is not None:
            report.count(numbers, grid, keys, keys, reason, self.moment.shown_step)
            return None
        calls.meet_attention()
        phase = self.rule.phase(self.lane.phases, transformer, factor)
        self.rule.note_phase(report)
        taken = pooling(grid, factor, self.rule.asked.method, phase, x.device)
        if self.graph:
            here.pooling = taken
        by_id = dict(zip(map(id, self_attention_of(transformer)), numbers))
        return Cut(family, transformer, by_id, taken, self.lane.obeys(transformer))

    def begin(self) -> None:
        """The first transformer is called, so this is a model with such layers."""
        if not self._has_begun:
            self._has_begun = True
            self.run.report.see_step(self.moment.shown_step)
            if self.run.has_window:
                self.run.report.note_window(self.moment)

    def count(self, cut: Cut, ended: bool) -> None:
        """Count what the layers of a transformer did in its call."""
        report, step = self.run.report, self.moment.shown_step
        for (before, after, reason), numbers in cut.seen.items():
            report.count(numbers, cut.pooling.grid, before, after, reason, step)
        not_called = cut.not_called if ended else []
        if not_called and self.graph:
            self.graph.count_blocks(cut.pooling, not_called)
        elif not_called:
            # other code computes the attention in their place
            keys = cut.pooling.tokens
            report.count(not_called, cut.pooling.grid, keys, keys, Reason.REPLACED, step)
