"""The page in a real browser: the accordion, generations, refusals, texts.

Every image is 128×128 and the threshold 8, so a grid of 16×16 tokens becomes 8×8. Screenshots go to
artifacts/.
"""

from __future__ import annotations

import pytest
from browser_steps import (
    DEFAULTS,
    MARKUP,
    MOVED,
    MOVED_TEXT,
    PAPER,
    POOLED,
    REFUSED,
    check_small_hires,
    contrast,
    cut_off,
    no_markup,
    open_page,
    prepare,
    screenshot,
    small_hires,
    tick,
)
from expect import CLEAN, PAPER_TEXT, Pass, Pooling, check, parameters
from host import Host
from kinds import every_kind
from page import WebUi
from playwright.sync_api import Browser
from tab import Tab
from told import numbers, pooled, steps

from lib_todo import __version__

OWN = PAPER_TEXT | {"ToDo factor": "automatic", "ToDo threshold": "8"}
SMALL_HIRES = Pooling(threshold=4)
BY_TWO = "1024×1024: 128×128 → 64×64 tokens (by 2)"


@every_kind
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_accordion_is_in_both_tabs_fits_every_width_and_opens_unticked(
    browser: Browser, host: Host, theme: str
) -> None:
    """Box and version in its head, one choice with its hint, and below it what is advanced."""
    ui = open_page(browser, host.url, f"?__theme={theme}")
    for name in ("img2img", "txt2img"):
        tab = ui.show(name)
        tab.unfold("enabled")
        assert (tab.values(), tab.preset) == (DEFAULTS, "balanced"), name
    assert tab.page.inner_text(f"#{tab.id('version')}").strip() == __version__
    prepare(tab).set(width=1024, height=1024)
    tab.hint_with("1024×1024")
    for width in (480, 900, 1400, 1920):
        ui.page.set_viewport_size({"width": width, "height": 2000})
        tab.accordion.scroll_into_view_if_needed()
        tab.accordion.screenshot(path=screenshot(f"{host.kind.name}-{theme}-{width}"))
        assert cut_off(tab) == [], width
    assert contrast(tab, f"#{tab.id('hint')} .todo-hint") >= 4.5
    ui.page.close()


