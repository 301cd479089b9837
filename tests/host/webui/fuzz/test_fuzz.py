"""Thousands of bad inputs: each request is right or refused by name, and so is the next one.

The requests come from a seeded generator, the same at every run. What is right is worked out here
anew, asking nothing of lib_todo: which field is bad, else how many keys each layer is to have left.

What the host drops before any extension is asked cannot be refused: `"ToDo": {}` and a misspelt
`args`. What the host itself cannot read (an object or null for `args`) it answers with an error of
its own, which names no field.
"""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from expect import CLEAN, Pass, Pooling, all_pixels, check, infotext, parameters
from fuzz_arguments import (
    among_others,
    by_name,
    by_position,
    good,
    good_by_position,
    no_list,
    off,
    off_but_bad,
    start_after_end,
    unknown_name,
    with_markup,
)
from fuzz_texts import cut_text, forged_text, translated_text
from fuzz_values import DEFAULTS, NEVER, SQUARE, Asked
from host import Host, HostFactory
from todo_report import line

SEED = 20240213
LEAST_REQUESTS = 1000

KINDS: tuple[tuple[Callable[[random.Random], Asked], int], ...] = (
    (by_name, 330),
    (by_position, 210),
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
        self.off = all_pixels(host.txt2img(**SQUARE))
        self.made: dict[tuple[Any, ...], list[bytes]] = {}
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
        rule = ("factor", "deep_factor", "threshold", "scale", "deep_scale")
        pooling = Pooling(**{name: values[name] for name in rule})
        # the only step of a pass of one is in the lead-in
        expected = Pass(64, 64, 1, pooling.in_lead_in() if is_on and window else None)
        check(self.host, "tiny15", first=expected)
        assert (told is not None) is values["enabled"]
        is_pooled = any(keys < queries for _, _, queries, keys in expected.rows("tiny15"))
        assert ("ToDo factor" in parameters(infotext(answer))) is values["enabled"]
        if asked.more:
            return
        if not is_pooled:
            assert all_pixels(answer) == self.off
            return
        key = tuple(float(v) if isinstance(v, int) else v for v in values.values())
        assert self.made.setdefault(key, all_pixels(answer)) == all_pixels(answer)


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
    off = all_pixels(fuzzed.txt2img(**SQUARE))
    host = start_host(with_ui=True, arguments=arguments)
    checker = Checker(host)
    assert checker.off == off
    for kind in (good, by_name, good_by_position, by_position, off_but_bad, forged_text, good):
        checker.check(kind(draw))
    assert host.request("GET", "/").ok
    host.stop()
