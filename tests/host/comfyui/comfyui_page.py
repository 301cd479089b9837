"""ComfyUI's page in chromium: load a workflow, find a node by search, run, read a node's text."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from comfyui_host import ComfyHost, Graph
from page import launched
from playwright.sync_api import Page

LOAD_MS = 120_000
RUN_SECONDS = 900
# around a graph in its picture, in pixels
MARGIN = 20
TEXT_WIDGET = "$$node-text-preview"


@contextmanager
def open_page(host: ComfyHost, *, vue_nodes: bool = False) -> Iterator[ComfyPage]:
    """The page of a fresh user, its dialogs closed; its nodes drawn by Vue or on the canvas."""
    with launched() as browser:
        page = browser.new_page(viewport={"width": 1500, "height": 850})
        page.goto(host.url, timeout=LOAD_MS)
        page.wait_for_function("window.app?.graph && window.app.canvas", timeout=LOAD_MS)
        page.wait_for_timeout(2000)
        page.keyboard.press("Escape")
        page.evaluate(
            "on => app.extensionManager.setting.set('Comfy.VueNodes.Enabled', on)", vue_nodes
        )
        yield ComfyPage(page)


class ComfyPage:
    """What the tests do on the page."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def load(self, graph: Graph) -> None:
        """Put a workflow in API format on the canvas, its nodes arranged."""
        self.page.evaluate("graph => app.loadApiJson(graph, 'test')", graph)
        self.page.evaluate("app.graph.arrange(); app.canvas.ds.reset()")

    def open(self, workflow: dict[str, Any]) -> None:
        """Open a workflow as a person does, with its nodes where they were put."""
        self.page.evaluate("workflow => app.loadGraphData(workflow)", workflow)
        count = len(workflow["nodes"])
        self.page.wait_for_function(f"app.graph._nodes.length === {count}", timeout=10_000)

    def picture_of_graph(self, path: Path) -> None:
        """All nodes and nothing around them, at the scale at which their text is drawn."""
        self.page.set_viewport_size({"width": 2600, "height": 1200})
        self.page.evaluate("app.extensionManager.setting.set('Comfy.Minimap.Visible', false)")
        box = self.page.evaluate(
            """margin => {
                const boxes = app.graph._nodes.map(n => n.getBounding());
                const low = i => Math.min(...boxes.map(b => b[i])) - margin;
                const high = i => Math.max(...boxes.map(b => b[i] + b[i + 2])) + margin;
                const [left, top] = [low(0), low(1)];
                const canvas = app.canvas.canvas.getBoundingClientRect();
                app.canvas.ds.scale = 1;
                app.canvas.ds.offset = [100 - left, 120 - top];
                app.canvas.deselectAll();
                app.canvas.setDirty(true, true);
                const [x, y] = [canvas.left + 100, canvas.top + 120];
                return {x, y, width: high(0) - left, height: high(1) - top};
            }""",
            MARGIN,
        )
        self.page.wait_for_timeout(1500)
        self.page.screenshot(path=path, clip=box)

    def run_to_the_end(self, interrupt_after: int | None = None) -> None:
        """Queue the workflow, stop it after so many ms, and wait until it is among those ended."""
        runs = "async () => Object.keys(await (await fetch('/history')).json()).length"
        before = self.page.evaluate(runs)
        self.page.evaluate("app.queuePrompt(0)")
        if interrupt_after is not None:
            self.page.wait_for_timeout(interrupt_after)
            self.page.evaluate("fetch('/interrupt', {method: 'POST'})")
        deadline = time.monotonic() + RUN_SECONDS
        while self.page.evaluate(runs) == before:
            assert time.monotonic() < deadline, "the workflow did not come to an end"
            self.page.wait_for_timeout(200)
        # until what it says is drawn
        self.page.wait_for_timeout(500)

    def set_steps(self, steps: int) -> None:
        """Of the sampler."""
        self.page.evaluate(
            """steps => {
                const node = app.graph._nodes.find(n => n.type === "KSampler");
                node.widgets.find(w => w.name === "steps").value = steps;
            }""",
            steps,
        )

    def text_under(self, kind: str) -> str | None:
        """What a run wrote under the node; None where nothing stands there."""
        find = f"app.graph._nodes.find(n => n.type === '{kind}')?.widgets"
        find += f".find(w => w.name === '{TEXT_WIDGET}')?.value ?? null"
        return self.page.evaluate(find)

    def text_is_whole(self, text: str) -> bool:
        """Whether all of a text under a node can be read without scrolling, inside its node."""
        return self.page.evaluate(
            """begin => {
                const has = e => e.textContent.includes(begin);
                const text = [...document.querySelectorAll('.dom-widget *, [data-node-id] *')]
                    .find(e => has(e) && ![...e.children].some(has));
                let box = text;
                while (!box.matches('.dom-widget, [data-node-id]')) {
                    const cut = getComputedStyle(box).overflowY !== 'visible';
                    if (cut && box.scrollHeight > box.clientHeight + 1) return false;
                    box = box.parentElement;
                }
                const end = e => e.getBoundingClientRect().bottom;
                return end(text) <= end(box) + 1;
            }""",
            text.split("\n")[0],
        )
