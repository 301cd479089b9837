"""The app on a tiny random pipeline, through gradio's client."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

pytest.importorskip("gradio", reason="needs requirements/demo.txt")
pytest.importorskip("gradio_client", reason="needs requirements/demo.txt")
pytest.importorskip("rich", reason="needs requirements/demo.txt")

import gradio
import gradio_client

from demo.app import __main__ as app
from demo.app.page import METHODS, SINGLE, Cancellation, CancelledError, build_page, generate
from demo.options import OF_OTHERS
from demo.output import difference

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
def ask(sampler: Any) -> Iterator[Callable[..., Any]]:
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    page = build_page(sampler, "a tiny model", OF_OTHERS)
    page.queue()
    _, url, _ = page.launch(share=False, prevent_thread_lock=True, quiet=True)
    client = gradio_client.Client(url)
    yield lambda **changes: client.predict(*{**VALUES, **changes}.values(), api_name="/generate")
    page.close()


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


@pytest.mark.parametrize("last", [0, 2])
def test_cancelled_before_or_while_it_runs_it_stops_at_the_next_step(
    sampler: Any, last: int
) -> None:
    cancellation, told = Cancellation(), []

    def report(title: str, done: int, total: int) -> None:
        told.append(done)
        if done == last:
            cancellation.cancel()

    if not last:
        cancellation.cancel()
    with pytest.raises(CancelledError):
        generate(sampler, cancellation, VALUES, report)
    assert told == list(range(last + 1)) if last else not told


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
