"""What the benchmark's command line takes, and what it refuses."""

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

DESCRIPTION = "What ToDo saves and costs, beside its peers and bounds, on this machine."
BUILT_IN = Path(__file__).parent.parent / "demo" / "model"
RESULTS = "results.json"
# in the order they are measured in
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
    """What is asked for, with `--quick` worked out.

    Args:
        words: of the command line; those of this process without it.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=DESCRIPTION)
    parser.add_argument("--quick", action="store_true", help="a check of everything, no result")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, help="of PyTorch on the CPU")
    parser.add_argument(
        "--clock", choices=CLOCKS, default="wall", help="cpu on a machine that others use too"
    )
    parser.add_argument("--rounds", type=int, default=5, help="runs of each method and size")
    parser.add_argument("--minutes", type=float, default=10, help="no round starts after these")
    parser.add_argument("--batch", type=int, default=2, help="images in a U-Net call")
    parser.add_argument("--kinds", nargs="+", choices=(DIFFUSERS, LDM), default=(DIFFUSERS, LDM))
    parser.add_argument("--architectures", nargs="+", choices=CONFIGS, default=["SD 1.x"])
    parser.add_argument("--sizes", nargs="+", type=int, help="in pixels", default=[1024, 768, 512])
    parser.add_argument("--layers", nargs="+", choices=layer.LAYERS, default=list(layer.LAYERS))
    parser.add_argument("--sides", nargs="+", type=int, help="in tokens", default=[64, 96, 128])
    parser.add_argument(
        "--methods",
        nargs="+",
        choices=list(dict.fromkeys([*ALL, *layer.METHOD_NAMES])),
        metavar="METHOD",
        help="of layers and U-Net calls; all without it",
    )
    parser.add_argument(
        "--attentions",
        nargs="+",
        choices=attention_backends.NAMES,
        help="of U-Net calls; all without it",
    )
    parser.add_argument("--threshold", type=int, default=BY_NAME["threshold"].default)
    parser.add_argument("--reference", type=Path, help="folder of the authors' ImprovedTokenMerge")
    parser.add_argument("--older", type=Path, help="folder of sd-webui-token-downsampling")
    parser.add_argument("--webui", type=Path, help="folder of AUTOMATIC1111's WebUI, for HyperTile")
    parser.add_argument(
        "--checkpoint",
        type=Path,
        default=BUILT_IN,
        help="a diffusers folder, for quality and generations",
    )
    parser.add_argument("--native", type=int, default=128, help="its own size in pixels")
    parser.add_argument("--variants", nargs="+", help="of the quality; all without it")
    parser.add_argument(
        "--samplings",
        nargs="+",
        choices=list(samplers.SAMPLINGS),
        metavar="SAMPLING",
        help="of the samplers, such as 'Euler a, 16 steps, strength 0.6'; all without it",
    )
    parser.add_argument("--seeds", type=int, default=16, help="pictures of each setting")
    parser.add_argument("--enlargements", nargs="+", type=int, default=[2, 3])
    parser.add_argument("--api", help="address of a running WebUI with --api")
    parser.add_argument(
        "--api-samplers", nargs="+", help="by the WebUI's names; all that it offers without it"
    )
    parser.add_argument("--api-size", type=int, default=768, help="in pixels")
    parser.add_argument("--api-steps", type=int, default=4)
    parser.add_argument("--out", type=Path, default=Path("artifacts/benchmarks"))
    parser.add_argument("--docs", type=Path, help="a Markdown file whose marked tables to renew")
    parser.set_defaults(steps=STEPS)
    args = parser.parse_args(words)
    _check(parser, args)
    return _quick(args) if args.quick else args


def _check(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """What argparse cannot see by itself."""
    only_report = list(args.parts) == ["report"]
    if args.quick and args.docs:
        parser.error("--docs with --quick: its numbers mean nothing and belong into no page")
    if args.quick and only_report:
        parser.error("--parts report with --quick: it measures, and reports that")
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
    """Small enough for a minute; its numbers mean nothing."""
    args.architectures, args.sizes, args.batch = ["narrow"], [256], 1
    args.layers, args.sides = list(layer.LAYERS)[:1], [32]
    args.rounds, args.minutes, args.threshold = 1, 1, 16
    args.seeds, args.enlargements, args.steps = 1, [2], 4
    args.variants = ["ToDo nearest"]
    args.samplings = list(samplers.SAMPLINGS)[:1]
    # of each kind of method one; of the layers' all
    args.methods = [*(f"ToDo {name}" for name in METHODS), DENSE, TODO, IDEAL, FLOOR]
    args.methods += ["ToMe 0.75", REFERENCE, OLDER, HYPERTILE, HIDIFFUSION]
    args.out = args.out / "quick"
    (args.out / RESULTS).unlink(missing_ok=True)
    return args
