"""Whatever is asked for: what the line, the JSON and the hint say is what layers computed.

Real layers of four levels are called step by step. The keys that each of them computes are counted
by a hook of our own; nothing is asked of the rule.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import settings as search
from hypothesis import strategies as st

pytest.importorskip("ldm.modules.attention")

from ldm_models import spatial_transformer, text

from lib_todo import Settings, token_downsampling
from lib_todo.cost.architectures import UNetShape
from lib_todo.cost.rates import Rates
from lib_todo.hosts.webui import hint
from lib_todo.plan import pooled_grid
from lib_todo.settings import FIELDS, PRESETS

Grid = tuple[int, int]
LEVELS = [spatial_transformer() for _ in range(4)]
SHAPE = UNetShape((32, 32, 32, 32), (1, 1, 1, 1), 1, context_width=24)
SAMPLERS = ("Euler", "DPM++ 2M", "LMS", "LCM", "PLMS", "Restart", "DPM fast")

sides = st.integers(9, 20)
factors = st.sampled_from([0.0, 1.0, 1.5, 2.0, 3.0])
asked = st.builds(
    lambda preset, window, changes: Settings.from_preset(
        preset, **{"start": min(window), "end": max(window), **changes}
    ),
    preset=st.sampled_from(sorted(PRESETS)),
    window=st.just((0.0, 1.0)) | st.tuples(st.sampled_from([0.0, 0.2, 0.5]), st.floats(0, 1)),
    changes=st.fixed_dictionaries(
        {"threshold": st.integers(1, 16)},
        optional={"factor": factors, "deep_factor": factors, "passes": st.just("hires")},
    ),
)

# (grid, step) -> keys
Seen = dict[tuple[Grid, int], int]


def sample(
    settings: Settings, latent: Grid, sampler: str, steps: int, sigmas: tuple[float, ...] = ()
) -> tuple[Any, Seen]:
    """One sampling; the report, and the keys that each level's layer computed in each step."""
    seen: Seen = {}
    grids = [pooled_grid(latent, 2**level) for level in range(4)]
    images = [torch.randn(2, 32, *grid) for grid in grids]
    with token_downsampling(settings) as report:
        for step in range(steps):
            report.position.sampler, report.position.sigmas = sampler, sigmas
            report.progress(step, steps)
            for level, grid, image in zip(LEVELS, grids, images):

                def count(_: Any, args: Any, grid: Grid = grid, step: int = step) -> None:
                    seen[grid, step] = args[0].shape[1]

                keys = level.transformer_blocks[0].attn1.to_k
                with keys.register_forward_pre_hook(count):
                    level(image, context=[text()])
    return report, seen


@search(max_examples=40, deadline=None)
@given(
    settings=asked,
    latent=st.tuples(sides, sides),
    sampler=st.sampled_from(SAMPLERS),
    steps=st.integers(1, 9),
    falls=st.booleans(),
)
def test_the_line_and_the_json_say_what_was_computed(
    settings: Settings, latent: Grid, sampler: str, steps: int, falls: bool
) -> None:
    sigmas = (*(2.0 ** (steps - step) for step in range(steps)), 0.0) if falls else ()
    report, seen = sample(settings, latent, sampler, steps, sigmas)
    grids = {grid for grid, _ in seen}
    (counts,) = report.to_dict()["passes"].values()

    told = Counter()
    for row in counts["grids"]:
        told[tuple(row["grid"]), row["keys_after"]] += row["calls"]
    assert told == Counter((grid, keys) for (grid, _), keys in seen.items())

    pooled_in = {step for (grid, step), keys in seen.items() if keys < grid[0] * grid[1]}
    pooled = {grid for (grid, _), keys in seen.items() if keys < grid[0] * grid[1]}
    assert counts["steps"] == {"pooled": len(pooled_in), "seen": steps, "asked": steps}

    line = report.line()
    assert ("nothing was pooled" in line) is not bool(pooled)
    if not pooled:
        largest = max(grids, key=lambda grid: grid[0] * grid[1])
        if "above the threshold" in line:
            assert f"the largest has {largest[1]}×{largest[0]} tokens" in line
            assert largest[0] * largest[1] <= (settings.above * settings.threshold) ** 2
        layers = re.findall(r"(\d+) layers? ", line)
        assert sum(map(int, layers)) <= len(grids)
        return
    assert f"in {len(pooled)} of {len(grids)} self-attention layers" in line
    if len(pooled_in) == steps:
        assert re.search(rf"in (all {steps} steps|the only step)", line)
    else:
        assert f"in {len(pooled_in)} of {steps} steps" in line
    pairs = {(grid[0] * grid[1], keys) for (grid, _), keys in seen.items()}
    named = {(int(before), int(after)) for before, after in re.findall(r"(\d+) → (\d+)", line)}
    assert named == {(before, after) for before, after in pairs if after < before}


@search(max_examples=40, deadline=None)
@given(settings=asked, latent=st.tuples(sides, sides), sampler=st.sampled_from(SAMPLERS))
def test_the_hint_says_what_will_be_computed(
    settings: Settings, latent: Grid, sampler: str
) -> None:
    """With enough steps that some lie behind the first quarter, and none in which a phase rests."""
    _, seen = sample(settings, latent, sampler, 4)
    size = latent[1] * 8, latent[0] * 8
    part = hint.Part(SHAPE, size, sampler)
    values = {field.name: getattr(settings, field.name) for field in FIELDS}
    values |= {name: f"{values[name]:g}" for name in ("factor", "deep_factor", "deep_scale")}
    shown = hint.lines([part], values, [Rates(1e12, {"4": 1e12}, 1e12, 0.0, 4)])
    if (settings.start, settings.end) != (0, 1):
        return
    grids = re.findall(r"(\d+)×(\d+) → (\d+)×(\d+) tokens", shown[0])
    told = {(int(h), int(w)): int(rows) * int(columns) for w, h, columns, rows in grids}
    last = {grid: keys for (grid, step), keys in seen.items() if step == 3}
    assert told == {grid: keys for grid, keys in last.items() if keys < grid[0] * grid[1]}
