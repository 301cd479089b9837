"""The page in a real browser: generations of more than one pass, stopped, plotted, sent on."""

from __future__ import annotations

from browser_steps import (
    POOLED,
    POOLED_IN_HIRES,
    prepare,
    screenshot,
    small_hires,
)
from expect import CLEAN, Pass, Pooling, check, parameters
from host import Host
from tab import Tab

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
