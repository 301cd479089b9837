"""Bad input by the thousand: each request is right or refused by name, and so is the next one.

The requests come from a seeded generator, the same at every run. What is right is worked out here
anew, asking nothing of lib_todo: which field is bad, else how many keys each layer is to have left.

What the host drops before any extension is asked cannot be refused: `"ToDo": {}` and a misspelt
`args`. What the host itself cannot read (an object or null for `args`) it answers with an error of
its own, which names no field.
"""

from __future__ import annotations

import copy
import json
import math
import random
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests
from conftest import HostFactory
from expect import CLEAN, METHODS, Pass, Pooling, check, infotext, line, parameters
from host import Host

SEED = 20240213
LEAST_REQUESTS = 1000
SQUARE: dict[str, Any] = {"width": 64, "height": 64, "steps": 1}
THRESHOLD = 4

NAMES = ("enabled", "factor", "deep_factor", "threshold", "method", "start", "end", "passes")
DEFAULTS = dict(zip(NAMES, (False, 0.0, 0.0, 64, "nearest", 0.0, 1.0, "both")))
MARKUP = (
    "<img src=x onerror=alert(1)>",
    "</div><script>alert(1)</script>",
    '"><b>',
    "<svg/onload=1>",
)
PATHS = ("../../etc/passwd", "/tmp/x", "C:\\x", "$(touch x)", "`id`", "; rm -rf x", "%s%n", "a\0b")


def deep(levels: int) -> Any:
    value: Any = 2
    for level in range(levels):
        value = [value] if level % 2 else {"factor": value}
    return value


# JSON values that are right for no field of any kind
NEVER: tuple[Any, ...] = (
    None, [], {}, [2], [True], {"value": 2}, "", " ", "2", "2.0", "1e3", "０", "٣", "0x2", "NaN",
    "None", "null", "true", "True", "false", "on", "auto", "automatic", "Nearest", "nearest ",
    "NEAREST", "both,first", "[2]", "{}", "\ud800", "\u202e2", "𝟚", "ＢＯＴＨ", "average\n",
    *MARKUP, *PATHS, "x" * 5000, [2] * 10_000, {str(n): n for n in range(2000)}, deep(60),
    deep(200),
    math.nan, math.inf, -math.inf, -1, -0.5, 1e308, -1e308, 1e-300 - 1, 10**30, -(10**30),
    10**400, 2**63, 513.5, 1000,
)  # fmt: skip
BESIDE: dict[str, tuple[Any, ...]] = {
    "enabled": (0, 1, 0.0, 1.0, 2),
    "factor": (True, False, 0.5, 0.999, 8.001, 8.5, 9, 64, 5e-324),
    "deep_factor": (True, False, 0.5, 0.999, 8.001, 8.5, 9, 64, 5e-324),
    "threshold": (True, False, 0, 0.0, 0.5, 4.5, 513, 1024),
    "method": (0, 1, True, "bicubic", "both", "nearest_exact"),
    "start": (True, 1.001, 2, 100, 50),
    "end": (True, False, 1.001, 2, 100),
    "passes": (0, 1, True, "second", "hr", "nearest", "all"),
}
GOOD: dict[str, tuple[Any, ...]] = {
    "enabled": (True,),
    "factor": (0, 0.0, -0.0, 1, 1.5, 2, 2.0, 2.5, 3, 8),
    "deep_factor": (0, 1, 1.0, 2, 4.5),
    "threshold": (4, 4.0, 5, 2, 1, 8, 64, 512),
    "method": METHODS,
    "start": (0, 0.0, 0.5, 1),
    "end": (0.5, 1, 1.0, 0.75),
    "passes": ("both", "first", "hires"),
}
UNKNOWN = ("Factor", "faktor", "", " ", "factor ", "__class__", "self", "0", "ratio", "enable",
           "settings", "report", "FIELDS", *MARKUP, "x" * 300, "ﬁeld", "factor\u200b")  # fmt: skip


@dataclass
class Asked:
    """One request, and what is right for it.

    `bad` holds the words of which the refusal must name one; `values` the settings of an image that
    must be made; neither is there where the host alone has to refuse.
    """

    kind: str
    scripts: dict[str, Any] | None = None
    text: str = ""
    bad: tuple[str, ...] = ()
    values: dict[str, Any] | None = None
    more: dict[str, Any] = field(default_factory=dict)

    @property
    def body(self) -> dict[str, Any]:
        body = Host.body(**SQUARE) | copy.deepcopy(self.more)
        if self.scripts is not None:
            body["alwayson_scripts"] = self.scripts
        if self.text:
            body["infotext"] = self.text
        return body


def bad_value(draw: random.Random, name: str) -> Any:
    return draw.choice(NEVER if draw.random() < 0.7 else BESIDE[name])


