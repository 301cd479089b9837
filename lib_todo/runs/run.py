"""A run: settings that hold somewhere, and what becomes of the calls of models meanwhile."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator
from typing import Any

from ..interception import graphs
from ..interception.cut import Layers
from ..interception.families import transformers_of
from ..phase import PhaseCounter
from ..report import Report, caller
from ..rule import Rule
from ..schedulers import Schedule
from ..settings import Settings
from ..steps import Steps
from . import model_graph
from .model_call import ModelCall


class Lane:
    """What one thread or asyncio task remembers between its calls of a model."""

    def __init__(self, samplings: Iterator[int]) -> None:
        self.steps = Steps(samplings)
        self.rule: Rule | None = None  # of the last call
        # the call under way outside of any model's, the ids of the transformers that it and the one
        # before called, and the evaluation that a host had reported
        self.loose: ModelCall | None = None
        self.called: set[int] = set()
        self.before: set[int] = set()
        self.reported_evaluation = 0
        self._layers: weakref.WeakKeyDictionary[Any, Layers] = weakref.WeakKeyDictionary()
        self._compiled: weakref.WeakKeyDictionary[Any, bool] = weakref.WeakKeyDictionary()
        self._transformers: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()
        # by model that was compiled, and by its largest and own grid
        self.phases: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()

    def layers(self, transformer: Any, report: Report) -> Layers:
        """The self-attention layers of a transformer, as they were when last looked for."""
        layers = self._layers.get(transformer)
        if layers is None or layers.are_stale:
            phases = layers.phases if layers else PhaseCounter()
            layers = self._layers[transformer] = Layers(transformer, report, phases)
        return layers

    def is_compiled(self, module: Any) -> bool:
        """Whether the module is a graph of torch.compile, or a part was when first called here."""
        known = self._compiled.get(module)
        if known is None:
            known = self._compiled[module] = any(map(graphs.is_compiled, module.modules()))
        return known or graphs.is_compiled(module)

    def transformers(self, model: Any) -> dict[int, Any]:
        """The spatial transformers of a model that was compiled, by id."""
        if model not in self._transformers:
            self._transformers[model] = weakref.WeakValueDictionary(transformers_of(model))
        return dict(self._transformers[model])


class Run:
    """Settings that hold somewhere, the report on them, and what each thread or task remembers.

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
        self._lanes: weakref.WeakKeyDictionary[Any, Lane] = weakref.WeakKeyDictionary()
        self._lock = threading.Lock()

    def pass_now(self) -> str:
        """The pass that the model is called in, for hosts that know it but do not report steps."""
        return "first"

    def forget(self) -> None:
        """Begin anew in every thread and task; calls that are under way go on."""
        with self._lock:
            self._lanes.clear()

    def _lane(self) -> Lane:
        """What the thread or task that asks remembers."""
        owner = caller()
        with self._lock:
            lane = self._lanes.get(owner)
            if lane is None:
                lane = self._lanes[owner] = Lane(self.report.samplings)
        return lane

    def call(self, model: Any, timestep: Any, latent: Any, in_graph: bool) -> ModelCall:
        """A model is called; `in_graph`: through what `torch.compile(model)` returned."""
        lane = self._lane()
        call = ModelCall(self, lane, timestep, is_whole=True)
        if in_graph or lane.is_compiled(model):
            transformers = lane.transformers(model)
            call.graph = model_graph.ModelGraph(call, transformers, model, latent)
        return call

    def loose_call(self, transformer: Any) -> ModelCall:
        """The call that a transformer belongs to where no model's call was seen.

        Transformers called one after another are taken for one call, until one of them is called
        again, a time embedding is asked, or a host reports another evaluation.
        """
        lane = self._lane()
        call, called = lane.loose, lane.called
        reported = self.report.position.evaluation != lane.reported_evaluation
        # one that comes after all those of the call before belongs to another model
        is_over = reported or id(transformer) in called or called == lane.before
        if call is None or (called and is_over):
            call = self._begin_loose(lane, None)
        lane.called.add(id(transformer))
        if lane.is_compiled(transformer):
            call.graph = model_graph.ModelGraph(call, {id(transformer): transformer})
        return call

    def _begin_loose(self, lane: Lane, timestep: Any) -> ModelCall:
        call = lane.loose = ModelCall(self, lane, timestep, is_whole=False)
        lane.before, lane.called = lane.called, set()
        lane.reported_evaluation = self.report.position.evaluation
        return call

    def see_timestep(self, timestep: Any) -> None:
        """A model's time embedding was asked outside of any call: its forward is called by name."""
        lane = self._lane()
        # SDXL embeds its sizes too, before the first transformer
        if lane.loose is None or lane.called:
            self._begin_loose(lane, timestep)

    def begin_sampling(self, schedule: Schedule) -> None:
        """A scheduler was set to new timesteps."""
        self._lane().steps.expect_sampling(schedule)
