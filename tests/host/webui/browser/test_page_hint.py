"""The page in a real browser: hires fix, and the hint, which follows every control behind it."""

from __future__ import annotations

import re

import pytest
from browser_steps import screenshot
from expect import Pass, Pooling, check, parameters
from host import Host
from kinds import every_kind
from tab import Tab
from told import numbers

SMALL_HIRES = Pooling(threshold=4)
SIDES = {"first": 64, "hires": 128}
BY_TWO = "1024×1024: 128×128 → 64×64 tokens (by 2)"
BY_THREE = "1024×1024: 128×128 → 43×43 tokens (by 3)"


@pytest.fixture
def paper(tab: Tab) -> Tab:
    """The tab with the preset paper, at 1024×1024."""
    tab.set(preset="paper", width=1024, height=1024)
    tab.hint_with(BY_TWO)
    return tab


@pytest.fixture
def hires(ticked: Tab) -> Tab:
    """8×8 tokens in the first pass, 16×16 in the second, in two steps each."""
    ticked.unfold("hr")
    ticked.switch("hr", True)
    ticked.set(width=64, height=64, threshold=4, hires_steps=0)
    ticked.set(hr_scale=2, hr_resize_x=0, hr_resize_y=0)
    return ticked


@every_kind
def test_both_passes_of_hires_fix_and_its_hint(hires: Tab, host: Host) -> None:
    first, second = hires.generate().line.split(";")
    assert numbers(first) == ({(64, 16)}, (2, 2))
    assert numbers(second) == ({(256, 16), (64, 16)}, (2, 2))
    made = {name: Pass(side, side, 2, SMALL_HIRES) for name, side in SIDES.items()}
    check(host, "tiny15", **made)
    hires.set(threshold=64, width=512, height=512)
    of_each = hires.hint_with(BY_TWO, lines=3).splitlines()
    assert ["512×512" in of_each[0], "1024×1024" in of_each[1]] == [True, True]
    assert all(f"{name} " in of_each[2] for name in ("close", "balanced", "fast", "paper"))
    hires.accordion.screenshot(path=screenshot(f"{host.kind.name}-hires"))
    for changed, hint in (
        ({"hr_scale": 3}, "1536×1536: 192×192 → 64×64 tokens (by 3)"),
        ({"hr_scale": 2, "hr_resize_x": 1280}, "1280×1280: 160×160"),
        ({"hr_resize_y": 768}, "1280×768: 160×96"),
        ({"hr_resize_x": 0, "hr_resize_y": 0, "height": 384}, "1024×768: 128×96"),
    ):
        hires.set(**changed)
        hires.hint_with(hint)
    hires.page.click("#txt2img_res_switch_btn")
    hires.hint_with("768×1024: 96×128 → 48×64 tokens (by 2)")
    hires.set(passes="hires")
    hires.hint_with("768×1024: 96×128 → 48×64", lines=3)
    hires.switch("hr", False)
    # the picture's own size comes before the passes, as in the line
    hires.hint_with("384×512: nothing changes, and nothing is lost. A larger image", lines=1)
    hires.set(width=1024, height=1024)
    assert "→" not in hires.hint_with("Set Passes to both", lines=1)


def test_only_the_hires_pass_by_the_button_below_the_gallery(hires: Tab, host: Host) -> None:
    """The API does not reach it."""
    hires.switch("hr", False)
    for passes, keys in (("hires", {(256, 16), (64, 16)}), ("first", set())):
        hires.set(passes=passes)
        assert parameters(hires.generate().infotext)["ToDo passes"] == passes
        host.probe_reset()
        upscaled = hires.generate("upscale")
        assert numbers(upscaled.line)[0] == keys
        check(host, "tiny15", hires=Pass(128, 128, 2, SMALL_HIRES if keys else None))


def test_the_hint_follows_every_setting_and_the_checkpoint(paper: Tab, host: Host) -> None:
    """SDXL has no layers of the latent's own size."""
    for changed, hint in (
        ({"factor": "4"}, "128×128 → 32×32 tokens (by 4)"),
        ({"threshold": 32, "deep_factor": "8"}, "64×64 → 8×8 tokens (by 8)"),
        # neither of the two steps begins there
        ({"start": 0.9}, "Set Start lower or End higher"),
        ({"steps": 20}, "64×64 → 8×8 tokens (by 8)"),
        ({"threshold": 64, "factor": "automatic", "start": 0}, "128×128 → 64×64"),
    ):
        paper.set(**changed)
        paper.hint_with(hint)
    host.use("tinyxl_a")
    assert "→" not in paper.hint_with("nothing changes", lines=1)
    host.use("tiny15_a")
    paper.hint_with("128×128 → 64×64")


def test_the_hint_follows_the_schedule(tab: Tab) -> None:
    """Where the noise level leaps, more steps have the paper's factors, and less is gained."""
    tab.set(preset="balanced", width=1024, height=1024, steps=20)
    tab.ui.choose(tab.id("sampling"), "DPM++ 2M")
    tab.ui.choose(tab.id("scheduler"), "Karras")
    smooth = tab.hint_with(BY_THREE)
    tab.ui.choose(tab.id("scheduler"), "Uniform")
    tab.page.wait_for_function(
        "([id, before]) => document.querySelector(`#${id} .todo-hint`).innerText.trim() != before",
        arg=[tab.id("hint"), smooth],
    )
    leaping, gained = (re.findall(r"\. ([\d.]+)", hint)[0] for hint in (tab.hint(), smooth))
    assert float(leaping) < float(gained)


def test_a_machine_that_was_measured_gives_one_figure(tab: Tab) -> None:
    tab.set(width=1024, height=1024)
    # ranges, of the pass and of each preset
    assert " to " in tab.hint_with("128×128 →")
    with tab.ui.settled():
        tab.page.click(f"#{tab.id('measure')}")
    tab.page.wait_for_function(
        "id => !document.querySelector(`#${id} .todo-hint`).innerText.includes(' to ')",
        arg=tab.id("hint"),
    )
    assert "again (last on 20" in tab.page.inner_text(f"#{tab.id('measure')}")
