"""Whether a pass can pool anything: where it cannot, a host has none of its calls met."""

from __future__ import annotations

from collections.abc import Mapping

from .plan import Grid, decide, pass_wanted, pooled_grid
from .reasons import Reason
from .report import Report
from .settings import Settings


class Outlook:
    """What is known of a sampling's passes before they are run, and their steps.

    Args:
        report: gets the steps, and the layers that no call will be met of.

    Attributes:
        can_pool: whether a layer may be pooled in the present pass.
    """

    def __init__(self, report: Report, settings: Settings) -> None:
        self._report, self._settings = report, settings
        self._pass_name, self.can_pool = "first", True
        # as `Report.progress` takes them: nobody asks for them where no call is met
        self._untold: list[tuple[int, int, str, int | None]] = []

    def begin(self, layers: Mapping[int, int], latent: Grid, pass_name: str = "first") -> None:
        """A pass begins. The sampler and the lead-in only ever pool less than is said of it here.

        Args:
            layers: how many self-attention layers the model has at 1/n of the latent, by n; empty
                where that is not known.
            latent: its (height, width).
        """
        self.tell_steps()
        settings, self._pass_name = self._settings, pass_name
        closed = Reason.OUTSIDE_WINDOW if settings.start == settings.end else None
        if not pass_wanted(pass_name, settings.passes):
            closed = Reason.OTHER_PASS
        grids = [pooled_grid(latent, downscale) for downscale in layers]
        reasons = [decide(grid, grids[0], settings)[1] or closed for grid in grids]
        levels = zip(grids, layers.values(), reasons)
        left = [(grid, count, why) for grid, count, why in levels if why]
        self.can_pool = not layers or len(left) < len(layers)
        if not self.can_pool:
            self._report.leave_alone(pass_name, left)

    def step(self, step: int, total: int, shown_steps: int | None = None) -> None:
        """Report a step of the pass, see `Report.progress`."""
        self._untold.append((step, total, self._pass_name, shown_steps))
        if self.can_pool:
            self.tell_steps()

    def tell_steps(self) -> None:
        """Report the steps that were not reported yet, at the latest when the sampling ends."""
        for untold in self._untold:
            self._report.progress(*untold)
        self._untold.clear()
