"""The app on a tiny random pipeline: through gradio's client and in a headless browser."""

from __future__ import annotations

import json
import os
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gradio
import gradio_client
import pytest
from PIL import Image

pytest.importorskip("rich", reason="needs requirements/demo.txt")

from demo.app import __main__ as app
from demo.app.page import METHODS, SINGLE, Cancellation, CancelledError, Generator, build_page
from demo.output import difference

CHROMIUM = shutil.which("chromium")
# no step is given up, however long the machine is busy with something else
PATIENCE = 120
INITIAL = {"width": 128, "height": 128, "hires_from": "64", "steps": 4, "guidance": 3.0}
VALUES = {
    "prompt": "a fox",
    "negative_prompt": "",
    "width": 128,
    "height": 96,
    "first_width": 64,
    "first_height": 64,
    "strength": 0.5,
    "steps": 4,
    "guidance": 3,
    "seed": 1,
    "methods": ["todo"],
    "preset": "balanced",
    **SINGLE,
    "tome_ratio": 0,
}


@pytest.fixture(scope="module")
def url(sampler: Any) -> Iterator[str]:
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    page = build_page(sampler, "a tiny model", {**INITIAL, "strength": 0.5})
    page.queue(max_size=app.MOST_WAITING)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    launched = {"server_port": port, "prevent_thread_lock": True, "quiet": True}
    yield page.launch(server_name="127.0.0.1", share=False, **launched)[1]
    page.close()


@pytest.fixture(scope="module")
def ask(url: str) -> Callable[..., Any]:
    client = gradio_client.Client(url)
    return lambda **changes: client.predict(*{**VALUES, **changes}.values(), api_name="/generate")


def _pictures(folder: str) -> dict[str, Path]:
    """By caption, what gradio's client made of a gallery."""
    captions = json.loads(Path(folder, "captions.json").read_text())
    return {caption: Path(folder, name) for name, caption in captions.items()}


def test_the_client_gets_the_pictures_their_differences_and_the_figures(
    ask: Callable[..., Any],
) -> None:
    gallery, figures, differences = ask(methods=["todo", "paper", "tome"])
    pictures, differences = _pictures(gallery), _pictures(differences)
    assert list(pictures) == ["Baseline", *METHODS.values()]
    assert list(differences) == list(METHODS.values())
    with Image.open(pictures["Baseline"]) as baseline:
        assert baseline.size == (128, 96)
        for title, path in differences.items():
            with Image.open(pictures[title]) as other, Image.open(path) as shown:
                assert shown.convert("RGB").tobytes() == difference(other, baseline).tobytes()
                assert shown.getbbox() is not None
    assert all(f"**{title}**" in figures for title in pictures)
    assert "192 → 48 keys in 3 of 7" in figures


def test_single_settings_and_no_first_pass(ask: Callable[..., Any]) -> None:
    figures = ask(methods=["todo", "tome"], first_width=0, steps=2, factor=4, tome_ratio=0.5)[1]
    assert "12 of 192 keys" in figures
    assert "96 of 192 keys" in figures


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"height": 100}, "multiple of 8"),
        ({"start": 0.8, "end": 0.2}, "start"),
        ({"methods": []}, "methods must be"),
    ],
)
def test_a_bad_value_is_an_error_that_names_it(
    ask: Callable[..., Any], changes: dict[str, Any], named: str
) -> None:
    with pytest.raises(Exception, match=named):
        ask(**changes)


def test_cancelled_while_waiting_for_the_one_that_runs(sampler: Any) -> None:
    generator, cancellation, order = Generator(sampler), Cancellation(), []
    running, go_on = threading.Event(), threading.Event()

    def slow(*_: Any) -> None:
        order.append("first")
        running.set()
        assert go_on.wait(PATIENCE)

    def second() -> None:
        with pytest.raises(CancelledError):
            generator.generate(cancellation, VALUES, lambda *_: order.append("second"))
        order.append("cancelled")

    first = threading.Thread(target=generator.generate, args=(Cancellation(), VALUES, slow))
    waiting = threading.Thread(target=second)
    first.start()
    assert running.wait(PATIENCE)
    waiting.start()
    cancellation.cancel()
    go_on.set()
    for thread in (first, waiting):
        thread.join(PATIENCE)
    assert set(order) == {"first", "cancelled"}
    assert order[-1] == "cancelled"


def test_cancelled_while_it_runs_it_stops_at_the_next_step(sampler: Any) -> None:
    cancellation, told = Cancellation(), []

    def cancel(title: str, done: int, total: int) -> None:
        told.append(done)
        if done == 2:
            cancellation.cancel()

    with pytest.raises(CancelledError):
        Generator(sampler).generate(cancellation, VALUES, cancel)
    assert told[-1] == 2


def test_the_server_binds_to_this_machine_and_does_not_share(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, Any] = {}
    monkeypatch.setattr(gradio.Blocks, "launch", lambda self, **options: seen.update(options))
    monkeypatch.setenv("GRADIO_SERVER_NAME", "0.0.0.0")
    assert app.main(["--model", str(tiny_model)]) == 0
    with pytest.raises(SystemExit):
        app.main(["--model", "nonsense"])
    assert seen == {"server_name": "127.0.0.1", "server_port": 7860, "share": False}


def test_in_a_browser(url: str) -> None:
    api = pytest.importorskip("playwright.sync_api", reason="needs requirements/all.txt")
    if CHROMIUM is None:
        pytest.skip("needs Debian's chromium")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page()
        page.set_default_timeout(PATIENCE * 1000)
        # nothing here but the app itself can be reached
        page.route(lambda url: "127.0.0.1" not in url, lambda route: route.abort())
        page.goto(url)
        page.locator("#prompt textarea").fill("a frog in the snow")
        page.locator("#preset").get_by_text("fast", exact=True).click()
        page.locator("#generate").click()
        page.get_by_text("of 7 self-attention layers").first.wait_for()
        pictures = page.locator("img[src*='file'], img[src^='data:image']")
        assert pictures.count() >= 2
        assert pictures.first.evaluate("image => image.naturalWidth") == 128
        browser.close()
