"""Whether a pass can pool anything: where it cannot, a host has none of its calls met."""

from __future__ import annotations

from collections.abc import Mapping

from .plan import Grid, decide, pass_wanted, pooled_grid, with_papers_factors
from .reasons import Reason
from .report import Report
from .settings import Settings


class Outlook:
    """What is known of a sampling's passes before they are run, and their steps.

    Args:
        report: gets the steps, and the layers that no call will be met of.

    Attributes:
        pass_name: the present pass; empty before the first.
        can_pool: whether a layer may be pooled in it.
    """

    def __init__(self, report: Report, settings: Settings) -> None:
        self._report, self._settings = report, settings
        self.pass_name, self.can_pool = "", True
        # as `Report.progress` takes them: nobody asks for them where no call is met
        self._untold: list[tuple[int, int, str, int | None]] = []

    def begin(self, layers: Mapping[int, int], latent: Grid, pass_name: str = "first") -> None:
        """A pass begins, of whose steps some may have the paper's factors.

        Args:
            layers: how many self-attention layers are at 1/n of the latent, by n; empty: unknown.
            latent: its (height, width).
        """
        self.tell_steps()
        settings, self.pass_name = self._settings, pass_name
        closed = Reason.OUTSIDE_WINDOW if settings.start == settings.end else None
        if not pass_wanted(pass_name, settings.passes):
            closed = Reason.OTHER_PASS
        grids = [pooled_grid(latent, downscale) for downscale in layers]
        left = []
        for grid, count in zip(grids, layers.values()):
            papers = decide(grid, grids[0], with_papers_factors(settings))[1]
            if why := (papers and decide(grid, grids[0], settings)[1]) or closed:
                left.append((grid, count, why))
        self.can_pool = not layers or len(left) < len(layers)
        if not self.can_pool:
            self._report.leave_alone(pass_name, left)

    def step(self, step: int, total: int, shown_steps: int | None = None) -> None:
        """Report a step of the pass, see `Report.progress`."""
        self._untold.append((step, total, self.pass_name, shown_steps))
        if self.can_pool:
            self.tell_steps()

    def tell_steps(self) -> None:
        """Report the steps that were not reported yet, at the latest when the sampling ends."""
        untold, self._untold = self._untold, []
        for step in untold:
            self._report.progress(*step)
