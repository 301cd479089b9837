"""The benchmark's command line: options, and checks beyond argparse's."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmarks.models import attention_backends
from benchmarks.models.checkpoint import STEPS
from benchmarks.models.unets import CONFIGS
from benchmarks.parts import layer, quality
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
from comparison.loading import BUILT_IN_FOLDER
from lib_todo import Settings, SettingsError
from lib_todo.settings import BY_NAME

DESCRIPTION = "Measure speed, memory and error of ToDo and of other methods on this machine."
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
    _add_pictures(parser.add_argument_group("quality and samplers"))
    add = parser.add_argument_group("a running WebUI").add_argument
    add("--api", help="address of a WebUI that runs with --api")
    add("--api-samplers", nargs="+", help="samplers by the WebUI's names (default: all)")
    add("--api-size", type=int, default=768, help="pixels a side")
    add("--api-steps", type=int, default=4, help="sampling steps")
    parser.set_defaults(steps=STEPS, pass_steps=PASS_STEPS)
    args = parser.parse_args(words)
    _check(parser, args)
    return _quick(args) if args.quick else args


def _add_run(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    device = "cuda" if torch.cuda.is_available() else "cpu"
    quick = "check everything in a minute; the numbers mean nothing"
    clock = "cpu if other processes use the machine too; kernels for a GPU without Python"
    add("--quick", action="store_true", help=quick)
    add("--parts", nargs="+", choices=PARTS, default=PARTS, help="what to measure (default: all)")
    add("--device", default=device, help="cpu, cuda, cuda:1")
    add("--threads", type=int, help="PyTorch's threads on the CPU")
    add("--clock", choices=(*CLOCKS, KERNELS), default="wall", help=clock)
    add("--rounds", type=int, default=5, help="runs of each method at each size")
    add("--minutes", type=float, default=10, help="no run starts after this time")
    add("--out", type=Path, default=Path("artifacts/benchmarks"), help="folder")
    add("--docs", type=Path, help="a Markdown file whose marked tables are updated")


def _add_calls(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    kinds, layers = (DIFFUSERS, LDM), list(layer.LAYERS)
    methods = list(dict.fromkeys([*ALL, *layer.METHOD_NAMES]))
    attentions, threshold = attention_backends.NAMES, BY_NAME["threshold"].default
    add("--batch", type=int, default=2, help="images per U-Net call")
    add("--kinds", nargs="+", choices=kinds, default=kinds, help="of U-Net (default: both)")
    add("--architectures", nargs="+", choices=CONFIGS, default=["SD 1.x"], help="U-Nets to call")
    add("--sizes", nargs="+", type=int, help="sides in pixels", default=[1024, 768, 512])
    add("--layers", nargs="+", choices=layers, default=layers, help="single ones (default: all)")
    add("--sides", nargs="+", type=int, help="of layers, in tokens", default=[64, 96, 128])
    add("--methods", nargs="+", choices=methods, metavar="METHOD", help="default: all")
    add("--attentions", nargs="+", choices=attentions, help="backends for calls (default: all)")
    add("--threshold", type=int, default=threshold, help="ToDo's, in tokens")
    add("--reference", type=Path, help="folder of the paper's code, ImprovedTokenMerge")
    add("--older", type=Path, help="folder of sd-webui-token-downsampling")
    add("--webui", type=Path, help="folder of AUTOMATIC1111's WebUI, for HyperTile")


def _add_pictures(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    samplings = list(quality.SAMPLINGS)
    example = "for samplers, such as 'Euler a, 16 steps, strength 0.6' (default: all)"
    seeds = "pictures per setting, each with its own random seed"
    enlargements = "how many times the trained size (default: 2 3)"
    add("--checkpoint", type=Path, default=BUILT_IN_FOLDER, help="a diffusers folder")
    add("--native", type=int, default=128, help="the size in pixels that it was trained at")
    add("--variants", nargs="+", help="methods for quality and samplers (default: all)")
    add("--samplings", nargs="+", choices=samplings, metavar="SAMPLING", help=example)
    add("--seeds", type=int, default=16, help=seeds)
    add("--enlargements", nargs="+", type=int, default=[2, 3], help=enlargements)


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
        Settings.from_preset("paper", threshold=args.threshold)
    except SettingsError as error:
        parser.error(f"--native {args.native}, --threshold {args.threshold}: {error}")
    for name in args.variants or ():
        if name not in known:
            parser.error(f"--variants {name!r}: at these enlargements one of {', '.join(known)}")


def _quick(args: argparse.Namespace) -> argparse.Namespace:
    """Everything small enough for a minute; the numbers mean nothing."""
    args.architectures, args.sizes, args.batch = ["narrow"], [256], 1
    args.layers, args.sides = list(layer.LAYERS)[:1], [32]
    args.rounds, args.minutes, args.threshold = 1, 5, 16
    args.attentions = [attention_backends.AUTOMATIC]
    args.seeds, args.enlargements, args.steps, args.pass_steps = 1, [2], 4, 5
    args.variants = [quality.PAPER]
    args.samplings = list(quality.SAMPLINGS)[:1]
    # one method of each kind; for layers all
    args.methods = [*layer.METHOD_NAMES, DENSE, TODO, IDEAL, FLOOR, BALANCED, "ToMe 0.75"]
    args.methods += [REFERENCE, OLDER, HYPERTILE, HIDIFFUSION]
    args.out = args.out / "quick"
    (args.out / RESULTS).unlink(missing_ok=True)
    return args
