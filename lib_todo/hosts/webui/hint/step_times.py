"""Seconds per step of pictures with ToDo and without, for the line and for later hints."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import json
import statistics
import sys
import time
import weakref
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ....cost.machine import read, write
from ....plan import LEAD_IN
from ....settings import FIELDS, Settings
from . import machine

# settings of the host by which the time of a step differs
OPTIONS = (
    "skip_early_cond",
    "s_min_uncond",
    "s_min_uncond_all",
    "batch_cond_uncond",
    "pad_cond_uncond",
    "token_merging_ratio",
    "token_merging_ratio_img2img",
    "token_merging_ratio_hr",
)
# kinds of pictures that are remembered, and pictures of each
KINDS, PICTURES = 64, 5
# a step that takes so many times as long as its neighbours did something else, such as a step
# cache that skips the model
UNEVEN = 2.0

# what pictures have to share for their times to be comparable, by name
Kind = Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Seen:
    """How many times as fast pictures like this one were with ToDo, and how many they were."""

    times: float
    pictures: int


class StepTimes:
    """Times between the sampler's evaluations: of the present pass, and of earlier pictures."""

    def __init__(
        self,
        clock: Callable[[], float] = time.perf_counter,
        file: Callable[[], Path | None] = lambda: None,
    ) -> None:
        """`file`: where they are kept; None for this session only."""
        self._clock = clock
        self._file = file
        self._owner: weakref.ref | None = None
        self._last: tuple[int, str, str, float] | None = None
        # by pass and kind: the tiles and seams of an upscale share an owner
        self._gaps: dict[tuple[str, str], dict[float, float]] = {}
        self._kept: dict[str, Any] | None = None

    def evaluation(
        self, p: Any, step: int, steps: int, pass_name: str, kind: Kind, settings: Settings | None
    ) -> None:
        """Note that the denoiser is about to be called; `settings` is None with ToDo off."""
        now, key = self._clock(), _key(kind)
        if self._owner is None or self._owner() is not p:
            self._owner, self._gaps, self._last = weakref.ref(p), {}, None
        last, self._last = self._last, (step, pass_name, key, now)
        if last is None or last[:3] != (step - 1, pass_name, key):
            return
        gaps = self._gaps.setdefault((pass_name, key), {})
        gaps[(step - 1) / max(1, steps)] = now - last[3]
        if step == steps - 1:
            self._keep(kind, key, settings, _seconds(gaps, settings))

    def seconds(self, p: Any, pass_name: str, kind: Kind, settings: Settings) -> float | None:
        """Seconds between evaluations of that pass of `p`; None where not comparable."""
        if self._owner is None or self._owner() is not p:
            return None
        return _seconds(self._gaps.get((pass_name, _key(kind)), {}), settings)

    def without(self, kind: Kind) -> float | None:
        """The same for pictures of that kind without ToDo."""
        found = self._all().get(_key(kind), {}).get("seconds", {}).get("", [])
        return statistics.median(found) if found else None

    def seen(self, known: Kind, settings: Settings) -> Seen | None:
        """What was seen of the latest pictures with these settings that agree in what is known."""
        for entry in reversed(self._all().values()):
            ours, without = (entry["seconds"].get(s) for s in (_name(settings), ""))
            if ours and without and known.items() <= entry["kind"].items():
                times = statistics.median(without) / statistics.median(ours)
                return Seen(times, len(ours) + len(without))
        return None

    def _all(self) -> dict[str, Any]:
        if self._kept is None:
            file = self._file()
            found = read(file) if file else {}
            # a file that somebody changed must not end a generation
            self._kept = {
                key: entry
                for key, entry in found.items()
                if isinstance(entry, dict) and entry.keys() >= {"kind", "seconds"}
            }
        return self._kept

    def _keep(self, kind: Kind, key: str, settings: Settings | None, found: float | None) -> None:
        if found is None:
            return
        kept = self._all()
        entry = kept.pop(key, {"kind": dict(kind), "seconds": {}})
        times = entry["seconds"].pop(_name(settings), [])
        entry["seconds"][_name(settings)] = [*times, found][-PICTURES:]
        kept[key] = entry
        self._kept = dict(list(kept.items())[-KINDS:])
        file = self._file()
        if file:
            with contextlib.suppress(OSError):
                write(file, self._kept)


times = StepTimes(file=functools.partial(machine.file, "todo-steps.json"))


