"""Seconds per step of pictures with ToDo and without, for the line and for later hints."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import statistics
import time
import weakref
from collections.abc import Mapping
from typing import Any, NamedTuple

from ....cost.machine import read, write
from ....plan import LEAD_IN
from ....settings import Settings
from .. import host
from . import machine

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

# what pictures have to share for their times to be comparable, by name
Kind = Mapping[str, Any]


class Stretch(NamedTuple):
    """Evaluations of one pass that follow each other and are of one kind."""

    # the host's processing object
    p: weakref.ref[Any]
    kind: str
    # what the kind was worked out for
    alike: tuple[Any, ...]
    # how many evaluations of the pass came before, how many it has, and how many are a step
    begin: int
    total: int
    in_step: float
    # when each one began
    times: list[float]


# the last of each pass
latest: dict[str, Stretch] = {}


def evaluation(denoiser: Any, params: Any, pass_name: str, settings: Settings | None) -> None:
    """Note that the denoiser is about to be called; `settings` are None where ToDo is off.

    The kind takes longer to work out than all else, so it is done once for a pass, or where a
    refiner, other prompts or another size go on in it.
    """
    now, p, step, steps = time.perf_counter(), denoiser.p, denoiser.step, denoiser.total_steps
    lengths = _length(params.text_cond), _length(params.text_uncond)
    alike = params.x.shape, host.checkpoint_info(p), lengths
    known = latest.get(pass_name)
    if step == 0 or known is None or known.alike != alike or known.p() is not p:
        kind = json.dumps(kind_of(p, params, pass_name), sort_keys=True)
        in_step = steps / max(1, denoiser.steps)
        known = Stretch(weakref.ref(p), kind, alike, step, steps, in_step, [])
        latest[pass_name] = known
    known.times.append(now)
    if step == steps - 1 and (seconds := _seconds(known, settings)) is not None:
        _keep(known.kind, str(settings), seconds)


def seconds_a_step(p: Any, pass_name: str, settings: Settings) -> tuple[float | None, float | None]:
    """Seconds per step of that pass of `p`, and of a pass like it without ToDo.

    None where that was not measured, or steps are not comparable.
    """
    known = latest.get(pass_name)
    if known is None or known.p() is not p:
        return None, None
    ours = _seconds(known, settings)
    others = _kept().get(known.kind, {}).get(str(None))
    without = statistics.median(others) if others else None
    return ours and ours * known.in_step, without and without * known.in_step


def seen(known: Kind, settings: Settings) -> tuple[float, int] | None:
    """How many times as fast the latest pictures were that agree in what is known, and how many.

    None where there are none with these settings, or none without ToDo.
    """
    for kind, seconds in reversed(_kept().items()):
        ours, without = seconds.get(str(settings)), seconds.get(str(None))
        if ours and without and known.items() <= json.loads(kind).items():
            times = statistics.median(without) / statistics.median(ours)
            return times, len(ours) + len(without)
    return None


def _kept() -> dict[str, dict[str, list[float]]]:
    # a file that somebody changed must not end a generation
    found = read(host.own_file(FILE)).items()
    return {kind: entry for kind, entry in found if isinstance(entry, dict)}


def _keep(kind: str, settings: str, seconds: float) -> None:
    """Add a picture; the latest kind and settings stand last."""
    kept = _kept()
    of_kind = kept.pop(kind, {})
    of_kind[settings] = [*of_kind.pop(settings, []), seconds][-PICTURES:]
    kept[kind] = of_kind
    with contextlib.suppress(OSError):
        write(host.own_file(FILE), dict(list(kept.items())[-KINDS:]))


def _seconds(done: Stretch, settings: Settings | None) -> float | None:
    """Mean of the medians of stages that pool alike, by their evaluations; the first is left out.

    None with nothing left, or where those of a stage take unequal times.
    """
    bounds = [LEAD_IN, *((settings.start, settings.end) if settings else ())]
    stages: dict[int, list[float]] = {}
    for number, (time_of_one, time_of_next) in enumerate(itertools.pairwise(done.times)):
        # the first one warms up
        if number:
            stage = sum((done.begin + number) / done.total >= bound for bound in bounds)
            stages.setdefault(stage, []).append(time_of_next - time_of_one)
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
    latent = tuple(params.x.shape[-2:])
    sampler, scheduler = (host.chosen(p, pass_name, of) for of in ("sampler_name", "scheduler"))
    return {
        **known_before(file, latent, p.batch_size, sampler, scheduler),
        "guidance": p.cfg_scale != 1,
        # more of them with AND in the prompt; in calls of their own where the lengths differ
        "conditions": params.x.shape[0],
        "one length": _length(params.text_cond) == _length(params.text_uncond),
        "early": str(getattr(p, "s_min_uncond", None)),
        "others": hashlib.sha256(repr(others).encode()).hexdigest()[:16],
    }


def known_before(
    checkpoint: str | None,
    latent: tuple[int, int],
    images: int,
    sampler: str | None,
    scheduler: str | None,
) -> Kind:
    """The part of a kind that is known before the generation."""
    return {
        "checkpoint": checkpoint,
        "latent": list(latent),
        "images": images,
        "sampler": sampler,
        "scheduler": scheduler,
        "attention": machine.attention(),
        "options": [str(host.options().get(name)) for name in OPTIONS],
    }


def _length(condition: Any) -> int | None:
    """Tokens of a prompt; None where there is none."""
    # SDXL's has several parts
    tokens = condition.get("crossattn") if isinstance(condition, dict) else condition
    return None if tokens is None else tokens.shape[1]


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
