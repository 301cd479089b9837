"""The command from end to end on a tiny random pipeline, and the files it writes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

pytest.importorskip("diffusers", reason="needs requirements/demo.txt")

from demo.__main__ import main
from demo.comparison import loading
from demo.comparison.loading import Source
from demo.comparison.pictures import parameters, side_by_side
from demo.comparison.recipe import OptionError, Recipe

ROOT = Path(__file__).parents[2]
SMALL = "--hires-from 64 --hires-to 128x96 --steps 4 --strength 0.5 --seed 7".split()


def test_it_makes_and_compares_pictures(tiny_model: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "demo", "--model", str(tiny_model), *SMALL]
    command += ["--prompt", "a “fox”", "--negative-prompt", "blur", "--output", str(tmp_path)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "100", "NO_COLOR": "1"}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert "of 7 self-attention layers, 2 of 2 steps" in done.stdout
    first_words = [line.split(maxsplit=1)[0] for line in done.stdout.splitlines() if line.strip()]
    for method in ("Baseline", "ToDo", "ToMe"):
        assert method in first_words
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "baseline.png",
        "comparison.json",
        "side-by-side.png",
        "todo.png",
        "tome.png",
    ]
    with Image.open(tmp_path / "todo.png") as picture:
        assert picture.size == (128, 96)
        text = picture.text["parameters"]
    assert text.startswith("a “fox”\nNegative prompt: blur\nSteps: 4, ")
    assert "Seed: 7" in text
    assert "First pass size: 64x64" in text
    assert "ToDo threshold: 8" in text
    figures = json.loads((tmp_path / "comparison.json").read_text("utf-8"))
    baseline, todo, tome = figures["results"]
    assert [result["method"] for result in figures["results"]] == ["baseline", "todo", "tome"]
    # the first of the two steps leads in, with the paper's factor of 2; the second pools by 3
    assert todo["keys"][0] == {"tokens": 192, "layers": 3, "keys": (48 + 24) / 2}
    assert todo["report"]["steps"] == {"pooled": 2, "seen": 2}
    assert tome["settings"]["ratio"] == 0.8889
    assert todo["speedup"]["step"] == baseline["seconds"]["step"] / todo["seconds"]["step"]
    assert len(todo["seconds"]["steps_of_runs"][0]) == 2
    assert figures["machine"]["device"] == "cpu"


def test_a_model_that_cannot_be_loaded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "model_index.json").write_text('{"_class_name": "StableDiffusionPipeline"}')
    monkeypatch.setenv("COLUMNS", "200")
    status = main(["--model", str(tmp_path), *SMALL, "--output", str(tmp_path / "out")])
    assert status == 1
    assert "cannot be loaded" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_interrupted_it_writes_nothing(
    tiny_model: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("demo.comparison.sampling.Sampler.last_pass", interrupted)
    status = main(["--model", str(tiny_model), *SMALL, "--output", str(tmp_path / "out")])
    assert status == 130
    assert "interrupted; nothing was written" in capsys.readouterr().out
    assert not (tmp_path / "out").exists()


def test_the_dtype_asked_for(tiny_model: Path) -> None:
    import torch

    for dtype in (torch.float32, torch.bfloat16):
        assert loading.load(Source(str(tiny_model)), "cpu", dtype).dtype == dtype
    assert loading.choose_dtype("auto", "cpu") == torch.float32
    assert loading.choose_dtype("auto", "cuda:1") == torch.float16
    assert loading.choose_dtype("bfloat16", "cuda") == torch.bfloat16


def test_a_file_of_another_architecture_is_told(tmp_path: Path, tiny_model: Path) -> None:
    import torch
    from safetensors.torch import save_file

    path = tmp_path / "other.safetensors"
    save_file({"weight": torch.zeros(3)}, path)
    with pytest.raises(OptionError, match="cannot be loaded"):
        loading.load(Source(str(path), str(tiny_model)), "cpu", torch.float32)


def test_side_by_side_shows_every_picture() -> None:
    cells = [
        (Image.new("RGB", size, colour), colour, ["a line", "another × → line"])
        for size, colour in (((64, 64), "red"), ((1024, 512), "blue"))
    ]
    sheet = side_by_side(cells)
    assert sheet.size[0] == 12 + 2 * (512 + 12)
    assert sheet.getpixel((12 + 256, 12 + 256)) == (255, 0, 0)
    assert sheet.getpixel((12 + 512 + 12 + 256, 12 + 100)) == (0, 0, 255)


def test_parameters_of_a_picture_without_a_first_pass() -> None:
    text = parameters(Recipe("a fox", steps=5), "Baseline", {}, "built-in")
    assert text == (
        "a fox\nSteps: 5, CFG scale: 7.5, Seed: 0, Size: 512x512, "
        'Model: "built-in", Method: Baseline'
    )
