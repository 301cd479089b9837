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
    BALANCED,
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
from benchmarks.running.timing import CLOCKS, KERNELS
from lib_todo import Settings, SettingsError
from lib_todo.settings import BY_NAME, METHODS

DESCRIPTION = "Measure speed, memory and error of ToDo and of other methods on this machine."
BUILT_IN = Path(__file__).parent.parent / "demo" / "model"
RESULTS = "results.json"
# of a whole pass through a U-Net of real shape
PASS_STEPS = 20
# in the order in which they are measured
PARTS = (
    "overhead",
    "calibration",
    "unet",
    "passes",
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
    _add_run(parser.add_argument_group("run"))
    _add_calls(parser.add_argument_group("U-Net calls and layers"))
    _add_pictures(parser.add_argument_group("quality, samplers and generations"))
    _add_webui(parser.add_argument_group("a running WebUI"))
    parser.set_defaults(steps=STEPS, pass_steps=PASS_STEPS)
    args = parser.parse_args(words)
    _check(parser, args)
    return _quick(args) if args.quick else args


def _add_run(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--quick",
        action="store_true",
        help="check everything in a minute; the numbers mean nothing",
    )
    group.add_argument(
        "--parts", nargs="+", choices=PARTS, default=PARTS, help="what to measure (default: all)"
    )
    group.add_argument(
        "--device", default="cuda" if torch.cuda.is_available() else "cpu", help="cpu, cuda, cuda:1"
    )
    group.add_argument("--threads", type=int, help="PyTorch's threads on the CPU")
    group.add_argument(
        "--clock",
        choices=(*CLOCKS, KERNELS),
        default="wall",
        help="cpu if other processes use the machine too; kernels for a GPU without Python",
    )
    group.add_argument("--rounds", type=int, default=5, help="runs of each method at each size")
    group.add_argument("--minutes", type=float, default=10, help="no run starts after this time")
    group.add_argument("--out", type=Path, default=Path("artifacts/benchmarks"), help="folder")
    group.add_argument("--docs", type=Path, help="a Markdown file whose marked tables are updated")


def _add_calls(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--batch", type=int, default=2, help="images per U-Net call")
    group.add_argument(
        "--kinds",
        nargs="+",
        choices=(DIFFUSERS, LDM),
        default=(DIFFUSERS, LDM),
        help="implementations of the U-Net (default: both)",
    )
    group.add_argument(
        "--architectures",
        nargs="+",
        choices=CONFIGS,
        default=["SD 1.x"],
        help="U-Nets to call (default: SD 1.x)",
    )
    group.add_argument(
        "--sizes",
        nargs="+",
        type=int,
        help="sides in pixels of U-Net calls",
        default=[1024, 768, 512],
    )
    group.add_argument(
        "--layers",
        nargs="+",
        choices=layer.LAYERS,
        default=list(layer.LAYERS),
        help="single layers (default: all)",
    )
    group.add_argument(
        "--sides", nargs="+", type=int, help="sides in tokens of layers", default=[64, 96, 128]
    )
    group.add_argument(
        "--methods",
        nargs="+",
        choices=list(dict.fromkeys([*ALL, *layer.METHOD_NAMES])),
        metavar="METHOD",
        help="methods for layers and U-Net calls (default: all)",
    )
    group.add_argument(
        "--attentions",
        nargs="+",
        choices=attention_backends.NAMES,
        help="attention backends for U-Net calls (default: all)",
    )
    group.add_argument(
        "--threshold", type=int, default=BY_NAME["threshold"].default, help="ToDo's, in tokens"
    )
    group.add_argument(
        "--reference", type=Path, help="folder of the paper's code, ImprovedTokenMerge"
    )
    group.add_argument("--older", type=Path, help="folder of sd-webui-token-downsampling")
    group.add_argument("--webui", type=Path, help="folder of AUTOMATIC1111's WebUI, for HyperTile")


def _add_pictures(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--checkpoint",
        type=Path,
        default=BUILT_IN,
        help="a diffusers folder, for quality, samplers and generations",
    )
    group.add_argument(
        "--native",
        type=int,
        default=128,
        help="the size in pixels that the checkpoint was trained at",
    )
    group.add_argument(
        "--variants", nargs="+", help="methods for quality and samplers (default: all)"
    )
    group.add_argument(
        "--samplings",
        nargs="+",
        choices=list(samplers.SAMPLINGS),
        metavar="SAMPLING",
        help="for samplers, such as 'Euler a, 16 steps, strength 0.6' (default: all)",
    )
    group.add_argument(
        "--seeds", type=int, default=16, help="pictures per setting, each with its own random seed"
    )
    group.add_argument(
        "--enlargements",
        nargs="+",
        type=int,
        default=[2, 3],
        help="how many times the trained size (default: 2 3)",
    )


def _add_webui(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--api", help="address of a WebUI that runs with --api")
    group.add_argument(
        "--api-samplers", nargs="+", help="samplers by the WebUI's names (default: all)"
    )
    group.add_argument("--api-size", type=int, default=768, help="pixels a side")
    group.add_argument("--api-steps", type=int, default=4, help="sampling steps")


def _check(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """Checks that argparse does not do."""
    only_report = list(args.parts) == ["report"]
    if args.quick and args.docs:
        parser.error("--docs with --quick: the numbers of --quick mean nothing")
    if args.quick and only_report:
        parser.error("--parts report with --quick: --quick always measures first")
    if only_report and not (args.out / RESULTS).is_file():
        parser.error(f"--parts report: there is no {args.out / RESULTS}; measure first")
    if args.clock == KERNELS and not args.device.startswith("cuda"):
        parser.error(f"--clock kernels --device {args.device}: it is for a GPU of CUDA")
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
    args.seeds, args.enlargements, args.steps, args.pass_steps = 1, [2], 4, 5
    args.variants = ["ToDo nearest"]
    args.samplings = list(samplers.SAMPLINGS)[:1]
    # one method of each kind; for layers all
    args.methods = [*(f"ToDo {name}" for name in METHODS), DENSE, TODO, IDEAL, FLOOR]
    args.methods += [BALANCED, "ToMe 0.75", REFERENCE, OLDER, HYPERTILE, HIDIFFUSION]
    args.out = args.out / "quick"
    (args.out / RESULTS).unlink(missing_ok=True)
    return args
