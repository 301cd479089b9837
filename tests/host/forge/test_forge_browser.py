"""The pages of Forge and its relatives in a real browser, the extension in its usual folder.

What the page does is AUTOMATIC1111's, and tested in full in webui/browser; this is the part that
another gradio (Forge has 4.40) or another host could break. Every image is 128×128 and the
threshold 8, so a grid of 16×16 tokens becomes 8×8. Screenshots go to artifacts/.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from expect import CLEAN, PAPER_TEXT, Pass, Pooling, check, parameters
from forge_hosts import ForgeHost, InstalledHost
from forge_kinds import Kind

pytest.importorskip("playwright", reason="playwright is not installed")

from browser_steps import (
    DEFAULTS,
    MOVED,
    POOLED,
    REFUSED,
    check_small_hires,
    contrast,
    misplaced,
    move_and_paste_back,
    open_page,
    prepare,
    screenshot,
    small_hires,
    tick,
)
from page import WebUi, chromium, launched
from playwright.sync_api import Browser
from tab import Tab
from todo_report import numbers

from lib_todo import __version__

pytestmark = pytest.mark.skipif(chromium() is None, reason="no chromium on the path")


@pytest.fixture(scope="module")
def chromium_browser() -> Iterator[Browser]:
    with launched() as browser:
        yield browser


@pytest.fixture(scope="module")
def installed(forge_kind: Kind, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForgeHost]:
    with InstalledHost(forge_kind, tmp_path_factory.mktemp("installed")) as host:
        assert "Error loading script" not in host.log()
        yield host


@pytest.fixture(scope="module")
def forge_ui(chromium_browser: Browser, installed: ForgeHost) -> Iterator[WebUi]:
    ui = open_page(chromium_browser, installed.url)
    yield ui
    assert [stack for stack in ui.stacks if "todo.js" in stack] == []
    ui.page.close()


@pytest.fixture
def tab(forge_ui: WebUi, installed: ForgeHost) -> Tab:
    """txt2img set small, with the accordion open and ticked."""
    installed.probe_reset()
    tab = prepare(forge_ui.show("txt2img"))
    tick(tab)
    return tab


def test_the_page_gets_every_file_that_it_asks_for(forge_ui: WebUi) -> None:
    refused = forge_ui.page.evaluate(
        """async () => {
            const files = [...document.querySelectorAll("script[src], link[href]")]
                .map((element) => element.src || element.href)
                .filter((url) => url.includes("file="));
            const answers = await Promise.all(files.map((url) => fetch(url)));
            return [files.some((url) => url.includes("todo.js")),
                ...answers.filter((answer) => !answer.ok).map((answer) => answer.url)];
        }"""
    )
    assert refused == [True]


def test_the_accordion_is_in_both_tabs(forge_ui: WebUi) -> None:
    for name in ("txt2img", "img2img"):
        tab = forge_ui.show(name)
        tab.accordion.wait_for(state="visible")
        assert tab.values() == DEFAULTS, name


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_accordion_fits_windows_of_all_widths(
    chromium_browser: Browser, installed: ForgeHost, theme: str
) -> None:
    """Box and version in its head, one choice with its hint, and below it what is advanced."""
    ui = open_page(chromium_browser, installed.url, f"?__theme={theme}")
    tab = prepare(ui.show("txt2img"))
    assert tab.preset == "balanced"
    assert tab.page.inner_text(f"#{tab.id('version')}").strip() == __version__
    tab.hint_with("128×128")
    for width in (420, 900, 1400, 1920):
        ui.page.set_viewport_size({"width": width, "height": 2000})
        tab.accordion.scroll_into_view_if_needed()
        ui.fine_picture(tab.accordion, screenshot(f"{installed.kind.name}-{theme}-{width}"))
        assert misplaced(tab) == [], width
    assert contrast(tab, f"#{tab.id('hint')} .todo-hint") >= 4.5
    ui.page.close()


def test_unticked_it_does_nothing(tab: Tab, installed: ForgeHost) -> None:
    tab.switch("enabled", False)
    outcome = tab.generate()
    assert (outcome.line, outcome.error, outcome.images) == ("", "", 1)
    assert parameters(outcome.infotext) == {}
    check(installed, "tiny15", first=Pass(128, 128, 2, None))


def test_ticked_it_pools_and_says_so(forge_kind: Kind, tab: Tab, installed: ForgeHost) -> None:
    outcome = tab.generate()
    assert (numbers(outcome.line), outcome.error, outcome.images) == (POOLED, "", 1)
    own = {"ToDo factor": "automatic", "ToDo threshold": "8"}
    assert parameters(outcome.infotext) == PAPER_TEXT | own
    check(installed, "tiny15", first=Pass(128, 128, 2, Pooling(threshold=8)))
    tab.hint_with("128×128: 16×16 → 8×8 tokens (by 2)")
    settings_and_results = tab.page.locator("#txt2img_settings").locator("..")
    tab.ui.fine_picture(settings_and_results, screenshot(f"{forge_kind.name}-fine"))
    tab.page.screenshot(path=screenshot(forge_kind.name), full_page=True)


def test_every_control_reaches_the_infotext_and_comes_back_by_paste(tab: Tab) -> None:
    move_and_paste_back(tab)
    tab.paste("a dog\nSteps: 2, Sampler: Euler, CFG scale: 7, Seed: 1, Size: 128x128")
    assert tab.values() == MOVED | {"enabled": False}


@pytest.mark.parametrize(("values", "named"), REFUSED, ids=str)
def test_a_bad_value_is_told_where_the_image_would_be(
    forge_kind: Kind,
    tab: Tab,
    installed: ForgeHost,
    values: dict[str, Any],
    named: str,
) -> None:
    """Where the page shows no exception's text, it stands where the line does."""
    tab.set(**values)
    tab.hint_with(named)
    refused = tab.generate()
    assert named in (refused.error if forge_kind.shows_errors else refused.line)
    assert (refused.images, installed.probe_counts()["unet_calls"]) == (0, 0)
    tab.page.screenshot(path=screenshot(f"{forge_kind.name}-refused"), full_page=True)
    tick(tab)
    tab.set(start=0, end=1)
    again = tab.generate()
    assert (numbers(again.line), again.error, again.images) == (POOLED, "", 1)


