"""What a report says, in English: the one place where it is put into words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .reasons import UNEXPECTED, Reason

if TYPE_CHECKING:
    from .report import Report

WORDS = {
    Reason.BELOW_THRESHOLD: "below the threshold",
    Reason.FACTOR_ONE: "factor 1",
    Reason.OUTSIDE_WINDOW: "outside the step window",
    Reason.OTHER_PASS: "other pass",
    Reason.OTHER_GENERATION: "another generation",
    Reason.OTHER_GRID: "not this grid",
    Reason.HYPERTILE: "left to HyperTile",
    Reason.OLDER_EXTENSION: "left to the older ToDo extension",
    Reason.ATTENTION_MAP_READ: "read by self-attention guidance",
    Reason.MASKED: "masked or with additional tokens",
    Reason.FUSED: "fused projections",
    Reason.OTHER_VALUES: "with values of their own",
    Reason.REPLACED: "replaced by another node",
    Reason.NOT_SELF_ATTENTION: "not self-attention over the image",
}
NO_LAYER = "no such layer seen"
REPLACED = "self-attention is replaced by another extension"


def line(report: Report, threshold: int | None, where: str) -> str:
    """One line for people; see `Report.line`."""
    if report.pooled:
        return _pooled_line(report)
    return nothing_pooled(_why_nothing(report, threshold, where))


def nothing_pooled(why: str) -> str:
    """The line where nothing was pooled."""
    return f"ToDo: nothing was pooled: {why}"


def _pooled_line(report: Report) -> str:
    parts = [
        f"{before} → {after} keys in {len(tally.layers)}"
        for (before, after), tally in sorted(report.pooled.items(), reverse=True)
    ]
    told = f"ToDo: {', '.join(parts)} of {report.layers} self-attention layers"
    pooled, seen = report.steps
    if seen:
        told += f", {pooled} of {seen} steps"
    notes = [
        f"{len(tally.layers)} {WORDS[reason]}"
        for reason, tally in report.left_alone.items()
        if reason in UNEXPECTED
    ]
    return f"{told} ({'; '.join(notes)})" if notes else told


def _why_nothing(report: Report, threshold: int | None, where: str) -> str:
    reasons = report.left_alone
    if not reasons:
        return REPLACED if report.tallies else NO_LAYER
    if set(reasons) == {Reason.BELOW_THRESHOLD}:
        limit = f"{threshold}×{threshold} tokens" if threshold else "the threshold"
        return " ".join(filter(None, [f"no layer has more than {limit}", where]))
    return ", ".join(
        f"{WORDS[reason]} ({len(tally.layers)} layers)"
        for reason, tally in reasons.items()
        if reason is not Reason.BELOW_THRESHOLD
    )
