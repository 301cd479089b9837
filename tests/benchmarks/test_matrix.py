"""The matrix of samplers and schedules, on a stand-in for a host."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import pytest
import requests
import torch
from PIL import Image

pytest.importorskip("matplotlib", reason="needs requirements/bench.txt")

from benchmarks.matrix import webui
from benchmarks.matrix.__main__ import parse, wanted
from benchmarks.matrix.cell import Cell
from benchmarks.matrix.measure import PART, measure
from benchmarks.matrix.output import above, ratios, summary, whole
from benchmarks.matrix.picture import SIDE
from benchmarks.output import pages
from benchmarks.running.bench import Bench
from lib_todo.samplers import SamplerRule

CELL = Cell("euler", "simple", 8, 0.6)
BROKEN = Cell("broken", "simple", 8, 0.6)
PAPERS_OWN = Cell("lms", "simple", 8, 0.6)
CAREFUL = Cell("lcm", "simple", 8, 0.6)
RULES = {
    PAPERS_OWN: SamplerRule(careful_from=0, rest_from=0),
    CAREFUL: SamplerRule(careful_from=0),
}


class Host:
    """Its latents are off by as much as the preset's scale says."""

    name = "Stand-in"

    def __init__(self) -> None:
        self.calls = 0

    def pairs(self) -> list[tuple[str, str]]:
        return [("euler", "simple"), ("euler", "karras"), ("heun", "simple")]

    def rule(self, cell: Cell) -> tuple[SamplerRule, int]:
        return RULES.get(cell, SamplerRule()), cell.steps

    def sample(self, cell: Cell, seed: int, settings: object) -> torch.Tensor:
        self.calls += 1
        if cell == BROKEN:
            raise ValueError("no such sampler")
        return torch.full((4,), 0.0 if settings is None else settings.scale)


def test_a_run_is_resumed_and_a_broken_cell_noted(bench: Bench, tmp_path: Path) -> None:
    host = Host()
    measure(bench, host, [CELL, BROKEN], ["balanced"], 1, tmp_path)
    assert host.calls == 4, "dense and two presets, and the broken one's dense"
    measure(bench, host, [CELL, BROKEN], ["balanced"], 2, tmp_path)
    assert host.calls == 7, "the second seed alone, and nothing of the broken one"
    measure(bench, host, [CELL], ["balanced", "fast"], 2, tmp_path)
    assert host.calls == 9, "dense latents are kept"
    (note,) = bench.store.data["notes"].values()
    assert note == "ValueError: no such sampler"


def test_what_the_rule_makes_one_picture_is_sampled_once(bench: Bench, tmp_path: Path) -> None:
    host = Host()
    measure(bench, host, [PAPERS_OWN, CAREFUL], ["close", "balanced"], 2, tmp_path)
    assert host.calls == 6, "for two seeds, of one cell: dense, paper, and close for balanced too"
    found = ratios(bench.store, PART)
    assert "| lms | simple | identical | identical |" in whole(found)
    assert "lms" not in above(found)


def test_the_table_the_list_and_the_map(bench: Bench, tmp_path: Path) -> None:
    measure(bench, Host(), [CELL], ["close", "balanced"], 2, tmp_path)
    found = ratios(bench.store, PART)
    table = whole(found)
    assert "| Stand-in | euler | simple | 1.00 (1.00 to 1.00) | 2.25 (2.25 to 2.25) |" in table
    assert "| 8 | 0.6 | 2.25 (2.25 to 2.25) | 2 of 2 | balanced |" in above(found)
    assert "close" not in above(found)
    assert "| Stand-in | balanced, 8 steps, 0.6 | 1 | 2.25 | 2.25 | 1 |" in summary(found)
    page = bench.store.path.with_suffix(".md")
    page.write_text("<!-- table: matrix_above -->\n<!-- end -->")
    bench.store.save()
    pages.renew(page, tmp_path)
    assert above(found) in page.read_text()
    assert (tmp_path / "matrix-stand-in.png").read_bytes().startswith(b"\x89PNG")


