"""Counts of layer calls, by what happened to them."""

from __future__ import annotations

import dataclasses
import threading
from collections import defaultdict
from collections.abc import Iterable
from typing import Any, TypeVar

from .plan import Grid
from .position import Step
from .reasons import Reason


@dataclasses.dataclass
class Tally:
    """How often something happened to the layers of one grid, and in which steps."""

    layers: set[int] = dataclasses.field(default_factory=set)
    calls: int = 0
    steps: set[Step] = dataclasses.field(default_factory=set)


# grid, keys before, keys after, and why it was left alone: None where it was pooled
Key = tuple[Grid, int, int, "Reason | None"]
# the numbers of layers by what happened to them
Noted = defaultdict[Key, list[int]]
T = TypeVar("T")


def summed(tallies: Iterable[tuple[T, Tally]]) -> dict[T, Tally]:
    """New tallies, one for each key."""
    found: dict[T, Tally] = defaultdict(Tally)
    for key, tally in tallies:
        found[key].layers |= tally.layers
        found[key].calls += tally.calls
        found[key].steps |= tally.steps
    return dict(found)


class Counts:
    """The calls of one pass or of several, its `_parts`, by what happened to them."""

    lock: threading.RLock
    _parts: Iterable[PassCounts]

    @property
    def tallies(self) -> dict[Key, Tally]:
        """A copy of the tallies, since other threads may be counting."""
        with self.lock:
            return summed(row for part in self._parts for row in part.counted.items())

    @property
    def steps(self) -> tuple[int, int]:
        """Steps in which something was pooled, and all steps; (0, 0) without any progress."""
        pooled = set().union(*(tally.steps for tally in self.pooled.values()))
        with self.lock:
            return len(pooled), len(set().union(*(part.seen for part in self._parts)))

    @property
    def pooled(self) -> dict[tuple[int, int], Tally]:
        """Pooled calls by (keys before, keys after)."""
        rows = self.tallies.items()
        return summed((key[1:3], tally) for key, tally in rows if key[3] is None)

    @property
    def left_alone(self) -> dict[Reason, Tally]:
        """Self-attention calls left alone, by reason."""
        rows = self.tallies.items()
        return summed((key[3], tally) for key, tally in rows if key[3] is not None)

    @property
    def layers(self) -> int:
        """How many self-attention layers were called, or known before a pass."""
        return len(set().union(*(tally.layers for tally in self.tallies.values())))

    def to_list(self) -> list[dict[str, Any]]:
        """Every count in types that JSON knows."""
        return [
            {
                "grid": list(grid),
                "keys_before": before,
                "keys_after": after,
                "reason": reason.name.lower() if reason else None,
                "layers": len(tally.layers),
                "calls": tally.calls,
                "steps": len(tally.steps),
            }
            for (grid, before, after, reason), tally in self.tallies.items()
        ]


class PassCounts(Counts):
    """The counts of one pass, with its steps and what happened to the phase in it.

    Attributes:
        counted: the tallies themselves, to be changed under the lock.
        seen: the steps in which the model was evaluated.
        asked: how many steps were asked for, by the sampling's number, where that is known.
        held: by sampler (None: not known), for how many steps a phase was held, 0 for good.
        rested: the samplers for which it rested in the last steps.
    """

    def __init__(self, lock: threading.RLock) -> None:
        self.lock, self._parts = lock, (self,)
        self.counted: defaultdict[Key, Tally] = defaultdict(Tally)
        self.seen: set[Step] = set()
        self.asked: dict[int, int] = {}
        self.held: dict[str | None, int] = {}
        self.rested: dict[str | None, None] = {}

    def to_dict(self) -> dict[str, Any]:
        """The whole pass in types that JSON knows."""
        with self.lock:
            pooled, seen = self.steps
            held = [{"sampler": sampler, "steps": steps} for sampler, steps in self.held.items()]
            return {
                "steps": {"pooled": pooled, "seen": seen, "asked": sum(self.asked.values())},
                "phase_held": held,
                "phase_rests": list(self.rested),
                "grids": self.to_list(),
            }
