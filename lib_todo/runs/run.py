"""A run: what becomes of the calls of models and layers while its settings hold."""

from __future__ import annotations

import weakref
from typing import Any

import torch

from ..clock import Schedule
from ..interception import arrived, compiled, contexts, vetoes
from ..interception.arrived import Arrival
from ..interception.families import Family
from ..interception.pooling_in_graphs import LayersOfGraphs
from ..phase import Phase
from ..plan import Grid
from ..pooling import pool_tokens
from ..position import Step
from ..reasons import Reason
from ..report import Report
from ..settings import Settings
from .evaluation import Evaluation
from .lane import Lanes


class Run:
    """Settings that hold somewhere, the report on them, and what is remembered between calls.

    Args:
        settings: what to pool.
        shared: whether it holds for several threads or tasks at once, each with its own sampling.

    Raises:
        TypeError: settings of another type.
    """

    def __init__(self, settings: Settings, shared: bool = False) -> None:
        if not isinstance(settings, Settings):
            raise TypeError(f"ToDo: settings must be a Settings, not {type(settings).__name__}")
        self.settings = settings
        self.enabled = settings.enabled
        self.report = Report(shared)
        self._has_window = (settings.start, settings.end) != (0, 1)
        self._lanes = Lanes(self.report.samplings)
        self._layers_of_graphs = LayersOfGraphs()
        # layers that were seen to compute their keys from what they were handed, or from all tokens
        self._taking: weakref.WeakSet[Any] = weakref.WeakSet()
        self._ignoring: weakref.WeakSet[Any] = weakref.WeakSet()

    def enter_model(self, model: Any, timestep: Any, in_graph: bool) -> None:
        """Note that a whole model is called at `timestep`, a number or a tensor of them.

        `in_graph`: through what `torch.compile(model)` returned.
        """
        moment = self._lanes.open().moment(self.report, timestep, self.pass_now())
        evaluation = self._begin(Evaluation(self.settings, moment, model))
        self._lanes.evaluations.append(evaluation)
        compiled.here.plan = evaluation.plan
        compiled.here.largest = ""
        self._see_graph(model, in_graph)

    def pass_now(self) -> str:
        """The pass that the model is called in, for hosts that know it but do not report steps."""
        return "first"

    def _begin(self, evaluation: Evaluation) -> Evaluation:
        self.report.see_step(evaluation.moment.shown_step)
        if self._has_window:
            self.report.note_window(evaluation.moment)
        return evaluation

    def leave_model(self) -> None:
        """Undo the last enter_model."""
        self._lanes.evaluations.pop()

    def begin_sampling(self, schedule: Schedule) -> None:
        """Note that a scheduler was set to new timesteps."""
        self._lanes.open().clock.expect_sampling(schedule)

    def model_missed(self) -> None:
        """Note that a model was called where nobody's settings hold, maybe in another thread."""
        self.report.missed_elsewhere = True

    def enter_transformer(self, transformer: Any, grid: Grid | None) -> None:
        """Note that a spatial transformer over `grid` is called (None: its grid is unknown)."""
        evaluation = self._evaluation(transformer)
        evaluation.enter(transformer, grid)
        compiled.here.plan = evaluation.plan
        self._tell_graphs(evaluation)
        self._see_graph(transformer)

    def _tell_graphs(self, evaluation: Evaluation) -> None:
        grid = evaluation.calling.grid if evaluation.calling else None
        largest = evaluation.largest
        compiled.here.grid = f"{grid[0]} {grid[1]}" if grid else ""
        deeper = grid is not None and grid[0] * grid[1] < largest[0] * largest[1]
        # a layer of the largest level is its own measure: one graph for the way down and up
        compiled.here.largest = f"{largest[0]} {largest[1]}" if deeper else ""

    def pool_in_graph(
        self, tokens: torch.Tensor, grid: Grid, factor: float, layer: int
    ) -> torch.Tensor:
        """The pooled tokens of a compiled layer, which is counted; see `pooling_in_graphs`."""
        evaluation, module = self._layer_of_graph(layer, grid)
        pooled = self._pool(tokens, grid, 1, factor, self._phase(module, factor, evaluation))
        before, after, step = tokens.shape[1], pooled.shape[1], evaluation.moment.shown_step
        self.report.count(module, grid, before, after, None, step)
        return pooled

    def note_in_graph(self, grid: Grid, largest: Grid, layer: int, reason: str) -> None:
        """Count a compiled layer that is left alone: for `reason`, or by the rule where empty."""
        evaluation, module = self._layer_of_graph(layer, grid)
        moment, keys = evaluation.moment, grid[0] * grid[1]
        _, why = evaluation.decide(grid, largest)
        why = why or (Reason(reason) if reason else Reason.FACTOR_ONE)
        self.report.count(module, grid, keys, keys, why, moment.shown_step)

    def _layer_of_graph(self, number: int, grid: Grid) -> tuple[Evaluation, Any]:
        evaluation = self._evaluation()
        evaluation.see_self_attention(grid)
        transformer, place = evaluation.next_layer() if number < 0 else (None, 0)
        return evaluation, self._layers_of_graphs.layer(number, transformer, place)

    def _see_graph(self, module: Any, in_graph: bool = False) -> None:
        if not self.report.tallies and not self.report.compiled:
            self.report.compiled = in_graph or compiled.is_compiled(module)

    def leave_transformer(self) -> None:
        """Undo the last enter_transformer."""
        evaluation = self._evaluation()
        evaluation.leave()
        self._tell_graphs(evaluation)

    def _evaluation(self, transformer: Any = None) -> Evaluation:
        """The evaluation that is under way; a loose transformer may begin a new one."""
        if self._lanes.evaluations:
            return self._lanes.evaluations[-1]
        lane = self._lanes.open()
        loose = lane.going_on(transformer, self.report.position.evaluation)
        if loose is None:
            moment = lane.moment(self.report, None, self.pass_now())
            loose = self._begin(Evaluation(self.settings, moment))
            # asking for the moment may have begun the sampling that a callback expects
            lane.begin_loose(loose, self.report.position.evaluation)
        return loose

    def arguments_for(
        self, family: Family, layer: Any, args: tuple, kwargs: dict
    ) -> tuple[tuple, dict, Arrival | None]:
        """The arguments to call the attention `layer` with, pooled where the rule says so.

        Where it is not known yet that the layer computes its keys from them, what watches that
        stands beside them: the call has to be made inside of it.
        """
        under_way = self._lanes.evaluations
        if not under_way and not self._lanes.open().is_in_transformer:
            # an autoencoder's attention: it belongs to no evaluation, and begins none
            return args, kwargs, None
        evaluation = under_way[-1] if under_way else self._evaluation()
        calling = evaluation.calling
        if calling is None or calling.grid is None:
            return args, kwargs, None
        grid, layers = calling.grid, calling.layers
        given = dict(zip(family.parameters, args), **kwargs)
        x: Any = given.get(family.parameters[0])
        if not contexts.is_spatial(x, layer, layers):
            return args, kwargs, None
        context: Any = given.get(family.parameters[1])
        copies = contexts.count_key_grids(x, context, grid, layer, layers)
        step = evaluation.moment.shown_step
        if not copies:
            why_not = contexts.why_not_this_grid(x, context, grid, layer, layers)
            if why_not is not Reason.NOT_SELF_ATTENTION:
                evaluation.see_self_attention(grid)
            self.report.count(layer, grid, int(x.shape[1]), int(x.shape[1]), why_not, step)
            return args, kwargs, None
        evaluation.see_self_attention(grid)
        before = copies * grid[0] * grid[1]
        factor, reason = self._decide(family, layer, grid, evaluation, given)
        source = x if context is None else context
        if reason is None:
            phase = self._phase(layer, factor, evaluation)
            pooled = self._pool(source, grid, copies, factor, phase)
            reason = Reason.FACTOR_ONE if pooled is source else None
        if reason is not None:
            self.report.count(layer, grid, before, before, reason, step)
            return args, kwargs, None
        after = int(pooled.shape[1])
        changed = {family.parameters[1]: pooled}
        value = given.get("value")
        if value is not None:
            changed["value"] = (
                pooled if value is source else self._pool(value, grid, copies, factor, phase)
            )
        new_args, new_kwargs = contexts.with_changed(family, args, kwargs, changed)
        return new_args, new_kwargs, self._count_pooled(layer, grid, before, after, step)

    def _count_pooled(
        self, layer: Any, grid: Grid, before: int, after: int, step: Step | None
    ) -> Arrival | None:
        """Count a pooled call: at once, or once it is seen whether its keys became fewer."""
        if layer in self._taking or not arrived.can_be_watched(layer):
            self.report.count(layer, grid, before, after, None, step)
            return None

        def judge(keys: int | None) -> None:
            ignored = keys is not None and keys != after
            (self._ignoring if ignored else self._taking).add(layer)
            reason = Reason.KEYS_IGNORED if ignored else None
            self.report.count(layer, grid, before, before if ignored else after, reason, step)

        return Arrival(layer, judge)

    def _decide(
        self,
        family: Family,
        layer: Any,
        grid: Grid,
        evaluation: Evaluation,
        given: dict[str, Any],
    ) -> tuple[float, Reason | None]:
        """The factor, and why the layer is left alone (None: it is not)."""
        reason = vetoes.first(layer, before_the_rule=True)
        if reason is not None:
            return 1, reason
        factor, reason = evaluation.decide(grid)
        if reason is None:
            reason = vetoes.first(layer) or contexts.why_keys_are_not_ours(family, layer, given)
        if reason is None and layer in self._ignoring:
            reason = Reason.KEYS_IGNORED
        return (1, reason) if reason is not None else (factor, None)

    def _phase(self, layer: Any, factor: float, evaluation: Evaluation) -> Phase:
        return evaluation.phase(layer, factor, self._lanes.now.phases, self.report)

    def _pool(
        self, tokens: torch.Tensor, grid: Grid, copies: int, factor: float, phase: Phase
    ) -> torch.Tensor:
        if copies == 1:
            return pool_tokens(tokens, grid, factor, self.settings.method, phase)
        batch, _, width = tokens.shape
        apart = tokens.reshape(batch * copies, grid[0] * grid[1], width)
        pooled = pool_tokens(apart, grid, factor, self.settings.method, phase)
        return tokens if pooled is apart else pooled.reshape(batch, -1, width)
