"""What the extension reported on a generation, as reasons and numbers.

Programs get them as JSON in the API's info; people get a line, of which only the numbers are read
here: its words are compared in tests/unit/test_wording.py alone.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

# layers by (keys before, keys after)
Pooled = dict[tuple[int, int], int]


def info(answer: dict[str, Any]) -> dict[str, Any]:
    """What the API's answer says beside the images."""
    return dict(json.loads(answer["info"]))


def line(answer: dict[str, Any]) -> str | None:
    """What is shown to people, without the speed of each pass and size.

    It stands behind the size in brackets, and is another at every run.
    """
    told: str | None = info(answer)["extra_generation_params"].get("ToDo report")
    return told and re.sub(r"(\(|; )(\d+×\d+)(, [^();]+)?(?=; \d+×|[^()]*\):)", r"\1\2", told)


def generations(told_info: dict[str, Any]) -> list[dict[str, Any]]:
    """The JSON of each of a result's settings; none where ToDo was off or the line unwanted."""
    params = told_info["extra_generation_params"]
    assert ("ToDo report" in params) is ("ToDo report JSON" in params)
    return list(params.get("ToDo report JSON", {}).get("generations", []))


def report_of(answer: dict[str, Any]) -> dict[str, Any]:
    """The JSON of a request's one generation."""
    (found,) = generations(info(answer))
    return found


def sizes(told: dict[str, Any]) -> dict[str, list[tuple[int, int]]]:
    """The sizes in pixels of each pass, in the order in which they were sampled."""
    return {
        name: [(found["size"][0], found["size"][1]) for found in several]
        for name, several in told["sizes"].items()
    }


def pooled(counts: dict[str, Any]) -> Pooled:
    """What was pooled, of a generation or of one of its `passes`."""
    found: Counter[tuple[int, int]] = Counter()
    for grid in counts["grids"]:
        if grid["reason"] is None:
            found[grid["keys_before"], grid["keys_after"]] += grid["layers"]
    return dict(found)


def reasons(counts: dict[str, Any]) -> dict[str, int]:
    """How many layers were left alone, by reason."""
    found: Counter[str] = Counter()
    for grid in counts["grids"]:
        if grid["reason"] is not None:
            found[grid["reason"]] += grid["layers"]
    return dict(found)


def steps(counts: dict[str, Any]) -> tuple[int, int]:
    """Steps in which something was pooled, and all steps."""
    return counts["steps"]["pooled"], counts["steps"]["seen"]


def used(text: str) -> dict[str, dict[tuple[int, int], float]]:
    """The factors that an image's text says were used: by pass and (height, width) in tokens.

    Of a lead-in's and the one that came after it, the latter.
    """
    found = re.search(r"ToDo used: ([^,\n]*)", text)
    return {
        part.split()[0]: {
            (int(height), int(width)): float(factor)
            for width, height, factor in re.findall(
                r"(\d+)×(\d+) tokens by (?:[\d.]+ then )?([\d.]+)", part
            )
        }
        for part in (found[1].split("; ") if found else ())
    }


def numbers(line: str) -> tuple[set[tuple[int, int]], tuple[int, ...]]:
    """The keys before and after that a line of one pass names, and in how many of how many steps.

    Of a lead-in's keys and those after it, the latter: the others stand in brackets.
    """
    keys = re.findall(r"(\d+) → (\d+)", line.split(" keys in ")[0])
    shown = re.search(r", in (?:(\d+) of|all) (\d+) steps", line)
    counted = (int(shown[1] or shown[2]), int(shown[2])) if shown else ()
    return {(int(before), int(after)) for before, after in keys}, (
        (1, 1) if ", in the only step" in line else counted
    )


def layers(line: str) -> tuple[int, ...]:
    """How many layers a line of one pass says were pooled, of how many."""
    found = re.search(r" keys in (\d+) of (\d+) self-attention layers", line)
    return tuple(map(int, found.groups())) if found else ()
