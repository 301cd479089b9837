"""The settings: a checked, immutable table that every front end is made from; and the presets."""

from __future__ import annotations

import dataclasses
import numbers
import reprlib
from collections.abc import Mapping
from typing import Any

METHODS = ("nearest", "nearest-exact", "average", "max", "bilinear")
# methods that take one token of each cell, and so have a choice of which
PHASED_METHODS = ("nearest", "nearest-exact")
# the side of the largest level's trained grid in SD 1.x and SDXL
NATIVE_GRID = 64


class SettingsError(ValueError):
    """A setting that is not allowed. The text names the field, the value and what is allowed."""

    def __init__(self, field: str, value: object, allowed: str) -> None:
        # it may come from a request: a huge or deep one must not flood a log or a page
        shown = reprlib.repr(value)[:100]
        super().__init__(f"ToDo: {field} = {shown} is not allowed; {field} must be {allowed}")
        self.field, self.value, self.allowed = field, value, allowed


@dataclasses.dataclass(frozen=True)
class Field:
    """One setting: default, bounds, and its texts in every front end.

    `choices` holds the allowed strings of a text; `zero_means` says what 0 stands for where it is
    allowed beside the range.
    """

    name: str
    default: bool | int | float | str
    label: str
    help: str
    minimum: float = 0
    maximum: float = 0
    step: float = 0
    choices: tuple[str, ...] = ()
    zero_means: str = ""

    @property
    def kind(self) -> type:
        """bool, int, float or str."""
        return type(self.default)

    @property
    def allowed(self) -> str:
        """What may stand in this field, in words."""
        if self.kind is bool:
            return "true or false"
        if self.choices:
            return "one of " + ", ".join(self.choices)
        number = "a whole number" if self.kind is int else "a number"
        span = f"{number} from {self.minimum:g} to {self.maximum:g}"
        return f"0 ({self.zero_means}) or {span}" if self.zero_means else span

    @property
    def numbers(self) -> list[str]:
        """What there is to choose where 0 has a name: that name, and each step of the range."""
        count = round((self.maximum - self.minimum) / self.step) + 1
        steps = (self.minimum + self.step * index for index in range(count))
        return [self.zero_means, *(f"{number:g}" for number in steps)]

    def check(self, value: Any) -> bool | int | float | str:
        """The value in the field's own type. Raises SettingsError for one that is not allowed.

        Neither a boolean nor a string of digits is a number. A whole float is accepted as an int,
        since JSON and sliders do not distinguish them.
        """
        is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
        if self.kind is bool or self.choices:
            ok = isinstance(value, self.kind) and (not self.choices or value in self.choices)
        elif not is_number:
            ok = False
        elif not self.minimum <= value <= self.maximum:
            ok = bool(self.zero_means) and value == 0
        else:
            ok = self.kind is float or value % 1 == 0
        if not ok:
            raise SettingsError(self.name, value, self.allowed)
        return self.kind(value)

    def read(self, value: Any) -> Any:
        """What a text stands for, by `kind`; anything else as it is, for `check` to refuse."""
        if not isinstance(value, str) or self.kind is str:
            return value
        text = value.strip().lower()
        if self.kind is bool:
            return {"true": True, "false": False}.get(text, value)
        if self.zero_means and text == self.zero_means:
            return 0
        try:
            return float(value)
        except ValueError:
            return value


def _setting(default: Any, label: str, help: str, span: Any = (0, 0, 0), **more: Any) -> Any:
    """A field of Settings; `span` is the minimum, the maximum and a slider's step."""
    row = default, label, help, *span
    return dataclasses.field(default=default, metadata={"row": row, "more": more})