def test_not_a_number_is_no_error(bench: Bench, tmp_path: Path) -> None:
    class Diverges(Host):
        def sample(self, cell: Cell, seed: int, settings: object) -> torch.Tensor:
            return torch.full((4,), float("nan"))

    measure(bench, Diverges(), [CELL], ["close"], 1, tmp_path)
    assert "not finite" in next(iter(bench.store.data["notes"].values()))
    assert not ratios(bench.store, PART)


def test_the_cells_that_are_asked_for() -> None:
    args = parse(["--samplers", "euler", "--steps", "8", "20", "--strengths", "0.6"])
    found = [f"{cell.schedule} {cell.steps}" for cell in wanted(Host(), args)]
    assert found == ["simple 8", "karras 8", "simple 20", "karras 20"]


class FakeWebUI:
    """Stands for a WebUI's API: its pictures are off by a preset's scale, or 9 with a fixed phase.

    Attributes:
        asked: the bodies of the requests for pictures.
    """

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []

    def request(self, method: str, url: str, **more: Any) -> requests.Response:
        lists: dict[str, Any] = {
            "options": {"sd_model_checkpoint": "sd-webui-todo-demo.safetensors [0123456789]"},
            "samplers": [{"name": name} for name in ("Euler", "Euler a", "LMS", "DDIM")],
            "schedulers": [{"label": "Automatic"}, {"label": "Karras"}],
        }
        answer = requests.Response()
        answer.status_code = 200
        what = url.removeprefix("http://here/sdapi/v1/")
        answer._content = json.dumps(lists.get(what) or self.picture(more["json"])).encode()
        return answer

    def picture(self, body: dict[str, Any]) -> dict[str, Any]:
        self.asked.append(body)
        (todo,) = body["alwayson_scripts"]["ToDo"]["args"]
        level = 0
        if todo["enabled"]:
            level = 9 if todo["phase"] == "fixed" else int(4 * todo["scale"])
        file = io.BytesIO()
        Image.new("RGB", (8, 8), (level, 0, 0)).save(file, "PNG")
        return {"images": [base64.b64encode(file.getvalue()).decode()]}


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeWebUI:
    fake = FakeWebUI()
    monkeypatch.setattr(requests, "request", fake.request)
    monkeypatch.setattr(webui, "enlarged", lambda seed: Image.new("RGB", (SIDE, SIDE)))
    return fake


def test_a_webui_is_asked_for_pictures(bench: Bench, tmp_path: Path, fake: FakeWebUI) -> None:
    host = webui.WebUI("http://here")
    assert host.pairs()[4:] == [(name, "Karras") for name in ("Euler", "Euler a", "LMS")]
    cells = [Cell(name, "Karras", 8, 0.6) for name in ("LMS", "Euler a", "Euler")]
    for _ in range(2):
        measure(bench, host, cells, ["close", "balanced", "fast"], 1, tmp_path)
    names = [body["sampler_name"] for body in fake.asked]
    assert [names.count(cell.sampler) for cell in cells] == [0, 1 + 3, 5], (
        "one for the seed, none when resumed"
    )
    assert {body["scheduler"] for body in fake.asked} == {"Karras"}
    sent = [body["alwayson_scripts"]["ToDo"]["args"][0] for body in fake.asked[-5:]]
    assert sorted(todo.get("scale", 0) for todo in sent) == [0, 1, 1, 1.5, 2]
    assert {todo.get("threshold", 16) for todo in sent} == {16}
    first = base64.b64decode(fake.asked[0]["init_images"][0])
    assert Image.open(io.BytesIO(first)).size == (SIDE, SIDE)
    table = whole(ratios(bench.store, PART))
    assert "| LMS | Karras | identical | identical | identical |" in table
    assert "| Euler a | Karras | 0.20 | 0.20 | 0.20 |" in table
    assert "| Euler | Karras | 0.20 | 0.44 | 0.79 |" in table
