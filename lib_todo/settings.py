"""The immutable Settings: validation, the presets, the API's arguments."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from .fields import BY_NAME, FIELDS, METHODS, PASSES, PHASED_METHODS, Field, SettingsError

__all__ = [
    "BY_NAME",
    "FIELDS",
    "METHODS",
    "PASSES",
    "PRESETS",
    "Field",
    "Settings",
    "SettingsError",
    "preset_values",
]

# each preset is a bundle of ordinary settings; it leaves out the window and the passes
_PAPER: dict[str, Any] = {
    "factor": 0.0,
    "deep_factor": 0.0,
    "threshold": 64,
    "scale": 1.0,
    "deep_scale": 0.0,
    "method": "nearest",
    "phase": "fixed",
    "above": 1.0,
}
_MOVING = {**_PAPER, "phase": "moving"}
PRESETS: dict[str, dict[str, Any]] = {
    "paper": _PAPER,
    "close": _MOVING,
    "balanced": {**_MOVING, "scale": 1.5, "deep_scale": 1.0},
    "fast": {**_MOVING, "scale": 2.0, "deep_scale": 1.0, "above": 0.5},
}


# the presets' threshold: the side of the largest level's trained grid in SD 1.x and SDXL
NATIVE_GRID = 64


def preset_values(name: Any, native_grid: int = NATIVE_GRID) -> dict[str, Any]:
    """The values of a preset.

    Args:
        native_grid: the side in tokens of the largest grid that the model was trained on, which
            becomes the threshold.

    Raises:
        SettingsError: no preset of that name, or a grid that no threshold may have.
    """
    if not isinstance(name, str) or name not in PRESETS:
        raise SettingsError("preset", name, "one of " + ", ".join(PRESETS))
    threshold = BY_NAME["threshold"]
    try:
        return {**PRESETS[name], "threshold": threshold.check(native_grid)}
    except SettingsError:
        raise SettingsError("native_grid", native_grid, threshold.allowed) from None


@dataclasses.dataclass(frozen=True)
class Settings:
    """What to pool, where and when; checked on construction. The defaults are `balanced`'s.

    A preset is usually enough, see `from_preset`. Of the single values, `factor`, `passes` and
    `end` are the ones worth changing.

    Attributes:
        enabled: whether anything is pooled.
        factor: how many times fewer keys and values per axis in the layers with the largest grid;
            0 is automatic, by `scale` (see plan.layer_factor).
        deep_factor: the same for deeper layers; 0 is automatic, by `deep_scale`.
        threshold: the side in tokens of the largest grid at the size the model was trained at.
        scale: the automatic factor is the ratio of the grid's side to the threshold, times this.
        deep_scale: the same for deeper layers, each against its own trained grid; 0 compares them
            with the threshold, as the paper does.
        method: how tokens are pooled, one of METHODS.
        phase: "moving" takes other tokens in each step, "fixed" always the same ones. Methods that
            use all tokens of a cell have nothing to move.
        start: the share of a pass's steps from which on layers are pooled, included.
        end: the share up to which they are, not included.
        passes: "both", "first" or "hires": which passes of hires fix.
        above: how many times the threshold the side of the largest grid must exceed.

    Raises:
        SettingsError: a value that FIELDS does not allow, or start > end.
    """

    enabled: bool = True
    factor: float = 0.0
    deep_factor: float = 0.0
    threshold: int = 64
    scale: float = 1.5
    deep_scale: float = 1.0
    method: str = "nearest"
    phase: str = "moving"
    start: float = 0.0
    end: float = 1.0
    passes: str = "both"
    above: float = 1.0

    def __post_init__(self) -> None:
        for field in FIELDS:
            object.__setattr__(self, field.name, field.check(getattr(self, field.name)))
        if self.start > self.end:
            raise SettingsError("start", self.start, f"no greater than end ({self.end:g})")

    @property
    def moves(self) -> bool:
        """Whether other tokens are taken in each step."""
        return self.phase == "moving" and self.method in PHASED_METHODS

    @classmethod
    def from_mapping(
        cls, values: Mapping[str, Any], base: Mapping[str, Any] | None = None
    ) -> Settings:
        """Settings from names and values.

        Args:
            values: by name; a `preset` among them is overridden by the others, as in
                `{"preset": "fast", "end": 0.8}`.
            base: what holds where `values` has nothing; the defaults without it.

        Raises:
            SettingsError: a value that is not allowed, or an unknown name.
        """
        values = dict(values)
        bundle = preset_values(values.pop("preset")) if "preset" in values else {}
        for name in values:
            if name not in BY_NAME:
                allowed = "one of " + ", ".join(["preset", *BY_NAME])
                raise SettingsError("name of a setting", name, allowed)
        return cls(**{**(base or {}), **bundle, **values})

    @classmethod
    def from_preset(cls, preset: str, *, native_grid: int = NATIVE_GRID, **values: Any) -> Settings:
        """Settings of a named preset, with single values over it.

        Args:
            native_grid: see `preset_values`; 96 for SD 2.x at 768 pixels.
        """
        return cls.from_mapping(values, base=preset_values(preset, native_grid))

    @classmethod
    def from_args(cls, args: Sequence[Any]) -> Settings:
        """Settings from a request's `args`: values in the order of FIELDS, or one object first.

        What the object leaves out comes from the values after it, which hosts fill with defaults
        or from an infotext. Only `enabled` does not: sending an object switches ToDo on.

        Raises SettingsError for too many values and whatever Settings refuses.
        """
        if len(args) > len(FIELDS):
            raise SettingsError(
                "args", list(args), f"at most {len(FIELDS)} values: {', '.join(BY_NAME)}"
            )
        names = list(BY_NAME)
        positional = dict(zip(names, args))
        if args and isinstance(args[0], Mapping):
            del positional[names[0]]
            return cls.from_mapping(args[0], base=positional)
        return cls(**positional)
