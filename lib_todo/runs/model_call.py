"""One call of a whole model: its place in the sampling, and what its transformers' layers take."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from ..counts import Noted
from ..interception import calls, graphs
from ..interception.active import here
from ..interception.cut import Cut
from ..plan import Grid
from ..pooling import pooling
from ..reasons import Reason
from ..rule import Rule

if TYPE_CHECKING:
    from .model_graph import ModelGraph
    from .run import Lane, Run


class ModelCall:
    """A call of a whole model that is under way.

    Args:
        run: whose settings hold.
        lane: of the thread or task that calls.
        timestep: what the model is called with; None where no model's call was seen.
        is_whole: whether a model's call was seen, not only its transformers.

    Attributes:
        graph: where the model or a part of it runs as a graph of torch.compile.
        noted: the numbers of layers by what happened to them. They are counted when the call ends,
            together: a dozen transformers have two or three different fates.
    """

    def __init__(self, run: Run, lane: Lane, timestep: Any, is_whole: bool) -> None:
        self.run, self.lane, self.is_whole = run, lane, is_whole
        moment = lane.steps.moment(run.report, timestep, run.pass_now())
        self.rule = lane.rule = Rule(run.settings, moment, lane.rule)
        # the largest grid with self-attention so far: that of the first level
        self.largest: Grid = (0, 0)
        self.graph: ModelGraph | None = None
        self.noted: Noted = defaultdict(list)

    def cut(self, transformer: Any, shape: Any, device: Any, family: Any) -> Cut | None:
        """What the layers of a transformer take; None, and a note, where they take all tokens."""
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
        if reason is not None:
            self.noted[grid, keys, keys, reason].extend(layers.numbers.values())
            return None
        calls.meet_attention()
        phase = self.rule.phase(layers.phases, factor)
        taken = pooling(grid, factor, self.rule.asked.method, phase, device)
        if self.graph:
            here.pooling = taken
        return Cut(family, layers, taken, self.noted)

    def end_transformer(self, cut: Cut | None, ended: bool) -> None:
        """Note the layers that a transformer did not call; `ended`: it was not broken off."""
        missed = cut.not_called() if cut and ended else None
        if cut and missed:
            taken = cut.pooling
            if self.graph is None:
                # other code computes the attention, and other modules may stand in their place
                cut.layers.are_stale = True
                self.noted[taken.grid, taken.tokens, taken.tokens, Reason.REPLACED].extend(missed)
            elif taken.text in graphs.traced_layers:
                # they ran in graphs of their blocks
                self.noted[taken.grid, taken.tokens, taken.kept, None].extend(missed)
        if not self.is_whole:
            # nothing will tell when such a call ends
            self._count()
            for numbers in self.noted.values():
                numbers.clear()

    def _count(self) -> None:
        report, moment, asked = self.run.report, self.rule.moment, self.rule.asked
        report.count(self.noted, moment.shown_step)
        reasons = [reason for (*_, reason), numbers in self.noted.items() if numbers]
        if reasons and 0 < asked.end - asked.start < 1:
            report.note_window(moment)
        if None in reasons:
            self.rule.note_phase(report)

    def end(self, ended: bool) -> None:
        """Count what was noted; `ended`: the model's call was not broken off."""
        if self.graph and ended:
            self.graph.note()
        self._count()
