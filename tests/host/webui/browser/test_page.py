"""The page in a real browser: the accordion, generations, refusals, texts.

Every image is 128×128 and the threshold 8, so a grid of 16×16 tokens becomes 8×8. Screenshots go to
artifacts/.
"""

from __future__ import annotations

from browser_steps import (
    DEFAULTS,
    MOVED,
    MOVED_TEXT,
    POOLED,
    REFUSED,
    open_page,
    prepare,
    screenshot,
    tick,
)
from expect import CLEAN, PAPER_TEXT, Pass, Pooling, check, parameters
from host import Host
from kinds import every_kind
from playwright.sync_api import Browser
from tab import Tab
from told import numbers

from lib_todo import __version__

OWN = PAPER_TEXT | {"ToDo threshold": "8"}
MARKUP = '<img src="x" onerror="window.todoMarkup = 1"><b id="todo-markup">bold</b>'


@every_kind
def test_the_accordion_is_in_both_tabs_and_opens_unticked(browser: Browser, host: Host) -> None:
    """Box and version in its head, one choice with its hint, and below it what is advanced."""
    ui = open_page(browser, host.url)
    for name in ("img2img", "txt2img"):
        tab = ui.show(name)
        tab.unfold("enabled")
        assert (tab.values(), tab.preset) == (DEFAULTS, "balanced"), name
    assert tab.page.inner_text(f"#{tab.id('version')}").strip() == __version__
    prepare(tab).set(width=1024, height=1024)
    tab.hint_with("1024×1024")
    tab.accordion.screenshot(path=screenshot(f"{host.kind.name}-accordion"))
    ui.page.close()


def test_a_preset_fills_advanced_and_a_change_there_is_custom(tab: Tab) -> None:
    tab.set(end=0.5, preset="paper")
    by_threshold = "by the threshold, as in the paper"
    paper = {"scale": 1, "deep_scale": by_threshold, "phase": "fixed"}
    # the window, the passes and the threshold are no part of one
    assert tab.values() == DEFAULTS | paper | {"end": 0.5}
    assert tab.preset == "paper"
    tab.set(preset="fast", end=1)
    for changed, marked in (({"factor": "2"}, "custom"), ({"factor": "automatic"}, "fast")):
        with tab.ui.settled():
            tab.set(**changed)
        assert tab.preset == marked
    tab.set(preset="custom")
    assert tab.values() == DEFAULTS | {"scale": 2, "above": 0.5}


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
    """Nothing to paste is the last generation's."""
    ticked.set(**MOVED)
    assert ticked.values() == MOVED | {"enabled": True}
    written = ticked.generate()
    assert (written.error, written.images) == ("", 1)
    assert parameters(written.infotext) == MOVED_TEXT
    for text in (written.infotext, ""):
        ticked.set(**{name: DEFAULTS[name] for name in MOVED})
        ticked.switch("enabled", False)
        ticked.paste(text)
        assert (ticked.values(), ticked.preset) == (MOVED | {"enabled": True}, "custom")
    ticked.paste("a dog\nSteps: 2, Sampler: Euler, CFG scale: 7, Seed: 1, Size: 128x128")
    assert ticked.values() == MOVED | {"enabled": False}


def test_a_forged_text_changes_nothing_of_todo_and_markup_stays_text(ticked: Tab) -> None:
    """The page says why, since ToDo is left as it was."""
    before = ticked.values()
    ticked.paste(f"a dog\nSteps: 3, Size: 128x128, ToDo factor: {MARKUP}")
    page = ticked.page
    assert page.input_value("#txt2img_steps input[type=number]") == "3"
    assert ticked.values() == before
    assert "ToDo: ToDo factor" in page.locator(".toast-body").last.inner_text()
    ticked.set(prompt=MARKUP)
    assert MARKUP in ticked.generate().infotext
    became = "window.todoMarkup || document.getElementById('todo-markup')"
    assert not page.evaluate(f"Boolean({became})")


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
        ticked.set(**{name: DEFAULTS[name] for name in values})
        tick(ticked)
    again = ticked.generate()
    assert (numbers(again.line), again.error, again.images) == (POOLED, "", 1)


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
