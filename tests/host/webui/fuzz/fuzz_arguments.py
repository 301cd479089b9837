"""Requests by `alwayson_scripts`, right ones and several kinds of wrong ones."""

from __future__ import annotations

import random
from typing import Any

from fuzz_values import (
    BESIDE,
    GOOD,
    MARKUP,
    NAMES,
    NEVER,
    TEXTS,
    THRESHOLD,
    UNKNOWN,
    WITHOUT_PHASE,
    Asked,
)


def bad_value(draw: random.Random, name: str) -> Any:
    return draw.choice(NEVER if draw.random() < 0.7 else BESIDE[name])


def good_values(draw: random.Random) -> dict[str, Any]:
    chosen = draw.sample(NAMES, draw.randint(1, len(NAMES)))
    values = {name: draw.choice(GOOD[name]) for name in chosen}
    values.setdefault("threshold", THRESHOLD)
    if values.get("start", 0) > values.get("end", 1):
        del values["start"]
    if values.get("phase") == "moving" and values.get("method") in WITHOUT_PHASE:
        del values["phase"]
    return values


def is_right_text(name: str, value: Any) -> bool:
    """Whether it is right in a list, where a control's text may stand."""
    if name not in TEXTS or not isinstance(value, str):
        return False
    if value == TEXTS[name]:
        return True
    try:
        number = float(value)
    except ValueError:
        return False
    least, most = (0.125, 4) if name == "deep_scale" else (1, 8)
    return number == 0 or least <= number <= most


def by_name(draw: random.Random) -> Asked:
    """An object of which one or several fields are bad."""
    values = good_values(draw)
    bad = draw.sample(NAMES, draw.choice((1, 1, 1, 2, 3)))
    values |= {name: bad_value(draw, name) for name in bad}
    return Asked("by name", args(draw, [values]), bad=tuple(bad))


def by_position(draw: random.Random) -> Asked:
    """A list of which one is bad; short, whole or too long."""
    count = draw.randint(1, len(NAMES))
    values = [draw.choice(GOOD[name]) for name in NAMES[:count]]
    at = draw.randrange(count)
    values[at] = bad_value(draw, NAMES[at])
    while is_right_text(NAMES[at], values[at]):
        values[at] = bad_value(draw, NAMES[at])
    if at == 0 and isinstance(values[0], dict):
        values[0] = [values[0]]  # an object in the first place is one of names
    return Asked("by position", args(draw, values), bad=(NAMES[at],))


def unknown_name(draw: random.Random) -> Asked:
    name = draw.choice(UNKNOWN)
    values = [*good_values(draw).items(), (name, draw.choice((*NEVER, 2)))]
    draw.shuffle(values)
    return Asked("unknown name", args(draw, [dict(values)]), bad=("name of a setting",))


def start_after_end(draw: random.Random) -> Asked:
    start, end = draw.choice(((1, 0), (0.6, 0.4), (1.0, 0.999999), (5e-324, 0)))
    return Asked("start after end", args(draw, [{"start": start, "end": end}]), bad=("start",))


def off_but_bad(draw: random.Random) -> Asked:
    """A request is read whole, also where it says off."""
    name = draw.choice(NAMES[1:])
    values = {"enabled": False, name: bad_value(draw, name)}
    return Asked("off but bad", args(draw, [values]), bad=(name,))


def no_list(draw: random.Random) -> Asked:
    """What the host takes for a list, and what it cannot."""
    if draw.random() < 0.5:
        letters = draw.choice(("True", "2", "<b>"))
        return Asked("a string for args", args(draw, letters), bad=("enabled",))
    return Asked("no list", args(draw, draw.choice((None, 2, 2.5, True, {"factor": 2}))))


def good(draw: random.Random) -> Asked:
    values = good_values(draw)
    return Asked("good", args(draw, [values]), values=values | {"enabled": True})


def good_by_position(draw: random.Random) -> Asked:
    values = dict(zip(NAMES, (True, draw.choice((0, 2, 1.5)), 1, THRESHOLD)))
    count = draw.randint(1, 4)
    chosen = dict(list(values.items())[:count])
    return Asked("good by position", args(draw, list(chosen.values())), values=chosen)


def off(draw: random.Random) -> Asked:
    scripts = draw.choice(
        (
            None,
            {},
            {"ToDo": {"args": []}},
            {"ToDo": {"args": [False]}},
            {"ToDo": {"args": [{"enabled": False, "factor": 2, "threshold": THRESHOLD}]}},
            {"ToDo": {"args": [False, 2, 2, THRESHOLD]}},
        )
    )
    return Asked("off", scripts, values={"enabled": False})


def among_others(draw: random.Random) -> Asked:
    """Other scripts' arguments in the same request, good ones and ours alike."""
    asked = draw.choice((good, by_name, by_position, off))(draw)
    others = {
        "Refiner": {"args": [False, "", 0.8]},
        "Seed": {"args": [1, False, -1, 0, 0, 0]},
        "Comments": {"args": []},
        "Hypertile": {"args": []},
    }
    names = draw.sample(sorted(others), draw.randint(1, 3))
    pairs = [*((name, others[name]) for name in names), *(asked.scripts or {}).items()]
    draw.shuffle(pairs)
    return Asked("among others", dict(pairs), bad=asked.bad, values=asked.values)


def with_markup(draw: random.Random) -> Asked:
    """Markup in every other text of a request; ours is good or bad."""
    asked = draw.choice((good, by_name))(draw)
    texts = {name: draw.choice(MARKUP) for name in ("prompt", "negative_prompt")}
    return Asked("markup", asked.scripts, bad=asked.bad, values=asked.values, more=texts)


def args(draw: random.Random, given: Any) -> dict[str, Any]:
    return {draw.choice(("ToDo", "todo", "TODO", "tOdO")): {"args": given}}