def _seconds(gaps: Mapping[float, float], settings: Settings | None) -> float | None:
    """Mean of the medians of stages that pool alike, by their steps; the first step is left out.

    None with nothing left, or where steps of a stage take unequal times.
    """
    bounds = [LEAD_IN, *((settings.start, settings.end) if settings else ())]
    stages: dict[int, list[float]] = {}
    # a pass with one gap has no other; the first one warms up
    for fraction, gap in list(gaps.items())[min(1, len(gaps) - 1) :]:
        stages.setdefault(sum(fraction >= bound for bound in bounds), []).append(gap)
    medians = {stage: statistics.median(times) for stage, times in stages.items()}
    for stage, times in stages.items():
        off = sum(not 1 / UNEVEN <= gap / medians[stage] <= UNEVEN for gap in times)
        if off > len(times) / 10 + 1:
            return None
    if not stages:
        return None
    weights = [len(stages[stage]) for stage in stages]
    return sum(w * m for w, m in zip(weights, medians.values())) / sum(weights)


def kind_of(p: Any, params: Any, sampler: str | None, attention: str) -> Kind:
    """What must be equal for step times of `p` to be comparable.

    Args:
        p: the host's processing object.
        params: of its `on_cfg_denoiser` callback.
        sampler: of this pass.
        attention: the attention optimisation in use.
    """
    latent, written = getattr(params, "x", None), getattr(p, "extra_generation_params", {})
    # ControlNet, FreeU, HyperTile and others write what they do to a picture into its text
    others = sorted((k, str(v)) for k, v in written.items() if not k.startswith("ToDo "))
    lengths = [_length(getattr(params, name, None)) for name in ("text_cond", "text_uncond")]
    checkpoint = getattr(getattr(p, "sd_model", None), "sd_checkpoint_info", None)
    grid = tuple(latent.shape[-2:]) if latent is not None else None
    file, images = getattr(checkpoint, "filename", None), getattr(p, "batch_size", 1)
    return {
        **known_before(file, grid, images, sampler, attention),
        "guidance": getattr(p, "cfg_scale", None) != 1,
        # more of them with AND in the prompt; in calls of their own where the lengths differ
        "conditions": latent.shape[0] if latent is not None else None,
        "one length": lengths[0] == lengths[1],
        "early": str(getattr(p, "s_min_uncond", None)),
        "others": hashlib.sha256(repr(others).encode()).hexdigest()[:16],
    }


def known_before(
    checkpoint: str | None,
    latent: tuple[int, int] | None,
    images: int,
    sampler: str | None,
    attention: str,
) -> Kind:
    """The part of a kind that is known before the generation."""
    shared = sys.modules.get("modules.shared")
    data = getattr(getattr(shared, "opts", None), "data", {})
    return {
        "checkpoint": checkpoint,
        "latent": latent and list(latent),
        "images": images,
        "sampler": sampler,
        "attention": attention,
        "options": [str(data.get(name)) for name in OPTIONS],
    }


def _length(condition: Any) -> int | None:
    tokens = condition.get("crossattn") if isinstance(condition, Mapping) else condition
    return tokens.shape[1] if tokens is not None else None


def _key(kind: Kind) -> str:
    return hashlib.sha256(json.dumps(kind, sort_keys=True).encode()).hexdigest()[:16]


def _name(settings: Settings | None) -> str:
    """The settings that differ from the defaults; empty with ToDo off."""
    if settings is None:
        return ""
    values = {f.name: getattr(settings, f.name) for f in FIELDS}
    return json.dumps({f.name: values[f.name] for f in FIELDS if values[f.name] != f.default})


def evaluations_a_step(denoiser: Any) -> float:
    """Evaluations per step: 2 for second-order samplers such as Heun."""
    return denoiser.total_steps / denoiser.steps if denoiser.steps else 1


def in_words(seconds: float | None, without: float | None) -> str:
    """Such as `0.83 s a step, 1.6 times as fast as without ToDo`; without what is not known."""
    if seconds is None:
        return ""
    told = f"{seconds:.2g} s a step" if seconds < 10 else f"{seconds:.0f} s a step"
    if without is None:
        return told
    times = without / seconds
    if 0.97 < times < 1.03:
        return f"{told}, no faster than without ToDo"
    return f"{told}, {times:.2f} times as fast as without ToDo"
