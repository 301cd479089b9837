"""What the extension says of a generation, held against what was seen from outside.

Programs get reasons and numbers as JSON in the API's info; people get a line and an image's text.
`Host` holds all three, for every request that asks for ToDo, against the keys that the probe
counted and against the picture itself. Of the line only the numbers are read here: its words are
compared in tests/unit/test_wording.py alone.
"""

from __future__ import annotations

import io
import json
import re
from collections import Counter
from typing import Any

from PIL import Image

# layers by (keys before, keys after)
Pooled = dict[tuple[int, int], int]
# why a layer is left alone by the settings; any other reason is other code that uses it
BY_SETTINGS = {
    *("below_threshold", "factor_one", "lead_in", "sampler"),
    *("other_pass", "outside_window"),
}
# calls by pass, grid and the number of keys that were computed
Calls = Counter[tuple[str, tuple[int, int], int]]


def info(answer: dict[str, Any]) -> dict[str, Any]:
    """What the API's answer says beside the images."""
    return dict(json.loads(answer["info"]))


def line(answer: dict[str, Any]) -> str | None:
    """What is shown to people, without the speed of each pass and size.

    It stands behind the size in brackets, and is another at every run.
    """
    return _line(info(answer))


def _line(told_info: dict[str, Any]) -> str | None:
    told: str | None = told_info["extra_generation_params"].get("ToDo report")
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


def used(text: str) -> set[tuple[int, int]]:
    """The keys before and after that an image's text says were used."""
    found = re.search(r"ToDo used: ([^,\n]*)", text)
    pairs = re.findall(r"(\d+) → (\d+)", found[1] if found else "")
    assert found is None or bool(pairs) is not (found[1] == "as without ToDo")
    return {(int(before), int(after)) for before, after in pairs}


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


def seen_calls(rows: list[dict[str, Any]]) -> Calls:
    """The probe's rows."""
    found: Calls = Counter()
    for row in rows:
        found[row["in_pass"], (row["height"], row["width"]), row["keys"]] += row["calls"]
    return found


def told_calls(told: dict[str, Any]) -> Calls:
    """The JSON of a generation."""
    found: Calls = Counter()
    for name, counts in told["passes"].items():
        for grid in counts["grids"]:
            found[name, tuple(grid["grid"]), grid["keys_after"]] += grid["calls"]
    return found


def check(
    told_info: dict[str, Any], seen: Calls, pictures: list[bytes] | None, larger: bool = False
) -> None:
    """Hold all that was said of one request against what was seen.

    Args:
        told_info: the answer's info.
        seen: what the probe counted meanwhile.
        pictures: its images, where they are as large as the last pass; None for a script's, which
            may make some with ToDo off.
        larger: whether pictures may be larger than the last pass made them.
    """
    told = generations(told_info)
    if not told:
        return
    counted: Calls = Counter()
    for one in told:
        counted.update(told_calls(one))
    # where it is known beforehand that nothing is pooled, no call is met and none is told of
    not_met = {key for key, calls in counted.items() if not calls}
    # how many keys other code computes in the layers that are left to it is its own
    theirs = {
        (name, tuple(grid["grid"]))
        for one in told
        for name, counts in one["passes"].items()
        for grid in counts["grids"]
        if grid["reason"] not in (None, *BY_SETTINGS)
    }
    assert {key for key in not_met if key[:2] not in theirs} <= set(seen)
    left_out = {key for key in {*seen, *counted} if key in not_met or key[:2] in theirs}
    met = Counter({key: calls for key, calls in seen.items() if key not in left_out})
    ours = Counter({key: calls for key, calls in counted.items() if key not in left_out})
    assert ours == met if pictures is not None else ours <= met
    for one in told:
        _agrees_with_itself(one)
    if len(told) == 1:
        (one,) = told
        _line_agrees(str(_line(told_info)), one, alike=pictures is not None)
        _text_agrees(told_info["infotexts"][0], one)
        broken_off = any(c["steps"]["seen"] < c["steps"]["asked"] for c in one["passes"].values())
        if pictures is not None and not larger and not broken_off:
            last = list(sizes(one).values())[-1]
            made = [Image.open(io.BytesIO(picture)).size for picture in pictures]
            assert set(made) == {last[-1]}


def _agrees_with_itself(told: dict[str, Any]) -> None:
    """The sums are those of the passes, and no size has more layers than the model."""
    for name, counts in told["passes"].items():
        assert counts["steps"]["pooled"] <= counts["steps"]["seen"], name
        layers: Counter[tuple[int, ...]] = Counter()
        for grid in counts["grids"]:
            # other code may show a layer on grids of its own
            if grid["reason"] in (None, *BY_SETTINGS):
                layers[tuple(grid["grid"])] = max(layers[tuple(grid["grid"])], grid["layers"])
        assert sum(layers.values()) <= told["layers"] * len(told["sizes"].get(name, " ")), name
    for what in ("pooled", "seen"):
        assert told["steps"][what] == sum(c["steps"][what] for c in told["passes"].values())


def _line_agrees(text: str, told: dict[str, Any], alike: bool) -> None:
    """Each pass has its part of the one line, with the JSON's keys, layers and steps.

    `alike` says that each sampling of a batch has as many steps, as a script's need not have.
    """
    assert len(text.splitlines()) == 1
    parts = text.split("; hires pass")
    if len(told["passes"]) != len(parts):
        # nothing was called
        assert not any(counts["grids"] for counts in told["passes"].values())
        return
    for part, (name, counts) in zip(parts, told["passes"].items()):
        keys, steps = numbers(part)
        found = pooled(counts)
        assert all(f"{width}×{height}" in part for width, height in sizes(told)[name]), name
        assert keys <= set(found), name
        assert {before for before, _ in keys} == {before for before, _ in found}, name
        if found:
            layers = re.search(r" keys in (\d+) of (\d+) self-attention layers", part)
            most, all_layers = map(int, layers.groups()) if layers else (0, 0)
            # tiles of two sizes may have as many tokens
            of_grids = [row["layers"] for row in counts["grids"] if row["reason"] is None]
            assert max(of_grids) <= most <= all_layers <= told["layers"], name
            assert steps == () or steps[0] <= counts["steps"]["pooled"], name
            assert steps == () or not alike or counts["steps"]["seen"] % steps[1] == 0, name
        else:
            assert "nothing was pooled" in part, name


def _text_agrees(text: str, told: dict[str, Any]) -> None:
    """The keys are some that there were; the report is not there."""
    assert "ToDo report" not in text
    assert used(text) <= set(pooled(told))