def test_the_hint_follows_the_size_and_hires_fix(tab: Tab) -> None:
    tab.set(threshold=64, width=1024, height=768)
    tab.hint_with("1024×768: 128×96 → 64×48 tokens (by 2)")
    tab.page.click("#txt2img_res_switch_btn")
    tab.hint_with("768×1024: 96×128 → 48×64 tokens (by 2)")
    tab.set(width=512, height=512)
    assert "→" not in tab.hint_with("512×512", lines=1)
    tab.unfold("hr")
    tab.switch("hr", True)
    tab.set(hr_scale=2, hr_resize_x=0, hr_resize_y=0)
    tab.hint_with("1024×1024: 128×128 → 64×64 tokens (by 2)", lines=3)
    tab.set(hr_resize_x=1280)
    tab.hint_with("1280×1280: 160×160")
    tab.set(hr_resize_x=0, passes="hires")
    tab.switch("hr", False)
    assert "→" not in tab.hint_with("512×512", lines=1)


def test_both_passes_of_hires_fix(tab: Tab, installed: ForgeHost) -> None:
    small_hires(tab)
    check_small_hires(tab.generate())
    pooling = Pooling(threshold=4)
    check(installed, "tiny15", first=Pass(64, 64, 2, pooling), hires=Pass(128, 128, 2, pooling))


def test_send_to_img2img_and_generate_there(tab: Tab, installed: ForgeHost) -> None:
    tab.set(prompt="a lighthouse")
    tab.generate()
    with tab.ui.settled():
        tab.page.click("#txt2img_send_to_img2img")
    img2img = Tab(tab.ui, "img2img")
    assert img2img.page.input_value("#img2img_prompt textarea") == "a lighthouse"
    # ToDo comes along
    assert img2img.values() == tab.values()
    img2img.set(denoising_strength=0.5, steps=4)
    installed.probe_reset()
    outcome = img2img.generate()
    assert numbers(outcome.line) == ({(256, 64)}, (3, 3))
    check(installed, "tiny15", first=Pass(128, 128, 3, Pooling(threshold=8)))
    assert installed.probe_leftovers() == CLEAN
    img2img.page.click('#tab_img2img .tab-nav button:has-text("Resize by")')
    img2img.ui.fill("img2img_scale", 2)
    # Forge ticks the box of an accordion that stays closed, and nothing is asked for a hidden hint
    img2img.unfold("enabled")
    img2img.hint_with("256×256: 32×32 → 8×8 tokens (by 4)")
    prepare(img2img)
