"""The image's generation parameters (infotext): writing settings to them and reading them back.

They name the preset that is nearest to the settings, and what differs from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from ...counts import Counts
from ...plan import Grid, pooled_grid
from ...report import Report
from ...settings import BY_NAME, FIELDS, Settings, SettingsError, preset_values
from . import request

FACTOR_KEY = BY_NAME["factor"].infotext
PRESET_KEY = "ToDo preset"
STEPS_KEY = BY_NAME["start"].infotext
# the factors used: for the reader only, not read back
USED_KEY = "ToDo used"
REPORT_KEY = "ToDo report"
JSON_KEY = "ToDo report JSON"
OWN_KEYS = {PRESET_KEY, USED_KEY, REPORT_KEY, JSON_KEY}
OWN_KEYS |= {field.infotext for field in FIELDS if field.infotext}

# written by sd-webui-token-downsampling: its second factor and the end of its step window
OLDER_KEYS = {"ToDo factor2": "deep_factor", "ToDo disable after": "end"}
# it takes the same tokens in every step, and knows no scales
OLDER_PRESET = "paper"


class Written(str):
    """Marks a value that we wrote; the older extension writes a `ToDo factor` of its own."""

    __slots__ = ()


def to_infotext(settings: Settings) -> dict[str, str]:
    """Infotext keys and values: preset and factor always, the others where not the preset's."""
    preset = request.nearest_preset(vars(settings))
    texts = {PRESET_KEY: preset, FACTOR_KEY: _text("factor", settings.factor)}
    usual = {field.name: field.default for field in FIELDS} | _named(preset)
    for field in FIELDS:
        value = getattr(settings, field.name)
        if field.infotext and field.infotext != STEPS_KEY and value != usual[field.name]:
            texts[field.infotext] = _text(field.name, value)
    if (settings.start, settings.end) != (BY_NAME["start"].default, BY_NAME["end"].default):
        texts[STEPS_KEY] = f"{_text('start', settings.start)}-{_text('end', settings.end)}"
    return texts


def _text(name: str, value: Any) -> str:
    """A value in full, without an exponent: 2.0 as 2, and a 0 that has a name by that name."""
    zero = BY_NAME[name].zero_means
    if zero and value == 0:
        # a name with a comma would be put in quotes by the host
        return zero if zero.isalpha() else "0"
    if not isinstance(value, float):
        return str(value)
    return str(int(value)) if value == int(value) else format(Decimal(repr(value)), "f")


def from_infotext(params: Mapping[str, Any]) -> dict[str, Any]:
    """The values of all fields that pasting `params` should set.

    A text with neither `ToDo factor` nor `ToDo preset` was made without ToDo; then the result is
    only `enabled`, false. Otherwise, fields that the text leaves out get their preset's values or
    their defaults. We always write the preset, so a text without it is the older extension's
    (OLDER_PRESET).

    Raises:
        SettingsError: a value that cannot be read or is not allowed; it names the infotext's key.
    """
    # values such as 2x2, which are refused, are split over two keys by the host
    joined = {
        key: f"{params[f'{key}-1']}x{params.get(f'{key}-2', '')}"
        for key in {*OWN_KEYS, *OLDER_KEYS}
        if f"{key}-1" in params
    }
    params = {**params, **joined}
    if FACTOR_KEY not in params and PRESET_KEY not in params:
        return {"enabled": False}
    values = {field.name: field.default for field in FIELDS}
    values |= _named(params.get(PRESET_KEY, OLDER_PRESET))
    for field in FIELDS:
        if field.infotext in params and field.infotext != STEPS_KEY:
            values[field.name] = _read(field.infotext, field.name, params[field.infotext])
    for key, name in OLDER_KEYS.items():
        if key in params:
            values[name] = _read(key, name, params[key])
    if STEPS_KEY in params:
        values["start"], values["end"] = _read_steps(str(params[STEPS_KEY]))
    return values


def _named(preset: Any) -> dict[str, Any]:
    """The values of the preset; `custom` has none of its own."""
    if preset == request.CUSTOM:
        return {}
    try:
        return preset_values(preset)
    except SettingsError as error:
        raise SettingsError(PRESET_KEY, preset, error.allowed) from None


def _read(key: str, name: str, text: Any) -> Any:
    field = BY_NAME[name]
    try:
        return field.check(field.read(str(text)))
    except SettingsError:
        raise SettingsError(key, text, field.allowed) from None


def _read_steps(text: str) -> tuple[float, float]:
    try:
        # both have the same bounds
        start, end = (float(BY_NAME["start"].check(float(part))) for part in text.split("-"))
    except ValueError:
        raise SettingsError(STEPS_KEY, text, "two numbers from 0 to 1, such as 0.2-0.8") from None
    if start > end:
        raise SettingsError(STEPS_KEY, text, "a start no greater than the end")
    return start, end


def used(planned: Mapping[str, Mapping[Grid, list[float]]], done: Report | None) -> str:
    """The factors of each pass, such as `hires pass 128×128 tokens by 2 then 3`.

    Args:
        planned: see result.planned.
        done: what was pooled; factors that did not occur are left out. None: all that is planned.
    """
    told = []
    for name, grids in planned.items():
        counts = done.passes.get(name) if done is not None else None
        parts = []
        for grid, factors in grids.items():
            if done is not None:
                factors = [factor for factor in factors if _was_used(grid, factor, counts)]
            if factors:
                steps = " then ".join(f"{factor:g}" for factor in factors)
                parts.append(f"{grid[1]}×{grid[0]} tokens by {steps}")
        told.append(f"{name} pass {' and '.join(parts) or 'as without ToDo'}")
    return "; ".join(told)


def _was_used(grid: Grid, factor: float, counts: Counts | None) -> bool:
    height, width = pooled_grid(grid, factor)
    # with several grids in one context, both numbers are multiples
    return counts is not None and any(
        key[0] == grid and key[3] is None and key[2] * grid[0] * grid[1] == key[1] * height * width
        for key in counts.tallies
    )
