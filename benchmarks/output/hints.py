"""The speed-up that the WebUI's hint predicts, and the measured one."""

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

# how far the prediction may be from a measurement on the same machine, relative
WITHIN = 0.15
Row = tuple[str, int, str, float, float]


def rows(store: Store) -> Iterator[Row]:
    """U-Net, pixels, method, the predicted speed-up and the measured one."""
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
    """The settings by the benchmark's names for them."""
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
