"""What is known when a pass of a host begins: whether any of its layers can be pooled."""

from __future__ import annotations

from collections.abc import Mapping

from .plan import Grid, closed_pass, decide, pooled_grid, with_papers_factors
from .report import Report
from .settings import Settings


class Outlook:
    """Whether a layer may be pooled at the latent's present size, so that calls have to be met.

    Args:
        report: gets the layers that no call will be met of.

    Attributes:
        pass_name, latent: of the present pass, and the latent's (height, width).
    """

    def __init__(self, report: Report, settings: Settings) -> None:
        self._report, self._settings = report, settings
        self.pass_name, self.latent, self.can_pool = "", (0, 0), True

    def begin(self, layers: Mapping[int, int], latent: Grid, pass_name: str = "first") -> None:
        """A pass begins, or goes on with a latent of another size.

        A level is left alone by the asked and by the paper's factors: some steps have these.

        Args:
            layers: how many self-attention layers are at 1/n of the latent, by n; empty: unknown.
        """
        self.pass_name, self.latent = pass_name, latent
        settings, papers = self._settings, with_papers_factors(self._settings)
        closed = closed_pass(pass_name, settings)
        grids = [pooled_grid(latent, downscale) for downscale in layers]
        left = []
        for grid, count in zip(grids, layers.values()):
            why = decide(grid, grids[0], settings)[1] or closed
            if why and (closed or decide(grid, grids[0], papers)[1]):
                left.append((grid, count, why))
        self.can_pool = not layers or len(left) < len(layers)
        if not self.can_pool:
            self._report.leave_alone(pass_name, left)
