"""The rule as it holds in one call of a model: factors, phases and reasons at one moment."""

from __future__ import annotations

from .phase import FIXED, Phase, PhaseCounter
from .plan import Decision, Grid, closed_pass, decide, in_window
from .position import Moment
from .reasons import Reason
from .report import Report
from .samplers import SamplerRule, rule_for
from .settings import Settings


class Rule:
    """What holds in one call of a model, whatever its layers.

    Args:
        settings: what was asked for.
        moment: where the call stands in its sampling; None where nothing is known of it.
        before: the rule of an earlier call with these settings.
    """

    def __init__(
        self, settings: Settings, moment: Moment | None, before: Rule | None = None
    ) -> None:
        self.asked = settings
        self.moment = moment = moment or Moment()
        self.sampler: SamplerRule
        self._decided: dict[tuple[Grid, Grid, Reason | None], Decision]
        if before is not None and before.moment.samples_like(moment):
            # to look it up takes longer than all else: it hashes the noise levels
            self.sampler, self._decided = before.sampler, before._decided
        else:
            self.sampler = rule_for(moment.sampler, moment.reported, moment.sigmas)
            self._decided = {}
        done, step = moment.fraction, moment.step or 0
        # why the automatic factors are no greater than the paper's; None where they may be
        self.careful = None
        if step >= self.sampler.careful_from:
            self.careful = Reason.SAMPLER
        elif moment.counts_steps and done is not None and done < self.sampler.lead_in:
            self.careful = Reason.LEAD_IN
        # whether this step may have another phase than the one before
        self.moves = settings.moves and step < self.sampler.rest_from
        # why no layer of any grid is pooled; None where layers may be
        self.closed = closed_pass(moment.pass_name, settings)
        if self.closed is not None:
            # whatever the factors are
            self.careful = None
        elif done is not None and not in_window(done, settings.start, settings.end):
            self.closed = Reason.OUTSIDE_WINDOW

    def decide(self, grid: Grid, largest: Grid) -> Decision:
        """The factor of a layer, and why it is left alone (None: it is not)."""
        key = grid, largest, self.careful
        if key not in self._decided:
            self._decided[key] = decide(grid, largest, self.asked, self.careful)
        factor, reason = self._decided[key]
        return (factor, None) if reason is self.closed is None else (1, reason or self.closed)

    def phase(self, counter: PhaseCounter, factor: float) -> Phase:
        """The phase in this step of the layers whose steps the `counter` counts."""
        step = self.moment.step
        if step is None or not self.moves:
            return FIXED
        return counter.phase(self.moment.sampling, step, factor, self.sampler.hold)

    def note_phase(self, report: Report) -> None:
        """Tell the report where a phase that is used does not move on with each step."""
        moment, sampler = self.moment, self.sampler
        if not self.asked.moves:
            return
        with report.lock:
            if moment.step is None:
                report.pass_now.held[None] = 0
            elif sampler.rest_from == 0:
                report.pass_now.held[moment.sampler] = 0
            elif moment.step >= sampler.rest_from:
                report.pass_now.rested[moment.sampler] = None
            elif sampler.hold != 1:
                report.pass_now.held[moment.sampler] = sampler.hold
