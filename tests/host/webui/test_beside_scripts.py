"""The host's scripts that sample several times for one result, and Ultimate SD Upscale.

Off, the images are bitwise those of a host without ToDo. On, they are those made when the tokens
are taken by hand, every tile and image is counted, and one line names every size.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from expect import CLEAN, Pooling, all_pixels, info, parameters, pixels, todo
from host import REPOSITORY, Host, HostFactory, images
from host_with_others import ULTIMATE_UPSCALE, checkout, pooled, rows
from phases_seen import phases
from requests_shared import QUIET
from script_cases import CASES
from script_cases import parameters as names
from todo_report import line, report_of, sizes, steps, used

POOLING = Pooling(factor=2, deep_factor=2, threshold=8)
# grids of 16×16 tokens and more, by another corner in each step
MOVING = {"preset": "close", "factor": 2, "deep_factor": 1, "threshold": 8}

extension = checkout(ULTIMATE_UPSCALE)
EXTENSIONS = (extension,) if extension else ()


@pytest.fixture(scope="module")
def bare(start_host: HostFactory) -> dict[str, list[bytes]]:
    """Each case's images on a host without ToDo."""
    host = start_host(extensions=EXTENSIONS)
    host.use("tiny15_a")
    made = {}
    for name, case in CASES.items():
        if not case.extension or extension:
            forget_the_inversion(host)
            made[name] = all_pixels(case.make(host))
    host.stop()
    return made


@pytest.fixture(scope="module")
def shared_scripted(start_host: HostFactory, bare: dict[str, list[bytes]]) -> Iterator[Host]:
    """A host with ToDo; the one without has stopped by then."""
    host = start_host(extensions=(REPOSITORY, *EXTENSIONS))
    host.use("tiny15_a")
    yield host
    host.stop()


@pytest.fixture
def scripted(shared_scripted: Host) -> Host:
    """That host, its probe reset, and what the inversion of an image remembers forgotten."""
    forget_the_inversion(shared_scripted)
    shared_scripted.probe_reset()
    return shared_scripted


def forget_the_inversion(host: Host) -> None:
    """Give each case the same past: a small image before it.

    The img2img alternative test keeps the last image's noise, if nothing but ToDo changes. And the
    host encodes pictures with noise of the global generator, which no request seeds.
    """
    CASES["img2img alternative test"].make(host, width=64, height=64)


def told_calls(report: dict[str, Any]) -> Counter[tuple[Any, ...]]:
    """Calls by (height, width, keys before, keys after), as the JSON tells them."""
    counted: Counter[tuple[Any, ...]] = Counter()
    for grid in report["grids"]:
        counted[(*grid["grid"], grid["keys_before"], grid["keys_after"])] += grid["calls"]
    return counted


def seen_calls(host: Host) -> Counter[tuple[Any, ...]]:
    """The same, as the probe saw them."""
    counted: Counter[tuple[Any, ...]] = Counter()
    for (_, _, _, _, grid, queries, keys), calls in rows(host).items():
        counted[(*grid, queries, keys)] += calls
    return counted


@pytest.mark.parametrize("name", names(list(CASES)))
def test_off_before_and_after_on(scripted: Host, bare: dict[str, list[bytes]], name: str) -> None:
    case = CASES[name]
    off = case.make(scripted)
    assert all_pixels(off) == bare[name]
    assert line(off) is None
    assert all("ToDo" not in text for text in info(off)["infotexts"])
    forget_the_inversion(scripted)
    assert all_pixels(case.make(scripted, **POOLING.asked())) != bare[name]
    assert scripted.probe_leftovers() == CLEAN
    forget_the_inversion(scripted)
    assert all_pixels(case.make(scripted, **todo(enabled=False))) == bare[name]


@pytest.mark.parametrize("name", names(list(CASES)))
def test_on_every_tile_is_pooled_as_by_hand_and_told_in_one_line(scripted: Host, name: str) -> None:
    case = CASES[name]
    case.make(scripted)
    plain = rows(scripted)
    forget_the_inversion(scripted)
    scripted.probe_reset()
    with scripted.log_since() as log:
        answer = case.make(scripted, **POOLING.asked())
    assert rows(scripted) == pooled(plain, POOLING)
    report = report_of(answer)
    assert told_calls(report) == seen_calls(scripted)
    assert sizes(report) == {"first": case.sizes}
    assert report["steps"]["seen"] == case.steps
    told = str(line(answer))
    assert len(told.splitlines()) == 1
    assert all(f"{width}×{height}" in told for width, height in case.sizes)
    assert "Traceback" not in "\n".join(log)
    assert scripted.probe_leftovers() == CLEAN

    forget_the_inversion(scripted)
    scripted.probe_reset()
    scripted.probe_lattice(2, 8)
    assert all_pixels(answer) == all_pixels(case.make(scripted))


@pytest.mark.parametrize("name", names(list(CASES)))
def test_each_tile_visits_the_phases(scripted: Host, name: str) -> None:
    """The same in the same step of each tile and image, and another in each step."""
    case = CASES[name]
    scripted.post("/todo-probe/watch_positions")
    answer = case.make(scripted, **todo(**MOVING))
    # before the sampler's first step no generation is known: an inversion takes the first phase
    calls = [call for call in scripted.probe_positions() if call["generation"]]
    by_step: dict[int, set[tuple[int, int]]] = {}
    for step, phase in phases(calls):
        by_step.setdefault(step, set()).add(phase)
    order = [(0, 0), (1, 1), (0, 1), (1, 0)]
    assert by_step == {step: {order[step]} for step in range(len(by_step))}
    assert len(by_step) == 4
    assert report_of(answer)["passes"]["first"]["phase_held"] == []
    assert steps(report_of(answer))[1] == case.steps


@pytest.mark.parametrize("name", names([name for name in CASES if CASES[name].image]))
def test_the_text_has_the_settings_that_make_the_result_again(scripted: Host, name: str) -> None:
    case = CASES[name]
    answer = case.make(scripted, **todo(**MOVING, end=0.5))
    for text in info(answer)["infotexts"]:
        assert parameters(text)["ToDo steps"] == "0-0.5"
    forget_the_inversion(scripted)
    again = case.make(scripted, infotext=info(answer)["infotexts"][0])
    assert all_pixels(again) == all_pixels(answer)
    assert line(again) == line(answer)


@pytest.mark.parametrize("name", names([name for name in CASES if CASES[name].texts]))
def test_each_images_text_makes_that_image_again(scripted: Host, name: str) -> None:
    case = CASES[name]
    answer = case.make(scripted, **todo(**MOVING))
    texts, made = info(answer)["infotexts"], images(answer)
    # the matrix puts a grid before its images
    first = info(answer)["index_of_first_image"]
    assert len(texts) == len(made) > first
    for text, image in zip(texts[first:], made[first:]):
        again = scripted.post("/sdapi/v1/txt2img", {"infotext": text, **QUIET})
        assert info(again)["infotexts"] == [text]
        assert pixels(images(again)[0]) == pixels(image)


def test_each_lines_text_names_its_own_grid(scripted: Host) -> None:
    answer = CASES["Prompts from file"].make(scripted, **todo(**MOVING))
    assert [used(text)["first"] for text in info(answer)["infotexts"]] == [
        {(16, 16): 2},
        {(17, 24): 2},
        {},
        {(16, 16): 2},
    ]
