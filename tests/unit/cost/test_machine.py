"""The machine's rates: measured once by itself on a GPU, kept by all that they depend on."""

from __future__ import annotations

import dataclasses
import types
from pathlib import Path
from unittest.mock import Mock

import pytest
import torch

from lib_todo import predict
from lib_todo.cost import rates
from lib_todo.cost.rates import HEAD_WIDTHS, Machine, Rates, typical

FOUND = Rates(3e11, {"40": 1e11, "64": 2e11}, 1e10, 1e-5, 2, "2026-08-17")
GPU = torch.device("cuda", 0)


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> Mock:
    """Every measurement finds FOUND."""
    monkeypatch.setattr(rates, "measure", Mock(return_value=FOUND))
    monkeypatch.setattr(rates, "_failed", set())
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "RTX 4070")
    return rates.measure


def test_a_gpu_is_measured_once_and_for_each_setup(measured: Mock, tmp_path: Path) -> None:
    file = tmp_path / "machine.json"
    here = Machine(GPU, torch.float16, file, attention="xformers")
    assert here.rates() is None
    assert here.candidates() == typical("cuda")
    for _ in range(2):
        here.measure_once()
    assert measured.call_count == 1
    assert Machine(GPU, torch.float16, file, attention="xformers").rates() == FOUND
    assert here.candidates() == [FOUND]
    assert here.key == f"RTX 4070, float16, xformers, torch {torch.__version__}"
    for other in ({"dtype": torch.bfloat16}, {"attention": "sdp"}):
        found = dataclasses.replace(here, **other)
        assert found.rates() is None
        found.measure_once()
        assert found.rates() == FOUND
    assert measured.call_count == 3


def test_a_cpu_is_measured_on_request_only(measured: Mock, tmp_path: Path) -> None:
    here = Machine(torch.device("cpu"), torch.float32, tmp_path / "machine.json")
    here.measure_once()
    assert (here.candidates(), here.rates()) == (typical("cpu"), None)
    measured.assert_not_called()
    here.measure()
    assert here.candidates() == [FOUND]


@pytest.mark.parametrize("content", ["", "[1]", "{", '{"KEY": {"products": 1}}'])
def test_a_file_of_another_kind_is_no_measurement(
    measured: Mock, tmp_path: Path, content: str
) -> None:
    here = Machine(GPU, torch.float16, tmp_path / "machine.json")
    here.file.write_text(content.replace("KEY", here.key))
    assert here.rates() is None
    here.measure_once()
    assert here.rates() == FOUND


def test_a_failure_is_no_error_and_not_repeated(
    monkeypatch: pytest.MonkeyPatch, measured: Mock, tmp_path: Path
) -> None:
    """The memory may be the picture's, and the folder read-only."""
    no_memory = Mock(side_effect=torch.cuda.OutOfMemoryError)
    monkeypatch.setattr(rates, "measure", no_memory)
    here = Machine(GPU, torch.float16, tmp_path / "machine.json")
    for _ in range(2):
        here.measure_once()
    assert (no_memory.call_count, here.candidates()) == (1, typical("cuda"))


def test_all_is_measured_through_the_attention_that_is_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rates, "ROUNDS", 1)
    monkeypatch.setitem(rates.SIDES, "cpu", 12)
    seen = set()

    def attend(tokens: torch.Tensor, heads: int) -> None:
        seen.add((tokens.shape[2] // heads, tokens.shape[1]))

    found = rates.measure(torch.device("cpu"), torch.float32, attend)
    assert seen == {(width, 64) for width in HEAD_WIDTHS}
    assert set(found.attention) == set(map(str, HEAD_WIDTHS))
    assert min(found.products, found.bytes) > 0
    assert (found.launch, found.itemsize, found.measured.count("-")) == (0, 4, 2)
    assert rates._launch(device=torch.device("cpu"), dtype=torch.float32) > 0


@pytest.mark.usefixtures("measured")
def test_a_program_with_a_model_asks_the_same(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    diffusers = pytest.importorskip("diffusers")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with torch.device("meta"):
        unet = diffusers.UNet2DConditionModel(cross_attention_dim=768)
    monkeypatch.setattr(type(unet), "parameters", lambda self: iter([torch.zeros(1)]))
    pipe = types.SimpleNamespace(unet=unet, scheduler=diffusers.DDIMScheduler())
    least, most = predict(pipe, 1024, 1024)
    assert 1.3 < least < 2 < most
    # the paper's factors where the sampler is not known
    assert predict(unet, 1024, 1024) < (least, most)
    assert predict(unet, 1024, 1024, sampler="Euler") == (least, most)
    assert predict(unet, 512, 512) == (1, 1)
    assert predict(types.SimpleNamespace(), 1024, 1024) == (1, 1)
    Machine(torch.device("cpu"), torch.float32).measure()
    least, most = predict(unet, 1024, 1024)
    assert least == most
    assert list(tmp_path.rglob("machine.json"))
