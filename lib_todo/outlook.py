"""What is known of a pass before it is run: the steps in which no layer can be pooled.

In those, a host need not have the model's calls met at all, so that they cost nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

from .plan import Grid, decide, in_window, pass_wanted, pooled_grid
from .reasons import Reason
from .report import Report
from .settings import Settings

# a grid, how many self-attention layers it has, and why they are not pooled (None: they may be)
Level = tuple[Grid, int, "Reason | None"]


def levels_of(
    layers: Mapping[int, int], latent: Grid, settings: Settings, pass_name: str = "first"
) -> list[Level]:
    """The levels of a model in a pass; the sampler and the lead-in only ever pool less.

    Args:
        layers: how many self-attention layers it has at 1/n of the latent, by n; empty where that
            is not known.
        latent: its (height, width).
    """
    closed = Reason.OUTSIDE_WINDOW if settings.start == settings.end else None
    if not pass_wanted(pass_name, settings.passes):
        closed = Reason.OTHER_PASS
    grids = [pooled_grid(latent, downscale) for downscale in layers]
    reasons = [decide(grid, grids[0], settings)[1] or closed for grid in grids]
    return list(zip(grids, layers.values(), reasons))


def can_pool(levels: list[Level]) -> bool:
    """Whether a layer of these levels may be pooled; so it may where they are not known."""
    return not levels or any(reason is None for *_, reason in levels)


class Outlook:
    """The steps of a sampling, each with whether a layer may be pooled in it.

    Args:
        report: gets the steps, and the layers that are left alone since no call of them is met.
    """

    def __init__(self, report: Report, settings: Settings) -> None:
        self._report, self._settings = report, settings
        # as `Report.progress` takes them: nobody asks for them while no call is met
        self._untold: list[tuple[int, int, str, int | None]] = []
        self.begin([])

    def begin(self, levels: list[Level], pass_name: str = "first") -> None:
        """A pass begins with these levels, none where they are not known."""
        self.tell_steps()
        self._levels, self._pass_name, self._can_pool = levels, pass_name, can_pool(levels)
        self._may: bool | None = None

    def may_pool(self, step: int, total: int, shown_steps: int | None = None) -> bool:
        """Report a step, see `Report.progress`; whether a layer may be pooled in it."""
        self._untold.append((step, total, self._pass_name, shown_steps))
        settings, levels = self._settings, self._levels
        is_open = in_window(min(step, total - 1) / total, settings.start, settings.end)
        may = self._can_pool and (is_open or not levels)
        if may:
            self.tell_steps()
        elif may != self._may:
            rows = [(grid, n, why or Reason.OUTSIDE_WINDOW) for grid, n, why in levels]
            self._report.leave_alone(self._pass_name, rows)
        self._may = may
        return may

    def tell_steps(self) -> None:
        """Report the steps that were not reported yet, at the latest when the sampling ends."""
        for untold in self._untold:
            self._report.progress(*untold)
        self._untold.clear()
