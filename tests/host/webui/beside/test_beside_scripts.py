"""The host's scripts that sample several times for one result, and Ultimate SD Upscale.

Off, the images are bitwise those of a host without ToDo. On, they are those made when the tokens
are taken by hand, every tile and image is counted, and one line names every size.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
import told
from expect import CLEAN, all_pixels, infotext, lower_half, parameters, picture, todo
from host import REPOSITORY, Host, HostFactory
from neighbours import POOLING, ULTIMATE_UPSCALE, by_hand, checkout, rows, together
from neighbours import parameters as names
from phases_seen import phases
from told import info, line, report_of, sizes, steps, used

Size = tuple[int, int]
SQUARE, TILE = (128, 128), (192, 192)
# grids of 16×16 tokens and more, by another corner in each step
MOVING = {"preset": "close", "factor": 2, "deep_factor": 1, "threshold": 8}
ROUND = [(0, 0), (1, 1), (0, 1), (1, 0)]
extension = checkout(ULTIMATE_UPSCALE)
EXTENSIONS = (extension,) if extension else ()


@dataclass(frozen=True)
class Case:
    """A script with its arguments, and what it samples.

    `image` is the size of the picture that img2img starts from, None for txt2img. `sizes` are those
    sampled, in their order, `steps` all that are made.
    """

    script: str
    args: list[Any]
    image: Size | None
    sizes: list[Size]
    steps: int
    body: Mapping[str, Any] = field(default_factory=dict)
    extension: str | None = None

    def make(self, host: Host, *more: Mapping[str, Any]) -> dict[str, Any]:
        script = {"script_name": self.script, "script_args": self.args}
        asked = together({"width": 128, "height": 128, "steps": 4}, script, self.body, *more)
        if self.image is None:
            return host.txt2img(**asked)
        return host.img2img(picture(*self.image), **{"denoising_strength": 0.8, **asked})


def ultimate(seams: int, sizes: list[Size], steps: int, redraw: int = 0) -> Case:
    """128×128 to 256×256 in four tiles of 128 pixels, with 32 around them, then the seams."""
    tiles = [None, 128, 128, 8, 32, 32, 0.6, 16, 0, False, redraw, False, 4, seams, 2, 256, 256, 2]
    return Case("Ultimate SD upscale", tiles, SQUARE, sizes, steps, extension=ULTIMATE_UPSCALE)


def soft_inpainting() -> Case:
    """A painted mask's transition follows the difference of the latents; no script to choose."""
    soft = {"Soft Inpainting": {"args": [True, 1, 0.5, 4, 0, 0.5, 2]}}
    body = {"mask": base64.b64encode(lower_half(*SQUARE)).decode(), "mask_blur": 4}
    return Case("", [], SQUARE, [SQUARE], 4, {**body, "alwayson_scripts": soft})


LINES = """a dog
--prompt "a cow" --width 192 --height 136
--prompt "a small one" --width 64 --height 64
--prompt "a cow again" --steps 2"""
FROM_FILE = "Prompts from file"
ALTERNATIVE, POOR_MANS = "img2img alternative test", "Poor man's outpainting"
INVERTED = [None, True, True, "a cat", "", True, 4, True, 1.0, 0.2]
OUTPAINTING = [None, 64, 8, ["left", "up"], 1.0, 0.05]
# in img2img 4 steps at 0.8 are 4, at 0.65 and 0.6 they are 3
CASES = {
    "SD upscale": Case("SD upscale", [None, 32, "None", 2.0], (256, 200), [SQUARE], 24),
    "Ultimate SD Upscale": ultimate(0, [TILE], 16),
    "Ultimate SD Upscale, chess": ultimate(0, [TILE], 16, redraw=1),
    "Ultimate SD Upscale, band": ultimate(1, [TILE, (64, 256), (256, 64)], 22),
    "Ultimate SD Upscale, half tiles": ultimate(2, [TILE, SQUARE], 28),
    "Ultimate SD Upscale, intersections": ultimate(3, [TILE, SQUARE], 31),
    "Loopback": Case("Loopback", [3, 0.5, "Linear", "None"], SQUARE, [SQUARE], 10),
    POOR_MANS: Case(POOR_MANS, [64, 4, 0, ["left", "up"]], SQUARE, [SQUARE], 12),
    "Outpainting mk2": Case("Outpainting mk2", OUTPAINTING, SQUARE, [SQUARE, (192, 128)], 8),
    ALTERNATIVE: Case(ALTERNATIVE, [*INVERTED, False], SQUARE, [SQUARE], 4),
    "sigma adjustment": Case(ALTERNATIVE, [*INVERTED, True], SQUARE, [SQUARE], 4),
    "soft inpainting": soft_inpainting(),
    FROM_FILE: Case(
        *("Prompts from file or textbox", [False, False, "start", LINES], None),
        *([SQUARE, (192, 136), (64, 64)], 14),
    ),
    "Prompt matrix": Case(
        *("Prompt matrix", [False, False, "positive", "comma", 0], None, [SQUARE], 16),
        {"prompt": "a cat|red|in fog"},
    ),
}
# some of their pictures or seams have two or three steps, and so by the rule the paper's phase
SEAMS = [f"Ultimate SD Upscale, {seams}" for seams in ("band", "half tiles", "intersections")]
SHORT = (*SEAMS, "Loopback", FROM_FILE)


