"""The page in a real browser: tick, move, generate, paste, send, reload; and that it stays whole.

Screenshots go to artifacts/. One host and one page serve the whole file; a page takes many seconds
to load. Every image is 128×128 unless a test says otherwise, and the threshold 8: a grid of 16×16
tokens that a factor of 2 makes 8×8.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import HostFactory
from expect import CLEAN, Pass, Pooling, check, parameters, picture
from host import REPOSITORY, Host

pytest.importorskip("playwright", reason="playwright is not installed")

from page import Tab, WebUi, chromium, launch
from playwright.sync_api import Browser, sync_playwright

pytestmark = pytest.mark.skipif(chromium() is None, reason="no chromium on the path")

ARTIFACTS = REPOSITORY / "artifacts"
WIDE = {"width": 1300, "height": 1500}
NARROW = {"width": 480, "height": 1500}
DEFAULTS: dict[str, Any] = {
    "enabled": False,
    "factor": 0,
    "deep_factor": 0,
    "threshold": 64,
    "method": "nearest",
    "start": 0,
    "end": 1,
    "passes": "both",
}
# Another value for each, and what the infotext then says; the step window is told as one.
MOVED: dict[str, Any] = {
    "factor": 1.5,
    "deep_factor": 3,
    "threshold": 7,
    "method": "average",
    "start": 0.25,
    "end": 0.75,
    "passes": "first",
}
MOVED_TEXT = {
    "ToDo factor": "1.5",
    "ToDo deep factor": "3",
    "ToDo threshold": "7",
    "ToDo method": "average",
    "ToDo steps": "0.25-0.75",
    "ToDo pass": "first",
}
POOLED = "ToDo: 256 → 64 keys in 5 of 16 self-attention layers, 2 of 2 steps"
POOLED_IN_HIRES = (
    "ToDo: 256 → 16 keys in 5, 64 → 16 keys in 10 of 16 self-attention layers, 4 of 4 steps"
)
# Values that are refused, what the hint says of them, and what the error says.
REFUSED: list[tuple[dict[str, Any], str, str]] = [
    (
        {"factor": 0.5},
        "A factor must be 0 (automatic) or at least 1",
        "ToDo: factor = 0.5 is not allowed; factor must be 0 (automatic) or a number from 1 to 8",
    ),
    (
        {"start": 0.8, "end": 0.2},
        "The start must be no greater than the end",
        "ToDo: start = 0.8 is not allowed; start must be no greater than end (0.2)",
    ),
]
MARKUP = '<img src="x" onerror="window.todoMarkup = 1"><b id="todo-markup">bold</b>'


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = launch(playwright)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def page_host(start_host: HostFactory) -> Iterator[Host]:
    host = start_host(with_ui=True)
    assert "Error loading script" not in host.log()
    yield host
    host.stop()


@pytest.fixture(scope="module")
def ui(browser: Browser, page_host: Host) -> WebUi:
    """The page that most tests share."""
    ui = WebUi(browser.new_page(viewport=WIDE), page_host.url)
    ui.load()
    return ui


@pytest.fixture(scope="module")
def dark_ui(browser: Browser, page_host: Host) -> WebUi:
    """A second page, in the dark theme."""
    ui = WebUi(browser.new_page(viewport=WIDE), page_host.url)
    ui.load("?__theme=dark")
    return ui


@pytest.fixture(scope="module")
def seen_errors() -> dict[str, set[str]]:
    """What the console said, by test."""
    return {}


@pytest.fixture(autouse=True)
def _note_errors(
    request: pytest.FixtureRequest, seen_errors: dict[str, set[str]]
) -> Iterator[None]:
    yield
    for name in ("ui", "dark_ui"):
        if name in request.fixturenames:
            seen_errors[request.node.name] = set(request.getfixturevalue(name).take_errors())


@pytest.fixture
def tab(ui: WebUi, page_host: Host) -> Tab:
    """txt2img set small, with the accordion open, unticked and at its defaults."""
    page_host.probe_reset()
    return prepare(ui.show("txt2img"))


@pytest.fixture
def ticked(tab: Tab) -> Tab:
    """The same with the box ticked and a threshold that a small image is above."""
    tab.switch("enabled", True)
    tab.set(threshold=8)
    return tab


def prepare(tab: Tab) -> Tab:
    if tab.name == "txt2img":
        tab.switch("hr", False)
    else:
        tab.page.click('#img2img_tabs_resize button:has-text("Resize to")')
    tab.unfold("enabled")
    tab.switch("enabled", False)
    tab.set(width=128, height=128, steps=2, prompt="a cat")
    tab.set(**{name: value for name, value in DEFAULTS.items() if name != "enabled"})
    return tab


def screenshot(name: str) -> Path:
    ARTIFACTS.mkdir(exist_ok=True)
    return ARTIFACTS / f"{name}.png"


def no_markup(ui: WebUi) -> bool:
    """Whether nothing of MARKUP became part of the page, and it never ran."""
    return not ui.page.evaluate(
        "Boolean(window.todoMarkup || document.getElementById('todo-markup'))"
    )


def contrast(tab: Tab, selector: str) -> float:
    """The contrast of a text with what is behind it, as WCAG counts it (4.5 is readable)."""
    return float(
        tab.page.evaluate(
            """selector => {
                const rgba = (color) => color.match(/[0-9.]+/g).map(Number);
                const luminance = (color) => rgba(color).slice(0, 3)
                    .map((c) => c / 255)
                    .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
                    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
                const text = document.querySelector(selector);
                let behind = text;
                const paint = (element) => getComputedStyle(element).backgroundColor;
                while (behind.parentElement && rgba(paint(behind))[3] === 0) {
                    behind = behind.parentElement;
                }
                const pair = [luminance(getComputedStyle(text).color), luminance(paint(behind))];
                return (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
            }""",
            selector,
        )
    )


def upload(tab: Tab, width: int, height: int) -> None:
    """Give img2img a picture of that size."""
    file = {"name": "picture.png", "mimeType": "image/png", "buffer": picture(width, height)}
    tab.page.set_input_files("#img2img_image input[type=file]", file)
    tab.page.wait_for_selector("#img2img_image img")


# --- ticking and moving


def test_the_defaults_are_shown_and_the_box_is_free(ui: WebUi) -> None:
    for name in ("txt2img", "img2img"):
        assert ui.show(name).values() == DEFAULTS, name


def test_a_click_on_the_head_opens_and_ticks_and_the_dark_theme_is_readable(
    dark_ui: WebUi, page_host: Host
) -> None:
    tab = dark_ui.show("txt2img")
    tab.accordion.locator(".label-wrap").click()
    tab.page.wait_for_function(
        "id => document.getElementById(id).checked",
        arg=f"{tab.id('enabled')}-visible-checkbox",
    )
    assert tab.values()["enabled"] is True
    assert tab.page.is_visible(f"#{tab.id('threshold')}")
    tab.set(width=128, height=128, steps=2, prompt="a cat", threshold=8)
    assert tab.generate().line == POOLED
    tab.hint_with("SD 1.x, 2.x at 128×128: 16×16 → 8×8 tokens (by 2)")
    assert contrast(tab, f"#{tab.id('hint')} .todo-hint") >= 4.5
    tab.page.screenshot(path=screenshot("dark"), full_page=True)


def test_the_box_alone_leaves_small_images_as_they_were(tab: Tab, page_host: Host) -> None:
    tab.switch("enabled", True)
    outcome = tab.generate()
    assert outcome.line == (
        "ToDo: nothing was pooled: no layer has more than 64×64 tokens at 128×128"
    )
    assert (outcome.images, parameters(outcome.infotext)) == (1, {})
    check(page_host, "tiny15", first=Pass(128, 128, 2, None))


def test_unticked_nothing_is_said(tab: Tab, page_host: Host) -> None:
    tab.set(threshold=8)
    outcome = tab.generate()
    assert (outcome.line, outcome.error, outcome.images) == ("", "", 1)
    assert parameters(outcome.infotext) == {}
    check(page_host, "tiny15", first=Pass(128, 128, 2, None))


def test_ticked_it_pools_and_says_so(ticked: Tab, page_host: Host) -> None:
    outcome = ticked.generate()
    assert outcome.line == POOLED
    assert parameters(outcome.infotext) == {"ToDo factor": "0", "ToDo threshold": "8"}
    check(page_host, "tiny15", first=Pass(128, 128, 2, Pooling(threshold=8)))
    ticked.page.screenshot(path=screenshot("light"), full_page=True)


def move_and_paste_back(ticked: Tab) -> None:
    """Move every control, generate, move all back, and paste what was written."""
    ticked.set(**MOVED)
    assert ticked.values() == MOVED | {"enabled": True}
    written = ticked.generate()
    assert (written.error, written.images) == ("", 1)
    assert parameters(written.infotext) == MOVED_TEXT
    ticked.set(**{name: DEFAULTS[name] for name in MOVED})
    ticked.switch("enabled", False)
    ticked.paste(written.infotext)
    assert ticked.values() == MOVED | {"enabled": True}


def test_every_control_reaches_the_infotext_and_comes_back_by_paste(ticked: Tab) -> None:
    move_and_paste_back(ticked)
    assert ticked.page.input_value("#txt2img_prompt textarea") == "a cat"


def test_the_sliders_are_the_number_boxes(ticked: Tab) -> None:
    slider = ticked.page.locator(f"#{ticked.id('factor')} input[type=range]")
    slider.focus()
    for _ in range(5):
        slider.press("ArrowRight")
    assert ticked.values()["factor"] == 2.5
    assert parameters(ticked.generate().infotext)["ToDo factor"] == "2.5"


# --- what is refused


@pytest.mark.parametrize("values, foretold, message", REFUSED)
def test_a_bad_value_is_told_where_the_image_would_be(
    ticked: Tab, page_host: Host, values: dict[str, Any], foretold: str, message: str
) -> None:
    ticked.set(**values)
    ticked.hint_with(foretold)
    refused = ticked.generate()
    assert refused.error == f"SettingsError: {message}"
    assert (refused.images, refused.infotext) == (0, "")
    assert page_host.probe_counts()["unet_calls"] == 0
    ticked.page.screenshot(path=screenshot("refused"), full_page=True)

    ticked.set(factor=0, threshold=8, start=0, end=1)
    again = ticked.generate()
    assert (again.line, again.error, again.images) == (POOLED, "", 1)


# --- the hint


def test_the_hint_follows_width_height_and_the_swap(tab: Tab) -> None:
    tab.set(width=1024, height=768)
    wide = tab.hint_with("SD 1.x, 2.x at 1024×768: 128×96 → 64×48 tokens (by 2)")
    assert "SDXL at 1024×768: nothing to pool, no layer has more than 64×64 tokens" in wide
    tab.page.click("#txt2img_res_switch_btn")
    tab.hint_with("SD 1.x, 2.x at 768×1024: 96×128 → 48×64 tokens (by 2)")
    tab.set(width=512, height=512)
    tab.hint_with("SD 1.x, 2.x at 512×512: nothing to pool, no layer has more than 64×64 tokens")


def test_the_hint_follows_hires_fix(tab: Tab) -> None:
    tab.set(width=512, height=512)
    tab.hint_with("SD 1.x, 2.x at 512×512", lines=2)
    tab.unfold("hr")
    tab.switch("hr", True)
    tab.set(hr_scale=2, hr_resize_x=0, hr_resize_y=0)
    tab.hint_with("SD 1.x, 2.x at 1024×1024: 128×128 → 64×64 tokens (by 2)", lines=4)
    tab.set(hr_scale=3)
    tab.hint_with("SD 1.x, 2.x at 1536×1536: 192×192 → 64×64 tokens (by 3)")
    tab.set(hr_resize_x=1280)
    tab.hint_with("SD 1.x, 2.x at 1280×1280: 160×160")
    tab.set(hr_resize_y=768)
    tab.hint_with("SD 1.x, 2.x at 1280×768: 160×96")
    tab.set(hr_resize_x=0, hr_resize_y=0, hr_scale=2, passes="hires")
    # the size stood there before; what changes is that the first pass is not told any more
    tab.hint_with("SD 1.x, 2.x at 1024×1024", lines=2)
    tab.switch("hr", False)
    tab.hint_with("Nothing is pooled: hires fix is off, and only its pass is chosen")


def test_the_hint_follows_every_setting(tab: Tab) -> None:
    tab.set(width=1024, height=1024)
    tab.hint_with("128×128 → 64×64 tokens (by 2)")
    tab.set(factor=4)
    tab.hint_with("128×128 → 32×32 tokens (by 4)")
    tab.set(threshold=32)
    tab.hint_with("64×64 → 32×32 tokens (by 2)")
    tab.set(deep_factor=8)
    tab.hint_with("64×64 → 8×8 tokens (by 8)")
    tab.set(factor=1, deep_factor=1)
    tab.hint_with("SD 1.x, 2.x at 1024×1024: nothing is pooled by a factor of 1")
    tab.set(start=0.5, end=0.5)
    tab.hint_with("Nothing is pooled: the start is the end")


def test_the_hint_follows_img2img_and_its_resize_by(ui: WebUi) -> None:
    tab = prepare(ui.show("img2img"))
    tab.set(threshold=8, width=256, height=128)
    tab.hint_with("SD 1.x, 2.x at 256×128: 32×16 → 11×6 tokens (by 3)")
    tab.page.click("#img2img_res_switch_btn")
    tab.hint_with("SD 1.x, 2.x at 128×256: 16×32 → 6×11 tokens (by 3)")
    upload(tab, 128, 192)
    tab.page.click('#img2img_tabs_resize button:has-text("Resize by")')
    tab.set(scale=2)
    tab.hint_with("SD 1.x, 2.x at 256×384: 32×48")
    tab.set(scale=3)
    tab.hint_with("SD 1.x, 2.x at 384×576: 48×72")
    tab.page.click('#img2img_tabs_resize button:has-text("Resize to")')
    tab.hint_with("SD 1.x, 2.x at 128×256: 16×32")


# --- paste


def test_pasting_a_text_without_todo_unticks_the_box(ticked: Tab) -> None:
    ticked.paste("a dog\nSteps: 2, Sampler: Euler, CFG scale: 7, Seed: 1, Size: 128x128")
    assert ticked.values() == DEFAULTS | {"threshold": 8}
    assert ticked.page.is_checked(f"#{ticked.id('enabled')}-visible-checkbox") is False


def test_pasting_what_the_older_extension_wrote(tab: Tab) -> None:
    tab.paste(
        "a dog\nSteps: 2, Size: 128x128, "
        "ToDo factor: 3, ToDo factor2: 2, ToDo disable after: 0.6, ToDo method: average"
    )
    assert tab.values() == DEFAULTS | {
        "enabled": True,
        "factor": 3,
        "deep_factor": 2,
        "end": 0.6,
        "method": "average",
    }


def test_an_empty_prompt_pastes_the_last_generation(ticked: Tab) -> None:
    ticked.set(method="max")
    ticked.generate()
    chosen = ticked.values()
    ticked.switch("enabled", False)
    ticked.set(threshold=64, method="nearest")
    ticked.paste("")
    assert ticked.values() == chosen


@pytest.mark.parametrize(
    "forged",
    [
        "ToDo factor: 99",
        "ToDo factor: 2, ToDo threshold: many",
        "ToDo factor: 2, ToDo steps: 0.9-0.1",
        f"ToDo factor: {MARKUP}, ToDo method: {MARKUP}",
    ],
)
def test_a_forged_text_changes_nothing_of_todo(ticked: Tab, page_host: Host, forged: str) -> None:
    before = ticked.values()
    with page_host.log_since() as log:
        ticked.paste(f"a dog\nSteps: 3, Size: 128x128, {forged}")
    assert ticked.page.input_value("#txt2img_steps input[type=number]") == "3"
    assert ticked.values() == before
    assert sum("SettingsError: ToDo: ToDo " in line for line in log) == 1
    assert no_markup(ticked.ui)


# --- markup


def test_markup_in_the_prompt_stays_text(ticked: Tab) -> None:
    ticked.set(prompt=MARKUP)
    outcome = ticked.generate()
    assert outcome.line == POOLED
    assert MARKUP in outcome.infotext
    ticked.hint_with("SD 1.x, 2.x at 128×128: 16×16 → 8×8 tokens (by 2)")
    assert no_markup(ticked.ui)


# --- generations that are more than one pass


HIRES = Pooling(threshold=4)


def test_both_passes_of_hires_fix(ticked: Tab, page_host: Host) -> None:
    small_hires(ticked)
    outcome = ticked.generate()
    # 8×8 tokens in the first pass, 16×16 and 8×8 in the second
    assert outcome.line == POOLED_IN_HIRES
    check(page_host, "tiny15", first=Pass(64, 64, 2, HIRES), hires=Pass(128, 128, 2, HIRES))


def test_only_the_hires_pass_also_with_the_button_below_the_gallery(
    ticked: Tab, page_host: Host
) -> None:
    small_hires(ticked)
    ticked.set(passes="hires")
    first = ticked.generate()
    assert parameters(first.infotext)["ToDo pass"] == "hires"
    check(page_host, "tiny15", first=Pass(64, 64, 2, None), hires=Pass(128, 128, 2, HIRES))
    ticked.switch("hr", False)
    ticked.generate()
    page_host.probe_reset()
    upscaled = ticked.generate("upscale")
    assert "256 → 16 keys in 5" in upscaled.line
    check(page_host, "tiny15", hires=Pass(128, 128, 2, HIRES))


def small_hires(tab: Tab) -> None:
    tab.unfold("hr")
    tab.switch("hr", True)
    tab.set(width=64, height=64, threshold=4, hr_scale=2, hr_resize_x=0, hr_resize_y=0)


def test_interrupt_then_a_good_one(ticked: Tab, page_host: Host) -> None:
    ticked.set(width=256, height=256, steps=100)
    with ticked.ui.settled():
        ticked.page.click("#txt2img_generate")
        while page_host.probe_counts()["unet_calls"] < 2:
            ticked.page.wait_for_timeout(50)
        ticked.page.click("#txt2img_interrupt")
    interrupted = ticked.outcome()
    assert interrupted.error == ""
    seen = page_host.probe_counts()["unet_calls"]
    assert 2 <= seen < 100
    assert interrupted.line.endswith(f"of 16 self-attention layers, {seen} of {seen} steps")
    ticked.set(width=128, height=128, steps=2)
    assert ticked.generate().line == POOLED
    assert page_host.probe_leftovers() == CLEAN


def test_an_axis_of_the_plot(ticked: Tab) -> None:
    ui, page = ticked.ui, ticked.page
    script, plot = "txt2img_script_container #script_list", "script_txt2img_xyz_plot"
    ui.choose(script, "X/Y/Z plot")
    try:
        ui.choose(f"{plot}_x_type", "[ToDo] factor")
        ui.fill(f"{plot}_x_values", "2, 4", "textarea")
        page.set_checked(f"#{plot}_include_lone_images input", True)
        plotted = ticked.generate()
        assert (plotted.error, plotted.images) == ("", 3)
        for cell, factor in ((2, "4"), (1, "2")):
            with ui.settled():
                page.locator("#txt2img_gallery .thumbnail-small").nth(cell).click()
            told = parameters(ticked.outcome().infotext)
            assert told == {"ToDo factor": factor, "ToDo threshold": "8"}
    finally:
        ui.choose(script, "None")


def test_send_to_img2img_and_generate_there(ticked: Tab, page_host: Host) -> None:
    ticked.set(prompt="a lighthouse")
    ticked.generate()
    with ticked.ui.settled():
        ticked.page.click("#txt2img_send_to_img2img")
    ticked.page.wait_for_selector("#img2img_image img")
    tab = Tab(ticked.ui, "img2img")
    assert tab.page.input_value("#img2img_prompt textarea") == "a lighthouse"
    prepare(tab)
    tab.switch("enabled", True)
    tab.set(threshold=8, denoising_strength=0.5, steps=4)
    page_host.probe_reset()
    outcome = tab.generate()
    assert outcome.line == POOLED.replace("2 of 2 steps", "3 of 3 steps")
    assert parameters(outcome.infotext) == {"ToDo factor": "0", "ToDo threshold": "8"}
    check(page_host, "tiny15", first=Pass(128, 128, 3, Pooling(threshold=8)))
    tab.page.screenshot(path=screenshot("img2img"), full_page=True)


# --- the page itself


def test_a_narrow_window_shows_every_control(ticked: Tab) -> None:
    ticked.set(width=1024, height=1024)
    ticked.hint_with("SD 1.x, 2.x at 1024×1024")
    ticked.page.set_viewport_size(NARROW)
    try:
        ticked.accordion.scroll_into_view_if_needed()
        outside = ticked.accordion.evaluate(
            """accordion => {
                const {left, right} = accordion.getBoundingClientRect();
                const inside = (box) => box.left >= left - 1 && box.right <= right + 1;
                const parts = [...accordion.querySelectorAll("input, label, span, .todo-hint")];
                return [left < 0 || right > innerWidth, ...parts
                    .filter((part) => part.offsetParent && !inside(part.getBoundingClientRect()))
                    .map((part) => part.outerHTML)];
            }"""
        )
        assert outside == [False]
        ticked.page.screenshot(path=screenshot("narrow"), full_page=True)
    finally:
        ticked.page.set_viewport_size(WIDE)


def test_the_accordion_is_readable_in_the_light_theme(tab: Tab) -> None:
    tab.switch("enabled", True)
    tab.set(width=1024, height=1024)
    tab.hint_with("SD 1.x, 2.x at 1024×1024: 128×128 → 64×64 tokens (by 2)")
    assert contrast(tab, f"#{tab.id('hint')} .todo-hint") >= 4.5
    tab.ui.fine_picture(tab.accordion, screenshot("accordion"))


@pytest.mark.parametrize(
    "gone, hint",
    [
        ("txt2img_width", ""),
        ("script_txt2img_todo_factor", ""),
        ("script_txt2img_todo_passes", ""),
        ("txt2img_hr_scale", "SD 1.x, 2.x at 1024×1032"),
        ("script_txt2img_todo_hint", None),
    ],
)
def test_a_missing_element_leaves_the_page_whole(tab: Tab, gone: str, hint: str | None) -> None:
    page = tab.page
    tab.set(width=1024, height=1024)
    tab.hint_with("SD 1.x, 2.x at 1024×1024: 128×128 → 64×64 tokens (by 2)")
    page.evaluate(
        """id => {
            const element = document.getElementById(id);
            window.todoGone = {element, before: element.nextSibling, parent: element.parentNode};
            element.remove();
        }""",
        gone,
    )
    try:
        tab.set(height=1032)
        page.wait_for_timeout(1200)  # two rounds of the hint's own clock
        if hint is not None:
            assert tab.hint().startswith(hint) and bool(tab.hint()) == bool(hint)
        assert [stack for stack in tab.ui.stacks if "todo.js" in stack] == []
    finally:
        page.evaluate("() => todoGone.parent.insertBefore(todoGone.element, todoGone.before)")
    tab.set(height=1024)
    tab.hint_with("SD 1.x, 2.x at 1024×1024: 128×128 → 64×64 tokens (by 2)")


def test_reload_ui_and_generate_again(ticked: Tab, page_host: Host) -> None:
    assert ticked.generate().line == POOLED
    ui = ticked.ui
    ui.reload_from_footer(page_host)
    assert ui.page.locator('[id="script_txt2img_todo_enabled-visible-checkbox"]').count() == 1
    axes = ui.page.evaluate(
        """() => gradio_config.components
            .filter((part) => (part.props.elem_id || "").endsWith("_xyz_plot_x_type"))
            .map((part) => part.props.choices.flat().filter((label) => label.startsWith("[ToDo] ")))
        """
    )
    assert [len(labels) for labels in axes] == [8, 8]
    assert [len(set(labels)) for labels in axes] == [8, 8]
    assert page_host.probe_leftovers() == CLEAN
    tab = ui.show("txt2img")
    assert tab.values() == DEFAULTS
    prepare(tab)
    tab.switch("enabled", True)
    tab.set(threshold=8)
    page_host.probe_reset()
    assert tab.generate().line == POOLED
    check(page_host, "tiny15", first=Pass(128, 128, 2, Pooling(threshold=8)))


# --- the console, compared with the bare host's


def everyday(ui: WebUi) -> None:
    """What the tests above do, without ToDo."""
    tab = ui.show("txt2img")
    tab.set(width=128, height=64, steps=1, prompt="a cat")
    ui.page.click("#txt2img_res_switch_btn")
    tab.unfold("hr")
    tab.switch("hr", True)
    tab.set(hr_scale=1.5, hr_resize_x=128, hr_resize_y=128)
    tab.switch("hr", False)
    tab.generate()
    tab.paste("a dog\nSteps: 1, Size: 64x64")
    tab.generate()
    with ui.settled():
        ui.page.click("#txt2img_send_to_img2img")
    tab = Tab(ui, "img2img")
    upload(tab, 64, 64)
    ui.page.click('#img2img_tabs_resize button:has-text("Resize by")')
    tab.set(scale=1.5)
    ui.page.click('#img2img_tabs_resize button:has-text("Resize to")')
    tab.set(width=64, height=64)
    tab.generate()


def test_the_console_says_nothing_that_the_bare_host_does_not(
    browser: Browser, start_host: HostFactory, ui: WebUi, seen_errors: dict[str, set[str]]
) -> None:
    everyday(ui)
    seen_errors["everyday"] = set(ui.take_errors())
    bare = start_host(extensions=(), with_ui=True)
    try:
        bare_ui = WebUi(browser.new_page(viewport=WIDE), bare.url)
        bare_ui.load()
        everyday(bare_ui)
        stock = set(bare_ui.take_errors())
    finally:
        bare.stop()
    ours = {test: errors - stock for test, errors in seen_errors.items() if errors - stock}
    assert ours == {}
