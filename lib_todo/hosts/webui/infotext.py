"""The image's generation parameters (infotext): writing settings to them and reading them back.

They name the preset that is nearest to the settings, and what differs from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from ...plan import Grid
from ...report import Report
from ...settings import BY_NAME, FIELDS, PRESET, Settings, SettingsError
from . import request

KEYS = {field.name: f"ToDo {field.name.replace('_', ' ')}" for field in FIELDS[1:]}
PRESET_KEY = "ToDo preset"
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


class InfoText(Written):
    """The report for people, in the API's info only, as the one for programs is.

    Both have to be in the processing object's parameters, since scripts that combine results (SD
    upscale, Loopback) build the info from these.
    """

    def __call__(self, *args: Any, **kwargs: Any) -> None:
        """None, so that the host, which calls it for an image's text, leaves it out there."""


class InfoData(dict):
    """The report for programs. A dict, since the host would take one item of a list."""

    __call__ = InfoText.__call__


def write(p: Any, texts: Mapping[str, str]) -> None:
    """Replace what we wrote to the infotext of `p`; what others wrote under the same keys stays."""
    params = p.extra_generation_params
    for key in [key for key, value in params.items() if isinstance(value, (Written, InfoData))]:
        del params[key]
    for key, text in texts.items():
        params.setdefault(key, Written(text))


def to_infotext(settings: Settings) -> dict[str, str]:
    """The nearest preset's name, and the values that differ from the preset's.

    No factor is written by a word: the older extension's setting of that key is a number, and the
    host would fail to paste "automatic" beside it.
    """
    preset = request.nearest_preset(vars(settings))
    texts, usual = {PRESET_KEY: preset}, Settings.from_mapping(_named(preset))
    for name, key in KEYS.items():
        if (value := getattr(settings, name)) != getattr(usual, name):
            texts[key] = _text(value)
    return texts


def _text(value: Any) -> str:
    """A value in full, without an exponent: 2.0 as 2."""
    if not isinstance(value, float):
        return str(value)
    return format(Decimal(repr(value)), "f").removesuffix(".0")


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
    keys = {name: key for name, key in [*OLDER_KEYS, *KEYS.items()] if key in params}
    values = _named(params.get(PRESET_KEY, OLDER_PRESET))
    for name, key in keys.items():
        values[name] = BY_NAME[name].read(str(params[key]))
    try:
        return dict(vars(Settings.from_mapping(values)))
    except SettingsError as error:
        key = keys.get(error.field, PRESET_KEY)
        raise SettingsError(key, params[key], error.allowed) from None


def _named(preset: Any) -> dict[str, Any]:
    """The preset as a value of settings; `custom` has none of its own."""
    return {} if preset == request.CUSTOM else {PRESET.name: preset}


def used(done: Report, since: int) -> str:
    """The keys of each pass, such as `hires pass 128×128 tokens to 4096 then 1820 keys`.

    Args:
        done: what was pooled, in this image and maybe in earlier ones.
        since: the samplings of this image have higher numbers.
    """
    passes = []
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
        passes.append(f"{name} pass {' and '.join(parts) or 'as without ToDo'}")
    return "; ".join(passes)
