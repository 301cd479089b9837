"""Counts of layer calls, by what happened to them."""

from __future__ import annotations

import dataclasses
import threading
from typing import Any

from .plan import Grid
from .reasons import Reason


@dataclasses.dataclass
class Tally:
    """How often something happened to the layers of one grid."""

    layers: set[int] = dataclasses.field(default_factory=set)
    calls: int = 0

    def add(self, other: Tally) -> None:
        """Count the other's layers and calls here too."""
        self.layers |= other.layers
        self.calls += other.calls


Key = tuple[Grid, int, int, "Reason | None"]


class Counts:
    """Calls by (grid, keys before, keys after, reason); the reason is None where pooled.

    Several threads may count and read at once. It pickles.

    Args:
        lock: held while counting and reading; one of its own without it.
    """

    def __init__(self, lock: threading.RLock | None = None) -> None:
        self.tallies: dict[Key, Tally] = {}
        self._lock = lock or threading.RLock()

    def __getstate__(self) -> dict[str, Any]:
        """For pickling: all but the lock."""
        with self._lock:
            return {**self.__dict__, "tallies": self._copy(), "_lock": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.RLock()

    def tally(self, key: Key) -> Tally:
        """The tally of that key, begun if there is none; to be changed under the lock."""
        return self.tallies.setdefault(key, Tally())

    def _copy(self) -> dict[Key, Tally]:
        with self._lock:
            return {
                key: Tally(set(tally.layers), tally.calls) for key, tally in self.tallies.items()
            }

    @property
    def pooled(self) -> dict[tuple[int, int], Tally]:
        """Pooled calls by (keys before, keys after)."""
        merged: dict[tuple[int, int], Tally] = {}
        for (_, before, after, reason), tally in self._copy().items():
            if reason is None:
                merged.setdefault((before, after), Tally()).add(tally)
        return merged

    @property
    def left_alone(self) -> dict[Reason, Tally]:
        """Self-attention calls left alone, by reason."""
        merged: dict[Reason, Tally] = {}
        for (_, _, _, reason), tally in self._copy().items():
            if reason is not None and reason is not Reason.NOT_SELF_ATTENTION:
                merged.setdefault(reason, Tally()).add(tally)
        return merged

    def left_whole(self, keys: int) -> set[int]:
        """The numbers of the layers that kept all their `keys` in at least one call, by the rule.

        A window, a pass or another extension is no rule: their reasons are counted apart.
        """
        by_rule = (Reason.BELOW_THRESHOLD, Reason.FACTOR_ONE, Reason.LEAD_IN, Reason.SAMPLER)
        return set().union(
            *(
                tally.layers
                for (_, before, _, reason), tally in self._copy().items()
                if before == keys and reason in by_rule
            )
        )

    @property
    def layers(self) -> int:
        """How many distinct self-attention layers were called."""
        return len(set().union(*(tally.layers for _, tally in self._of_self_attention())))

    @property
    def largest_grid(self) -> Grid | None:
        """The largest grid (height, width) of any self-attention layer called."""
        grids = (grid for grid, _ in self._of_self_attention())
        return max(grids, key=lambda grid: grid[0] * grid[1], default=None)

    def _of_self_attention(self) -> list[tuple[Grid, Tally]]:
        return [
            (grid, tally)
            for (grid, _, _, reason), tally in self._copy().items()
            if reason is not Reason.NOT_SELF_ATTENTION
        ]

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
            }
            for (grid, before, after, reason), tally in self._copy().items()
        ]
