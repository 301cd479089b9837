"""What the extension says of a generation, held against what was seen from outside.

`Host` does this for every request of every workflow that asks for ToDo: the line, the image's text
and the JSON agree with the keys that the probe counted, and with the picture itself.
"""

from __future__ import annotations

import io
import json
from collections import Counter
from typing import Any

from PIL import Image
from todo_report import generations, layers, line, numbers, pooled, sizes, used

# calls by pass, grid and the number of keys that were computed
Calls = Counter[tuple[str, tuple[int, int], int]]


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
    assert not_met <= set(seen)
    met = Counter({key: calls for key, calls in seen.items() if key not in not_met})
    assert +counted == met if pictures is not None else +counted <= met
    for one in told:
        _agrees_with_itself(one)
    if len(told) == 1:
        (one,) = told
        _line_agrees(str(line({"info": json.dumps(told_info)})), one)
        _text_agrees(told_info["infotexts"][0], one)
        broken_off = any(c["steps"]["seen"] < c["steps"]["asked"] for c in one["passes"].values())
        if pictures is not None and not larger and not broken_off:
            last = list(sizes(one).values())[-1]
            made = [Image.open(io.BytesIO(picture)).size for picture in pictures]
            assert set(made) == {last[-1]}


def _agrees_with_itself(told: dict[str, Any]) -> None:
    """The sums are those of the passes, and no pass has more layers than it was seen to call."""
    for name, counts in told["passes"].items():
        steps = counts["steps"]
        assert steps["pooled"] <= steps["seen"], name
        by_reason: Counter[tuple[int, ...]] = Counter()
        for grid in counts["grids"]:
            by_reason[tuple(grid["grid"])] = max(by_reason[tuple(grid["grid"])], grid["layers"])
        assert sum(by_reason.values()) <= told["layers"], name
    for what in ("pooled", "seen"):
        assert told["steps"][what] == sum(c["steps"][what] for c in told["passes"].values())


def _line_agrees(text: str, told: dict[str, Any]) -> None:
    parts = text.split("; hires pass")
    if len(told["passes"]) != len(parts):
        # nothing was called
        assert not any(counts["grids"] for counts in told["passes"].values())
        return
    for part, (name, counts) in zip(parts, told["passes"].items()):
        keys, steps = numbers(part)
        found = pooled(counts)
        assert keys <= set(found), name
        assert {before for before, _ in keys} == {before for before, _ in found}, name
        if found:
            most, all_layers = layers(part)
            assert max(found.values()) <= most <= all_layers <= told["layers"], name
            assert steps == () or steps[0] <= counts["steps"]["pooled"], name
            # each sampling of a batch has as many steps
            assert steps == () or counts["steps"]["seen"] % steps[1] == 0, name
        else:
            assert "nothing was pooled" in part, name


def _text_agrees(text: str, told: dict[str, Any]) -> None:
    """A factor is named for no grid but those that were pooled by it."""
    for name, factors in used(text).items():
        grids = told["passes"].get(name, {"grids": []})["grids"]
        for grid, factor in factors.items():
            after = {row["keys_after"] for row in grids if tuple(row["grid"]) == grid}
            height, width = (-(-side // factor) if factor % 1 == 0 else 0 for side in grid)
            assert not height or any(keys % int(height * width) == 0 for keys in after), name
