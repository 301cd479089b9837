"""The command: `python -m benchmarks.matrix` with `--diffusers`, `--comfyui` or `--webui`."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Sequence
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import torch

from benchmarks.matrix.cell import Cell, Host
from benchmarks.matrix.comfyui import ComfyUI
from benchmarks.matrix.diffusers import Diffusers
from benchmarks.matrix.measure import FORETOLD, PART, foretell, measure
from benchmarks.matrix.output import above, draw, ratios, summary, whole
from benchmarks.matrix.picture import PRESETS, conditions
from benchmarks.matrix.webui import WebUI
from benchmarks.running.bench import Bench, shown_progress
from benchmarks.running.store import Store


def parse(words: Sequence[str] | None = None) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.matrix", description=__doc__)
    add = parser.add_argument
    add("--diffusers", action="store_true", help="its schedulers")
    add("--comfyui", type=Path, help="ComfyUI's folder; this Python has to have its requirements")
    add("--webui", metavar="URL", help="a WebUI with ToDo and the checkpoint of demo/convert.py")
    add("--samplers", nargs="+", help="default: all of the host's")
    add("--schedules", nargs="+", help="default: all of the host's")
    add("--steps", type=int, nargs="+", default=[8, 20])
    add("--strengths", type=float, nargs="+", default=[0.6, 1.0], help="of denoising")
    add("--presets", nargs="*", choices=PRESETS[1:], default=PRESETS[1:])
    add("--seeds", type=int, default=1)
    add("--foretell", action="store_true", help="by the samplers' weights, without sampling")
    add("--minutes", type=float, default=600, help="no cell starts after this time")
    add("--threads", type=int, default=1)
    add("--out", type=Path, default=Path("artifacts/matrix"), help="folder; a run is resumed there")
    return parser.parse_args(words)


def main() -> None:
    """Measure and report what the command line asks for."""
    args = parse()
    torch.set_num_threads(args.threads)
    store = Store(args.out / "results.json")
    with shown_progress() as progress, torch.inference_mode():
        deadline = time.monotonic() + 60 * args.minutes
        device = torch.device("cpu")
        bench = Bench(store, device, torch.float32, "cpu", 1, deadline, progress)
        for part in (PART, FORETOLD):
            store.set_conditions(part, **conditions())
        for host in hosts(args):
            cells = wanted(host, args)
            if args.foretell:
                foretell(bench, host, cells, args.presets, args.out / "errors.pt")
            else:
                measure(bench, host, cells, args.presets, args.seeds, args.out / "latents")
    store.save()
    for part in (PART, FORETOLD):
        if found := ratios(store, part):
            (args.out / f"{part}.md").write_text(whole(found) + "\n")
            drawn = draw(found, args.out, part)
            print(f"# {part}", summary(found), above(found), *drawn, sep="\n\n")


def hosts(args: argparse.Namespace) -> list[Host]:
    """The hosts that were asked for."""
    found: list[Host] = []
    if args.comfyui:
        found.append(ComfyUI(args.comfyui))
    if args.diffusers:
        found.append(Diffusers())
    if args.webui:
        found.append(WebUI(args.webui))
    return found


def wanted(host: Host, args: argparse.Namespace) -> list[Cell]:
    """The host's cells, as far as the options ask for them."""
    return [
        Cell(sampler, schedule, steps, strength)
        for strength in args.strengths
        for steps in args.steps
        for sampler, schedule in host.pairs()
        if sampler in (args.samplers or [sampler]) and schedule in (args.schedules or [schedule])
    ]


if __name__ == "__main__":
    main()
