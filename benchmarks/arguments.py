"""The benchmark's command line: options, and checks beyond argparse's."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmarks.models import attention_backends
from benchmarks.models.hires import STEPS
from benchmarks.models.unets import CONFIGS
from benchmarks.parts import layer, quality, samplers
from benchmarks.peers.names import (
    ALL,
    DENSE,
    DIFFUSERS,
    FLOOR,
    HIDIFFUSION,
    HYPERTILE,
    IDEAL,
    LDM,
    OLDER,
    REFERENCE,
    TODO,
)
from benchmarks.running.timing import CLOCKS
from lib_todo import Settings, SettingsError
from lib_todo.settings import BY_NAME, METHODS

DESCRIPTION = "Measure speed, memory and error of ToDo and of other methods on this machine."
BUILT_IN = Path(__file__).parent.parent / "demo" / "model"
RESULTS = "results.json"
# in the order in which they are measured
PARTS = (
    "overhead",
    "calibration",
    "unet",
    "memory",
    "layer",
    "quality",
    "samplers",
    "generations",
    "webui-samplers",
    "report",
)


def parse(words: Sequence[str] | None = None) -> argparse.Namespace:
    """The options, with those that `--quick` sets.

    Args:
        words: the command line; this process's without it.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=DESCRIPTION)
    parser.add_argument(
        "--quick",
        action="store_true",
        help="check everything in a minute; the numbers mean nothing",
    )
    parser.add_argument(
        "--parts", nargs="+", choices=PARTS, default=PARTS, help="what to measure (default: all)"
    )
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, help="PyTorch's threads on the CPU")
    parser.add_argument(
        "--clock", choices=CLOCKS, default="wall", help="cpu if other processes use the machine too"
    )
    parser.add_argument("--rounds", type=int, default=5, help="runs of each method at each size")
    parser.add_argument("--minutes", type=float, default=10, help="no run starts after this time")
    parser.add_argument("--batch", type=int, default=2, help="images per U-Net call")
    parser.add_argument("--kinds", nargs="+", choices=(DIFFUSERS, LDM), default=(DIFFUSERS, LDM))
    parser.add_argument(
        "--architectures",
        nargs="+",
        choices=CONFIGS,
        default=["SD 1.x"],
        help="U-Nets to call (default: SD 1.x)",
    )
    parser.add_argument(
        "--sizes",
        nargs="+",
        type=int,
        help="sides in pixels of U-Net calls",
        default=[1024, 768, 512],
    )
    parser.add_argument("--layers", nargs="+", choices=layer.LAYERS, default=list(layer.LAYERS))
    parser.add_argument(
        "--sides", nargs="+", type=int, help="sides in tokens of layers", default=[64, 96, 128]
    )
    parser.add_argument(
        "--methods",
        nargs="+",
        choices=list(dict.fromkeys([*ALL, *layer.METHOD_NAMES])),
        metavar="METHOD",
        help="methods for layers and U-Net calls (default: all)",
    )
    parser.add_argument(
        "--attentions",
        nargs="+",
        choices=attention_backends.NAMES,
        help="attention backends for U-Net calls (default: all)",
    )
    parser.add_argument("--threshold", type=int, default=BY_NAME["threshold"].default)
    parser.add_argument(
        "--reference", type=Path, help="folder of the paper's code, ImprovedTokenMerge"
    )
    parser.add_argument("--older", type=Path, help="folder of sd-webui-token-downsampling")
    parser.add_argument("--webui", type=Path, help="folder of AUTOMATIC1111's WebUI, for HyperTile")
    parser.add_argument(
        "--checkpoint",
        type=Path,
        default=BUILT_IN,
        help="a diffusers folder, for quality, samplers and generations",
    )
    parser.add_argument(
        "--native",
        type=int,
        default=128,
        help="the size in pixels that the checkpoint was trained at",
    )
    parser.add_argument(
        "--variants", nargs="+", help="methods for quality and samplers (default: all)"
    )
    parser.add_argument(
        "--samplings",
        nargs="+",
        choices=list(samplers.SAMPLINGS),
        metavar="SAMPLING",
        help="for samplers, such as 'Euler a, 16 steps, strength 0.6' (default: all)",
    )
    parser.add_argument(
        "--seeds", type=int, default=16, help="pictures per setting, each with its own random seed"
    )
    parser.add_argument(
        "--enlargements",
        nargs="+",
        type=int,
        default=[2, 3],
        help="how many times the trained size (default: 2 3)",
    )
    parser.add_argument("--api", help="address of a WebUI that runs with --api")
    parser.add_argument(
        "--api-samplers", nargs="+", help="samplers by the WebUI's names (default: all)"
    )
    parser.add_argument("--api-size", type=int, default=768, help="pixels a side")
    parser.add_argument("--api-steps", type=int, default=4, help="sampling steps")
    parser.add_argument("--out", type=Path, default=Path("artifacts/benchmarks"), help="folder")
    parser.add_argument("--docs", type=Path, help="a Markdown file whose marked tables are updated")
    parser.set_defaults(steps=STEPS)
    args = parser.parse_args(words)
    _check(parser, args)
    return _quick(args) if args.quick else args


def _check(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """Checks that argparse does not do."""
    only_report = list(args.parts) == ["report"]
    if args.quick and args.docs:
        parser.error("--docs with --quick: the numbers of --quick mean nothing")
    if args.quick and only_report:
        parser.error("--parts report with --quick: --quick always measures first")
    if only_report and not (args.out / RESULTS).is_file():
        parser.error(f"--parts report: there is no {args.out / RESULTS}; measure first")
    if min(args.enlargements) < 2:
        parser.error(f"--enlargements {min(args.enlargements)}: nothing is pooled below 2")
    try:
        known = quality.names(args.native, args.enlargements)
    except SettingsError as error:
        parser.error(f"--native {args.native}: {error}")
    try:
        Settings.from_preset("paper", threshold=args.threshold)
    except SettingsError as error:
        parser.error(f"--threshold {args.threshold}: {error}")
    for name in args.variants or ():
        if name not in known:
            parser.error(f"--variants {name!r}: at these enlargements one of {', '.join(known)}")


def _quick(args: argparse.Namespace) -> argparse.Namespace:
    """Everything small enough for a minute; the numbers mean nothing."""
    args.architectures, args.sizes, args.batch = ["narrow"], [256], 1
    args.layers, args.sides = list(layer.LAYERS)[:1], [32]
    args.rounds, args.minutes, args.threshold = 1, 1, 16
    args.seeds, args.enlargements, args.steps = 1, [2], 4
    args.variants = ["ToDo nearest"]
    args.samplings = list(samplers.SAMPLINGS)[:1]
    # one method of each kind; for layers all
    args.methods = [*(f"ToDo {name}" for name in METHODS), DENSE, TODO, IDEAL, FLOOR]
    args.methods += ["ToMe 0.75", REFERENCE, OLDER, HYPERTILE, HIDIFFUSION]
    args.out = args.out / "quick"
    (args.out / RESULTS).unlink(missing_ok=True)
    return args
