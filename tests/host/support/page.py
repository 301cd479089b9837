"""The WebUI's page in chromium: open it, and wait until it has got and drawn everything."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager

from host import STARTED, Host
from playwright.sync_api import Browser, Page, Request, WebSocket, sync_playwright
from tab import QUIET_SECONDS, Tab

LOAD_MS = 120_000
ANSWER_SECONDS = 120

CHROMIUM_ARGUMENTS = (
    "--no-sandbox --disable-gpu --disable-background-networking --disable-component-update "
    "--disable-sync --no-first-run"
).split()


def chromium() -> str | None:
    """The browser: what SD_WEBUI_CHROMIUM names, or a chromium on the path."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return os.environ.get("SD_WEBUI_CHROMIUM") or next(filter(None, map(shutil.which, names)), None)


@contextmanager
def launched() -> Iterator[Browser]:
    """A chromium, which closes at the end."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=CHROMIUM_ARGUMENTS)
        yield browser
        browser.close()


def _ended(request: Request) -> float:
    """When the browser had all of the answer, in milliseconds; of one that failed, now."""
    timing = request.timing
    took = timing["responseEnd"]
    return timing["startTime"] + took if took >= 0 else 1000 * time.time()


class WebUi:
    """The WebUI in one page, with what the network said and the stacks of uncaught errors."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.stacks: list[str] = []
        self._begun = 0
        self._open: set[object] = set()
        self._joined: dict[Request, float] = {}
        self._streamed_until = 0.0
        self._last = time.monotonic()
        page.set_default_timeout(ANSWER_SECONDS * 1000)
        page.on("pageerror", lambda error: self.stacks.append(error.stack or ""))
        page.on("websocket", self._socket)
        page.on("request", self._request)
        page.on("requestfinished", self._request_over)
        page.on("requestfailed", self._request_over)

    def load(self, query: str = "") -> None:
        """Open the page, wait until its scripts have run, and nothing more is being asked."""
        with self.settled():
            self.page.goto(f"{self.url}/{query}")
            self.wait_until_built()

    def reload_from_footer(self, host: Host) -> None:
        """The host's Reload UI: its scripts are loaded anew, then the page is.

        Offline while the host is at it: the page asks twice a second whether it is back, and a
        question between its first answer and its last route ends the host (stock).
        """
        starts = host.log().count(STARTED)
        with self.settled():
            with self.page.expect_event("load", timeout=LOAD_MS):
                self.page.click('#footer a:text-is("Reload UI")')
                while "Restarting UI..." not in host.log():
                    self.page.wait_for_timeout(100)
                self.page.context.set_offline(True)
                host.wait_for_start(starts)
                self.page.context.set_offline(False)
            self._open.clear()
            self._joined.clear()
            self.wait_until_built()

    def wait_until_built(self) -> None:
        """Until the host's script has given the accordions their check boxes."""
        box = "#txt2img_hr-visible-checkbox"
        self.page.wait_for_selector(box, state="attached", timeout=LOAD_MS)

    def _socket(self, socket: WebSocket) -> None:
        """With gradio 3 the page opens a socket for each thing it asks, closed by the answer."""
        self._asked(socket)
        socket.on("close", self._answered)

    def _request(self, request: Request) -> None:
        """What does not wait for its turn is one request and its answer.

        With gradio 4 the page joins a queue, then reads a stream until nothing is waiting. The
        stream's end, by either side, answers every join that had its own answer by then, in the
        browser's time: events may come in another order.
        """
        if "/queue/join" in request.url or "/run/" in request.url:
            self._asked(request)

    def _request_over(self, request: Request) -> None:
        if "/run/" in request.url:
            self._answered(request)
        elif "/queue/join" in request.url:
            self._joined[request] = _ended(request)
        elif "/queue/data" in request.url:
            self._streamed_until = max(self._streamed_until, _ended(request))
        for joined, ended in list(self._joined.items()):
            if ended <= self._streamed_until:
                del self._joined[joined]
                self._answered(joined)

    def _asked(self, asked: object) -> None:
        self._begun += 1
        self._open.add(asked)
        self._last = time.monotonic()

    def _answered(self, asked: object) -> None:
        self._open.discard(asked)
        self._last = time.monotonic()

    @contextmanager
    def settled(self) -> Iterator[None]:
        """Wait until what is done inside has been asked, answered and drawn."""
        before = self._begun
        yield
        deadline = time.monotonic() + ANSWER_SECONDS
        quiet = False
        while self._begun == before or self._open or not quiet:
            asked = f"{self._begun - before} asked, {len(self._open)} open"
            assert time.monotonic() < deadline, f"no answer: {asked}"
            self.page.wait_for_timeout(50)
            quiet = time.monotonic() - self._last > QUIET_SECONDS
        self.page.evaluate("new Promise(done => requestAnimationFrame(() => setTimeout(done)))")

    def show(self, tab: str) -> Tab:
        """Bring txt2img or img2img to the front."""
        self.page.click(f'#tabs > .tab-nav button:text("{tab}")')
        return Tab(self, tab)

    def choose(self, elem_id: str, option: str) -> None:
        """Pick from a dropdown, where it does not stand there already."""
        field = self.page.locator(f"#{elem_id} input").first
        if field.input_value() == option:
            return
        field.click()
        self.page.click(f'#{elem_id} ul.options li[aria-label="{option}"]')

    def fill(self, elem_id: str, value: object, field: str = "input[type=number]") -> None:
        """Type into a field, where that does not stand there already."""
        box = self.page.locator(f"#{elem_id} {field}").first
        if box.input_value() != str(value):
            box.fill(str(value))
