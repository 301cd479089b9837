"""Counts of layer calls, by what happened to them."""

from __future__ import annotations

import dataclasses
import math
import threading
from typing import Any

from .plan import Grid
from .position import Step
from .reasons import BY_RULE, Reason


@dataclasses.dataclass
class Tally:
    """How often something happened to the layers of one grid, and in which steps."""

    layers: set[int] = dataclasses.field(default_factory=set)
    calls: int = 0
    steps: set[Step] = dataclasses.field(default_factory=set)

    def add(self, other: Tally) -> None:
        """Count what the other has here too."""
        self.layers |= other.layers
        self.calls += other.calls
        self.steps |= other.steps


# grid, keys before, keys after, and why it was left alone: None where it was pooled
Key = tuple[Grid, int, int, "Reason | None"]


class Counts:
    """What follows from `tallies`: the calls by what happened to them."""

    @property
    def tallies(self) -> dict[Key, Tally]:
        """A copy of the tallies, since other threads may be counting."""
        raise NotImplementedError

    @property
    def pooled(self) -> dict[tuple[int, int], Tally]:
        """Pooled calls by (keys before, keys after)."""
        merged: dict[tuple[int, int], Tally] = {}
        for (_, before, after, reason), tally in self.tallies.items():
            if reason is None:
                merged.setdefault((before, after), Tally()).add(tally)
        return merged

    @property
    def left_alone(self) -> dict[Reason, Tally]:
        """Self-attention calls left alone, by reason."""
        merged: dict[Reason, Tally] = {}
        for (_, _, _, reason), tally in self.tallies.items():
            if reason is not None:
                merged.setdefault(reason, Tally()).add(tally)
        return merged

    def left_whole(self, keys: int) -> Tally:
        """The layers with as many `keys` that kept all of them by the rule, in their steps.

        A window, a pass or another extension is no such rule: their reasons are counted apart.
        """
        found = Tally()
        for (_, before, _, reason), tally in self.tallies.items():
            if before == keys and reason in BY_RULE:
                found.add(tally)
        return found

    @property
    def layers(self) -> int:
        """How many distinct self-attention layers were called."""
        return len(set().union(*(tally.layers for tally in self.tallies.values())))

    @property
    def largest_grid(self) -> Grid | None:
        """The largest grid (height, width) of any self-attention layer called."""
        return max((grid for grid, *_ in self.tallies), key=math.prod, default=None)

    def to_list(self) -> list[dict[str, Any]]:
        """Every count in types that JSON knows."""
        return [
            {
                "grid": list(grid),
                "keys_before": before,
                "keys_after": after,
                "reason": reason.value if reason else None,
                "layers": len(tally.layers),
                "calls": tally.calls,
                "steps": len(tally.steps),
            }
            for (grid, before, after, reason), tally in self.tallies.items()
        ]


class PassCounts(Counts):
    """The counts of one pass, with its steps and what happened to the phase in it.

    Attributes:
        seen: the steps in which the model was evaluated.
        asked: how many steps were asked for, by the sampling's number, where that is known.
        held: by sampler (None: not known), for how many steps a phase was held, 0 for good.
        rested: the samplers for which it rested in the last steps.
        stopped: whether the user broke a sampling off.
    """

    def __init__(self, lock: threading.RLock) -> None:
        self._lock = lock
        self._tallies: dict[Key, Tally] = {}
        self.seen: set[Step] = set()
        self.asked: dict[int, int] = {}
        self.held: dict[str | None, int] = {}
        self.rested: dict[str | None, None] = {}
        self.stopped = False

    def tally(self, key: Key) -> Tally:
        """The tally of that key, begun if there is none; to be changed under the lock."""
        found = self._tallies.get(key)
        if found is None:
            found = self._tallies[key] = Tally()
        return found

    @property
    def tallies(self) -> dict[Key, Tally]:
        """A copy of the pass's tallies."""
        with self._lock:
            return {
                key: Tally(set(tally.layers), tally.calls, set(tally.steps))
                for key, tally in self._tallies.items()
            }

    @property
    def steps(self) -> tuple[int, int]:
        """Steps in which something was pooled, and all steps; (0, 0) without any progress."""
        pooled = set().union(*(tally.steps for tally in self.pooled.values()))
        return len(pooled), len(self.seen)

    def to_dict(self) -> dict[str, Any]:
        """The whole pass in types that JSON knows."""
        pooled, seen = self.steps
        with self._lock:
            return {
                "steps": {"pooled": pooled, "seen": seen, "asked": sum(self.asked.values())},
                "phase_held": [
                    {"sampler": sampler, "steps": steps} for sampler, steps in self.held.items()
                ],
                "phase_rests": list(self.rested),
                "stopped": self.stopped,
                "grids": self.to_list(),
            }
