"""A model that torch.compile has made a graph of, whole or in parts: its plans and its counts."""

from __future__ import annotations

import itertools
import math
import weakref
from collections import defaultdict
from typing import Any

import torch

from ..interception import calls, signs
from ..interception.active import here
from ..interception.cut import self_attention_of
from ..phase import PhaseCounter
from ..plan import Grid, pooled_grid
from ..pooling import Pooling, pooling
from ..reasons import Reason
from .model_call import ModelCall

# by model and latent: the "largest grid, own grid" of each transformer, by its id, as traced
_traced: weakref.WeakKeyDictionary[Any, dict[Grid, dict[int, str]]] = weakref.WeakKeyDictionary()


class ModelGraph:
    """What a model's call means for the transformers in its graphs.

    In a graph, all layers of a transformer are pooled or none: if other code uses one of them, all
    are left to it.

    Args:
        call: the model's.
        transformers: the model's spatial transformers, by id.
        model: the model; None where only single transformers were seen.
        latent: what it is called with.
    """

    def __init__(
        self, call: ModelCall, transformers: dict[int, Any], model: Any = None, latent: Any = None
    ) -> None:
        self._call, self._transformers = call, transformers
        self._traced: dict[int, str] = {}
        self._plans: dict[str, tuple[Pooling | None, Reason | None]] = {}
        # the transformers whose call ran as Python
        self._eager: set[int] = set()
        # and why other code's use of a layer forbids pooling a transformer
        self._refused = {
            id_: next(filter(None, map(signs.reason, self_attention_of(module))), None)
            for id_, module in transformers.items()
        }
        call.run.report.compiled = True
        calls.meet_attention()
        here.largest = ""
        here.refused = "".join(f" {id_} " for id_, reason in self._refused.items() if reason)
        here.plans = None
        if isinstance(latent, torch.Tensor) and latent.ndim >= 4:
            grid = int(latent.shape[-2]), int(latent.shape[-1])
            self._traced = _traced.setdefault(model, {}).setdefault(grid, {})
            self._plan(model, grid, latent.device)
            here.plans = {key: taken for key, (taken, _) in self._plans.items()}

    def _plan(self, model: Any, latent: Grid, device: torch.device) -> None:
        """Decide for every level that may be the model's largest, and those below it."""
        rule, lane = self._call.rule, self._call.lane
        phases = lane.phases.setdefault(model, defaultdict(PhaseCounter))
        sides = (pooled_grid(latent, down) for down in (1, 2, 4, 8, 16))
        levels = {f"{height} {width}": (height, width) for height, width in sides}
        for largest, text in itertools.combinations_with_replacement(levels, 2):
            key, grid = f"{largest} {text}", levels[text]
            factor, reason = rule.decide(grid, levels[largest])
            taken = None
            if reason is None:
                phase = rule.phase(phases[key], factor)
                taken = pooling(grid, factor, rule.asked.method, phase, device)
            self._plans[key] = taken, reason

    def see(self, transformer: int, grid: str, largest: str) -> str:
        """Note a transformer in the graph that is being traced; the largest grid so far with it."""
        module = self._transformers.get(transformer)
        if module is None or not self_attention_of(module):
            return largest
        largest = max(largest or grid, grid, key=lambda text: math.prod(map(int, text.split())))
        self._traced[transformer] = f"{largest} {grid}"
        return largest

    def enter(self, transformer: Any, reason: Reason | None) -> Reason | None:
        """A transformer is called, maybe with graphs of its blocks: why it is left alone."""
        self._eager.add(id(transformer))
        height, width = self._call.largest
        here.largest, here.pooling = f"{height} {width}", None
        return reason or self._refused.get(id(transformer))

    def note(self) -> None:
        """Note the layers of transformers that ran in a graph of the model or of a part of it."""
        for id_, key in self._traced.items():
            module = self._transformers.get(id_)
            if module is None or id_ in self._eager:
                continue
            layers = self._call.lane.layers(module, self._call.run.report)
            _, _, height, width = map(int, key.split())
            keys = after = height * width
            # no plan: it works on part of the picture
            taken, reason = self._plans.get(key, (None, Reason.OTHER_GRID))
            reason = reason or self._refused[id_]
            if taken is not None and reason is None:
                after = taken.kept
            fate = (height, width), keys, after, reason
            self._call.noted[fate].extend(layers.numbers.values())
