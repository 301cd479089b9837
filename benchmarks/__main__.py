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
from benchmarks.models.hires import Checkpoint, HiresPipeline
from benchmarks.output import pages, plots
from benchmarks.output.tables import all_tables
from benchmarks.parts import (
    calibration,
    calls,
    generations,
    layer,
    overhead,
    passes,
    quality,
    samplers,
)
from benchmarks.peers.methods import Folders
from benchmarks.running import machine
from benchmarks.running.bench import Bench, shown_progress
from benchmarks.running.store import OtherConditionsError, Store
from benchmarks.running.timing import keep_freed_memory
from benchmarks.running.webui import WebUI
from lib_todo import Settings


def main() -> None:
    """Measure and report what the command line asks for."""
    args = parse()
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
        settings = Settings.from_preset("paper", threshold=args.threshold)
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
        tables = all_tables(store)
        pictures = plots.draw(store, args.out)
        Console().print(pages.as_text(tables))
        if args.docs:
            pages.renew(args.docs, tables)
        Console().print(*[f"wrote {path}" for path in (store.path, *pictures)], sep="\n")


def _measure(bench: Bench, args: argparse.Namespace, parts: list[str], settings: Settings) -> None:
    if "overhead" in parts:
        overhead.measure(bench)
    if "calibration" in parts:
        calibration.measure(bench)
    if {"memory", "unet", "passes"} & set(parts):
        wanted = calls.Wanted(
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
            calls.measure(bench, wanted)
        if "passes" in parts:
            passes.measure(bench, wanted, args.pass_steps)
    if "layer" in parts:
        layer.measure(bench, args.layers, args.sides, settings, args.methods)
    if {"quality", "samplers", "generations"} & set(parts):
        _measure_pictures(bench, args, parts)
    if "generations" in parts:
        if args.api:
            webui = WebUI(args.api.rstrip("/"))
            generations.measure_webui(bench, webui, args.api_size, args.api_steps)
        else:
            bench.store.note("generation | WebUI", "no address given by --api")
    if "webui-samplers" in parts:
        if args.api:
            webui, names = WebUI(args.api.rstrip("/")), args.api_samplers
            samplers.measure_webui(bench, webui, args.native, args.seeds, names)
        else:
            bench.store.note("WebUI samplers", "no address given by --api")


def _measure_pictures(bench: Bench, args: argparse.Namespace, parts: list[str]) -> None:
    if not (args.checkpoint / "model_index.json").is_file():
        for part in ("quality", "generation"):
            bench.store.note(part, f"no checkpoint in {args.checkpoint}")
        return
    pipeline = HiresPipeline(Checkpoint(args.checkpoint, args.native, args.steps), bench.device)
    if "quality" in parts:
        quality.measure(bench, pipeline, args.seeds, args.enlargements, args.variants)
    if "samplers" in parts:
        wanted = [
            name for name in samplers.COMPARED if name in (args.variants or samplers.COMPARED)
        ]
        samplers.measure(bench, pipeline, args.seeds, args.enlargements, args.samplings, wanted)
    if "generations" in parts:
        generations.measure_pipeline(bench, pipeline, args.enlargements)


if __name__ == "__main__":
    main()
