"""What is remembered from one call of a model to the next, for each thread or asyncio task."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ..interception import graphs
from ..interception.cut import Layers
from ..phase import PhaseCounter
from ..report import Report
from ..rule import Rule
from ..steps import Steps

if TYPE_CHECKING:
    from .model_call import ModelCall


class Lane:
    """What one thread or asyncio task remembers between its calls of a model."""

    def __init__(self, samplings: Iterator[int]) -> None:
        self.steps = Steps(samplings)
        self.phases = PhaseCounter()
        # that of the last call
        self.rule: Rule | None = None
        # the call under way outside of any model's, what the one before called, and the evaluation
        # that a host had reported
        self.loose: ModelCall | None = None
        self.before: set[int] = set()
        self.reported_evaluation = 0
        # what is known of a transformer's layers
        self._layers: weakref.WeakKeyDictionary[Any, Layers] = weakref.WeakKeyDictionary()
        self._compiled: weakref.WeakKeyDictionary[Any, bool] = weakref.WeakKeyDictionary()
        self._transformers: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()

    def layers(self, transformer: Any, report: Report) -> Layers:
        """The self-attention layers of a transformer, as they were when it was first called."""
        layers = self._layers.get(transformer)
        if layers is None:
            layers = self._layers[transformer] = Layers(transformer, report)
        return layers

    def forget_layers(self, transformer: Any) -> None:
        """Have a transformer's layers looked for again: other modules may stand in their place."""
        self._layers.pop(transformer, None)

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
