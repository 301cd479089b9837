"""The benchmark's command line: options, and checks beyond argparse's."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmarks.models.checkpoint import STEPS
from benchmarks.models.unets import CONFIGS
from benchmarks.parts.quality import SAMPLINGS
from benchmarks.peers.methods import BALANCED, DENSE, HYPERTILE, NAMES, PAPER
from benchmarks.running.timing import CLOCKS, KERNELS
from comparison.loading import BUILT_IN_FOLDER

DESCRIPTION = "Measure speed, memory and error of ToDo and of other methods on this machine."
RESULTS = "results.json"
# in the order in which they are measured
PARTS = ("overhead", "calibration", "unet", "passes", "quality", "samplers", "report")


def parse(words: Sequence[str] | None = None) -> argparse.Namespace:
    """The options, with those that `--quick` sets."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=DESCRIPTION)
    add = parser.add_argument_group("run").add_argument
    quick = "check everything in a minute; the numbers mean nothing"
    clock = "cpu if other processes use the machine too; kernels for a GPU without Python"
    add("--quick", action="store_true", help=quick)
    add("--parts", nargs="+", choices=PARTS, default=PARTS, help="what to measure (default: all)")
    add("--methods", nargs="+", choices=NAMES, metavar="METHOD", help="default: all")
    add(
        "--device", default="cuda" if torch.cuda.is_available() else "cpu", help="cpu, cuda, cuda:1"
    )
    add("--clock", choices=(*CLOCKS, KERNELS), default="wall", help=clock)
    add("--rounds", type=int, default=5, help="runs of each method at each size")
    add("--minutes", type=float, default=10, help="no run starts after this time")
    add("--out", type=Path, default=Path("artifacts/benchmarks"), help="folder")
    add = parser.add_argument_group("U-Net calls and passes").add_argument
    add("--batch", type=int, default=2, help="images per U-Net call")
    add("--architectures", nargs="+", choices=CONFIGS, default=["SD 1.x"], help="U-Nets to call")
    add("--sizes", nargs="+", type=int, help="sides in pixels", default=[1024, 768, 512])
    add = parser.add_argument_group("quality and samplers").add_argument
    example = "for samplers, such as 'Euler a, 16 steps, strength 0.6' (default: all)"
    times = "how many times the trained size (default: 2 3)"
    add("--checkpoint", type=Path, default=BUILT_IN_FOLDER, help="a diffusers folder")
    add("--native", type=int, default=128, help="the size in pixels that it was trained at")
    add("--samplings", nargs="+", choices=SAMPLINGS, metavar="SAMPLING", help=example)
    add("--seeds", type=int, default=16, help="pictures per setting, each with its own random seed")
    add("--enlargements", nargs="+", type=int, default=[2, 3], help=times)
    parser.set_defaults(steps=STEPS, pass_steps=20)
    args = parser.parse_args(words)
    _check(parser, args)
    return _quick(args) if args.quick else args


def _check(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    only_report = list(args.parts) == ["report"]
    if only_report and not (args.out / RESULTS).is_file():
        parser.error(f"--parts report: there is no {args.out / RESULTS}; measure first")
    if args.clock == KERNELS and not args.device.startswith("cuda"):
        parser.error(f"--clock kernels --device {args.device}: it is for a GPU of CUDA")
    if min(args.enlargements) < 2:
        parser.error(f"--enlargements {min(args.enlargements)}: nothing is pooled below 2")
    if not (args.checkpoint / "model_index.json").is_file():
        parser.error(f"--checkpoint {args.checkpoint}: not a diffusers folder")


def _quick(args: argparse.Namespace) -> argparse.Namespace:
    """Everything small enough for a minute; the numbers mean nothing."""
    args.architectures, args.sizes, args.batch = ["narrow"], [256], 1
    args.rounds, args.minutes = 1, 5
    args.seeds, args.enlargements, args.steps, args.pass_steps = 1, [2], 4, 5
    args.samplings = list(SAMPLINGS)[:1]
    # one method of each kind
    args.methods = [DENSE, PAPER, BALANCED, "ToMe 0.75", HYPERTILE]
    args.out = args.out / "quick"
    (args.out / RESULTS).unlink(missing_ok=True)
    return args
