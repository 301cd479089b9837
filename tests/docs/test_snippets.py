"""Each block of code in the docs is found, and run or checked by its language."""

from __future__ import annotations

import functools
import json
import re
import subprocess
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from markdown import PAGES, ROOT, Block, blocks

pytest.importorskip("diffusers", reason="needs requirements/demo.txt")

import diffusers_models as models
from diffusers import DiffusionPipeline, StableDiffusionPipeline, StableDiffusionXLPipeline

from lib_todo import Report, Settings
from lib_todo.hosts.webui.request import read_settings

WEBUI = "http://127.0.0.1:7860"
API = types.SimpleNamespace(is_api=True)
ALL = [block for page in PAGES for block in blocks(page)]
# tiny models instead of those that a page loads by name, and two steps instead of fifty
PIPELINES: dict[str, Callable[[Path], DiffusionPipeline]] = {
    "DiffusionPipeline": models.sd_pipeline,
    "AutoPipelineForText2Image": models.sd_pipeline,
    "StableDiffusionPipeline": models.sd_pipeline,
    "StableDiffusionXLPipeline": models.sdxl_pipeline,
}
STEPS = 2


def install_pipelines(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Have pipelines come from here, stay on the CPU and take no more than STEPS steps.

    `folder` holds the tokenizer's files.
    """

    def from_pretrained(cls: type, name: str, **_: Any) -> DiffusionPipeline:
        if cls.__name__ not in PIPELINES:
            raise LookupError(f"tests/docs has no small model for {cls.__name__} ({name})")
        return PIPELINES[cls.__name__](folder)

    monkeypatch.setattr(DiffusionPipeline, "from_pretrained", classmethod(from_pretrained))
    monkeypatch.setattr(DiffusionPipeline, "to", lambda self, *_, **__: self)
    for cls in (StableDiffusionPipeline, StableDiffusionXLPipeline):
        monkeypatch.setattr(cls, "__call__", _with_few_steps(cls.__call__))


def _with_few_steps(call: Callable) -> Callable:
    @functools.wraps(call)
    def few(self: Any, *args: Any, **options: Any) -> Any:
        steps = min(STEPS, options.pop("num_inference_steps", STEPS))
        return call(self, *args, num_inference_steps=steps, **options)

    return few


def run_python(block: Block, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Execute a block with the WebUI, the hub and `pipe` stood in for; it must do what it shows."""
    accepted: list[Settings] = []

    def post(address: str, json: dict[str, Any]) -> Any:
        assert address in (f"{WEBUI}/sdapi/v1/txt2img", f"{WEBUI}/sdapi/v1/img2img")
        accepted.append(read_settings(API, json["alwayson_scripts"]["ToDo"]["args"]))
        return types.SimpleNamespace(json=lambda: {"images": [""]})

    monkeypatch.setattr(requests, "post", post)
    monkeypatch.chdir(folder)
    install_pipelines(monkeypatch, folder / "models")
    names: dict[str, Any] = {"__name__": str(block)}
    if re.search(r"\bpipe\b", block.text) and not re.search(r"^pipe = ", block.text, re.MULTILINE):
        names["pipe"] = models.sd_pipeline(folder / "models")
    # line numbers of an error are the page's
    exec(compile("\n" * (block.line - 1) + block.text, block.page, "exec"), names)
    assert bool(accepted) is (WEBUI in block.text)
    reports = [value for value in names.values() if isinstance(value, Report)]
    assert all(report.pooled for report in reports), [report.line() for report in reports]


def check_json(block: Block) -> None:
    """A block of JSON parses, and what it sends to ToDo is accepted."""
    value = json.loads(block.text)
    if isinstance(value, dict) and "alwayson_scripts" in value:
        read_settings(API, value["alwayson_scripts"]["ToDo"]["args"])


def check_shell(block: Block) -> None:
    """A block of commands is bash, and the targets of make that it names exist."""
    subprocess.run(["bash", "-n"], input=block.text, text=True, check=True)
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    named = re.findall(r"^(?:\w+=\S+ )*make ([\w-]+)", block.text, re.MULTILINE)
    assert set(named) <= set(targets)


@pytest.mark.parametrize("block", ALL, ids=str)
def test_block(block: Block, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    match block.language:
        case "python":
            run_python(block, monkeypatch, tmp_path)
        case "json":
            check_json(block)
        case "sh":
            check_shell(block)
        case "" | "text" | "mermaid":
            """Output, a layout, a picture: nothing to run."""
        case _:
            pytest.fail(f"{block}: no check is known for {block.language!r}")


def test_the_blocks_of_readme_are_found() -> None:
    of_readme = [block.text for block in ALL if block.page.name == "README.md"]
    assert sum("token_downsampling(" in text for text in of_readme) >= 1
    assert sum("/sdapi/v1/" in text for text in of_readme) >= 1
