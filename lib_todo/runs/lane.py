"""What is remembered from one call of a model to the next, for each thread or asyncio task."""

from __future__ import annotations

import threading
import weakref
from typing import TYPE_CHECKING, Any

from ..callers import Numbers, caller
from ..interception import graphs
from ..phase import PhaseCounter
from ..steps import Steps

if TYPE_CHECKING:
    from .model_call import ModelCall


class Lane:
    """What one thread or asyncio task remembers between its calls of a model."""

    def __init__(self, samplings: Numbers) -> None:
        self.steps = Steps(samplings)
        self.phases = PhaseCounter()
        # the call under way outside of any model's, what the one before called, and the evaluation
        # that a host had reported
        self.loose: ModelCall | None = None
        self.before: set[int] = set()
        self.reported_evaluation = 0
        # what is known of a transformer's layers, see `Cut`
        self._obeys: weakref.WeakKeyDictionary[Any, dict[int, bool]] = weakref.WeakKeyDictionary()
        self._compiled: weakref.WeakKeyDictionary[Any, bool] = weakref.WeakKeyDictionary()
        self._transformers: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()

    def obeys(self, transformer: Any) -> dict[int, bool]:
        """Which of a transformer's layers were seen to take the keys that they are given."""
        known = self._obeys.get(transformer)
        if known is None:
            known = self._obeys[transformer] = {}
        return known

    def is_compiled(self, module: Any) -> bool:
        """Whether a part of the module was a graph of torch.compile when first called here."""
        found = self._compiled.get(module)
        if found is None:
            found = self._compiled[module] = graphs.is_any_compiled(module)
        return found

    def transformers(self, model: Any) -> dict[int, Any]:
        """The spatial transformers of a model that was compiled, by id."""
        found = self._transformers.get(model)
        if found is None:
            found = self._transformers[model] = weakref.WeakValueDictionary(
                graphs.transformers_of(model)
            )
        return dict(found)


class Lanes:
    """The lanes of a run, one for each thread or asyncio task that calls a model in it."""

    def __init__(self, samplings: Numbers) -> None:
        self._samplings = samplings
        self._lanes: weakref.WeakKeyDictionary[Any, Lane] = weakref.WeakKeyDictionary()
        self._lock = threading.Lock()

    def forget(self) -> None:
        """Begin anew; calls that are under way go on."""
        with self._lock:
            self._lanes.clear()

    def open(self) -> Lane:
        """The lane of the thread or task that asks."""
        owner = caller()
        with self._lock:
            lane = self._lanes.get(owner)
            if lane is None:
                lane = self._lanes[owner] = Lane(self._samplings)
        return lane
