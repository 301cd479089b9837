"""The command's arguments as argparse knows them: names, types and help."""

from __future__ import annotations

import argparse
from pathlib import Path

from demo.comparison import defaults, methods
from demo.comparison.loading import BUILT_IN, DTYPES
from lib_todo.settings import BY_NAME, METHODS, PRESETS

# the defaults of ToDo's single settings; the preset decides the others
USUALLY = {
    "threshold": " (default: the model's trained grid; half of it with the preset fast)",
    "start": " (default: 0)",
    "end": " (default: 1)",
}
OUTPUT = Path(__file__).parents[1] / "output"


def build_parser() -> argparse.ArgumentParser:
    """The parser. A default of None depends on the model or on --paper-size."""
    parser = argparse.ArgumentParser(
        prog="python -m demo",
        usage="%(prog)s [options]",
        description="Make one picture without downsampling, with ToDo and with ToMe, and compare "
        "what they look like and what they cost. See docs/demo.md.",
    )
    _add_model(parser.add_argument_group("model"))
    _add_picture(parser.add_argument_group("picture"))
    _add_comparison(parser.add_argument_group("comparison"))
    _add_todo(parser.add_argument_group("ToDo"))
    _add_tome(parser.add_argument_group("ToMe (tomesd)"))
    return parser


def _add_model(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--model",
        default=BUILT_IN,
        help="a diffusers folder, a name on the Hugging Face hub (owner/name) or a .safetensors "
        "checkpoint of SD 1.x, 2.x or SDXL (default: the small model in this repository)",
    )
    group.add_argument(
        "--config",
        help="for a .safetensors file: a diffusers folder of the same architecture "
        "(default: downloaded from the hub)",
    )
    group.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps")
    group.add_argument("--dtype", default="auto", choices=["auto", *DTYPES])


def _add_picture(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--prompt", default=defaults.PROMPT, help=f"default: {defaults.PROMPT}")
    group.add_argument("--negative-prompt", default="")
    group.add_argument("--seed", type=int, default=0, help="random seed (default: 0)")
    group.add_argument(
        "--steps", type=int, help="sampling steps; the hires pass runs steps × strength of them"
    )
    group.add_argument("--guidance", type=float, help="CFG scale; 0 or 1 for no guidance")
    group.add_argument("--width", type=int, help="final width in pixels")
    group.add_argument("--height", type=int, help="final height in pixels")
    group.add_argument(
        "--hires-from",
        metavar="SIZE",
        help="hires fix: size of the first pass, such as 128 or 128x192; none switches it off",
    )
    group.add_argument(
        "--hires-to",
        metavar="SIZE",
        help="final size, such as 512x768; instead of --width and --height",
    )
    group.add_argument(
        "--strength", type=float, help="denoising strength of the hires pass, from 0.01 to 1"
    )
    group.add_argument(
        "--paper-size",
        type=int,
        choices=list(defaults.PAPER_SIZES),
        help="the paper's settings for SD 1.x at this side in pixels: ToDo factor 2, 3, 4, ToMe "
        "ratio 0.75, 0.89, 0.9375",
    )


def _add_comparison(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--methods",
        nargs="+",
        choices=methods.NAMES,
        default=list(methods.USUAL),
        help=f"default: {' '.join(methods.USUAL)}",
    )
    group.add_argument(
        "--repeats",
        type=int,
        help="runs of each method; times are medians (default: 2 with the small model, else 1)",
    )
    group.add_argument("--output", type=Path, default=OUTPUT, help="folder to write to")


def _add_todo(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--todo-preset",
        choices=list(PRESETS),
        help="the options below override it (default: balanced)",
    )
    for name in ("factor", "deep_factor", "threshold", "scale", "deep_scale", "start", "end"):
        field = BY_NAME[name]
        group.add_argument(
            f"--todo-{name.replace('_', '-')}",
            type=field.kind,
            metavar="N",
            help=f"{field.allowed}{USUALLY.get(name, '')}",
        )
    group.add_argument("--todo-method", choices=METHODS, help="how tokens are pooled")
    group.add_argument(
        "--todo-phase",
        choices=BY_NAME["phase"].choices,
        help="whether each step takes other tokens",
    )


def _add_tome(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--tome-ratio",
        type=float,
        metavar="N",
        help="share of tokens to merge, from 0 to below 1 (default: as many as ToDo leaves out)",
    )
    group.add_argument(
        "--tome-stride",
        type=int,
        metavar="N",
        help="limits the ratio to 1-1/N² (default: the smallest that allows the ratio)",
    )
    group.add_argument(
        "--tome-max-downsample",
        type=int,
        choices=methods.TOME_LEVELS,
        help="merge in levels down to 1/N of the latent's size (default: 1, only that size)",
    )
