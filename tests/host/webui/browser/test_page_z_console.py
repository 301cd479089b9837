"""The console shows no errors that it does not show without the extension.

In the order of their names this file comes last: it looks at what the other files' tests left.
"""

from __future__ import annotations

from browser_steps import open_page, upload
from host import HostFactory
from page import WebUi
from playwright.sync_api import Browser
from tab import Tab


def everyday(ui: WebUi) -> set[str]:
    """The errors of what the tests above do, without ToDo."""
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
    ui.page.click('#tab_img2img .tab-nav button:has-text("Resize by")')
    ui.fill("img2img_scale", 1.5)
    ui.page.click('#tab_img2img .tab-nav button:has-text("Resize to")')
    tab.set(width=64, height=64)
    tab.generate()
    return set(ui.take_errors())


def test_the_console_says_nothing_that_the_bare_host_does_not(
    browser: Browser, new_host: HostFactory, ui: WebUi, seen_errors: dict[str, set[str]]
) -> None:
    seen_errors["everyday"] = everyday(ui)
    with new_host(extensions=()) as bare:
        stock = everyday(open_page(browser, bare.url))
    ours = {test: errors - stock for test, errors in seen_errors.items() if errors - stock}
    assert ours == {}
