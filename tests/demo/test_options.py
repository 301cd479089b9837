"""The command's options: defaults, presets, and errors before anything is loaded."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("diffusers", reason="needs requirements/demo.txt")

from demo.command import options
from demo.comparison import defaults
from demo.comparison.methods import Baseline, ToDo, ToMe
from lib_todo import Settings
from lib_todo.settings import PRESETS

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _built_in(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The embedded model need not be in the checkout to parse options."""
    monkeypatch.setattr("demo.comparison.loading.BUILT_IN_FOLDER", tiny_model)


def parse(line: str = "") -> options.Options:
    return options.parse(line.split())


def test_the_embedded_models_defaults() -> None:
    recipe = parse().recipe
    assert (recipe.width, recipe.height, recipe.first) == (512, 512, (128, 128))
    assert parse().method_names == ("baseline", "todo", "tome")


def test_another_models_defaults(tiny_model: Path) -> None:
    recipe = parse(f"--model {tiny_model}").recipe
    assert (recipe.width, recipe.first, recipe.steps) == (1024, (512, 512), 20)


@pytest.mark.parametrize(
    ("side", "factor", "ratio", "stride"),
    [(1024, 2, 0.75, 2), (1536, 3, 0.89, 3), (2048, 4, 0.9375, 4)],
)
def test_the_papers_sizes(
    tiny_model: Path, side: int, factor: int, ratio: float, stride: int
) -> None:
    parsed = parse(f"--model {tiny_model} --paper-size {side}")
    assert parsed.recipe.size == (side, side)
    baseline, todo, tome = parsed.methods(64, (side // 8, side // 8))
    assert baseline == Baseline()
    assert todo == ToDo(Settings(factor=factor, deep_factor=1, threshold=64, phase="fixed"))
    assert tome == ToMe(ratio, stride)


def test_a_given_option_overrides_the_papers(tiny_model: Path) -> None:
    parsed = parse(f"--model {tiny_model} --paper-size 2048 --todo-factor 3 --width 1024")
    assert parsed.recipe.size == (1024, 2048)
    assert parsed.methods(64, (256, 128))[1].todo.factor == 3


def test_the_threshold_is_the_models_own_grid_and_tome_matches_todo() -> None:
    _, todo, tome = parse().methods(16, (64, 64))
    assert todo.todo == Settings(threshold=16)
    # balanced goes half as far again as the paper: 6 at four times the size
    assert tome == ToMe(0.9722, 6)


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_a_base_for_the_models_own_grid(name: str) -> None:
    todo = parse(f"--todo-preset {name} --todo-end 0.5").methods(16, (64, 64))[1]
    assert todo.todo == Settings.from_preset(name, native_grid=16, end=0.5)


def test_tome_matches_as_far_as_a_given_stride_reaches() -> None:
    assert parse("--tome-stride 2").methods(16, (64, 64))[2] == ToMe(0.75, 2)


def test_hires_sizes() -> None:
    recipe = parse("--hires-from 128x64 --hires-to 256x128").recipe
    assert (recipe.first, recipe.size) == ((128, 64), (256, 128))
    assert parse("--hires-from none --width 256").recipe.first is None


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--width 100", "multiple of 8"),
        ("--height 8192", "from 64 to 4096"),
        ("--hires-from 1024", "larger than the final"),
        ("--hires-from big", "hires-from must be a side"),
        ("--hires-to 256 --width 256", "leave out width"),
        ("--steps 0", "steps must be from 1"),
        ("--steps 1", "no step"),
        ("--strength 1.5", "strength must be from"),
        ("--guidance nan", "guidance must be from"),
        ("--seed -1", "seed must be from 0"),
        ("--repeats 0", "repeats must be from 1"),
        ("--todo-factor 0.5", "factor must be 0 (automatic) or a number from 1 to 8"),
        ("--todo-start 0.6 --todo-end 0.4", "start"),
        ("--todo-threshold 1.5", "invalid int"),
        ("--todo-method mean", "invalid choice"),
        ("--todo-preset slow", "invalid choice"),
        ("--tome-ratio 1", "tome-ratio must be from 0"),
        ("--tome-ratio 0.9 --tome-stride 2", "allows at most 0.75"),
        ("--tome-stride 1", "tome-stride must be"),
        ("--tome-max-downsample 3", "invalid choice"),
        ("--methods todo hypertile", "invalid choice"),
        ("--paper-size 640", "invalid choice"),
        ("--device cuda:99x", "not available"),
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


def test_a_broken_file_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "broken.safetensors"
    path.write_bytes(b"not a checkpoint")
    with pytest.raises(SystemExit):
        parse(f"--model {path}")
    assert "cannot be read" in capsys.readouterr().err


def test_a_bad_option_is_told_before_diffusers_is_imported() -> None:
    code = (
        "import sys, demo.__main__ as command\n"
        "try: command.main(['--steps', '0'])\n"
        "finally: print('diffusers' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (2, "False")
    assert done.stderr.endswith("steps must be from 1 to 1000, not 0\n")


def test_defaults_name_only_what_the_command_has() -> None:
    known = vars(options.build_parser().parse_args([]))
    for values in (defaults.BUILT_IN, defaults.SD1, *defaults.PAPER_SIZES.values()):
        assert set(values) <= set(known)