@dataclasses.dataclass(frozen=True)
class Settings:
    """What to pool, where and when; checked on construction. The defaults are `balanced`'s.

    A preset is usually enough, see `from_preset`. Of the single values, `factor`, `passes` and
    `end` are the ones worth changing.

    Raises:
        SettingsError: a value that FIELDS does not allow, or start > end.
    """

    enabled: bool = _setting(
        True, "ToDo", "Faster high-resolution images; changes the image a little."
    )
    factor: float = _setting(
        0.0,
        "Factor",
        "How many times fewer keys and values along each side, 1 to 8; automatic (0 in requests) "
        "follows from the picture's size. 1 leaves the largest layers alone.",
        span=(1, 8, 0.5),
        zero_means="automatic",
    )
    deep_factor: float = _setting(
        0.0,
        "Factor for deeper layers",
        "The same for the deeper, smaller layers. 1 leaves them alone.",
        span=(1, 8, 0.5),
        zero_means="automatic",
    )
    threshold: int = _setting(
        NATIVE_GRID,
        "Threshold",
        "The side, in tokens, of the size that the model was trained at. 64 is 512 pixels with "
        "SD 1.x and 1024 with SDXL.",
        span=(1, 512, 1),
    )
    scale: float = _setting(
        1.5,
        "Scale",
        "The automatic factor is the ratio of the picture's grid to the threshold, times this, "
        "rounded. 1 is the paper's.",
        span=(0.1, 4, 0.1),
    )
    deep_scale: float = _setting(
        1.0,
        "Scale for deeper layers",
        "Each level is compared with its own trained grid. 0 compares all of them with the "
        "threshold, as the paper does.",
        span=(0.1, 4, 0.1),
        zero_means="by the threshold, as in the paper",
    )
    method: str = _setting(
        "nearest",
        "Method",
        "How tokens are pooled; nearest is the paper's and fastest.",
        choices=METHODS,
    )
    phase: str = _setting(
        "moving",
        "Phase",
        "moving takes another token of each cell in each step: no slower, a twentieth to a fifth "
        "of the error; fixed is the paper's. The methods average, max and bilinear use all tokens "
        "of a cell, so there is nothing to move.",
        choices=("moving", "fixed"),
    )
    # the steps from start, included, to end, not included
    start: float = _setting(
        0.0,
        "Start",
        "From which part of each pass's steps on to pool; later keeps the image closer.",
        span=(0, 1, 0.05),
    )
    end: float = _setting(
        1.0,
        "End",
        "Up to which part of the steps to pool; earlier keeps the image a little closer.",
        span=(0, 1, 0.05),
    )
    passes: str = _setting(
        "both",
        "Passes",
        "Which passes of hires fix are pooled; without hires fix there is only the first.",
        choices=("both", "first", "hires"),
    )
    above: float = _setting(
        1.0,
        "Above",
        "Only pictures larger than this many times the trained size are pooled, by their side.",
        span=(0.1, 8, 0.1),
    )

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
        """Settings by name, such as `{"preset": "fast", "end": 0.8}`; single values go over it.

        `base` holds where `values` has nothing; without it the defaults do.
        """
        values = dict(values)
        if "preset" in values:
            preset = str(PRESET.check(values.pop("preset")))
            values = {**PRESETS[preset], **values}
        for name in values.keys() - BY_NAME.keys():
            allowed = f"one of preset, {', '.join(BY_NAME)}"
            raise SettingsError("name of a setting", name, allowed)
        return cls(**{**(base or {}), **values})

    @classmethod
    def from_preset(cls, preset: str, **values: Any) -> Settings:
        """Settings of a named preset, with single values over it; see `from_mapping`."""
        return cls.from_mapping({"preset": preset, **values})


FIELDS = tuple(
    Field(own.name, *own.metadata["row"], **own.metadata["more"])
    for own in dataclasses.fields(Settings)
)
BY_NAME = {field.name: field for field in FIELDS}

# each preset is a bundle of ordinary settings. It leaves out the window, the passes, and the
# threshold, which is the checkpoint's: 96 for SD 2.x at 768 pixels
_MOVING: dict[str, Any] = {"factor": 0.0, "deep_factor": 0.0, "scale": 1.0, "deep_scale": 0.0}
_MOVING |= {"method": "nearest", "phase": "moving", "above": 1.0}
PRESETS: dict[str, dict[str, Any]] = {
    "paper": {**_MOVING, "phase": "fixed"},
    "close": _MOVING,
    "balanced": {**_MOVING, "scale": 1.5, "deep_scale": 1.0},
    "fast": {**_MOVING, "scale": 2.0, "deep_scale": 1.0, "above": 0.5},
}
PRESET = Field(
    "preset",
    "balanced",
    "Preset",
    """\
close: nearest to the picture without ToDo, at the paper's speed
balanced: changes the picture less than paper, and is faster
fast: pools most; changes it about as much as paper, and some at the trained size
paper: the published method""",
    # the measure of the others last
    choices=tuple(sorted(PRESETS, key=lambda name: name == "paper")),
)
