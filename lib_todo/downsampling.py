"""token_downsampling: self-attention is handed pooled tokens as its context inside a `with`."""

from __future__ import annotations

import dataclasses
import weakref
from collections.abc import Callable
from typing import Any

import torch

from .evaluation import Evaluation, Lanes, caller
from .interception import active, calls, compiled, contexts, vetoes
from .interception.families import Family
from .interception.pooling_in_graphs import LayersOfGraphs, plan_text
from .phase import Phase
from .plan import Grid
from .pooling import pool_tokens
from .position import Moment
from .reasons import Reason
from .report import Report
from .settings import Settings


class token_downsampling:  # noqa: N801  a context manager, named as one is used
    """Pool the keys and values of the U-Net's self-attention inside a `with` (arXiv 2402.13573).

        with token_downsampling(Settings()) as report:
            image = pipe(prompt, width=1024, height=1024).images[0]
        print(report.line())

    Every family of `interception.families` that is imported when it is entered takes part. Steps
    are told apart by the timesteps that the model is called with; a host that knows better says
    `report.progress(step, total)` before each evaluation. It nests: the inner one's settings hold
    inside, also where they are disabled; then the outer ones come back. Entering the same object
    again goes on with the same report. Only the context (thread or asyncio task) that entered it is
    concerned. On leaving, whatever was raised, the classes are as they were.

    Args:
        settings: what to pool; `Settings()` is the preset `balanced`.

    Raises:
        TypeError: settings of another type.
        RuntimeError: entered while another thread or task is inside.
    """

    def __init__(self, settings: Settings) -> None:
        if not isinstance(settings, Settings):
            raise TypeError(f"ToDo: settings must be a Settings, not {type(settings).__name__}")
        self.settings = settings
        self.enabled = settings.enabled
        self.report = Report()
        self._entries: list[active.Entry] = []
        self._owner: Callable[[], Any] = lambda: None
        self._lanes = Lanes()
        self._layers_of_graphs = LayersOfGraphs()
        self._outer_plans: list[str] = []

    def __enter__(self) -> Report:
        if self._entries and self._owner() is not caller():
            raise RuntimeError(
                "ToDo: this token_downsampling is in use in another thread or task; give each one "
                "of its own: they can share the Settings"
            )
        if self.enabled:
            calls.install(self)
        self._owner = weakref.ref(caller())
        self._entries.append(active.enter(self))
        self._outer_plans.append(compiled.here.plan)
        compiled.here.plan = plan_text(self.settings, None) if self.enabled else ""
        self._lanes.forget()
        self.report.position.expect_sampling()
        return self.report

    def __exit__(self, *exc_info: object) -> None:
        active.leave(self._entries.pop())
        compiled.here.plan = self._outer_plans.pop()
        if self.enabled:
            calls.uninstall(self)

    def enter_model(self, model: Any, timestep: Any) -> None:
        """Note that a whole model is called at `timestep`, a number or a tensor of them."""
        lane = self._lanes.open()
        moment = self.report.position.moment
        if moment is None:
            value = _as_number(timestep)
            if value is not None:
                lane.clock.see(value)
                moment = Moment(
                    sampling=lane.clock.sampling,
                    step=lane.clock.step,
                    fraction=lane.clock.fraction,
                    sampler=lane.sampler,
                )
        elif moment.sampler is None:
            moment = dataclasses.replace(moment, sampler=lane.sampler)
        evaluation = Evaluation(self.settings, moment, model)
        self._lanes.evaluations.append(evaluation)
        compiled.here.plan = plan_text(evaluation.settings, evaluation.moment)
        compiled.here.largest = ""
        self._see_graph(model)

    def leave_model(self) -> None:
        """Undo the last enter_model."""
        self._lanes.evaluations.pop()

    def begin_sampling(self, sampler: str) -> None:
        """Note that a scheduler of the class named `sampler` was set to new timesteps."""
        lane = self._lanes.open()
        lane.sampler = sampler
        lane.clock.expect_sampling()

    def enter_transformer(self, transformer: Any, grid: Grid | None) -> None:
        """Note that a spatial transformer over `grid` is called (None: its grid is unknown)."""
        evaluation = self._evaluation(transformer)
        evaluation.enter(transformer, grid)
        compiled.here.plan = plan_text(evaluation.settings, evaluation.moment)
        self._tell_graphs(evaluation)
        self._see_graph(transformer)

    def _tell_graphs(self, evaluation: Evaluation) -> None:
        grid, largest = evaluation.grid, evaluation.largest
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

    def note_in_graph(self, tokens: torch.Tensor, grid: Grid, layer: int, reason: str) -> None:
        """Count a compiled layer that is left alone: for `reason`, or by the rule where empty."""
        evaluation, module = self._layer_of_graph(layer, grid)
        moment, keys = evaluation.moment, tokens.shape[1]
        _, why = evaluation.decide(grid)
        why = why or (Reason(reason) if reason else Reason.FACTOR_ONE)
        self.report.count(module, grid, keys, keys, why, moment.shown_step)

    def _layer_of_graph(self, number: int, grid: Grid) -> tuple[Evaluation, Any]:
        evaluation = self._evaluation()
        evaluation.see_self_attention(grid)
        transformer, place = evaluation.next_layer() if number < 0 else (None, 0)
        return evaluation, self._layers_of_graphs.layer(number, transformer, place)

    def _see_graph(self, module: Any) -> None:
        if not self.report.tallies and not self.report.compiled:
            self.report.compiled = compiled.is_compiled(module)

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
        position = self.report.position
        loose = lane.loose
        if loose is None or (
            transformer is not None and loose.is_over(transformer, position.evaluation)
        ):
            loose = lane.loose = Evaluation(self.settings, position.moment)
            loose.told = position.evaluation
        return loose

    def arguments_for(
        self, family: Family, layer: Any, args: tuple, kwargs: dict
    ) -> tuple[tuple, dict]:
        """The arguments to call the attention `layer` with, pooled where the rule says so."""
        evaluation = self._evaluation()
        grid = evaluation.grid
        if grid is None:
            return args, kwargs
        given = dict(zip(family.parameters, args), **kwargs)
        x: Any = given.get(family.parameters[0])
        context: Any = given.get(family.parameters[1])
        copies = contexts.count_key_grids(x, context, grid, layer, evaluation.transformer)
        moment = evaluation.moment
        if not copies:
            why_not = contexts.why_not_this_grid(x, context, grid, layer, evaluation.transformer)
            if why_not is Reason.OTHER_GRID:
                evaluation.see_self_attention(grid)
            self.report.count(
                layer, grid, int(x.shape[1]), int(x.shape[1]), why_not, moment.shown_step
            )
            return args, kwargs
        evaluation.see_self_attention(grid)
        before = copies * grid[0] * grid[1]
        factor, reason = self._decide(family, layer, grid, evaluation, given)
        source = x if context is None else context
        pooled = source
        if reason is None:
            phase = self._phase(layer, factor, evaluation)
            pooled = self._pool(source, grid, copies, factor, phase)
            if pooled is source:
                reason = Reason.FACTOR_ONE
        self.report.count(layer, grid, before, int(pooled.shape[1]), reason, moment.shown_step)
        if reason is not None:
            return args, kwargs
        changed = {family.parameters[1]: pooled}
        value = given.get("value")
        if value is not None:
            changed["value"] = (
                pooled if value is source else self._pool(value, grid, copies, factor, phase)
            )
        return contexts.with_changed(family, args, kwargs, changed)

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


def _as_number(timestep: Any) -> float | None:
    """A timestep as one number, of a batch its largest; None where it is none."""
    if isinstance(timestep, torch.Tensor):
        if timestep.numel() == 0 or timestep.is_meta or compiled.is_exporting():
            return None
        return float(timestep.max() if timestep.numel() > 1 else timestep)
    return float(timestep) if isinstance(timestep, (int, float)) else None
