"""The command: its options, an end-to-end run on a tiny random pipeline, the files it writes."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from PIL import Image

pytest.importorskip("rich", reason="needs requirements/demo.txt")
pytest.importorskip("matplotlib", reason="needs requirements/demo.txt")

from demo import options
from demo.__main__ import main
from lib_todo import Settings

SMALL = "--hires-from 64 --width 128 --height 96 --steps 4 --strength 0.5 --seed 7".split()


def parse(line: str = "") -> options.Options:
    return options.parse(line.split())


def test_defaults_go_with_the_model(tiny_model: Path) -> None:
    recipe = parse().recipe
    assert (recipe.size, recipe.first) == ((512, 512), (128, 128))
    assert parse().method_names == ("baseline", "todo", "tome")
    recipe = parse(f"--model {tiny_model}").recipe
    assert (recipe.width, recipe.first, recipe.steps) == (1024, (512, 512), 20)
    recipe = parse("--hires-from 128x64 --width 256 --height 128").recipe
    assert (recipe.first, recipe.size) == ((128, 64), (256, 128))
    assert parse("--hires-from none --width 256").recipe.first is None


def test_a_preset_is_a_base_for_the_models_own_grid() -> None:
    todo = parse("--todo-preset fast --todo-end 0.5").methods(16, (64, 64))[1]
    wanted = Settings.from_preset("fast", threshold=16, end=0.5)
    assert todo.settings == dataclasses.asdict(wanted)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--width 100", "multiple of 8"),
        ("--hires-from 1024", "larger than the final"),
        ("--hires-from big", "hires-from must be none, a side"),
        ("--steps 1", "no step"),
        ("--guidance nan", "guidance must be from"),
        ("--repeats 0", "repeats must be from 1"),
        ("--todo-factor 0.5", "factor must be 0 (automatic) or a number from 1 to 8"),
        ("--todo-start 0.6 --todo-end 0.4", "start"),
        ("--tome-ratio 1", "tome-ratio must be from 0"),
        ("--device toaster", "not available"),
        ("--model nonsense", "neither"),
        ("--model /nowhere/model.safetensors", "cannot be read"),
        ("--model /tmp", "no model_index.json"),
        ("--config /tmp", "only for a .safetensors"),
        ("--output /etc/passwd", "not a folder"),
    ],
)
def test_bad_options(line: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(line)
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


def test_it_makes_and_compares_pictures(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    words = ["--prompt", "a “fox”", "--negative-prompt", "blur", "--output", str(tmp_path)]
    assert main(["--model", str(tiny_model), *SMALL, *words]) == 0
    assert "of 7 self-attention layers" in capsys.readouterr().out
    pictures = {f"{name}.png" for name in ("baseline", "side-by-side", "todo", "tome")}
    assert {path.name for path in tmp_path.iterdir()} == pictures | {"comparison.json"}
    with Image.open(tmp_path / "todo.png") as picture:
        assert picture.size == (128, 96)
    figures = json.loads((tmp_path / "comparison.json").read_text("utf-8"))
    baseline, todo, tome = figures["results"]
    assert [result["method"] for result in figures["results"]] == ["baseline", "todo", "tome"]
    assert todo["report"]["steps"] == {"pooled": 2, "seen": 2}
    assert tome["settings"]["ratio"] == 0.8889
    assert todo["speedup"]["step"] == baseline["seconds"]["step"] / todo["seconds"]["step"]
    assert figures["machine"]["device"] == "cpu"


def test_what_cannot_be_loaded_or_is_interrupted_writes_nothing(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setenv("COLUMNS", "200")
    (tmp_path / "model_index.json").write_text('{"_class_name": "StableDiffusionPipeline"}')
    rest = [*SMALL, "--output", str(tmp_path / "out")]
    assert main(["--model", str(tmp_path), *rest]) == 1
    assert "cannot be loaded" in capsys.readouterr().err
    monkeypatch.setattr("comparison.sampling.Sampler.last_pass", interrupted)
    assert main(["--model", str(tiny_model), *rest]) == 130
    assert "interrupted; nothing was written" in capsys.readouterr().out
    assert not (tmp_path / "out").exists()
