"""The page in a real browser: several passes, interrupting, plots, Send to img2img."""

from __future__ import annotations

from browser_steps import (
    POOLED,
    check_small_hires,
    prepare,
    screenshot,
    small_hires,
)
from expect import CLEAN, PAPER_TEXT, Pass, Pooling, check, parameters
from host import Host
from tab import Tab
from todo_report import numbers, pooled, steps

HIRES = Pooling(threshold=4)


def test_both_passes_of_hires_fix(ticked: Tab, page_host: Host) -> None:
    small_hires(ticked)
    check_small_hires(ticked.generate())
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
    assert numbers(upscaled.line)[0] == {(256, 16), (64, 16)}
    check(page_host, "tiny15", hires=Pass(128, 128, 2, HIRES))


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
    (told,) = interrupted.told
    assert (steps(told), told["layers"]) == ((seen, seen), 16)
    ticked.set(width=128, height=128, steps=2)
    assert numbers(ticked.generate().line) == POOLED
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
        # below the grid stands the first cell's line; the API's info has one for each
        assert [pooled(cell) for cell in plotted.told] == [{(256, 64): 5}, {(256, 16): 5}]
        lines = plotted.line.splitlines()
        assert [numbers(line) for line in lines if "ToDo" in line] == [
            ({(256, 64)}, (2, 2)),
        ]
        for cell, factor in ((2, "4"), (1, "2")):
            with ui.settled():
                page.locator("#txt2img_gallery .thumbnail-small").nth(cell).click()
            told = parameters(ticked.outcome().infotext)
            assert told == PAPER_TEXT | {"ToDo factor": factor, "ToDo threshold": "8"}
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
    # ToDo comes along
    sent = ticked.values()
    assert (tab.values(), tab.preset) == (sent, "custom")
    tab.set(denoising_strength=0.5, steps=4)
    page_host.probe_reset()
    outcome = tab.generate()
    assert numbers(outcome.line) == ({(256, 64)}, (3, 3))
    own = {"ToDo factor": "automatic", "ToDo threshold": "8"}
    assert parameters(outcome.infotext) == PAPER_TEXT | own
    check(page_host, "tiny15", first=Pass(128, 128, 3, Pooling(threshold=8)))
    prepare(tab)
    tab.page.screenshot(path=screenshot("img2img"), full_page=True)
