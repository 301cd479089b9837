"""What was pooled and what was left alone, in numbers, in one line for people and as JSON."""

from __future__ import annotations

import dataclasses
import itertools
import weakref
from typing import Any

from lib_todo.plan import Grid

BELOW_THRESHOLD = "below the threshold"
FACTOR_ONE = "factor 1"
OUTSIDE_WINDOW = "outside the step window"
OTHER_PASS = "other pass"
OTHER_GENERATION = "another generation"
NOT_THIS_GRID = "not this grid"
HYPERTILE = "left to HyperTile"
OLDER = "left to the older ToDo extension"
RECORDED = "read by self-attention guidance"
MASKED = "masked or with additional tokens"
FUSED = "fused projections"
OTHER_VALUES = "with values of their own"
NOT_SELF_ATTENTION = "not self-attention over the image"
NO_LAYER = "no such layer seen"
REPLACED = "self-attention is replaced by another extension"

# told also where other layers were pooled
LEFT_TO_OTHERS = (OLDER, HYPERTILE, RECORDED, NOT_THIS_GRID, MASKED, FUSED, OTHER_VALUES)


@dataclasses.dataclass
class Tally:
    """How often something happened to the layers of one grid."""

    layers: set[int] = dataclasses.field(default_factory=set)
    calls: int = 0


class Report:
    """What a `token_downsampling` did, and where in the sampling it is told to be.

    Counts are kept for every (grid, keys before, keys after, reason); the reason is None where the
    tokens were pooled. Layers are distinct attention modules. No module is kept alive by it.
    """

    def __init__(self) -> None:
        self.tallies: dict[tuple[Grid, int, int, str | None], Tally] = {}
        self.pass_name = "first"
        self.step = 0
        self.total = 1
        self.elsewhere = False
        # how often any of this was said anew; each time an evaluation of the model begins
        self.told = 0
        self._sampling = 0
        self._sampling_expected = True
        self._steps_seen: set[tuple[int, str, int]] = set()
        self._steps_pooled: set[tuple[int, str, int]] = set()
        self._current_step: tuple[int, str, int] | None = None
        self._serials: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()
        self._serial = itertools.count()

    def expect_sampling(self) -> None:
        """Say that the next `progress` begins a sampling of its own, whatever its step."""
        self.told += 1
        self._sampling_expected = True

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
        if total < 1 or step < 0 or pass_name not in ("first", "hires"):
            raise ValueError(
                f"ToDo: progress({step!r}, {total!r}, {pass_name!r}): step must be 0 or more, "
                "total 1 or more, pass_name first or hires"
            )
        if step < self.step or pass_name != self.pass_name or self._sampling_expected:
            self._sampling += 1
        self.told += 1
        self._sampling_expected = False
        self.step, self.total, self.pass_name, self.elsewhere = step, total, pass_name, False
        shown = min(step, total - 1) * (shown_steps or total) // total
        self._current_step = (self._sampling, pass_name, shown)
        self._steps_seen.add(self._current_step)

    def pause(self) -> None:
        """Say that another generation, not this one, calls the model until the next `progress`."""
        self.elsewhere = True

    def count(self, layer: object, grid: Grid, before: int, after: int, reason: str | None) -> None:
        """Note one call of `layer`; `reason` says why it was left alone (None: it was pooled)."""
        serial = self._serials.get(layer)
        if serial is None:
            serial = self._serials[layer] = next(self._serial)
        key = (grid, before, after, reason)
        tally = self.tallies.get(key)
        if tally is None:
            tally = self.tallies[key] = Tally()
        tally.layers.add(serial)
        tally.calls += 1
        if reason is None and self._current_step is not None:
            self._steps_pooled.add(self._current_step)

    @property
    def pooled(self) -> dict[tuple[int, int], Tally]:
        """Pooled calls by (keys before, keys after)."""
        merged: dict[tuple[int, int], Tally] = {}
        for (_, before, after, reason), tally in self.tallies.items():
            if reason is None:
                into = merged.setdefault((before, after), Tally())
                into.layers |= tally.layers
                into.calls += tally.calls
        return merged

    @property
    def passed(self) -> dict[str, Tally]:
        """Self-attention calls left alone, by reason."""
        merged: dict[str, Tally] = {}
        for (_, _, _, reason), tally in self.tallies.items():
            if reason not in (None, NOT_SELF_ATTENTION):
                into = merged.setdefault(reason, Tally())
                into.layers |= tally.layers
                into.calls += tally.calls
        return merged

    @property
    def layers(self) -> int:
        """How many distinct self-attention layers were called."""
        seen = [t.layers for key, t in self.tallies.items() if key[3] != NOT_SELF_ATTENTION]
        return len(set().union(*seen))

    @property
    def largest_grid(self) -> Grid | None:
        """The largest grid (height, width) of any self-attention layer called."""
        grids = [key[0] for key in self.tallies if key[3] != NOT_SELF_ATTENTION]
        return max(grids, key=lambda grid: grid[0] * grid[1], default=None)

    @property
    def steps(self) -> tuple[int, int]:
        """Steps in which something was pooled, and all steps; (0, 0) without any progress."""
        return len(self._steps_pooled), len(self._steps_seen)

    def line(self, threshold: int | None = None, where: str = "") -> str:
        """One line for people.

        Args:
            threshold: the side in tokens, to name it where nothing was above it.
            where: what was generated, such as "at 512×512".
        """
        if self.pooled:
            return self._pooled_line()
        return f"ToDo: nothing was pooled: {self._why_nothing(threshold, where)}"

    def _pooled_line(self) -> str:
        parts = [
            f"{before} → {after} keys in {len(tally.layers)}"
            for (before, after), tally in sorted(self.pooled.items(), reverse=True)
        ]
        line = f"ToDo: {', '.join(parts)} of {self.layers} self-attention layers"
        pooled, seen = self.steps
        if seen:
            line += f", {pooled} of {seen} steps"
        notes = [
            f"{len(tally.layers)} {reason}"
            for reason, tally in self.passed.items()
            if reason in LEFT_TO_OTHERS
        ]
        return f"{line} ({'; '.join(notes)})" if notes else line

    def _why_nothing(self, threshold: int | None, where: str) -> str:
        reasons = self.passed
        if not reasons:
            return REPLACED if self.tallies else NO_LAYER
        if set(reasons) == {BELOW_THRESHOLD}:
            limit = f"{threshold}×{threshold} tokens" if threshold else "the threshold"
            return " ".join(filter(None, [f"no layer has more than {limit}", where]))
        told = [reason for reason in reasons if reason != BELOW_THRESHOLD]
        return ", ".join(f"{reason} ({len(reasons[reason].layers)} layers)" for reason in told)

    def to_dict(self) -> dict[str, Any]:
        """The whole report in types that JSON knows."""
        pooled, seen = self.steps
        return {
            "layers": self.layers,
            "steps": {"pooled": pooled, "seen": seen},
            "grids": [
                {
                    "grid": list(grid),
                    "keys_before": before,
                    "keys_after": after,
                    "reason": reason,
                    "layers": len(tally.layers),
                    "calls": tally.calls,
                }
                for (grid, before, after, reason), tally in self.tallies.items()
            ],
        }
