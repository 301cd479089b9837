"""The report in English: every text that users read about what was pooled."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from .counts import Counts, PassCounts, Tally, summed
from .position import Step
from .reasons import BY_RULE, UNEXPECTED, Reason

REMEDIES = dict.fromkeys(UNEXPECTED, "Switch that off to use ToDo") | {
    Reason.BELOW_THRESHOLD: "A larger image or a lower threshold would be pooled",
    Reason.FACTOR_ONE: "A larger image or a factor of 2 would be pooled",
    Reason.LEAD_IN: "More steps, a larger image or a factor of 2 would be pooled",
    Reason.SAMPLER: "More steps, another sampler or a factor of 2 would be pooled",
    Reason.OUTSIDE_WINDOW: "Set Start lower or End higher",
    Reason.OTHER_PASS: "Set Passes to both",
    Reason.OTHER_PROCESSOR: (
        "Use diffusers' own processor, or set accepts_downsampled_keys = True on yours if it "
        "computes keys from encoder_hidden_states"
    ),
}
NO_LAYER = (
    "no self-attention layer that ToDo knows was called: SD3 and Flux have none, and other code (a "
    "compiled graph, TensorRT, stable-fast, LayerDiffuse) may run in place of a U-Net's"
)
COMPILED = (
    "the model runs as a graph that was compiled without ToDo: switch torch.compile off, or wrap "
    'the sampling in torch.compiler.set_stance("force_eager")'
)
ELSEWHERE = (
    "the model was called in another thread or task than the one that entered the `with`: use "
    "lib_todo.bind, or asyncio.to_thread, which carries the `with` over"
)
# by how start and end were followed, see `Report.window`
WINDOWS = {
    "timesteps": "start and end estimated from timesteps, since the number of steps is not known",
    "unknown": (
        "start and end ignored, since the steps are not known: use a diffusers scheduler inside "
        "the `with`, or call Report.progress before each step"
    ),
}


def line(
    passes: Mapping[str, PassCounts], window: str, heads: Mapping[str, str], missing: str
) -> str:
    """`Report.line`; it ends with what to change. `missing` is said where no layer was seen."""
    notes = [WINDOWS[window]] if window else []
    if not any(counts.tallies for counts in passes.values()):
        return nothing_pooled(_with_notes(missing, notes))
    told = []
    for name, counts in passes.items():
        if counts.pooled:
            keys, other_steps = _keys(counts)
            text = f"{keys} keys in {layers_and_steps(counts, [*other_steps, *notes])}"
        else:
            text = f"nothing was pooled: {_with_notes(_why_nothing(counts) or missing, notes)}"
        head = f" ({heads[name]})" if heads.get(name) else ""
        told.append(f"{name} pass{head}: {text}")
    whole = f"ToDo: {'; '.join(told)}"
    if len(passes) == 1:
        whole = whole.replace(f": {name} pass", "", 1)
    if any(counts.pooled or not counts.tallies for counts in passes.values()):
        return whole
    # what to change about the reason that is told first, where somebody can
    reasons = set[Reason]().union(*map(_reasons, passes.values()))
    remedies = [REMEDIES[reason] for reason in Reason if reason in reasons & set(REMEDIES)]
    return ". ".join([whole, *remedies[:1]])


def nothing_pooled(why: str) -> str:
    """The line where nothing was pooled."""
    return f"ToDo: nothing was pooled: {why}"


def steps_in_words(steps: Iterable[int], total: int) -> str:
    """Where some of a pass's steps lie, such as `the first quarter and the last 3 steps`."""
    found = set(steps)
    first = next(number for number in range(total + 1) if number not in found)
    last = next(number for number in range(total + 1) if total - 1 - number not in found)
    if first == total:
        return f"all {total} steps" if total > 1 else "the only step"
    if first + last != len(found):
        return f"{len(found)} of {total} steps"
    words = [
        f"the {which} {number} steps" if number > 1 else f"the {which} step"
        for which, number in (("first", first), ("last", last))
        if number
    ]
    if first == -(-total // 4):
        words[0] = "the first quarter"
    elif first == -(-2 * total // 3):
        words[0] = "the first two thirds"
    return " and ".join(words)


def layers_and_steps(counts: PassCounts, notes: Iterable[str] = ()) -> str:
    """In how many layers and in which steps something was pooled; in brackets `notes` and more."""
    pooled = set().union(*(tally.layers for tally in counts.pooled.values()))
    told = f"{len(pooled)} of {counts.layers} self-attention layers"
    if met := _steps_met(counts):
        told += f", {_in_steps(counts, met)}"
    unexpected = [
        f"{len(tally.layers)} {reason.value}"
        for reason, tally in counts.left_alone.items()
        if reason in UNEXPECTED
    ]
    held = []
    for sampler, steps in counts.held.items():
        unknown = "sampler is" if steps else "steps are"
        whose = f"for {sampler}" if sampler else f"since the {unknown} not known"
        held.append(f"phase held for {steps} steps {whose}" if steps else f"phase fixed {whose}")
    rested = [f"phase held in the last steps for {sampler}" for sampler in counts.rested]
    return _with_notes(told, [*notes, *unexpected, *held, *rested])


def _with_notes(told: str, notes: list[str]) -> str:
    return f"{told} ({'; '.join(notes)})" if notes else told


def _keys(counts: PassCounts) -> tuple[str, list[str]]:
    """The keys before and after, the most first; and notes on the steps in which they differ."""
    # layers that the rule left whole, which a window or another extension is not, in calls met
    met = ((key, tally) for key, tally in counts.tallies.items() if tally.calls)
    wholes = summed((before, tally) for (_, before, _, why), tally in met if why in BY_RULE)
    afters: dict[int, dict[int, Tally]] = {}
    for (before, after), tally in sorted(counts.pooled.items(), reverse=True):
        afters.setdefault(before, {})[after] = tally
    told, total = [], _steps_of_a_sampling(counts, _steps_met(counts))
    # by steps: what became of the levels there that did otherwise than in most steps
    others: dict[str, list[str]] = {}
    for before, tallies in afters.items():
        found = {after: _numbers(tally.steps) for after, tally in tallies.items()}
        whole = wholes.get(before, Tally())
        if any(whole.layers & tally.layers for tally in tallies.values()):
            kept = _numbers(whole.steps) - set().union(*found.values())
            found = {before: kept, **found}
        if not all(found.values()):
            # without known steps, all numbers stand beside each other
            named = [str(after) for after in tallies] + ["all"] * (before in found)
            told.append(f"{before} → {' or '.join(named)}")
            continue
        # the number in most steps; of the lead-in's and the other, the fewer where they are even
        main = max(reversed(found), key=lambda after: (after != before, len(found[after])))
        told.append(f"{before} → {main}")
        for after in found:
            if after != main:
                steps = steps_in_words(found[after], total)
                level = f"all {before}" if after == before else f"{before} → {after}"
                others.setdefault(steps, []).append(level)
    notes = []
    for steps, named in others.items():
        fewer = [keys for keys in named if "→" in keys]
        if len(named) == len(afters) > len(fewer):
            # where every level is named, the whole ones need not be
            named = [f"only {', '.join(fewer)}" if fewer else "none"]
        notes.append(f"in {steps} {', '.join(named)}")
    return ", ".join(told), notes


def _numbers(steps: Iterable[Step]) -> set[int]:
    """The steps' numbers within their samplings: those of a batch or of tiles are the same."""
    return {shown for _, _, shown in steps}


def _steps_met(counts: PassCounts) -> set[Step]:
    """The steps of samplings of which a call was met: others were too small, such as a seam's."""
    met = {sampling for tally in counts.tallies.values() for sampling, *_ in tally.steps}
    return {step for step in counts.seen if step[0] in met}


def _steps_of_a_sampling(counts: PassCounts, met: set[Step]) -> int:
    """How many steps a sampling has: as many as were asked for, or as many as were seen."""
    asked = [counts.asked.get(sampling, 0) for sampling, *_ in met]
    return max([0, *asked, *(shown + 1 for *_, shown in met)])


def _in_steps(counts: PassCounts, met: set[Step]) -> str:
    """In which of a sampling's steps something was pooled."""
    pooled = _numbers(set().union(*(tally.steps for tally in counts.pooled.values())))
    seen, total = _numbers(met), _steps_of_a_sampling(counts, met)
    begun, ended = min(seen) + 1, max(seen) + 1
    where = ""
    if (begun, ended) != (1, total):
        # a part of a schedule, or it was broken off
        where = f" {begun} of {total}" if begun == ended else f" from {begun} to {ended} of {total}"
    if len(pooled) < len(seen):
        return f"in {len(pooled)} of {len(seen)} steps{where}"
    if len(seen) > 1:
        return f"in all {len(seen)} steps{where}"
    return f"in {'its' if where else 'the only'} step{where}"


def _why_nothing(counts: Counts) -> str:
    told = _reasons(counts)
    if Reason.BELOW_THRESHOLD in told:
        height, width = max((grid for grid, *_ in counts.tallies), key=math.prod)
        return f"no layer is above the threshold, the largest has {width}×{height} tokens"
    return ", ".join(f"{n} layer{'s' * (n > 1)} {reason.value}" for reason, n in told.items())


def _reasons(counts: Counts) -> dict[Reason, int]:
    """How many layers were left alone for each reason; each layer is counted once."""
    left, counted, found = counts.left_alone, set[int](), {}
    for reason in Reason:
        if reason in left and (some := left[reason].layers - counted):
            found[reason] = len(some)
            counted |= some
    if len(found) > 1:
        # deeper layers nearly always are; another reason is the useful one
        found.pop(Reason.BELOW_THRESHOLD, None)
    return found