def good_values(draw: random.Random) -> dict[str, Any]:
    chosen = draw.sample(NAMES, draw.randint(1, len(NAMES)))
    values = {name: draw.choice(GOOD[name]) for name in chosen}
    values.setdefault("threshold", THRESHOLD)
    if values.get("start", 0) > values.get("end", 1):
        del values["start"]
    return values


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
    if at == 0 and isinstance(values[0], dict):
        values[0] = [values[0]]  # an object in the first place is one of names
    return Asked("by position", args(draw, values), bad=(NAMES[at],))


def too_many(draw: random.Random) -> Asked:
    values = [True, 2, 1, THRESHOLD, "nearest", 0, 1, "both"]
    surplus = [draw.choice((*NEVER, True, 2))] * draw.choice((1, 2, 5, 1000))
    first: list[Any] = [{"factor": 2}, *values[1:]] if draw.random() < 0.3 else values
    return Asked("too many", args(draw, [*first, *surplus]), bad=("args",))


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


KEYS = {
    "factor": "ToDo factor",
    "deep_factor": "ToDo deep factor",
    "threshold": "ToDo threshold",
    "method": "ToDo method",
    "passes": "ToDo pass",
}
BAD_TEXTS = ("abc", "-1", "nan", "inf", "1e9", "2x2", "0x2", "1/2", "[2]", "null", "True", "zwei",
             '"<img src=x onerror=alert(1)>"', "$(id)", '"{\\"factor\\": 2}"')  # fmt: skip


def forged_text(draw: random.Random) -> Asked:
    """An image's text in which one value was made up."""
    pairs = {"ToDo factor": "2", "ToDo threshold": str(THRESHOLD)}
    name = draw.choice((*KEYS, "steps"))
    key = KEYS.get(name, "ToDo steps")
    pairs[key] = draw.choice((*BAD_TEXTS, "0.8-0.2", "0.2-1.2", "0.2", "a-b"))
    return Asked("forged text", text=as_text(pairs), bad=(key,))


def cut_text(draw: random.Random) -> Asked:
    """Only the end is lost; what was cut in the middle of a name or a value is gone or differs."""
    whole = as_text(
        {"ToDo factor": "2", "ToDo threshold": "5", "ToDo method": "average", "ToDo pass": "first"}
    )
    at = draw.randint(whole.index("ToDo factor"), len(whole))
    return Asked("cut text", text=whole[:at], **read_back(whole[:at]))


def translated_text(draw: random.Random) -> Asked:
    """Names that are not ours, as a translation makes them, and values in other words."""
    pairs = draw.choice(
        (
            {"ToDo Faktor": "2", "ToDo Schwelle": "5"},
            {"ТоДо factor": "2"},
            {"todo factor": "2"},
            {"ToDo factor": "2", "ToDo Schwelle": "5", "ToDo threshold": "5"},
            {"ToDo factor": "2", "ToDo threshold": "5", "ToDo method": "Durchschnitt"},
            {"ToDo factor": "2,5", "ToDo threshold": "5"},
        )
    )
    return Asked("translated text", text=as_text(pairs), **read_back(as_text(pairs)))


def as_text(pairs: dict[str, str]) -> str:
    told = ", ".join(f"{key}: {value}" for key, value in pairs.items())
    return f"a cat\nSteps: 1, Sampler: Euler, Seed: 1, {told}"


def read_back(text: str) -> dict[str, Any]:
    """What a text of well-formed keys asks for, read by the host's own pattern."""
    pattern = r'\s*(\w[\w \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)'
    found = {key: value for key, value in re.findall(pattern, text.splitlines()[-1]) if value}
    if "ToDo factor" not in found:
        return {"values": {"enabled": False}}
    values: dict[str, Any] = {"enabled": True}
    for name, key in KEYS.items():
        value = found.get(key, str(DEFAULTS[name]))
        allowed = {"method": METHODS, "passes": GOOD["passes"]}.get(name)
        if allowed and value not in allowed:
            return {"bad": (key,)}
        values[name] = value if allowed else float(value)
    return {"values": values}


KINDS: tuple[tuple[Callable[[random.Random], Asked], int], ...] = (
    (by_name, 330),
    (by_position, 210),
    (too_many, 60),
    (unknown_name, 90),
    (start_after_end, 15),
    (off_but_bad, 60),
    (no_list, 30),
    (good, 50),
    (good_by_position, 10),
    (off, 15),
    (among_others, 40),
    (with_markup, 25),
    (forged_text, 80),
    (cut_text, 20),
    (translated_text, 15),
)


def requests_to_make() -> list[Asked]:
    """All kinds in a mixed order, so that bad ones are followed by good ones and the other way."""
    draw = random.Random(SEED)
    made = [kind(draw) for kind, count in KINDS for _ in range(count)]
    draw.shuffle(made)
    return made


def post(host: Host, body: dict[str, Any]) -> requests.Response:
    """As any JSON writer would post it; the client's own refuses NaN, while the host accepts it."""
    headers = {"Content-Type": "application/json"}
    return host.request("POST", "/sdapi/v1/txt2img", data=json.dumps(body), headers=headers)


