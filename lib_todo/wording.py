"""The report in English: every text that users read about what was pooled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from .reasons import UNEXPECTED, Reason

if TYPE_CHECKING:
    from .counts import Counts
    from .report import Report

WORDS = {
    Reason.BELOW_THRESHOLD: "below the threshold",
    Reason.FACTOR_ONE: "with a factor of 1 (chosen, or automatic near the threshold)",
    Reason.LEAD_IN: "with the paper's factor of 1, which the first quarter of the steps uses",
    Reason.SAMPLER: "with the paper's factor of 1, which this sampler needs",
    Reason.OUTSIDE_WINDOW: "outside the steps from Start to End",
    Reason.OTHER_PASS: "in a pass that the setting Passes excludes",
    Reason.OTHER_GENERATION: "called outside the sampler's own steps",
    Reason.OTHER_GRID: "whose tokens another extension merged or tiled first",
    Reason.TOKENS_MERGED: "with tokens merged by token merging (ToMe)",
    Reason.AGENT_ATTENTION: "left to agent attention, which merged their tokens",
    Reason.HYPERTILE: "left to HyperTile",
    Reason.OLDER_EXTENSION: "left to the older ToDo extension",
    Reason.ATTENTION_MAP_READ: "left to self-attention guidance, which reads their attention map",
    Reason.PERTURBED: "left to perturbed-attention guidance, which replaces their output",
    Reason.MASKED: "masked or with additional tokens",
    Reason.FUSED: "with fused projections",
    Reason.OTHER_VALUES: "called with values that do not match the keys",
    Reason.KEYS_IGNORED: "that ignore the pooled keys they are given",
    Reason.REPLACED: "replaced by another node",
    Reason.OTHER_REDUCTION: "left to another program's token reduction",
    Reason.OTHER_PROCESSOR: "with an attention processor that may not take pooled keys",
    Reason.HOOKED: "with a hook that reads their output or values",
    Reason.FORWARD_REPLACED: "whose forward was replaced by other code",
    Reason.NOT_SELF_ATTENTION: "not self-attention over the image",
}
REMEDIES = {
    Reason.BELOW_THRESHOLD: "A larger image or a lower threshold would be pooled",
    Reason.FACTOR_ONE: "A larger image or a factor of 2 would be pooled",
    Reason.LEAD_IN: "More steps, a larger image or a factor of 2 would be pooled",
    Reason.SAMPLER: "Another sampler, a larger image or a factor of 2 would be pooled",
    Reason.OUTSIDE_WINDOW: "Set Start lower or End higher",
    Reason.OTHER_PASS: "Set Passes to both",
    Reason.OTHER_GRID: "Switch that extension off to use ToDo",
    Reason.TOKENS_MERGED: "Switch token merging off to use ToDo (tomesd.remove_patch in programs)",
    Reason.AGENT_ATTENTION: "Switch agent attention off to use ToDo",
    Reason.HYPERTILE: "Switch HyperTile off to use ToDo",
    Reason.OLDER_EXTENSION: "Switch the older extension off to use this one",
    Reason.ATTENTION_MAP_READ: "Switch self-attention guidance off to use ToDo",
    Reason.PERTURBED: "Switch perturbed-attention guidance off to use ToDo",
    Reason.OTHER_REDUCTION: "Switch the other token reduction off to use ToDo",
    Reason.OTHER_PROCESSOR: (
        "Use diffusers' own processor, or set accepts_downsampled_keys = True on yours if it "
        "computes keys from encoder_hidden_states"
    ),
    Reason.HOOKED: "Remove the hook to use ToDo",
    Reason.FORWARD_REPLACED: "Switch that code off to use ToDo",
    Reason.FUSED: "Unfuse the projections to use ToDo",
}
PASSES = {"first": "first pass", "hires": "hires pass"}
NO_LAYER = "no self-attention layer that ToDo knows was called"
COMPILED = (
    "the model runs as a graph that was compiled without ToDo: switch torch.compile off, or wrap "
    'the sampling in torch.compiler.set_stance("force_eager")'
)
BYPASSED = (
    "the model has self-attention layers, but none was called: other code runs in place of its "
    "U-Net or its layers (a compiled graph, TensorRT, stable-fast, LayerDiffuse). Switch that off "
    "to use ToDo"
)
ELSEWHERE = (
    "the model was called in another thread or task than the one that entered the `with`: run it "
    "by asyncio.to_thread or contextvars.copy_context().run, which carry the `with` over, or use "
    "lib_todo.bind, which works in every thread"
)
REPLACED = "self-attention is replaced by another extension"
# by how start and end were followed, see `Report.window`
WINDOWS = {
    "timesteps": "start and end estimated from timesteps, since the number of steps is not known",
    "unknown": (
        "start and end ignored, since the steps are not known: use a diffusers scheduler inside "
        "the `with`, or call Report.progress before each step"
    ),
}


def line(report: Report, threshold: int | None, where: str) -> str:
    """One line for people; see `Report.line`."""
    if report.pooled:
        return f"ToDo: {_pooled(report, report.steps, _notes(report))}"
    if not report.tallies and report.compiled:
        return nothing_pooled(COMPILED)
    if not report.tallies and report.missed_elsewhere:
        return nothing_pooled(ELSEWHERE)
    window = f" ({WINDOWS[report.window]})" if report.window else ""
    return nothing_pooled(_why_nothing(report, threshold, where) + window)


def nothing_pooled(why: str) -> str:
    """The line where nothing was pooled."""
    return f"ToDo: nothing was pooled: {why}"


def generation_line(report: Report, threshold: int, heads: Mapping[str, str]) -> str:
    """One line for people, pass by pass; where nothing was pooled, it ends with what to change.

    Args:
        report: of the whole generation.
        threshold: a side in tokens, named where no layer was above it.
        heads: by pass, what stands in brackets behind its name, such as "512×512".
    """
    told = []
    for name, counts in report.passes.items():
        head = f" ({heads[name]})" if heads.get(name) else ""
        if counts.pooled:
            text = _pooled(counts, report.steps_of(name), _notes(report))
        else:
            text = f"nothing was pooled: {_why_nothing(counts, threshold, '')}"
        told.append((PASSES[name], head, text))
    if len(told) == 1:
        _, head, text = told[0]
        whole = f"ToDo{head}: {text}"
    else:
        whole = "ToDo: " + "; ".join(f"{name}{head}: {text}" for name, head, text in told)
    remedy = "" if report.pooled else remedies(report)
    return f"{whole}. {remedy}" if remedy else whole


def remedies(counts: Counts) -> str:
    """What to change, one sentence for each reason that the user can do something about."""
    reasons = set(counts.left_alone)
    if len(reasons) > 1:
        # deeper layers are nearly always below the threshold; the other reason is the useful one
        reasons.discard(Reason.BELOW_THRESHOLD)
    return ". ".join(REMEDIES[reason] for reason in WORDS if reason in reasons & REMEDIES.keys())


def layers(count: int) -> str:
    """The number with its noun."""
    return f"{count} layer" if count == 1 else f"{count} layers"


def _by_keys_before(counts: Counts) -> dict[int, tuple[list[int], set[int]]]:
    """What was pooled, by keys before, largest first: all numbers of keys after, and the layers.

    A layer that kept all its keys in the lead-in has that number among those after, too.
    """
    found: dict[int, tuple[list[int], set[int]]] = {}
    for (before, after), tally in sorted(counts.pooled.items(), reverse=True):
        afters, layers = found.setdefault(before, ([], set()))
        if not afters and counts.left_whole(before) & tally.layers:
            afters.append(before)
        afters.append(after)
        layers |= tally.layers
    return found


def _pooled(counts: Counts, steps: tuple[int, int], whole: list[str]) -> str:
    """What was pooled, with notes in brackets: on layers left alone, then `whole`, on the steps."""
    parts = [
        f"{before} → {' or '.join(map(str, afters))} keys in {len(layers)}"
        for before, (afters, layers) in _by_keys_before(counts).items()
    ]
    told = f"{', '.join(parts)} of {counts.layers} self-attention layers"
    pooled, seen = steps
    if seen:
        told += f", {pooled} of {seen} steps"
    notes = [
        f"{len(tally.layers)} {WORDS[reason]}"
        for reason, tally in counts.left_alone.items()
        if reason in UNEXPECTED
    ]
    notes += whole
    return f"{told} ({'; '.join(notes)})" if notes else told


def _notes(report: Report) -> list[str]:
    """Notes on the steps: a phase that was held, a window that could not be followed."""
    notes = [_held(sampler, count) for sampler, count in report.held.items()]
    notes += [f"phase held in the last steps for {sampler}" for sampler in report.rested]
    return [*notes, WINDOWS[report.window]] if report.window else notes


def _held(sampler: str | None, steps: int) -> str:
    """That a moving phase was held or fixed, and why."""
    if not steps:
        return f"phase fixed {f'for {sampler}' if sampler else 'since the steps are not known'}"
    whose = f"for {sampler}" if sampler else "since the sampler is not known"
    return f"phase held for {steps} steps {whose}"


def _why_nothing(counts: Counts, threshold: int | None, where: str) -> str:
    reasons = counts.left_alone
    if not reasons:
        return REPLACED if counts.tallies else NO_LAYER
    if set(reasons) == {Reason.BELOW_THRESHOLD}:
        limit = f"{threshold}×{threshold} tokens" if threshold else "the threshold"
        return " ".join(filter(None, [f"no layer has more than {limit}", where]))
    return ", ".join(
        f"{layers(len(tally.layers))} {WORDS[reason]}"
        for reason, tally in reasons.items()
        if reason is not Reason.BELOW_THRESHOLD
    )
