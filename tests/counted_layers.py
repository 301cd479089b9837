"""What most tests count in a report."""

from __future__ import annotations

from lib_todo import Report
from lib_todo.reasons import Reason

LARGE, SMALL = (128, 128), (64, 64)
POOLED = (LARGE, 16384, 4096, None)
BELOW = (SMALL, 4096, 4096, Reason.BELOW_THRESHOLD)
OUTSIDE = (LARGE, 16384, 16384, Reason.OUTSIDE_WINDOW)


def count(report: Report, layers: range, *what: object, calls: int = 1) -> None:
    """Count the layers of these numbers `calls` times each in the step that the report was told."""
    moment = report.position.moment
    for _ in range(calls):
        report.count({what: layers}, moment.shown_step if moment else None)


def two_passes() -> Report:
    """Nothing above the threshold in 20 steps of the first pass; 5 of 10 pooled in the hires."""
    report = Report()
    for step in range(20):
        report.progress(step, 20)
        count(report, range(16), *BELOW)
    for step in range(10):
        report.progress(step, 10, "hires")
        count(report, range(10), *(POOLED if step < 5 else OUTSIDE))
        count(report, range(10, 16), *BELOW)
    return report