@every_kind
def test_the_page_gets_every_file_that_it_asks_for(ui: WebUi) -> None:
    refused = ui.page.evaluate(
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


def test_a_preset_fills_advanced_and_a_change_there_is_custom(tab: Tab) -> None:
    tab.set(end=0.5, preset="paper")
    assert tab.values() == PAPER
    tab.set(preset="fast")
    fast = {"scale": 2, "above": 0.5}
    assert tab.values() == DEFAULTS | fast
    for changed, marked in (({"factor": "2"}, "custom"), ({"factor": "automatic"}, "fast")):
        with tab.ui.settled():
            tab.set(**changed)
        assert tab.preset == marked
    tab.set(preset="custom")
    assert tab.values() == DEFAULTS | fast


@every_kind
def test_unticked_nothing_is_said_and_ticked_it_pools_and_says_so(tab: Tab, host: Host) -> None:
    tab.set(threshold=8)
    outcome = tab.generate()
    assert (outcome.line, outcome.error, outcome.images) == ("", "", 1)
    assert parameters(outcome.infotext) == {}
    check(host, "tiny15", first=Pass(128, 128, 2, None))
    tick(tab)
    host.probe_reset()
    outcome = tab.generate()
    assert (numbers(outcome.line), outcome.error, outcome.images) == (POOLED, "", 1)
    assert parameters(outcome.infotext) == OWN
    check(host, "tiny15", first=Pass(128, 128, 2, Pooling(threshold=8)))
    tab.hint_with("128×128: 16×16 → 8×8 tokens (by 2)")
    shown = tab.page.locator("#txt2img_settings").locator("..")
    shown.screenshot(path=screenshot(f"{host.kind.name}-fine"))


@every_kind
def test_every_control_reaches_the_infotext_and_comes_back_by_paste(ticked: Tab) -> None:
    ticked.set(**MOVED)
    assert ticked.values() == MOVED | {"enabled": True}
    written = ticked.generate()
    assert (written.error, written.images) == ("", 1)
    assert parameters(written.infotext) == MOVED_TEXT
    ticked.set(**{name: DEFAULTS[name] for name in MOVED})
    ticked.switch("enabled", False)
    ticked.paste(written.infotext)
    assert (ticked.values(), ticked.preset) == (MOVED | {"enabled": True}, "custom")
    ticked.paste("a dog\nSteps: 2, Sampler: Euler, CFG scale: 7, Seed: 1, Size: 128x128")
    assert ticked.values() == MOVED | {"enabled": False}


def test_pasting_what_the_older_extension_wrote_and_the_last_generation(ticked: Tab) -> None:
    ticked.paste(
        "a dog\nSteps: 2, Size: 128x128, "
        "ToDo factor: 3, ToDo factor2: 2, ToDo disable after: 0.6, ToDo method: average"
    )
    older = {"factor": "3", "deep_factor": "2", "end": 0.6, "method": "average"}
    assert ticked.values() == PAPER | older | {"enabled": True}
    ticked.set(method="max")
    ticked.generate()
    chosen = ticked.values()
    ticked.switch("enabled", False)
    ticked.set(threshold=64, method="nearest")
    ticked.paste("")
    assert ticked.values() == chosen


@pytest.mark.parametrize(
    "forged",
    ["ToDo factor: 99", f"ToDo factor: {MARKUP}", "ToDo factor: 2, ToDo steps: 0.9-0.1"],
)
def test_a_forged_text_changes_nothing_of_todo_and_markup_stays_text(
    ticked: Tab, forged: str
) -> None:
    """The page says why, since ToDo is left as it was."""
    before = ticked.values()
    ticked.paste(f"a dog\nSteps: 3, Size: 128x128, {forged}")
    assert ticked.page.input_value("#txt2img_steps input[type=number]") == "3"
    assert ticked.values() == before
    key = forged.split(", ")[-1].split(":")[0]
    assert f"ToDo: {key}" in ticked.page.locator(".toast-body").last.inner_text()
    ticked.set(prompt=MARKUP)
    assert MARKUP in ticked.generate().infotext
    assert no_markup(ticked.ui)


@every_kind
def test_a_bad_value_is_told_where_the_image_would_be(ticked: Tab, host: Host) -> None:
    """Where the page shows no exception's text, it stands where the line does."""
    for values, named in REFUSED:
        ticked.set(**values)
        ticked.hint_with(named)
        refused = ticked.generate()
        assert named in (refused.error if host.kind.shows_errors else refused.line)
        assert (refused.images, host.probe_counts()["unet_calls"]) == (0, 0)
        tick(ticked)
        ticked.set(preset="balanced")
        tick(ticked)
    again = ticked.generate()
    assert (numbers(again.line), again.error, again.images) == (POOLED, "", 1)


@every_kind
def test_both_passes_of_hires_fix_and_its_hint(ticked: Tab, host: Host) -> None:
    small_hires(ticked)
    check_small_hires(ticked.generate())
    first, second = (Pass(side, side, 2, SMALL_HIRES) for side in (64, 128))
    check(host, "tiny15", first=first, hires=second)
    ticked.set(threshold=64, width=512, height=512)
    of_each = ticked.hint_with("1024×1024: 128×128 → 64×64 tokens (by 2)", lines=3).splitlines()
    assert ["512×512" in of_each[0], "1024×1024" in of_each[1]] == [True, True]
    assert all(f"{name} " in of_each[2] for name in ("close", "balanced", "fast", "paper"))
    ticked.set(hr_scale=3)
    ticked.hint_with("1536×1536: 192×192 → 64×64 tokens (by 3)")
    ticked.set(hr_scale=2, hr_resize_x=1280)
    ticked.hint_with("1280×1280: 160×160")
    ticked.set(hr_resize_y=768)
    ticked.hint_with("1280×768: 160×96")
    ticked.set(hr_resize_x=0, hr_resize_y=0, width=512, height=384)
    ticked.page.click("#txt2img_res_switch_btn")
    ticked.hint_with("768×1024: 96×128 → 48×64 tokens (by 2)")
    ticked.set(passes="hires")
    ticked.hint_with("768×1024: 96×128 → 48×64", lines=3)
    ticked.switch("hr", False)
    assert "→" not in ticked.hint_with("Nothing to gain", lines=1)


def test_only_the_hires_pass_by_the_button_below_the_gallery(ticked: Tab, host: Host) -> None:
    """The API does not reach it."""
    small_hires(ticked)
    ticked.switch("hr", False)
    for passes, keys in (("hires", {(256, 16), (64, 16)}), ("first", set())):
        ticked.set(passes=passes)
        assert parameters(ticked.generate().infotext)["ToDo passes"] == passes
        host.probe_reset()
        upscaled = ticked.generate("upscale")
        assert numbers(upscaled.line)[0] == keys
        check(host, "tiny15", hires=Pass(128, 128, 2, SMALL_HIRES if keys else None))


def test_interrupt_then_a_good_one(ticked: Tab, host: Host) -> None:
    ticked.set(width=256, height=256, steps=100)
    with ticked.ui.settled():
        ticked.page.click("#txt2img_generate")
        while host.probe_counts()["unet_calls"] < 2:
            ticked.page.wait_for_timeout(50)
        ticked.page.click("#txt2img_interrupt")
    interrupted = ticked.outcome()
    seen = host.probe_counts()["unet_calls"]
    assert 2 <= seen < 100
    assert interrupted.error == ""
    assert [(steps(told), told["layers"]) for told in interrupted.told] == [((seen, seen), 16)]
    ticked.set(width=128, height=128, steps=2)
    assert numbers(ticked.generate().line) == POOLED
    assert host.probe_leftovers() == CLEAN


def test_an_axis_of_the_plot(ticked: Tab) -> None:
    ui, page = ticked.ui, ticked.page
    script, plot = "txt2img_script_container #script_list", "script_txt2img_xyz_plot"
    ui.choose(script, "X/Y/Z plot")
    try:
        with ui.settled():
            ui.choose(f"{plot}_x_type", "[ToDo] factor")
        ui.fill(f"{plot}_x_values", "2, 4", "textarea")
        page.set_checked(f"#{plot}_include_lone_images input", True)
        plotted = ticked.generate()
        assert (plotted.error, plotted.images) == ("", 3)
        # below the grid stands the first cell's line; the API's info has one for each
        assert [pooled(cell) for cell in plotted.told] == [{(256, 64): 5}, {(256, 16): 5}]
        lines = [line for line in plotted.line.splitlines() if "ToDo" in line]
        assert [numbers(line) for line in lines] == [({(256, 64)}, (2, 2))]
        for cell, factor in ((2, "4"), (1, "2")):
            with ui.settled():
                page.locator("#txt2img_gallery .thumbnail-small").nth(cell).click()
            assert parameters(ticked.outcome().infotext) == OWN | {"ToDo factor": factor}
    finally:
        ui.choose(script, "None")


@every_kind
def test_send_to_img2img_and_generate_there(ticked: Tab, host: Host) -> None:
    ticked.set(prompt="a lighthouse")
    ticked.generate()
    with ticked.ui.settled():
        ticked.page.click("#txt2img_send_to_img2img")
    tab = Tab(ticked.ui, "img2img")
    assert tab.page.input_value("#img2img_prompt textarea") == "a lighthouse"
    assert tab.values() == ticked.values(), "ToDo comes along"
    tab.set(denoising_strength=0.5, steps=4)
    host.probe_reset()
    outcome = tab.generate()
    assert numbers(outcome.line) == ({(256, 64)}, (3, 3))
    assert parameters(outcome.infotext) == OWN
    check(host, "tiny15", first=Pass(128, 128, 3, Pooling(threshold=8)))
    tab.page.click('#tab_img2img .tab-nav button:has-text("Resize by")')
    tab.ui.fill("img2img_scale", 2)
    # Forge ticks the box of an accordion that stays closed, and nothing is asked for a hidden hint
    tab.unfold("enabled")
    tab.hint_with("256×256: 32×32 → 8×8 tokens (by 4)")
    prepare(tab)


@pytest.mark.parametrize(
    ("gone", "hint"),
    [("txt2img_width", ""), ("hr_checkpoint", "1024×1032"), ("script_txt2img_todo_hint", None)],
)
def test_a_missing_element_leaves_the_page_whole(tab: Tab, gone: str, hint: str | None) -> None:
    page = tab.page
    tab.set(width=1024, height=1024, preset="paper")
    tab.hint_with(BY_TWO)
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
    finally:
        page.evaluate("() => todoGone.parent.insertBefore(todoGone.element, todoGone.before)")
    tab.set(height=1024)
    tab.hint_with(BY_TWO)


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


def test_reload_ui_and_generate_again(ticked: Tab, host: Host) -> None:
    assert numbers(ticked.generate().line) == POOLED
    ui = ticked.ui
    ui.reload_from_footer(host)
    assert ui.page.locator('[id="script_txt2img_todo_enabled-visible-checkbox"]').count() == 1
    assert host.probe_leftovers() == CLEAN
    tab = ui.show("txt2img")
    assert (tab.values(), tab.preset) == (DEFAULTS, "balanced")
    tick(prepare(tab))
    host.probe_reset()
    assert numbers(tab.generate().line) == POOLED
    check(host, "tiny15", first=Pass(128, 128, 2, Pooling(threshold=8)))