class Checker:
    """Holds each answer to what was asked, and every image to the first with its settings."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.off = host.txt2img(**SQUARE)["images"]
        self.made: dict[tuple[Any, ...], list[str]] = {}
        self.outcomes: Counter[str] = Counter()

    def check(self, asked: Asked) -> None:
        if asked.values is not None:
            self.host.probe_reset()
            self.check_made(asked, post(self.host, asked.body))
            self.outcomes["made"] += 1
        else:
            self.check_refused(asked, post(self.host, asked.body))
            self.outcomes["refused" if asked.bad else "refused by the host"] += 1

    def check_refused(self, asked: Asked, response: requests.Response) -> None:
        assert response.headers["content-type"] == "application/json"
        told = response.json()
        assert "images" not in told
        if not asked.bad:
            assert response.status_code == 500
            return
        named = [f"ToDo: {word} = " for word in asked.bad]
        assert told["errors"].startswith(tuple(named))
        assert len(told["errors"]) < 600
        if not asked.text:
            assert response.status_code == 422
            assert told["detail"] == told["errors"]

    def check_made(self, asked: Asked, response: requests.Response) -> None:
        assert response.ok, response.text[:500]
        answer = response.json()
        values = DEFAULTS | (asked.values or {})
        told = line(answer)
        assert "<" not in str(told)
        is_on = values["enabled"] and values["passes"] != "hires"
        window = values["start"] <= 0 < values["end"]
        pooling = Pooling(values["factor"], values["deep_factor"], int(values["threshold"]))
        expected = Pass(64, 64, 1, pooling if is_on and window else None)
        check(self.host, "tiny15", first=expected)
        assert (told is not None) is values["enabled"]
        is_pooled = any(keys < queries for _, _, queries, keys in expected.rows("tiny15"))
        assert ("ToDo factor" in parameters(infotext(answer))) is is_pooled
        if asked.more:
            return
        if not is_pooled:
            assert answer["images"] == self.off
            return
        key = tuple(float(v) if isinstance(v, int) else v for v in values.values())
        assert self.made.setdefault(key, answer["images"]) == answer["images"]


@pytest.fixture(scope="module")
def fuzzed(start_host: HostFactory) -> Iterator[Host]:
    host = start_host()
    yield host
    host.stop()


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_each_request_is_right_or_refused(fuzzed: Host, capsys: pytest.CaptureFixture[str]) -> None:
    began = time.monotonic()
    checker = Checker(fuzzed)
    before = files(fuzzed.data)
    for number, asked in enumerate(requests_to_make()):
        try:
            checker.check(asked)
        except AssertionError as error:
            shown = json.dumps(asked.body)[:1500]
            raise AssertionError(f"request {number}, {asked.kind}: {shown}") from error
    assert files(fuzzed.data) == before
    assert fuzzed.probe_leftovers() == CLEAN
    assert sum(checker.outcomes.values()) >= LEAST_REQUESTS
    seconds = time.monotonic() - began
    with capsys.disabled():
        total = sum(checker.outcomes.values())
        print(f"\n{total} requests, {dict(checker.outcomes)}, in {seconds:.0f} s")


def is_for_the_page(value: Any) -> bool:
    """With the others the host does not start: its page cannot be written, whosever field it is."""
    return value not in (None, "\ud800") and not (isinstance(value, int) and abs(value) >= 2**63)


def test_settings_files_with_nonsense(
    start_host: HostFactory, fuzzed: Host, tmp_path: Path
) -> None:
    """Nonsense for our option and for each of our controls on the page: the API is as ever.

    All but its list of options, which the host refuses to show with any value of a wrong type.
    """
    draw = random.Random(SEED)
    never = [value for value in NEVER if len(str(value)) < 100 and is_for_the_page(value)]
    labels = next(info["args"] for info in fuzzed.script_info() if info["name"] == "todo")
    page = {
        f"customscript/todo.py/{tab}/{label['label']}/{part}": draw.choice(never)
        for tab in ("txt2img", "img2img")
        for label in labels
        for part in ("value", "minimum", "maximum", "step")
    }
    files_given = {"config.json": {"todo_show_line": {"<b>": [None]}}, "ui-config.json": page}
    for name, content in files_given.items():
        (tmp_path / name).write_text(json.dumps(content))
    arguments = ("--ui-settings-file", str(tmp_path / "config.json"))
    arguments += ("--ui-config-file", str(tmp_path / "ui-config.json"))
    off = fuzzed.txt2img(**SQUARE)["images"]
    host = start_host(with_ui=True, arguments=arguments)
    checker = Checker(host)
    assert checker.off == off
    for kind in (good, by_name, good_by_position, by_position, off_but_bad, forged_text, good):
        checker.check(kind(draw))
    assert host.request("GET", "/").ok
    host.stop()
