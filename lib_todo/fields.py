"""The table of settings, from which accordion, API, infotext, plot axes and node are made."""

from __future__ import annotations

import dataclasses
import math
import reprlib
from typing import Any

METHODS = ("nearest", "nearest-exact", "average", "max", "bilinear")
# methods that take one token of each cell, and so have a choice of which
PHASED_METHODS = ("nearest", "nearest-exact")
PHASES = ("moving", "fixed")
PASSES = ("both", "first", "hires")

# values come from requests: a huge or deep one must not flood a log or a page
_shorten = reprlib.Repr()
_shorten.maxlevel, _shorten.maxstring, _shorten.maxother, _shorten.maxlong = 3, 60, 60, 60


def _shown(value: object) -> str:
    try:
        return _shorten.repr(value)
    except ValueError:
        # Python writes out no integer of more than 4300 digits
        return f"a {type(value).__name__} too long to show"


class SettingsError(ValueError):
    """A setting that is not allowed. The text names the field, the value and what is allowed."""

    def __init__(self, field: str, value: object, allowed: str) -> None:
        super().__init__(
            f"ToDo: {field} = {_shown(value)} is not allowed; {field} must be {allowed}"
        )
        self.field = field
        self.value = value
        self.allowed = allowed


def _as_python(value: Any) -> Any:
    """A scalar of NumPy or PyTorch as Python's own; anything else as it is."""
    scalar = getattr(value, "ndim", None) == 0 and callable(getattr(value, "item", None))
    return value.item() if scalar else value


@dataclasses.dataclass(frozen=True)
class Field:
    """One setting: type, default, bounds, and its texts in every front end.

    `kind` is bool, int, float or str; `choices` holds the allowed strings of a str; `zero_means`
    says what 0 stands for where 0 is allowed beside the range; `infotext` is the key in the image's
    generation parameters ("" where another row's key carries it too).
    """

    name: str
    kind: type
    default: bool | int | float | str
    label: str
    help: str
    infotext: str = ""
    minimum: float | None = None
    maximum: float | None = None
    step: float | None = None
    choices: tuple[str, ...] = ()
    zero_means: str = ""

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

    def check(self, value: Any) -> bool | int | float | str:
        """The value in the field's own type.

        Raises SettingsError for a wrong type (neither a boolean nor a string of digits is a
        number), a value out of bounds, NaN or an infinity. A whole float is accepted as an int,
        since JSON and sliders do not distinguish them.
        """
        given, value = value, _as_python(value)
        if self.kind is bool:
            ok = isinstance(value, bool)
        elif self.kind is str:
            ok = isinstance(value, str) and value in self.choices
        else:
            ok = self._is_number_in_range(value)
        if not ok:
            raise SettingsError(self.name, given, self.allowed)
        return self.kind(value)

    def _is_number_in_range(self, value: Any) -> bool:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return False
        if isinstance(value, float) and not math.isfinite(value):
            return False
        if self.kind is int and value != int(value):
            return False
        low = -math.inf if self.minimum is None else self.minimum
        high = math.inf if self.maximum is None else self.maximum
        return (bool(self.zero_means) and value == 0) or low <= value <= high


FIELDS = (
    Field(
        "enabled", bool, True, "ToDo", "Faster high-resolution images; changes the image a little."
    ),
    Field(
        "factor",
        float,
        0.0,
        "Factor",
        "How many times fewer keys and values along each side, 1 to 8; automatic (0 in requests) "
        "follows from the picture's size. 1 leaves the largest layers alone.",
        infotext="ToDo factor",
        minimum=1,
        maximum=8,
        step=0.5,
        zero_means="automatic",
    ),
    Field(
        "deep_factor",
        float,
        0.0,
        "Factor for deeper layers",
        "The same for the deeper, smaller layers. 1 leaves them alone.",
        infotext="ToDo deep factor",
        minimum=1,
        maximum=8,
        step=0.5,
        zero_means="automatic",
    ),
    Field(
        "threshold",
        int,
        64,
        "Threshold",
        "The side, in tokens, of the size that the model was trained at. 64 is 512 pixels with "
        "SD 1.x and 1024 with SDXL.",
        infotext="ToDo threshold",
        minimum=1,
        maximum=512,
        step=1,
    ),
    Field(
        "scale",
        float,
        1.5,
        "Scale",
        "The automatic factor is the ratio of the picture's grid to the threshold, times this, "
        "rounded. 1 is the paper's.",
        infotext="ToDo scale",
        minimum=0.1,
        maximum=4,
        step=0.1,
    ),
    Field(
        "deep_scale",
        float,
        1.0,
        "Scale for deeper layers",
        "Each level is compared with its own trained grid. 0 compares all of them with the "
        "threshold, as the paper does.",
        infotext="ToDo deep scale",
        minimum=0.1,
        maximum=4,
        step=0.1,
        zero_means="by the threshold, as in the paper",
    ),
    Field(
        "method",
        str,
        "nearest",
        "Method",
        "How tokens are pooled; nearest is the paper's and fastest.",
        infotext="ToDo method",
        choices=METHODS,
    ),
    Field(
        "phase",
        str,
        "moving",
        "Phase",
        "moving takes another token of each cell in each step: no slower, a twentieth to a fifth "
        "of the error; fixed is the paper's. The methods average, max and bilinear use all tokens "
        "of a cell, so there is nothing to move.",
        infotext="ToDo phase",
        choices=PHASES,
    ),
    Field(
        "start",
        float,
        0.0,
        "Start",
        "From which part of each pass's steps on to pool; later keeps the image closer.",
        infotext="ToDo steps",
        minimum=0,
        maximum=1,
        step=0.05,
    ),
    Field(
        "end",
        float,
        1.0,
        "End",
        "Up to which part of the steps to pool; earlier keeps the image a little closer.",
        infotext="ToDo steps",
        minimum=0,
        maximum=1,
        step=0.05,
    ),
    Field(
        "passes",
        str,
        "both",
        "Passes",
        "Which passes of hires fix are pooled; without hires fix there is only the first.",
        infotext="ToDo pass",
        choices=PASSES,
    ),
    Field(
        "above",
        float,
        1.0,
        "Above",
        "Only pictures larger than this many times the trained size are pooled, by their side.",
        infotext="ToDo above",
        minimum=0.1,
        maximum=8,
        step=0.1,
    ),
)
BY_NAME = {field.name: field for field in FIELDS}
