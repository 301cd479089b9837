"""SD.Next's page: what differs from the other WebUIs' in how it is driven."""

from __future__ import annotations

from page import WebUi
from tab import Tab

# on one busy core its page took more than two minutes
LOAD_MS = 300_000
# what its buttons for the tabs say
NAMES = {"txt2img": "Text", "img2img": "Image", "control": "Control"}


class SdNextUi(WebUi):
    """The page in its Standard theme."""

    def wait_until_built(self) -> None:
        box = "#script_control_todo_enabled-visible-checkbox"
        self.page.wait_for_selector(box, state="attached", timeout=LOAD_MS)

    def show(self, tab: str) -> SdNextTab:
        self.page.click(f'#tabs > .tab-nav button:text-is("{NAMES[tab]}")')
        return SdNextTab(self, tab)


class SdNextTab(Tab):
    """One of NAMES."""

    def prepare(self) -> None:
        """ToDo open, unticked and as it is at first; two steps of 128×128."""
        self.unfold("enabled")
        self.unfold("advanced")
        self.switch("enabled", False)
        self.set(width=128, height=128, steps=2, prompt="a cat", preset="balanced")

    def paste(self, text: str) -> None:
        """Put a text into the prompt box and press Restore."""
        self.set(prompt=text)
        with self.ui.settled():
            self.page.click(f"#{self.name}_paste")

    def log(self) -> str:
        """What stands under the image, once the time that it took does."""
        self.page.wait_for_selector(f"#html_log_{self.name} .performance", state="attached")
        return self._text(f"#html_log_{self.name}")

    def generated(self) -> str:
        """Press Generate; what stands under the image then."""
        with self.ui.settled():
            self.page.click(f"#{self.name}_generate")
        return self.log()
