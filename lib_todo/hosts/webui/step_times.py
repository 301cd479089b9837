"""Seconds per step of pictures with ToDo and without, for the line and for later hints."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import itertools
import json
import statistics
import time
import weakref
from collections import defaultdict
from typing import Any

from ...cost.rates import read, write
from ...plan import Grid
from ...settings import Settings
from . import host

# the file of the last pictures: by kind and settings ("None" without ToDo), their seconds per step
FILE = "todo-steps.json"
# settings of the host by which the time of a step differs
OPTIONS = (
    "skip_early_cond s_min_uncond s_min_uncond_all batch_cond_uncond pad_cond_uncond "
    "token_merging_ratio token_merging_ratio_img2img token_merging_ratio_hr"
).split()
# kinds of pictures that are remembered, and pictures of each
KINDS, PICTURES = 64, 5
# a step that takes so many times as long as its neighbours did something else, such as a step
# cache that skips the model
UNEVEN = 2.0


@dataclasses.dataclass
class Timing:
    """A pass of the host's processing object `p`, and when each of its evaluations began.

    Its kind is complete, and the seconds a step are known, when it ends.
    """

    p: weakref.ref[Any]
    kind: str
    times: list[float]
    seconds: float | None = None


# the last of each pass
latest: dict[str, Timing] = {}


def evaluation(denoiser: Any, params: Any, pass_name: str, generation: Any) -> None:
    """Note that the denoiser is about to be called; `generation` is None where ToDo is off.

    All but the time is left to the first and the last step of a pass: each call pays for this.
    """
    now, p, step, total = time.perf_counter(), denoiser.p, denoiser.step, denoiser.total_steps
    timing = latest.get(pass_name)
    if step == 0 or timing is None or timing.p() is not p:
        timing = latest[pass_name] = Timing(weakref.ref(p), kind_of(p, params, pass_name), [])
    timing.times.append(now)
    # of those that are planned, Heun and its like leave one evaluation out, and DDIM and its like
    # the last step
    in_step = max(1, total // max(1, denoiser.steps))
    last = total - in_step - hasattr(getattr(p, "sampler", None), "get_timesteps")
    # a refiner, or a prompt that changes, makes steps of two kinds
    whole = len(timing.times) == step + 1 == last + 1
    if not whole or timing.kind != kind_of(p, params, pass_name):
        return
    # ControlNet, FreeU, HyperTile and others write what they do to a picture into its text, where
    # the host has functions, too, that differ from one picture to the next
    written = p.extra_generation_params.items()
    others = sorted(
        (key, str(value))
        for key, value in written
        if not (key.startswith("ToDo ") or callable(value))
    )
    timing.kind += hashlib.sha256(repr(others).encode()).hexdigest()[:16]
    settings = generation.settings if generation else None
    bounds = [generation.lead_in, settings.start, settings.end] if settings else []
    seconds = _seconds(timing.times, total, bounds)
    if seconds is not None:
        timing.seconds = in_step * seconds
        _keep(timing.kind, str(settings), timing.seconds)


def _length(condition: Any) -> int | None:
    """Tokens of a prompt; None where there is none."""
    # SDXL's has several parts
    tokens = condition.get("crossattn") if isinstance(condition, dict) else condition
    return None if tokens is None else tokens.shape[1]


def _seconds(times: list[float], total: int, bounds: list[float]) -> float | None:
    """Mean of the medians of stages that pool alike, by their evaluations; the first is left out.

    None with nothing left, or where those of a stage take unequal times.
    """
    stages: dict[int, list[float]] = defaultdict(list)
    # the first one warms up
    for number, (begin, end) in enumerate(itertools.pairwise(times[1:]), 1):
        stage = sum(number / total >= bound for bound in bounds)
        stages[stage].append(end - begin)
    medians: list[float] = []
    for found in stages.values():
        median = statistics.median(found)
        uneven = sum(not median / UNEVEN <= seconds <= median * UNEVEN for seconds in found)
        if uneven > len(found) / 10 + 1:
            return None
        medians += [median] * len(found)
    return statistics.fmean(medians) if medians else None


def _keep(kind: str, settings: str, seconds: float) -> None:
    """Add a picture; the latest kind and settings stand last."""
    kept = read(host.own_file(FILE))
    of_kind = kept.pop(kind, {})
    of_kind[settings] = [*of_kind.pop(settings, []), seconds][-PICTURES:]
    kept[kind] = of_kind
    with contextlib.suppress(OSError):
        write(host.own_file(FILE), dict(list(kept.items())[-KINDS:]))


def seconds_a_step(p: Any, pass_name: str) -> tuple[float | None, float | None]:
    """Seconds per step of that pass of `p`, and of a pass like it without ToDo.

    None where that was not measured, or steps are not comparable.
    """
    timing = latest.get(pass_name)
    if timing is None or timing.p() is not p:
        return None, None
    others = read(host.own_file(FILE)).get(timing.kind, {}).get(str(None))
    return timing.seconds, statistics.median(others) if others else None


def seen(known: str, settings: Settings) -> tuple[float, int] | None:
    """How many times as fast the latest pictures were that agree in what is known, and how many.

    None where there are none with these settings, or none without ToDo.
    """
    for kind, seconds in reversed(read(host.own_file(FILE)).items()):
        ours, without = seconds.get(str(settings)), seconds.get(str(None))
        if ours and without and kind.startswith(known):
            times = statistics.median(without) / statistics.median(ours)
            return times, len(ours) + len(without)
    return None


def kind_of(p: Any, params: Any, pass_name: str) -> str:
    """What must be equal for step times of `p` to be comparable."""
    file = getattr(host.checkpoint_info(p), "filename", None)
    latent = tuple(params.x.shape[-2:])
    sampler, scheduler = (host.chosen(p, pass_name, of) for of in ("sampler_name", "scheduler"))
    calls = [
        # more of them with AND in the prompt; in calls of their own where the lengths differ
        params.x.shape[0],
        _length(params.text_cond) == _length(params.text_uncond),
        p.cfg_scale != 1,
        str(getattr(p, "s_min_uncond", None)),
    ]
    return known_before(file, latent, p.batch_size, sampler, scheduler) + json.dumps(calls)


def known_before(
    file: str | None, latent: Grid, images: int, sampler: str | None, scheduler: str | None
) -> str:
    """The part of a kind that is known before the generation."""
    options = [str(host.options().get(name)) for name in OPTIONS]
    return json.dumps([file, latent, images, sampler, scheduler, host.attention(), options])


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
