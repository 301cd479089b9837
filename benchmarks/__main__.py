"""The command: `python -m benchmarks`; with `--quick`, a check in under a minute."""

from __future__ import annotations

import argparse
import os
import time

# waiting threads sleep, so that CPU time is work; read when PyTorch is imported
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("KINETO_LOG_LEVEL", "99")

import torch
from rich.console import Console

from benchmarks.arguments import RESULTS, parse
from benchmarks.models.checkpoint import Checkpoint
from benchmarks.output import plots, tables
from benchmarks.parts import calibration, layer, overhead, quality, unet, webui
from benchmarks.peers.methods import Folders
from benchmarks.running import machine
from benchmarks.running.bench import Bench, shown_progress
from benchmarks.running.store import OtherConditionsError, Store
from benchmarks.running.timing import keep_freed_memory
from lib_todo import Settings


def main() -> None:
    """Measure and report what the command line asks for."""
    args = parse()
    if args.threads:
        torch.set_num_threads(args.threads)
    device = torch.device(args.device)
    dtype = torch.float16 if device.type == "cuda" else torch.float32
    store = Store(args.out / RESULTS)
    if set(args.parts) - {"report"}:
        memory = "kept" if keep_freed_memory() else "given back"
        how = {"clock": args.clock, "freed_memory": memory}
        try:
            store.set_machine({**machine.describe(device, dtype), **how})
            with shown_progress() as progress, torch.inference_mode():
                deadline = time.monotonic() + 60 * args.minutes
                bench = Bench(store, device, dtype, args.clock, args.rounds, deadline, progress)
                _measure(bench, args, set(args.parts))
        except OtherConditionsError as error:
            raise SystemExit(str(error)) from None
        store.save()
    if "report" in args.parts:
        found = tables.all_tables(store)
        pictures = plots.draw(store, args.out)
        Console().print(tables.as_text(found))
        if args.docs:
            tables.renew(args.docs, found)
        Console().print(*[f"wrote {path}" for path in (store.path, *pictures)], sep="\n")


def _measure(bench: Bench, args: argparse.Namespace, parts: set[str]) -> None:
    settings = Settings.from_preset("paper", threshold=args.threshold)
    if "overhead" in parts:
        overhead.measure(bench)
    if "calibration" in parts:
        calibration.measure(bench, args.attentions)
    wanted = unet.Wanted(
        kinds=args.kinds,
        architectures=args.architectures,
        sizes=args.sizes,
        methods=args.methods,
        attentions=args.attentions,
        batch=args.batch,
        settings=settings,
        folders=Folders(args.reference, args.older, args.webui),
        timed="unet" in parts,
        memory="memory" in parts,
    )
    if wanted.timed or wanted.memory:
        unet.measure(bench, wanted)
    if "passes" in parts:
        unet.measure_passes(bench, wanted, args.pass_steps)
    if "layer" in parts:
        layer.measure(bench, args.layers, args.sides, settings, args.methods)
    if {"quality", "samplers"} & parts:
        if (args.checkpoint / "model_index.json").is_file():
            _measure_pictures(bench, args, parts)
        else:
            bench.store.note("quality", f"no checkpoint in {args.checkpoint}")
    if {"generations", "webui-samplers"} & parts:
        if args.api:
            _measure_webui(bench, args, parts)
        else:
            bench.store.note("generation | WebUI", "no address given by --api")


def _measure_pictures(bench: Bench, args: argparse.Namespace, parts: set[str]) -> None:
    checkpoint = Checkpoint(args.checkpoint, args.native, args.steps, bench.device)
    common = (bench, checkpoint, args.seeds, args.enlargements)
    if "quality" in parts:
        quality.measure(*common, args.variants)
    if "samplers" in parts:
        quality.measure_samplers(*common, args.samplings, args.variants)


def _measure_webui(bench: Bench, args: argparse.Namespace, parts: set[str]) -> None:
    running = webui.WebUI(args.api.rstrip("/"))
    if "generations" in parts:
        webui.measure(bench, running, args.api_size, args.api_steps)
    if "webui-samplers" in parts:
        webui.measure_samplers(bench, running, args.native, args.seeds, args.api_samplers)


if __name__ == "__main__":
    main()
