"""The command: `python -m benchmarks`; with `--quick`, a check in under a minute."""

from __future__ import annotations

import os
import time

# waiting threads sleep, so that CPU time is work; read when PyTorch is imported
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import torch
from rich.console import Console

from benchmarks.arguments import RESULTS, parse
from benchmarks.models.checkpoint import Checkpoint
from benchmarks.output import pages, plots, tables
from benchmarks.parts import calibration, overhead, quality, unet
from benchmarks.running import machine
from benchmarks.running.bench import Bench, shown_progress
from benchmarks.running.store import OtherConditionsError, Store
from benchmarks.running.timing import keep_freed_memory
from comparison.loading import silence_libraries


def main() -> None:
    """Measure and report what the command line asks for."""
    args = parse()
    silence_libraries()
    device = torch.device(args.device)
    dtype = torch.float16 if device.type == "cuda" else torch.float32
    store = Store(args.out / RESULTS)
    parts = set(args.parts) - {"report"}
    if parts:
        memory = "kept" if keep_freed_memory() else "given back"
        how = {"clock": args.clock, "freed_memory": memory}
        try:
            store.set_machine({**machine.describe(device, dtype), **how})
            with shown_progress() as progress, torch.inference_mode():
                deadline = time.monotonic() + 60 * args.minutes
                bench = Bench(store, device, dtype, args.clock, args.rounds, deadline, progress)
                if "overhead" in parts:
                    overhead.measure(bench)
                if "calibration" in parts:
                    calibration.measure(bench)
                if parts & {"unet", "passes"}:
                    unet.measure(bench, args)
                if parts & {"quality", "samplers"}:
                    checkpoint = Checkpoint(args.checkpoint, args.native, args.steps, device)
                    quality.measure(bench, checkpoint, args)
        except OtherConditionsError as error:
            raise SystemExit(str(error)) from None
        store.save()
    if "report" in args.parts:
        found = tables.all_tables(store)
        Console().print("\n\n".join(f"{name}\n{text}" for name, text in found.items() if text))
        plot = args.out / pages.PLOT
        written = [store.path, plot] if plots.draw(store, plot) else [store.path]
        Console().print(*[f"wrote {path}" for path in written], sep="\n")


if __name__ == "__main__":
    main()