def forget(host: Host) -> None:
    """Give each case the same past, a small image of another one, and reset the probe.

    The img2img alternative test keeps the last image's noise, if nothing but ToDo changes. And the
    host encodes pictures with noise of the global generator, which no request seeds.
    """
    CASES[ALTERNATIVE].make(host, {"width": 64, "height": 64})
    host.probe_reset()


@pytest.fixture(scope="module")
def bare(new_host: HostFactory) -> dict[str, list[bytes]]:
    """Each case's images on a host without ToDo."""
    made = {}
    with new_host(extensions=EXTENSIONS, with_ui=False) as host:
        host.use("tiny15_a")
        for name, case in CASES.items():
            if not case.extension or extension:
                forget(host)
                made[name] = all_pixels(case.make(host))
    return made


@pytest.fixture(scope="module")
def shared_scripted(new_host: HostFactory, bare: dict[str, list[bytes]]) -> Iterator[Host]:
    """A host with ToDo; the one without has stopped by then."""
    with new_host(extensions=(REPOSITORY, *EXTENSIONS), with_ui=False) as host:
        host.use("tiny15_a")
        yield host


@pytest.fixture
def scripted(shared_scripted: Host) -> Host:
    forget(shared_scripted)
    return shared_scripted


@pytest.mark.parametrize("name", names(CASES))
def test_off_is_the_bare_hosts_and_on_every_tile_is_pooled_as_by_hand(
    scripted: Host, bare: dict[str, list[bytes]], name: str
) -> None:
    case = CASES[name]
    off = case.make(scripted)
    assert all_pixels(off) == bare[name]
    assert (line(off), "ToDo" in str(info(off)["infotexts"])) == (None, False)
    plain = rows(scripted)
    forget(scripted)
    with scripted.log_since() as log:
        answer = case.make(scripted, POOLING.asked())
    assert rows(scripted) == by_hand(plain, POOLING)
    report = report_of(answer)
    seen = scripted.probe_counts()["rows"]
    # of a picture that is known beforehand to be too small no call is met
    told_of, seen_of = told.told_calls(report), told.seen_calls(seen)
    is_inverted = case.script == ALTERNATIVE
    assert not told_of - seen_of and (name == FROM_FILE or is_inverted or told_of == seen_of)
    assert sizes(report) == {"first": case.sizes}
    assert (report["layers"], report["steps"]["seen"]) == (16, case.steps)
    assert "Traceback" not in "\n".join(log)
    assert scripted.probe_leftovers() == CLEAN
    if not is_inverted:
        # the probe would pool the inversion, too
        forget(scripted)
        scripted.probe_lattice(2, 8)
        assert all_pixels(answer) == all_pixels(case.make(scripted))


@pytest.mark.parametrize("name", names(CASES))
def test_each_tile_visits_the_phases_and_the_text_makes_the_result_again(
    scripted: Host, name: str
) -> None:
    """The phase is the same in the same step of each tile and image, and another in each step."""
    case = CASES[name]
    scripted.watch_positions()
    answer = case.make(scripted, todo(**MOVING))
    # before the sampler's first step no generation is known: an inversion is left alone
    calls = [call for call in scripted.probe_positions() if call["generation"]]
    by_step: dict[int, set[tuple[int, int]]] = {}
    for call in calls:
        ((step, phase),) = phases([call])
        by_step.setdefault(step, set()).add(phase)
    papers = {(0, 0)} if name in SHORT else set()
    assert (len(by_step), by_step[1]) == (len(ROUND), {ROUND[1]} | papers)
    assert all({phase} <= by_step[step] <= {phase} | papers for step, phase in enumerate(ROUND))
    assert steps(report_of(answer))[1] == case.steps
    if case.image is not None:
        forget(scripted)
        again = case.make(scripted, {"infotext": infotext(answer), "styles": []})
        assert all_pixels(again) == all_pixels(answer)
        assert line(again) == line(answer)
        return
    # each image has a text of its own; the matrix puts a grid before its images
    first = info(answer)["index_of_first_image"]
    for text, image in zip(info(answer)["infotexts"][first:], all_pixels(answer)[first:]):
        again = scripted.from_text(text)
        assert (info(again)["infotexts"], all_pixels(again)) == ([text], [image])


def test_each_lines_text_names_its_own_keys(scripted: Host) -> None:
    answer = CASES[FROM_FILE].make(scripted, todo(**MOVING))
    own = [used(text) for text in info(answer)["infotexts"]]
    assert own == [{(256, 64)}, {(408, 108)}, set(), {(256, 64)}]


@pytest.mark.parametrize("window", [{"end": 0.5}, {"start": 0.5}], ids=str)
def test_the_inversion_of_the_alternative_test_is_in_no_step(
    scripted: Host, window: dict[str, float]
) -> None:
    """Four calls of the U-Net come before the sampler's four; the window counts without them."""
    answer = CASES[ALTERNATIVE].make(scripted, todo(**MOVING, **window))
    grids = report_of(answer)["grids"]
    assert sum(grid["calls"] for grid in grids if grid["reason"] is None) == 5 * 2
    told = {f"ToDo {name}": str(value) for name, value in window.items()}
    assert all(told.items() <= parameters(text).items() for text in info(answer)["infotexts"])
