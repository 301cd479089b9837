"""One call of a model: its transformers, their grids and its place in the sampling."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

from ..interception.contexts import LayersOf
from ..interception.pooling_in_graphs import plan_text
from ..phase import FIXED, Phase, PhaseCounter
from ..plan import Grid, decide, in_lead_in, with_papers_factors
from ..position import Moment
from ..reasons import Reason
from ..report import Report
from ..samplers import rule_for
from ..settings import Settings


class Calling(NamedTuple):
    """A transformer that is being called; its grid is None where it is unknown."""

    transformer: Any
    grid: Grid | None
    layers: LayersOf


class Evaluation:
    """A call of a whole model that is under way: its transformers, grids and place in the sampling.

    Where no such call was seen (a model of a class that the table does not know), transformers
    called one after another are taken for one evaluation, until one of them is called again.
    """

    def __init__(self, settings: Settings, moment: Moment | None, model: Any = None) -> None:
        self.moment = moment or Moment()
        self.model = model
        self.rule = rule_for(self.moment.sampler, self.moment.reported, self.moment.sigmas)
        careful = self.rule.is_careful(self.moment.step) or in_lead_in(self.moment)
        self.settings = with_papers_factors(settings) if careful else settings
        self.largest: Grid = (0, 0)
        self.reported_evaluation = 0
        # the transformer that is being called; a plain attribute, since every layer asks
        self.calling: Calling | None = None
        self._outer: list[Calling | None] = []
        self._decisions: dict[tuple[Grid, Grid], tuple[float, Reason | None]] = {}
        self._called: set[int] = set()
        self._places = 0

    @functools.cached_property
    def plan(self) -> str:
        """What graphs of torch.compile have to do in it, see `pooling_in_graphs`."""
        return plan_text(self.settings, self.moment)

    def enter(self, transformer: Any, grid: Grid | None) -> None:
        """Note that a transformer over `grid` is called."""
        self._outer.append(self.calling)
        self.calling = Calling(transformer, grid, LayersOf(transformer))
        self._called.add(id(transformer))
        self._places = 0

    def next_layer(self) -> tuple[Any, int]:
        """The transformer that is called, and which of its compiled layers it is now, from 0."""
        self._places += 1
        return self.calling and self.calling.transformer, self._places - 1

    def decide(self, grid: Grid, largest: Grid | None = None) -> tuple[float, Reason | None]:
        """The factor of a layer by the rule alone, and why it is left alone (None: it is not).

        Args:
            largest: the largest grid, where it is known before that layer was called.
        """
        key = grid, largest or self.largest
        decision = self._decisions.get(key)
        if decision is None:
            decision = self._decisions[key] = decide(*key, self.settings, self.moment)
        return decision

    def phase(self, layer: Any, factor: float, phases: PhaseCounter, report: Report) -> Phase:
        """The phase of a layer that is pooled now; the report hears where it does not move on."""
        moment, rule = self.moment, self.rule
        if not self.settings.moves:
            return FIXED
        if moment.step is None:
            report.phase_held(None, 0)
            return FIXED
        if rule.rests(None):
            report.phase_held(moment.sampler, 0)
            return FIXED
        if rule.rests(moment.step):
            report.phase_rests(moment.sampler)
            return FIXED
        if rule.hold != 1:
            report.phase_held(moment.sampler, rule.hold)
        return phases.phase(layer, moment.sampling, moment.step, factor, rule.hold)

    def leave(self) -> None:
        """Undo the last enter."""
        self.calling = self._outer.pop()

    def is_over(self, transformer: Any, reported_evaluation: int, known: frozenset[int]) -> bool:
        """Whether calling `transformer` begins another evaluation, where no model's call tells.

        Args:
            reported_evaluation: the number of the evaluation that a host reported last.
            known: the transformers of the evaluation before; once all of them were called again,
                one that was not among them belongs to another model.
        """
        if self.calling is not None:
            return False
        newcomer = self._called == known and id(transformer) not in known
        reported = self.reported_evaluation != reported_evaluation
        return newcomer or reported or id(transformer) in self._called

    @property
    def transformers(self) -> frozenset[int]:
        """The ids of the transformers called so far."""
        return frozenset(self._called)

    def see_self_attention(self, grid: Grid) -> None:
        """Note a layer's grid: the largest one with self-attention is the first level."""
        if grid[0] * grid[1] > self.largest[0] * self.largest[1]:
            self.largest = grid
