"""In chromium: the node is found by search, wired, run, and says what it did."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from comfyui_host import ComfyHost
from comfyui_page import chromium, open_page
from graphs import SAVED_LATENT, TODO, text2image, with_image

pytestmark = pytest.mark.skipif(chromium() is None, reason="no chromium here")


def test_found_by_search_wired_and_run(comfyui: ComfyHost, tmp_path: Path) -> None:
    pictures = Path(os.environ.get("TODO_SCREENSHOTS", tmp_path))
    with open_page(comfyui) as page:
        graph = with_image(text2image())
        del graph[SAVED_LATENT]
        page.load(graph)
        page.add_by_search("token downsampling", "ToDo")
        page.lead_through("ToDo", "DemoCheckpoint", "KSampler")
        page.set_widgets("ToDo", TODO[1])
        page.run()
        text = page.text_under("ToDo")
        page.show("ToDo")
        page.page.screenshot(path=pictures / "comfyui.png")
    assert "1024 → 256 keys in 3 of 10 self-attention layers, 4 of 4 steps" in text
