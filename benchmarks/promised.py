"""What the hint promises of a pass on this GPU, by rates measured now, beside a file's passes."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

import torch

from benchmarks.peers.names import DENSE, PRESETS, TODO
from benchmarks.running.store import Store
from benchmarks.running.timing import ratio
from lib_todo import Settings
from lib_todo.cost.architectures import SHAPES
from lib_todo.cost.rates import measure
from lib_todo.cost.speedup import ONE, of_pass, stages
from lib_todo.plan import latent_grid


def main(path: Path) -> None:
    """Print the rates and a line for each pass of a preset."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    rates = measure(device, torch.float16 if device.type == "cuda" else torch.float32)
    print(json.dumps(dataclasses.asdict(rates)))
    for (architecture, size), methods in Store(path).groups("pass").items():
        for method, preset in {TODO: "paper", **PRESETS}.items():
            if method not in methods or DENSE not in methods:
                continue
            shape, latent = SHAPES[architecture], latent_grid(int(size), int(size))
            pooled = stages(shape, latent, Settings.from_preset(preset), "Euler")
            promised, _ = of_pass(shape, latent, pooled, [rates]) if pooled else ONE
            took = ratio(methods[DENSE]["seconds"], methods[method]["seconds"]).median
            told = f"{promised:.2f}, measured {took:.2f} ({promised / took:.2f})"
            print(f"{architecture} {size} {method}: {told}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
