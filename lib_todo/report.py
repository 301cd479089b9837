"""What was pooled and what was left alone, in numbers."""

from __future__ import annotations

import dataclasses
import itertools
import weakref
from typing import Any

from . import wording
from .plan import Grid
from .position import Position, Step
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
    """Calls by (grid, keys before, keys after, reason); the reason is None where pooled."""

    def __init__(self) -> None:
        self.tallies: dict[Key, Tally] = {}

    def _add(self, key: Key, layer: int) -> None:
        tally = self.tallies.get(key)
        if tally is None:
            tally = self.tallies[key] = Tally()
        tally.layers.add(layer)
        tally.calls += 1

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
            if reason is not None and reason is not Reason.NOT_SELF_ATTENTION:
                merged.setdefault(reason, Tally()).add(tally)
        return merged

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
            for (grid, _, _, reason), tally in self.tallies.items()
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
            for (grid, before, after, reason), tally in self.tallies.items()
        ]


class Report(Counts):
    """What a `token_downsampling` did; `position` is where the sampling was said to be.

    `passes` has the counts of each pass by its name, in the order in which they began. Layers are
    distinct attention modules. No module is kept alive by it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.passes: dict[str, Counts] = {}
        self.position = Position()
        # by sampler, None where nobody told it: for how many steps a phase was held, 0 for good
        self.held: dict[str | None, int] = {}
        # a model or block was called that runs as a graph of torch.compile
        self.compiled = False
        self._steps_seen: set[Step] = set()
        self._steps_pooled: set[Step] = set()
        self._serials: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()
        self._serial = itertools.count()

    def __getstate__(self) -> dict[str, Any]:
        """For pickling: all numbers, without the layers themselves."""
        return {**self.__dict__, "_serials": None, "_serial": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._serials = weakref.WeakKeyDictionary()
        self._serial = itertools.count(
            max((max(t.layers) for t in self.tallies.values()), default=-1) + 1
        )

    def progress(
        self, step: int, total: int, pass_name: str = "first", shown_steps: int | None = None
    ) -> None:
        """Say where the sampling is, before the model is called.

        Args:
            step: how many of `total` model evaluations of this pass are behind, from 0.
            total: evaluations in the pass, at least 1.
            pass_name: "first" or "hires".
            shown_steps: the steps that the user knows of, where a step takes several evaluations
                (Heun, DPM++ SDE); the line counts these.

        Raises:
            ValueError: total below 1, a negative step, or an unknown pass.
        """
        self._steps_seen.add(self.position.advance(step, total, pass_name, shown_steps))

    def count(
        self,
        layer: object,
        grid: Grid,
        before: int,
        after: int,
        reason: Reason | None,
        step: Step | None = None,
    ) -> None:
        """Note one call of `layer`; `reason` says why it was left alone (None: it was pooled).

        `step` is the one that the user would count it to, None where that is not known.
        """
        serial = self._serials.get(layer)
        if serial is None:
            serial = self._serials[layer] = next(self._serial)
        # numbers of a traced call are tensors
        key = (grid, int(before), int(after), reason)
        counts = self.passes.get(self.position.pass_name)
        if counts is None:
            counts = self.passes[self.position.pass_name] = Counts()
        self._add(key, serial)
        counts._add(key, serial)
        if reason is None and step is not None:
            self._steps_pooled.add(step)

    def phase_held(self, sampler: str | None, steps: int) -> None:
        """Note that a moving phase was held for `steps` steps in a row (0: it did not move)."""
        self.held[sampler] = steps

    @property
    def steps(self) -> tuple[int, int]:
        """Steps in which something was pooled, and all steps; (0, 0) without any progress."""
        return len(self._steps_pooled), len(self._steps_seen)

    def steps_of(self, pass_name: str) -> tuple[int, int]:
        """The same of one pass."""
        pooled, seen = (
            sum(name == pass_name for _, name, _ in steps)
            for steps in (self._steps_pooled, self._steps_seen)
        )
        return pooled, seen

    def line(self, threshold: int | None = None, where: str = "") -> str:
        """One line for people.

        Args:
            threshold: the side in tokens, to name it where nothing was above it.
            where: what was generated, such as "at 512×512".
        """
        return wording.line(self, threshold, where)

    def to_dict(self) -> dict[str, Any]:
        """The whole report in types that JSON knows."""
        pooled, seen = self.steps
        return {
            "layers": self.layers,
            "steps": {"pooled": pooled, "seen": seen},
            "phase_held": [
                {"sampler": sampler, "steps": steps} for sampler, steps in self.held.items()
            ],
            "grids": self.to_list(),
            "passes": {
                name: {
                    "steps": dict(zip(("pooled", "seen"), self.steps_of(name))),
                    "grids": counts.to_list(),
                }
                for name, counts in self.passes.items()
            },
        }
