"""In chromium: the node is found by search, wired, run, and says what it did, whole and in time."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

pytest.importorskip("playwright", reason="playwright is not installed")

import workflows
from comfyui_host import ComfyHost, Graph
from comfyui_page import chromium, open_page
from graphs import SAVED_LATENT, TODO, hires, text2image, with_image

pytestmark = pytest.mark.skipif(chromium() is None, reason="no chromium here")
POOLED = "256×256: 3 of 10 self-attention layers,\nin all 4 steps;\nexpected: "


def on_canvas(graph: Graph) -> Graph:
    """The graph with a seed that no run had, and its picture in place of its latent."""
    graph["sampler"]["inputs"]["seed"] = random.randrange(2**32)
    graph = with_image(graph)
    del graph[SAVED_LATENT]
    return graph


def test_found_by_search_wired_and_run(comfyui: ComfyHost) -> None:
    with open_page(comfyui) as page:
        page.load(on_canvas(text2image(width=1024, height=768, steps=2)))
        page.add_by_search("token downsampling", "ToDo")
        page.lead_through("ToDo", "DemoCheckpoint", "KSampler")
        page.run_to_the_end()
        text = page.text_under("ToDo")
    assert text is not None
    assert text.startswith("1024×768: ") and "in all 2 steps" in text and "expected: " in text


@pytest.mark.parametrize("vue_nodes", [False, True], ids=["canvas", "Vue"])
def test_the_text_is_whole_and_tells_two_samplings_apart(
    comfyui: ComfyHost, vue_nodes: bool
) -> None:
    with open_page(comfyui, vue_nodes=vue_nodes) as page:
        page.load(on_canvas(hires(TODO)))
        page.run_to_the_end()
        text = page.text_under("ToDo")
        assert text is not None
        first, second = text.split("\n\n")
        assert first.startswith("128×128: nothing was pooled: no layer is above the threshold")
        assert second.startswith(POOLED)
        assert page.text_is_whole(text)


def test_no_text_stays_after_a_bypass_or_an_interrupt(comfyui: ComfyHost) -> None:
    with open_page(comfyui) as page:
        page.load(on_canvas(text2image(TODO)))
        page.run_to_the_end()
        assert page.text_under("ToDo")
        page.set_widgets("KSampler", {"steps": 1000})
        page.run()
        page.interrupt()
        page.page.wait_for_timeout(500)
        assert page.text_under("ToDo") is None
        page.set_widgets("KSampler", {"steps": 4})
        page.run_to_the_end()
        assert page.text_under("ToDo")
        page.bypass("ToDo")
        page.run_to_the_end()
        assert page.text_under("ToDo") is None


def test_an_error_is_shown_once(comfyui: ComfyHost) -> None:
    with open_page(comfyui) as page:
        page.load(on_canvas(text2image(("ToDo", {"start": 0.9, "end": 0.1}))))
        page.run()
        page.page.get_by_text("no greater than end (0.1)").first.wait_for(timeout=20_000)
        errors = page.page.evaluate(
            "Object.values(app.lastNodeErrors ?? {}).flatMap(node => node.errors).length"
        )
    assert errors == 1


def test_numbers_are_kept_as_they_are_set(comfyui: ComfyHost) -> None:
    given = {"threshold": 96, "scale": 0.1, "deep_scale": 0.2, "start": 0.15, "above": 0.5}
    with open_page(comfyui) as page:
        page.load(on_canvas(text2image(TODO)))
        page.page.evaluate(
            """given => {
                const node = app.graph._nodes.find(n => n.type === 'ToDoSettings');
                for (const w of node.widgets)
                    if (w.name in given) w.callback(given[w.name]);
            }""",
            given,
        )
        kept = page.page.evaluate(
            """() => Object.fromEntries(app.graph._nodes
                .find(n => n.type === 'ToDoSettings').widgets.map(w => [w.name, w.value]))"""
        )
    assert {name: kept[name] for name in given} == given


@pytest.mark.parametrize("vue_nodes", [False, True], ids=["canvas", "Vue"])
def test_the_text_is_whole_in_an_example(
    comfyui: ComfyHost, tmp_path: Path, vue_nodes: bool
) -> None:
    """At the size that it ships; on the canvas its picture is the one of the page in docs."""
    folder = Path(os.environ.get("TODO_SCREENSHOTS", tmp_path))
    opened = workflows.on_small_model(workflows.HIRES, 2)
    for node in opened["nodes"]:
        if node["type"] == "KSampler":
            node["widgets_values"][0] = random.randrange(2**32)
        if node.get("title") == "Prompt":
            node["widgets_values"] = ["a fox on a beach"]
    with open_page(comfyui, vue_nodes=vue_nodes) as page:
        page.open(opened)
        page.run_to_the_end()
        text = page.text_under("ToDo")
        assert text is not None and "in the first quarter" in text
        page.picture_of_graph(folder / f"comfyui{'-vue' if vue_nodes else ''}.png")
        assert page.text_is_whole(text)
