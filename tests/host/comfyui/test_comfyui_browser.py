"""In chromium: the node is found by search, wired and run, and says what it did in time."""

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


def test_found_by_search_wired_and_run(comfyui: ComfyHost) -> None:
    with open_page(comfyui) as opened:
        opened.load(on_canvas(text2image(width=1024, height=768, steps=2)))
        page = opened.page
        page.mouse.dblclick(1150, 720)
        page.keyboard.type("token downsampling", delay=20)
        page.get_by_text("ToDo", exact=False).first.wait_for(timeout=10_000)
        page.keyboard.press("Enter")
        page.wait_for_function("app.graph._nodes.some(n => n.type === 'ToDo')", timeout=10_000)
        page.evaluate(
            """() => {
                // it hangs on the pointer, drawn faintly, until it is put down
                app.graph._nodes.forEach(n => { delete n.flags.ghost; });
                const of = type => app.graph._nodes.find(n => n.type === type);
                const slot = n => n.inputs.findIndex(i => i.name === 'model');
                of('DemoCheckpoint').connect(0, of('ToDo'), slot(of('ToDo')));
                of('ToDo').connect(0, of('KSampler'), slot(of('KSampler')));
            }"""
        )
        opened.run_to_the_end()
        text = opened.text_under("ToDo")
    assert text is not None
    assert text.startswith("1024×768: ") and "in all 2 steps" in text and "expected: " in text


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
