"""The image's generation parameters (infotext): writing settings to them and reading them back.

They name the preset that is nearest to the settings, and what differs from it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from ...plan import Grid
from ...report import Report
from ...settings import BY_NAME, FIELDS, Settings, SettingsError, preset_values
from . import request

# of the settings with a key of their own; start and end share one
KEYS = {
    field.name: f"ToDo {field.name.replace('_', ' ')}"
    for field in FIELDS
    if field.name not in ("enabled", "start", "end")
}
PRESET_KEY = "ToDo preset"
STEPS_KEY = "ToDo steps"
# what was pooled: for the reader only, not read back
USED_KEY = "ToDo used"
REPORT_KEY = "ToDo report"
JSON_KEY = "ToDo report JSON"

# written by sd-webui-token-downsampling: its second factor and the end of its step window
OLDER_KEYS = (("deep_factor", "ToDo factor2"), ("end", "ToDo disable after"))
# it takes the same tokens in every step, and knows no scales
OLDER_PRESET = "paper"


class Written(str):
    """Marks a value that we wrote; the older extension writes a `ToDo factor` of its own."""


def to_infotext(settings: Settings) -> dict[str, str]:
    """Infotext keys and values: preset and factor always, the others where not the preset's."""
    preset = request.nearest_preset(vars(settings))
    texts = {PRESET_KEY: preset, KEYS["factor"]: _text("factor", settings.factor)}
    usual = vars(Settings()) | _named(preset)
    for name, key in KEYS.items():
        value = getattr(settings, name)
        if value != usual[name]:
            texts[key] = _text(name, value)
    if (settings.start, settings.end) != (0, 1):
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

    Without `ToDo factor` and `ToDo preset` that is only `enabled`, false. Otherwise, fields that
    the text leaves out get their preset's values or their defaults. We always write the preset, so
    a text without it is the older extension's (OLDER_PRESET).

    Raises:
        SettingsError: a value that cannot be read or is not allowed; it names the infotext's key.
    """
    if KEYS["factor"] not in params and PRESET_KEY not in params:
        return {"enabled": False}
    values = vars(Settings()) | _named(params.get(PRESET_KEY, OLDER_PRESET))
    for name, key in [*KEYS.items(), *OLDER_KEYS]:
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
    with contextlib.suppress(ValueError):
        start, end = (float(part) for part in text.split("-"))
        if 0 <= start <= end <= 1:
            return start, end
    raise SettingsError(STEPS_KEY, text, "two numbers from 0 to 1, such as 0.2-0.8")


def used(done: Report, since: int) -> str:
    """The keys of each pass, such as `hires pass 128×128 tokens to 4096 then 1820 keys`.

    Args:
        done: what was pooled, in this image and maybe in earlier ones.
        since: the samplings of this image have higher numbers.
    """
    told = []
    for name, counts in done.passes.items():
        if counts.seen and max(counts.seen)[0] < since:
            continue
        kept: dict[Grid, list[str]] = {}
        for (grid, _, after, reason), tally in counts.tallies.items():
            # without known steps there are no numbers
            if reason is None and (not tally.steps or max(tally.steps)[0] > since):
                kept.setdefault(grid, []).append(str(after))
        parts = [
            f"{width}×{height} tokens to {' then '.join(keys)} keys"
            for (height, width), keys in kept.items()
        ]
        told.append(f"{name} pass {' and '.join(parts) or 'as without ToDo'}")
    return "; ".join(told)
