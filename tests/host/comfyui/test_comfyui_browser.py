"""In chromium: the text under the node is the last run's, and none after a run without it."""

from __future__ import annotations

import random

import pytest

pytest.importorskip("playwright", reason="playwright is not installed")

from comfyui_host import ComfyHost, Graph
from comfyui_page import open_page
from graphs import SAVED_LATENT, TODO, text2image, with_image
from page import chromium

pytestmark = pytest.mark.skipif(chromium() is None, reason="no chromium here")


def on_canvas(graph: Graph) -> Graph:
    """The graph with a seed that no run had, and its picture in place of its latent."""
    graph["sampler"]["inputs"]["seed"] = random.randrange(2**32)
    graph = with_image(graph)
    del graph[SAVED_LATENT]
    return graph


def test_no_text_stays_after_a_bypass_or_an_interrupt(comfyui: ComfyHost) -> None:
    with open_page(comfyui) as page:
        page.load(on_canvas(text2image(TODO)))
        page.run_to_the_end()
        assert page.text_under("ToDo")
        page.set_steps(1000)
        page.run_to_the_end(interrupt_after=1500)
        assert page.text_under("ToDo") is None
        page.set_steps(4)
        page.run_to_the_end()
        assert page.text_under("ToDo")
        # as Ctrl+B does
        page.page.evaluate("app.graph._nodes.find(n => n.type === 'ToDo').mode = 4")
        page.run_to_the_end()
        assert page.text_under("ToDo") is None
