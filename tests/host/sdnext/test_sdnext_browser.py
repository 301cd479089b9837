"""SD.Next's page in chromium: accordion, hint, line, refusal, paste, in each of its tabs.

Images are 128×128 by the preset `paper` with the threshold 8: 16×16 tokens that become 8×8.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from expect import CLEAN, keys_seen
from host import Host

pytest.importorskip("playwright", reason="playwright is not installed")

from browser_steps import DEFAULTS, POOLED, REFUSED, WIDE, screenshot, tick
from page import WebUi, chromium, launched
from tab import Tab
from told import numbers

pytestmark = pytest.mark.kinds("sdnext")
# on one busy core its page took more than two minutes
LOAD_MS = 300_000
# what its buttons for the tabs say
NAMES = {"txt2img": "Text", "img2img": "Image", "control": "Control"}


class SdNextUi(WebUi):
    """The page in its Standard theme."""

    def wait_until_built(self) -> None:
        box = "#script_control_todo_enabled-visible-checkbox"
        self.page.wait_for_selector(box, state="attached", timeout=LOAD_MS)

    def show(self, tab: str) -> Tab:
        self.page.click(f'#tabs > .tab-nav button:text-is("{NAMES[tab]}")')
        shown = Tab(self, tab)
        shown.unfold("enabled")
        shown.unfold("advanced")
        return shown


@pytest.fixture(scope="module")
def ui(shared_host: Host) -> Iterator[SdNextUi]:
    if chromium() is None:
        pytest.skip("no chromium on the path")
    with launched() as browser:
        ui = SdNextUi(browser.new_page(viewport=WIDE), shared_host.url)
        ui.load()
        yield ui
        assert [stack for stack in ui.stacks if "todo.js" in stack] == []


@pytest.fixture
def tab(ui: SdNextUi, host: Host) -> Tab:
    """The Text tab, with the accordion open and unticked."""
    tab = ui.show("txt2img")
    tab.switch("enabled", False)
    tab.set(width=128, height=128, steps=2, prompt="a cat", preset="balanced")
    return tab


def generated(tab: Tab) -> str:
    """Press Generate; what stands under the image then, once the time that it took does."""
    with tab.ui.settled():
        tab.page.click(f"#{tab.name}_generate")
    tab.page.wait_for_selector(f"#html_log_{tab.name} .performance", state="attached")
    return tab.page.inner_text(f"#html_log_{tab.name}")


@pytest.mark.parametrize("name", NAMES)
def test_the_accordion_is_in_each_tab_and_opens_unticked(ui: SdNextUi, name: str) -> None:
    assert ui.show(name).values() == DEFAULTS


def test_unticked_it_does_nothing_and_ticked_it_pools_and_says_so(tab: Tab, host: Host) -> None:
    assert "ToDo" not in generated(tab)
    assert keys_seen(host)[16] == {(256, 256)}
    host.probe_reset()
    tick(tab)
    tab.hint_with("128×128: 16×16 → 8×8 tokens (by 2)")
    assert numbers(generated(tab)) == POOLED
    tab.page.screenshot(path=screenshot("sdnext"), full_page=True)
    assert keys_seen(host)[16] == {(256, 64)}
    assert host.probe_leftovers() == CLEAN


def test_paste(tab: Tab) -> None:
    """A text that cannot be used does not end the paste."""
    tail = "\nSteps: 3, Size: 128x128, Seed: 1"
    pasted = {"enabled": True, "factor": "3", "start": 0.25, "end": 0.75}
    for told, values in (
        (", ToDo preset: custom, ToDo factor: 3, ToDo start: 0.25, ToDo end: 0.75", pasted),
        (", ToDo factor: 99", pasted),
        ("", pasted | {"enabled": False}),
    ):
        tab.set(prompt=f"a dog{tail}{told}")
        with tab.ui.settled():
            tab.page.click(f"#{tab.name}_paste")
        assert tab.values() == DEFAULTS | values
        assert tab.page.input_value("#txt2img_steps input[type=number]") == "3"


def test_the_hint_follows_the_second_pass(tab: Tab) -> None:
    page = tab.page
    tab.set(width=512, height=512)
    assert "→" not in tab.hint_with("512×512", lines=1)
    tab.unfold("refine_accordion")
    page.set_checked("#txt2img_enable_hr input", True)
    page.set_checked("#txt2img_hr_force input", True)
    tab.ui.choose("txt2img_resize_name", "Latent Nearest")
    tab.ui.fill("txt2img_scale", 2)
    tab.hint_with("Hires pass, 1024×1024: 128×128", lines=3)
    page.set_checked("#txt2img_hr_force input", False)
    page.set_checked("#txt2img_enable_hr input", False)
    assert "→" not in tab.hint_with("512×512", lines=1)


def test_the_control_tab_generates_and_tells(ui: SdNextUi, host: Host) -> None:
    """It shows no error: the hint has said it, and the log, a part of the page."""
    tab = ui.show("control")
    tab.unfold("size")
    tab.unfold("sampler")
    for side in ("width", "height"):
        ui.fill(f"control_before_resize_{side}", 128)
    tab.set(steps=2, prompt="a cat")
    tick(tab)
    tab.hint_with("128×128: 16×16 → 8×8 tokens (by 2)")
    generated(tab)
    assert numbers(ui.page.inner_text("#control-result")) == POOLED
    assert keys_seen(host)[16] == {(256, 64)}
    host.probe_reset()
    values, named = REFUSED[0]
    tab.set(**values)
    tab.hint_with(named)
    with host.log_since() as lines, ui.settled():
        ui.page.click("#control_generate")
    assert named in "\n".join(lines)
    assert host.probe_counts()["unet_calls"] == 0
