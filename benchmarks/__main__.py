"""The command line: `python -m benchmarks`, `--quick` for a check in about a minute."""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

# a waiting thread sleeps, so that processor seconds are work; read when PyTorch is imported
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("KINETO_LOG_LEVEL", "99")

import torch
from rich.console import Console

from benchmarks import (
    calibration,
    calls,
    generations,
    layer,
    machine,
    overhead,
    plots,
    quality,
    report,
)
from benchmarks.bench import Bench, shown_progress
from benchmarks.painter import Checkpoint, Painter
from benchmarks.peers import (
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
    Folders,
)
from benchmarks.store import OtherConditionsError, Store
from benchmarks.timing import CLOCKS, keep_freed_memory
from benchmarks.unet import CONFIGS
from lib_todo import Settings
from lib_todo.settings import METHODS

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
    "generations",
    "report",
)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
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
    parser.add_argument("--threshold", type=int, default=Settings().threshold)
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
    parser.add_argument("--seeds", type=int, default=16, help="pictures of each setting")
    parser.add_argument("--enlargements", nargs="+", type=int, default=[2, 3])
    parser.add_argument("--api", help="address of a running WebUI with --api, for generations")
    parser.add_argument("--api-size", type=int, default=768, help="in pixels")
    parser.add_argument("--api-steps", type=int, default=4)
    parser.add_argument("--out", type=Path, default=Path("artifacts/benchmarks"))
    parser.add_argument("--docs", type=Path, help="a Markdown file whose marked tables to renew")
    args = parser.parse_args()
    _check(parser, args)
    return _quick(args) if args.quick else args


def _check(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """What argparse cannot see by itself."""
    if args.quick and args.docs:
        parser.error("--docs with --quick: its numbers mean nothing and belong into no page")
    if list(args.parts) == ["report"] and not (args.out / RESULTS).is_file():
        parser.error(f"--parts report: there is no {args.out / RESULTS}; measure first")
    known = quality.names(args.native, args.enlargements)
    for name in set(args.variants or ()) - set(known):
        parser.error(f"--variants {name!r}: at these enlargements one of {', '.join(known)}")


def _quick(args: argparse.Namespace) -> argparse.Namespace:
    """Small enough for a minute; its numbers mean nothing."""
    args.architectures, args.sizes, args.batch = ["narrow"], [256], 1
    args.layers, args.sides = list(layer.LAYERS)[:1], [32]
    args.rounds, args.minutes, args.threshold = 1, 1, 16
    args.seeds, args.enlargements = 1, [2]
    args.variants = ["ToDo nearest"]
    # of each kind of method one; of the layers' all
    args.methods = [*(f"ToDo {name}" for name in METHODS), DENSE, TODO, IDEAL, FLOOR]
    args.methods += ["ToMe 0.75", REFERENCE, OLDER, HYPERTILE, HIDIFFUSION]
    args.out = args.out / "quick"
    (args.out / RESULTS).unlink(missing_ok=True)
    return args


def main() -> None:
    args = _arguments()
    if args.threads:
        torch.set_num_threads(args.threads)
    device = torch.device(args.device)
    dtype = torch.float16 if device.type == "cuda" else torch.float32
    store = Store(args.out / RESULTS)
    measured = [part for part in args.parts if part != "report"]
    if measured:
        description = machine.describe(device, dtype)
        memory = "kept" if keep_freed_memory() else "given back"
        how = {"clock": args.clock, "freed_memory": memory}
        settings = Settings(threshold=args.threshold)
        try:
            store.set_machine({**description, **how})
            with shown_progress() as progress, torch.inference_mode():
                deadline = time.monotonic() + 60 * args.minutes
                bench = Bench(store, device, dtype, args.clock, args.rounds, deadline, progress)
                _measure(bench, args, measured, settings)
        except OtherConditionsError as error:
            raise SystemExit(str(error)) from None
        store.save()
    if "report" in args.parts:
        tables = report.tables(store)
        pictures = plots.draw(store, args.out)
        Console().print(report.as_text(tables))
        if args.docs:
            report.renew(args.docs, tables)
        Console().print(*[f"wrote {path}" for path in (store.path, *pictures)], sep="\n")


def _measure(bench: Bench, args: argparse.Namespace, parts: list[str], settings: Settings) -> None:
    if "overhead" in parts:
        overhead.measure(bench)
    if "calibration" in parts:
        calibration.measure(bench)
    if {"memory", "unet"} & set(parts):
        wanted = calls.Wanted(
            kinds=args.kinds,
            architectures=args.architectures,
            sizes=args.sizes,
            methods=args.methods,
            batch=args.batch,
            settings=settings,
            folders=Folders(args.reference, args.older, args.webui),
            timed="unet" in parts,
            memory="memory" in parts,
        )
        calls.measure(bench, wanted)
    if "layer" in parts:
        layer.measure(bench, args.layers, args.sides, settings, args.methods)
    if {"quality", "generations"} & set(parts):
        _measure_pictures(bench, args, parts)
    if "generations" in parts:
        if args.api:
            api = generations.Api(args.api.rstrip("/"), args.api_size, args.api_steps)
            generations.measure_api(bench, api)
        else:
            bench.store.note("generation | WebUI", "no address named by --api")


def _measure_pictures(bench: Bench, args: argparse.Namespace, parts: list[str]) -> None:
    if not (args.checkpoint / "model_index.json").is_file():
        for part in ("quality", "generation"):
            bench.store.note(part, f"no checkpoint in {args.checkpoint}")
        return
    painter = Painter(Checkpoint(args.checkpoint, args.native), bench.device)
    if "quality" in parts:
        quality.measure(bench, painter, args.seeds, args.enlargements, args.variants)
    if "generations" in parts:
        generations.measure_pipeline(bench, painter, args.enlargements)


if __name__ == "__main__":
    main()
