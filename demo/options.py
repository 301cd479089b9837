"""The command's options with defaults filled in, checked before anything is loaded."""

from __future__ import annotations

import argparse
import dataclasses
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from comparison.loading import BUILT_IN, DTYPES, Source, choose_device
from comparison.recipe import OptionError, Recipe
from demo.methods import TITLES, USUAL, Method, make_methods, tome_options
from lib_todo import Settings, SettingsError
from lib_todo.plan import Grid
from lib_todo.settings import FIELDS, NATIVE_GRID, PRESETS

PROMPT = "a mushroom in the night"
_NAMES = ("width", "height", "hires_from", "steps", "guidance", "strength", "repeats")
# hires fix from the size that it was trained at; with a higher strength, most of its subjects
# dissolve at four times that size
OF_BUILT_IN = dict(zip(_NAMES, (512, 512, "128", 28, 3.0, 0.3, 2)))
# of any other model, which is assumed to be SD 1.x
OF_OTHERS = dict(zip(_NAMES, (1024, 1024, "512", 20, 7.5, 0.6, 1)))
MOST_REPEATS = 100
SIZE = re.compile(r"(\d+)(?:[x×](\d+))?")
OUTPUT = Path(__file__).parent / "output"


@dataclasses.dataclass(frozen=True)
class Options:
    """The checked options."""

    source: Source
    recipe: Recipe
    method_names: tuple[str, ...]
    todo: dict[str, Any]
    tome: dict[str, Any]
    device: str
    dtype: str
    repeats: int
    output: Path

    def methods(self, native: int, largest: Grid) -> list[Method]:
        """The methods asked for, for a model of that trained grid and a picture's largest grid."""
        todo = todo_settings(self.todo, native)
        return make_methods(self.method_names, todo, self.tome, native, largest)


def todo_settings(values: Mapping[str, Any], native_grid: int) -> Settings:
    """ToDo's settings: single values over their `preset`, or over balanced without one.

    Raises SettingsError.
    """
    return Settings.from_mapping({"preset": "balanced", "threshold": native_grid, **values})


def build_parser() -> argparse.ArgumentParser:
    """The parser. A default of None depends on the model."""
    parser = argparse.ArgumentParser(
        prog="python -m demo",
        usage="%(prog)s [options]",
        description="Make one picture without downsampling, with ToDo and with ToMe, and compare "
        "what they look like and what they cost. See docs/demo.md.",
    )
    add_model(parser.add_argument_group("model"))
    add = parser.add_argument_group("picture").add_argument
    add("--prompt", default=PROMPT, help=f"default: {PROMPT}")
    add("--negative-prompt", default="")
    add("--seed", type=int, default=0, help="random seed (default: 0)")
    add("--steps", type=int, help="sampling steps; the hires pass runs steps × strength of them")
    add("--guidance", type=float, help="CFG scale; 0 or 1 for no guidance")
    add("--width", type=int, help="final width in pixels")
    add("--height", type=int, help="final height in pixels")
    size = "hires fix: size of the first pass, such as 128 or 128x192; none switches it off"
    add("--hires-from", metavar="SIZE", help=size)
    add("--strength", type=float, help="denoising strength of the hires pass, from 0.01 to 1")
    add = parser.add_argument_group("comparison").add_argument
    usual = " ".join(USUAL)
    add("--methods", nargs="+", choices=TITLES, default=list(USUAL), help=f"default: {usual}")
    add("--repeats", type=int, help="runs of each method; times are medians")
    add("--output", type=Path, default=OUTPUT, help="folder to write to")
    add = parser.add_argument_group("ToDo").add_argument
    preset = "the options below override it (default: balanced)"
    add("--todo-preset", choices=list(PRESETS), help=preset)
    for field in FIELDS:
        # only the final pass is pooled here
        if field.name not in ("enabled", "passes"):
            form = {"choices": field.choices} if field.choices else {"metavar": "N"}
            option = f"--todo-{field.name.replace('_', '-')}"
            add(option, type=field.kind, help=field.allowed, **form)
    add = parser.add_argument_group("ToMe (tomesd)").add_argument
    ratio = "share of tokens to merge, from 0 to below 1 (default: as many as ToDo leaves out)"
    add("--tome-ratio", type=float, metavar="N", help=ratio)
    return parser


def add_model(group: argparse._ArgumentGroup | argparse.ArgumentParser) -> None:
    """The options that name a model and where it runs."""
    group.add_argument(
        "--model",
        default=BUILT_IN,
        help="a diffusers folder, a name on the Hugging Face hub (owner/name) or a .safetensors "
        "checkpoint of SD 1.x, 2.x or SDXL (default: the small model in this repository)",
    )
    group.add_argument(
        "--config",
        default="",
        help="for a .safetensors file: a diffusers folder of the same architecture "
        "(default: downloaded from the hub)",
    )
    group.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps")
    group.add_argument("--dtype", default="auto", choices=["auto", *DTYPES])


def parse(argv: Sequence[str] | None = None) -> Options:
    """The options of a command line. A bad one ends the program with an error."""
    parser = build_parser()
    given = vars(parser.parse_args(argv))
    try:
        return _read({name: value for name, value in given.items() if value is not None})
    except (OptionError, SettingsError) as error:
        parser.error(str(error))


def _read(given: dict[str, Any]) -> Options:
    values = {**(OF_BUILT_IN if given["model"] == BUILT_IN else OF_OTHERS), **given}
    todo, tome = with_prefix("todo_", values), with_prefix("tome_", values)
    todo_settings(todo, NATIVE_GRID)
    tome_options(**tome)
    if not 1 <= values["repeats"] <= MOST_REPEATS:
        raise OptionError(f"repeats must be from 1 to {MOST_REPEATS}, not {values['repeats']}")
    if values["output"].exists() and not values["output"].is_dir():
        raise OptionError(f"output {str(values['output'])!r} is not a folder")
    fields = {field.name for field in dataclasses.fields(Recipe)}
    picture = {name: value for name, value in values.items() if name in fields}
    return Options(
        source=Source(values["model"], values["config"]),
        recipe=Recipe(first=_size(values["hires_from"]), **picture),
        method_names=tuple(values["methods"]),
        todo=todo,
        tome=tome,
        device=choose_device(values["device"]),
        dtype=values["dtype"],
        repeats=values["repeats"],
        output=values["output"],
    )


def with_prefix(prefix: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values whose names start with `prefix` ("todo_" or "tome_"), by the rest of the name."""
    return {
        name.removeprefix(prefix): value
        for name, value in values.items()
        if name.startswith(prefix)
    }


def _size(text: str) -> tuple[int, int] | None:
    if text == "none":
        return None
    match = SIZE.fullmatch(text)
    if not match:
        raise OptionError(
            f"hires-from must be none, a side such as 512 or a size such as 512x768: {text!r}"
        )
    width = int(match[1])
    return width, int(match[2] or width)
