"""The speed-up to expect: a range for any machine, one figure for a measured one."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.running.timing import ratio
from lib_todo.cost.architectures import SHAPES, UNetShape
from lib_todo.cost.rates import Rates, typical
from lib_todo.cost.speedup import Pass, Range, in_words
from lib_todo.plan import with_papers_factors
from lib_todo.position import Position
from lib_todo.rule import Rule
from lib_todo.samplers import even_levels
from lib_todo.settings import PRESETS, Settings

SD15, SDXL = SHAPES["SD 1.x"], SHAPES["SDXL"]
MEASUREMENTS = Path(__file__).parents[3] / "docs" / "measurements"
# a clock's own error, seen where nothing is pooled
NOISE = 0.05


def rates(attention: float = 1e11, launch: float = 0) -> Rates:
    return Rates(3e11, {"64": attention}, 1e10, launch, 4)


def of_step(shape: UNetShape, side: int, settings: Settings, *more: Any, images: int = 1) -> Range:
    """How many times as fast a step is, as a pass of nothing else."""
    return Pass(shape, (side, side), images=images).gain({settings: 1.0}, *more)


def measured() -> Iterator[Any]:
    """Every speed-up of a preset in docs/measurements, by the rounds that are not marked."""
    for path in sorted(MEASUREMENTS.glob("*.json")):
        found = json.loads(path.read_text())
        # the matrix names no machine: it has errors alone, and no times
        device = "cpu" if found["machine"].get("device") == "CPU" else "cuda"
        for name, point in found["points"].items():
            part, *_, architecture, size, method = ["", "", *name.split(" | ")]
            part, preset = name.split(" | ")[0], method.removeprefix("ToDo ")
            dense = found["points"].get(name.replace(method, "dense"), {})
            if part not in ("unet", "pass") or architecture not in SHAPES or preset not in PRESETS:
                continue
            if ", " in name.split(" | ")[1]:
                # with another attention than PyTorch's own choice
                continue
            times = [
                # without the rounds of which the file says why they are not the method's
                {n: s for n, s in at["seconds"].items() if n not in at.get("doubtful", ())}
                for at in (dense, point)
            ]
            if all(times):
                case = (part, device, architecture, int(size), preset, ratio(*times).median)
                yield pytest.param(*case, id=f"{path.stem} {name}")


MEASURED = list(measured())


@pytest.mark.parametrize("part, device, architecture, size, preset, gain", MEASURED)
def test_all_that_was_measured_lies_in_the_range_without_a_measurement(
    part: str, device: str, architecture: str, size: int, preset: str, gain: float
) -> None:
    whole = Pass(SHAPES[architecture], (size, size), "Euler")
    settings = Settings.from_preset(preset)
    pooled = whole.stages(settings)
    if not pooled:
        assert gain == pytest.approx(1, abs=NOISE)
        return
    stages = {settings: 1.0} if part == "unet" else pooled
    least, most = whole.gain(stages, typical(device))
    assert round(least, 2) <= round(gain, 2) <= round(most, 2)


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("shape", [SD15, SDXL], ids=["SD 1.x", "SDXL"])
def test_larger_images_gain_more_and_nothing_pooled_gains_nothing(
    shape: UNetShape, device: str
) -> None:
    by_two = Settings(factor=2)
    gains = [of_step(shape, side, by_two, typical(device)) for side in (1280, 2048, 4096)]
    assert all(1 <= least < most for least, most in gains)
    assert gains == sorted(gains)
    nothing = Settings(factor=1, deep_factor=1)
    assert of_step(shape, 2048, nothing, typical(device)) == (1, 1)


def test_where_python_is_the_limit_nothing_is_gained_and_a_batch_helps() -> None:
    one, batch = Pass(SD15, (1024, 1024)), Pass(SD15, (1024, 1024), images=4)
    # as long for an operation as makes the whole call as long as its work
    work, _ = one.seconds(None, rates())
    _, each = one.seconds(None, rates(launch=1))
    slow = rates(launch=work / each)
    assert one.gain({Settings(): 1.0}, [slow]) == pytest.approx((1, 1))
    working, launching = one.seconds(Settings(), slow)
    assert launching > working
    assert batch.gain({Settings(): 1.0}, [slow]) > (1.5, 1.5)
    working, launching = batch.seconds(Settings(), slow)
    assert launching < working


def test_a_measured_machine_gives_one_figure_by_the_nearest_head_width() -> None:
    by_two = Settings(factor=2, deep_factor=1)
    least, most = of_step(SD15, 1024, by_two, [rates()])
    assert least == most
    assert of_step(SD15, 1024, by_two, [rates(0.5e11)]) > (least, most)
    assert in_words((least, most)) == f"{least:.2f}"
    found = Rates(1, {"40": 4, "64": 6, "160": 16}, 1, 0, 2)
    assert [found.attention_of(width) for width in (32, 40, 60, 80, 160)] == [4, 4, 6, 6, 16]


@pytest.mark.parametrize(
    ("values", "steps", "shares"),
    [
        ({}, 0, [0.25, 0.75]),
        ({"preset": "paper"}, 0, [1]),
        ({"preset": "paper", "start": 0.5}, 0, [0.5]),
        # whole steps, of which the last one ends the schedule
        ({"start": 0.9}, 20, [1 / 20, 1 / 20]),
        ({"start": 0.9}, 8, []),
        # after the first quarter only
        ({"threshold": 50}, 0, [0.75]),
    ],
)
def test_the_share_of_a_stage(values: dict[str, Any], steps: int, shares: list[float]) -> None:
    side = 480 if "threshold" in values else 1024
    whole = Pass(SD15, (side, side), "Euler", even_levels(steps) if steps else ())
    found = whole.stages(Settings.from_mapping(values))
    assert list(found.values()) == [pytest.approx(share) for share in shares]


def test_a_pass_by_its_stages() -> None:
    """The lead-in with the paper's factors, then the settings' own, each by its share."""
    settings, whole = Settings(), Pass(SD15, (1024, 1024), "Euler")
    found = whole.stages(settings)
    assert found == {with_papers_factors(settings): 0.25, settings: 0.75}
    gains = [of_step(SD15, 1024, stage, [rates()])[0] for stage in found]
    expected = 1 / (0.25 / gains[0] + 0.75 / gains[1])
    assert whole.gain(found, [rates()])[0] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("sampler", "steps", "careful"),
    [
        # the first quarter rounded up, and the step that ends the schedule
        ("Euler", 20, 6),
        ("Euler", 8, 3),
        ("Euler", 5, 3),
        # one more step for a method that is computed from two
        ("DPM++ 2M", 20, 7),
        # too few steps to average over, more of them with noise
        ("Euler", 3, 3),
        ("DPM++ 2M", 6, 6),
        ("Euler a", 12, 12),
        ("Euler a", 13, 5),
        ("LMS", 12, 12),
        ("Euler", 150, 39),
    ],
)
def test_steps_are_counted_by_the_rule_of_a_generation(
    sampler: str, steps: int, careful: int
) -> None:
    sigmas = even_levels(steps)
    found = Pass(SD15, (1024, 1024), sampler, sigmas).stages(Settings())
    assert list(found.values()) == [
        number / steps for number in (careful, steps - careful) if number
    ]
    # the same steps as a host reports them
    position, pooled = Position(itertools.count(1)), set()
    position.sampler, position.sigmas = sampler, sigmas
    for step in range(steps):
        position.advance(step, steps)
        if Rule(Settings(), position.moment).careful is None:
            pooled.add(step)
    assert len(pooled) == steps - careful


@given(
    shape=st.sampled_from([SD15, SDXL]),
    size=st.tuples(st.integers(64, 2400), st.integers(64, 2400)),
    preset=st.sampled_from(sorted(PRESETS)),
    sampler=st.sampled_from([None, "Euler", "LMS", "LCM"]),
    window=st.tuples(st.floats(0, 1), st.floats(0, 1)).map(sorted),
)
def test_pooling_never_costs_more(
    shape: UNetShape, size: tuple[int, int], preset: str, sampler: str | None, window: list[float]
) -> None:
    settings = Settings.from_preset(preset, start=window[0], end=window[1])
    whole = Pass(shape, size, sampler)
    found = whole.stages(settings)
    assert sum(found.values()) <= 1 + 1e-9
    least, most = whole.gain(found, typical("cuda"))
    assert 1 - 1e-9 <= least <= most
