"""The built-in model: its size, the pictures it makes, and its conversion for A1111."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

pytest.importorskip("rich", reason="needs requirements/demo.txt")

from comparison.loading import Source, load
from demo import convert
from demo.convert import MODEL, PREFIXES

# what a clone has to carry
LIMIT = 18_000_000


@pytest.fixture(scope="module")
def pipe() -> Any:
    from diffusers import StableDiffusionPipeline

    loaded = StableDiffusionPipeline.from_pretrained(
        MODEL, safety_checker=None, local_files_only=True
    )
    loaded.set_progress_bar_config(disable=True)
    return loaded


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return convert.convert(MODEL, tmp_path_factory.mktemp("a1111"))


def test_the_folder_is_small() -> None:
    assert sum(file.stat().st_size for file in MODEL.rglob("*") if file.is_file()) <= LIMIT


def test_it_makes_the_picture_that_was_asked_for(pipe: Any) -> None:
    """The colours of the backgrounds are far apart, so that means tell them from each other."""
    prompts = ["a fox in the night", "a fox in the snow", "a fox in a meadow"]
    # one token a word, between the start and the end
    assert [len(ids) for ids in pipe.tokenizer(prompts).input_ids] == [7, 7, 7]
    night, snow, meadow = pipe(
        prompts,
        height=128,
        width=128,
        num_inference_steps=10,
        guidance_scale=3.0,
        generator=torch.Generator().manual_seed(0),
        output_type="pt",
    ).images
    assert night.mean() < 0.4 < snow.mean()
    corners = meadow[:, -32:, :24].mean((1, 2))
    assert corners[1] > corners[0] and corners[1] > corners[2]


def test_the_converted_files_name_each_other_and_are_read_as_one_file(
    pipe: Any, checkpoint: Path
) -> None:
    params = yaml.safe_load(checkpoint.with_suffix(".yaml").read_text("utf-8"))["model"]["params"]
    clip = Path(params["cond_stage_config"]["params"]["version"])
    assert params["parameterization"] == "v"
    assert {file.name for file in clip.iterdir()} >= {"vocab.json", "merges.txt", "config.json"}
    loaded = load(Source(str(checkpoint), str(MODEL)), "cpu", torch.float32)
    for part in PREFIXES:
        wanted, got = (getattr(each, part).state_dict() for each in (pipe, loaded))
        assert wanted.keys() == got.keys()
        assert all(torch.equal(got[name], weight) for name, weight in wanted.items())
