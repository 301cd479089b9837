"""Seconds per step of pictures with ToDo and without, for the line and for later hints."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import statistics
import time
import weakref
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ....cost.machine import read, write
from ....plan import LEAD_IN
from ....settings import Settings
from .. import host
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


class Seen(NamedTuple):
    """How many times as fast pictures like this one were with ToDo, and how many they were."""

    times: float
    pictures: int


class StepTimes:
    """Times between the sampler's evaluations: of the present pass, and of earlier pictures.

    `file` says where they are kept; None for this session only.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.perf_counter,
        file: Callable[[], Path | None] = lambda: None,
    ) -> None:
        self._clock, self._file = clock, file
        # by kind and settings, the seconds per step of the last pictures
        self._kept: dict[str, dict[str, list[float]]] | None = None
        # the generation under way; its latest evaluation, and what its kind was worked out for
        self._owner: Callable[[], Any] = lambda: None
        self._last: tuple[str, str, int, float] | None = None
        self._alike: tuple[Any, ...] | None = None
        # by pass: the latest kind, and evaluations per step (2 for Heun)
        self._passes: dict[str, tuple[str, float]] = {}
        # by pass and kind: the tiles and seams of an upscale share an owner
        self._gaps: dict[tuple[str, str], dict[float, float]] = {}

    def evaluation(
        self, denoiser: Any, params: Any, pass_name: str, settings: Settings | None
    ) -> None:
        """Note that the denoiser is about to be called; `settings` are None where ToDo is off.

        The kind takes longer to work out than all else, so it is done once for a pass, or where a
        refiner, other prompts or another size go on in it.
        """
        now, p, step, steps = self._clock(), denoiser.p, denoiser.step, denoiser.total_steps
        if self._owner() is not p:
            self._owner, self._last, self._alike = weakref.ref(p), None, None
            self._passes, self._gaps = {}, {}
        alike = (pass_name, params.x.shape, host.checkpoint_info(p), _lengths(params))
        if step == 0 or alike != self._alike:
            self._alike = alike
            kind = json.dumps(kind_of(p, params, pass_name), sort_keys=True)
            self._passes[pass_name] = kind, steps / max(1, denoiser.steps)
        of_pass = pass_name, self._passes[pass_name][0]
        last, self._last = self._last, (*of_pass, step, now)
        if last is None or last[:3] != (*of_pass, step - 1):
            return
        gaps = self._gaps.setdefault(of_pass, {})
        gaps[(step - 1) / max(1, steps)] = now - last[3]
        seconds = _seconds(gaps, settings) if step == steps - 1 else None
        if seconds is not None:
            self._keep(of_pass[1], _name(settings), seconds)

    def seconds_a_step(
        self, p: Any, pass_name: str, settings: Settings
    ) -> tuple[float | None, float | None]:
        """Seconds per step of that pass of `p`, and of a pass like it without ToDo.

        None where that was not measured, or steps are not comparable.
        """
        if self._owner() is not p or pass_name not in self._passes:
            return None, None
        kind, evaluations = self._passes[pass_name]
        ours = _seconds(self._gaps.get((pass_name, kind), {}), settings)
        others = self._all().get(kind, {}).get(_name(None))
        without = statistics.median(others) if others else None
        return ours and ours * evaluations, without and without * evaluations

    def seen(self, known: Kind, settings: Settings) -> Seen | None:
        """What was seen of the latest pictures with these settings that agree in what is known."""
        for kind, seconds in reversed(self._all().items()):
            ours, without = seconds.get(_name(settings)), seconds.get(_name(None))
            if ours and without and known.items() <= json.loads(kind).items():
                times = statistics.median(without) / statistics.median(ours)
                return Seen(times, len(ours) + len(without))
        return None

    def _all(self) -> dict[str, dict[str, list[float]]]:
        if self._kept is None:
            file = self._file()
            found = read(file) if file else {}
            # a file that somebody changed must not end a generation
            self._kept = {kind: entry for kind, entry in found.items() if isinstance(entry, dict)}
        return self._kept

    def _keep(self, kind: str, name: str, seconds: float) -> None:
        # a copy, since the hint may be reading; the latest kind and settings stand last
        kept = {**self._all()}
        of_kind = {**kept.pop(kind, {})}
        of_kind[name] = [*of_kind.pop(name, []), seconds][-PICTURES:]
        kept[kind] = of_kind
        self._kept = dict(list(kept.items())[-KINDS:])
        if file := self._file():
            with contextlib.suppress(OSError):
                write(file, self._kept)


times = StepTimes(file=functools.partial(machine.file, "todo-steps.json"))


def _seconds(gaps: Mapping[float, float], settings: Settings | None) -> float | None:
    """Mean of the medians of stages that pool alike, by their steps; the first step is left out.

    None with nothing left, or where steps of a stage take unequal times.
    """
    bounds = [LEAD_IN, *((settings.start, settings.end) if settings else ())]
    stages: dict[int, list[float]] = {}
    # the first one warms up
    for fraction, gap in list(gaps.items())[1:]:
        stages.setdefault(sum(fraction >= bound for bound in bounds), []).append(gap)
    whole = 0.0
    for found in stages.values():
        median = statistics.median(found)
        off = sum(not 1 / UNEVEN <= gap / median <= UNEVEN for gap in found)
        if off > len(found) / 10 + 1:
            return None
        whole += median * len(found)
    return whole / sum(map(len, stages.values())) if stages else None


def kind_of(p: Any, params: Any, pass_name: str) -> Kind:
    """What must be equal for step times of `p` to be comparable."""
    # ControlNet, FreeU, HyperTile and others write what they do to a picture into its text
    written = p.extra_generation_params.items()
    others = sorted((key, str(value)) for key, value in written if not key.startswith("ToDo "))
    file = getattr(host.checkpoint_info(p), "filename", None)
    sampler, scheduler = host.sampler_of(p, pass_name), getattr(p, "scheduler", None)
    if pass_name == "hires":
        scheduler = getattr(p, "hr_scheduler", None) or scheduler
    lengths = _lengths(params)
    return {
        **known_before(file, tuple(params.x.shape[-2:]), p.batch_size, sampler),
        "scheduler": scheduler,
        "guidance": p.cfg_scale != 1,
        # more of them with AND in the prompt; in calls of their own where the lengths differ
        "conditions": params.x.shape[0],
        "one length": lengths[0] == lengths[1],
        "early": str(getattr(p, "s_min_uncond", None)),
        "others": hashlib.sha256(repr(others).encode()).hexdigest()[:16],
    }


def known_before(
    checkpoint: str | None, latent: tuple[int, int], images: int, sampler: str | None
) -> Kind:
    """The part of a kind that is known before the generation."""
    return {
        "checkpoint": checkpoint,
        "latent": list(latent),
        "images": images,
        "sampler": sampler,
        "attention": machine.attention(),
        "options": [str(host.options().get(name)) for name in OPTIONS],
    }


def _lengths(params: Any) -> list[int | None]:
    """Tokens of the prompt and of the negative one; None where there is none."""
    conditions = (params.text_cond, params.text_uncond)
    # SDXL's have several parts
    tokens = (c.get("crossattn") if isinstance(c, dict) else c for c in conditions)
    return [None if found is None else found.shape[1] for found in tokens]


def _name(settings: Settings | None) -> str:
    """The settings as text; empty with ToDo off."""
    return str(settings or "")


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
