"""A checkpoint's U-Net by the header of its file, without loading it."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from lib_todo.cost.architectures import NOTHING_TO_POOL, SHAPES, UNetShape, shape_of_weights

pytest.importorskip("fastapi")
from lib_todo.hosts.webui import host as webui
from lib_todo.hosts.webui.host import UNET, shape_of_file

REFINER = UNetShape((384, 768, 1536, 1536), (0, 4, 4, 0), 4, context_width=1280, vector_width=2560)


def sizes_of(shape: UNetShape) -> dict[str, list[int]]:
    """The sizes of an ldm U-Net's weights: of two residual blocks a level, then what halves it."""
    found = {"input_blocks.0.0.weight": [shape.channels[0], 4, 3, 3]}
    number = 0
    for level, (width, depth) in enumerate(zip(shape.channels, shape.depths)):
        if level:
            number += 1
            found[f"input_blocks.{number}.0.op.weight"] = [shape.channels[level - 1]] * 2 + [3, 3]
        for _ in range(2):
            number += 1
            block = f"input_blocks.{number}"
            found[f"{block}.0.out_layers.3.weight"] = [width, width, 3, 3]
            found |= dict(transformer(block, depth, width, shape.context_width))
    found |= dict(
        transformer("middle_block", shape.middle_depth, shape.channels[-1], shape.context_width)
    )
    if shape.vector_width:
        found["label_emb.0.0.weight"] = [4 * shape.channels[0], shape.vector_width]
    return found


def transformer(
    block: str, depth: int, width: int, context_width: int
) -> Iterator[tuple[str, list[int]]]:
    for place in range(depth):
        name = f"{block}.1.transformer_blocks.{place}"
        yield f"{name}.attn1.to_k.weight", [width, width]
        yield f"{name}.attn2.to_k.weight", [width, context_width]


@pytest.mark.parametrize("shape", [*SHAPES.values(), REFINER])
def test_the_shape_is_read_off_the_weights(shape: UNetShape) -> None:
    assert shape_of_weights(sizes_of(shape)) == shape


def save(path: Path, sizes: dict[str, Any]) -> str:
    save_file({UNET + name: torch.zeros(size) for name, size in sizes.items()}, path)
    return str(path)


def small(width: int) -> UNetShape:
    return UNetShape((width, 2 * width), (1, 1), 1, context_width=4)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\xff" * 16, b"\x02" + 7 * b"\0" + b"[]"])
def test_what_is_no_such_file_or_a_part_of_a_model_does_not_tell(
    tmp_path: Path, content: bytes
) -> None:
    broken, part = tmp_path / "a.ckpt", tmp_path / "vae.safetensors"
    broken.write_bytes(content)
    save_file({"first_stage_model.x": torch.zeros(1)}, part)
    for path in (tmp_path / "missing", broken, part):
        assert shape_of_file(str(path)) is None
    # another model has nothing to pool
    path = save(tmp_path / "flux.safetensors", {"double_blocks.0.img_attn.qkv.weight": [3, 1]})
    assert shape_of_file(path) == NOTHING_TO_POOL
    assert not NOTHING_TO_POOL.levels


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """A host with two checkpoints, of which the first is chosen and none loaded."""
    files = {
        name: save(tmp_path / f"{name}.safetensors", sizes_of(small(width)))
        for name, width in (("a", 2), ("b", 3))
    }
    infos = {name: types.SimpleNamespace(filename=file) for name, file in files.items()}
    sd_models = types.SimpleNamespace(
        get_closet_checkpoint_match=infos.get, model_data=types.SimpleNamespace(sd_model=None)
    )
    shared = types.SimpleNamespace(opts=types.SimpleNamespace(data={"sd_model_checkpoint": "a"}))
    monkeypatch.setitem(sys.modules, "modules.sd_models", sd_models)
    monkeypatch.setitem(sys.modules, "modules.shared", shared)
    return types.SimpleNamespace(infos=infos, model_data=sd_models.model_data, opts=shared.opts)


def test_what_is_loaded_is_told_by_its_layers_and_else_by_its_file(
    host: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a hires pass another one is loaded than the one chosen."""
    assert [webui.shape_named(name) for name in ("", "b")] == [small(2), small(3)]
    assert webui.shape_named("c") is None
    monkeypatch.setattr(webui, "shape_of", lambda model: SHAPES["SDXL"])
    host.model_data.sd_model = types.SimpleNamespace(sd_checkpoint_info=host.infos["b"])
    assert webui.shape_named("b") == SHAPES["SDXL"]
    assert webui.shape_named("") == small(2)
    host.opts.data.clear()
    assert webui.shape_named("") == SHAPES["SDXL"]
