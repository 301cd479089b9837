"""What the WebUI's hint would have promised, beside what was measured."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.parts import calibration
from benchmarks.peers.names import DENSE, DIFFUSERS, PRESETS, TODO, TODO_BY
from benchmarks.running.store import Store
from benchmarks.running.timing import ratio
from lib_todo import Settings
from lib_todo.cost.architectures import SHAPES
from lib_todo.cost.speedup import speedup
from lib_todo.plan import latent_grid

# of what is then measured on the same kind of machine
WITHIN = 0.15
Row = tuple[str, int, str, float, float]


def rows(store: Store) -> Iterator[Row]:
    """U-Net, pixels, method, the speed-up promised and the one measured."""
    rates = calibration.as_the_hint_has_them(store)
    if rates is None:
        return
    threshold = store.conditions("unet")["threshold"]
    for (implementation, architecture, size), methods in store.groups("unet").items():
        dense = methods.get(DENSE, {}).get("seconds")
        if implementation != DIFFUSERS or architecture not in SHAPES or not dense:
            continue
        for method, settings in _settings(threshold).items():
            times = methods.get(method, {}).get("seconds")
            if times:
                latent = latent_grid(int(size), int(size))
                promised, _ = speedup(SHAPES[architecture], latent, settings, rates)
                yield architecture, int(size), method, promised, ratio(dense, times).median


def _settings(threshold: int) -> dict[str, Settings]:
    """By the benchmark's names."""
    paper = {"preset": "paper", "threshold": threshold}
    return {
        TODO: Settings.from_mapping(paper),
        **{
            name: Settings.from_preset(preset, native_grid=threshold)
            for name, preset in PRESETS.items()
        },
        **{
            name: Settings.from_mapping({**paper, "factor": factor})
            for name, factor in TODO_BY.items()
        },
    }
