"""What is remembered from one call of a model to the next, for each thread or asyncio task."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ..interception import graphs
from ..phase import PhaseCounter
from ..steps import Steps

if TYPE_CHECKING:
    from .model_call import ModelCall


class Lane:
    """What one thread or asyncio task remembers between its calls of a model."""

    def __init__(self, samplings: Iterator[int]) -> None:
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
        """By id, whether a transformer's layers were seen to take the keys that they are given."""
        return self._obeys.setdefault(transformer, {})

    def is_compiled(self, module: Any) -> bool:
        """Whether a part of the module was a graph of torch.compile when first called here."""
        if module not in self._compiled:
            self._compiled[module] = graphs.is_any_compiled(module)
        return self._compiled[module]

    def transformers(self, model: Any) -> dict[int, Any]:
        """The spatial transformers of a model that was compiled, by id."""
        if model not in self._transformers:
            found = weakref.WeakValueDictionary(graphs.transformers_of(model))
            self._transformers[model] = found
        return dict(self._transformers[model])
