"""In which steps of a pass no layer can be pooled: a host has no call met in them."""

from __future__ import annotations

from collections.abc import Mapping

from .plan import Grid, decide, in_window, pass_wanted, pooled_grid
from .reasons import Reason
from .report import Report
from .settings import Settings


class Outlook:
    """The steps of a sampling, each with whether a layer may be pooled in it.

    Args:
        report: gets the steps, and the layers that are left alone since no call of them is met.
    """

    def __init__(self, report: Report, settings: Settings) -> None:
        self._report, self._settings = report, settings
        # as `Report.progress` takes them: nobody asks for them while no call is met
        self._untold: list[tuple[int, int, str, int | None]] = []
        self.begin({}, (0, 0))

    def begin(self, layers: Mapping[int, int], latent: Grid, pass_name: str = "first") -> None:
        """A pass begins. The sampler and the lead-in only ever pool less than is said of it here.

        Args:
            layers: how many self-attention layers the model has at 1/n of the latent, by n; empty
                where that is not known.
            latent: its (height, width).
        """
        self.tell_steps()
        settings, self._pass_name = self._settings, pass_name
        closed = None if pass_wanted(pass_name, settings.passes) else Reason.OTHER_PASS
        grids = [pooled_grid(latent, downscale) for downscale in layers]
        reasons = [decide(grid, grids[0], settings)[1] or closed for grid in grids]
        self._levels = list(zip(grids, layers.values(), reasons))
        self._can_pool = not layers or None in reasons
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
